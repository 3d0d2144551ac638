"""The book of trades: fills, positions and fundings of one ledger's records, told as trades.

Fills make and end trades; the venue's position is what they must add up to. A quantity that no fill explains
(a position that was there before us, a fill that was lost in a gap) is taken over from the position once
nothing is on its way any more, and the trade says so. A fill that is told of later takes the guess's place.

Everything follows from records alone, in order, so a book that is made again is the same.
"""

from decimal import Decimal

import msgspec

from backstay.core import orders as order_rules
from backstay.core.contexts import OrderContext, Phase
from backstay.core.events import (
    AccountReport,
    AlgoReport,
    FillRow,
    FillsSnapshot,
    OrderQueried,
    OrderReport,
    OrdersSnapshot,
    RecoveryEnded,
    RequestsRegistered,
    RunStarted,
)
from backstay.core.names import position_name
from backstay.core.records import Body, Record
from backstay.core.scored import SignalScored
from backstay.core.slots import BRIDGE_STEP
from backstay.core.state import AccountState, ScopeState
from backstay.core.types import SECOND, ZERO, ExecutionType, Product, Role, Scope, Side, TimeNs
from backstay.ledger.audit.trade import CLOSED, LEFT, Trade

GRACE = 3 * SECOND
"""For so long position and fills may differ before the position is believed."""
IDS_KEPT = 2_000
ORDERS_KEPT = 256
REASONS_KEPT = 256
CENT = Decimal("0.00000001")


class Counted(msgspec.Struct, omit_defaults=True):
    """What of one order is in the trades."""

    quantity: Decimal = ZERO
    value: Decimal = ZERO
    by_id: Decimal = ZERO
    """Quantity of its trades that were told one by one."""
    shares: dict[str, Decimal] = {}
    """Id of a trade -> what its latest fill brought to that trade; two, where it ended one and began another."""


class Desk(msgspec.Struct, omit_defaults=True):
    """The trades of one scope: the open one, and the last that closed, whose fees may come late."""

    scope: Scope
    trade: Trade | None = None
    last: Trade | None = None
    orders: dict[int, Counted] = {}
    ids: dict[int, None] = {}
    differs_since: TimeNs = 0
    """Local time since when fills and position disagree."""
    forgotten_to: int = 0
    """Trade ids up to here are known or too old to matter."""
    made: int = 0
    """Trades so far that the position of the venue had not been seen for when they began."""
    signal_seq: int = 0
    """Record of the newest score of the symbol."""
    plan_seq: int = 0
    """Record of the score that the present plan is."""


class Fill(msgspec.Struct, frozen=True):
    """A quantity that traded."""

    side: Side
    quantity: Decimal
    value: Decimal
    at: TimeNs
    reason: str
    ctx: OrderContext | None = None


