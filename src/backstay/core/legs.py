"""The legs of an order list as evidence comes in: one cancel ends them all, and one end announces the other.

A list is placed by one request and lives as two orders with an id and a context each (`OrderContext.group`).
The venue cancels the whole list with either leg, and a filled leg expires the other one; each leg's end is
proven by its own report alone. So what is asked of one leg is pending for every leg, and where one has ended
the end of the other is due within the deadline of a confirmation (T-3): silence leads to a read, never to a
guess.
"""

from collections.abc import Callable, Iterable

from msgspec.structs import replace

from backstay.core.confirmations import ANSWER_SLACK, CONFIRM_DEADLINE, GONE_GRACE
from backstay.core.contexts import OrderContext, Phase
from backstay.core.cover import naked
from backstay.core.events import AnswerReceived, Certainty, Effect
from backstay.core.state import Pending, ScopeState
from backstay.core.types import MS, Action, Role, TimeNs

_ENDS_BOTH = frozenset({Phase.CANCELED, Phase.FILLED})
"""An expired leg says nothing of the other one: it may have expired because the other one works."""


def others(contexts: dict[str, OrderContext], ctx: OrderContext) -> tuple[OrderContext, ...]:
    """The legs of the same list that have not ended, without `ctx` itself."""
    if not ctx.group:
        return ()
    return tuple(
        c for c in contexts.values() if c.group == ctx.group and c.ctx_id != ctx.ctx_id and not c.is_terminal
    )


def one_of_each_list(orders: Iterable[OrderContext]) -> list[OrderContext]:
    """`orders` without the later legs of a list whose earlier leg is among them: one cancel ends both."""
    found: list[OrderContext] = []
    lists: set[str] = set()
    for ctx in orders:
        if not ctx.group or ctx.group not in lists:
            found.append(ctx)
            lists.add(ctx.group)
    return found


def asked(
    pendings: dict[str, Pending], contexts: dict[str, OrderContext], ctx: OrderContext, now: TimeNs
) -> None:
    """A cancel of `ctx` is registered: the other legs end with it. Changes `pendings` in place."""
    for other in others(contexts, ctx):
        if other.ctx_id not in pendings:
            pendings[other.ctx_id] = _end_of(other, now)


def sent(s: ScopeState, ctx: OrderContext, recv_window_ms: int, now: TimeNs) -> ScopeState:
    """The cancel of `ctx` has left."""
    limit = now + recv_window_ms * MS + ANSWER_SLACK
    return _changed(s, ctx, lambda p: replace(p, deadline=p.deadline or limit, recv_window_ms=recv_window_ms))


def dropped(s: ScopeState, ctx: OrderContext) -> ScopeState:
    """The cancel of `ctx` never left: nothing ends."""
    return _changed(s, ctx, lambda _: None)


def answered(s: ScopeState, ctx: OrderContext, e: AnswerReceived, now: TimeNs) -> ScopeState:
    """The venue's answer to the cancel of `ctx`, for the legs that end with it."""
    if e.certainty is Certainty.UNKNOWN:
        return _changed(s, ctx, lambda p: replace(p, unknown=True))
    if e.certainty is Certainty.EXECUTED:
        limit = now + CONFIRM_DEADLINE
    elif e.effect in (Effect.GONE, Effect.TRIGGERING):
        limit = now + GONE_GRACE
    else:
        return dropped(s, ctx)
    return _changed(s, ctx, lambda p: p if p.deadline and p.deadline <= limit else replace(p, deadline=limit))


def followed(s: ScopeState, ctx: OrderContext, now: TimeNs) -> ScopeState:
    """A report moved `ctx`, an order of a spot position: what that says of its list and of the cover."""
    if ctx.group and ctx.phase in _ENDS_BOTH:
        due = {
            other.ctx_id: replace(_end_of(other, now), deadline=now + CONFIRM_DEADLINE)
            for other in others(s.contexts, ctx)
            if other.ctx_id not in s.pendings or s.pendings[other.ctx_id].action is Action.PLACE
        }
        if due:
            s = replace(s, pendings={**s.pendings, **due})
    return naked(s, now) if ctx.role is Role.SL else s


def _end_of(ctx: OrderContext, now: TimeNs) -> Pending:
    return Pending(ctx_id=ctx.ctx_id, action=Action.CANCEL, key=ctx.key, epoch=ctx.epoch, opened_at=now)


def _changed(s: ScopeState, ctx: OrderContext, change: Callable[[Pending], Pending | None]) -> ScopeState:
    """The pending ends of the other legs, each as `change` has it; None: it is no longer expected."""
    pendings = s.pendings
    for other in others(s.contexts, ctx):
        pending = pendings.get(other.ctx_id)
        if pending is None or pending.action is not Action.CANCEL:
            continue
        after = change(pending)
        if after == pending:
            continue
        pendings = pendings.copy()
        if after is None:
            del pendings[other.ctx_id]
        else:
            pendings[other.ctx_id] = after
    return s if pendings is s.pendings else replace(s, pendings=pendings)
