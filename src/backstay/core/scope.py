"""How one scope takes in what the venue reports: orders, conditional orders, positions, fills.

Every function is `(state, report, now) -> state`, total, and returns the very same object when the report
changes nothing. `now` is local time; it only enters timers, never trading facts.
"""

from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from backstay.core import algo_orders, orders
from backstay.core.confirmations import CONSUMING, settles
from backstay.core.contexts import TERMINAL, OrderContext, Phase
from backstay.core.events import AlgoReport, FillNotice, OrderReport, PositionRow
from backstay.core.state import Block, Position, ScopeState
from backstay.core.types import (
    CONDITIONAL,
    MS,
    ZERO,
    Action,
    AlgoStatus,
    ExecutionType,
    OrderStatus,
    Role,
    TimeNs,
    Trust,
)

# Looked up once: this file is on the path from a fill to its stop.
ARMED, SL = Phase.ARMED, Role.SL
QUIET = 50 * MS
BURST_MAX = 250 * MS
"""The event-burst wait: quiet this long, or at most that long after the first event."""
RESULTS_KEPT = 8
ROWS_KEPT = 64
"""Terminal rows and contexts remembered per scope, so that stale reports stay harmless."""


def burst_end(s: ScopeState) -> TimeNs:
    """Until when planning waits for related events; evidence is folded at once regardless."""
    quiet, most = s.burst_last + QUIET, s.burst_since + BURST_MAX
    return quiet if quiet < most else most


def touched(s: ScopeState, now: TimeNs) -> dict[str, Any]:
    """The burst fields after related evidence at `now`."""
    if now < s.burst_last + QUIET and now < s.burst_since + BURST_MAX:
        return {"burst_last": now}
    return {"burst_since": now, "burst_last": now}


def distrusted(s: ScopeState, reason: str) -> dict[str, Any]:
    """Fields of a scope that just lost trust for `reason` (4.1, 4.1.1)."""
    reasons = s.reasons if reason in s.reasons else (*s.reasons, reason)
    trust = Trust.RECOVERY_REQUIRED if s.trust is Trust.TRUSTED else s.trust
    retry_at = 0 if s.trust is Trust.TRUSTED else s.retry_at
    return {"reasons": reasons, "trust": trust, "retry_at": retry_at}


def lose_trust(s: ScopeState, reason: str) -> ScopeState:
    changes = distrusted(s, reason)
    if changes["reasons"] is s.reasons and changes["trust"] is s.trust:
        return s
    return replace(s, **changes)


def stop_armed(s: ScopeState, contexts: dict[str, OrderContext] | None = None) -> bool:
    """A stop of ours is proven resting for the present position."""
    for ctx in (s.contexts if contexts is None else contexts).values():
        if ctx.phase is ARMED and ctx.slot.key.role is SL and ctx.direction is s.position.direction:
            return True
    return False


def naked(s: ScopeState, now: TimeNs) -> ScopeState:
    """Keep `naked_since` true to the facts; call after a position or a stop changed (I-37)."""
    bare = bool(s.position.quantity) and not stop_armed(s)
    if bare == bool(s.naked_since):
        return s
    return replace(s, naked_since=now if bare else 0)


def report_order(s: ScopeState, r: OrderReport, now: TimeNs) -> ScopeState:
    """Fold a regular order report (O-2, O-3)."""
    known = s.orders.get(r.order_id)
    if known is not None and not orders.advances(known, r):
        return s
    rows = s.orders.copy()
    rows[r.order_id] = r
    if len(rows) > ROWS_KEPT:
        rows = _pruned_orders(rows)
    changes = touched(s, now)
    changes["orders"] = rows
    grew = r.filled > (known.filled if known is not None else ZERO)
    if grew and r.at > s.fill_at:
        changes["fill_at"] = r.at
        if r.at > s.position.at and not s.fill_seen_at:
            changes["fill_seen_at"] = now
    ctx = s.contexts.get(r.client_id)
    if grew and r.last_price:
        direction = s.position.direction or (ctx.direction if ctx is not None else None)
        if direction is None or r.side is direction.opening:
            changes["last_fill_price"] = r.last_price
            changes["last_increase_at"] = r.at
    if grew and r.realized_pnl:
        changes["realized"] = s.realized + r.realized_pnl
    if ctx is not None:
        _follow_order(s, ctx, r, grew, now, changes)
    elif r.execution is ExecutionType.CALCULATED or orders.is_exchange_made(r.client_id):
        changes["blocks"] = _exposure_block(s, "liquidation_seen", now)
    return replace(s, **changes)


