"""Trust: how a scope loses it, what recovery must prove, and when it ends.

Recovery reads, it never mutates. The reads are the runtime's work; what they *mean* is decided by pure
functions, here and in `backstay.core.reading`, because this is where money is lost.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from msgspec.structs import replace

from backstay.core.blocks import asked_in_vain
from backstay.core.confirmations import CONSUMING
from backstay.core.contexts import OrderContext, Phase
from backstay.core.convergence import child_rests
from backstay.core.cover import naked
from backstay.core.market import strangers
from backstay.core.orders import Evidence
from backstay.core.requests import moved
from backstay.core.reviews import review
from backstay.core.scope import burst_began, lose_trust, new_life
from backstay.core.state import ScopeState
from backstay.core.types import EXPOSING, MS, SECOND, ZERO, Action, Direction, Role, TimeNs, Trust


class TrustEvidence(StrEnum):
    REASON = "a trust-loss reason"
    STARTED = "recovery started"
    CLEARED = "snapshots applied, replay complete, no reason left"
    REMAINS = "a reason remains"
    FAILED = "a read failed"
    EXHAUSTED = "failed five times in a row"
    ACKNOWLEDGED = "operator acknowledged"
    RESTARTED = "process restarted"


T, V = Trust, TrustEvidence

TRANSITIONS: dict[tuple[Trust, TrustEvidence], Trust] = {
    (T.UNHYDRATED, V.STARTED): T.RECOVERING,
    (T.TRUSTED, V.REASON): T.RECOVERY_REQUIRED,
    (T.RECOVERY_REQUIRED, V.STARTED): T.RECOVERING,
    (T.RECOVERING, V.CLEARED): T.TRUSTED,
    (T.RECOVERING, V.REMAINS): T.RECOVERY_REQUIRED,
    (T.RECOVERING, V.FAILED): T.RECOVERY_REQUIRED,
    (T.RECOVERING, V.EXHAUSTED): T.MANUAL_REVIEW,
    (T.MANUAL_REVIEW, V.ACKNOWLEDGED): T.RECOVERY_REQUIRED,
    **{(t, V.RESTARTED): T.UNHYDRATED for t in T},
}
"""(trust, evidence) -> next trust of a scope (4.1); every other pair changes nothing."""

ATTEMPTS_MAX = 5
BACKOFF = (500 * MS, SECOND, 2 * SECOND, 4 * SECOND, 8 * SECOND, 16 * SECOND, 30 * SECOND)
WINDOW_SLACK = SECOND
"""Beyond timestamp + recvWindow: from then on an unanswered request cannot be accepted any more (8.2)."""
WINDOW_MS, PROTECTIVE_WINDOW_MS = 5000, 3000
"""recvWindow of requests whose record of being sent was lost with the process (13)."""

ACCOUNT_WIDE = frozenset(
    {
        "startup",
        "restart",
        "stream_disconnected",
        "stream_expired",
        "stream_deaf",
        "stream_reconnected",
        "account_mode",
        "clock",
        "clock_offset",
        "ingest_failed",
        "unidentified_account_event",
    }
)
"""Reasons that only a hydration of the whole account removes; what follows a colon is for people."""


def is_wide(reasons: Iterable[str]) -> bool:
    """A recovery of the scope alone would not remove all of `reasons`."""
    return any(reason.partition(":")[0] in ACCOUNT_WIDE for reason in reasons)


def started(s: ScopeState) -> ScopeState:
    """Recovery takes over the reasons known so far; new ones keep it from ending in trust."""
    after = TRANSITIONS.get((s.trust, V.STARTED), s.trust)
    if after is s.trust:
        return s
    return replace(s, trust=after, handling=s.reasons, reasons=())


def ended(s: ScopeState, failure: str, now: TimeNs) -> ScopeState:
    """Close a recovery: into trust, back to required with backoff, or to a human."""
    if s.trust is not Trust.RECOVERING:
        return s
    if failure:
        attempts, failures = s.attempts + 1, s.failures + 1
        verdict = V.EXHAUSTED if failures >= ATTEMPTS_MAX else V.FAILED
        reasons = tuple(dict.fromkeys((*s.handling, *s.reasons)))
        return replace(
            s,
            trust=TRANSITIONS[s.trust, verdict],
            reasons=reasons,
            handling=(),
            attempts=attempts,
            failures=failures,
            retry_at=now + _backoff(attempts),
        )
    s = _settled(s, now)
    reasons = s.reasons
    # A stop that is stuck in TRIGGERING was read and is there: waiting for it would leave the position bare.
    if any(not _stuck(c) for c in in_doubt(s)) or any(p.unknown for p in s.pendings.values()):
        reasons = tuple(dict.fromkeys((*reasons, "unknown_outcome")))
    if reasons:
        attempts = s.attempts + 1
        return replace(
            s,
            trust=TRANSITIONS[s.trust, V.REMAINS],
            reasons=reasons,
            handling=(),
            attempts=attempts,
            failures=0,
            retry_at=_next_look(s, now, now + _backoff(attempts)),
        )
    s = _lived_unseen(s)
    return naked(
        replace(
            s,
            trust=TRANSITIONS[s.trust, V.CLEARED],
            handling=(),
            attempts=0,
            failures=0,
            retry_at=0,
            trust_epoch=s.trust_epoch + 1,
            **_close_done(s),
            # A fill that even the read does not match yet gets a new deadline; without one nothing ends it.
            fill_seen_at=0 if s.matched else now,
            burst_since=burst_began(s, now),
            burst_last=now,
        ),
        now,
    )


def _lived_unseen(s: ScopeState) -> ScopeState:
    """An entry has filled, and the position is flat since then: a life came and went in a gap. It is counted,
    so that its end and its name are its own.
    """
    if s.position.quantity or not s.matched:
        return s
    for c in s.contexts.values():
        if c.role is Role.ENTRY and c.epoch == s.epoch + 1 and c.filled:
            flat, row = s.position, s.orders.get(c.order_id)
            held = replace(
                flat,
                quantity=c.filled if c.direction is Direction.LONG else -c.filled,
                entry_price=row.avg_price if row is not None else ZERO,
            )
            s = replace(new_life(s, held, s.fill_at), position=held)
            return replace(new_life(s, flat, flat.at), position=flat)
    return s


def _close_done(s: ScopeState) -> dict[str, Any]:
    """An operator's close that finds the position gone is done; a kill stays in force."""
    if not s.flatten_since or s.position.quantity or s.flatten_reason.startswith("kill"):
        return {}
    return {"flatten_since": 0, "flatten_reason": ""}


