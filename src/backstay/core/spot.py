"""How a spot scope takes in trades: lots, and the derived position.

Spot has no position rows (exchange-state O-7, section 10): the position follows from the trades that we know,
less commissions in the base asset, and is checked against balances (`coins`). It is matched when every
order's trades add up to what the order reported. Everything here is a pure step of the fold.
"""

from collections.abc import Iterable
from decimal import Decimal

from msgspec.structs import replace

from backstay.core import holding, legs
from backstay.core.account_scopes import scope_of, scope_state, with_scope
from backstay.core.coins import base_of, gap_kept
from backstay.core.contexts import OrderContext, Phase
from backstay.core.cover import naked
from backstay.core.events import FillRow, FillsSnapshot, OperatorCommand, OrderReport
from backstay.core.lot_book import Book
from backstay.core.lots import NONE, Flag, Lot, Lots, Mark, Trade, get
from backstay.core.money import round_down
from backstay.core.orders import is_fill, is_open
from backstay.core.scope import burst_began, new_life
from backstay.core.slots import Slot
from backstay.core.state import AccountState, ScopeState
from backstay.core.types import (
    SECOND,
    ZERO,
    Action,
    OrderStatus,
    PositionSide,
    Product,
    Side,
    TimeNs,
)

A = AccountState
RECENT = 60 * SECOND
"""Orders with a trade younger than this when the trades were read may have reports on their way."""


def after_order(account: A, before: ScopeState, s: ScopeState, e: OrderReport, now: TimeNs) -> ScopeState:
    """The rest of folding a spot order report: `s` is `before` with its order row and context moved."""
    lots = s.lots or NONE
    book = Book(lots)
    ctx = s.contexts.get(e.client_id)
    trade = _trade(e) if is_fill(e) and e.trade_id else None
    new = trade is not None and book.take(trade, base_of(account, e.symbol), _seller(ctx))
    if s is before and not new:
        return s
    row = s.orders.get(e.order_id, e)
    if ctx is not None and ctx.slot.side is Side.SELL:
        book.claim(e.order_id, ctx)
    # A report that comes late moves no row: of an order that is over nothing more is counted (O-3).
    moved = trade is None and row is not before.orders.get(e.order_id)
    if new or moved or e.order_id in lots.short:
        book.settle(e.order_id, row.filled, over=not is_open(row))
    if ctx is not None and ctx.slot.side is Side.SELL:
        _end_sale(book, s, ctx)
        if row is e:
            _note_end(book, before, ctx, e, now)
    elif row.side is Side.SELL and row.status is OrderStatus.FILLED:
        _sold_elsewhere(account, book, row)
    took = (trade,) if new and trade is not None else ()
    step = _step(account, e.symbol)
    if ctx is not None and not ctx.slot.lots:
        _closed_out(book, s, took, step)
    ours = {e.order_id} if _seller(ctx) is not None else set[int]()
    s = _derived(s, gap_kept(account, before, book.done(), took, ours), took, now, step)
    return s if ctx is None or ctx.slot.lots else legs.followed(s, s.contexts[ctx.ctx_id], now)


def after_read(
    account: A, before: ScopeState, s: ScopeState, rows: Iterable[OrderReport], now: TimeNs
) -> ScopeState:
    """As `after_order`, for rows that were read: they tell totals, and no trade."""
    if s is before:
        return s
    for row in rows:
        if before.orders.get(row.order_id) is not s.orders.get(row.order_id):
            s = after_order(account, before, s, row, now)
    return s