def _follow_order(
    s: ScopeState, ctx: OrderContext, r: OrderReport, grew: bool, now: TimeNs, changes: dict[str, Any]
) -> None:
    """Move our context along with its order, settle what that settles."""
    algo = ctx.slot.kind in CONDITIONAL
    if algo:
        after = replace(ctx, child_order_id=r.order_id, filled=r.filled)
    else:
        evidence = orders.STATUS_EVIDENCE[r.status]
        phase = orders.TRANSITIONS.get((ctx.phase, evidence), ctx.phase)
        after = replace(ctx, phase=phase, order_id=r.order_id, filled=r.filled, updated_at=now)
    changes["contexts"] = {**s.contexts, ctx.ctx_id: after}
    if grew and ctx.slot.key.role is Role.DCA:
        changes["stop_floor"] = None
        changes["best_price"] = None
    pending = s.pendings.get(ctx.ctx_id)
    if pending is not None and settles(pending, after, None if algo else r):
        changes["pendings"] = {k: v for k, v in s.pendings.items() if k != ctx.ctx_id}
    if r.status is OrderStatus.CANCELED and not algo:
        _note_manual_cancel(s, ctx, now, changes)


def _note_manual_cancel(s: ScopeState, ctx: OrderContext, now: TimeNs, changes: dict[str, Any]) -> None:
    pending = s.pendings.get(ctx.ctx_id)
    ours = pending is not None and pending.action is not Action.PLACE
    if not ours and ctx.role in (Role.SL, Role.TP) and s.position.quantity:
        changes["manual_cancels"] = (*s.manual_cancels[-7:], now)


def report_algo(s: ScopeState, r: AlgoReport, now: TimeNs) -> ScopeState:
    """Fold a conditional order report (O-4); its child order lives by its own reports."""
    known = s.algos.get(r.algo_id)
    if known is not None:
        if not algo_orders.advances(known, r):
            return s
        if r.callback_rate is None and known.callback_rate is not None:
            # A push does not carry what the snapshot told about a trailing stop.
            r = replace(r, callback_rate=known.callback_rate, activate_price=known.activate_price)
    rows = s.algos.copy()
    rows[r.algo_id] = r
    if len(rows) > ROWS_KEPT:
        rows = _pruned_algos(rows)
    changes = touched(s, now)
    changes["algos"] = rows
    ctx = s.contexts.get(r.client_id)
    if ctx is not None and ctx.slot.kind in CONDITIONAL:
        evidence = algo_orders.STATUS_EVIDENCE[r.status]
        phase = algo_orders.TRANSITIONS.get((ctx.phase, evidence), ctx.phase)
        after = replace(
            ctx,
            phase=phase,
            order_id=r.algo_id,
            child_order_id=r.child_order_id or ctx.child_order_id,
            # The grace of a triggering order runs from TRIGGERING, not from its later reports.
            updated_at=ctx.updated_at if phase in CONSUMING and ctx.phase in CONSUMING else now,
        )
        changes["contexts"] = {**s.contexts, ctx.ctx_id: after}
        pending = s.pendings.get(ctx.ctx_id)
        if pending is not None and settles(pending, after, None):
            changes["pendings"] = {k: v for k, v in s.pendings.items() if k != ctx.ctx_id}
        if r.status is AlgoStatus.CANCELED:
            _note_manual_cancel(s, ctx, now, changes)
        return naked(replace(s, **changes), now)
    return replace(s, **changes)


def notice_fill(s: ScopeState, n: FillNotice, now: TimeNs) -> ScopeState:
    """TRADE_LITE: the trade happened, the position is not known yet (F-5)."""
    row = s.orders.get(n.order_id)
    if n.at <= s.fill_at or (row is not None and not orders.is_open(row)):
        return s
    changes = touched(s, now)
    changes["fill_at"] = n.at
    if n.at > s.position.at and not s.fill_seen_at:
        changes["fill_seen_at"] = now
    return replace(s, **changes)


def report_position(
    s: ScopeState, row: PositionRow, at: TimeNs, emitted_at: TimeNs, now: TimeNs, *, read: bool = False
) -> ScopeState:
    """Fold a position row with its watermark; older evidence is dropped (O-5).

    Unless the watermark is a read's: the read path may lag, our clock may be off, and a position that was
    opened in between would never be seen. Then it is read again.
    """
    old = s.position
    if at < old.at or (at == old.at and emitted_at < old.emitted_at):
        late = old.read and at > old.proven_at and row.quantity != old.quantity
        return lose_trust(s, "late_position") if late else s
    siblings: tuple[tuple[Decimal, Decimal], ...] = ()
    if at == old.at and emitted_at == old.emitted_at:
        fact = (row.quantity, row.entry_price)
        if fact in old.siblings or fact == (old.quantity, old.entry_price):
            return s
        siblings = (*old.siblings, (old.quantity, old.entry_price))
    position = Position(
        quantity=row.quantity,
        entry_price=row.entry_price,
        break_even=row.break_even,
        isolated=row.isolated,
        at=at,
        emitted_at=emitted_at,
        siblings=siblings,
        read=read,
        proven_at=max(row.updated_at, proven_until(old)) if read else 0,
    )
    changes: dict[str, Any] = {"position": position}
    if s.fill_seen_at and at >= s.fill_at:
        changes["fill_seen_at"] = 0
    same_size = row.quantity == old.quantity
    if not same_size or row.entry_price != old.entry_price:
        changes.update(touched(s, now))
        if s.blocks:
            changes["blocks"] = tuple(
                b for b in s.blocks if b.effect == "liquidation_seen" or not _moved(b, row)
            )
    if position.direction is not old.direction:
        changes.update(_new_life(s, position, at))
    after = replace(s, **changes)
    return after if same_size else naked(after, now)


