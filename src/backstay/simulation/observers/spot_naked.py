"""Spot: a holding is never without its stop beyond the bound, and always alarmed.

A list is cancelled before the next one is placed, so each change of a holding costs a moment; what counts is
how long.
"""

from collections.abc import Iterable

from backstay.simulation.observers.base import Sent
from backstay.simulation.observers.naked import Naked
from backstay.simulation.observers.spot_guarded import Guarded
from backstay.simulation.scene import LegKey
from backstay.simulation.spot_scene import SpotScene


class SpotNaked(Guarded, Naked):
    """The promise of `Naked`, for holdings."""

    product = "spot"

    def arrived(self, sent: Sent) -> None:
        """There is no bridge on spot: what rests has locked the coins of the next one."""

    def _wanted(self, key: LegKey) -> bool:
        return key[0] in self.watch.setup.guards

    def _legs(self, legs: set[LegKey]) -> Iterable[LegKey]:
        return [(symbol, "BOTH") for symbol in self.watch.setup.guards]

    def _bare(self, scene: SpotScene, key: LegKey) -> bool:
        return bool(self.needed(scene, key[0])) and not self.stop_size(scene, key[0])

    def _covered(self, scene: SpotScene, key: LegKey) -> bool:
        return self.stop_size(scene, key[0]) >= self.needed(scene, key[0])