class Book(msgspec.Struct, omit_defaults=True):
    """Every trade that is not sealed yet; `feed` it each record with the account before and after it."""

    desks: dict[str, Desk] = {}
    reasons: dict[str, str] = {}
    """Custom id of a closing order -> why it was asked for."""
    began_at: TimeNs = 0
    """The first run: fills before it are not ours to tell."""
    sealed: list[Trade] = []
    """Trades that nothing changes any more, until the writer takes them."""
    dirty: bool = False
    """Something that a row shows has changed since the writer looked."""

    def unsealed(self) -> list[Trade]:
        """Trades whose row may still change, in the order in which they were opened."""
        found = [t for d in self.desks.values() for t in (d.last, d.trade) if t is not None]
        return sorted(found, key=lambda t: (t.opened_seq, t.id))

    # --- records ------------------------------------------------------------------------------------

    def feed(self, record: Record, before: AccountState, after: AccountState) -> None:
        """Take one record in."""
        body = record.body
        if isinstance(body, RunStarted):
            self._run(body, record, before)
        elif isinstance(body, RequestsRegistered):
            for request in body.requests:
                if request.key.role is Role.EXIT and request.reason:
                    self.reasons[request.ctx_id] = request.reason
                    _prune(self.reasons, REASONS_KEPT)
        elif isinstance(body, SignalScored):
            self._scored(body, record, after)
        elif isinstance(body, AccountReport) and body.reason == "FUNDING_FEE":
            self._funding(body, after)
        if after is before:
            return
        for key, s in after.scopes.items():
            if key.product is Product.SPOT or before.scopes.get(key) is s:
                continue
            desk = self.desks.get(str(key))
            if desk is None:
                desk = self.desks[str(key)] = Desk(key)
            self._fills(desk, body, record, s, after)
            self._first_stop(desk, s)
            self._compare(desk, s, record)
        self._settle(record, after)

    def _run(self, run: RunStarted, record: Record, before: AccountState) -> None:
        self.began_at = self.began_at or record.at
        old = before.run
        if old is None or (old.account, old.mode, old.environment) == (
            run.account,
            run.mode,
            run.environment,
        ):
            return
        for desk in self.desks.values():
            for trade in (desk.last, desk.trade):
                if trade is not None:
                    trade.status = LEFT if trade is desk.trade else trade.status
                    self.sealed.append(trade)
        self.desks = {}
        self.began_at, self.dirty = record.at, True

    def _scored(self, body: SignalScored, record: Record, after: AccountState) -> None:
        for key, s in after.scopes.items():
            if key.symbol == body.symbol and key.product is body.product:
                desk = self.desks.setdefault(str(key), Desk(key))
                if s.signal == body.signal:
                    desk.signal_seq = record.seq
                if s.entry_signal == body.signal:
                    desk.plan_seq = record.seq

    # --- fills --------------------------------------------------------------------------------------

    def _fills(
        self, desk: Desk, body: Body, record: Record, s: ScopeState, account: AccountState
    ) -> None:
        """What the record tells of trades in this scope."""
        match body:
            case OrderReport():
                self._order(desk, body, record, s, account)
            case AlgoReport():
                self._algo(desk, body, record, s, account)
            case FillsSnapshot():
                for row in body.rows:
                    if _here(row, s.scope) and row.at >= self.began_at:
                        self._row(desk, row, record, s, account)
            case OrderQueried():
                if body.order is not None and _here(body.order, s.scope):
                    self._order(desk, body.order, record, s, account)
                if body.algo is not None and _here(body.algo, s.scope):
                    self._algo(desk, body.algo, record, s, account)
            case OrdersSnapshot():
                for order in body.rows:
                    if _here(order, s.scope) and order.filled and order.at >= self.began_at:
                        self._order(desk, order, record, s, account)

    def _order(
        self, desk: Desk, r: OrderReport, record: Record, s: ScopeState, account: AccountState
    ) -> None:
        told = bool(r.trade_id and r.last_qty)
        fresh = told and self._is_new(desk, r.trade_id)
        counted = desk.orders.setdefault(r.order_id, Counted())
        _prune(desk.orders, ORDERS_KEPT)
        if fresh:
            counted.by_id += r.last_qty
        more = max(r.filled, counted.by_id) - counted.quantity
        if more > 0:
            if told and more == r.last_qty:
                value = r.last_qty * r.last_price
            else:
                value = _value(counted, r.filled, r.avg_price or r.last_price or r.price, more)
            self._take(desk, counted, r.side, more, value, r.at, r.client_id, record, s, account, r.execution)
        if fresh:
            self._money(desk, counted, r)

    def _row(
        self, desk: Desk, row: FillRow, record: Record, s: ScopeState, account: AccountState
    ) -> None:
        if not self._is_new(desk, row.trade_id):
            return
        counted = desk.orders.setdefault(row.order_id, Counted())
        _prune(desk.orders, ORDERS_KEPT)
        counted.by_id += row.quantity
        more = counted.by_id - counted.quantity
        if more > 0:
            known = s.orders.get(row.order_id)
            name = known.client_id if known is not None else _named(s, row.order_id)
            self._take(desk, counted, row.side, more, more * row.price, row.at, name, record, s, account)
        self._money(desk, counted, row)

    def _algo(
        self, desk: Desk, r: AlgoReport, record: Record, s: ScopeState, account: AccountState
    ) -> None:
        """A conditional order that has executed: its child's own reports may have been lost in a gap."""
        if not r.child_order_id or not r.executed or not r.avg_price or r.at < self.began_at:
            return
        counted = desk.orders.setdefault(r.child_order_id, Counted())
        more = r.executed - counted.quantity
        if more > 0:
            value = _value(counted, r.executed, r.avg_price, more)
            self._take(desk, counted, r.side, more, value, r.at, r.client_id, record, s, account)

    def _is_new(self, desk: Desk, trade_id: int) -> bool:
        if trade_id in desk.ids or trade_id <= desk.forgotten_to:
            return False
        desk.ids[trade_id] = None
        while len(desk.ids) > IDS_KEPT:
            oldest = next(iter(desk.ids))
            desk.forgotten_to = max(desk.forgotten_to, oldest)
            del desk.ids[oldest]
        return True

    def _take(
        self,
        desk: Desk,
        counted: Counted,
        side: Side,
        quantity: Decimal,
        value: Decimal,
        at: TimeNs,
        client_id: str,
        record: Record,
        s: ScopeState,
        account: AccountState,
        execution: ExecutionType = ExecutionType.TRADE,
    ) -> None:
        """Enter a traded quantity: into the guess that it explains, then into the trades."""
        counted.quantity += quantity
        counted.value += value
        ctx = s.contexts.get(client_id)
        reason = self._reason(client_id, ctx, execution, s)
        counted.shares = {}
        price = value / quantity
        left = self._explain(desk, counted, side, quantity, price, at, reason)
        if not left:
            return
        value = price * left if left != quantity else value
        self._enter(desk, counted, Fill(side, left, value, at, reason, ctx), record, s, account)

    def _explain(
        self,
        desk: Desk,
        counted: Counted,
        side: Side,
        quantity: Decimal,
        price: Decimal,
        at: TimeNs,
        reason: str,
    ) -> Decimal:
        """Put the fill in the place of what was guessed before it was told of; returns what is left of it."""
        signed = quantity if side is Side.BUY else -quantity
        for trade in (desk.last, desk.trade):
            if trade is None or not trade.guessed or at > trade.guess_at:
                continue
            if (trade.guessed > 0) is not (signed > 0):
                continue
            part = min(abs(trade.guessed), quantity)
            change = (price - trade.guess_price) * part
            entry = (trade.guessed > 0) is (trade.sign > 0)
            if entry:
                trade.entry_value += change
                trade.reason_in = reason
                trade.entries += 1
            else:
                trade.exit_value += change
                trade.reason_out = reason
                trade.exits += 1
            trade.guessed -= part if trade.guessed > 0 else -part
            trade.guess_note = trade.guess_note if trade.guessed else ""
            _share(counted, trade, part)
            self.dirty = True
            quantity -= part
            if not quantity:
                break
        return quantity

    def _enter(
        self, desk: Desk, counted: Counted, fill: Fill, record: Record, s: ScopeState, account: AccountState
    ) -> None:
        """Enter a fill; one that is larger than what it closes ends a trade and opens another."""
        self.dirty = True
        trade = desk.trade
        opens = fill.side is Side.BUY
        if trade is not None and (trade.sign > 0) is not opens:
            part = min(fill.quantity, trade.held)
            value = fill.value * part / fill.quantity
            trade.exit_quantity += part
            trade.exit_value += value
            trade.exits += 1
            trade.reason_out = fill.reason
            _share(counted, trade, part)
            if not trade.held:
                self._close(desk, fill.at, record.seq)
            rest = fill.quantity - part
            if not rest:
                return
            fill = msgspec.structs.replace(fill, quantity=rest, value=fill.value - value)
            trade = None
        if trade is None:
            trade = desk.trade = self._opened(desk, fill, record, s, account)
        trade.entry_quantity += fill.quantity
        trade.entry_value += fill.value
        trade.entries += 1
        trade.peak = max(trade.peak, trade.held)
        _share(counted, trade, fill.quantity)

    def _opened(
        self, desk: Desk, fill: Fill, record: Record, s: ScopeState, account: AccountState
    ) -> Trade:
        key, side = s.scope, "LONG" if fill.side is Side.BUY else "SHORT"
        direction = s.position.direction
        seen = direction is not None and direction.value == side
        instrument = account.instruments.get(key.symbol)
        plan = s.entry_signal
        entered = fill.ctx is not None and fill.ctx.role is Role.ENTRY
        return Trade(
            id=position_name(key, s.epoch if seen else s.epoch + 1),
            product=key.product.value,
            symbol=key.symbol,
            position_side=key.position_side.value,
            side=side,
            opened_at=fill.at,
            opened_seq=record.seq,
            asset=instrument.margin_asset if instrument is not None else "",
            reason_in=f"signal: {plan.reason}" if entered and plan is not None else fill.reason,
            signal_seq=desk.plan_seq if entered and plan is not None else 0,
            score=plan.score if entered and plan is not None else None,
        )

    def _close(self, desk: Desk, at: TimeNs, seq: int) -> None:
        trade, desk.trade = desk.trade, None
        if trade is None:
            return
        trade.status, trade.closed_at, trade.closed_seq = CLOSED, at, seq
        if desk.last is not None:
            self.sealed.append(desk.last)
        desk.last = trade
        self.dirty = True

    def _money(self, desk: Desk, counted: Counted, row: OrderReport | FillRow) -> None:
        """Fees and results of one trade of the venue, to the trade or the two that it belongs to."""
        whole = sum(counted.shares.values(), ZERO)
        asset, rest, realized = row.commission_asset, row.commission, row.realized_pnl
        mine = [t for t in (desk.trade, desk.last) if t is not None and t.id in counted.shares]
        for number, trade in enumerate(mine, start=1):
            share = counted.shares[trade.id]
            part = rest if number == len(mine) else (row.commission * share / whole).quantize(CENT)
            rest -= part
            if part and asset:
                trade.fees = {**trade.fees, asset: trade.fees.get(asset, ZERO) + part}
            if (trade.sign > 0) is (row.side is Side.SELL):
                trade.realized += realized
                trade.realized_of += share if len(mine) > 1 else _traded(row)
            self.dirty = True

    def _reason(
        self, client_id: str, ctx: OrderContext | None, execution: ExecutionType, s: ScopeState
    ) -> str:
        if ctx is None:
            if client_id.startswith("adl_"):
                return "auto-deleveraging"
            forced = execution is ExecutionType.CALCULATED or order_rules.is_exchange_made(client_id)
            return "liquidation" if forced else "by hand"
        step = f" {ctx.key.step}" if ctx.key.step else ""
        match ctx.role:
            case Role.SL:
                return "stop"
            case Role.TP:
                return f"take-profit{step}"
            case Role.DCA:
                return f"DCA step{step}"
            case Role.ENTRY:
                return "entry"
            case _:
                return self.reasons.get(client_id, "") or s.flatten_reason or "closing order"

    # --- stops, funding -------------------------------------------------------------------------------

    def _first_stop(self, desk: Desk, s: ScopeState) -> None:
        """The first stop of the trade: from it R is counted."""
        trade = desk.trade
        if trade is None or trade.stop is not None:
            return
        for ctx in s.contexts.values():
            held = ctx.role is Role.SL and ctx.key.step != BRIDGE_STEP and ctx.phase is not Phase.PRE_ARMED
            if held and position_name(s.scope, ctx.epoch) == trade.id and ctx.slot.trigger is not None:
                trade.stop = ctx.slot.trigger
                self.dirty = True
                return

    def _funding(self, body: AccountReport, account: AccountState) -> None:
        named = {(row.symbol, row.position_side.value) for row in body.positions}
        for balance in body.balances:
            paid = [
                t
                for d in self.desks.values()
                if (t := d.trade) is not None
                and t.asset == balance.asset
                and (not named or (t.symbol, t.position_side) in named)
            ]
            if not paid or not balance.change:
                continue
            self.dirty = True
            whole = sum((t.entry_value for t in paid), ZERO)
            rest = balance.change
            for trade in paid[1:]:
                part = (balance.change * trade.entry_value / whole).quantize(CENT) if whole else ZERO
                trade.funding += part
                trade.funding_shared, rest = True, rest - part
            paid[0].funding += rest
            paid[0].funding_shared = paid[0].funding_shared or len(paid) > 1

    # --- the position of the venue ------------------------------------------------------------------

    def _compare(self, desk: Desk, s: ScopeState, record: Record) -> None:
        if _net(desk) == s.position.quantity:
            desk.differs_since = 0
        elif not desk.differs_since:
            desk.differs_since = record.at

    def _settle(self, record: Record, account: AccountState) -> None:
        """Where fills and position still differ and nothing is on its way, the position is right."""
        read = isinstance(record.body, RecoveryEnded) and not record.body.failure
        for desk in self.desks.values():
            if not desk.differs_since or not (read or record.at > desk.differs_since + GRACE):
                continue
            s = account.scopes.get(desk.scope)
            if s is not None and s.trusted and s.matched:
                self._believe(desk, s, record, account)
                desk.differs_since = 0

    def _believe(self, desk: Desk, s: ScopeState, record: Record, account: AccountState) -> None:
        target, net = s.position.quantity, _net(desk)
        trade = desk.trade
        if trade is not None and (not target or (target > 0) is not (trade.sign > 0)):
            price = account.marks.get(desk.scope.symbol) or s.last_mark or trade.entry_price or ZERO
            self._guess(trade, -net, price, s, "exit price is estimated: no fill was told")
            trade.exit_quantity += abs(net)
            trade.exit_value += abs(net) * price
            trade.reason_out = trade.reason_out or "closed while nobody watched"
            self._close(desk, s.position.at, record.seq)
            net, trade = ZERO, None
        if not target or target == net:
            return
        missing = abs(target) - abs(net)
        if trade is None:
            side = Side.BUY if target > 0 else Side.SELL
            fill = Fill(side, abs(target), ZERO, s.opened_at or s.position.at, "found open")
            trade = desk.trade = self._opened(desk, fill, record, s, account)
        if missing > 0:
            price = s.position.entry_price
            whole = price * abs(target) - trade.entry_value
            if not trade.exit_quantity and trade.entry_quantity and whole > 0:
                price = whole / missing
            trade.entry_quantity += missing
            trade.entry_value += missing * price
            trade.peak = max(trade.peak, trade.held)
            self._guess(trade, missing * trade.sign, price, s, "entry is that of the position: no fill was told")
        else:
            price = account.marks.get(desk.scope.symbol) or s.last_mark or s.position.entry_price
            trade.exit_quantity -= missing
            trade.exit_value -= missing * price
            self._guess(trade, missing * trade.sign, price, s, "exit price is estimated: no fill was told")
        self.dirty = True

    def _guess(self, trade: Trade, signed: Decimal, price: Decimal, s: ScopeState, note: str) -> None:
        trade.guessed, trade.guess_price = signed, price
        trade.guess_at, trade.guess_note = s.position.at, note


