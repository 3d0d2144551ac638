"""The journal: where records get their numbers, and how they reach the disk.

`append` numbers a record and queues it. A writer (`backstay.ledger.writers`) takes what is queued,
encodes and chains it, writes it to `events.jsonl`, and makes it durable in the side journal when somebody
waits or enough time has passed: one durable write for all that was queued (group commit). Any
thread may ask for a write-out; a lock lets one at a time through, in the order of the numbers.
"""

import contextlib
import threading
from hashlib import sha256
from typing import Protocol

from backstay.core.records import Body
from backstay.core.types import TimeNs
from backstay.ledger.codec import Head, encode_line
from backstay.ledger.disk import Disk
from backstay.ledger.errors import JournalError
from backstay.ledger.side_journal import SIDE_BYTES, SideJournal, side_path

SLICE = 64
"""Records encoded in one go: writing them lets go of the interpreter lock, so a fill need not wait."""
MAX_QUEUED = 1_000_000
"""Records that may wait for a disk that does not answer before `append` refuses."""

type Queued = tuple[int, TimeNs, int, Body]
"""(seq, at, cause, body)"""


class Writer(Protocol):
    """Who writes out, and when. One writer serves one journal."""

    def start(self, log: "Log") -> None: ...

    def kick(self) -> None:
        """Something was queued; write it soon. Cheap, and harmless when nothing was."""
        ...

    async def durable(self, seq: int) -> None:
        """Return once the log is durable up to `seq`. Raises JournalError."""
        ...

    def stop(self) -> None:
        """Return once this writer will not touch the log again."""
        ...


class Log:
    """The queue and the two files below it. Raises JournalError, and after the first one nothing else."""

    def __init__(self, disk: Disk, path: str, start: Head, side_bytes: int = SIDE_BYTES) -> None:
        self.path = path
        self.queue: list[Queued] = []
        self.written = start
        self.durable_seq = start.seq
        self.failure: JournalError | None = None
        self._unsynced: list[bytes] = []
        """What `events.jsonl` has and the side journal has not."""
        self._lock = threading.Lock()
        try:
            self._file = disk.open_append(path)
            size = self._file.size()
            self._side = SideJournal(disk, side_path(path), side_bytes)
        except OSError as error:
            raise JournalError(f"{path} cannot be opened for writing: {error}") from error
        if size != start.offset:
            raise JournalError(
                f"{path} has {size} bytes where its last record ends at byte {start.offset}: something "
                f"else writes to it; stop that, and open the ledger again"
            )

    def write_out(self, *, sync: bool) -> Head:
        """Write everything queued; with `sync` return once it is durable. Tells how far that is."""
        with self._lock:
            if self.failure is not None:
                raise self.failure.with_traceback(None)
            queue = self.queue
            while queue:
                # Slices are atomic under the interpreter lock: an append meanwhile goes behind them.
                batch = queue[:SLICE]
                del queue[: len(batch)]
                self._write(batch)
            if sync and self._unsynced:
                self._sync()
            return self.written

    @property
    def is_dirty(self) -> bool:
        """Something was appended that is not durable."""
        return bool(self.queue) or self.durable_seq < self.written.seq

    @property
    def wants_checkpoint(self) -> bool:
        return not self._side.other_is_clean

    def checkpoint(self) -> None:
        """Sync `events.jsonl` beside the traffic, so that the side journal may reuse its older half."""
        if self.failure is not None:
            raise self.failure.with_traceback(None)
        turns = self._side.turns
        try:
            self._file.sync()
        except OSError as error:
            with self._lock:
                self._fail("synced", error)
        with self._lock:
            if self._side.turns == turns:  # else the older half is younger than this sync
                self._side.other_is_clean = True

    def close(self) -> None:
        """Write and sync everything. Files are closed whether or not that worked."""
        try:
            self.write_out(sync=True)
            self.checkpoint()
        finally:
            self._side.close()
            self._file.close()

    def _write(self, batch: list[Queued]) -> None:
        prev = self.written.hash
        lines: list[bytes] = []
        try:
            for seq, at, cause, body in batch:
                line = encode_line(seq, prev, at, cause, body)
                prev = sha256(line, usedforsecurity=False).hexdigest().encode()
                lines.append(line)
        except Exception as error:  # noqa: BLE001 - whatever it was, this record has no line
            self._fail(f"encoded (record {batch[len(lines)][0]})", error)
        lines.append(b"")
        data = b"\n".join(lines)
        offset = self.written.offset
        try:
            self._file.write(data)
        except OSError as error:
            # What is left of the lines when this fails too is cut when the ledger is next opened.
            with contextlib.suppress(OSError):
                self._file.truncate(offset)
            self._fail("written", error)
        self.written = Head(batch[-1][0], prev, offset + len(data), len(lines[-2]) + 1)
        self._unsynced.append(data)

    def _sync(self) -> None:
        try:
            data = b"".join(self._unsynced)
            if not self._side.put(data):
                self._file.sync()
                self._side.restart()
                # The last line alone, as a witness: nothing in the ledger proves that one.
                self._side.put(data[-self.written.line_bytes :])
        except OSError as error:
            self._fail("synced", error)
        self._unsynced.clear()
        self.durable_seq = self.written.seq

    def _fail(self, verb: str, error: Exception) -> None:
        durable = self.durable_seq
        self.failure = JournalError(
            f"{self.path} cannot be {verb}: {error}. Everything up to record {durable} is safe; nothing "
            f"after it is promised, and nothing more will be written. Make room or repair the disk, then "
            f"start again."
        )
        self.queue.clear()
        raise self.failure from error


