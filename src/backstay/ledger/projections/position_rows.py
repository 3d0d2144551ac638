"""Rows of `positions` from a scope before and after a record, and what of a position's orders is shown."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from backstay.core.contexts import OrderContext, Phase
from backstay.core.cover import stop_armed
from backstay.core.events import AlgoReport, OrderReport
from backstay.core.names import position_name
from backstay.core.records import Record
from backstay.core.state import ScopeState
from backstay.core.types import ZERO, Role, Surface
from backstay.ledger.projections.changes import Put


def live(s: ScopeState, role: Role) -> list[OrderContext]:
    """Contexts of a role that rest or are on their way for the present position, the resting ones first."""
    found = [
        c
        for c in s.contexts.values()
        if c.role is role
        and not c.is_terminal
        and not c.stuck
        and c.phase is not Phase.PRE_ARMED
        and c.epoch == s.epoch
    ]
    return sorted(found, key=lambda c: (not c.is_resting, c.key.step, c.generation))


def price_of(s: ScopeState, ctx: OrderContext) -> Decimal | None:
    """Where the order stands: as the venue's row says, which an amendment moves; else as it was asked for."""
    row: OrderReport | AlgoReport | None
    row = s.algos.get(ctx.order_id) if ctx.surface is Surface.ALGO else s.orders.get(ctx.order_id)
    if row is not None and (row.trigger or row.price):
        return row.trigger or row.price
    return ctx.slot.trigger or ctx.slot.price


def position_puts(before: ScopeState, record: Record, after: ScopeState) -> Iterator[Put]:
    """The position that ended with the record, and the one that it began or changed."""
    if (
        before.position is after.position
        and before.contexts is after.contexts
        and before.trust is after.trust
        and before.epoch == after.epoch
    ):
        return
    ended = before.epoch != after.epoch or not after.position.quantity
    if before.position.quantity and ended:
        values = {
            **_facts(before),
            "quantity": ZERO,
            "status": "CLOSED",
            "protected": False,
            "closed_at": after.position.at or record.at,
            "updated_at": record.at,
            "seq": record.seq,
        }
        yield Put("positions", position_name(before.scope, before.epoch), values, _first(before, record))
    if not after.position.quantity:
        return
    facts = _facts(after)
    if before.epoch == after.epoch and before.position.quantity and facts == _facts(before):
        return
    values = {**facts, "status": "OPEN", "updated_at": record.at, "seq": record.seq}
    yield Put("positions", position_name(after.scope, after.epoch), values, _first(after, record))


def _first(s: ScopeState, record: Record) -> dict[str, Any]:
    return {
        "product": s.scope.product.value,
        "symbol": s.scope.symbol,
        "position_side": s.scope.position_side.value,
        "created_at": record.at,
    }


def _facts(s: ScopeState) -> dict[str, Any]:
    """What a position's row says while it is open."""
    stop, profit = live(s, Role.SL)[:1], live(s, Role.TP)[:1]
    direction = s.position.direction
    return {
        "side": direction.value if direction is not None else "FLAT",
        "quantity": abs(s.position.quantity),
        "entry_price": s.position.entry_price,
        "entry_time": s.opened_at,
        "stop_price": price_of(s, stop[0]) if stop else None,
        "stop_state": stop[0].phase.value if stop else "NONE",
        "take_profit_price": price_of(s, profit[0]) if profit else None,
        "take_profit_state": profit[0].phase.value if profit else "NONE",
        "protected": stop_armed(s),
        "trust": s.trust.value,
    }
