"""What becomes a context: whose life an order belongs to, and the legs of an order list.

A list has a context and a record for each leg, and one set of bytes.
"""

from msgspec.structs import replace

from backstay.core.contexts import OrderContext, Request
from backstay.core.state import ScopeState
from backstay.core.types import Action
from backstay.runtime.ports import Entropy


def with_legs(request: Request, entropy: Entropy, prefix: str) -> tuple[Request, ...]:
    """`request`, and one for the other leg of the list that it places, if it places one.

    Every leg has an id of its own and its context in the same durable write, so that each can be asked for
    by itself. The list goes by the id of its first leg.
    """
    first = request.context
    if first is None or first.slot.leg is None:
        return (request,)
    first = replace(first, group=first.ctx_id)
    leg = replace(
        first,
        ctx_id=entropy.order_id(prefix),
        slot=first.slot.leg,
        generation=first.generation + 1,
    )
    other = Request(
        ctx_id=leg.ctx_id,
        action=Action.PLACE,
        scope=request.scope,
        key=leg.key,
        context=leg,
        reason=request.reason,
    )
    return replace(request, context=first), other


def as_shown(request: Request, ctx: OrderContext, entropy: Entropy, prefix: str) -> OrderContext:
    """The context of a request that is only shown: with its legs, which nothing has registered."""
    _, *others = with_legs(request, entropy, prefix)
    return replace(ctx, legs=tuple(x.context for x in others if x.context is not None)) if others else ctx


def to_send(s: ScopeState, ctx: OrderContext) -> OrderContext:
    """The context as the venue is given it: a first leg carries the other ones."""
    if ctx.slot.leg is None or not ctx.group:
        return ctx
    return replace(ctx, legs=_others(s, ctx))


def ids_of(s: ScopeState, request: Request) -> tuple[str, ...]:
    """The custom ids of everything that leaves, or does not leave, with this request."""
    ctx = s.contexts.get(request.ctx_id)
    if ctx is None or request.action is not Action.PLACE or ctx.slot.leg is None:
        return (request.ctx_id,)
    return (request.ctx_id, *(leg.ctx_id for leg in _others(s, ctx)))


def _others(s: ScopeState, ctx: OrderContext) -> tuple[OrderContext, ...]:
    return tuple(c for c in s.contexts.values() if c.group == ctx.group and c.ctx_id != ctx.ctx_id)


def answers_fill(request: Request) -> bool:
    """Like a stop: the SELL of a spot lot, and an order list, which has a stop for its other leg."""
    ctx = request.context
    return ctx is not None and (bool(ctx.slot.lots) or ctx.slot.leg is not None)
