"""What can go wrong with a ledger, split by what the caller can do about it."""

from functools import partial
from typing import Any, ClassVar


class LedgerError(Exception):
    """Base of everything that the ledger raises on purpose."""

    exit_code: ClassVar[int] = 6


class JournalError(LedgerError):
    """The ledger cannot be written (disk full, no permission, I/O error). Sticky within one journal."""


class RecordNotFoundError(LedgerError):
    """No record has this number."""

    exit_code: ClassVar[int] = 2


class DamagedLedgerError(LedgerError):
    """Stored records are not what was written. Nothing was changed on disk when this is raised.

    `line` counts from 1 and is 0 where the lines before were not counted, `seq` is the record that is
    wrong or missing, `offset` the byte at which its line begins.
    """

    def __init__(self, path: str, detail: str, *, seq: int, offset: int, line: int = 0) -> None:
        where = f"line {line}, " if line else ""
        super().__init__(
            f"{path} is damaged at {where}record {seq}, byte {offset}: {detail}. Nothing was changed. "
            f"Keep a copy, restore the file from a backup, and check it with `backstay ledger verify`."
        )
        self.path = path
        self.detail = detail
        self.seq = seq
        self.offset = offset
        self.line = line

    def __reduce__(self) -> tuple[Any, ...]:
        """For a part that another process replays: an exception is otherwise made anew from its message."""
        made = partial(DamagedLedgerError, seq=self.seq, offset=self.offset, line=self.line)
        return made, (self.path, self.detail)
