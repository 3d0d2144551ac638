"""Pending confirmations: what was asked of the venue and is not yet proven (exchange-state 4.4).

A pending is opened with its durable request, gets its deadline when the answer comes, and is settled by
private evidence or by recovery, never by the answer alone. It causes no traffic itself; only its expiry
does (T-4), and even then it stays as the slot's duplicate guard.
"""

from msgspec.structs import replace

from backstay.core.contexts import RESTING, TERMINAL, OrderContext, Phase
from backstay.core.events import OrderReport
from backstay.core.state import Pending, ScopeState
from backstay.core.types import MS, SECOND, Action, OrderType, TimeNs

# Looked up once: every report of an order of ours asks.
PLACE, AMEND, MARKET = Action.PLACE, Action.AMEND, OrderType.MARKET
CONSUMING = frozenset({Phase.TRIGGERING, Phase.TRIGGERED})
"""Phases in which a conditional order is protection being consumed."""
PROVEN = RESTING | CONSUMING
"""Phases that settle a place: evidence has shown the order."""
CONFIRM_DEADLINE = 5 * SECOND
"""From a success answer to its evidence (T-3)."""
GONE_GRACE = 500 * MS
"""After "unknown order": how long the terminal report may take before a read is needed (8.1)."""
ANSWER_SLACK = 10 * SECOND
"""Beyond recvWindow: a mutation without any answer at all counts as expired after this."""
PAIR_DEADLINE = SECOND
"""From a fill to its position evidence (O-7)."""
TRIGGER_GRACE = 3 * SECOND
"""From TRIGGERING to the child order's fill (4.3)."""


def settles(pending: Pending, ctx: OrderContext, row: OrderReport | None) -> bool:
    """Does the order's present state settle this pending? `row` is its regular row, if it has one."""
    phase = ctx.phase
    if phase in TERMINAL:
        return True
    if pending.action is PLACE:
        if ctx.slot.kind is MARKET:
            return False  # it does not rest: NEW tells nothing of what it leaves to be sent, its end does
        return phase in PROVEN
    if pending.action is AMEND and row is not None:
        return row.price == pending.price and row.quantity == pending.quantity
    return False


def without_settled(
    pendings: dict[str, Pending], ctx: OrderContext, row: OrderReport | None
) -> dict[str, Pending]:
    """`pendings` without the one of `ctx`, if there is one and the order's present state settles it."""
    pending = pendings.get(ctx.ctx_id)
    if pending is None or not settles(pending, ctx, row):
        return pendings
    rest = pendings.copy()
    del rest[ctx.ctx_id]
    return rest


def next_deadline(scope: ScopeState) -> TimeNs | None:
    """The earliest local time at which silence alone changes something in this scope."""
    times = [p.deadline for p in scope.pendings.values() if p.deadline and not p.expired]
    if scope.fill_seen_at:
        times.append(scope.fill_seen_at + PAIR_DEADLINE)
    for c in scope.contexts.values():
        if c.phase in CONSUMING and not c.stuck:
            times.append(c.updated_at + TRIGGER_GRACE)
        elif c.unheard:
            times.append(c.unheard)
    return min(times, default=None)


def unheard(s: ScopeState, now: TimeNs) -> tuple[str, ...]:
    """Orders that a read has shown and whose private event is overdue: each is a deaf strike (4.1.2)."""
    return tuple(name for name, c in s.contexts.items() if c.unheard and c.unheard <= now)


def heard(s: ScopeState, names: tuple[str, ...]) -> ScopeState:
    """The event has come, or its absence has been counted."""
    if not names:
        return s
    contexts = {name: replace(s.contexts[name], unheard=0) for name in names}
    return replace(s, contexts={**s.contexts, **contexts})


def being_consumed(ctx: OrderContext) -> bool:
    """Protection that has been triggered and is not resolved, within its grace (4.3)."""
    return ctx.phase in CONSUMING and not ctx.stuck


def expire(s: ScopeState, now: TimeNs) -> tuple[ScopeState, tuple[str, ...]]:
    """Mark what silence has decided by `now`; returns the reasons for recovery that follow."""
    reasons: list[str] = []
    pendings, contexts = s.pendings, s.contexts
    late = {
        k: replace(p, expired=True)
        for k, p in pendings.items()
        if p.deadline and not p.expired and p.deadline <= now
    }
    if late:
        pendings = {**pendings, **late}
        reasons.append("confirmation_deadline")
    fill_seen_at = s.fill_seen_at
    if fill_seen_at and fill_seen_at + PAIR_DEADLINE <= now:
        fill_seen_at = 0
        if not s.matched:
            reasons.append("unmatched_fill")
    stuck = {
        k: replace(c, stuck=True)
        for k, c in contexts.items()
        if being_consumed(c) and c.updated_at + TRIGGER_GRACE <= now
    }
    if stuck:
        contexts = {**contexts, **stuck}
        if s.position.quantity:
            reasons.append("trigger_unresolved")
    if not late and not stuck and fill_seen_at == s.fill_seen_at:
        return s, ()
    return replace(s, pendings=pendings, contexts=contexts, fill_seen_at=fill_seen_at), tuple(reasons)
