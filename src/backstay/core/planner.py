"""The planner: desired slots against what rests, and at most one action family (exchange-state 6, 12).

Order matters and is the safety argument. An untrusted scope may only recover. A scope that is to be flat
is flattened. A fill that the position does not show yet, or a burst that is still running, is waited for,
unless the position lacks its stop (B-1). What should not exist is cancelled before what should is placed;
protection comes before exposure, and exposure only under confirmed protection. Whatever is under way
locks its own slot, and exposure altogether.

Pure: same arguments, same answer. Never raises for market conditions.
"""

from collections.abc import Sequence

from backstay.core import lists
from backstay.core.blocks import blocked, cancel_held, holds
from backstay.core.budget import within_position
from backstay.core.confirmations import CONSUMING, PAIR_DEADLINE
from backstay.core.contexts import Phase
from backstay.core.convergence import Verdicts
from backstay.core.decisions import Act, Converged, Decision, Intent, Recover, Wait
from backstay.core.flatten import exit_held, flatten
from backstay.core.joining import Field, by_slot, is_current, join, matched, surplus
from backstay.core.legs import one_of_each_list
from backstay.core.lost_stop import lost_stop, silent_until, to_look_at
from backstay.core.placement import cancel, change, held_back, in_order, outgrown
from backstay.core.reviews import review
from backstay.core.scope import burst_end
from backstay.core.slots import BRIDGE, EXIT, MAIN_STOP, Slot
from backstay.core.spot import under_sale
from backstay.core.state import Block, ScopeState
from backstay.core.types import (
    EXPOSING,
    Action,
    Family,
    OrderType,
    Product,
    Role,
    TimeNs,
    Trust,
)
from backstay.core.unrepaired import unrepaired

# Looked up once: `plan` is on the path from a fill to its stop.
SL, MARKET, REGISTERED = Role.SL, OrderType.MARKET, Phase.REGISTERED
TRUSTED, RECOVERING, MANUAL_REVIEW = Trust.TRUSTED, Trust.RECOVERING, Trust.MANUAL_REVIEW


def plan(field: Field, now: TimeNs) -> Decision:
    """Choose the one action family that this scope needs next, and its intents."""
    s = field.state
    if s.flatten_since:
        decision = flatten(s, field.position_mode, now, most=field.market_max, sellable=field.sellable)
        if isinstance(decision, Wait) and s.trust is Trust.RECOVERY_REQUIRED:
            # What it waits for may never be told any more: only reads end the wait.
            return Recover(s.reasons, s.retry_at or None)
        if isinstance(decision, Wait) and field.slots and s.trusted and s.matched:
            decision = _guarded(field, join(field, now), decision, now)
        if decision is not None:
            return decision
    if s.trust is MANUAL_REVIEW:
        return Wait("manual_review")
    if s.trust is not TRUSTED or s.reasons:
        if s.trust is RECOVERING:
            return Wait("recovering")
        lost = lost_stop(s, field.slots, now)
        if lost is not None:
            return lost
        return Recover(s.reasons, s.retry_at or None)
    if not s.matched:
        return Wait("fill_unmatched", (s.fill_seen_at or now) + PAIR_DEADLINE)
    verdicts = by_slot(field)
    burst_ends = burst_end(s)
    in_burst = now < burst_ends
    if in_burst and not _stop_missing(field, verdicts):
        return Wait("burst", burst_ends)  # the rest of the join is not asked for
    matched(field, verdicts, now)
    if (leaving := verdicts.desired.get(EXIT)) is not None and leaving.kind is MARKET:
        most, left, why = field.market_max, field.sellable, field.exit_reason or "exit_wanted"
        decision = flatten(s, field.position_mode, now, reason=why, most=most, sellable=left)
        if decision is not None:
            return _guarded(field, verdicts, decision, now)
    if in_burst:
        # B-1 excepts the missing stop alone: what looks surplus may be an order whose fill is on its way.
        return _protect(field, verdicts, now) or Wait("burst", burst_ends)
    return (
        _cleanup(field, verdicts, now)
        or _protect(field, verdicts, now)
        or _expose(field, verdicts, now)
        or _rest(field, now)
    )


