"""What a refusal still forbids: the same request, a whole family, one cancel or one amendment.

A block never costs trust (I-28). Refusals are written by `backstay.core.requests`, what was asked without
effect here; how long they hold is `backstay.core.rejections`; who plans asks here.
"""

from collections.abc import Iterable

from msgspec.structs import replace

from backstay.core import orders
from backstay.core.contexts import OrderContext
from backstay.core.convergence import child_rests
from backstay.core.events import Effect, OrderReport
from backstay.core.lots import get
from backstay.core.rejections import IN_VAIN, MAX_REPEATS, hold_for
from backstay.core.requests import amend_fingerprint, cancel_fingerprint, fingerprint, premise_of
from backstay.core.room import has_room
from backstay.core.slots import Slot
from backstay.core.state import Block, ScopeState
from backstay.core.types import EXPOSING, Action, OrderStatus, Role, Side, Surface, TimeNs

SELF_TRADE = "self_trade"
"""An order of the account's own was on the other side, and the venue took ours away (R-20)."""

_BY_ORDER = {Action.CANCEL: cancel_fingerprint, Action.AMEND: amend_fingerprint}
_IN_VAIN = {action: f"{action}_in_vain" for action in _BY_ORDER}


def holds(block: Block, s: ScopeState, now: TimeNs) -> bool:
    """In force: its time is not over, or the premise that it waits to see changed is still the same."""
    if block.until:
        return now < block.until
    if block.by_lot:
        # The request itself names what the lots hold: another quantity is another request.
        return block.key is not None and s.lots is not None and get(s.lots, block.key.step) is not None
    direction = s.position.direction
    if block.crowded and direction is not None and has_room(s, direction.closing, block.crowded):
        return False
    return block.position == s.position.quantity or block.key is None


def blocked(s: ScopeState, slot: Slot, now: TimeNs, *, for_good: bool = False) -> bool:
    """A deterministic refusal still holds this very request, or the whole family (I-29). `for_good`: one that
    no time ends, something has to change first.
    """
    for block in s.blocks:
        if (for_good and block.until) or not holds(block, s, now):
            continue
        if block.key is None and slot.key.role in EXPOSING:
            return True
        if block.key == slot.key and block.fingerprint == fingerprint(slot):
            return True
    return not for_good and any(b.effect == SELF_TRADE for b in s.blocks) and _is_met(s, slot)


def _is_met(s: ScopeState, slot: Slot) -> bool:
    """An order of the account rests that this one would trade with: it would be taken away again."""
    price = slot.price
    if price is None or slot.trigger is not None:
        return False
    facing = [r.price for r in s.orders.values() if r.price and r.side is not slot.side and orders.is_open(r)]
    return any(theirs >= price if slot.side is Side.SELL else theirs <= price for theirs in facing)


def self_traded(before: ScopeState, after: ScopeState, r: OrderReport, now: TimeNs) -> ScopeState:
    """Count how often self-trade prevention took this very stop or take-profit away: it is placed again, and
    the third time it waits for a change of its premise (R-20).
    """
    old, ctx = before.contexts.get(r.client_id), after.contexts.get(r.client_id)
    if r.status is not OrderStatus.EXPIRED_IN_MATCH or old is None or old.is_terminal or ctx is None:
        return after
    if ctx.role not in (Role.SL, Role.TP) or ctx.surface is not Surface.REGULAR or ctx.slot.lots:
        return after
    asked = fingerprint(replace(ctx.slot, price=r.price, quantity=r.quantity - r.filled))
    known = [b for b in after.blocks if b.effect == SELF_TRADE and b.fingerprint == asked]
    count = 1 + sum(b.count for b in known)
    met = Block(
        key=ctx.key,
        effect=SELF_TRADE,
        since=now,
        until=0 if count >= MAX_REPEATS else now,
        count=count,
        position=premise_of(after, ctx.slot),
        fingerprint=asked,
    )
    return replace(after, blocks=(*(b for b in after.blocks if b not in known), met))


def not_amendable(s: ScopeState, ctx: OrderContext) -> bool:
    """The venue refused to amend this order: cancel and place instead."""
    never = amend_fingerprint(ctx.ctx_id)
    return any(b.fingerprint == never and b.effect == Effect.NOT_AMENDABLE for b in s.blocks)


def is_held(s: ScopeState, action: Action, ctx: OrderContext, now: TimeNs) -> bool:
    """A cancel or an amendment of this order that was refused, or in vain, is not to be repeated yet."""
    if action not in _BY_ORDER:
        return False
    refused = _BY_ORDER[action](ctx.ctx_id)
    return any(b.fingerprint == refused and holds(b, s, now) for b in s.blocks)


def cancel_held(s: ScopeState, ctx: OrderContext, now: TimeNs) -> bool:
    return is_held(s, Action.CANCEL, ctx, now)


def asked_in_vain(s: ScopeState, targets: Iterable[tuple[Action, OrderContext]], now: TimeNs) -> ScopeState:
    """A read shows orders as they were whose end or change should have been confirmed by now: the next such
    request of each waits (8.1).

    What is known of orders that do not rest any more is forgotten.
    """
    rest = [c.ctx_id for c in s.contexts.values() if c.is_resting or child_rests(s, c)]
    resting = {name(ctx_id) for ctx_id in rest for name in _BY_ORDER.values()}
    vain = _IN_VAIN.values()
    others = tuple(b for b in s.blocks if b.effect not in vain)
    known = {b.fingerprint: b for b in s.blocks if b.effect in vain and b.fingerprint in resting}
    for action, ctx in targets:
        refused = _BY_ORDER[action](ctx.ctx_id)
        count = known[refused].count + 1 if refused in known else 1
        known[refused] = Block(
            key=ctx.key,
            effect=_IN_VAIN[action],
            since=now,
            until=now + (hold_for(IN_VAIN, count) or 0),
            count=count,
            position=premise_of(s, ctx.slot),
            fingerprint=refused,
        )
    blocks = (*others, *known.values())
    return s if blocks == s.blocks else replace(s, blocks=blocks)
