"""What a read means for one scope: snapshots merged, queries folded, absence proven.

A snapshot replaces everything inside its coverage and nothing outside (I-7), it never overwrites later stream
evidence (O-9), and "not found" is not "absent" (8.2, 8.3) until the request's window is over, or, when the
venue had accepted the order, until two reads far enough apart agree.
"""

from typing import Any

from msgspec.structs import replace

from backstay.core import orders
from backstay.core.confirmations import being_consumed
from backstay.core.contexts import OrderContext, Phase
from backstay.core.cover import naked
from backstay.core.events import AlgoReport, OrderQueried, OrderReport, PositionRow
from backstay.core.orders import Evidence
from backstay.core.recovery import window_end
from backstay.core.requests import moved
from backstay.core.scope import lose_trust, proven_until, report_algo, report_order, report_position
from backstay.core.state import Position, ScopeState
from backstay.core.types import MS, SECOND, ZERO, PositionSide, Surface, TimeNs, Trust

ABSENCE_GAP = {Surface.REGULAR: 10 * SECOND, Surface.ALGO: 60 * SECOND}
"""Two not-found reads of an *accepted* order must be this far apart to prove absence (X-1)."""
READ_LAG = 3 * SECOND
"""Position reads may lag: a fresher stream row is not overruled by a snapshot that merely lacks it."""
STATED_LAG = 60 * SECOND
"""A row that says itself that it is older than what was told overrules nothing (O-9): for a minute, lest a
venue that dates its rows otherwise leaves a scope in doubt for ever."""


def merge_orders(
    s: ScopeState, rows: tuple[OrderReport, ...], requested_at: TimeNs, now: TimeNs, quiet: TimeNs = 0
) -> ScopeState:
    """Apply an open-orders read that covers this scope.

    `quiet`: for so long before this process began nothing can have been sent (`RunStarted.quiet_ms`).
    """
    present = {r.order_id for r in rows}
    if requested_at > s.orders_read_at:
        s = replace(s, orders_read_at=requested_at)
    for row in rows:
        s = report_order(s, row, now)
    s = _dated(s, Surface.REGULAR, requested_at - quiet - 1)
    gone = [i for i, r in s.orders.items() if orders.is_open(r) and i not in present and r.at < requested_at]
    if not gone:
        return s
    kept = {i: r for i, r in s.orders.items() if i not in gone}
    contexts = dict(s.contexts)
    for order_id in gone:
        ctx = contexts.get(s.orders[order_id].client_id)
        if ctx is not None and ctx.surface is Surface.REGULAR:
            contexts[ctx.ctx_id] = replace(ctx, phase=moved(ctx, Evidence.LEFT_SNAPSHOT), not_found_at=0)
    return _contradicted(replace(s, orders=kept, contexts=contexts))


def _contradicted(s: ScopeState) -> ScopeState:
    """A read made for another scope lacks a row that this one holds as live: doubt, never a free slot."""
    doubt = s.trust is Trust.TRUSTED and any(c.phase is Phase.UNKNOWN for c in s.contexts.values())
    return lose_trust(s, "row_missing") if doubt else s


def merge_algos(
    s: ScopeState, rows: tuple[AlgoReport, ...], requested_at: TimeNs, now: TimeNs, quiet: TimeNs = 0
) -> ScopeState:
    """Apply an open-conditional-orders read that covers this scope; `quiet` as for the orders."""
    present = {r.algo_id for r in rows}
    if requested_at > s.algos_read_at:
        s = replace(s, algos_read_at=requested_at)
    for row in rows:
        s = report_algo(s, row, now)
    s = _dated(s, Surface.ALGO, requested_at - quiet - 1)
    gone = [i for i, r in s.algos.items() if i not in present and r.at < requested_at and not _ended(r)]
    if not gone:
        return s
    kept = {i: r for i, r in s.algos.items() if i not in gone}
    contexts = dict(s.contexts)
    for algo_id in gone:
        ctx = contexts.get(s.algos[algo_id].client_id)
        if ctx is not None and ctx.surface is Surface.ALGO:
            contexts[ctx.ctx_id] = replace(ctx, phase=moved(ctx, Evidence.LEFT_SNAPSHOT), not_found_at=0)
    return _contradicted(naked(replace(s, algos=kept, contexts=contexts), now))


