"""The exit of a spot position: a take-profit, a stop, or both as one order list (exchange-state 7.1).

Whatever sells a holding locks it, so there is one unit at a time: a single order, or a list of two legs that
are placed by one request and cancelled by one. Nothing is amended: a unit that differs is cancelled, the end
of all its orders is awaited, and the next one is placed. That gap is as short as two round trips allow; the
coins are without their stop for so long, and nothing else is done meanwhile.
"""

from collections.abc import Iterable, Mapping

from backstay.core.blocks import cancel_held
from backstay.core.confirmations import TRIGGER_GRACE
from backstay.core.contexts import OrderContext, Phase
from backstay.core.convergence import row_of
from backstay.core.decisions import Intent
from backstay.core.events import OrderReport
from backstay.core.legs import others
from backstay.core.orders import is_open
from backstay.core.placement import cancel, place
from backstay.core.slots import Slot, SlotKey
from backstay.core.state import ScopeState
from backstay.core.types import OrderType, Product, Role, TimeNs

_STOPS = frozenset({OrderType.STOP, OrderType.STOP_MARKET, OrderType.TRAILING_STOP_MARKET})


def is_unit(s: ScopeState, slot: Slot) -> bool:
    """The slot sells a spot position as a whole, alone or with its other leg."""
    return s.scope.product is Product.SPOT and not slot.lots and slot.key.role in (Role.TP, Role.SL)


def by_key(slots: Iterable[Slot]) -> dict[SlotKey, Slot]:
    """The desired orders by their place; the legs of a list have each its own."""
    found = {}
    for slot in slots:
        found[slot.key] = slot
        if slot.leg is not None:
            found[slot.leg.key] = slot.leg
    return found


def later_legs(slots: Iterable[Slot]) -> frozenset[SlotKey]:
    """The places that are filled by the request of another one."""
    return frozenset(slot.leg.key for slot in slots if slot.leg is not None)


def unite(s: ScopeState, slots: Iterable[Slot], converged: dict[SlotKey, OrderContext]) -> None:
    """Both legs of one list converge, or neither; an order that is to stand alone is no living list's leg."""
    for slot in slots:
        if not is_unit(s, slot):
            continue
        one = converged.get(slot.key)
        if slot.leg is None:
            if one is not None and others(s.contexts, one):
                del converged[slot.key]
            continue
        other = converged.get(slot.leg.key)
        if one is None or other is None or not one.group or one.group != other.group:
            converged.pop(slot.key, None)
            converged.pop(slot.leg.key, None)


def consumed_until(s: ScopeState, now: TimeNs) -> TimeNs:
    """Until when a stop that the price has reached is left to sell: it is protection being consumed (4.3).

    A stop-limit that the market has passed by does not sell; after the grace its place counts as empty.
    """
    until = [
        ctx.updated_at + TRIGGER_GRACE
        for ctx in s.contexts.values()
        if ctx.slot.kind in _STOPS and ctx.is_resting and _triggered(s, ctx)
    ]
    return max((t for t in until if t > now), default=0)


def _triggered(s: ScopeState, ctx: OrderContext) -> bool:
    row = row_of(s, ctx)
    return isinstance(row, OrderReport) and row.on_book and is_open(row)


def partial_until(s: ScopeState, repair_delay: TimeNs, now: TimeNs) -> TimeNs:
    """Until when a take-profit that has begun to fill may go on: its first fill has expired its stop, and
    most often the rest follows at once.
    """
    until = [
        ctx.updated_at + repair_delay
        for ctx in s.contexts.values()
        if ctx.role is Role.TP and ctx.phase is Phase.PARTIAL
    ]
    return max((t for t in until if t > now), default=0)


def waits(s: ScopeState, repair_delay: TimeNs, now: TimeNs) -> TimeNs:
    """When to look again at an exit that is being carried out; 0: none is."""
    if s.scope.product is not Product.SPOT:
        return 0
    times = (consumed_until(s, now), partial_until(s, repair_delay, now))
    return min((t for t in times if t), default=0)


def change(
    s: ScopeState,
    slot: Slot,
    working: Mapping[SlotKey, list[OrderContext]],
    generation: int,
    repair_delay: TimeNs,
    now: TimeNs,
) -> Intent | None:
    """The next mutation towards this unit: cancel what stands in its way, or place it once nothing does."""
    if consumed_until(s, now) or partial_until(s, repair_delay, now):
        return None
    standing = [c for held in working.values() for c in held if not c.slot.lots]
    if any(not c.is_resting or c.ctx_id in s.pendings for c in standing):
        return None  # what is under way may lock the coins, or is about to free them
    if not standing:
        return place(s, slot, generation, "missing")
    newest = max(standing, key=lambda c: c.generation)
    return None if cancel_held(s, newest, now) else cancel(s, newest, "replaced")
