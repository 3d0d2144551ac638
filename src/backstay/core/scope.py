"""How one scope takes in what the venue reports: orders, conditional orders, positions, fills.

Every function is `(state, report, now) -> state`, total, and returns the very same object when the report
changes nothing. `now` is local time; it only enters timers, never trading facts. `own` says that nobody else
holds the state: then its tables of orders and contexts are changed as they are, and not copied first.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from backstay.core import algo_orders, orders
from backstay.core.confirmations import CONSUMING, heard, without_settled
from backstay.core.contexts import OrderContext, Phase
from backstay.core.cover import naked_since
from backstay.core.epochs import is_flipping, kept_contexts, unused_forgotten
from backstay.core.events import AlgoReport, FillNotice, OrderReport, PositionRow
from backstay.core.next_sale import told
from backstay.core.reviews import LASTING
from backstay.core.state import Block, Position, ScopeState
from backstay.core.types import (
    MS,
    ZERO,
    Action,
    AlgoStatus,
    ExecutionType,
    OrderStatus,
    Product,
    Role,
    Surface,
    TimeNs,
    Trust,
)

# Looked up once: this file is on the path from a fill to its stop.
PRE_ARMED, PLACE = Phase.PRE_ARMED, Action.PLACE
ENTRY, SL, TP, DCA = Role.ENTRY, Role.SL, Role.TP, Role.DCA
CANCELED, ALGO_CANCELED, ALGO, SPOT = OrderStatus.CANCELED, AlgoStatus.CANCELED, Surface.ALGO, Product.SPOT
SNAPSHOT, CALCULATED = ExecutionType.SNAPSHOT, ExecutionType.CALCULATED
QUIET = 50 * MS
BURST_MAX = 250 * MS
"""The event-burst wait: quiet this long, or at most that long after the first event."""
RESULTS_KEPT = 8
ROWS_KEPT = 32
"""Terminal rows and contexts remembered per scope, so that stale reports stay harmless."""
SPOT_ROWS_KEPT = 300
"""On spot two hundred orders may rest in a symbol: pruning begins above them."""


def burst_end(s: ScopeState) -> TimeNs:
    """Until when planning waits for related events; evidence is folded at once regardless."""
    quiet, most = s.burst_last + QUIET, s.burst_since + BURST_MAX
    return quiet if quiet < most else most


def burst_began(s: ScopeState, now: TimeNs) -> TimeNs:
    """When the burst began that related evidence at `now` belongs to: that very moment, if none is on."""
    within = now < s.burst_last + QUIET and now < s.burst_since + BURST_MAX
    return s.burst_since if within else now


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


# A fold copies one dictionary or two and makes one new state; that is most of what it costs. So each of the
# following works its fields out first and calls `replace` once, with the fields spelt out: collecting them
# in a dictionary and passing that on costs half as much again, and `{**d, k: v}` twice as much as a copy.


def report_order(s: ScopeState, r: OrderReport, now: TimeNs, own: bool = False) -> ScopeState:
    """Fold a regular order report (O-2, O-3)."""
    known = s.orders.get(r.order_id)
    if known is not None and not orders.advances(known, r):
        return s if r.execution is SNAPSHOT else _heard(s, r.client_id)
    rows = s.orders if own else s.orders.copy()
    rows[r.order_id] = r
    if known is None and len(rows) > (SPOT_ROWS_KEPT if s.scope.product is SPOT else ROWS_KEPT):
        rows = _pruned(rows, orders.is_open)
    contexts, pendings, blocks = s.contexts, s.pendings, s.blocks
    cancels = s.manual_cancels
    ctx = contexts.get(r.client_id)
    if ctx is not None:
        algo = ctx.surface is ALGO
        after = _child_followed(ctx, r) if algo else _order_followed(ctx, r, now)
        contexts = contexts if own else contexts.copy()
        contexts[r.client_id] = after
        pendings = without_settled(pendings, after, None if algo else r)
        if r.status is CANCELED and not algo:
            cancels = _manual_cancels(s, ctx, now)
    elif r.execution is CALCULATED or orders.is_exchange_made(r.client_id):
        blocks = _exposure_block(s, "liquidation_seen", now)
    traded_at = s.traded_at
    if r.last_price and r.at > traded_at:
        traded_at = r.at
    if r.filled > (known.filled if known is not None else ZERO):
        s = _filled(s, ctx, r, now)
    return replace(
        s,
        orders=rows,
        contexts=contexts,
        pendings=pendings,
        blocks=blocks,
        manual_cancels=cancels,
        traded_at=traded_at,
        burst_since=burst_began(s, now),
        burst_last=now,
    )


def _order_followed(ctx: OrderContext, r: OrderReport, now: TimeNs) -> OrderContext:
    phase = orders.AFTER[r.status].get(ctx.phase, ctx.phase)
    slot = ctx.slot
    if slot.lots and ctx.awaits_lot:
        slot = told(slot, r)
    return replace(ctx, slot=slot, phase=phase, order_id=r.order_id, filled=r.filled, updated_at=now)


def _child_followed(ctx: OrderContext, r: OrderReport) -> OrderContext:
    return replace(ctx, child_order_id=r.order_id, filled=r.filled)


def _filled(s: ScopeState, ctx: OrderContext | None, r: OrderReport, now: TimeNs) -> ScopeState:
    """What more of a filled quantity says beyond its row."""
    fill_at, seen_at = s.fill_at, s.fill_seen_at
    if r.at > fill_at:
        fill_at = r.at
        if not seen_at and r.at > s.position.at:
            seen_at = now
    last_price, increase_at = s.last_fill_price, s.last_increase_at
    if r.last_price:
        direction = s.position.direction or (ctx.direction if ctx is not None else None)
        if direction is None or r.side is direction.opening:
            last_price, increase_at = r.last_price, r.at
    averaged = ctx is not None and ctx.slot.key.role is DCA
    return replace(
        s,
        fill_at=fill_at,
        fill_seen_at=seen_at,
        last_fill_price=last_price,
        last_increase_at=increase_at,
        realized=s.realized + r.realized_pnl if r.realized_pnl else s.realized,
        stop_floor=None if averaged else s.stop_floor,
        best_price=None if averaged else s.best_price,
    )


def _manual_cancels(s: ScopeState, ctx: OrderContext, now: TimeNs) -> tuple[TimeNs, ...]:
    """The cancels by somebody else, with this one if it is one."""
    pending = s.pendings.get(ctx.ctx_id)
    ours = pending is not None and pending.action is not PLACE
    if not ours and ctx.role in (SL, TP) and s.position.quantity:
        return (*s.manual_cancels[-7:], now)
    return s.manual_cancels


def report_algo(s: ScopeState, r: AlgoReport, now: TimeNs, own: bool = False) -> ScopeState:
    """Fold a conditional order report (O-4); its child order lives by its own reports."""
    known = s.algos.get(r.algo_id)
    if known is not None:
        if not algo_orders.advances(known, r):
            return s if r.snapshot else _heard(s, r.client_id)
        if r.callback_rate is None and known.callback_rate is not None:
            # A push does not carry what the snapshot told about a trailing stop.
            r = replace(r, callback_rate=known.callback_rate, activate_price=known.activate_price)
    rows = s.algos if own else s.algos.copy()
    rows[r.algo_id] = r
    if known is None and len(rows) > ROWS_KEPT:
        rows = _pruned(rows, algo_orders.is_open)
    contexts, pendings, cancels, bare_since = s.contexts, s.pendings, s.manual_cancels, s.naked_since
    ctx = contexts.get(r.client_id)
    if ctx is not None and ctx.surface is ALGO:
        after = _algo_followed(ctx, r, now)
        contexts = contexts if own else contexts.copy()
        contexts[r.client_id] = after
        pendings = without_settled(pendings, after, None)
        if r.status is ALGO_CANCELED:
            cancels = _manual_cancels(s, ctx, now)
        bare_since = naked_since(s, contexts, s.position, now)
    return replace(
        s,
        algos=rows,
        contexts=contexts,
        pendings=pendings,
        manual_cancels=cancels,
        naked_since=bare_since,
        burst_since=burst_began(s, now),
        burst_last=now,
    )


def _algo_followed(ctx: OrderContext, r: AlgoReport, now: TimeNs) -> OrderContext:
    phase = algo_orders.AFTER[r.status].get(ctx.phase, ctx.phase)
    slot = ctx.slot
    if slot.quantity is not None and slot.quantity != r.quantity:
        # Pre-armed for another size, its record of being sent lost: the order itself says what it covers.
        slot = replace(slot, quantity=r.quantity)
    return replace(
        ctx,
        slot=slot,
        phase=phase,
        order_id=r.algo_id,
        child_order_id=r.child_order_id or ctx.child_order_id,
        # The grace of a triggering order runs from TRIGGERING, not from its later reports.
        updated_at=ctx.updated_at if phase in CONSUMING and ctx.phase in CONSUMING else now,
        unheard=ctx.unheard if r.snapshot else 0,
    )


def _heard(s: ScopeState, client_id: str) -> ScopeState:
    """The event of an order that a read was faster to show: no news, but the stream is not deaf."""
    ctx = s.contexts.get(client_id)
    return heard(s, (client_id,)) if ctx is not None and ctx.unheard else s


def notice_fill(s: ScopeState, n: FillNotice, now: TimeNs, own: bool = False) -> ScopeState:
    """TRADE_LITE: the trade happened, the position is not known yet (F-5)."""
    if n.at <= s.fill_at:
        return s
    row = s.orders.get(n.order_id)
    if row is not None and not orders.is_open(row):
        return s
    ctx = s.contexts.get(n.client_id)
    averaged = ctx is not None and ctx.slot.key.role is DCA  # its stop comes before its report
    return replace(
        s,
        fill_at=n.at,
        fill_seen_at=s.fill_seen_at or (now if n.at > s.position.at else 0),
        stop_floor=None if averaged else s.stop_floor,
        best_price=None if averaged else s.best_price,
        burst_since=burst_began(s, now),
        burst_last=now,
    )


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
    same_size = row.quantity == old.quantity
    began, last, blocks = s.burst_since, s.burst_last, s.blocks
    if not same_size or row.entry_price != old.entry_price:
        began, last = burst_began(s, now), now
        if blocks:
            blocks = tuple(b for b in blocks if b.effect in LASTING or not _moved(b, row))
    if position.direction is not old.direction:
        s = new_life(s, position, at)
    return replace(
        s,
        position=position,
        fill_seen_at=0 if at >= s.fill_at else s.fill_seen_at,
        blocks=blocks,
        burst_since=began,
        burst_last=last,
        naked_since=s.naked_since if same_size else naked_since(s, s.contexts, position, now),
    )


def proven_until(position: Position) -> TimeNs:
    """Venue time up to which everything about this position has been taken in."""
    return position.proven_at if position.read else position.at


def _moved(block: Block, row: PositionRow) -> bool:
    return block.position != row.quantity


def new_life(s: ScopeState, position: Position, at: TimeNs) -> ScopeState:
    """The scope as its position changes direction to `position`; the row itself is the caller's to set."""
    return _opened(s, position, at) if position.quantity else _closed(s, at)