def _dated(s: ScopeState, surface: Surface, at: TimeNs) -> ScopeState:
    """A request that has no record of being sent left before this process began, hence before its first
    read of the surface: from then on its window counts.
    """
    dated = {
        k: replace(c, sent_at=at)
        for k, c in s.contexts.items()
        if c.phase is Phase.UNKNOWN and not c.sent_at and c.surface is surface
    }
    return replace(s, contexts={**s.contexts, **dated}) if dated else s


def _ended(row: AlgoReport) -> bool:
    return row.status.value in ("FINISHED", "CANCELED", "EXPIRED", "REJECTED")


def merge_position(s: ScopeState, row: PositionRow | None, requested_at: TimeNs, now: TimeNs) -> ScopeState:
    """Apply a position read that covers this scope; `row` None: the venue lists no position there.

    A read that contradicts a row which the stream reported only moments ago, without proof that it is
    newer, does not overrule it; nor does one whose row says that it is older than that row, or than a fill:
    the scope stays in recovery until the read path has caught up.
    """
    known: Position = s.position
    if known.at > requested_at:
        return s
    quantity = row.quantity if row is not None else ZERO
    proven = row is not None and row.updated_at >= known.at // MS * MS
    differs = quantity != known.quantity
    told = max(s.fill_at, proven_until(known) if differs else 0)
    older = row is not None and 0 < row.updated_at < told // MS * MS and told > requested_at - STATED_LAG
    if older or (differs and not proven and known.at > requested_at - READ_LAG):
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
        return _found_by_look(s, report_order(s, q.order, now), q.ctx_id)
    if q.algo is not None:
        return _found_by_look(s, report_algo(s, q.algo, now), q.ctx_id)
    ctx = s.contexts.get(q.ctx_id)
    if ctx is None or ctx.is_terminal or q.surface is not ctx.surface or ctx.is_resting:
        return s
    if being_consumed(ctx):
        return s
    # A single query proves nothing: the whole surface must have been read without it as well (8.2, I-8).
    surface_read = s.algos_read_at if ctx.surface is Surface.ALGO else s.orders_read_at
    both = min(q.requested_at, surface_read)
    if not ctx.sent_at:
        return s
    if not ctx.order_id and both > window_end(ctx):
        return _absent(s, ctx, now)
    if both <= ctx.sent_at:
        return _looked_for(s, ctx, q.requested_at)
    if not ctx.not_found_at:
        return replace(s, contexts={**s.contexts, ctx.ctx_id: replace(ctx, not_found_at=both)})
    if ctx.order_id and both - ctx.not_found_at >= ABSENCE_GAP[ctx.surface]:
        return _absent(s, ctx, now)
    return s


def _looked_for(s: ScopeState, ctx: OrderContext, requested_at: TimeNs) -> ScopeState:
    """Asked for by its id alone, before any doubt: no proof of absence, but reason enough for a bridge."""
    if ctx.looked_at or requested_at <= ctx.sent_at or ctx.phase not in (Phase.IN_FLIGHT, Phase.ACCEPTED):
        return s
    return replace(s, contexts={**s.contexts, ctx.ctx_id: replace(ctx, looked_at=requested_at)})


def _found_by_look(before: ScopeState, after: ScopeState, ctx_id: str) -> ScopeState:
    """A query settled what its private event should have: the event stays due, or the stream is deaf."""
    pending, ctx = before.pendings.get(ctx_id), after.contexts.get(ctx_id)
    if pending is None or pending.expired or not pending.deadline or ctx is None or not before.trusted:
        return after
    if ctx_id in after.pendings:
        return after
    unheard = replace(ctx, unheard=pending.deadline)
    return replace(after, contexts={**after.contexts, ctx_id: unheard})


def _absent(s: ScopeState, ctx: OrderContext, now: TimeNs) -> ScopeState:
    phase = moved(ctx, Evidence.PROVEN_ABSENT)
    if phase is not Phase.ABSENT:
        phase = Phase.ABSENT if ctx.stuck else phase
    contexts = {**s.contexts, ctx.ctx_id: replace(ctx, phase=phase, updated_at=now)}
    pendings = {k: v for k, v in s.pendings.items() if k != ctx.ctx_id}
    return replace(s, contexts=contexts, pendings=pendings)
