"""The stop that was accepted and cannot be found (X-3): how a naked position gets another one before proof.

Absence of an accepted conditional order takes a minute to prove (X-1), and the position may be bare all that
time. A close-position stop may be sent again regardless: the venue admits one per direction, so either the
first one is gone and this one protects, or -4130 proves that the first one lives. A sized stop has no such
guard and is never sent blindly.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from backstay.core.blocks import blocked
from backstay.core.contexts import OrderContext, Phase
from backstay.core.decisions import Act
from backstay.core.placement import place
from backstay.core.recovery import in_doubt
from backstay.core.slots import Slot
from backstay.core.state import ScopeState
from backstay.core.types import Family, Role, TimeNs, Trust

ABSENCE_DOUBTS = frozenset({"unknown_outcome", "confirmation_deadline", "row_missing"})
"""Reasons for recovery that an accepted, unfound order alone may give."""


def lost_stop(s: ScopeState, slots: Sequence[Slot], now: TimeNs) -> Act | None:
    """The blind placement of a close-position stop, or None when one of its conditions is not met."""
    slot = next((x for x in slots if x.key.role is Role.SL and x.close_position), None)
    if slot is None or s.trust is not Trust.RECOVERY_REQUIRED or not s.naked_since or not s.matched:
        return None
    doubted = in_doubt(s)
    if not doubted or not set(s.reasons) <= ABSENCE_DOUBTS or not all(_unfound(s, c) for c in doubted):
        return None
    names = {c.ctx_id for c in doubted}
    if any(
        name not in names for name, p in s.pendings.items() if p.unknown or p.expired or p.key == slot.key
    ):
        return None
    # Once per doubt: whatever became of the newest attempt has to be known before another one.
    newest = max((c for c in s.contexts.values() if c.key == slot.key), key=lambda c: c.generation)
    standing = any(r.close_position and r.side is slot.side for r in s.algos.values() if r.status == "NEW")
    if newest.ctx_id not in names or standing or blocked(s, slot, now):
        return None
    intent = replace(place(s, slot, s.generation + 1, "unfound"), blind=True)
    return Act(Family.PROTECT, (intent,), "stop_unfound")


def _unfound(s: ScopeState, ctx: OrderContext) -> bool:
    """An accepted stop of the present life that at least one complete read did not show."""
    return (
        ctx.key.role is Role.SL
        and ctx.phase in (Phase.ACCEPTED, Phase.UNKNOWN)
        and ctx.order_id > 0
        and ctx.not_found_at > 0
        and ctx.epoch == s.epoch
    )
