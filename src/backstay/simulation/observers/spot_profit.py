"""Every lot that was sold nets at least the profit that was promised, after the commissions really taken.

Computed from the venue's trades alone; a commission in BNB counts by what BNB cost in that moment.
"""

from decimal import Decimal
from typing import Any

from backstay.simulation.observers.spot_base import SpotObserver
from backstay.simulation.spot_scene import SpotFill

ZERO = Decimal(0)
CENT = Decimal("0.00000001")
"""The venue rounds each commission to this."""


class Profit(SpotObserver):
    name = "profit"
    words = "every sold lot nets at least its profit after the commissions really taken"

    def over(self, world: Any) -> None:
        story = self.watch.story()
        if story is None:
            return
        sales: dict[str, list[SpotFill]] = {}
        for fill in self.watch.truth.fills.values():
            if not fill.buys and self.watch.truth.owns(fill.client_id):
                sales.setdefault(fill.client_id, []).append(fill)
        for name, fills in sales.items():
            order = story.orders.get(name)
            # What its owner asked to sell at once is sold at what it brings.
            if order is not None and order.hands_off:
                self._judge(name, fills, [(order.symbol, number) for number in order.lots])

    def _judge(self, name: str, fills: list[SpotFill], lots: list[tuple[str, int]]) -> None:
        symbol = fills[0].symbol
        base = self.watch.base(symbol)
        sold = sum((f.quantity for f in fills), ZERO)
        brought = sum((f.price * f.quantity - f.fee_in_quote(base) + CENT for f in fills), ZERO) / sold
        profit = self.watch.setup.policies[symbol].profit
        for key in lots:
            bought = self.watch.truth.fills.get(key)
            if bought is None:
                continue  # another observer's promise
            cost = bought.price + bought.fee_in_quote(base) / bought.quantity
            net = (brought - cost) / bought.price
            if net < profit:
                self.say(
                    f"lot {key} was sold by {name} for a net {net:.8f}, promised was {profit}",
                    fills[-1].at_ms,
                )
