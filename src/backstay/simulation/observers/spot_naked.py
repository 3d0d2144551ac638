"""Spot: a holding is never without its stop beyond the bound, and always alarmed.

A list is cancelled before the next one is placed, so each change of a holding costs a moment; what counts is
how long.
"""

from typing import Any

from backstay.simulation.observers.base import Sent
from backstay.simulation.observers.naked import Naked, Window
from backstay.simulation.observers.spot_guarded import Guarded
from backstay.simulation.scene import LegKey


class SpotNaked(Guarded, Naked):
    """The promise of `Naked`, for holdings."""

    product = "spot"

    def arrived(self, sent: Sent) -> None:
        """There is no bridge on spot: what rests has locked the coins of the next one."""

    def _wanted(self, key: LegKey) -> bool:
        return key[0] in self.watch.setup.guards

    def _keys(self) -> list[LegKey]:
        return [(symbol, "BOTH") for symbol in self.watch.setup.guards]

    def happened(self, frame: dict[str, Any], legs: set[LegKey]) -> None:
        now, truth = self.watch.now_ms(), self.watch.truth
        for key in self._keys():
            needed, stands = self.needed(truth, key[0]), self.stop_size(truth, key[0])
            if stands or not needed:
                self._forget(key, now)
            if stands >= needed:
                since = self._open.pop(key, None)
                if since is not None:
                    self._close(Window(key, since, now))
            elif key not in self._open:
                self._open[key] = now

    def heard(self, legs: set[LegKey]) -> None:
        now, told, machine = self.watch.now_ms(), self.watch.told, self.watch.machine
        if machine is None:
            return
        for key in self._keys():
            if self.stop_size(told, key[0]) or not self.needed(told, key[0]):
                self._forget(key, now)
            elif key in self._open and key not in self._known:
                self._known[key] = (machine.number, now)
