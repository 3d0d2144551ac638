"""The book of trades: fills, positions, lots and fundings of one ledger's records, told as trades.

Fills make and end trades; the venue's position is what they must add up to. A quantity that no fill explains
(a position that was there before us, a fill that was lost in a gap) is taken over from the position once
nothing is on its way any more, and the trade says so. A fill that is told of later takes the guess's place.

Everything follows from records alone, in order, so a book that is made again is the same.
"""

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from backstay.core.events import (
    AccountReport,
    AlgoReport,
    FillRow,
    FillsSnapshot,
    OrderQueried,
    OrderReport,
    OrdersSnapshot,
    PriceReached,
    RecoveryEnded,
    RequestsRegistered,
    RunStarted,
)
from backstay.core.instruments import Instrument
from backstay.core.lots import Ended, Lot, changed, every
from backstay.core.names import lot_name
from backstay.core.records import Body, Record
from backstay.core.scored import SignalScored
from backstay.core.state import AccountState, ScopeState
from backstay.core.types import SECOND, ZERO, Product, Role, Scope, TimeNs
from backstay.ledger.audit.desk import CENT, Desk
from backstay.ledger.audit.told import Price, Seen
from backstay.ledger.audit.trade import CLOSED, LEFT, OPEN, Plan, Trade

GRACE = 3 * SECOND
"""For so long position and fills may differ before the position is believed."""
REASONS_KEPT = 256


