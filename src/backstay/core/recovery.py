"""Trust: how a scope loses it, what recovery must prove, and how snapshots are merged.

Recovery reads, it never mutates. The reads are the runtime's work; what they *mean* is decided here, by
pure functions, because this is where money is lost: a snapshot replaces everything inside its coverage and
nothing outside (I-7), it never overwrites later stream evidence (O-9), and "not found" is not "absent"
(8.2, 8.3) until the request's window is over, or, when the venue had accepted the order, until two reads
far enough apart agree.
"""

from enum import StrEnum
from typing import Any

from msgspec.structs import replace

from backstay.core import orders
from backstay.core.confirmations import CONSUMING, being_consumed
from backstay.core.contexts import OrderContext, Phase
from backstay.core.events import AlgoReport, OrderQueried, OrderReport, PositionRow
from backstay.core.orders import Evidence
from backstay.core.requests import moved
from backstay.core.scope import (
    burst_began,
    lose_trust,
    naked,
    proven_until,
    report_algo,
    report_order,
    report_position,
)
from backstay.core.state import Position, ScopeState
from backstay.core.types import EXPOSING, MS, SECOND, ZERO, Action, PositionSide, Surface, TimeNs, Trust


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
ABSENCE_GAP = {Surface.REGULAR: 10 * SECOND, Surface.ALGO: 60 * SECOND}
"""Two not-found reads of an *accepted* order must be this far apart to prove absence (X-1)."""
WINDOW_SLACK = SECOND
"""Beyond timestamp + recvWindow: from then on an unanswered request cannot be accepted any more (8.2)."""
WINDOW_MS, PROTECTIVE_WINDOW_MS = 5000, 3000
"""recvWindow of requests whose record of being sent was lost with the process (13)."""
READ_LAG = 3 * SECOND
"""Position reads may lag: a fresher stream row is not overruled by a snapshot that merely lacks it."""

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
    }
)
"""Reasons that only a hydration of the whole account removes."""


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


def _close_done(s: ScopeState) -> dict[str, Any]:
    """An operator's close that finds the position gone is done; a kill stays in force."""
    if not s.flatten_since or s.position.quantity or s.flatten_reason.startswith("kill"):
        return {}
    return {"flatten_since": 0, "flatten_reason": ""}


def _next_look(s: ScopeState, now: TimeNs, backoff: TimeNs) -> TimeNs:
    """Not later than the end of a window after which a request that is still in doubt is proven absent."""
    ends = [_window_end(c) for c in in_doubt(s) if c.phase is Phase.UNKNOWN and not c.order_id]
    return min([backoff, *(end for end in ends if end > now)])


def _window_end(ctx: OrderContext) -> TimeNs:
    """From here on a request that was never answered cannot be accepted any more (8.2)."""
    return ctx.sent_at + ctx.recv_window_ms * MS + WINDOW_SLACK


def _backoff(attempts: int) -> TimeNs:
    return BACKOFF[min(attempts, len(BACKOFF)) - 1]


def acknowledged(s: ScopeState) -> ScopeState:
    """The operator has looked: hydrate afresh, never straight to trust. Releases what waits for a human."""
    after = TRANSITIONS.get((s.trust, V.ACKNOWLEDGED), s.trust)
    blocks = tuple(b for b in s.blocks if b.until)
    if s.position.quantity and s.reviewed != s.epoch:
        s = replace(s, reviewed=s.epoch)
    if after is s.trust:
        return replace(s, blocks=blocks, manual_cancels=()) if blocks != s.blocks or s.manual_cancels else s
    return replace(
        s, trust=after, reasons=("operator_ack",), attempts=0, failures=0, retry_at=0, blocks=blocks
    )


def restarted(s: ScopeState, now: TimeNs) -> ScopeState:
    """A new process knows the past but has seen no evidence: everything unproven is in doubt (R-12)."""
    contexts: dict[str, OrderContext] = {}
    for key, ctx in s.contexts.items():
        phase = moved(ctx, Evidence.RESTARTED)
        if phase is not ctx.phase:
            # The last moment at which the old process could have sent it is now.
            window = ctx.recv_window_ms or (WINDOW_MS if ctx.role in EXPOSING else PROTECTIVE_WINDOW_MS)
            contexts[key] = replace(ctx, phase=phase, sent_at=ctx.sent_at or now, recv_window_ms=window)
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
    )


