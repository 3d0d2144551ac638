"""The part of a ledger that no start looks at: what lies before the newest snapshot is checked afterwards."""

from collections.abc import Callable

from backstay.ledger.chain import ChainWalker
from backstay.ledger.disk import Disk
from backstay.ledger.errors import DamagedLedgerError

PIECE = 16 << 10
"""Bytes hashed in one go, some 60 us."""
PIECES = 64
"""In a round: a MiB twice a second takes a hundredth of a core."""


class PastReader:
    """Walks the chain once, up to where the ledger ended at the start (implements `readers.Reader`).

    `told` hears of damage, from the readers' thread. What guards goes on: its own records are sound, and the
    account was read from the venue.
    """

    def __init__(self, name: str, disk: Disk, path: str, *, told: Callable[[str], object]) -> None:
        self.name = f"past of {name}"
        self._disk = disk
        self._path = path
        self._told = told
        self._walker = ChainWalker()
        self._offset = 0
        self._end = disk.size(path) or 0

    def step(self, most: int, pause: Callable[[], None]) -> int:
        """One round's share. Always 0: the rest can wait for the next round."""
        stop = min(self._end, self._offset + PIECES * PIECE)
        while self._offset < stop:
            piece = self._disk.read(self._path, self._offset, min(PIECE, stop - self._offset))
            self._offset += len(piece)
            self._walker.feed(piece)
            flaw = self._walker.flaw
            if flaw is not None:
                error = DamagedLedgerError(
                    self._path, flaw.detail, seq=flaw.seq, offset=flaw.offset, line=flaw.line
                )
                self._told(str(error))
                self._end = 0
                break
            pause()
        return 0

    def close(self) -> None:
        """Nothing is held."""