def _next_look(s: ScopeState, now: TimeNs, backoff: TimeNs) -> TimeNs:
    """Not later than the end of a window after which a request that is still in doubt is proven absent."""
    ends = [window_end(c) for c in in_doubt(s) if c.phase is Phase.UNKNOWN and not c.order_id]
    return min([backoff, *(end for end in ends if end > now)])


def window_end(ctx: OrderContext) -> TimeNs:
    """From here on a request that was never answered cannot be accepted any more (8.2)."""
    return ctx.sent_at + ctx.recv_window_ms * MS + WINDOW_SLACK


def orders_doubted(s: ScopeState) -> bool:
    """All of this scope was read, and nothing but what became of own orders keeps it from trust."""
    return s.attempts > 0 and not s.failures and s.reasons == ("unknown_outcome",)


def in_vain_until(scopes: Iterable[ScopeState]) -> TimeNs:
    """Until when no read can settle what keeps these scopes from trust; 0: one may at any time.

    What is left are requests without an answer, found nowhere: until the last of their windows is over, not
    to find them proves nothing (8.2). A naked position waits for nothing.
    """
    latest = 0
    for s in scopes:
        if s.naked_since or not orders_doubted(s):
            return 0
        if any(p.unknown and p.action is not Action.PLACE for p in s.pendings.values()):
            return 0  # a row that a read shows decides those
        for c in in_doubt(s):
            if c.phase is not Phase.UNKNOWN or c.order_id or not c.sent_at:
                return 0
            latest = max(latest, window_end(c))
    return latest


def _backoff(attempts: int) -> TimeNs:
    return BACKOFF[min(attempts, len(BACKOFF)) - 1]


def at_once(s: ScopeState) -> ScopeState:
    """An operator says that the cause is over: what a recovery still waits out, it need not."""
    waits = s.trust is Trust.RECOVERY_REQUIRED and s.retry_at
    return replace(s, attempts=0, failures=0, retry_at=0) if waits else s


def acknowledged(s: ScopeState) -> ScopeState:
    """The operator has looked: hydrate afresh, never straight to trust. Releases what waits for a human."""
    after = TRANSITIONS.get((s.trust, V.ACKNOWLEDGED), s.trust)
    blocks = tuple(b for b in s.blocks if b.until)
    if after is s.trust and review(s):
        s = lose_trust(s, "operator_ack")
        after = s.trust
    seen = strangers(s) if s.signal is not None else ()
    if (s.position.quantity and s.reviewed != s.epoch) or not set(seen) <= set(s.strangers):
        s = replace(s, reviewed=s.epoch if s.position.quantity else s.reviewed, strangers=seen)
        if after is s.trust and s.signal is not None:
            s = lose_trust(s, "operator_ack")
            after = s.trust
    s = at_once(s)
    if after is s.trust:
        return replace(s, blocks=blocks, manual_cancels=()) if blocks != s.blocks or s.manual_cancels else s
    reasons = ("operator_ack", *(r for r in s.reasons if is_wide((r,))))
    return replace(s, trust=after, reasons=reasons, attempts=0, failures=0, retry_at=0, blocks=blocks)