def _opened(s: ScopeState, position: Position, at: TimeNs) -> ScopeState:
    """Flat to non-flat, or a flip, opens an epoch."""
    last_price, increase_at = _first_increase(s, position, at)
    return replace(
        s,
        epoch=s.epoch + 1,
        opened_at=at,
        anchor=position.entry_price,
        last_fill_price=last_price,
        last_increase_at=increase_at,
        closed_at=at if s.position.quantity else s.closed_at,
        results=_results(s, at) if s.epoch else s.results,
        realized=ZERO if s.epoch else s.realized,
        contexts=kept_contexts(s, position.direction, at),
        stop_floor=None,
        best_price=None,
        last_mark=None,
        manual_cancels=(),
    )


def _closed(s: ScopeState, at: TimeNs) -> ScopeState:
    """Flat ends the demands that were made of the old position; those of a kill stay."""
    killed = s.flatten_reason.startswith("kill")
    return replace(
        s,
        closed_at=at,
        entry_signal=s.entry_signal if s.entry_signal is not None and is_flipping(s, at) else None,
        contexts=unused_forgotten(s),
        stop_floor=None,
        best_price=None,
        last_mark=None,
        manual_cancels=(),
        flatten_since=s.flatten_since if killed else 0,
        flatten_reason=s.flatten_reason if killed else "",
    )


