"""The stop whose fate is not known: how a naked position gets another one before proof, without a duplicate.

Two situations. *Silence*: a stop was sent a second ago and nothing has reported it. It is looked for once,
by its id; only what that look does not show is bridged. *Doubt*: the outcome is unknown, or an accepted stop
cannot be found. Absence takes seconds (8.2) or a minute (X-1) to prove, and the position would be bare all
that time. A close-position stop may be sent regardless (X-3): the venue admits one per direction, so either
the first one is gone and this one protects, or -4130 proves that the first one lives. A sized stop has no
such guard and is never sent again blindly; a close-position stop stands in for it, in the bridge's slot,
until its own fate is known.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from backstay.core.blocks import blocked
from backstay.core.contexts import OrderContext, Phase
from backstay.core.decisions import Act
from backstay.core.events import Effect
from backstay.core.placement import conflict, place
from backstay.core.recovery import in_doubt
from backstay.core.rejections import treatment
from backstay.core.requests import fingerprint
from backstay.core.slots import BRIDGE, MAIN_STOP, Slot
from backstay.core.state import Pending, ScopeState
from backstay.core.types import MS, SECOND, Action, Family, OrderType, Product, Role, TimeNs, Trust

ABSENCE_DOUBTS = frozenset({"unknown_outcome", "confirmation_deadline", "row_missing"})
"""Reasons for recovery that an order of unknown fate alone may give."""
SILENCE = SECOND
"""A stop that nothing has reported for so long after it was registered is looked for (X-3)."""
LOOK_TIME = 500 * MS
"""What a look may take; then the position is bridged without its answer."""
IN_VAIN_MAX = 5
"""After so many attempts of one position whose fate was or is unknown, each waits for the proof (I-29)."""
STAND_IN = BRIDGE


def lost_stop(s: ScopeState, slots: Sequence[Slot], now: TimeNs) -> Act | None:
    """The blind placement of a close-position stop, or None when one of its conditions is not met."""
    if s.trust is not Trust.RECOVERY_REQUIRED or not s.naked_since or not s.matched:
        return None
    slot = _closing_stop(s, slots)
    doubted = [c for c in in_doubt(s) if c.key.role is Role.SL]
    if slot is None or not doubted or not set(s.reasons) <= ABSENCE_DOUBTS:
        return None
    if not all(_unfound(c) for c in doubted):
        return None
    names = {c.ctx_id for c in doubted}
    others = [p for name, p in s.pendings.items() if p.key.role is Role.SL and name not in names]
    if any(p.unknown or p.expired or p.key == slot.key for p in others):
        return None
    # Once per doubt: whatever became of the newest attempt has to be known before another one.
    attempts = [c for c in s.contexts.values() if c.key == slot.key and not _never_tried(c)]
    newest = max(attempts, key=lambda c: c.generation, default=None)
    if newest is not None and newest.ctx_id not in names and not _may_be_repeated(s, newest):
        return None
    vain = [c for c in attempts if c.ctx_id in names or c.phase is Phase.ABSENT]
    if len(vain) >= IN_VAIN_MAX:
        return None
    standing = any(r.close_position and r.side is slot.side for r in s.algos.values() if r.status == "NEW")
    if standing or blocked(s, slot, now):
        return None
    intent = replace(place(s, slot, s.generation + 1, "unfound"), blind=True)
    return Act(Family.PROTECT, (intent,), "stop_unfound")


def _never_tried(ctx: OrderContext) -> bool:
    return ctx.phase is Phase.PRE_ARMED or (ctx.phase is Phase.ABSENT and ctx.is_standby)


def _closing_stop(s: ScopeState, slots: Sequence[Slot]) -> Slot | None:
    """The wanted stop if it closes the position, else the one that stands in for it."""
    slot = next((x for x in slots if x.key == MAIN_STOP), None)
    return slot if slot is None or slot.close_position else stand_in(s, slot)


def stand_in(s: ScopeState, slot: Slot) -> Slot | None:
    """A close-position stop at the trigger of a sized one; None where the venue knows none."""
    if slot.trigger is None or s.scope.product is not Product.USDM:
        return None
    return Slot(
        key=STAND_IN,
        side=slot.side,
        kind=OrderType.STOP_MARKET,
        trigger=slot.trigger,
        close_position=True,
        working_type=slot.working_type,
        price_protect=slot.price_protect,
    )


def _unfound(ctx: OrderContext) -> bool:
    """At least one complete read, requested after it was sent, did not show it."""
    return ctx.phase in (Phase.ACCEPTED, Phase.UNKNOWN) and ctx.not_found_at > 0


def _may_be_repeated(s: ScopeState, ctx: OrderContext) -> bool:
    """The newest attempt was refused for a cause that goes away by itself; `blocked` holds it for a while."""
    if ctx.phase is not Phase.REJECTED:
        return False
    refused = fingerprint(ctx.slot)
    effects = [b.effect for b in s.blocks if b.key == ctx.key and b.fingerprint == refused]
    return any(treatment(Effect(effect), exposing=False).passes for effect in effects)


# --- silence --------------------------------------------------------------------------------------


def silent_until(s: ScopeState, now: TimeNs) -> TimeNs:
    """Until when a stop on its way is left alone, then until when the look at it may take; 0: no longer."""
    for p in s.pendings.values():
        if p.key != MAIN_STOP or p.action is not Action.PLACE:
            continue
        if now < p.opened_at + SILENCE:
            return p.opened_at + SILENCE
        if _unlooked(s, p) and now < p.opened_at + SILENCE + LOOK_TIME:
            return p.opened_at + SILENCE + LOOK_TIME
    return 0


def to_look_at(s: ScopeState, now: TimeNs) -> tuple[str, ...]:
    """Custom ids of stops that nothing has reported in time, while the position is naked."""
    if not s.naked_since:
        return ()
    due = (p for p in s.pendings.values() if p.key == MAIN_STOP and now >= p.opened_at + SILENCE)
    return tuple(p.ctx_id for p in due if _unlooked(s, p))


def _unlooked(s: ScopeState, pending: Pending) -> bool:
    ctx = s.contexts.get(pending.ctx_id)
    sent = ctx is not None and ctx.phase in (Phase.IN_FLIGHT, Phase.ACCEPTED) and not ctx.looked_at
    return sent and bool(s.naked_since)


def bridge_of_sized(s: ScopeState, slot: Slot, now: TimeNs) -> Slot | None:
    """What stands in for a sized stop that was sent, looked for and not found; None: nothing is needed."""
    asked = any(p.key == MAIN_STOP and p.action is Action.PLACE for p in s.pendings.values())
    if not asked or not s.naked_since or silent_until(s, now):
        return None
    guard = stand_in(s, slot)
    held = [c for c in s.contexts.values() if c.key == STAND_IN and not c.is_terminal]
    if guard is None or (conflict(s, guard) is not None and not held):
        return None
    return guard
