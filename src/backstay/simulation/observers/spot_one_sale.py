"""One SELL per lot, and of exactly what the lot has left, down to the step.

Which lots an order is for, the ledger says; what they had left when it was sent, the venue's trades.
"""

from decimal import Decimal
from typing import Any

from backstay.simulation.observers.base import Sent
from backstay.simulation.observers.spot_base import SpotObserver
from backstay.simulation.observers.spot_watch import LedgerStory, LotKey
from backstay.simulation.scene import RESTING

ZERO = Decimal(0)


class OneSale(SpotObserver):
    name = "one_sale"
    words = "each lot has one SELL at a time, of exactly what it has left"

    def __init__(self, watch: Any) -> None:
        super().__init__(watch)
        self._changes: list[tuple[int, str, bool]] = []
        """(ms, custom id, works or has ended) of every order of ours."""

    def happened(self, frame: dict[str, Any], legs: set[Any]) -> None:
        if frame["e"] != "executionReport":
            return
        name = str(frame["C"] or frame["c"])
        if self.watch.truth.owns(name):
            self._changes.append((self.watch.now_ms(), name, frame["X"] in RESTING))

    def over(self, world: Any) -> None:
        story = self.watch.story()
        if story is not None:
            self._one_at_a_time(story)
            self._exact(story)

    def _one_at_a_time(self, story: LedgerStory) -> None:
        standing: dict[LotKey, set[str]] = {}
        for at, name, works in self._changes:
            order = story.orders.get(name)
            if order is None or not order.lots:
                self.say(f"{name}: no lot stands behind this order", at)
                continue
            for lot in ((order.symbol, number) for number in order.lots):
                held = standing.setdefault(lot, set())
                held.add(name) if works else held.discard(name)
                if len(held) > 1:
                    self.say(f"lot {lot} has {len(held)} SELLs: {', '.join(sorted(held))}", at)

    def _exact(self, story: LedgerStory) -> None:
        truth = self.watch.truth
        sold: dict[LotKey, Decimal] = {}
        by_order: dict[str, Decimal] = {}
        for fill in truth.fills.values():
            if not fill.buys:
                by_order[fill.client_id] = by_order.get(fill.client_id, ZERO) + fill.quantity
        for sent in sorted(self.watch.all_sent, key=lambda s: s.entry.seq):
            if sent.action == "place":
                self._judge(story, sold, sent)
                self._share(story, sold, sent.client_id, by_order.get(sent.client_id, ZERO))

    def _share(self, story: LedgerStory, sold: dict[LotKey, Decimal], name: str, quantity: Decimal) -> None:
        """An order sells its lots one after the other."""
        order = story.orders.get(name)
        if order is None:
            return
        for key in ((order.symbol, number) for number in order.lots):
            part = min(quantity, self._received(key) - sold.get(key, ZERO))
            sold[key] = sold.get(key, ZERO) + part
            quantity -= part

    def _received(self, lot: LotKey) -> Decimal:
        fill = self.watch.truth.fills.get(lot)
        return fill.received(self.watch.base(lot[0])) if fill is not None and fill.buys else ZERO

    def _judge(self, story: LedgerStory, sold: dict[LotKey, Decimal], sent: Sent) -> None:
        order = story.orders.get(sent.client_id)
        if order is None or not order.lots:
            self.say(f"{sent.client_id}: no lot stands behind this order", sent.at_ms)
            return
        symbol = order.symbol
        if sent.params.get("side") != "SELL":
            self.say(f"{symbol}: {sent.client_id} is no SELL", sent.at_ms)
        label = sent.params.get("strategyId")
        if label is not None and str(label) != str(order.lots[0]):
            self.say(f"{symbol}: {sent.client_id} tells lot {label} and sells {order.lots}", sent.at_ms)
        keys = [(symbol, number) for number in order.lots]
        left = sum((self._received(key) - sold.get(key, ZERO) for key in keys), ZERO)
        if sent.quantity != self.watch.whole(symbol, left):
            self.say(
                f"{symbol}: {sent.client_id} sells {sent.quantity}, and lots {order.lots} have {left} left",
                sent.at_ms,
            )
