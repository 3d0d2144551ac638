"""The join: what is wanted of a scope against what rests there (exchange-state 12, step 6).

Own working orders are sorted by slot, those that are what their slot wants are found, and with them what is
surplus. Which of it is done first, and whether, is the planner's to say. Pure: same arguments, same answer.
"""

from decimal import Decimal

import msgspec

from backstay.core import lists
from backstay.core.confirmations import CONSUMING
from backstay.core.contexts import RESTING, TERMINAL, OrderContext, Phase
from backstay.core.convergence import Verdicts, child_rests, equal, row_of
from backstay.core.lost_stop import bridge_of_sized, silent_until
from backstay.core.placement import conflict, still_guards
from backstay.core.slots import BRIDGE, MAIN_STOP, Slot, SlotKey, Unplaceable
from backstay.core.spot import untouchable
from backstay.core.state import ScopeState
from backstay.core.types import ZERO, PositionMode, Product, Role, TimeNs

# Looked up once: the join is on the path from a fill to its stop.
SL = Role.SL
_NOT_WORKING = TERMINAL | {Phase.PRE_ARMED}


class Field(msgspec.Struct, frozen=True, gc=False):
    """What the planner looks at: the scope, and what is wanted of it on the venue's grid."""

    state: ScopeState
    slots: tuple[Slot, ...]
    """Conformed desired slots."""
    unplaceable: tuple[Unplaceable, ...] = ()
    notes: tuple[str, ...] = ()
    exit_reason: str = ""
    position_mode: PositionMode = PositionMode.ONE_WAY
    exposure_refusal: str = ""
    """An account-wide reason that forbids EXPOSURE now; empty: none."""
    allow_waived: bool = False
    """A TP waived for a filter reason counts as confirmed protection (6.1)."""
    accept_external_stop: bool = False
    bridge: bool = True
    repair_delay: TimeNs = 0
    retry_cancelled: bool = True
    market_max: Decimal = ZERO
    """Largest market order of the venue; 0: unknown or no limit."""
    sellable: Decimal | None = None
    """How much of a spot position may be sold; None: not spot."""


def join(field: Field, now: TimeNs) -> Verdicts:
    """Sort own working orders by slot, and find those that are what their slot wants (12, step 6)."""
    return matched(field, by_slot(field), now)


def by_slot(field: Field) -> Verdicts:
    """The first half of the join, which costs little: own working orders by slot, and what is wanted."""
    working: dict[SlotKey, list[OrderContext]] = {}
    for ctx in field.state.contexts.values():
        if ctx.phase in _NOT_WORKING or ctx.stuck:
            continue
        key = ctx.slot.key
        if key in working:
            working[key].append(ctx)
        else:
            working[key] = [ctx]
    return Verdicts(working, lists.by_key(field.slots), {})


def matched(field: Field, v: Verdicts, now: TimeNs) -> Verdicts:
    """The other half: which of them are what their slot wants. Changes and returns `v`."""
    s = field.state
    for key, held in v.working.items():
        slot = v.desired.get(key)
        if slot is None:
            continue
        for ctx in held:
            if ctx.slot.hands_off and untouchable(s, ctx):
                v.converged[key] = ctx  # whatever is wanted by now: once placed it is none of our business
                continue
            if ctx.phase in RESTING and is_current(s, ctx) and equal(slot, ctx, row_of(s, ctx)):
                best = v.converged.get(key)
                if best is None or ctx.generation > best.generation:
                    v.converged[key] = ctx
    if s.scope.product is Product.SPOT:
        lists.unite(s, field.slots, v.converged)
    _bridge(field, v, now)
    return v


def surplus(field: Field, v: Verdicts) -> list[OrderContext]:
    """The resting orders that no slot wants, slot by slot."""
    bare = MAIN_STOP in v.desired and MAIN_STOP not in v.converged and not v.covered_by
    doomed = [c for key, held in v.working.items() for c in _surplus(field, v, key, held)]
    doomed.extend(_passed_by(field))
    return [c for c in doomed if not (bare and still_guards(field.state, c, bridge=field.bridge))]


