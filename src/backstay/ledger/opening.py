"""Opening the ledger: what is there, what of it holds, and what a crash left behind.

Only the part after the newest fitting snapshot is read (the whole is `ledger verify`'s business). A
line that a crash left incomplete at the end is moved aside and cut; what was durable in the side
journal alone is brought in; anything else that does not hold is an error, and then nothing is changed.
The lock that keeps a second process away is the caller's.
"""

from collections.abc import Iterator

import msgspec

from backstay.ledger.chain import Flaw, is_json, walk
from backstay.ledger.codec import GENESIS, Entry, Head, decode_line, hash_line
from backstay.ledger.disk import Disk
from backstay.ledger.errors import DamagedLedgerError, JournalError
from backstay.ledger.reader import entries
from backstay.ledger.side_journal import SideCopy, read_side_journal, side_path
from backstay.ledger.snapshots import Snapshot, SnapshotStore


class Opened[T]:
    """A ledger that may be appended to at `head`."""

    def __init__(
        self,
        disk: Disk,
        path: str,
        *,
        head: Head,
        snapshot: Snapshot[T] | None,
        reports: tuple[str, ...],
        recovered: int,
    ) -> None:
        self._disk = disk
        self._path = path
        self.head = head
        """Where the ledger ends; `Journal` takes it as `start`."""
        self.snapshot = snapshot
        """The state to begin with; None: fold from nothing."""
        self.reports = reports
        """What was repaired or passed over, one sentence each, for log and operator."""
        self.recovered = recovered
        """Records that only the side journal had."""

    def tail(self) -> Iterator[list[Entry]]:
        """The records after the snapshot, in lists, to be folded over its state."""
        start = self.snapshot.head.offset if self.snapshot else 0
        return entries(self._disk, self._path, start)


class _Findings(msgspec.Struct, frozen=True):
    """What the file holds: good up to `head`, then `torn` bytes that a crash left behind."""

    head: Head
    torn: int


def open_ledger[T](disk: Disk, path: str, snapshots: SnapshotStore[T] | None = None) -> Opened[T]:
    """Examine the ledger at `path`, repair its end, and tell where to go on. Makes it when absent.

    Raises DamagedLedgerError (nothing was changed), or JournalError when files cannot be read or written.
    """
    try:
        side = read_side_journal(disk, side_path(path))
        snapshot, passed_over = snapshots.newest() if snapshots else (None, ())
        newest = snapshot.head.seq if snapshot else 0
        if snapshots and passed_over:
            newest = snapshots.newest_seq()
        findings = _examine(disk, path, snapshot.head if snapshot else GENESIS, side)
        missing = side.lines_after(path, findings.head)
        if newest > findings.head.seq + len(missing):
            detail = f"it ends here, and a snapshot was taken at record {newest}: records are missing"
            seq = findings.head.seq + 1
            raise DamagedLedgerError(path, detail, seq=seq, offset=findings.head.offset)
        head, repairs = _repair(disk, path, findings, missing)
    except OSError as error:
        raise JournalError(
            f"{path} cannot be opened: {error}. Check that the data folder is there, writable by this "
            f"user, and has room"
        ) from error
    return Opened(
        disk,
        path,
        head=head,
        snapshot=snapshot,
        reports=passed_over + repairs,
        recovered=len(missing),
    )


def _examine(disk: Disk, path: str, start: Head, side: SideCopy) -> _Findings:
    size = disk.size(path)
    if size is None:
        return _Findings(GENESIS, 0)
    walker = walk(disk, path, start)
    head, flaw = walker.head, walker.flaw
    if flaw is not None:
        if flaw.offset < head.offset:
            head = walker.before
        if not _is_torn(flaw, size, side):
            line = flaw.line if start.seq == 0 else 0
            raise DamagedLedgerError(path, flaw.detail, seq=flaw.seq, offset=flaw.offset, line=line)
    elif walker.walked and not _is_record(walker.last_line):
        head = walker.before
    if side.differs_from(head):
        detail = f"{side_path(path)} holds another line for this record"
        raise DamagedLedgerError(path, detail, seq=head.seq, offset=head.offset - head.line_bytes)
    return _Findings(head, size - head.offset)


def _is_torn(flaw: Flaw, size: int, side: SideCopy) -> bool:
    """Whether a crash explains the flaw: a broken last line, or blocks that were never written.

    After a power cut a file may have its new length and not all of its new blocks; those read as
    zeros. Of what they should hold, the side journal has everything that was promised to anybody.
    """
    if flaw.offset + len(flaw.text) + 1 == size:
        return not is_json(flaw.text)
    return b"\0" in flaw.text and side.is_there


def _is_record(line: bytes) -> bool:
    try:
        decode_line(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


def _repair(disk: Disk, path: str, findings: _Findings, missing: list[bytes]) -> tuple[Head, tuple[str, ...]]:
    head = findings.head
    reports: list[str] = []
    if findings.torn:
        aside = _free_name(disk, f"{path}.torn-{head.seq + 1}")
        disk.replace(aside, disk.read(path, head.offset))
        reports.append(
            f"the last {findings.torn} bytes of {path}, an incomplete record {head.seq + 1}, were moved "
            f"to {aside}"
        )
    file = disk.open_append(path)
    try:
        if findings.torn:
            file.truncate(head.offset)
        if missing:
            file.write(b"".join(line + b"\n" for line in missing))
            reports.append(
                f"records {head.seq + 1} to {head.seq + len(missing)} were brought into {path} from "
                f"{side_path(path)}"
            )
        # Even when nothing was repaired: the side journal is about to be reused, and this process
        # cannot know whether the last one got as far as syncing the ledger.
        file.sync()
    finally:
        file.close()
    if missing:
        offset = head.offset + sum(len(line) + 1 for line in missing)
        last = missing[-1]
        head = Head(head.seq + len(missing), hash_line(last), offset, len(last) + 1)
    return head, tuple(reports)


def _free_name(disk: Disk, wanted: str) -> str:
    name, number = wanted, 1
    while disk.size(name) is not None:
        number += 1
        name = f"{wanted}-{number}"
    return name
