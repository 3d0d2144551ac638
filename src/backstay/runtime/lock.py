"""The single-instance lock: one process owns a data folder, and one process runs a mode (R-24).

The operating system holds the lock, so it ends with the process however that ends; the file's text only tells
people and the next owner who it was. The fencing number grows with every owner.

The file also carries a sign of life: the machine's monotonic clock and the name of its present boot, renewed
by whoever looks after the process (`verify`) and, if that is late, before a request leaves (`held`). So the
next owner knows for how long nothing can have been sent, whatever the wall clock did meanwhile (R-12, 8.2).
It is not synced: a process that dies loses nothing of it, a machine that dies boots under another name.
"""

import contextlib
import errno
import fcntl
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

import msgspec

MARK_LATEST = 2_000_000_000
"""No request leaves when the sign of life is older than this (ns); it is renewed then."""
MARK_SLACK = 1_000_000_000
"""Between the look at the sign of life and the request's own timestamp: some microseconds in truth."""
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_DIGITS = 20


class LockError(Exception):
    """Another process owns it, or the lock file cannot be made: what, and what to do."""

    exit_code: ClassVar[int] = 3


class LockUnwritableError(LockError):
    """The folder of the lock cannot be written."""

    exit_code: ClassVar[int] = 2


class Holder(msgspec.Struct, frozen=True):
    """Who holds, or last held, a lock."""

    pid: int
    fencing: int
    mode: str
    since: str
    """ISO time, for people."""
    boot: str = ""
    """The machine's present boot; empty where the system does not name it."""
    alive: str = ""
    """Monotonic clock of that boot, ns, at the latest sign of life."""


class InstanceLock:
    """Exclusive locks on some files, taken together; implements `runtime.ports.Lease`."""

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        mode: str,
        boot: str | None = None,
        monotonic: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """`paths`: first the lock of the data folder, whose fencing number counts.

        `boot`: the name of the machine's present boot, if not the system's own.
        """
        self._paths = tuple(paths)
        self._mode = mode
        self._boot = boot_id() if boot is None else boot
        self._monotonic = monotonic
        self._mark_at = 0
        self._marked = 0
        self._files: list[tuple[int, Path]] = []
        self._held = False
        self.fencing = 0
        """Number of this ownership; 0 before `acquire`."""
        self.quiet_ns = 0
        """For at least so long before `acquire` no earlier owner can have sent anything; 0: unknown."""

    def acquire(self, *, now: str = "") -> None:
        """Take all locks or none. `now`: ISO time to be shown to others.

        Raises LockError when another process holds one, LockUnwritableError when a file cannot be made or
        written.
        """
        try:
            for path in self._paths:
                self._files.append((self._lock(path), path))
        except LockError:
            self.release()
            raise
        first = self._files[0]
        before = _read(first[0])
        self.fencing = before.fencing + 1
        self._marked = self._monotonic()
        self.quiet_ns = quiet_for(before, self._boot, self._marked)
        facts: dict[str, str | int] = {"pid": os.getpid(), "fencing": self.fencing, "mode": self._mode}
        facts |= {"since": now, "boot": self._boot, "alive": f"{self._marked:0{_DIGITS}}"}
        text = json.dumps(facts).encode()
        self._mark_at = text.rindex(b'"', 0, -2) + 1
        try:
            for fd, path in self._files:
                _write(fd, path, text)
        except LockError:
            self.release()
            raise
        self._held = True

    def held(self) -> bool:
        """Whether this process may still act as the owner; cheap, asked before every request."""
        if self._held and self._monotonic() - self._marked > MARK_LATEST:
            self._sign_of_life()
        return self._held

    def _sign_of_life(self) -> None:
        """Who cannot leave one is no owner any more: the next one would believe it dead for longer."""
        now = self._monotonic()
        try:
            os.pwrite(self._files[0][0], f"{now:0{_DIGITS}}".encode(), self._mark_at)
        except OSError:
            self._held = False
            return
        self._marked = now

    def verify(self) -> bool:
        """Look whether the files are still the ones that were locked (somebody may have deleted one).

        A lock that was lost stays lost. To be called every second or so; `held` only remembers the answer.
        """
        for fd, path in self._files:
            try:
                there, ours = path.stat(), os.fstat(fd)
            except OSError:
                self._held = False
                break
            if (there.st_ino, there.st_dev) != (ours.st_ino, ours.st_dev):
                self._held = False
        if self._held:
            self._sign_of_life()
        return self._held

    def release(self) -> None:
        """Let go; harmless when nothing is held. The files stay: they carry the fencing number."""
        self._held = False
        for fd, _ in reversed(self._files):
            os.close(fd)
        self._files.clear()

    def _lock(self, path: Path) -> int:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise LockUnwritableError(
                f"the lock {path} cannot be made: {error.strerror}. Let this user write to the folder, or "
                f"choose another (run.data_dir, logs.dir)"
            ) from None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = _read(fd)
            os.close(fd)
            raise LockError(_refusal(path, holder)) from None
        return fd


def boot_id() -> str:
    """The name of the machine's present boot; empty where the system does not tell."""
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def quiet_for(before: Holder, boot: str, now: int) -> int:
    """For how long (ns) the owner `before` cannot have sent anything, by `now` of the monotonic clock; or 0.

    Only a sign of life of this very boot counts: clocks of other boots and other machines say nothing.
    """
    if not boot or before.boot != boot or not before.alive.isdecimal():
        return 0
    return max(0, now - int(before.alive) - MARK_LATEST - MARK_SLACK)


def holder_of(path: Path) -> Holder | None:
    """Who holds this lock now; None when nobody does."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return _read(fd)
    finally:
        os.close(fd)
    return None


def _read(fd: int) -> Holder:
    """What the file says; zeros when it says nothing that can be read."""
    with contextlib.suppress(msgspec.DecodeError, OSError):
        return msgspec.json.decode(os.pread(fd, 4096, 0), type=Holder)
    return Holder(0, 0, "", "")


def _write(fd: int, path: Path, text: bytes) -> None:
    """Over the older text and no shorter, so that no new room is needed: a full disk keeps no kill out."""
    whole = text.ljust(os.fstat(fd).st_size - 1) + b"\n"
    try:
        if os.pwrite(fd, whole, 0) == len(whole):
            return
        trouble = os.strerror(errno.ENOSPC)
    except OSError as error:
        trouble = str(error.strerror)
    raise LockUnwritableError(
        f"the lock {path} cannot be written: {trouble}. Make room there, or choose another folder "
        "(run.data_dir, logs.dir)"
    )


def _refusal(path: Path, holder: Holder) -> str:
    since = f" since {holder.since}" if holder.since else ""
    who = f"process {holder.pid} ({holder.mode}){since}" if holder.pid else "another process"
    return (
        f"{who} owns {path.parent} already: two owners would send orders twice. Use that one "
        f"(`backstay positions status`), stop it, or choose another folder (run.data_dir, logs.dir)"
    )
