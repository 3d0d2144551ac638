"""Quantity is conserved, to the unit: every BUY trade is one lot of exactly what it brought, and what lots
still hold, with the dust of those that have ended, is what was bought less commissions and sales.

What was bought and sold, the venue says; the lots are those of the ledger.
"""

from decimal import Decimal
from typing import Any

from backstay.simulation.observers.spot_base import SpotObserver
from backstay.simulation.observers.spot_watch import LedgerStory

ZERO = Decimal(0)


class Conserved(SpotObserver):
    name = "conserved"
    words = "lots and dust are what was bought, less commissions and sales, to the unit"

    def over(self, world: Any) -> None:
        story = self.watch.story()
        if story is None:
            return
        bought = {(f.symbol, f.trade_id): f for f in self.watch.lots_bought()}
        for key in bought.keys() - story.lots.keys():
            self.say(f"trade {key} has no lot", bought[key].at_ms)
        for key, lot in story.lots.items():
            fill = self.watch.truth.fills.get(key)
            if fill is None or not fill.buys:
                self.say(f"lot {key} was never bought")
                continue
            received = fill.received(self.watch.base(key[0]))
            if (lot.price, lot.quantity, lot.received) != (fill.price, fill.quantity, received):
                told = f"{lot.quantity} at {lot.price}, {lot.received} received"
                self.say(f"lot {key} is {told}; traded were {fill.quantity} at {fill.price}, {received}")
        for symbol in self.watch.setup.symbols:
            self._sums(story, symbol)

    def _sums(self, story: LedgerStory, symbol: str) -> None:
        lots = [lot for (name, _), lot in story.lots.items() if name == symbol]
        truth, base = self.watch.truth, self.watch.base(symbol)
        fills = [f for (name, n), f in truth.fills.items() if name == symbol and (name, n) in story.lots]
        received = sum((f.received(base) for f in fills), ZERO)
        sold = truth.sold(symbol, ours=True)
        left = sum((lot.left for lot in lots), ZERO)
        if received - sold != left:
            self.say(f"{symbol}: {received} bought, {sold} sold, and the lots have {left} left")
        if any(lot.left < 0 for lot in lots):
            self.say(f"{symbol}: a lot has sold more than it had")
