"""The single-instance lock: one process owns a data folder, and one process runs a mode (R-24).

The operating system holds the lock, so it ends with the process however that ends; the file's text only tells
people and the next owner who it was. The fencing number grows with every owner.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import msgspec


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


class InstanceLock:
    """Exclusive locks on some files, taken together; implements `runtime.ports.Lease`."""

    def __init__(self, paths: Sequence[Path], *, mode: str) -> None:
        """`paths`: first the lock of the data folder, whose fencing number counts."""
        self._paths = tuple(paths)
        self._mode = mode
        self._files: list[tuple[int, Path]] = []
        self._held = False
        self.fencing = 0
        """Number of this ownership; 0 before `acquire`."""

    def acquire(self, *, now: str = "") -> None:
        """Take all locks or none. `now`: ISO time to be shown to others.

        Raises LockError when another process holds one, LockUnwritableError when a file cannot be made.
        """
        try:
            for path in self._paths:
                self._files.append((self._lock(path), path))
        except LockError:
            self.release()
            raise
        first = self._files[0]
        self.fencing = _read(first[0]).fencing + 1
        text = json.dumps({"pid": os.getpid(), "fencing": self.fencing, "mode": self._mode, "since": now})
        for fd, _ in self._files:
            os.ftruncate(fd, 0)
            os.pwrite(fd, text.encode() + b"\n", 0)
        self._held = True

    def held(self) -> bool:
        """Whether this process may still act as the owner; cheap, asked before every request."""
        return self._held

    def verify(self) -> bool:
        """Look whether the files are still the ones that were locked (somebody may have deleted one).

        A lock that was lost stays lost. To be called now and then; `held` only remembers the answer.
        """
        for fd, path in self._files:
            try:
                there, ours = path.stat(), os.fstat(fd)
            except OSError:
                self._held = False
                break
            if (there.st_ino, there.st_dev) != (ours.st_ino, ours.st_dev):
                self._held = False
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


def _refusal(path: Path, holder: Holder) -> str:
    since = f" since {holder.since}" if holder.since else ""
    who = f"process {holder.pid} ({holder.mode}){since}" if holder.pid else "another process"
    return (
        f"{who} owns {path.parent} already: two owners would send orders twice. Use that one "
        f"(`backstay positions status`), stop it, or choose another run.data_dir"
    )