def is_current(s: ScopeState, ctx: OrderContext) -> bool:
    """The order belongs to the life that the scope leads now (flat: the one about to begin). That of a lot
    belongs to its lot, whatever life is led.
    """
    if ctx.epoch == s.epoch:
        return ctx.direction is s.position.direction or bool(ctx.slot.lots)
    return (ctx.epoch == s.epoch + 1 and not s.position.quantity) or bool(ctx.slot.lots)


def _bridge(field: Field, v: Verdicts, now: TimeNs) -> None:
    """While a close-position stop cannot stand where it is wanted, want the bridge in its place.

    The venue admits one close-position stop per direction (-4130): ours is moved under the bridge,
    somebody else's is left alone and the bridge stays.
    """
    slot = v.desired.get(MAIN_STOP)
    if slot is None or MAIN_STOP in v.converged:
        return
    if not slot.close_position:
        guard = bridge_of_sized(field.state, slot, now) if field.bridge else None
        if guard is not None:
            v.desired[BRIDGE] = guard
        return
    blocking = v.conflict = conflict(field.state, slot)
    if blocking is None:
        return
    if blocking == "external" and field.accept_external_stop:
        v.covered_by = "external"
        return
    if not field.bridge and blocking == "own":
        return
    s = field.state
    if any(c.phase in CONSUMING and is_current(s, c) for c in v.working.get(MAIN_STOP, ())):
        return  # it is becoming an order right now: a stop at the same trigger could only be refused (4.3)
    if silent_until(s, now):
        return  # its confirmation is a round trip away: a bridge would only come and go
    wanted = msgspec.structs.replace(
        slot,
        key=BRIDGE,
        close_position=False,
        quantity=abs(s.position.quantity),
        reduce_only=field.position_mode is PositionMode.ONE_WAY,
    )
    v.desired[BRIDGE] = wanted
    for ctx in v.working.get(BRIDGE, ()):
        if is_current(s, ctx) and equal(wanted, ctx, row_of(s, ctx)):
            v.converged[BRIDGE] = ctx
    if BRIDGE in v.converged:
        v.covered_by = "bridge"


def _surplus(field: Field, v: Verdicts, key: SlotKey, held: list[OrderContext]) -> list[OrderContext]:
    if len(held) == 1 and v.converged.get(key) is held[0]:
        return []  # as nearly always: one order, and it is what the slot wants
    s = field.state
    # Something under way in the slot settles first: it may be what makes the other one surplus (I-15).
    busy = {p.epoch for p in s.pendings.values() if p.key == key}
    free = [c for c in held if c.is_resting and c.epoch not in busy and not untouchable(s, c)]
    if not free:
        return []
    mine = [c for c in free if is_current(s, c)]
    out = [c for c in free if c not in mine]
    if key == BRIDGE and key not in v.desired:
        # The bridge may go when the stop that it covers for stands and is not about to go, or when no stop is
        # wanted at all.
        main = v.converged.get(MAIN_STOP)
        stands = main is not None and main.ctx_id not in s.pendings
        return free if stands or MAIN_STOP not in v.desired else out
    if key not in v.desired:
        return free if not _unplaceable_protection(field, key) else out
    keeper = v.converged.get(key) or max(mine, key=lambda c: c.generation, default=None)
    out.extend(c for c in mine if c is not keeper)
    if key == MAIN_STOP and v.covered_by == "bridge" and keeper is not None and key not in v.converged:
        out.append(keeper)
    return out


def _passed_by(field: Field) -> list[OrderContext]:
    """Triggered stops of a limit kind that the market has passed by: what each left in the book takes the
    room for reducing the position from the stop that stands for it now (4.3).
    """
    s = field.state
    left = [c for c in s.contexts.values() if c.stuck and child_rests(s, c)]
    busy = {p.key for p in s.pendings.values()} if left else ()
    return [c for c in left if c.key not in busy and not _unplaceable_protection(field, c.key)]


def _unplaceable_protection(field: Field, key: SlotKey) -> bool:
    """A stop (on spot: any exit) that is wanted but cannot be placed leaves the resting one in peace."""
    kept = key.role is SL or field.state.scope.product is Product.SPOT
    return kept and any(u.key == key for u in field.unplaceable)
