"""Does the order that rests equal the order that is wanted? (exchange-state 7.6)

Only actionable fields count. Ids, echoes (a close-position stop comes back with quantity 0, reduceOnly and
GTE_GTC), time in force, self-trade-prevention mode and the number of trailing zeros do not. The wanted side
has been through `conform`, so both sides are on the venue's grid.
"""

from decimal import Decimal

import msgspec

from backstay.core import orders
from backstay.core.contexts import OrderContext
from backstay.core.events import AlgoReport, OrderReport
from backstay.core.slots import Slot, SlotKey
from backstay.core.state import ScopeState
from backstay.core.types import IMMEDIATE, ZERO, OrderType, PositionSide, Surface

# Looked up once: `decide` is on the path from a fill to its stop.
ALGO, BOTH, TRAILING = Surface.ALGO, PositionSide.BOTH, OrderType.TRAILING_STOP_MARKET

type Row = OrderReport | AlgoReport


class Verdicts(msgspec.Struct):
    """The join of one pass: who holds which slot, and what is left over."""

    working: dict[SlotKey, list[OrderContext]]
    desired: dict[SlotKey, Slot]
    converged: dict[SlotKey, OrderContext]
    conflict: str | None = None
    """Who holds the one close-position stop of the direction, where the main stop wants to be one."""
    covered_by: str = ""
    """Why the main stop counts as confirmed although it is not ours to place ("bridge", "external")."""


def row_of(s: ScopeState, ctx: OrderContext) -> Row | None:
    """The venue's row of a context's order, or None while it is not proven to exist."""
    if not ctx.order_id:
        return None
    if ctx.surface is ALGO:
        return s.algos.get(ctx.order_id)
    return s.orders.get(ctx.order_id)


def child_rests(s: ScopeState, ctx: OrderContext) -> bool:
    """The order that a triggered one became is open: its cancel goes to the regular surface (4.3)."""
    row = s.orders.get(ctx.child_order_id) if ctx.child_order_id else None
    return row is not None and orders.is_open(row)


def equal(slot: Slot, ctx: OrderContext, row: Row | None) -> bool:
    """The resting order is what the slot wants; False while nothing proves that it rests."""
    if row is None or not ctx.is_resting or row.side is not slot.side or row.kind is not slot.kind:
        return False
    if isinstance(row, OrderReport):
        return (
            slot.tif not in IMMEDIATE
            and row.price == (slot.price or ZERO)
            and (slot.trigger is None or row.trigger == slot.trigger)
            and row.quantity - row.filled == slot.quantity
            # In hedge mode the sides imply it, and what the venue echoes means nothing (7.6).
            and (row.reduce_only is slot.reduce_only or row.position_side is not BOTH)
        )
    if row.working_type is not slot.working_type:
        return False
    if slot.kind is TRAILING:
        return _same_trail(slot, ctx) and _same_size(slot, row)
    if row.trigger != slot.trigger:
        return False
    if slot.close_position:
        return row.close_position
    return (
        not row.close_position and _same_size(slot, row) and (slot.price is None or row.price == slot.price)
    )


def _same_trail(slot: Slot, ctx: OrderContext) -> bool:
    """The exchange's trail is lost on replacement, so only what we asked for is compared."""
    asked = ctx.slot
    return asked.callback_rate == slot.callback_rate and asked.activate_price == slot.activate_price


def _same_size(slot: Slot, row: Row) -> bool:
    wanted = slot.quantity if slot.quantity is not None else Decimal(0)
    if row.quantity == wanted:
        return True
    if not slot.tolerance:
        return False
    return abs(row.quantity - wanted) < slot.tolerance * wanted


def remaining(row: Row) -> Decimal:
    """What a resting regular order may still execute."""
    return row.quantity - row.filled if isinstance(row, OrderReport) else row.quantity
