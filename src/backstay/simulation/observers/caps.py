"""Exposure caps hold at worst case: whatever we add, were everything to fill, stays within the limits."""

from decimal import Decimal

from backstay.simulation.observers.base import Observer, Sent
from backstay.simulation.scene import Scene

D = Decimal


class Caps(Observer):
    name = "caps"
    words = "exposure limits hold even if everything fills"

    def arrived(self, sent: Sent) -> None:
        limits = self.watch.setup.limits
        known = self.watch.told.amount(sent.key)
        if not sent.opens(known) or limits.max_notional is None or sent.params.get("type") != "LIMIT":
            return
        total = min(self._worst(self.watch.truth), self._worst(self.watch.told)) + sent.quantity * sent.price
        if total > limits.max_notional * D("1.0001"):
            self.say(
                f"{sent.client_id} would bring the worst case to {total:.0f}, above {limits.max_notional}"
            )

    @staticmethod
    def _worst(scene: Scene) -> Decimal:
        total = sum((abs(leg.amount) * leg.entry for leg in scene.legs.values()), D(0))
        for order in scene.orders.values():
            if scene.owns(order.client_id) and order.opens(scene.amount(order.key)):
                total += order.left * order.price
        return total
