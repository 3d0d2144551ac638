"""The desk of one scope: its open trade and the last that closed, made of what the venue tells of fills.

A fill is told several times and in several ways: by the order's report, by a trade read later, by an order
that says how much of it is filled. Quantities are counted by order, fees and results by trade id, so nothing
is counted twice and nothing depends on what is told first.
"""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from backstay.core.contexts import Phase
from backstay.core.events import AlgoReport, FillRow, OrderReport
from backstay.core.names import position_name
from backstay.core.scope import proven_until
from backstay.core.slots import BRIDGE_STEP
from backstay.core.state import ScopeState
from backstay.core.types import ZERO, Role, Scope, Side, TimeNs
from backstay.ledger.audit.counted import Counted, left_of, put
from backstay.ledger.audit.told import Fill, Seen, fill_of, name_of, reason_of
from backstay.ledger.audit.trade import CLOSED, Trade

IDS_KEPT = 2_000
ORDERS_KEPT = 256
NAMES_KEPT = 8
EARLIER_KEPT = 8
"""With so many after it, a trade of which something is still to be told stays as it is."""
CENT = Decimal("0.00000001")


class Desk(msgspec.Struct, omit_defaults=True):
    """The trades of one scope that may still change."""

    scope: Scope
    trade: Trade | None = None
    earlier: tuple[Trade, ...] = ()
    """The one before it, and older ones of which something has still to be told; oldest first."""
    orders: dict[int, Counted] = {}
    ids: dict[int, None] = {}
    forgotten_to: int = 0
    """Trade ids up to here are known or too old to matter."""
    differs_since: TimeNs = 0
    """Local time since when fills and position disagree."""
    plan_seq: int = 0
    """Record of the score that the present plan is."""
    names: tuple[str, ...] = ()
    """Of the trades that were sealed last."""
    unnumbered: int = 0
    """Trades that were no position by number."""
    sealed: list[Trade] = []
    """Trades that nothing changes any more, until they are taken."""
    dirty: bool = False

    @property
    def trades(self) -> Sequence[Trade]:
        return self.earlier if self.trade is None else (*self.earlier, self.trade)

    @property
    def net(self) -> Decimal:
        """What the fills add up to, signed."""
        return self.trade.held * self.trade.sign if self.trade is not None else ZERO

    # --- what is told ---------------------------------------------------------------------------------

    def order(self, r: OrderReport, seen: Seen) -> None:
        """A regular order with what of it is filled."""
        told = bool(r.trade_id and r.last_qty)
        fresh = told and self._is_new(r.trade_id)
        counted = self._counted(r.order_id)
        self._name(r.order_id, counted, r.client_id, seen)
        if fresh:
            counted.by_id += r.last_qty
            counted.value_by_id += r.last_qty * r.last_price
        more = max(r.filled, counted.by_id) - counted.quantity
        if more > 0:
            if told and more == r.last_qty:
                value = r.last_qty * r.last_price
            else:
                value = left_of(counted, r.filled, r.avg_price or r.last_price or r.price, more)
            self._take(counted, fill_of(r, r.order_id, r.client_id, more, value, seen), seen)
        if fresh:
            self._money(counted, r, r.last_qty, seen)
            self._exact(counted, r.side)

    def row(self, r: FillRow, seen: Seen) -> None:
        """A trade that was read."""
        if not self._is_new(r.trade_id):
            return
        counted = self._counted(r.order_id)
        counted.by_id += r.quantity
        counted.value_by_id += r.quantity * r.price
        more = counted.by_id - counted.quantity
        if more > 0:
            known = seen.scope.orders.get(r.order_id)
            name = known.client_id if known is not None else name_of(seen.scope, r.order_id)
            counted.unnamed = not name
            self._take(counted, fill_of(r, r.order_id, name, more, more * r.price, seen), seen)
        self._money(counted, r, r.quantity, seen)
        self._exact(counted, r.side)

    def algo(self, r: AlgoReport, seen: Seen) -> None:
        """A conditional order that has executed: its child's own reports may have been lost in a gap."""
        if not r.child_order_id or not r.executed or not r.avg_price:
            return
        counted = self._counted(r.child_order_id)
        self._name(r.child_order_id, counted, r.client_id, seen)
        more = r.executed - counted.quantity
        if more > 0:
            value = left_of(counted, r.executed, r.avg_price, more)
            self._take(counted, fill_of(r, r.child_order_id, r.client_id, more, value, seen), seen)

    def _name(self, order_id: int, counted: Counted, client_id: str, seen: Seen) -> None:
        """Whose order it is has been told: its fills may have been read before."""
        if not counted.unnamed:
            return
        counted.unnamed = False
        reason, plan = reason_of(client_id, seen), seen.plans.get(client_id)
        for trade in self.trades:
            if trade.opened_by == order_id:
                trade.began(order_id, reason, plan)
            if trade.closed_by == order_id:
                trade.reason_out = reason
        self.dirty = True

    def first_stop(self, s: ScopeState) -> None:
        """The first stop of the trade: from it R is counted."""
        trade = self.trade
        if trade is None or trade.stop is not None:
            return
        for ctx in s.contexts.values():
            stop = ctx.role is Role.SL and ctx.key.step != BRIDGE_STEP and ctx.phase is not Phase.PRE_ARMED
            if stop and position_name(s.scope, ctx.epoch) == trade.id and ctx.slot.trigger is not None:
                trade.stop = ctx.slot.trigger
                self.dirty = True
                return

    # --- the position of the venue --------------------------------------------------------------------

    def believe(self, seen: Seen) -> None:
        """Take over from the position what no fill explains."""
        s = seen.scope
        target, net = s.position.quantity, self.net
        mark = seen.account.marks.get(self.scope.symbol) or s.last_mark
        if self.trade is not None and (not target or (target > 0) is not (self.trade.sign > 0)):
            trade = self.trade
            price = mark or trade.entry_price or ZERO
            trade.exit_quantity += abs(net)
            trade.exit_value += abs(net) * price
            trade.reason_out = trade.reason_out or "closed while nobody watched"
            trade.guess(
                -net,
                price,
                s.position.at,
                "exit price is estimated, its fees are not known: no fill was told",
            )
            self.close(s.position.at, seen.seq)
            net = ZERO
        if not target or target == net:
            return
        missing = abs(target) - abs(net)
        if self.trade is None:
            side = Side.BUY if target > 0 else Side.SELL
            found = Fill(side, abs(target), ZERO, s.opened_at or s.position.at, "found open")
            self.trade = self._opened(found, seen)
        trade = self.trade
        if missing > 0:
            price = s.position.entry_price
            whole = price * abs(target) - trade.entry_value
            if not trade.exit_quantity and trade.entry_quantity and whole > 0:
                price = whole / missing
            trade.entry_quantity += missing
            trade.entry_value += missing * price
            trade.peak = max(trade.peak, trade.held)
            note = "entry is that of the position, its fees are not known: no fill was told"
        else:
            price = mark or s.position.entry_price
            trade.exit_quantity -= missing
            trade.exit_value -= missing * price
            note = "exit price is estimated, its fees are not known: no fill was told"
        trade.guess(missing * trade.sign, price, s.position.at, note)
        self.dirty = True

    def close(self, at: TimeNs, seq: int) -> None:
        """The open trade has ended."""
        trade, self.trade = self.trade, None
        if trade is None:
            return
        trade.status, trade.closed_at, trade.closed_seq = CLOSED, at, seq
        over = len(self.earlier) - EARLIER_KEPT
        done = [t for n, t in enumerate(self.earlier) if n < over or t.is_complete]
        self.sealed.extend(done)
        self.names = (*self.names, *(t.id for t in done))[-NAMES_KEPT:]
        self.earlier = (*(t for t in self.earlier if t not in done), trade)
        self.dirty = True

    # --- fills --------------------------------------------------------------------------------------

    def _counted(self, order_id: int) -> Counted:
        counted = self.orders.setdefault(order_id, Counted())
        while len(self.orders) > ORDERS_KEPT:
            del self.orders[next(iter(self.orders))]
        return counted

    def _is_new(self, trade_id: int) -> bool:
        if trade_id in self.ids or trade_id <= self.forgotten_to:
            return False
        self.ids[trade_id] = None
        while len(self.ids) > IDS_KEPT:
            oldest = next(iter(self.ids))
            self.forgotten_to = max(self.forgotten_to, oldest)
            del self.ids[oldest]
        return True

    def _take(self, counted: Counted, fill: Fill, seen: Seen) -> None:
        """Enter a fill: into the guess that it explains, the rest into the trades."""
        counted.quantity += fill.quantity
        counted.value += fill.value
        counted.shares = {}
        left = self._explain(counted, fill)
        if left == fill.quantity:
            self._enter(counted, fill, seen)
        elif left:
            value = fill.value * left / fill.quantity
            self._enter(counted, msgspec.structs.replace(fill, quantity=left, value=value), seen)

    def _explain(self, counted: Counted, fill: Fill) -> Decimal:
        """Put the fill in the place of what was guessed before it was told; returns what is left of it."""
        left, price = fill.quantity, fill.value / fill.quantity
        for trade in self.trades:
            if not left or not trade.guessed or fill.at > trade.guess_at:
                continue
            if (trade.guessed > 0) is not (fill.signed > 0):
                continue
            part = min(abs(trade.guessed), left)
            change = (price - trade.guess_price) * part
            if (trade.guessed > 0) is (trade.sign > 0):
                trade.entry_value += change
                if not trade.entries:
                    trade.began(fill.order_id, fill.reason, fill.plan)
                trade.entries += 1
            else:
                trade.exit_value += change
                trade.reason_out, trade.closed_by = fill.reason, fill.order_id
                trade.exits += 1
            trade.guessed -= part if trade.guessed > 0 else -part
            trade.guess_note = trade.guess_note if trade.guessed else ""
            put(counted, trade, part)
            self.dirty = True
            left -= part
        return left

    def _enter(self, counted: Counted, fill: Fill, seen: Seen) -> None:
        """Enter a fill; one that is larger than what it closes ends a trade and opens another."""
        self.dirty = True
        trade = self.trade
        if trade is not None and (trade.sign > 0) is not (fill.signed > 0):
            part = min(fill.quantity, trade.held)
            value = fill.value * part / fill.quantity
            trade.exit_quantity += part
            trade.exit_value += value
            trade.exits += 1
            trade.reason_out, trade.closed_by = fill.reason, fill.order_id
            put(counted, trade, part)
            if not trade.held:
                self.close(fill.at, seen.seq)
            rest = fill.quantity - part
            if not rest:
                return
            fill = msgspec.structs.replace(fill, quantity=rest, value=fill.value - value)
            trade = None
        if trade is None:
            trade = self.trade = self._opened(fill, seen)
        trade.entry_quantity += fill.quantity
        trade.entry_value += fill.value
        trade.entries += 1
        trade.peak = max(trade.peak, trade.held)
        put(counted, trade, fill.quantity)

    def _opened(self, fill: Fill, seen: Seen) -> Trade:
        s = seen.scope
        key, side = s.scope, "LONG" if fill.side is Side.BUY else "SHORT"
        direction = s.position.direction
        known = direction is not None and direction.value == side
        instrument = seen.account.instruments.get(key.symbol)
        if known:
            name = self._free(position_name(key, s.epoch), s)
        elif self._is_over(fill, s):
            name = self._free(position_name(key, fill.epoch), s)
        elif fill.at < proven_until(s.position):
            name = self._unnumbered()  # The position has it in itself, and shows that it is over.
        else:
            name = self._free(position_name(key, s.epoch + 1), s)
        trade = Trade(
            id=name,
            product=key.product.value,
            symbol=key.symbol,
            position_side=key.position_side.value,
            side=side,
            opened_at=fill.at,
            opened_seq=seen.seq,
            asset=instrument.margin_asset if instrument is not None else "",
        )
        trade.began(fill.order_id, fill.reason, fill.plan)
        return trade

    def _is_over(self, fill: Fill, s: ScopeState) -> bool:
        """Its own entry began it, and a read shows already that it is over: the account has counted it, or
        will when the recovery ends.
        """
        name = position_name(s.scope, fill.epoch)
        taken = name in self.names or any(name == old.id for old in self.earlier)
        return bool(fill.epoch) and 0 <= fill.epoch - s.epoch <= 1 and not s.position.quantity and not taken

    def _exact(self, counted: Counted, side: Side) -> None:
        """Every trade of the order is known by now: what was told of it in a sum gives way to theirs."""
        change = counted.value_by_id - counted.value
        mine = [t for t in self.trades if t.id in counted.shares]
        if not change or counted.by_id != counted.quantity or len(mine) != 1:
            return
        counted.value = counted.value_by_id
        trade = mine[0]
        if (trade.sign > 0) is (side is Side.BUY):
            trade.entry_value += change
        else:
            trade.exit_value += change
        self.dirty = True

    def _free(self, name: str, s: ScopeState) -> str:
        """The name for a new trade. An earlier one that only reads told of, and that nothing counted as a
        position, has no number of its own: it gives it up. One that an entry for this very position began
        keeps it: where it ended unseen and somebody opened another meanwhile, the account counted but one.
        """
        for old in self.earlier:
            if old.id == name:
                if _entered(old, s):
                    return self._unnumbered()
                old.id = self._unnumbered()
                for counted in self.orders.values():
                    if name in counted.shares:
                        counted.shares = {old.id if k == name else k: v for k, v in counted.shares.items()}
        return self._unnumbered() if name in self.names else name

    def _unnumbered(self) -> str:
        self.unnumbered += 1
        return f"{self.scope.symbol}-{self.scope.position_side.value}-U{self.unnumbered}"

    def _money(self, counted: Counted, row: OrderReport | FillRow, quantity: Decimal, seen: Seen) -> None:
        """Fees and results of one trade of the venue, to the trade or the two that it belongs to."""
        whole = sum(counted.shares.values(), ZERO)
        rest, asset = row.commission, row.commission_asset
        mine = [t for t in reversed(self.trades) if t.id in counted.shares]
        for number, trade in enumerate(mine, start=1):
            share = counted.shares[trade.id]
            part = rest if number == len(mine) else (row.commission * share / whole).quantize(CENT)
            rest -= part
            trade.itemised += share if len(mine) > 1 else quantity
            if part and asset:
                trade.charge(part, asset, seen.price(asset + trade.asset, row.at))
            if (trade.sign > 0) is (row.side is Side.SELL):
                trade.realized += row.realized_pnl
                trade.realized_of += share if len(mine) > 1 else quantity
            self.dirty = True


def _entered(trade: Trade, s: ScopeState) -> bool:
    """An order of ours began it, which was to enter the position of its number."""
    return any(
        c.role is Role.ENTRY and c.order_id == trade.opened_by and position_name(s.scope, c.epoch) == trade.id
        for c in s.contexts.values()
    )
