"""A scene: account state, planner and the tiny venue on one clock, one step at a time and all in one thread.

A test asks for a pass (`step`), decides what the venue does with each request (`confirm`, `accept`, `refuse`,
`lose`), lets something happen there (`scene.venue`), and looks at the state. No runtime, ledger or sockets:
what is tested is the rules.
"""

from collections.abc import Callable, Iterable
from typing import Any

from backstay.core.account import fold
from backstay.core.contexts import OrderContext, Request
from backstay.core.decisions import Act, Decision, Intent, Plan
from backstay.core.engine import Engine, Manager, decide
from backstay.core.events import (
    AnswerClass,
    AnyEvent,
    Effect,
    RecoveryEnded,
    RecoveryStarted,
    RequestsRegistered,
    TimePassed,
)
from backstay.core.recovery import in_doubt
from backstay.core.risk import NO_LIMITS, RiskLimits
from backstay.core.slots import Slot
from backstay.core.state import AccountState, ScopeState
from backstay.core.types import (
    MS,
    ZERO,
    Action,
    Direction,
    PositionMode,
    PositionSide,
    Scope,
    Subject,
    Surface,
    TimeNs,
)
from backstay.core.view import PositionView
from backstay.core.wanted import AnyStrategy, Wanted
from backstay.testing import evidence
from backstay.testing.builders import OPENED_AT
from backstay.testing.venue_model import Ask, Refusal, VenueModel

PASSES_MAX = 30


class Scripted:
    """A strategy whose policy is its answer: a `Wanted`, or a function from the view to one."""

    name = "scripted"

    def wanted(self, view: PositionView, policy: Any, now: TimeNs) -> Wanted:
        answer = policy(view) if callable(policy) else policy
        if not isinstance(answer, Wanted):
            raise TypeError(f"a scripted policy is a Wanted or returns one, not {answer!r}")
        return answer


