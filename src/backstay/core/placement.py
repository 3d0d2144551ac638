"""From a slot that is not converged to the one mutation that brings it closer (exchange-state 7.4, 7.5).

A resting LIMIT is amended; a conditional order cannot be, so a new generation is placed first and the old
one becomes surplus once the new one is confirmed (make before break). A close-position stop is the
exception: the venue admits one per direction.
"""

from collections.abc import Collection, Iterable

from msgspec.structs import replace

from backstay.core import algo_orders
from backstay.core.blocks import blocked, is_held, not_amendable
from backstay.core.contexts import RESTING, TERMINAL, OrderContext, Phase, Premise
from backstay.core.convergence import row_of
from backstay.core.decisions import Intent
from backstay.core.events import OrderReport
from backstay.core.slots import EXIT, Slot, SlotKey, surface_of
from backstay.core.spot import untouchable
from backstay.core.state import ScopeState
from backstay.core.types import (
    IMMEDIATE,
    SECOND,
    ZERO,
    Action,
    OrderType,
    Product,
    Role,
    Side,
    Surface,
    TimeNs,
)

_STANDS = frozenset(status for status, rank in algo_orders.RANK.items() if rank < algo_orders.TERMINAL_RANK)
_STOPS = frozenset({OrderType.STOP_MARKET, OrderType.STOP})
MANUAL_CANCEL_WINDOW = 600 * SECOND
MANUAL_CANCELS_MAX = 2
"""R-10: with `manual_cancel_policy: pause`, so many foreign cancels in the window pause the slot."""
_ON_ITS_WAY = frozenset(Phase) - TERMINAL - RESTING - {Phase.PRE_ARMED}


def place(s: ScopeState, slot: Slot, generation: int, reason: str) -> Intent:
    return Intent(
        action=Action.PLACE,
        key=slot.key,
        premise=Premise(s.epoch, s.position.quantity),
        slot=slot,
        generation=generation,
        surface=surface_of(s.scope.product, slot.kind),
        reason=reason,
    )


def change(
    s: ScopeState, slot: Slot, held: list[OrderContext], generation: int, now: TimeNs, why: str = "missing"
) -> Intent | None:
    """The next mutation for a slot that is missing or different; None when there is nothing to send.

    `why` is the reason of a new order.

    `held` are the slot's own resting orders of this epoch; none of them equals the slot. A cancel that makes
    room for a replacement waits like any other one that was refused or not sent, and so does an amendment.
    """
    if not held:
        return place(s, slot, generation, why)
    newest = max(held, key=lambda c: c.generation)
    intent = _changed(s, slot, newest, generation)
    return None if intent is None or is_held(s, intent.action, newest, now) else intent


def _changed(s: ScopeState, slot: Slot, newest: OrderContext, generation: int) -> Intent | None:
    if untouchable(s, newest):
        return None
    if s.scope.product is Product.SPOT:
        # What rests locks the balance that its successor needs, and the venue amends nothing but a size down.
        return cancel(s, newest, "replaced")
    row = row_of(s, newest)
    limits = slot.kind is OrderType.LIMIT and slot.tif not in IMMEDIATE
    if isinstance(row, OrderReport) and limits and row.kind is OrderType.LIMIT:
        return _amend(s, slot, newest, row)
    if newest.surface is Surface.ALGO and not (slot.close_position and conflict(s, slot)):
        return place(s, slot, generation, "replaced")
    return cancel(s, newest, "replaced")


def _amend(s: ScopeState, slot: Slot, ctx: OrderContext, row: OrderReport) -> Intent:
    """Amend price and total quantity; where the venue would refuse, cancel. The total is what has filled and
    what is wanted still, so it is never what the venue would take for a cancel (R-23).
    """
    quantity = slot.quantity if slot.quantity is not None else row.quantity
    if row.side is not slot.side or not_amendable(s, ctx):
        return cancel(s, ctx, "not_amendable")
    return Intent(
        action=Action.AMEND,
        key=slot.key,
        premise=Premise(s.epoch, s.position.quantity, row.quantity, row.price),
        slot=replace(slot, quantity=quantity),
        target=ctx.ctx_id,
        surface=Surface.REGULAR,
        new_total=row.filled + quantity,
        reason="differs",
    )


