"""Contexts written beforehand: finding the one that a slot may use, and putting stops on standby.

Which stops stand by is decided in `backstay.core.standby`; here they get their ids (decision 0024).
"""

from backstay.core.account_scopes import scope_state
from backstay.core.contexts import OrderContext, Phase, Premise, Request
from backstay.core.engine import Engine
from backstay.core.next_sale import fits
from backstay.core.slots import Slot, surface_of
from backstay.core.standby import standbys
from backstay.core.state import AccountState, ScopeState
from backstay.core.types import ZERO, Action, Direction, Scope, TimeNs
from backstay.runtime.ports import Entropy


def armed_for(s: ScopeState, slot: Slot) -> OrderContext | None:
    """An unused pre-armed context of this slot, on the same surface and side."""
    if slot.lots:
        standing = (c for c in s.contexts.values() if c.phase is Phase.PRE_ARMED and fits(c.slot, slot))
        return next(standing, None)
    for ctx in s.contexts.values():
        if ctx.phase is Phase.PRE_ARMED and ctx.key == slot.key and ctx.slot.side is slot.side:
            same_surface = ctx.surface is surface_of(s.scope.product, slot.kind)
            # What makes a standby harmless is that the venue takes one close-position stop.
            return ctx if same_surface and (slot.close_position or not ctx.is_standby) else None
    return None


def direction_of(s: ScopeState, slot: Slot) -> Direction:
    """What the order belongs to: the position held, or the one that an entry would open."""
    held = s.position.direction
    if held is not None:
        return held
    opening_long = slot.side is Direction.LONG.opening
    return Direction.LONG if opening_long else Direction.SHORT


def standby_requests(
    account: AccountState, key: Scope, engine: Engine, entropy: Entropy, now: TimeNs
) -> tuple[Request, ...]:
    """The contexts that scope `key` lacks on standby; empty when there is nothing to prepare."""
    slots = standbys(account, key, engine, now)
    return tuple([_request(account, key, slot, entropy, now) for slot in slots])


def _request(account: AccountState, key: Scope, slot: Slot, entropy: Entropy, now: TimeNs) -> Request:
    run, s = account.run, scope_state(account, key)
    if run is None:
        raise RuntimeError("a stop was put on standby before a run started")
    # Of a stop the epoch that its position will begin; a lot has none of its own.
    long = slot.side is Direction.LONG.closing
    context = OrderContext(
        ctx_id=entropy.order_id(run.id_prefix),
        scope=key,
        direction=Direction.LONG if long else Direction.SHORT,
        slot=slot,
        epoch=s.epoch + 1,
        generation=s.generation,
        premise=Premise(s.epoch, ZERO),
        created_at=now,
        writer=run.writer,
        phase=Phase.PRE_ARMED,
    )
    return Request(ctx_id=context.ctx_id, action=Action.PLACE, scope=key, key=slot.key, context=context)