def restarted(s: ScopeState) -> ScopeState:
    """A new process knows the past but has seen no evidence: everything unproven is in doubt (R-12)."""
    contexts: dict[str, OrderContext] = {}
    for key, ctx in s.contexts.items():
        if (ctx.is_standby or ctx.awaits_lot) and ctx.phase is Phase.ABSENT:
            continue  # of the process before the last one: nothing of it is on its way any more
        phase = moved(ctx, Evidence.DROPPED if _unneeded(s, ctx) else Evidence.RESTARTED)
        if phase is not ctx.phase:
            # Without a record of being sent it may have been until the old process was gone: see `queried`.
            window = ctx.recv_window_ms or (WINDOW_MS if ctx.role in EXPOSING else PROTECTIVE_WINDOW_MS)
            contexts[key] = replace(ctx, phase=phase, recv_window_ms=window)
        else:
            contexts[key] = ctx
    pendings = {
        k: p
        for k, p in s.pendings.items()
        if k in contexts and (p.action is not Action.PLACE or not contexts[k].is_terminal)
    }
    pendings = {k: replace(p, unknown=p.action is not Action.PLACE) for k, p in pendings.items()}
    return replace(
        s,
        trust=TRANSITIONS[s.trust, V.RESTARTED],
        reasons=("restart",),
        handling=(),
        attempts=0,
        failures=0,
        retry_at=0,
        contexts=contexts,
        pendings=pendings,
        fill_seen_at=0,
        burst_since=0,
        burst_last=0,
        orders_read_at=0,
        algos_read_at=0,
        plan_is_old=s.entry_signal is not None,
    )


def _unneeded(s: ScopeState, ctx: OrderContext) -> bool:
    """A standby of a scope that nobody had opened: no doubt, because it cannot be doubled (-4130, X-3).

    If it left in the last moment after all, a read or its report shows it, and it is ours as ever (X-4).
    """
    return ctx.is_standby and ctx.phase is Phase.PRE_ARMED and ctx.direction is not s.position.direction


def stopped(s: ScopeState) -> ScopeState:
    """The process ends in good order: a pre-armed request that has no record of being sent never was."""
    contexts = {k: c for k, c in s.contexts.items() if c.phase is not Phase.PRE_ARMED}
    return s if len(contexts) == len(s.contexts) else replace(s, contexts=contexts)


def in_doubt(s: ScopeState) -> tuple[OrderContext, ...]:
    """Own orders whose fate must be queried by custom id before the scope can be trusted."""
    return tuple(c for c in s.contexts.values() if _doubtful(s, c))


def _doubtful(s: ScopeState, ctx: OrderContext) -> bool:
    if ctx.is_terminal or ctx.phase is Phase.PRE_ARMED:
        return False
    if ctx.phase is Phase.UNKNOWN:
        return True
    pending = s.pendings.get(ctx.ctx_id)
    if pending is not None and pending.expired:
        # No row decides of the end of an order that nothing has ever shown: of a leg whose list is over.
        return pending.action is Action.PLACE or not ctx.is_resting or _stuck(ctx)
    return _stuck(ctx)


def _stuck(ctx: OrderContext) -> bool:
    return ctx.stuck and ctx.phase in CONSUMING


def _settled(s: ScopeState, now: TimeNs) -> ScopeState:
    """After snapshots: rows have decided expired amends and cancels; doubts keep their guard."""
    keep, vain = {}, []
    for key, p in s.pendings.items():
        ctx = s.contexts.get(key)
        if ctx is None or ctx.is_terminal:
            continue
        window_over = now > p.opened_at + p.recv_window_ms * MS + WINDOW_SLACK
        if p.action is Action.PLACE:
            if not ctx.is_resting:
                keep[key] = p
            continue
        rests = ctx.is_resting or child_rests(s, ctx)
        if not (rests or ctx.child_order_id) or not (p.expired or (p.unknown and window_over)):
            keep[key] = p
        elif p.expired and rests:
            vain.append((p.action, ctx))
    contexts = s.contexts
    stuck = {
        k: c
        for k, c in contexts.items()
        if c.stuck and c.phase is not Phase.UNKNOWN and not s.position.quantity
    }
    if stuck:
        contexts = {**contexts, **{k: replace(c, phase=Phase.FINISHED) for k, c in stuck.items()}}
    return asked_in_vain(replace(s, pendings=keep, contexts=contexts), vain, now)
