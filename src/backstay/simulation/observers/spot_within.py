"""What is offered of a holding never exceeds it.

Judged when a SELL arrives, by what the venue's trades make of the holding; one that has just become smaller
by hand counts as it was, for as long as nobody could have been told.
"""

from decimal import Decimal
from typing import Any

from backstay.simulation.observers.base import Sent
from backstay.simulation.observers.naked import BOUND_MS
from backstay.simulation.observers.spot_guarded import ZERO, Guarded

MOMENT_MS = 2_000


class Within(Guarded):
    name = "within"
    words = "no order offers more than the holding that it is for"

    def __init__(self, watch: Any) -> None:
        super().__init__(watch)
        self._was: dict[str, list[tuple[int, Decimal]]] = {}
        """By symbol: (until, quantity) of what the holding has been."""
        self._is: dict[str, Decimal] = {}

    def happened(self, frame: dict[str, Any], legs: set[Any]) -> None:
        for symbol in {key[0] for key in legs} & self.watch.setup.guards.keys():
            quantity, _ = self.holding(self.watch.truth, symbol)
            was = self._is.get(symbol, ZERO)
            self._is[symbol] = quantity
            if quantity < was:
                self._was.setdefault(symbol, []).append((self.watch.now_ms(), was))

    def arrived(self, sent: Sent) -> None:
        if sent.action != "place" or sent.held_up:
            return
        if sent.params.get("side") != "SELL":
            self.say(f"{sent.key[0]}: {sent.client_id} is no SELL")
        now = sent.at_ms
        troubled = self.watch.in_trouble(now - BOUND_MS, now)
        since = now - (BOUND_MS if troubled else MOMENT_MS)
        lately = [was for until, was in self._was.get(sent.key[0], ()) if until >= since]
        most = max([self._is.get(sent.key[0], ZERO), *lately])
        if sent.quantity > most:
            self.say(f"{sent.key[0]}: {sent.client_id} offers {sent.quantity}, the holding is {most}")