def _results(s: ScopeState, at: TimeNs) -> tuple[tuple[TimeNs, Decimal], ...]:
    """The results of earlier lives, with that of the one which a new one follows."""
    closed_at = at if s.position.quantity else s.closed_at
    return (*s.results[1 - RESULTS_KEPT :], (closed_at, s.realized))


def _first_increase(s: ScopeState, position: Position, at: TimeNs) -> tuple[Decimal, TimeNs]:
    """Price and time of the latest increase of a life that begins: by its order's report if first."""
    if 0 < s.traded_at < at:
        return position.entry_price, at  # as nearly always: the position is told first
    side = position.direction.opening if position.direction is not None else None
    rows = [r for r in s.orders.values() if r.at >= at and r.side is side and r.last_price]
    if not rows:
        return position.entry_price, at
    latest = max(rows, key=lambda r: (r.at, r.trade_id))
    return latest.last_price, latest.at


def _exposure_block(s: ScopeState, effect: str, now: TimeNs) -> tuple[Block, ...]:
    if any(b.effect == effect for b in s.blocks):
        return s.blocks
    held = s.position.quantity or ZERO
    return (*s.blocks, Block(key=None, effect=effect, since=now, until=0, position=held))


def block_exposure(s: ScopeState, effect: str, now: TimeNs) -> ScopeState:
    """Close the EXPOSURE family of this scope until an operator acknowledges (R-15, margin calls)."""
    blocks = _exposure_block(s, effect, now)
    return s if blocks is s.blocks else replace(s, blocks=blocks)


def _pruned[R](rows: dict[int, R], is_open: Callable[[R], bool]) -> dict[int, R]:
    """Without the ended rows first heard of, so that there is room for as many again."""
    ended = [i for i, r in rows.items() if not is_open(r)]
    drop = set(ended[: max(0, len(ended) - ROWS_KEPT // 2)])
    return {i: r for i, r in rows.items() if i not in drop}