class Journal:
    """The ledger as the owner of the account writes it (implements `runtime.ports.Journal`).

    `start` is where the ledger ends now, as `open_ledger` found it. `append` belongs to one thread.
    """

    def __init__(
        self,
        disk: Disk,
        path: str,
        *,
        start: Head,
        writer: Writer,
        side_bytes: int = SIDE_BYTES,
    ) -> None:
        self._log = Log(disk, path, start, side_bytes)
        self._seq = start.seq
        self._queue = self._log.queue
        self._writer = writer
        writer.start(self._log)

    def append(self, body: Body, *, at: TimeNs, cause: int) -> int:
        """Number a record and queue it; returns its seq.

        Never blocks, encodes or wakes anybody: call `kick` when the pass is over. Raises JournalError
        once the ledger could not be written.
        """
        if self._log.failure is not None:
            raise self._log.failure.with_traceback(None)
        self._seq = seq = self._seq + 1
        self._queue.append((seq, at, cause, body))
        return seq

    def kick(self) -> None:
        """What was appended may be written now. To be called when the hot path is behind one."""
        if len(self._queue) > MAX_QUEUED:
            raise JournalError(f"{len(self._queue)} records wait for {self._log.path}: the disk is stuck")
        self._writer.kick()

    async def durable(self) -> None:
        """Return once everything appended so far is on disk. Raises JournalError when it cannot be."""
        if self._log.failure is not None:
            raise self._log.failure.with_traceback(None)
        if self._log.durable_seq < self._seq:
            await self._writer.durable(self._seq)

    def durable_now(self) -> Head:
        """Write and sync in this thread: the shortest way to the disk, blocking for one sync.

        Returns the place of the last record, which a snapshot of the state at that record needs.
        Raises JournalError.
        """
        return self._log.write_out(sync=True)

    @property
    def seq(self) -> int:
        """Number of the last record appended."""
        return self._seq

    @property
    def durable_seq(self) -> int:
        """Number of the last record that is known to survive a power cut."""
        return self._log.durable_seq

    @property
    def failure(self) -> JournalError | None:
        """Why nothing is written any more; None while all is well."""
        return self._log.failure

    def close(self) -> None:
        """Write and sync what is left, and close. Raises JournalError when that failed."""
        self._writer.stop()
        self._log.close()
