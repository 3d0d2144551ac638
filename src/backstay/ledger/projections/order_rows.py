"""Rows of `orders` and `fills` from one record and the scope before and after it."""

from collections.abc import Iterator
from typing import Any

from backstay.core import algo_orders, orders
from backstay.core.contexts import OrderContext, Phase
from backstay.core.events import (
    AlgoReport,
    AnswerClass,
    AnswerReceived,
    FillRow,
    FillsSnapshot,
    OrderReport,
    RequestDropped,
    RequestSent,
    RequestsRegistered,
)
from backstay.core.lots import Lot, get
from backstay.core.names import position_name
from backstay.core.records import Body, Record
from backstay.core.state import ScopeState
from backstay.core.types import EXPOSING, ZERO, Surface
from backstay.ledger.projections.changes import Put

GONE = "GONE"
"""The venue does not list it any more, and nobody saw how it ended."""


def order_puts(before: ScopeState, record: Record, after: ScopeState) -> Iterator[Put]:
    """Every order of the scope that the record changed."""
    if before.contexts is not after.contexts:
        for name in touched_names(record.body, before, after):
            ctx, known = after.contexts.get(name), before.contexts.get(name)
            if ctx is not None and ctx is not known and _is_order(known, ctx):
                yield _own(ctx, known, record, after)
    if before.orders is not after.orders:
        yield from _others(before, record, after)
    if before.algos is not after.algos:
        yield from _other_algos(before, record, after)


def touched_names(body: Body, before: ScopeState, after: ScopeState) -> list[str]:
    """Custom ids that the record can have touched; where that is not certain, all of them."""
    match body:
        case OrderReport() | AlgoReport():
            return [body.client_id]
        case RequestSent() | RequestDropped() | AnswerReceived():
            return [body.ctx_id]
        case RequestsRegistered():
            return [r.ctx_id for r in body.requests]
        case _:
            return [name for name, ctx in after.contexts.items() if before.contexts.get(name) is not ctx]


def _is_order(known: OrderContext | None, ctx: OrderContext) -> bool:
    """What is armed in advance is a plan; it becomes an order when it is sent."""
    unused = known is None or known.phase is Phase.PRE_ARMED
    return ctx.phase is not Phase.PRE_ARMED and not (unused and ctx.phase is Phase.ABSENT)


def _own(ctx: OrderContext, known: OrderContext | None, record: Record, s: ScopeState) -> Put:
    slot, lot = ctx.slot, _bought(ctx, s)
    row: OrderReport | AlgoReport | None
    if ctx.surface is Surface.ALGO:
        row, filled_row = s.algos.get(ctx.order_id), s.orders.get(ctx.child_order_id)
    else:
        row = filled_row = s.orders.get(ctx.order_id)
    values: dict[str, Any] = {
        "binance_order_id": ctx.order_id or None,
        "price": (row.price if row is not None else slot.price) or None,
        "trigger_price": (row.trigger if row is not None else slot.trigger) or None,
        "quantity": (row.quantity if row is not None else slot.quantity) or None,
        "status": row.status.value if row is not None else ctx.phase.value,
        "is_open": not ctx.is_terminal,
        "fill_quantity": ctx.filled,
        "updated_at": record.at,
        "seq": record.seq,
    }
    if filled_row is not None and ctx.filled > (known.filled if known is not None else ZERO):
        values["fill_price"] = filled_row.avg_price or filled_row.last_price or None
        values["fill_time"] = filled_row.at
        closes = ctx.role not in EXPOSING and ctx.epoch == s.epoch
        since = lot.at if lot is not None else s.opened_at if closes else 0
        values["hold_duration"] = max(filled_row.at - since, 0) if since else None
    if isinstance(record.body, AnswerReceived) and record.body.answer not in {
        AnswerClass.ACCEPTED,
        AnswerClass.NOOP,
    }:
        values["error"] = f"{record.body.code} {record.body.message}".strip()
    first = {
        "product": s.scope.product.value,
        "symbol": s.scope.symbol,
        "surface": ctx.surface.value,
        "client_order_id": ctx.ctx_id,
        "side": slot.side.value,
        "type": slot.kind.value,
        "role": ctx.role.value,
        "step": ctx.key.step,
        "position_id": position_name(s.scope, ctx.epoch) if ctx.epoch else None,
        "parent_order_id": order_key(lot.order_id, s) if lot is not None else ctx.parent or None,
        "created_at": ctx.created_at,
    }
    return Put("orders", ctx.ctx_id, values, first)


def _owned(s: ScopeState, row: OrderReport | AlgoReport, surface: Surface) -> OrderContext | None:
    ctx = s.contexts.get(row.client_id)
    return ctx if ctx is not None and ctx.surface is surface else None