class Scene:
    """One account with one symbol. `now` is local and venue time at once."""

    def __init__(
        self,
        policy: Wanted | Callable[[PositionView], Wanted] | Any,
        *,
        strategy: AnyStrategy | None = None,
        mode: PositionMode = PositionMode.ONE_WAY,
        limits: RiskLimits = NO_LIMITS,
    ) -> None:
        side = PositionSide.BOTH if mode is PositionMode.ONE_WAY else PositionSide.LONG
        self.key: Scope = evidence.scope(side)
        self.engine = Engine((Manager(strategy or Scripted(), policy),), limits)
        self.venue = VenueModel(mode)
        self.account: AccountState = evidence.hydrated(position_mode=mode)
        self.requests: list[Request] = []
        """Every request ever sent, in order."""
        self.waiting: list[Request] = []
        """Requests that the venue has not dealt with yet."""
        self._ids = 0

    @property
    def now(self) -> TimeNs:
        return self.venue.now

    @property
    def state(self) -> ScopeState:
        return self.account.scopes[self.key]

    def want(self, policy: Any) -> None:
        """From now on the strategy answers this."""
        manager = self.engine.managers[0]
        self.engine = Engine((Manager(manager.strategy, policy),), self.engine.limits)

    # --- evidence and time ----------------------------------------------------------------------

    def fold(self, *events: AnyEvent) -> None:
        for event in events:
            self.account = fold(self.account, event, self.now)

    def see(self, events: Iterable[AnyEvent]) -> None:
        """Fold what the venue reported, and let the burst go quiet."""
        self.fold(*events)
        self.tick(300)

    def tick(self, milliseconds: int) -> None:
        """Let time pass, timers included."""
        self.venue.tick(milliseconds)
        if self.key in self.account.scopes:
            self.fold(TimePassed(scope=self.key))

    # --- passes ---------------------------------------------------------------------------------

    def plan(self, key: Scope | None = None) -> Plan:
        return decide(self.account, key or self.key, self.engine, self.now)

    def step(self) -> Decision:
        """One pass; approved intents are registered and sent, the venue has yet to see them."""
        plan = self.plan()
        if isinstance(plan.decision, Act):
            asked = [self._request(x.intent) for x in plan.approved]
            self.send(*asked)
        return plan.decision

    def send(self, *asked: Request) -> None:
        """Register and send requests as the executor does."""
        if not asked:
            return
        self.fold(RequestsRegistered(requests=asked))
        for request in asked:
            at = (self.now - OPENED_AT) / MS
            self.fold(evidence.sent(request, at=at))
            self.requests.append(request)
            self.waiting.append(request)

    def rest(self) -> Decision:
        """Pass after pass, everything confirmed at once, until there is nothing to do."""
        for _ in range(PASSES_MAX):
            decision = self.step()
            if not isinstance(decision, Act):
                return decision
            self.confirm()
        raise AssertionError(f"no rest after {PASSES_MAX} passes; last: {decision}")

    def _request(self, intent: Intent) -> Request:
        s = self.state
        if intent.action is not Action.PLACE or intent.slot is None:
            return Request(
                ctx_id=intent.target,
                action=intent.action,
                scope=self.key,
                key=intent.key,
                price=intent.slot.price if intent.slot is not None else None,
                quantity=intent.new_total,
                reason=intent.reason,
            )
        self._ids += 1
        flat = not s.position.quantity
        ctx = OrderContext(
            ctx_id=f"bks{self._ids:05}",
            scope=self.key,
            direction=s.direction or _opens(intent.slot),
            slot=intent.slot,
            epoch=s.epoch + 1 if flat else s.epoch,
            generation=intent.generation,
            premise=intent.premise,
            created_at=self.now,
            writer=1,
        )
        return Request(ctx_id=ctx.ctx_id, action=Action.PLACE, scope=self.key, key=intent.key, context=ctx)

    # --- what the venue does with requests ------------------------------------------------------

    def confirm(self, *only: Request) -> None:
        """The venue accepts: answer, then private evidence; what it refuses is answered with its code."""
        for request in self._take(only):
            try:
                events = self._do(request)
            except Refusal as refusal:
                self._refused(request, refusal)
                continue
            self.accept(request)
            self.fold(*events)
        self.tick(300)

    def accept(self, request: Request) -> None:
        """The success answer alone."""
        self._forget(request)
        self.fold(evidence.accepted(request, self.venue_id(request.ctx_id)))

    def report(self, request: Request) -> None:
        """The private evidence alone, before any answer."""
        self.fold(*self._do(request))

    def refuse(self, request: Request, effect: Effect, **fields: Any) -> None:
        """A deterministic refusal."""
        self._forget(request)
        self.fold(evidence.refused(request, effect, **fields))

    def lose(self, request: Request) -> None:
        """The outcome is unknown; whether the venue did it is the test's choice (`report` or not)."""
        self._forget(request)
        self.fold(evidence.unanswered(request))

    def venue_id(self, ctx_id: str) -> int:
        if ctx_id in self.venue.algos:
            return self.venue.algos[ctx_id].algo_id
        return self.venue.orders[ctx_id].order_id if ctx_id in self.venue.orders else 0

    def _refused(self, request: Request, refusal: Refusal) -> None:
        effects = {
            -2011: (Effect.GONE, AnswerClass.STALE),
            -5027: (Effect.SAME_ORDER, AnswerClass.NOOP),
            -4130: (Effect.CLOSE_POSITION_EXISTS, AnswerClass.REJECT),
            -4116: (Effect.DUPLICATE_ID, AnswerClass.REJECT),
        }
        effect, answer = effects[refusal.code]
        self.refuse(request, effect, answer=answer, code=refusal.code)

    def _do(self, request: Request) -> list[AnyEvent]:
        if request.action is Action.CANCEL:
            return self.venue.cancel(request.ctx_id)
        if request.action is Action.AMEND:
            if request.price is None or request.quantity is None:
                raise ValueError("an amend needs a price and a quantity")
            return self.venue.amend(request.ctx_id, request.price, request.quantity)
        if request.context is None:
            raise ValueError("a place needs a context")
        return self.venue.place(ask(request.context))

    def _take(self, only: tuple[Request, ...]) -> list[Request]:
        return list(only or self.waiting)

    def _forget(self, request: Request) -> None:
        self.waiting = [r for r in self.waiting if r is not request]

    # --- recovery -------------------------------------------------------------------------------

    def recover(self, *, failure: str = "") -> None:
        """One recovery of the scope: reads, queries of what is in doubt, and its end."""
        self.fold(RecoveryStarted(scopes=(self.key,)))
        if not failure:
            self.fold(*self.venue.reads())
            for ctx in in_doubt(self.state):
                self.fold(self.query(ctx))
        subjects = (Subject.POSITIONS, Subject.REGULAR_ORDERS, Subject.ALGO_ORDERS)
        self.fold(RecoveryEnded(subjects=subjects, scopes=(self.key,), failure=failure))
        self.tick(300)

    def query(self, ctx: OrderContext) -> AnyEvent:
        """What the venue answers to a query by custom id."""
        at = (self.now - OPENED_AT) / MS
        rows = self.venue.algos if ctx.surface is Surface.ALGO else self.venue.orders
        row = rows.get(ctx.ctx_id)
        if row is None:
            return evidence.not_found(ctx.ctx_id, at=at, surface=ctx.surface)
        return evidence.found(row, at=at)


def ask(ctx: OrderContext) -> Ask:
    """The venue's words for a context's order."""
    slot = ctx.slot
    return Ask(
        client_id=ctx.ctx_id,
        side=slot.side,
        kind=slot.kind,
        position_side=ctx.scope.position_side,
        quantity=slot.quantity or ZERO,
        price=slot.price or ZERO,
        trigger=slot.trigger or ZERO,
        reduce_only=slot.reduce_only,
        close_position=slot.close_position,
        working_type=slot.working_type,
    )


def _opens(slot: Slot) -> Direction:
    return Direction.LONG if slot.side is Direction.LONG.opening else Direction.SHORT
