"""What covers a position: stops of ours that are proven resting, and since when it has lacked them (I-37)."""

from decimal import Decimal

from msgspec.structs import replace

from backstay.core.contexts import OrderContext, Phase
from backstay.core.state import Position, ScopeState
from backstay.core.types import ZERO, Role, TimeNs

ARMED, LIVE, SL = Phase.ARMED, Phase.LIVE, Role.SL


def uncovered(s: ScopeState) -> Decimal:
    """How much of the position is covered by no stop of ours that is proven resting (I-37)."""
    return _uncovered(s.contexts, s.position)


def _uncovered(contexts: dict[str, OrderContext], position: Position) -> Decimal:
    direction, size = position.direction, abs(position.quantity)
    covered = ZERO
    for ctx in contexts.values():
        phase = ctx.phase  # LIVE: on spot a stop rests among the regular orders
        if (phase is ARMED or phase is LIVE) and ctx.slot.key.role is SL and ctx.direction is direction:
            quantity = ctx.slot.quantity
            if quantity is None:
                return ZERO
            covered += quantity
            if covered >= size * (1 - ctx.slot.tolerance):
                return ZERO
    return size - covered


def stop_armed(s: ScopeState) -> bool:
    """Stops of ours are proven resting for the whole of the present position."""
    return not uncovered(s)


def naked(s: ScopeState, now: TimeNs) -> ScopeState:
    """Keep `naked_since` true to the facts; call after a position or a stop changed (I-37)."""
    since = naked_since(s, s.contexts, s.position, now)
    return s if since == s.naked_since else replace(s, naked_since=since)


def naked_since(s: ScopeState, contexts: dict[str, OrderContext], position: Position, now: TimeNs) -> TimeNs:
    """`naked_since` of a scope that is about to have these contexts and this position."""
    if not position.quantity or not _uncovered(contexts, position):
        return 0
    return s.naked_since or now
