"""An observer of spot."""

from typing import cast

from backstay.simulation.observers.base import Observer, Watch
from backstay.simulation.observers.spot_watch import SpotWatch


class SpotObserver(Observer):
    """Watches one promise about lots."""

    watch: SpotWatch

    def __init__(self, watch: Watch) -> None:
        super().__init__(watch)
        self.watch = cast("SpotWatch", watch)
