"""The keeper: brings the rows of one ledger up to its end, a few records at a time.

It reads `events.jsonl` alone and needs nothing of the process that writes it. Where it stands is in the
database itself, with the hash of the line: a ledger that does not have that line is another one, and its rows
are made anew.
"""

from collections.abc import Callable

import msgspec

from backstay.core.records import Record
from backstay.ledger.chain import line_matches
from backstay.ledger.codec import GENESIS, Head, decode_line, hash_line
from backstay.ledger.disk import Disk
from backstay.ledger.errors import DamagedLedgerError
from backstay.ledger.past import account_at
from backstay.ledger.projections.changes import Change
from backstay.ledger.projections.projector import Projector
from backstay.ledger.projections.store import Store
from backstay.ledger.projections.system_rows import System
from backstay.ledger.reader import lines
from backstay.ledger.shared import SharedAccounts

BATCH = 256


def _no_pause() -> None:
    pass


class Keeper:
    """One ledger's rows in one store. `step` until it returns 0; later again."""

    def __init__(
        self, store: Store, ledger: str, disk: Disk, path: str, shared: SharedAccounts | None = None
    ) -> None:
        self.ledger = ledger
        self.head = GENESIS
        self.reports: list[str] = []
        """What was found at the beginning and is worth telling."""
        self._store = store
        self._disk = disk
        self._path = path
        self._shared = shared if shared is not None else SharedAccounts()
        self._projector: Projector | None = None

    def step(self, most: int = BATCH, pause: Callable[[], None] = _no_pause) -> int:
        """Take in at most `most` records; returns how many. `pause` is called behind each of them.

        Raises DamagedLedgerError, StoreError; the next call begins where the tables stand.
        """
        if self._disk.size(self._path) is None:
            return 0
        projector = self._projector
        if projector is None:
            projector = self._begin()
        self._projector = None
        taken, changes, head, at = 0, list[Change](), self.head, 0
        for offset, line in lines(self._disk, self._path, head.offset, most):
            record = self._decode(line, offset)
            changes.extend(projector.feed(record))
            size = len(line) + 1
            head, at, taken = Head(record.seq, hash_line(line), offset + size, size), record.at, taken + 1
            pause()
        if taken:
            since = self.head if self.head.seq else None
            self._store.apply(self.ledger, changes, since=since, head=head, at=at)
            self.head = head
        self._projector = projector
        return taken

    def _decode(self, line: bytes, offset: int) -> Record:
        try:
            return decode_line(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise DamagedLedgerError(self._path, str(error), seq=self.head.seq + 1, offset=offset) from None

    def catch_up(self) -> int:
        """Take in everything that there is; returns how many records."""
        total = 0
        while taken := self.step(BATCH * 4):
            total += taken
        return total

    def behind(self) -> int:
        """Bytes of the ledger that are not in the tables yet."""
        return max((self._disk.size(self._path) or 0) - self.head.offset, 0)

    def _begin(self) -> Projector:
        head = self._store.head(self.ledger)
        if head is not None and not line_matches(self._disk, self._path, head):
            self.reports.append(
                f"the rows of {self.ledger} belong to another ledger than {self._path}: they are made anew"
            )
            self._store.clear(self.ledger)
            head = None
        self.head = head if head is not None else GENESIS
        system = self._store.system(self.ledger) if head is not None else System()
        account = account_at(self._disk, self._path, self.head, self._shared)
        return Projector(self.ledger, account, system, self._shared)
