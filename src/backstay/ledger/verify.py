"""Full verification: every number, every hash, and the end against its witnesses."""

import msgspec

from backstay.ledger.chain import ChainWalker, walk
from backstay.ledger.codec import decode_line
from backstay.ledger.disk import Disk
from backstay.ledger.errors import JournalError
from backstay.ledger.side_journal import SideCopy, read_side_journal, side_path


class Verified(msgspec.Struct, frozen=True):
    """What `ledger verify` found."""

    records: int
    """Good records before the first bad one."""
    ok: bool
    first_bad: int | None
    """The first record that is wrong or missing."""
    detail: str
    """One sentence; empty when all is well and there is nothing to tell."""


def verify(disk: Disk, path: str) -> Verified:
    """Check the whole ledger at `path`; changes nothing. Raises JournalError when it cannot be read.

    A chain proves every line but the last, which nothing follows. For that one the side journal is
    the witness, where there is one. Beside a running journal this checks what is there.
    """
    try:
        # First the side journal: whatever it has, the ledger had before.
        side = read_side_journal(disk, side_path(path))
        if disk.size(path) is None:
            raise JournalError(f"there is no ledger at {path}")
        walker = walk(disk, path)
    except OSError as error:
        raise JournalError(f"{path} cannot be read: {error}") from error
    if walker.flaw is not None:
        flaw = walker.flaw
        return _bad(flaw.seq, f"line {flaw.line}, byte {flaw.offset}: {flaw.detail}")
    return _check_end(walker, side, path)


def _bad(seq: int, detail: str) -> Verified:
    return Verified(seq - 1, ok=False, first_bad=seq, detail=detail)


def _check_end(walker: ChainWalker, side: SideCopy, path: str) -> Verified:
    head = walker.head
    where = f"line {walker.walked}, byte {walker.before.offset}"
    if walker.walked:
        try:
            decode_line(walker.last_line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return _bad(head.seq, f"{where}: {error}")
        if side.differs_from(head):
            return _bad(head.seq, f"{where}: {side_path(path)} holds another line for this record")
    waiting = side.newest - head.seq
    if walker.rest:
        end = f"after line {walker.walked}, byte {head.offset}: "
        if waiting <= 0 or not side.joins(head):
            return _bad(head.seq + 1, f"{end}an incomplete line; the next start will move it aside")
    if waiting > 0:
        if not side.joins(head):
            return _bad(head.seq + 1, f"{path} ends here, and {side_path(path)} goes on to {side.newest}")
        detail = f"{waiting} more records are safe in {side_path(path)}; the next start will bring them in"
        return Verified(head.seq, ok=True, first_bad=None, detail=detail)
    return Verified(head.seq, ok=True, first_bad=None, detail="")
