"""The promises of every product as they read on spot."""

from typing import cast

from backstay.app.ledger_paths import SPOT_LEDGER
from backstay.core.events import AnyEvent, RequestSent
from backstay.core.state import AccountState
from backstay.core.types import TimeNs
from backstay.simulation.observers.base import Sent, Watch
from backstay.simulation.observers.loops import Loops
from backstay.simulation.observers.replays import Replays
from backstay.simulation.observers.spot_watch import SpotWatch
from backstay.simulation.observers.untrusted import Untrusted


class SpotUntrusted(Untrusted):
    """Balances, orders and the trades of every symbol are read before anything is sent."""

    def _flattens(self, sent: Sent) -> bool:
        return False


class SpotLoops(Loops):
    """A pass may offer a batch of lots, and a price may reach many at once."""

    free = 64
    moving = frozenset({"executionReport"})
    watch: SpotWatch

    def __init__(self, watch: Watch) -> None:
        super().__init__(watch)
        self.watch = cast("SpotWatch", watch)

    def allowed(self, sent: Sent) -> int:
        """As often for each lot: two of the same size and price ask for the same. An acknowledgement has what
        was refused tried once more.
        """
        symbol, watch = sent.key[0], self.watch
        fills = (f for f in watch.truth.fills.values() if f.symbol == symbol and f.buys)
        sizes = [watch.whole(symbol, f.received(watch.base(symbol))) for f in fills]
        acks = sum(at <= sent.at_ms for at in watch.acks_ms)
        return (super().allowed(sent) + acks) * max(sizes.count(sent.quantity), 1)


class GuardUntrusted(Untrusted):
    """As of lots; what the owner closes is sold on the last known holding."""

    def _flattens(self, sent: Sent) -> bool:
        closed = sent.key in self.watch.closing
        return closed and (sent.action == "cancel" or sent.params.get("side") == "SELL")


class GuardReplays(Replays):
    """The promise of futures in spot's ledger."""

    ledger = SPOT_LEDGER


class SpotReplays(Replays):
    """No request leaves an untrusted scope: there is no stop to place blindly."""

    ledger = SPOT_LEDGER

    def _judge(self, account: AccountState, event: AnyEvent, at: TimeNs) -> None:
        if not isinstance(event, RequestSent):
            return
        s = account.scopes[event.scope]
        if not s.trusted and "kill_switch" not in account.gates:
            self.say(
                f"{event.scope}: {event.action} {event.ctx_id} left while the scope was {s.trust} "
                f"({', '.join(s.reasons or s.handling)})",
                at // 1_000_000,
            )