def fills(account: A, e: FillsSnapshot, now: TimeNs) -> A:
    """Fold a read of trades that begins where the last one ended."""
    s = scope_state(account, scope_of(Product.SPOT, e.symbol, PositionSide.BOTH))
    lots = s.lots or NONE
    book = Book(lots)
    base = base_of(account, e.symbol)
    sellers = {c.order_id: c for c in s.contexts.values() if c.order_id and c.slot.side is Side.SELL}
    trades = [_trade(row) for row in sorted(e.rows, key=lambda r: r.trade_id)]
    new = tuple(t for t in trades if book.take(t, base, sellers.get(t.order_id)))
    for order_id in {*(t.order_id for t in new), *book.short}:
        row = s.orders.get(order_id)
        if row is not None:
            book.settle(order_id, row.filled, over=not is_open(row))
    if not lots.read_at:
        # What the orders that rest had filled before we began to follow this symbol is not ours to sell.
        book.forgive()
    for ctx in sellers.values():
        _end_sale(book, s, ctx)
    step = _step(account, e.symbol)
    if any(not ctx.slot.lots for ctx in sellers.values()):
        _closed_out(book, s, new, step)
    recent = {t.order_id for t in trades if t.at >= e.requested_at - RECENT}
    working = {
        *(i for i, row in s.orders.items() if is_open(row)),
        *(i for i, ctx in sellers.items() if not ctx.is_terminal),
    }
    book.forget_orders({*recent, *book.short, *working})
    done = book.done(
        read_to=trades[-1].trade_id if trades else 0,
        read_at=e.requested_at,
        unserved=lots.unserved or not e.complete,
    )
    done = gap_kept(account, s, done, new, sellers)
    s = replace(s, fill_at=max([s.fill_at, *(t.at for t in new)]))
    return with_scope(account, _derived(s, done, new, now, step))


def _trade(e: OrderReport | FillRow) -> Trade:
    price, quantity = (e.last_price, e.last_qty) if isinstance(e, OrderReport) else (e.price, e.quantity)
    return Trade(
        trade_id=e.trade_id,
        order_id=e.order_id,
        side=e.side,
        price=price,
        quantity=quantity,
        commission=e.commission,
        commission_asset=e.commission_asset,
        at=e.at,
        maker=e.maker,
    )


def _step(account: A, symbol: str) -> Decimal:
    instrument = account.instruments.get(symbol)
    return instrument.step if instrument is not None else ZERO


def _seller(ctx: OrderContext | None) -> OrderContext | None:
    return ctx if ctx is not None and ctx.slot.side is Side.SELL else None


def _end_sale(book: Book, s: ScopeState, ctx: OrderContext) -> None:
    """A filled SELL whose trades are all known ends the lots that it was placed for."""
    if ctx.phase is not Phase.FILLED or ctx.order_id in book.short:
        return
    for name in ctx.slot.lots:
        lot = book.get(name)
        if lot is not None:
            book.end(lot, s.orders[ctx.order_id].at if ctx.order_id in s.orders else lot.at)


def _note_end(book: Book, before: ScopeState, ctx: OrderContext, e: OrderReport, now: TimeNs) -> None:
    """A hands-off SELL that ended unfilled without our doing is not placed again: its lot is flagged."""
    if not ctx.slot.hands_off or e.status not in _ENDED_UNFILLED:
        return
    pending = before.pendings.get(ctx.ctx_id)
    if pending is not None and pending.action is Action.CANCEL:
        return
    mark = Mark.CANCELLED if e.status is OrderStatus.CANCELED else Mark.EXPIRED
    for name in ctx.slot.lots:
        if name not in book.flags:
            book.flag(name, Flag(mark, now))


_ENDED_UNFILLED = frozenset({OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.EXPIRED_IN_MATCH})


def _sold_elsewhere(account: A, book: Book, row: OrderReport) -> None:
    """The owner took back a lot's SELL and then sold that very quantity: the lot was closed by hand.

    Only where one lot alone fits; everything else is left for the balances to tell.
    """
    instrument = account.instruments.get(row.symbol)
    if instrument is None or not instrument.step:
        return
    taken = [book.get(k) for k, flag in book.flags.items() if flag.mark is Mark.CANCELLED]
    fits = [x for x in taken if x is not None and round_down(x.left, instrument.step) == row.filled]
    if len(fits) == 1:
        book.end(fits[0], row.at)


# --- the derived position -------------------------------------------------------------------------