def outgrown(s: ScopeState, slot: Slot, held: list[OrderContext], now: TimeNs) -> list[Intent]:
    """Cancels of conditional take-profits for more than is wanted, while what would replace them is refused
    for good: together they may not ask for more than the position (I-24).
    """
    wanted = slot.quantity  # None: the whole position, which nothing of a size outgrows
    if slot.key.role is not Role.TP or wanted is None or not blocked(s, slot, now, for_good=True):
        return []
    large = (c for c in held if c.surface is Surface.ALGO and (c.slot.quantity or ZERO) > wanted)
    return [cancel(s, c, "outgrown") for c in large if not is_held(s, Action.CANCEL, c, now)]


def cancel(s: ScopeState, ctx: OrderContext, reason: str) -> Intent:
    return Intent(
        action=Action.CANCEL,
        key=ctx.key,
        premise=Premise(s.epoch, s.position.quantity),
        target=ctx.ctx_id,
        surface=ctx.surface,
        reason=reason,
    )


def conflict(s: ScopeState, slot: Slot) -> str | None:
    """Who holds the venue's one close-position stop of this direction: "own", "external" or None; "stuck" is
    an own one that was triggered and came to nothing (4.3): there is no waiting for it to make room.
    """
    side = slot.side
    for row in s.algos.values():
        if row.close_position and row.status in _STANDS and row.side is side and row.kind in _STOPS:
            own = [c for c in s.contexts.values() if c.order_id == row.algo_id and _is_close_stop(c, side)]
            return ("stuck" if own[0].stuck else "own") if own else "external"
    for ctx in s.contexts.values():
        # Accepted but not reported yet: it may already stand.
        if ctx.phase in _ON_ITS_WAY and _is_close_stop(ctx, side):
            return "own"
    return None


def _is_close_stop(ctx: OrderContext, side: Side) -> bool:
    slot = ctx.slot
    return slot.close_position and slot.side is side and slot.key.role is Role.SL


def still_guards(s: ScopeState, ctx: OrderContext, *, bridge: bool) -> bool:
    """An older stop on the side that closes the present position: it protects until the new one stands (B-1),
    whether it is of an earlier life or of an earlier size. Without the bridge a close-position stop has to
    make room, the venue takes one (-4130).
    """
    direction = s.position.direction
    if direction is None or ctx.key.role is not Role.SL or ctx.slot.side is not direction.closing:
        return False
    if s.scope.product is Product.SPOT:
        return False  # what it locks is what the new one needs
    return bridge or not ctx.slot.close_position


def in_order(slots: Iterable[Slot]) -> list[Slot]:
    """The protection among `slots`: stops first, the bridge before them, an exit, then the nearest profit."""
    stops = [x for x in slots if x.key.role is Role.SL]
    profits = [x for x in slots if x.key.role is Role.TP or x.key == EXIT]
    stops.sort(key=lambda x: -x.key.step)
    profits.sort(key=lambda x: (x.key.role, x.key.step))
    return stops + profits


def held_back(
    s: ScopeState,
    slot: Slot,
    working: Collection[SlotKey],
    repair_delay: TimeNs,
    retry_cancelled: bool,
    now: TimeNs,
) -> bool:
    """Two policies that may delay protection: TP repair during partial DCA fills, manual cancels."""
    if slot.key.role is Role.TP and repair_delay and slot.key in working:
        for ctx in s.contexts.values():
            if ctx.role is Role.DCA and ctx.phase is Phase.PARTIAL and now < ctx.updated_at + repair_delay:
                return True
    if retry_cancelled or slot.key in working:
        return False
    recent = [t for t in s.manual_cancels if t > now - MANUAL_CANCEL_WINDOW]
    return len(recent) >= MANUAL_CANCELS_MAX
