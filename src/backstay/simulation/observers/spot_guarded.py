"""Spot holdings as the observers of their guards see them: what is held, what may be offered, what stands.

Computed here from the venue's trades, balances and orders and the policy alone.
"""

from decimal import Decimal
from typing import Any

from backstay.simulation.observers.spot_base import SpotObserver
from backstay.simulation.spot_scene import SpotOrder, SpotScene
from backstay.strategies.position_manager.policy import PositionPolicy

ZERO = Decimal(0)
STOPS = frozenset({"STOP_LOSS", "STOP_LOSS_LIMIT"})
MARGIN = Decimal("1.05")
"""A stop worth less than this above the venue's minimum may be refused: its notional is the trigger's."""


class Guarded(SpotObserver):
    """Watches one promise about guarded holdings."""

    def __init__(self, watch: Any) -> None:
        super().__init__(watch)
        self._holdings: dict[tuple[SpotScene, str, int], tuple[int, Decimal, Decimal]] = {}

    def policy(self, symbol: str) -> PositionPolicy:
        return self.watch.setup.guards[symbol]

    def holding(self, scene: SpotScene, symbol: str) -> tuple[Decimal, Decimal]:
        """(quantity, average price) by the trades that `scene` has of the symbol, in the venue's order.

        More sold than was bought is not of the holding; less than a step left over is dust.
        """
        since = self.watch.followed.get(symbol, 0)
        key = scene, symbol, since
        known = self._holdings.get(key)
        if known is not None and known[0] == len(scene.fills):
            return known[1], known[2]
        base, step = self.watch.base(symbol), self.watch.setup.specs[symbol].step
        quantity = average = ZERO
        for fill in sorted(scene.fills.values(), key=lambda f: f.trade_id):
            if fill.symbol != symbol or fill.at_ms < since:
                continue
            if fill.buys:
                received = fill.received(base)
                average = (quantity * average + received * fill.price) / (quantity + received)
                quantity += received
            else:
                quantity -= fill.quantity
                if quantity < step:
                    quantity = average = ZERO
        self._holdings[key] = len(scene.fills), quantity, average
        return quantity, average

    def sellable(self, scene: SpotScene, symbol: str) -> Decimal:
        """What may be offered: not what the account does not hold, nor what orders by hand have locked."""
        quantity, _ = self.holding(scene, symbol)
        locked: dict[tuple[int, int], Decimal] = {}
        for o in scene.resting(symbol, ours=False):
            if o.side == "SELL":  # the legs of a list lock the same coins
                key = o.list_id, o.order_id if o.list_id < 0 else 0
                locked[key] = max(locked.get(key, ZERO), o.left)
        there = scene.total(self.watch.base(symbol)) - sum(locked.values(), ZERO)
        return self.watch.whole(symbol, max(min(quantity, there), ZERO))

    def needed(self, scene: SpotScene, symbol: str) -> Decimal:
        """The size that a stop must have; 0: none is wanted, or the venue would not take it."""
        policy, spec = self.policy(symbol), self.watch.setup.specs[symbol]
        size = self.sellable(scene, symbol)
        _, average = self.holding(scene, symbol)
        worth = size * average * (1 - policy.stop_loss.distance - policy.stop_loss.limit_offset)
        placeable = size >= spec.min_qty and worth >= spec.min_notional * MARGIN
        return size if policy.stop_loss.enabled and placeable else ZERO

    def exits(self, scene: SpotScene, symbol: str) -> list[SpotOrder]:
        """Our resting SELLs."""
        return [o for o in scene.resting(symbol, ours=True) if o.side == "SELL"]

    def stop_size(self, scene: SpotScene, symbol: str) -> Decimal:
        """What our largest resting stop sells."""
        return max((o.left for o in self.exits(scene, symbol) if o.kind in STOPS), default=ZERO)
