"""The executor: approved intents become durable requests, and requests become bytes.

The order is fixed (T-1): context and pending action into the state and the ledger, made durable, premise
checked once more against the newest state, sent. A request whose context was pre-armed with the order that
made it necessary skips the wait: that write has mostly been durable for long, and is made so if it is not.
A position without its stop and without such a context pays for a sync here; the rest waits for a commit.

This is the second of two doors (the gate is the first): nothing is sent unless the mode may send, is armed,
and the lease is held.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Protocol

from msgspec.structs import replace

from backstay.core.contexts import OrderContext, Phase, Premise, Request
from backstay.core.decisions import Approved, Intent
from backstay.core.engine import Engine
from backstay.core.events import (
    AnswerClass,
    AnswerReceived,
    AnyEvent,
    Certainty,
    Effect,
    RequestDropped,
    RequestSent,
    RequestsRegistered,
)
from backstay.core.modes import FACTS, may_send
from backstay.core.outcomes import NotSent, Sent
from backstay.core.records import Noted
from backstay.core.slots import Slot
from backstay.core.state import AccountState, ScopeState
from backstay.core.types import EXPOSING, Action, Family, Role, Scope
from backstay.runtime.arming import armed_for, direction_of
from backstay.runtime.dry_run import DryRun
from backstay.runtime.order_lists import answers_fill, as_shown, ids_of, to_send, with_legs
from backstay.runtime.ports import Clock, Entropy, Journal, Lease, Venue
from backstay.runtime.premise import stale


class Host(Protocol):
    """What the executor needs of the owner."""

    engine: Engine

    @property
    def account(self) -> AccountState: ...

    def apply(self, event: AnyEvent, cause: int = 0) -> int: ...

    def note(self, body: Noted, cause: int = 0) -> None: ...

    def touch(self, key: Scope) -> None: ...

    def fail(self, error: Exception) -> None: ...


class Executor:
    """Sends approved intents for one account. Owned by the owner's task; keeps no trading state."""

    def __init__(
        self, host: Host, *, clock: Clock, entropy: Entropy, journal: Journal, venue: Venue, lease: Lease
    ) -> None:
        self._host = host
        self._clock = clock
        self._entropy = entropy
        self._journal = journal
        self._venue = venue
        self._lease = lease
        self._tasks: set[asyncio.Task[object]] = set()
        self._arming: set[str] = set()
        """Pre-armed contexts whose write may not be durable yet: a fill that comes first waits for it."""
        self._ahead: tuple[Request, Sent] | None = None
        """What left before the fill that it belongs to was folded: a stop, or the SELL of a lot."""
        self._dry_run = DryRun(venue)
        self.sent = 0
        self.stale = 0
        """Registered requests that were dropped because their premise had changed."""

    def execute(self, approved: Sequence[Approved], cause: int) -> bool:
        """Send, or set out to send, one family's intents. Returns whether the state changed."""
        run = self._host.account.run
        if run is None:
            return False
        if not FACTS[run.mode].sends:
            self._show(approved, cause)
            return False
        if not self.may_send():
            return False
        waiting: list[tuple[Approved, Request]] = []
        arming: list[Request] = []
        for item in approved:
            request = self._request(item, self._host.account.scopes[item.scope])
            if request is None:
                continue
            if request.context is not None and self._pre_armed(request) is not None:
                if request.ctx_id in self._arming and not self._durable_now():
                    return False
                self._send(item, request, cause)
            else:
                waiting.append((item, request))
                arming.extend(self._protection(item, request))
        if waiting:
            self._register(waiting, arming, cause)
        return True

    def may_send(self) -> bool:
        """The second of two doors: the mode may send and is armed, and the account is ours (R-24)."""
        run = self._host.account.run
        return run is not None and may_send(run.mode, run.armed) and self._lease.held()

    def foreseen(self, item: Approved, after: ScopeState) -> Request | None:
        """The request that a foreseen fill will need; None: its context was not pre-armed."""
        request = self._request(item, after)
        if request is not None and (ctx := request.context) and self._pre_armed(request) is not None:
            self._venue.prepare(ctx)
            return request
        return None

    def place_ahead(self, request: Request) -> None:
        """Hand the order of a foreseen fill to the socket; its record follows with the fill.

        `settle_ahead` has to be called once the fill is folded. Sends nothing where `execute` would not.
        """
        if request.context is None or request.ctx_id in self._arming or not self.may_send():
            return
        try:
            self._ahead = request, self._venue.place(request.context, protective=True)
        except NotSent:
            return  # the pass that follows the fill meets the same refusal, and records it

    def _sent_ahead(self, request: Request, cause: int) -> None:
        """`request` is what left already; an id leaves once, so if it asks for another order that waits."""
        if self._ahead is None:
            return
        ahead, sent = self._ahead
        if ahead.context is None or request.context is None or ahead.context.slot != request.context.slot:
            self.settle_ahead(cause)
            return
        self._ahead = None
        self._left(request, sent, cause)

    def settle_ahead(self, cause: int = 0) -> None:
        """What left ahead and was not asked for by the pass of its fill is on its way all the same."""
        if self._ahead is None:
            return
        (request, sent), self._ahead = self._ahead, None
        if request.context is not None:
            request = replace(request, context=replace(request.context, created_at=self._clock.now_ns()))
        self._host.note(Noted("foreseen_in_vain", {"ctx_id": request.ctx_id}, request.scope), cause)
        self._left(request, sent, cause)
        self._host.touch(request.scope)

    async def drain(self) -> None:
        """Wait for registered requests that are on their way to the wire."""
        while self._tasks:
            await asyncio.gather(*tuple(self._tasks), return_exceptions=True)

    def abandon(self) -> None:
        """Let go of everything that has not left yet."""
        for task in self._tasks:
            task.cancel()

    def _show(self, approved: Sequence[Approved], cause: int) -> None:
        for item in approved:
            s = self._host.account.scopes[item.scope]
            request = self._request(item, s) if self._dry_run.is_news(item) else None
            if request is not None:
                ctx = request.context if request.context is not None else s.contexts[request.ctx_id]
                ctx = as_shown(request, ctx, self._entropy, self._prefix())
                self._host.note(self._dry_run.candidate(request, ctx), cause)

    # --- requests -------------------------------------------------------------------------------

    def _request(self, item: Approved, s: ScopeState) -> Request | None:
        intent, scope = item.intent, item.scope
        if intent.action is Action.PLACE:
            if intent.slot is None:
                return None
            ctx = self._context(s, intent, intent.slot)
            return Request(
                ctx_id=ctx.ctx_id,
                action=Action.PLACE,
                scope=scope,
                key=intent.key,
                context=ctx,
                reason=intent.reason,
            )
        return Request(
            ctx_id=intent.target,
            action=intent.action,
            scope=scope,
            key=intent.key,
            price=intent.slot.price if intent.slot is not None else None,
            quantity=intent.new_total,
            reason=intent.reason,
        )

    def _context(self, s: ScopeState, intent: Intent, slot: Slot) -> OrderContext:
        run = self._host.account.run
        if run is None:
            raise RuntimeError("an intent was approved before a run started")
        armed = armed_for(s, slot)
        flat = not s.position.quantity
        return OrderContext(
            ctx_id=armed.ctx_id if armed is not None else self._entropy.order_id(run.id_prefix),
            scope=s.scope,
            direction=direction_of(s, slot),
            slot=slot,
            epoch=s.epoch + 1 if flat else s.epoch,
            generation=intent.generation,
            premise=intent.premise,
            created_at=self._clock.now_ns(),
            writer=run.writer,
            parent=armed.parent if armed is not None else "",
        )

    def _pre_armed(self, request: Request) -> OrderContext | None:
        known = self._host.account.scopes[request.scope].contexts.get(request.ctx_id)
        return known if known is not None and known.phase is Phase.PRE_ARMED else None

    def _protection(self, item: Approved, request: Request) -> list[Request]:
        """Contexts of the protection that an exposure order's fill will need: same durable write."""
        parent = request.context
        if parent is None:
            return []
        requests = []
        for slot in item.intent.protects:
            ctx = replace(
                parent,
                ctx_id=self._entropy.order_id(self._prefix()),
                direction=parent.direction,
                slot=slot,
                premise=Premise(parent.epoch, parent.premise.position),
                phase=Phase.PRE_ARMED,
                parent=parent.ctx_id,
            )
            requests.append(
                Request(ctx_id=ctx.ctx_id, action=Action.PLACE, scope=item.scope, key=slot.key, context=ctx)
            )
        return requests

    def _prefix(self) -> str:
        run = self._host.account.run
        return run.id_prefix if run is not None else ""

    # --- the durable write and what follows ---------------------------------------------------------

    def _register(self, waiting: list[tuple[Approved, Request]], arming: list[Request], cause: int) -> None:
        requests: list[Request] = []
        for place, (item, request) in enumerate(waiting):
            listed = with_legs(request, self._entropy, self._prefix())
            waiting[place] = item, listed[0]
            requests.extend(listed)
        if arming:
            self._arm(tuple(arming), cause)
            for request in arming:
                if request.context is not None:
                    self._venue.prepare(request.context)
        seq = self._host.apply(RequestsRegistered(requests=tuple(requests)), cause)
        urgent = any(
            item.family is Family.PROTECT and (request.key.role is Role.SL or answers_fill(request))
            for item, request in waiting
        )
        if urgent and self._host.account.scopes[waiting[0][0].scope].naked_since:
            # A position stands without its stop: one sync here is shorter than a trip to the writer.
            if not self._durable_now():
                return
            for item, request in waiting:
                self._send_checked(item, request, seq)
            return
        self._do(self._send_when_durable(waiting, seq))

    def stand_by(self, groups: Sequence[tuple[Request, ...]]) -> None:
        """Write contexts for what may be needed, scope by scope; one sync makes them all durable."""
        for requests in groups:
            self._arm(requests, 0)
        if groups:
            self._do(self._durable_in_turn())

    def _arm(self, requests: tuple[Request, ...], cause: int) -> None:
        self._host.apply(RequestsRegistered(requests=requests, pre_armed=True), cause)
        self._arming.update(request.ctx_id for request in requests)

    def _do(self, work: Coroutine[None, None, object]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _durable_now(self) -> bool:
        """Sync in this thread. False: the ledger is gone, nothing may be sent any more."""
        try:
            self._journal.durable_now()
        except Exception as error:  # noqa: BLE001 - whatever it was, nothing is kept any more
            self._host.fail(error)
            return False
        self._arming.clear()
        return True

    async def _durable_in_turn(self) -> bool:
        """Wait for a group commit. False: the ledger is gone, nothing may be sent any more."""
        arming = tuple(self._arming)
        try:
            await self._journal.durable()
        except Exception as error:  # noqa: BLE001 - whatever it was, nothing is kept any more
            self._host.fail(error)
            return False
        self._arming.difference_update(arming)
        return True

    async def _send_when_durable(self, waiting: list[tuple[Approved, Request]], cause: int) -> None:
        if not await self._durable_in_turn():
            return
        for item, request in waiting:
            self._send_checked(item, request, cause)
        self._host.touch(waiting[0][0].scope)

    def _send_checked(self, item: Approved, request: Request, cause: int) -> None:
        account, limits, now = self._host.account, self._host.engine.limits, self._clock.now_ns()
        why = stale(account, item, request, limits, now) if self.may_send() else "not armed"
        if why:
            self.stale += 1
            for name in ids_of(account.scopes[item.scope], request):
                dropped = RequestDropped(scope=item.scope, ctx_id=name, action=request.action, reason=why)
                self._host.apply(dropped, cause)
            self._host.touch(item.scope)
            return
        self._send(item, request, cause)

    def _send(self, item: Approved, request: Request, cause: int) -> None:
        if self._ahead is not None and self._ahead[0].ctx_id == request.ctx_id:
            self._sent_ahead(request, cause)
            return
        protective = request.key.role not in EXPOSING or request.action is Action.CANCEL
        s = self._host.account.scopes[item.scope]
        ctx = request.context if request.context is not None else s.contexts[request.ctx_id]
        try:
            if request.action is Action.PLACE:
                sent = self._venue.place(to_send(s, ctx), protective=protective)
            elif request.action is Action.CANCEL:
                sent = self._venue.cancel(ctx, protective=protective)
            else:
                if request.price is None or request.quantity is None:
                    raise NotSent("an amend needs a price and a quantity")
                sent = self._venue.amend(ctx, request.price, request.quantity, protective=protective)
        except NotSent as error:
            self._not_sent(item, request, error, cause)
            return
        self._left(request, sent, cause)

    def _left(self, request: Request, sent: Sent, cause: int) -> None:
        """The bytes are with the transport: say so. A pre-armed context gets its actual request with it."""
        self.sent += 1
        for name in ids_of(self._host.account.scopes[request.scope], request):
            self._host.apply(
                RequestSent(
                    scope=request.scope,
                    ctx_id=name,
                    action=request.action,
                    recv_window_ms=sent.recv_window_ms,
                    venue_time=sent.venue_time,
                    request=request if self._pre_armed(request) is not None else None,
                ),
                cause,
            )

    def _not_sent(self, item: Approved, request: Request, why: NotSent, cause: int) -> None:
        """No byte left: certain, so the slot may try again with a new id, when its turn comes or soon."""
        names = ids_of(self._host.account.scopes[item.scope], request)
        if self._pre_armed(request) is not None:
            # The pre-armed context is untouched; register the attempt so that the refusal has a home.
            attempt = RequestSent(
                scope=item.scope,
                ctx_id=request.ctx_id,
                action=request.action,
                recv_window_ms=0,
                request=request,
            )
            self._host.apply(attempt, cause)
        elif request.action is Action.PLACE:
            for name in names:
                sent = RequestSent(scope=item.scope, ctx_id=name, action=request.action, recv_window_ms=0)
                self._host.apply(sent, cause)
        for name in names:
            self._host.apply(
                AnswerReceived(
                    scope=item.scope,
                    ctx_id=name,
                    action=request.action,
                    certainty=Certainty.NOT_EXECUTED,
                    answer=AnswerClass.RETRY,
                    effect=Effect.RATE_LIMITED if why.retry_after_ms else Effect.NOT_SENT,
                    retry_after_ms=why.retry_after_ms,
                    message=str(why),
                ),
                cause,
            )