class Book(msgspec.Struct, omit_defaults=True):
    """Every trade that is not sealed yet; `feed` it each record with the account before and after it."""

    desks: dict[str, Desk] = {}
    lots: dict[str, int] = {}
    """Open lots of spot by name, each a trade of its own: the record that told of it. The rest stands in the
    account, which may hold ten thousand of them.
    """
    reasons: dict[str, str] = {}
    """Custom id of a closing order -> why it was asked for."""
    plans: dict[str, Plan] = {}
    """Custom id of an entry -> the signal that it was asked for on, however late its fills are told."""
    prices: dict[str, Price] = {}
    """Symbol -> its latest recorded price on futures: a fee in BNB is counted by that of its pair."""
    began_at: TimeNs = 0
    """The first run: fills before it are not ours to tell."""
    sealed: list[Trade] = []
    """Trades that nothing changes any more, until the writer takes them."""
    dirty: bool = False
    """Something that a row shows has changed since the writer looked."""

    def unsealed(self, account: AccountState) -> list[Trade]:
        """Trades whose row may still change, in the order in which they were opened; `account` as it is."""
        found = [trade for desk in self.desks.values() for trade in desk.trades]
        return sorted([*found, *self._open_lots(account)], key=lambda t: (t.opened_seq, t.id))

    # --- records ------------------------------------------------------------------------------------

    def feed(self, record: Record, before: AccountState, after: AccountState) -> None:
        """Take one record in."""
        body = record.body
        match body:
            case RunStarted():
                self._run(body, record, before)
            case RequestsRegistered():
                self._asked(body, after)
            case SignalScored():
                self._scored(body, record, after)
            case PriceReached() if body.product is Product.USDM:
                self._priced(body.symbol, Price(body.price, body.at))
            case OrderReport() if body.product is Product.USDM and body.last_price:
                self._priced(body.symbol, Price(body.last_price, body.at))
            case AccountReport() if body.reason == "FUNDING_FEE":
                self._funding(body)
            case FillsSnapshot() if body.product is Product.USDM:
                self._read(body, record, before, after)
        if after is not before:
            for key, s in after.scopes.items():
                known = before.scopes.get(key)
                if known is not s:
                    self._scope(key, known, s, record, after)
            self._settle(record, after)

    def _scope(
        self, key: Scope, known: ScopeState | None, s: ScopeState, record: Record, account: AccountState
    ) -> None:
        if key.product is Product.SPOT:
            self._lots(known, s, record, account)
            return
        desk = self._desk(key)
        self._fills(desk, record.body, Seen(record.seq, s, account, self.reasons, self.plans, self.prices))
        desk.first_stop(s)
        if desk.net == s.position.quantity:
            desk.differs_since = 0
        elif not desk.differs_since:
            desk.differs_since = record.at
        self._gather(desk)

    def _read(self, body: FillsSnapshot, record: Record, before: AccountState, after: AccountState) -> None:
        """Fills that the account knows already may be news in their fees."""
        for key, s in after.scopes.items():
            if key.symbol == body.symbol and key.product is Product.USDM and s is before.scopes.get(key):
                desk = self._desk(key)
                self._fills(desk, body, Seen(record.seq, s, after, self.reasons, self.plans, self.prices))
                self._gather(desk)

    def _desk(self, key: Scope) -> Desk:
        desk = self.desks.get(str(key))
        if desk is None:
            desk = self.desks[str(key)] = Desk(key)
        return desk

    def _gather(self, desk: Desk) -> None:
        """What the desk has ready for the writer."""
        self.dirty = self.dirty or desk.dirty
        self.sealed.extend(desk.sealed)
        desk.sealed, desk.dirty = [], False

    def _run(self, run: RunStarted, record: Record, before: AccountState) -> None:
        self.began_at = self.began_at or record.at
        old = before.run
        if old is None:
            return
        if (old.account, old.mode, old.environment) == (run.account, run.mode, run.environment):
            return
        for trade in self.unsealed(before):
            trade.status = LEFT if trade.status == OPEN else trade.status
            self.sealed.append(trade)
        self.desks, self.lots = {}, {}
        self.began_at, self.dirty = record.at, True

    def _priced(self, symbol: str, price: Price) -> None:
        known = self.prices.get(symbol)
        if known is None or price.at >= known.at:
            self.prices[symbol] = price

    def _asked(self, body: RequestsRegistered, after: AccountState) -> None:
        for request in body.requests:
            if request.key.role is Role.EXIT and request.reason:
                self.reasons[request.ctx_id] = request.reason
            elif request.key.role is Role.ENTRY and request.context is not None:
                signal = after.scopes[request.scope].entry_signal
                if signal is not None:
                    seq = self._desk(request.scope).plan_seq
                    self.plans[request.ctx_id] = Plan(seq, signal.score, signal.reason)
        for kept in (self.reasons, self.plans):
            while len(kept) > REASONS_KEPT:
                del kept[next(iter(kept))]

    def _scored(self, body: SignalScored, record: Record, after: AccountState) -> None:
        for key, s in after.scopes.items():
            here = key.symbol == body.symbol and key.product is body.product
            if here and s.entry_signal == body.signal:
                self._desk(key).plan_seq = record.seq

    # --- fills --------------------------------------------------------------------------------------

    def _fills(self, desk: Desk, body: Body, seen: Seen) -> None:
        """What the record tells of trades in this scope; what was before us is no part of the book."""
        match body:
            case OrderReport():
                desk.order(body, seen)
            case AlgoReport():
                desk.algo(body, seen)
            case OrderQueried():
                if body.order is not None and self._counts(body.order, desk.scope):
                    desk.order(body.order, seen)
                if body.algo is not None and self._counts(body.algo, desk.scope):
                    desk.algo(body.algo, seen)
            case FillsSnapshot():
                for row in body.rows:
                    if self._counts(row, desk.scope):
                        desk.row(row, seen)
            case OrdersSnapshot():
                for order in body.rows:
                    if order.filled and self._counts(order, desk.scope):
                        desk.order(order, seen)

    def _counts(self, row: OrderReport | AlgoReport | FillRow, key: Scope) -> bool:
        here = (row.symbol, row.position_side) == (key.symbol, key.position_side)
        return here and row.at >= self.began_at

    def _settle(self, record: Record, account: AccountState) -> None:
        """Where fills and position still differ and nothing is on its way, the position is right."""
        read = isinstance(record.body, RecoveryEnded) and not record.body.failure
        for desk in self.desks.values():
            if not desk.differs_since or not (read or record.at > desk.differs_since + GRACE):
                continue
            s = account.scopes.get(desk.scope)
            if s is not None and s.trusted and s.matched:
                desk.believe(Seen(record.seq, s, account, self.reasons, self.plans, self.prices))
                desk.differs_since = 0
                self._gather(desk)

    def _funding(self, body: AccountReport) -> None:
        """Of cross positions the venue names the asset alone (R-16): with several, each bears its share."""
        named = {(row.symbol, row.position_side.value) for row in body.positions}
        for balance in body.balances:
            paid = [
                trade
                for desk in self.desks.values()
                if (trade := desk.trade) is not None
                and trade.asset == balance.asset
                and (not named or (trade.symbol, trade.position_side) in named)
            ]
            if not paid or not balance.change:
                continue
            whole = sum((t.entry_value for t in paid), ZERO)
            rest = balance.change
            for trade in paid[1:]:
                part = (balance.change * trade.entry_value / whole).quantize(CENT) if whole else ZERO
                trade.funding += part
                rest -= part
            paid[0].funding += rest
            for trade in paid:
                trade.funding_shared = trade.funding_shared or len(paid) > 1
            self.dirty = True

    # --- lots ---------------------------------------------------------------------------------------

    def _lots(self, before: ScopeState | None, s: ScopeState, record: Record, account: AccountState) -> None:
        """Each lot that the record opened, sold or ended."""
        was = before.lots if before is not None else None
        if s.lots is None or was is s.lots:
            return
        rules = account.instruments.get(s.scope.symbol)
        retired = was.retired if was is not None else {}
        for lot in sorted(changed(was, s.lots), key=lambda lot: lot.trade_id):
            name = lot_name(s.scope.symbol, lot.trade_id)
            known = self.lots.pop(name, None)
            if known is None and lot.trade_id in retired:
                continue  # its end was told already
            seq = known if known is not None else record.seq
            self.dirty = True
            if lot.ended is Ended.NO:
                self.lots[name] = seq
            else:
                trade = _of_lot(name, lot, s.scope, seq, rules)
                trade.closed_seq = record.seq
                self.sealed.append(trade)

    def _open_lots(self, account: AccountState) -> Iterator[Trade]:
        for key, s in account.scopes.items():
            if s.lots is None or not self.lots:
                continue
            rules = account.instruments.get(key.symbol)
            for lot in every(s.lots):
                name = lot_name(key.symbol, lot.trade_id)
                if (seq := self.lots.get(name)) is not None:
                    yield _of_lot(name, lot, key, seq, rules)


