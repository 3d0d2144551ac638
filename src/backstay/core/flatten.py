"""FLATTEN: bring one scope to flat, never increasing exposure (I-30).

First everything that could add to the position, and the take-profits that use up the reduce-only capacity,
is cancelled and its end confirmed; then one reduce-only market order of the position's size is sent. The
stop rests until the position is gone: it cannot be in the way, and it guards the seconds in between.
"""

from decimal import Decimal

from backstay.core.blocks import cancel_held, holds
from backstay.core.contexts import OrderContext, Phase, Premise
from backstay.core.decisions import Act, Decision, Intent, Recover, Wait
from backstay.core.legs import one_of_each_list
from backstay.core.orders import is_open
from backstay.core.slots import EXIT, Slot, surface_of
from backstay.core.state import Block, ScopeState
from backstay.core.types import (
    EXPOSING,
    SECOND,
    ZERO,
    Action,
    Family,
    OrderType,
    PositionMode,
    Product,
    Role,
    Side,
    TimeNs,
    Trust,
)

TRUST_DEADLINE = 2 * SECOND
"""If trust cannot be regained by then, close on the last known position (6, FLATTEN)."""


def flatten(
    s: ScopeState,
    mode: PositionMode,
    now: TimeNs,
    *,
    reason: str = "",
    most: Decimal = ZERO,
    sellable: Decimal | None = None,
) -> Decision | None:
    """The next step towards flat, or None when the position is flat and only clean-up remains.

    `most` is the largest market order that the venue takes (0: no limit); a larger position goes in parts.
    `sellable`: of a spot position, as much as may be sold.
    """
    why = reason or s.flatten_reason
    if not s.trusted and not (s.flatten_since and now >= s.flatten_since + TRUST_DEADLINE):
        return None if reason else _recover(s, now)
    direction = s.position.direction
    if direction is None or sellable == 0:
        return None
    if not s.matched and s.trusted:
        return Wait("fill_unmatched", now + SECOND)
    doomed = [c for c in s.contexts.values() if _in_the_way(s, c)]
    resting = [c for c in doomed if c.is_resting or child_rests(s, c)]
    free = [c for c in resting if c.ctx_id not in s.pendings and not cancel_held(s, c, now)]
    if free:
        premise = Premise(s.epoch, s.position.quantity)
        intents = tuple(
            Intent(
                action=Action.CANCEL,
                key=c.key,
                premise=premise,
                target=c.ctx_id,
                surface=c.surface,
                reason=why,
            )
            for c in one_of_each_list(sorted(free, key=lambda c: (c.role not in EXPOSING, c.key)))
        )
        return Act(Family.FLATTEN, intents, why)
    if any(c.ctx_id in s.pendings for c in doomed):
        if s.trusted:
            return Wait("flatten: cancels are being confirmed")
        if s.scope.product is Product.SPOT and s.trust is not Trust.MANUAL_REVIEW:
            # No order is reduce-only here: what is not locked are coins that nobody knows of yet.
            recovers = s.trust is Trust.RECOVERING
            return Wait("flatten: waiting for trust") if recovers else Recover(s.reasons, s.retry_at or None)
    if any(p.key == EXIT for p in s.pendings.values()):
        return Wait("flatten: the closing order is being confirmed")
    if any(c.key == EXIT and c.slot.kind is OrderType.MARKET and c.is_resting for c in s.contexts.values()):
        # A read showed it open: what it leaves is not known.
        return Wait("flatten: the closing order is being filled")
    held = exit_held(s, now)
    if held:
        times = [b.until for b in held if b.until]
        return Wait(f"flatten: blocked {held[0].effect}", min(times, default=None))
    size = abs(s.position.quantity) if sellable is None else sellable
    slot = closing(min(size, most) if most else size, direction.closing, mode)
    return Act(Family.FLATTEN, (_exit(s, slot, why),), why)


def exit_held(s: ScopeState, now: TimeNs) -> list[Block]:
    """Refusals that put the closing order off."""
    return [b for b in s.blocks if b.key == EXIT and holds(b, s, now)]


def _recover(s: ScopeState, now: TimeNs) -> Decision | None:
    if s.trust.value in ("RECOVERING", "MANUAL_REVIEW"):
        return Wait("flatten: waiting for trust", s.flatten_since + TRUST_DEADLINE)
    return Recover(s.reasons, min(s.retry_at, s.flatten_since + TRUST_DEADLINE) or None)


def _in_the_way(s: ScopeState, ctx: OrderContext) -> bool:
    """Working orders that add exposure or use up reduce-only capacity: an exit that asks for a price, too.
    The stop is neither, until it became a limit order that the market has passed by (`stop_limit`).
    """
    if ctx.is_terminal or ctx.phase is Phase.PRE_ARMED or ctx.slot.hands_off:
        return False
    if ctx.role is Role.EXIT:
        return ctx.slot.kind is OrderType.LIMIT
    if s.scope.product is Product.SPOT:
        return True  # whatever sells has locked what the closing order needs
    return ctx.role in EXPOSING or ctx.role is Role.TP or child_rests(s, ctx)


def child_rests(s: ScopeState, ctx: OrderContext) -> bool:
    """The regular order that a conditional one became is open: its cancel goes to the regular surface."""
    row = s.orders.get(ctx.child_order_id) if ctx.child_order_id else None
    return row is not None and is_open(row)


def closing(quantity: Decimal, side: Side, mode: PositionMode) -> Slot:
    """A market order that closes `quantity`; in hedge mode the position side implies reduce-only."""
    return Slot(
        key=EXIT,
        side=side,
        kind=OrderType.MARKET,
        quantity=quantity,
        reduce_only=mode is PositionMode.ONE_WAY,
    )


def _exit(s: ScopeState, slot: Slot, why: str) -> Intent:
    return Intent(
        action=Action.PLACE,
        key=EXIT,
        premise=Premise(s.epoch, s.position.quantity),
        slot=slot,
        generation=s.generation + 1,
        surface=surface_of(s.scope.product, slot.kind),
        reason=why,
    )
