"""Never more is offered than the account holds.

Judged when a SELL arrives, by what the venue holds and by what the process had been told (the larger one
counts: coins that have just been taken away could not be known). Coins of a BUY that the process was told of,
by a report or a read of trades, count as told while the balance is still on its way.
"""

from decimal import Decimal

from backstay.simulation.observers.base import Sent
from backstay.simulation.observers.spot_base import SpotObserver
from backstay.simulation.spot_scene import SpotScene

ZERO = Decimal(0)


class Held(SpotObserver):
    name = "held"
    words = "no SELL offers more than the account was known to hold"

    def arrived(self, sent: Sent) -> None:
        # A sale at market is its owner's word: the venue may refuse it.
        if sent.action != "place" or sent.held_up or sent.params.get("type") == "MARKET":
            return
        watch, base = self.watch, self.watch.base(sent.key[0])
        same = [s for s in watch.setup.symbols if watch.base(s) == base]
        total = sum((watch.truth.offered(s) for s in same), ZERO) + sent.quantity
        known = max(watch.truth.total(base), watch.told.total(base) + self._coming(same, base))
        if total > known:
            self.say(f"{sent.key[0]}: {sent.client_id} brings the offers to {total}, {known} are held")

    def _coming(self, symbols: list[str], base: str) -> Decimal:
        """What the process was told to have bought, and its balances do not show yet."""
        told: SpotScene = self.watch.told
        fresh = (f for f in told.fills.values() if f.symbol in symbols and f.buys)
        return sum((f.received(base) for f in fresh if f.at_ms >= told.balances_ms), ZERO)
