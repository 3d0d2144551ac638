"""How a scope takes in what we did: requests registered, sent, dropped, answered.

An acceptance is coordination evidence only: it moves IN_FLIGHT to ACCEPTED, teaches the exchange id and
starts the confirmation deadline. It unlocks nothing (exchange-state 1, 6.2). `own`: as in `core.scope`.
"""

from decimal import Decimal

from msgspec.structs import replace

from backstay.core import algo_orders, legs, orders
from backstay.core.confirmations import ANSWER_SLACK, CONFIRM_DEADLINE, GONE_GRACE, settles, without_settled
from backstay.core.contexts import OrderContext, Phase, Request
from backstay.core.cover import naked
from backstay.core.events import AnswerClass, AnswerReceived, Certainty, Effect, RequestDropped, RequestSent
from backstay.core.lots import get
from backstay.core.orders import SENDING, Evidence
from backstay.core.rejections import MAX_REPEATS, hold_for, treatment
from backstay.core.reviews import CONFLICT
from backstay.core.room import has_room
from backstay.core.scope import block_exposure, lose_trust
from backstay.core.slots import Slot
from backstay.core.state import Block, Pending, ScopeState
from backstay.core.types import EXPOSING, MS, ZERO, Action, Direction, Product, Role, Surface, TimeNs

# Looked up once: this file is on the path from a fill to its stop.
PLACE, AMEND, CANCEL, ALGO = Action.PLACE, Action.AMEND, Action.CANCEL, Surface.ALGO
PRE_ARMED, SPOT, SL = Phase.PRE_ARMED, Product.SPOT, Role.SL
SENT, ACCEPTED, EXECUTED = Evidence.SENT, Evidence.ACCEPTED, Certainty.EXECUTED
CONTEXTS_KEPT = 64
SPOT_CONTEXTS_KEPT = 400
"""More SELLs than a symbol's resting orders (200 at the venue) may be under way or just ended."""


def moved(ctx: OrderContext, evidence: Evidence) -> Phase:
    """The phase after `evidence`, by the table of the context's surface."""
    table = algo_orders.TRANSITIONS if ctx.surface is ALGO else orders.TRANSITIONS
    return table.get((ctx.phase, evidence), ctx.phase)


def fingerprint(slot: Slot) -> str:
    """The request in one line: two slots with the same fingerprint would be the same order."""
    numbers = (slot.price, slot.trigger, slot.quantity, slot.callback_rate, slot.activate_price)
    # Trailing zeros are no difference: an amended quantity is a sum and may carry others.
    plain = "|".join("" if x is None else f"{x.normalize():f}" for x in numbers)
    alone = f"{slot.kind}|{slot.side}|{plain}|{slot.close_position}"
    return alone if slot.leg is None else f"{alone}+{fingerprint(slot.leg)}"


def request_fingerprint(ctx: OrderContext) -> str:
    """As `fingerprint`, of the request that this order was asked for by: what was refused as a list's later
    leg was not refused by itself.
    """
    alone = fingerprint(ctx.slot)
    return alone if ctx.group in ("", ctx.ctx_id) else f"{alone}@list"


def amend_fingerprint(ctx_id: str) -> str:
    """This order cannot be amended at all; the slot may still be cancelled and placed."""
    return f"amend|{ctx_id}"


def cancel_fingerprint(ctx_id: str) -> str:
    """A refused cancel is held on its own; it says nothing about placing into the slot."""
    return f"cancel|{ctx_id}"


def register(
    s: ScopeState, requests: tuple[Request, ...], pre_armed: bool, now: TimeNs, own: bool = False
) -> ScopeState:
    """Contexts and pendings become part of the state in the moment they are made durable (T-1)."""
    contexts, pendings = s.contexts, s.pendings
    if not own:
        contexts, pendings = contexts.copy(), pendings.copy()
    generation, floor = s.generation, s.stop_floor
    for request in requests:
        ctx = request.context
        if ctx is not None:
            if ctx.ctx_id in contexts:
                continue
            if pre_armed:
                _disarm(contexts, ctx)
            contexts[ctx.ctx_id] = ctx
            generation = max(generation, ctx.generation)
            if not pre_armed:
                floor = tighter(floor, ctx)
        target = contexts.get(request.ctx_id)
        if pre_armed or target is None or request.ctx_id in pendings:
            continue
        pendings[request.ctx_id] = _pending(request, target, now)
        if target.group and request.action is CANCEL:
            legs.asked(pendings, contexts, target, now)
    if s.scope.product is SPOT:
        if len(contexts) > SPOT_CONTEXTS_KEPT:
            contexts = _without_ended(contexts)
    elif len(contexts) > CONTEXTS_KEPT:
        contexts = _without_old_ones(contexts, s.entry_since)
    return replace(s, contexts=contexts, pendings=pendings, generation=generation, stop_floor=floor)