def _rest(field: Field, now: TimeNs) -> Decision:
    s = field.state
    if s.pendings:
        waiting = sorted({f"{p.action}:{p.key}" for p in s.pendings.values()})
        return Wait(f"confirmation {', '.join(waiting)}", silent_until(s, now) or None, to_look_at(s, now))
    held = [b for b in s.blocks if holds(b, s, now)]
    if field.repair_delay:
        partial = (c for c in s.contexts.values() if c.role is Role.DCA and c.phase is Phase.PARTIAL)
        due = [t for c in partial if (t := c.updated_at + field.repair_delay) > now]
        if due:
            return Wait("tp_repair_delay", min(due))
    if carried_out := lists.waits(s, field.repair_delay, now):
        return Wait("exit_under_way", carried_out)
    unplaced, retries = field.unplaceable, field.retry_cancelled
    why = review(s) or unrepaired(s, field.slots, unplaced, now, retries, field.sellable)
    ends = min((b.until for b in held if b.until), default=0)
    if why and ends:
        return Wait(f"manual_review: {why}", ends)
    if ends:
        return Wait(f"blocked {held[0].effect}", ends)
    notes = _notes(field, held)
    return Converged((f"manual_review: {why}", *notes) if why else notes)


def _notes(field: Field, blocked: Sequence[Block]) -> tuple[str, ...]:
    held = tuple(f"blocked {b.key or 'exposure'}: {b.effect}" for b in blocked)
    waived = tuple(f"unplaceable {u.key}: {u.reason}" for u in field.unplaceable)
    shut = (f"exposure refused: {field.exposure_refusal}",) if field.exposure_refusal else ()
    return (*field.notes, *waived, *held, *shut)


# --- the families -------------------------------------------------------------------------------

_CANCEL_ORDER = {Role.DCA: 0, Role.ENTRY: 0, Role.TP: 1, Role.EXIT: 1, Role.SL: 2}


def _cleanup(field: Field, v: Verdicts, now: TimeNs) -> Decision | None:
    """Cancel what should not exist; exposure first (R-7), stops last."""
    s = field.state
    doomed = [c for c in surplus(field, v) if not cancel_held(s, c, now)]
    if not doomed:
        return None
    doomed.sort(key=lambda c: (_CANCEL_ORDER[c.role], c.key, c.generation))
    doomed = one_of_each_list(doomed)
    return Act(Family.CLEANUP, tuple(cancel(s, c, "surplus") for c in doomed), "surplus")


def _stop_missing(field: Field, v: Verdicts) -> bool:
    """The position is not covered to its full size: protecting it must not wait (B-1)."""
    s = field.state
    if s.lots is not None and any(x.lots for x in field.slots):
        return True  # a lot is known by its own trade: nothing else has to be waited for
    slot = v.desired.get(MAIN_STOP)
    if slot is None or not s.position.quantity:
        return False
    size = abs(s.position.quantity)
    for key in (MAIN_STOP, BRIDGE):
        for ctx in v.working.get(key, ()):
            if not is_current(s, ctx):
                continue
            # On spot covering what was added takes the stop away for a moment: that waits for the burst.
            whole = ctx.slot.close_position or s.scope.product is Product.SPOT
            whole = whole or (ctx.slot.quantity or 0) >= size * (1 - slot.tolerance)
            if whole and ctx.phase is not REGISTERED:
                return False
    return True


def _guarded(field: Field, v: Verdicts, decision: Decision, now: TimeNs) -> Decision:
    """A close that the venue refuses is tried again later; the position has its stop meanwhile, one and for
    its size.
    """
    if not isinstance(decision, Wait) or not exit_held(field.state, now):
        return decision
    tidied = None if _stop_missing(field, v) else _cleanup(field, v, now)
    return tidied or _protect(field, v, now, stops_alone=True) or decision