def _others(before: ScopeState, record: Record, after: ScopeState) -> Iterator[Put]:
    body = record.body
    touched = [body.order_id] if isinstance(body, OrderReport) else list(after.orders)
    for order_id in touched:
        row = after.orders.get(order_id)
        known = before.orders.get(order_id)
        if row is None or row is known or _owned(after, row, Surface.REGULAR) is not None:
            continue
        put = _other(row, after, record, "regular", is_open=orders.is_open(row))
        if row.filled > (known.filled if known is not None else ZERO):
            put.values["fill_price"] = row.avg_price or row.last_price or None
            put.values["fill_time"] = row.at
        yield put
    if isinstance(body, OrderReport):
        return
    for order_id, row in before.orders.items():
        if order_id not in after.orders and orders.is_open(row) and row.client_id not in before.contexts:
            put = _other(row, after, record, "regular", is_open=False)
            put.values["status"] = GONE
            yield put


def _other_algos(before: ScopeState, record: Record, after: ScopeState) -> Iterator[Put]:
    body = record.body
    touched = [body.algo_id] if isinstance(body, AlgoReport) else list(after.algos)
    for algo_id in touched:
        row = after.algos.get(algo_id)
        if row is None or row is before.algos.get(algo_id) or _owned(after, row, Surface.ALGO) is not None:
            continue
        yield _other(row, after, record, "algo", is_open=algo_orders.is_open(row))
    if isinstance(body, AlgoReport):
        return
    for algo_id, row in before.algos.items():
        if algo_id not in after.algos and algo_orders.is_open(row) and row.client_id not in before.contexts:
            put = _other(row, after, record, "algo", is_open=False)
            put.values["status"] = GONE
            yield put


def _other(
    row: OrderReport | AlgoReport, s: ScopeState, record: Record, surface: str, *, is_open: bool
) -> Put:
    """An order that is not ours; the child of a conditional order of ours names that one as its parent."""
    number = row.algo_id if isinstance(row, AlgoReport) else row.order_id
    filled = row.executed if isinstance(row, AlgoReport) else row.filled
    values: dict[str, Any] = {
        "price": row.price or None,
        "trigger_price": row.trigger or None,
        "quantity": row.quantity or None,
        "status": row.status.value,
        "is_open": is_open,
        "fill_quantity": filled,
        "updated_at": record.at,
        "seq": record.seq,
    }
    first = {
        "product": row.product.value,
        "symbol": row.symbol,
        "surface": surface,
        "binance_order_id": number,
        "client_order_id": row.client_id,
        "side": row.side.value,
        "type": row.kind.value,
        "parent_order_id": row.client_id if row.client_id in s.contexts else None,
        "created_at": row.at,
    }
    return Put("orders", _key(row.product.value, surface, number), values, first)


def _key(product: str, surface: str, number: int) -> str:
    return f"{product}:{surface}:{number}"


def order_key(order_id: int, s: ScopeState) -> str:
    """`orders.id` of a regular order of the scope, by the venue's number."""
    row = s.orders.get(order_id)
    ctx = s.contexts.get(row.client_id) if row is not None else None
    if ctx is not None and ctx.surface is Surface.REGULAR:
        return ctx.ctx_id
    return _key(s.scope.product.value, "regular", order_id)


def _bought(ctx: OrderContext, s: ScopeState) -> Lot | None:
    """The first of the lots that a SELL sells."""
    if not ctx.slot.lots or s.lots is None:
        return None
    return get(s.lots, ctx.slot.lots[0]) or s.lots.retired.get(ctx.slot.lots[0])


def fill_puts(record: Record, s: ScopeState) -> Iterator[Put]:
    """The trades that the record tells of in this scope; a trade that is known already changes nothing."""
    body = record.body
    if isinstance(body, OrderReport):
        if body.trade_id and body.last_qty:
            yield _fill(body, body.last_price, body.last_qty, body.product.value, record, s)
    elif isinstance(body, FillsSnapshot):
        for row in body.rows:
            if (row.symbol, row.position_side) == (s.scope.symbol, s.scope.position_side):
                yield _fill(row, row.price, row.quantity, body.product.value, record, s)


def _fill(
    row: OrderReport | FillRow, price: Any, quantity: Any, product: str, record: Record, s: ScopeState
) -> Put:
    first = {
        "product": product,
        "symbol": row.symbol,
        "trade_id": row.trade_id,
        "order_id": _order_id(row, product, s),
        "side": row.side.value,
        "price": price,
        "quantity": quantity,
        "commission": row.commission,
        "commission_asset": row.commission_asset,
        "realized_pnl": row.realized_pnl,
        "maker": row.maker,
        "at": row.at,
        "seq": record.seq,
    }
    return Put("fills", f"{product}:{row.symbol}:{row.trade_id}", {}, first)


def _order_id(row: OrderReport | FillRow, product: str, s: ScopeState) -> str:
    """`orders.id` of the order that traded."""
    name = row.client_id if isinstance(row, OrderReport) else ""
    if not name and (known := s.orders.get(row.order_id)) is not None:
        name = known.client_id
    ctx = s.contexts.get(name)
    if ctx is not None and ctx.surface is Surface.REGULAR:
        return name
    return _key(product, "regular", row.order_id)
