"""Nothing is sold twice: what our SELLs have sold and may still sell never exceeds what was bought."""

from backstay.simulation.observers.base import Sent
from backstay.simulation.observers.spot_base import SpotObserver


class SoldTwice(SpotObserver):
    name = "sold_twice"
    words = "our SELLs together never exceed what was bought, less commissions"

    def arrived(self, sent: Sent) -> None:
        if sent.action != "place":
            return
        symbol, truth = sent.key[0], self.watch.truth
        bought = truth.bought(symbol, self.watch.base(symbol))
        total = truth.sold(symbol, ours=True) + truth.offered(symbol) + sent.quantity
        if total > bought:
            self.say(
                f"{symbol}: {sent.client_id} brings what is sold or offered to {total}, {bought} were bought"
            )