def proven_until(position: Position) -> TimeNs:
    """Venue time up to which everything about this position has been taken in."""
    return position.proven_at if position.read else position.at


def _moved(block: Block, row: PositionRow) -> bool:
    return block.position != row.quantity


def _new_life(s: ScopeState, position: Position, at: TimeNs) -> dict[str, Any]:
    """Flat to non-flat, or a flip, opens an epoch; flat ends the demands that were made of the old one."""
    changes: dict[str, Any] = {"stop_floor": None, "best_price": None, "manual_cancels": ()}
    if s.position.quantity:
        changes["closed_at"] = at
    if position.quantity:
        if s.epoch:
            changes.update(results=_results(s, at), realized=ZERO)
        changes.update(
            epoch=s.epoch + 1,
            opened_at=at,
            anchor=position.entry_price,
            **_first_increase(s, position, at),
            contexts=_kept_contexts(s),
        )
    else:
        changes.update(naked_since=0, contexts=_unused_forgotten(s), entry_signal=None)
        if not s.flatten_reason.startswith("kill"):
            changes.update(flatten_since=0, flatten_reason="")
    return changes


def _results(s: ScopeState, at: TimeNs) -> tuple[tuple[TimeNs, Decimal], ...]:
    """The results of earlier lives, with that of the one which a new one follows."""
    closed_at = at if s.position.quantity else s.closed_at
    return (*s.results[1 - RESULTS_KEPT :], (closed_at, s.realized))


def _first_increase(s: ScopeState, position: Position, at: TimeNs) -> dict[str, Any]:
    """Latest increase of a life that begins: by the order's report if that was faster than the position."""
    side = position.direction.opening if position.direction is not None else None
    rows = [r for r in s.orders.values() if r.at >= at and r.side is side and r.last_price]
    if not rows:
        return {"last_fill_price": position.entry_price, "last_increase_at": at}
    latest = max(rows, key=lambda r: (r.at, r.trade_id))
    return {"last_fill_price": latest.last_price, "last_increase_at": latest.at}


def _kept_contexts(s: ScopeState) -> dict[str, OrderContext]:
    """A new epoch forgets the finished orders of the older ones; what may still live is kept (X-4)."""
    now = s.epoch + 1
    return {
        k: c
        for k, c in s.contexts.items()
        if c.epoch == now or (c.phase not in TERMINAL and c.phase is not Phase.PRE_ARMED)
    }


def _unused_forgotten(s: ScopeState) -> dict[str, OrderContext]:
    """Pre-armed contexts of a life that is over were never used: after a restart they would be in doubt."""
    return {k: c for k, c in s.contexts.items() if c.phase is not Phase.PRE_ARMED or c.epoch > s.epoch}


def _exposure_block(s: ScopeState, effect: str, now: TimeNs) -> tuple[Block, ...]:
    if any(b.effect == effect for b in s.blocks):
        return s.blocks
    return (*s.blocks, Block(key=None, effect=effect, since=now, until=0, position=s.position.quantity))


def block_exposure(s: ScopeState, effect: str, now: TimeNs) -> ScopeState:
    """Close the EXPOSURE family of this scope until an operator acknowledges (R-15, margin calls)."""
    blocks = _exposure_block(s, effect, now)
    return s if blocks is s.blocks else replace(s, blocks=blocks)


def _pruned_orders(rows: dict[int, OrderReport]) -> dict[int, OrderReport]:
    done = sorted(i for i, r in rows.items() if not orders.is_open(r))
    drop = set(done[: max(0, len(done) - ROWS_KEPT // 2)])
    return {i: r for i, r in rows.items() if i not in drop}


def _pruned_algos(rows: dict[int, AlgoReport]) -> dict[int, AlgoReport]:
    done = sorted(i for i, r in rows.items() if not algo_orders.is_open(r))
    drop = set(done[: max(0, len(done) - ROWS_KEPT // 2)])
    return {i: r for i, r in rows.items() if i not in drop}