def in_doubt(s: ScopeState) -> tuple[OrderContext, ...]:
    """Own orders whose fate must be queried by custom id before the scope can be trusted."""
    return tuple(c for c in s.contexts.values() if _doubtful(s, c))


def _doubtful(s: ScopeState, ctx: OrderContext) -> bool:
    if ctx.is_terminal or ctx.phase is Phase.PRE_ARMED:
        return False
    if ctx.phase is Phase.UNKNOWN:
        return True
    pending = s.pendings.get(ctx.ctx_id)
    expired = pending is not None and pending.expired and pending.action is Action.PLACE
    return expired or _stuck(ctx)


def _stuck(ctx: OrderContext) -> bool:
    return ctx.stuck and ctx.phase in CONSUMING


def _settled(s: ScopeState, now: TimeNs) -> ScopeState:
    """After snapshots: rows have decided expired amends and cancels; doubts keep their guard."""
    keep = {}
    for key, p in s.pendings.items():
        ctx = s.contexts.get(key)
        if ctx is None or ctx.is_terminal:
            continue
        window_over = now > p.opened_at + p.recv_window_ms * MS + WINDOW_SLACK
        if p.action is Action.PLACE:
            if ctx.is_resting:
                continue
            keep[key] = p
        elif not (p.expired or (p.unknown and window_over)):
            keep[key] = p
    contexts = s.contexts
    stuck = {
        k: c
        for k, c in contexts.items()
        if c.stuck and c.phase is not Phase.UNKNOWN and not s.position.quantity
    }
    if stuck:
        contexts = {**contexts, **{k: replace(c, phase=Phase.FINISHED) for k, c in stuck.items()}}
    return replace(s, pendings=keep, contexts=contexts)


# --- snapshots ----------------------------------------------------------------------------------


def merge_orders(
    s: ScopeState, rows: tuple[OrderReport, ...], requested_at: TimeNs, now: TimeNs
) -> ScopeState:
    """Apply an open-orders read that covers this scope."""
    present = {r.order_id for r in rows}
    if requested_at > s.orders_read_at:
        s = replace(s, orders_read_at=requested_at)
    for row in rows:
        s = report_order(s, row, now)
    gone = [i for i, r in s.orders.items() if orders.is_open(r) and i not in present and r.at < requested_at]
    if not gone:
        return s
    kept = {i: r for i, r in s.orders.items() if i not in gone}
    contexts = dict(s.contexts)
    for order_id in gone:
        ctx = contexts.get(s.orders[order_id].client_id)
        if ctx is not None and ctx.surface is Surface.REGULAR:
            contexts[ctx.ctx_id] = replace(ctx, phase=moved(ctx, Evidence.LEFT_SNAPSHOT))
    return _contradicted(replace(s, orders=kept, contexts=contexts))


def _contradicted(s: ScopeState) -> ScopeState:
    """A read made for another scope lacks a row that this one holds as live: doubt, never a free slot."""
    doubt = s.trust is Trust.TRUSTED and any(c.phase is Phase.UNKNOWN for c in s.contexts.values())
    return lose_trust(s, "row_missing") if doubt else s


def merge_algos(s: ScopeState, rows: tuple[AlgoReport, ...], requested_at: TimeNs, now: TimeNs) -> ScopeState:
    """Apply an open-conditional-orders read that covers this scope."""
    present = {r.algo_id for r in rows}
    if requested_at > s.algos_read_at:
        s = replace(s, algos_read_at=requested_at)
    for row in rows:
        s = report_algo(s, row, now)
    gone = [i for i, r in s.algos.items() if i not in present and r.at < requested_at and not _ended(r)]
    if not gone:
        return s
    kept = {i: r for i, r in s.algos.items() if i not in gone}
    contexts = dict(s.contexts)
    for algo_id in gone:
        ctx = contexts.get(s.algos[algo_id].client_id)
        if ctx is not None and ctx.surface is Surface.ALGO:
            contexts[ctx.ctx_id] = replace(ctx, phase=moved(ctx, Evidence.LEFT_SNAPSHOT))
    return _contradicted(naked(replace(s, algos=kept, contexts=contexts), now))