def _without_old_ones(contexts: dict[str, OrderContext], entry_since: TimeNs) -> dict[str, OrderContext]:
    """A stop that moves often, or entries that nobody took, may not fill the memory: what has ended is
    forgotten, oldest first.

    Steps, levels and the present entry keep theirs, because progress is counted from them (D-6); so does
    what was concluded absent, because it may still show up (X-4).
    """

    def needless(c: OrderContext) -> bool:
        role = c.key.role
        return role is SL or (role is Role.ENTRY and not c.filled and c.created_at < entry_since)

    ended = sorted(
        (c.generation, name)
        for name, c in contexts.items()
        if c.is_terminal and c.phase is not Phase.ABSENT and needless(c)
    )
    drop = {name for _, name in ended[: len(contexts) - CONTEXTS_KEPT // 2]}
    return {name: c for name, c in contexts.items() if name not in drop}


def _without_ended(contexts: dict[str, OrderContext]) -> dict[str, OrderContext]:
    """What became of a lot stands on the lot: of the ended orders the latest few are remembered, so that a
    late report finds its order; what was concluded absent is remembered, because it may still show up (X-4).
    """
    ended = sorted(
        (c.generation, name) for name, c in contexts.items() if c.is_terminal and c.phase is not Phase.ABSENT
    )
    drop = {name for _, name in ended[: -CONTEXTS_KEPT // 2]}
    return {name: c for name, c in contexts.items() if name not in drop}


def _pending(
    request: Request, ctx: OrderContext, now: TimeNs, deadline: TimeNs = 0, recv_window_ms: int = 0
) -> Pending:
    return Pending(
        ctx_id=request.ctx_id,
        action=request.action,
        key=request.key,
        epoch=ctx.epoch,
        opened_at=now,
        deadline=deadline,
        price=request.price,
        quantity=request.quantity,
        recv_window_ms=recv_window_ms,
    )


def _disarm(contexts: dict[str, OrderContext], ctx: OrderContext) -> None:
    """A newer pre-armed context takes the place of an unused older one of the same slot.

    A standby makes room on its own side only: the position may be opened in either direction.
    """
    for key, old in list(contexts.items()):
        if old.phase is not PRE_ARMED or old.slot.key != ctx.slot.key:
            continue
        if old.slot.side is ctx.slot.side or not (old.is_standby or ctx.is_standby):
            del contexts[key]


def tighter(floor: Decimal | None, ctx: OrderContext) -> Decimal | None:
    """The ratchet: the tightest stop trigger asked for in this (epoch, DCA step) (S-3)."""
    trigger = ctx.slot.trigger
    if trigger is None or ctx.slot.key.role is not SL:
        return floor
    if floor is None:
        return trigger
    return max(floor, trigger) if ctx.direction is Direction.LONG else min(floor, trigger)


def sent(s: ScopeState, e: RequestSent, now: TimeNs, own: bool = False) -> ScopeState:
    """Bytes are on their way. A pre-armed context becomes the actual request here."""
    name, window, request = e.ctx_id, e.recv_window_ms, e.request
    known, pending = s.contexts.get(name), s.pendings.get(name)
    ctx, generation, floor = known, s.generation, s.stop_floor
    limit = now + window * MS + ANSWER_SLACK
    if pending is None and request is not None and request.context is not None:
        if known is not None and known.phase is not PRE_ARMED:
            return s
        ctx = request.context
        pending = _pending(request, ctx, now, limit, window)
        generation = max(generation, ctx.generation)
        floor = tighter(floor, ctx)
    if ctx is None:
        return s
    if e.action is PLACE:
        if ctx.sent_at:
            return s
        phase = SENDING.get((ctx.phase, SENT), ctx.phase)
        ctx = replace(ctx, phase=phase, sent_at=e.venue_time, recv_window_ms=window, updated_at=now)
    if pending is not None and not pending.deadline:
        pending = replace(pending, deadline=limit, recv_window_ms=window)
    contexts, pendings = s.contexts, s.pendings
    if ctx is not known:
        contexts = contexts if own else contexts.copy()
        contexts[name] = ctx
    if pending is not None:
        pendings = pendings if own else pendings.copy()
        pendings[name] = pending
    in_tables = contexts is s.contexts and pendings is s.pendings
    if not in_tables or generation != s.generation or floor is not s.stop_floor:
        s = replace(s, contexts=contexts, pendings=pendings, generation=generation, stop_floor=floor)
    return legs.sent(s, ctx, window, now) if ctx.group and e.action is CANCEL else s


def dropped(s: ScopeState, e: RequestDropped, now: TimeNs) -> ScopeState:
    """Registered, then not sent: a place is absent for certain, an amend or cancel never happened."""
    pendings = {k: v for k, v in s.pendings.items() if k != e.ctx_id}
    ctx = s.contexts.get(e.ctx_id)
    contexts = s.contexts
    if ctx is not None and e.action is PLACE:
        phase = moved(ctx, Evidence.DROPPED)
        if phase is not ctx.phase:
            contexts = {**contexts, e.ctx_id: replace(ctx, phase=phase, updated_at=now)}
    if contexts is s.contexts and len(pendings) == len(s.pendings):
        return s
    s = replace(s, contexts=contexts, pendings=pendings)
    return legs.dropped(s, ctx) if ctx is not None and ctx.group and e.action is CANCEL else s


def answered(s: ScopeState, e: AnswerReceived, now: TimeNs, own: bool = False) -> ScopeState:
    """Fold the venue's answer to a mutation (8.1)."""
    ctx = s.contexts.get(e.ctx_id)
    if ctx is None:
        return s
    if ctx.group and e.action is CANCEL:
        s = legs.answered(s, ctx, e, now)
    if e.certainty is EXECUTED:
        return _accepted(s, ctx, e, now, own)
    if e.certainty is Certainty.UNKNOWN:
        return _unknown(s, ctx, e, now)
    return _refused(s, ctx, e, now)


def _accepted(s: ScopeState, ctx: OrderContext, e: AnswerReceived, now: TimeNs, own: bool) -> ScopeState:
    after = ctx
    if e.action is PLACE:
        phase = SENDING.get((ctx.phase, ACCEPTED), ctx.phase)
        order_id = ctx.order_id or e.order_id
        if phase is not ctx.phase or order_id != ctx.order_id:
            after = replace(ctx, phase=phase, order_id=order_id)
        if not ctx.order_id and ctx.not_found_at:
            # What was read before it was accepted proves nothing.
            after = replace(after, not_found_at=0)
    contexts, pendings = s.contexts, s.pendings
    pending = pendings.get(e.ctx_id)
    if pending is not None:
        amends = pending.action is AMEND and ctx.surface is not ALGO
        row = s.orders.get(after.order_id) if amends else None
        pendings = without_settled(pendings, after, row)
        if pendings is s.pendings and not pending.expired:
            pendings = _due(pendings, pending, now + CONFIRM_DEADLINE, own)
    if after is not ctx:
        contexts = contexts if own else contexts.copy()
        contexts[e.ctx_id] = after
    if contexts is s.contexts and pendings is s.pendings:
        return s  # no news, or all of it is in the scope's own tables
    return replace(s, contexts=contexts, pendings=pendings)


def _due(
    pendings: dict[str, Pending], pending: Pending, deadline: TimeNs, own: bool = False
) -> dict[str, Pending]:
    """An answer brings the deadline nearer; hearing it twice does not move it away again (I-2)."""
    if pending.deadline and pending.deadline <= deadline:
        return pendings
    due = pendings if own else pendings.copy()
    due[pending.ctx_id] = replace(pending, deadline=deadline)
    return due


def _unknown(s: ScopeState, ctx: OrderContext, e: AnswerReceived, now: TimeNs) -> ScopeState:
    """Distrust at once; the pending stays as the slot's guard until recovery settles it (8.2)."""
    if e.action is PLACE:
        after = replace(ctx, phase=moved(ctx, Evidence.UNKNOWN_OUTCOME), updated_at=now)
        if after.phase is not Phase.UNKNOWN or ctx.phase is Phase.UNKNOWN:
            return s  # evidence was faster than the answer, or this was known
        s = replace(s, contexts={**s.contexts, e.ctx_id: after})
    elif e.ctx_id in s.pendings and not s.pendings[e.ctx_id].unknown:
        held = replace(s.pendings[e.ctx_id], unknown=True)
        s = replace(s, pendings={**s.pendings, e.ctx_id: held})
    else:
        return s
    return lose_trust(s, "unknown_outcome")


def _refused(s: ScopeState, ctx: OrderContext, e: AnswerReceived, now: TimeNs) -> ScopeState:
    pending = s.pendings.get(e.ctx_id)
    contradicted = False
    if e.action is not PLACE:
        if pending is None:
            return s
        if e.effect in (Effect.GONE, Effect.TRIGGERING) and not ctx.is_terminal:
            # "Gone" is never "cancelled": the terminal report may be on its way.
            pendings = _due(s.pendings, pending, now + GONE_GRACE)
            return s if pendings is s.pendings else replace(s, pendings=pendings)
        if e.effect is Effect.SAME_ORDER:
            row = s.orders.get(ctx.order_id)
            contradicted = row is None or not settles(pending, ctx, row)
            if contradicted:
                s = lose_trust(s, "same_order_contradiction")
    elif ctx.is_terminal:
        return s  # refused before, or proven ended: hearing it again changes nothing
    elif e.effect is Effect.DUPLICATE_ID:
        after = replace(ctx, phase=moved(ctx, Evidence.UNKNOWN_OUTCOME), updated_at=now)
        return lose_trust(replace(s, contexts={**s.contexts, e.ctx_id: after}), "duplicate_id")
    else:
        after = replace(ctx, phase=moved(ctx, Evidence.REFUSED), updated_at=now)
        if after.phase is ctx.phase and not ctx.is_terminal:
            return s  # a report proved the order before the refusal arrived
        s = replace(s, contexts={**s.contexts, e.ctx_id: after})
    s = replace(s, pendings={k: v for k, v in s.pendings.items() if k != e.ctx_id})
    if ctx.key.role is SL:
        s = naked(s, now)
        if e.effect is Effect.WOULD_TRIGGER:
            # The price is beyond this trigger: a stop that is asked for instead may be looser.
            s = replace(s, stop_floor=None)
    benign = e.answer in (AnswerClass.NOOP, AnswerClass.STALE) and e.action is not PLACE
    if benign and not contradicted:
        return s
    return _blocked(s, ctx, e, pending, now)


def premise_of(s: ScopeState, slot: Slot) -> Decimal:
    """What a refusal of this slot's order depends on: the position, or what the slot's lots still hold."""
    lots = s.lots
    if not slot.lots or lots is None:
        return s.position.quantity or ZERO  # the zero that packing leaves out, whoever told of the position
    return sum((lot.left for name in slot.lots if (lot := get(lots, name)) is not None), ZERO)


def _asked(s: ScopeState, ctx: OrderContext, e: AnswerReceived, pending: Pending | None) -> str:
    """What was refused: of an amend the values that the order was to have, not those that rest."""
    if e.action is CANCEL:
        return cancel_fingerprint(ctx.ctx_id)
    if e.action is AMEND and e.effect is Effect.NOT_AMENDABLE:
        return amend_fingerprint(ctx.ctx_id)
    if e.action is not AMEND or pending is None or pending.quantity is None:
        return request_fingerprint(ctx)
    return fingerprint(replace(ctx.slot, price=pending.price, quantity=pending.quantity - ctx.filled))


def _blocked(
    s: ScopeState, ctx: OrderContext, e: AnswerReceived, pending: Pending | None, now: TimeNs
) -> ScopeState:
    """Apply the treatment of the refusal: a block, a doubt, or both."""
    exposing = ctx.key.role in EXPOSING
    by_lot = bool(ctx.slot.lots)
    rule = treatment(e.effect, exposing=exposing, by_lot=by_lot)
    if rule.distrust:
        s = lose_trust(s, rule.distrust)
    if rule.distrust_if_open:
        if not s.position.quantity:
            return s  # benign: the position went first
        s = lose_trust(s, rule.distrust_if_open)
    refused = _asked(s, ctx, e, pending)
    key = None if rule.exposure and exposing and e.action is not CANCEL else ctx.key
    earlier = next((b for b in s.blocks if b.key == key and b.fingerprint == refused), None)
    premise = premise_of(s, ctx.slot)
    reduces = ctx.slot.quantity or ZERO
    crowded = reduces if rule.distrust_if_open and not has_room(s, ctx.slot.side, reduces) else ZERO
    same_premise = (
        earlier is not None and earlier.position == premise and not (earlier.crowded and not crowded)
    )
    count = earlier.count + 1 if earlier is not None and same_premise else 1
    hold = hold_for(rule, count, e.retry_after_ms * MS)
    block = Block(
        key=key,
        effect=e.effect.value,
        since=now,
        until=0 if hold is None else now + max(hold, 1),
        count=count,
        position=premise or ZERO,
        fingerprint=refused,
        by_lot=by_lot,
        crowded=crowded,
    )
    rest = tuple(b for b in s.blocks if b is not earlier)
    s = replace(s, blocks=(*rest, block))
    if rule.distrust_if_open and count >= MAX_REPEATS and not crowded:
        # Each attempt needed trust, each trust a snapshot, and all of them showed the same position (4.1).
        return block_exposure(s, CONFLICT, now)
    return s
