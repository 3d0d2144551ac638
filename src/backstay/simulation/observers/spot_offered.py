"""After the faults every lot that can be sold is offered or sold, and every other one carries its reason.

Whether a lot can be sold, at what and how much of it, is computed here once more from the venue's trades and
the policy. A reason counts only where the venue's own facts bear it out.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from backstay.core.contexts import OrderContext
from backstay.core.lots import NONE, Flag, Lot, Mark, every
from backstay.core.state import AccountState, ScopeState
from backstay.simulation.observers.spot_base import SpotObserver
from backstay.strategies.swing.policy import SellWhen

ZERO = Decimal(0)


class AllOffered(SpotObserver):
    name = "offered"
    words = "after the faults every lot has its SELL, is sold, or says truly why not"

    def complaints(self) -> list[str]:
        """What is not as it should be now."""
        account = self.watch.account()
        if account is None:
            return ["no process is ready"]
        return [text for symbol in self.watch.setup.symbols for text in self._symbol(account, symbol)]

    def over(self, world: Any) -> None:
        for text in self.complaints()[:5]:
            self.say(text)

    def _symbol(self, account: AccountState, symbol: str) -> Iterator[str]:
        s = account.scopes.get(self.watch.scope(symbol))
        if s is None:
            if any(f.symbol == symbol for f in self.watch.truth.fills.values()):
                yield f"{symbol}: traded, and the process knows nothing of it"
            return
        if not s.trusted:
            yield f"{symbol}: {s.trust} at rest ({', '.join(s.reasons)})"
            return
        lots = s.lots or NONE
        selling = {n: c for c in s.contexts.values() if not c.is_terminal for n in c.slot.lots}
        for lot in every(lots):
            ctx = selling.get(lot.trade_id)
            if ctx is not None:
                yield from self._rests(symbol, lot, ctx)
            else:
                why = self._free(account, s, lot, lots.flags.get(lot.trade_id))
                if why:
                    yield f"{symbol} lot {lot.trade_id}: {why}"

    def _rests(self, symbol: str, lot: Lot, ctx: OrderContext) -> Iterator[str]:
        """Its SELL works at the venue."""
        if not any(o.client_id == ctx.ctx_id for o in self.watch.truth.resting(symbol, ours=True)):
            yield f"{symbol} lot {lot.trade_id}: {ctx.ctx_id} is {ctx.phase}, and nothing rests at the venue"

    def _free(self, account: AccountState, s: ScopeState, lot: Lot, flag: Flag | None) -> str:
        """Why a lot without a SELL should have one; empty: it need not."""
        watch, symbol = self.watch, s.scope.symbol
        policy, spec = watch.setup.policies[symbol], watch.setup.specs[symbol]
        fill = watch.truth.fills.get((symbol, lot.trade_id))
        if fill is None or not fill.buys:
            return "was never bought"
        quantity = watch.whole(symbol, lot.left)
        if flag is not None:
            return self._flagged(s, lot, flag, quantity)
        target = watch.target(fill)
        if quantity < max(spec.min_qty, spec.step) or quantity * target < spec.min_notional:
            return ""
        if policy.max_sell_value is not None and quantity * target > policy.max_sell_value:
            return ""
        if policy.sell_when is SellWhen.TARGET and watch.price(symbol) < target:
            return ""
        if self._uncovered(account, symbol) or watch.paused:
            return ""
        room = policy.max_resting or spec.max_orders
        if sum(1 for _ in watch.truth.resting(symbol)) >= room:
            return ""
        if any(b.by_lot and b.key is not None and b.key.step == lot.trade_id for b in s.blocks):
            refused = any(x.entry.code < 0 for x in watch.all_sent if x.key[0] == symbol)
            return "" if refused else "is held back for a refusal that the venue never made"
        return f"{quantity} can be sold at {target}, the price is {watch.price(symbol)}: it is not offered"

    def _flagged(self, s: ScopeState, lot: Lot, flag: Flag, quantity: Decimal) -> str:
        symbol = s.scope.symbol
        if flag.mark is Mark.CLOSING:
            if (symbol, lot.trade_id) not in self.watch.close_asked:
                return "is being closed, and nobody asked for it"
            spec = self.watch.setup.specs[symbol]
            sellable = quantity * self.watch.price(symbol) >= spec.min_notional
            refused = any(b.key is not None and b.key.step == lot.trade_id for b in s.blocks)
            gone = self._gone(symbol, quantity)
            return "was to be closed, and is not sold" if sellable and not refused and not gone else ""
        ended = any(name == symbol for name, _ in self.watch.truth.cancelled)
        return "" if ended else f"is flagged {flag.mark}, and no SELL of ours was ever taken back"

    def _gone(self, symbol: str, quantity: Decimal) -> bool:
        """The account has less of the coin free than is to be sold."""
        return self.watch.truth.balances.get(self.watch.base(symbol), (ZERO, ZERO))[0] < quantity

    def _uncovered(self, account: AccountState, symbol: str) -> bool:
        """The account holds less than the lots of this coin: nothing more may be offered."""
        base = self.watch.base(symbol)
        held = ZERO
        for name in self.watch.setup.symbols:
            s = account.scopes.get(self.watch.scope(name))
            if self.watch.base(name) == base and s is not None and s.lots is not None:
                held += s.lots.total
        return held - self.watch.truth.total(base) >= self.watch.setup.specs[symbol].step