def _traded(row: OrderReport | FillRow) -> Decimal:
    return row.last_qty if isinstance(row, OrderReport) else row.quantity


def _share(counted: Counted, trade: Trade, quantity: Decimal) -> None:
    counted.shares = {**counted.shares, trade.id: counted.shares.get(trade.id, ZERO) + quantity}


def _net(desk: Desk) -> Decimal:
    return desk.trade.held * desk.trade.sign if desk.trade is not None else ZERO


def _value(counted: Counted, filled: Decimal, average: Decimal, more: Decimal) -> Decimal:
    """Of a quantity whose single price nobody told: what the order's average leaves for it."""
    rest = average * filled - counted.value
    return rest if counted.quantity + more == filled and rest > 0 else average * more


def _here(row: OrderReport | AlgoReport | FillRow, key: Scope) -> bool:
    return (row.symbol, row.position_side) == (key.symbol, key.position_side)


def _named(s: ScopeState, order_id: int) -> str:
    """The custom id of an order that only its context knows."""
    for ctx in s.contexts.values():
        if order_id in (ctx.order_id, ctx.child_order_id):
            return ctx.ctx_id
    return ""


def _prune[K, V](kept: dict[K, V], most: int) -> None:
    while len(kept) > most:
        del kept[next(iter(kept))]