def _of_lot(name: str, lot: Lot, key: Scope, seq: int, rules: Instrument | None) -> Trade:
    """A lot as a trade. A commission in the bought asset counts at the price that it was bought at."""
    quote, base = (rules.quote, rules.base) if rules is not None else ("", "")
    fees: dict[str, Decimal] = {}
    for asset, fee in (
        (lot.commission_asset, lot.commission),
        (lot.sell_commission_asset, lot.sell_commission),
    ):
        of_base = bool(fee) and asset == base
        paid_in = quote if of_base else asset
        if fee:
            fees[paid_in] = fees.get(paid_in, ZERO) + (fee * lot.price if of_base else fee)
    ended = lot.ended is not Ended.NO
    return Trade(
        id=name,
        product=key.product.value,
        symbol=key.symbol,
        position_side=key.position_side.value,
        side="LONG",
        status=CLOSED if ended else OPEN,
        opened_at=lot.at,
        opened_seq=seq,
        closed_at=lot.ended_at if ended else 0,
        entry_quantity=lot.quantity,
        entry_value=lot.quantity * lot.price,
        exit_quantity=lot.sold,
        exit_value=lot.proceeds,
        peak=lot.quantity,
        entries=1,
        exits=1 if lot.sold else 0,
        fees=fees,
        asset=quote,
        reason_in="bought",
        reason_out=_ENDS.get(lot.ended, ""),
    )


_ENDS = {Ended.COMPLETED: "target", Ended.CLOSED_BY_HAND: "by hand"}