def _derived(s: ScopeState, lots: Lots, trades: Iterable[Trade], now: TimeNs, step: Decimal) -> ScopeState:
    """The scope with its lots, and the position row that follows from its trades (O-7)."""
    old = s.position
    held = holding.held(s)
    for trade in trades:
        received = _received(trade, get(lots, trade.trade_id) or lots.retired.get(trade.trade_id))
        held = holding.moved(held, trade, received, step)
    quantity, entry = held.quantity, held.entry
    held = holding.settled(held, lots.read_to, step)
    if held.since is not lots.since:
        lots = replace(lots, since=held.since, base=held.base)
    at = old.at if lots.short else max(old.at, s.fill_at)
    seen_at = (s.fill_seen_at or now) if lots.short else 0
    position = old
    if (quantity, entry, at) != (old.quantity, old.entry_price, old.at):
        position = replace(old, quantity=quantity, entry_price=entry, at=at)
    if lots is s.lots and position is old and seen_at == s.fill_seen_at:
        return s
    if quantity == old.quantity:
        return replace(s, lots=lots, position=position, fill_seen_at=seen_at)
    if position.direction is not old.direction:
        s = new_life(s, position, at)
    served = tuple(
        b for b in s.blocks if b.by_lot and b.key is not None and get(lots, b.key.step) is not None
    )
    s = replace(
        s,
        lots=lots,
        position=position,
        fill_seen_at=seen_at,
        blocks=served,
        burst_since=burst_began(s, now),
        burst_last=now,
    )
    return naked(s, now)


def _received(trade: Trade, lot: Lot | None) -> Decimal:
    """What a BUY brought in, less its commission in the base asset."""
    return lot.received if lot is not None else trade.quantity


def _closed_out(book: Book, s: ScopeState, trades: Iterable[Trade], step: Decimal) -> None:
    """Trades of orders that sell the whole position: where they leave none, its lots end with it."""
    held, at = holding.held(s), 0
    for trade in trades:
        held = holding.moved(held, trade, _received(trade, book.get(trade.trade_id)), step)
        at = trade.at
    if at and not held.quantity:
        book.close_out(at)


# --- prices and the owner's word ------------------------------------------------------------------


def priced(s: ScopeState, price: Decimal, at: TimeNs) -> ScopeState:
    """A recorded price of the symbol."""
    book = Book(s.lots or NONE)
    book.priced(price, at)
    lots = book.done()
    return s if lots is s.lots or not book.changed else replace(s, lots=lots)


def close_lot(s: ScopeState, e: OperatorCommand, now: TimeNs) -> ScopeState:
    """The owner wants this lot sold now, at market or at a limit."""
    book = Book(s.lots or NONE)
    book.flag(e.lot, Flag(Mark.CLOSING, now, e.price))
    return replace(s, lots=book.done()) if book.changed else s


def forget_lot(s: ScopeState, e: OperatorCommand, now: TimeNs) -> ScopeState:
    """The owner sold these coins elsewhere. A lot whose SELL still works is not forgotten: they are there."""
    book = Book(s.lots or NONE)
    lot = book.get(e.lot)
    if lot is None or any(e.lot in c.slot.lots and not c.is_terminal for c in s.contexts.values()):
        return s
    book.flag(e.lot, Flag(Mark.CLOSING, now))
    book.end(lot, now)
    left = max(s.position.quantity - lot.left, ZERO)
    position = replace(s.position, quantity=left, entry_price=s.position.entry_price if left else ZERO)
    if position.direction is not s.position.direction:
        s = new_life(s, position, s.position.at)
    return naked(replace(s, lots=replace(book.done(), since=()), position=position), now)


def acknowledged(s: ScopeState) -> ScopeState:
    """The owner has looked: lots whose SELL was taken back wait for their profit again."""
    if s.lots is None:
        return s
    book = Book(s.lots)
    book.unflag(lambda flag: flag.mark is Mark.CLOSING)
    book.forgive()
    lots = book.done(unserved=False)
    return s if lots is s.lots else replace(s, lots=lots)


def untouchable(s: ScopeState, ctx: OrderContext) -> bool:
    """Hands off: never amended or cancelled by us, unless the owner asked to close what the order sells."""
    return ctx.slot.hands_off and not closing(s, ctx)


def under_sale(s: ScopeState, slot: Slot) -> bool:
    """A lot of this slot has an order under way, or one in another slot (lots sold together): it ends first.

    Which life the derived position leads says nothing of a lot: sales by hand may have begun a new one.
    """
    names = frozenset(slot.lots)
    return any(
        ctx.key != slot.key or not ctx.is_resting or ctx.ctx_id in s.pendings
        for ctx in s.contexts.values()
        if not ctx.is_terminal and not names.isdisjoint(ctx.slot.lots)
    )


def closing(s: ScopeState, ctx: OrderContext) -> bool:
    """The owner asked to close a lot of this order: the one reason to cancel what is hands off."""
    flags = s.lots.flags if s.lots is not None else {}
    return any((f := flags.get(name)) is not None and f.mark is Mark.CLOSING for name in ctx.slot.lots)