def _protect(field: Field, v: Verdicts, now: TimeNs, *, stops_alone: bool = False) -> Decision | None:
    """Place, amend or replace SL and TP; the stop first, all of them in one pass."""
    s = field.state
    if not s.position.quantity and s.lots is None:
        return None
    intents: list[Intent] = []
    generation = s.generation
    for slot in in_order(v.desired.values()):
        key = slot.key
        if key in v.converged or key in lists.later_legs(field.slots):
            continue
        if stops_alone and key.role is not SL and slot.leg is None:
            continue
        if key == MAIN_STOP and (v.covered_by or BRIDGE in v.desired):
            continue
        if _locked(s, v, slot):
            continue
        held = [c for c in v.working.get(key, ()) if is_current(s, c) and c.is_resting]
        if blocked(s, slot, now):
            intents.extend(outgrown(s, slot, held, now))
            continue
        if held_back(s, slot, v.working, field.repair_delay, field.retry_cancelled, now):
            continue
        if not held and slot.close_position and v.conflict == "own":
            continue  # an earlier one is being cancelled or is not reported yet: the venue takes one (-4130)
        if lists.is_unit(s, slot):
            intent = lists.change(s, slot, v.working, generation + 1, field.repair_delay, now)
        else:
            why = field.exit_reason if key == EXIT else ""
            intent = change(s, slot, held, generation + 1, now, why or "missing")
        if intent is not None:
            generation += intent.action is Action.PLACE
            intents.append(intent)
    if s.lots is None or not any(i.slot is not None and i.slot.lots for i in intents):
        intents = within_position(s, v.working, intents)
    if not intents:
        return None
    placed = [i.slot for i in intents if i.slot is not None and i.action is Action.PLACE]
    missing = any(x.key.role is SL or x.leg is not None for x in placed)
    return Act(Family.PROTECT, tuple(intents), "stop_missing" if missing else "protection_differs")


def _locked(s: ScopeState, v: Verdicts, slot: Slot) -> bool:
    """Something is under way in this slot: an unconfirmed mutation, or protection being consumed."""
    if slot.lots:
        return under_sale(s, slot)
    key = slot.key
    for pending in s.pendings.values():
        if pending.key == key and pending.epoch >= s.epoch:
            return True
    return any(ctx.phase in CONSUMING and ctx.epoch >= s.epoch for ctx in v.working.get(key, ()))


def protected(field: Field, v: Verdicts) -> bool:
    """6.1: the stop is armed and converged, every TP rests and is converged, or is rightly absent."""
    for slot in v.desired.values():
        role = slot.key.role
        if role not in (Role.SL, Role.TP) or slot.key == BRIDGE:
            continue
        if slot.key not in v.converged and not (slot.key == MAIN_STOP and v.covered_by):
            return False
    for missing in field.unplaceable:
        if missing.key.role is SL:
            return False
        if missing.key.role is Role.TP and not field.allow_waived:
            return False
    return True


def _expose(field: Field, v: Verdicts, now: TimeNs) -> Decision | None:
    """DCA and ENTRY, only under confirmed protection and with nothing under way (I-16)."""
    s = field.state
    slots = [x for x in field.slots if x.key.role in EXPOSING and x.key not in v.converged]
    if not slots or s.pendings or field.exposure_refusal or not protected(field, v):
        return None
    if any(ctx.unheard for ctx in s.contexts.values()):
        return None  # only a read has shown it: nothing is added while the stream may be deaf (4.1.2)
    intents: list[Intent] = []
    for slot in slots:
        if blocked(s, slot, now):
            continue
        held = [c for c in v.working.get(slot.key, ()) if is_current(s, c) and c.is_resting]
        if any(not c.is_resting for c in v.working.get(slot.key, ())):
            continue
        intent = change(s, slot, held, s.generation + 1 + len(intents), now)
        if intent is not None:
            intents.append(intent)
    if not intents:
        return None
    return Act(Family.EXPOSURE, tuple(intents), "step_due")
