"""Readers of the ledger beside a running guard: one thread that follows `events.jsonl` for all of them.

Nothing that guards waits for this thread. It works in small portions, only while every position is covered,
and lets go of the interpreter between two records. A reader that fails is told and tried again later; nothing
else stops because of it.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from backstay.core.records import Record
from backstay.ledger.codec import decode_line
from backstay.ledger.disk import Disk
from backstay.ledger.reader import lines

EVERY_S = 0.5
BREATH_S = 0.0002
PORTION = 64
HURRY = 2_000
"""Records in a row after which readers that are far behind breathe less often."""
RETRY_S = 10.0
PATIENCE = 20
"""Rounds in a row that are let pass for a position without its stop."""
STOP_S = 10.0


class Reader(Protocol):
    """Something that follows the ledger."""

    name: str

    def step(self, most: int, pause: Callable[[], None]) -> int:
        """Take in at most `most` records, calling `pause` between them; returns how many."""
        ...

    def close(self) -> None: ...


class Tail:
    """Hands every record from byte `offset` of a ledger on to some listeners."""

    def __init__(
        self,
        disk: Disk,
        path: str,
        offset: int,
        listeners: Sequence[Callable[[Record], object]],
        *,
        name: str = "records",
    ) -> None:
        self.name = name
        self._disk = disk
        self._path = path
        self._offset = offset
        self._listeners = tuple(listeners)

    def step(self, most: int, pause: Callable[[], None]) -> int:
        taken = 0
        if self._disk.size(self._path) is None:
            return 0
        for offset, line in lines(self._disk, self._path, self._offset, most):
            record = decode_line(line)
            # First: a record that a listener breaks at is not offered again for ever.
            self._offset = offset + len(line) + 1
            for listener in self._listeners:
                listener(record)
            taken += 1
            pause()
        return taken

    def close(self) -> None:
        """Nothing is held."""


class Readers:
    """The thread. `calm` says whether this is a good moment; `told` hears of failures, from that thread."""

    def __init__(
        self,
        readers: Sequence[Reader],
        *,
        calm: Callable[[], bool],
        told: Callable[[str, Exception], object],
        every_s: float = EVERY_S,
        retry_s: float = RETRY_S,
    ) -> None:
        self._readers = tuple(readers)
        self._calm = calm
        self._told = told
        self._every_s = every_s
        self._retry_s = retry_s
        self._ending = threading.Event()
        self._rest_until: dict[str, float] = {}
        self._failed: dict[str, str] = {}
        self._in_a_row = 0
        self._thread = threading.Thread(target=self._run, name="ledger-readers", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def failures(self) -> dict[str, str]:
        """Reader -> why it does not follow at the moment."""
        return dict(self._failed)

    def stop(self, patience_s: float = STOP_S) -> bool:
        """Let the readers take in what is left and end; False when they did not end in time."""
        if not self._thread.is_alive():
            return True
        self._ending.set()
        self._thread.join(patience_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        skipped = 0
        while not self._ending.wait(self._every_s):
            if skipped < PATIENCE and not self._calm():
                skipped += 1
                continue
            skipped = 0
            self._round()
        self._rest_until.clear()
        self._round()
        for reader in self._readers:
            try:
                reader.close()
            except Exception as error:  # noqa: BLE001 - whatever it is, the others are to be closed too
                self._told(reader.name, error)

    def _round(self) -> None:
        """Readers take their portions in turns: what one of them folded is still shared when the next one
        needs it (`ledger.shared`), and none waits for another one that is far behind.
        """
        self._in_a_row = 0
        behind = [r for r in self._readers if time.monotonic() >= self._rest_until.get(r.name, 0.0)]
        while behind:
            behind = [reader for reader in behind if self._step(reader)]
            if not self._ending.is_set() and not self._calm():
                break

    def _step(self, reader: Reader) -> bool:
        """One portion; False when there was nothing, or it failed."""
        try:
            taken = reader.step(PORTION, self._pause)
        except Exception as error:  # noqa: BLE001 - a reader that breaks may not stop what it reads
            self._rest_until[reader.name] = time.monotonic() + self._retry_s
            if self._failed.get(reader.name) != str(error):
                self._failed[reader.name] = str(error)
                self._told(reader.name, error)
            return False
        self._failed.pop(reader.name, None)
        return taken > 0

    def _pause(self) -> None:
        self._in_a_row += 1
        if not self._ending.is_set() and (self._in_a_row < HURRY or self._in_a_row % 16 == 0):
            time.sleep(BREATH_S)