def _ended(row: AlgoReport) -> bool:
    return row.status.value in ("FINISHED", "CANCELED", "EXPIRED", "REJECTED")


def merge_position(s: ScopeState, row: PositionRow | None, requested_at: TimeNs, now: TimeNs) -> ScopeState:
    """Apply a position read that covers this scope; `row` None: the venue lists no position there.

    A read that contradicts a row which the stream reported only moments ago, without proof that it is
    newer, does not overrule it: the scope stays in recovery until the read path has caught up.
    """
    known: Position = s.position
    if known.at > requested_at:
        return s
    quantity = row.quantity if row is not None else ZERO
    proven = row is not None and row.updated_at >= known.at // MS * MS
    if quantity != known.quantity and not proven and known.at > requested_at - READ_LAG:
        if s.trust is Trust.TRUSTED:
            return s  # covered by somebody else's recovery; its own gap-free stream knows better
        return replace(s, reasons=tuple(dict.fromkeys((*s.reasons, "position_read_lags"))))
    if row is None:
        if not known.quantity:
            return _seen(s, None, requested_at)
        row = PositionRow(
            symbol=s.scope.symbol,
            position_side=PositionSide(s.scope.position_side),
            quantity=ZERO,
            entry_price=ZERO,
        )
    elif row.quantity == known.quantity and row.entry_price == known.entry_price:
        return _seen(s, row, requested_at)
    return report_position(s, row, requested_at, requested_at, now, read=True)


def _seen(s: ScopeState, row: PositionRow | None, requested_at: TimeNs) -> ScopeState:
    """The read confirms the row: move its watermark, which also matches earlier fills."""
    proven = max(row.updated_at if row is not None else 0, proven_until(s.position))
    position = replace(
        s.position, at=requested_at, emitted_at=requested_at, read=True, proven_at=proven, siblings=()
    )
    matched: dict[str, Any] = {"fill_seen_at": 0} if s.fill_at <= requested_at else {}
    return replace(s, position=position, **matched)


def queried(s: ScopeState, q: OrderQueried, now: TimeNs) -> ScopeState:
    """Fold the answer to a query by custom id: a row, or one more piece of proof of absence."""
    if q.order is not None:
        return report_order(s, q.order, now)
    if q.algo is not None:
        return report_algo(s, q.algo, now)
    ctx = s.contexts.get(q.ctx_id)
    if ctx is None or ctx.is_terminal or q.surface is not ctx.surface or ctx.is_resting:
        return s
    if being_consumed(ctx):
        return s
    # A single query proves nothing: the whole surface must have been read without it as well (8.2, I-8).
    surface_read = s.algos_read_at if ctx.surface is Surface.ALGO else s.orders_read_at
    both = min(q.requested_at, surface_read)
    if not ctx.order_id:
        window = ctx.sent_at + ctx.recv_window_ms * MS + WINDOW_SLACK
        return _absent(s, ctx, now) if both > window else s
    if both <= ctx.sent_at:
        return s
    if not ctx.not_found_at:
        return replace(s, contexts={**s.contexts, ctx.ctx_id: replace(ctx, not_found_at=both)})
    if both - ctx.not_found_at >= ABSENCE_GAP[ctx.surface]:
        return _absent(s, ctx, now)
    return s


def _absent(s: ScopeState, ctx: OrderContext, now: TimeNs) -> ScopeState:
    phase = moved(ctx, Evidence.PROVEN_ABSENT)
    if phase is not Phase.ABSENT:
        phase = Phase.ABSENT if ctx.stuck else phase
    contexts = {**s.contexts, ctx.ctx_id: replace(ctx, phase=phase, updated_at=now)}
    pendings = {k: v for k, v in s.pendings.items() if k != ctx.ctx_id}
    return replace(s, contexts=contexts, pendings=pendings)
