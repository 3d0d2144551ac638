"""The first way: fold and decide alone. What owner, executor and gateway do besides is done here by hand."""

import asyncio
from decimal import Decimal

import msgspec

from backstay.binance.wire import decode_rest, encode
from backstay.binance.wire.decode_usdm import decode_private
from backstay.binance.wire.rejections import ACCEPTED, NO_ANSWER, Verdict, classify
from backstay.core.account import fold
from backstay.core.confirmations import next_deadline
from backstay.core.contexts import OrderContext, Request
from backstay.core.decisions import Act, Approved, Recover, Wait
from backstay.core.engine import Engine, decide
from backstay.core.events import (
    AnswerReceived,
    AnyEvent,
    InstrumentsSnapshot,
    OperatorAction,
    OperatorCommand,
    OrderQueried,
    PriceReached,
    RecoveryEnded,
    RecoveryStarted,
    RequestSent,
    RequestsRegistered,
    RunStarted,
    StreamChanged,
    StreamState,
    TimePassed,
)
from backstay.core.recovery import in_doubt, is_wide
from backstay.core.scope import burst_end
from backstay.core.slots import Watch
from backstay.core.state import AccountState
from backstay.core.types import EXPOSING, MS, Action, Direction, Mode, PositionMode, Scope, Surface, Trust
from backstay.runtime.hydration import ONE_SYMBOL, UNKNOWN_GRACE_S, WHOLE_ACCOUNT
from backstay.runtime.virtual_time import LoopClock

from tests.conformance.desk import Desk
from tests.conformance.rows import SYMBOL

ANSWER_MARGIN_MS = 1000
PASSES_MAX = 40
STRIKES_MAX = 2


class ByCore:
    """One account, folded and decided for at the loop's time."""

    name = "core"

    def __init__(self, desk: Desk, engine: Engine, clock: LoopClock) -> None:
        self._desk, self._engine, self._clock = desk, engine, clock
        self._mode = PositionMode.HEDGE if desk.case.given.hedge else PositionMode.ONE_WAY
        self.account = AccountState()
        self._ids = self._runs = 0
        self._unanswered: dict[tuple[str, Action], tuple[int, AnswerReceived]] = {}
        """(id, action) -> when its outcome counts as unknown, and what is folded then."""
        self._recover_at: dict[Scope | None, int] = {}
        self._watches: dict[Scope, tuple[Watch, ...]] = {}
        self._looked: set[str] = set()
        self.distrusted = False

    # --- what a fixture does --------------------------------------------------------------------

    async def start(self) -> None:
        self._runs += 1
        self._take(
            RunStarted(
                account="conformance",
                mode=Mode.PAPER,
                environment="paper",
                position_mode=self._mode,
                id_prefix="bs-",
                writer=self._runs,
                armed=True,
                managers="[]",
                limits="{}",
                version="0",
            )
        )
        self._take(StreamChanged(state=StreamState.CONNECTED))
        self._recover(None)
        self._work()

    async def restart(self) -> None:
        self._unanswered.clear()
        self._recover_at.clear()
        await asyncio.sleep(1)
        await self.start()

    def push(self, frame: bytes) -> None:
        event = decode_private(frame, "bs-")
        self._take(event)
        if isinstance(event, StreamChanged):
            self._connected()
        self._work()

    def mark(self, price: str) -> None:
        """A price is evidence where a strategy asked for it, and nowhere else."""
        watches = [w for held in self._watches.values() for w in held]
        if any(w.crossed(Decimal(price)) for w in watches):
            self._take(PriceReached(symbol=SYMBOL, price=Decimal(price), at=self._now()))
        self._work()

    def stream(self, state: str) -> None:
        if state == "lost":
            self._take(StreamChanged(state=StreamState.DISCONNECTED))
        else:
            self._connected()
        self._work()

    def lease(self, state: str) -> None:
        raise AssertionError(f"the lease is {state}: that belongs to the process, the core knows none")

    def operator(self, action: OperatorAction) -> None:
        self._take(OperatorCommand(action=action, who="operator"))
        self._work()

    async def wait(self, ms: int) -> None:
        end = self._now() + ms * MS
        while (due := self._work()) is not None and due < end:
            await asyncio.sleep(max(due - self._now(), MS) / 1e9)
        await asyncio.sleep((end - self._now()) / 1e9)
        self._work()

    async def stop(self) -> None:
        pass

    # --- fold and decide ------------------------------------------------------------------------

    def _now(self) -> int:
        return self._clock.now_ns()

    def _take(self, event: AnyEvent) -> None:
        self.account = fold(self.account, event, self._now())
        if any(s.trust is not Trust.TRUSTED for s in self.account.scopes.values()):
            self.distrusted = True

    def _connected(self) -> None:
        self._take(StreamChanged(state=StreamState.CONNECTED))
        self._recover_at = {None: self._now()}

    def _work(self) -> int | None:
        """Do what is due; returns when something will be due again."""
        for key, (deadline, unknown) in list(self._unanswered.items()):
            if deadline <= self._now():
                del self._unanswered[key]
                self._take(unknown)
        for target, at in list(self._recover_at.items()):
            if at <= self._now():
                del self._recover_at[target]
                self._recover(target)
        due = [deadline for deadline, _ in self._unanswered.values()]
        for scope in list(self.account.scopes):
            due.extend(self._passes(scope))
        due.extend(self._recover_at.values())
        return min((t for t in due if t > self._now()), default=None)

    def _passes(self, scope: Scope) -> list[int]:
        for _ in range(PASSES_MAX):
            self._take(TimePassed(scope=scope))
            self._listen_anew()
            plan = decide(self.account, scope, self._engine, self._now())
            if isinstance(plan.decision, Wait) and self._look(scope, plan.decision.look):
                continue
            if not isinstance(plan.decision, Act) or not plan.approved:
                break
            self._send(plan.approved)
        else:
            raise AssertionError(f"I-23: {PASSES_MAX} passes without rest; {plan.decision}")
        s = self.account.scopes[scope]
        self._watches[scope] = plan.watches if s.position.quantity else ()
        due = [t for t in (next_deadline(s), plan.wake_at, burst_end(s)) if t is not None]
        if isinstance(plan.decision, Wait) and plan.decision.until is not None:
            due.append(plan.decision.until)
        if isinstance(plan.decision, Recover):
            self._wish(scope, plan.decision)
        return due

    def _look(self, scope: Scope, names: tuple[str, ...]) -> bool:
        """Ask once for each stop that nothing has reported; returns whether anything was asked."""
        fresh = [name for name in names if name not in self._looked]
        for name in fresh:
            self._looked.add(name)
            self._desk.reads_made += 1
            self._take(self._query(self.account.scopes[scope].contexts[name], Surface.ALGO))
        return bool(fresh)

    def _wish(self, scope: Scope, decision: Recover) -> None:
        wide = is_wide(decision.reasons)
        if (wide and not self.account.connected) or None in self._recover_at:
            return
        s = self.account.scopes[scope]
        grace = 0 if s.attempts or s.naked_since else round(UNKNOWN_GRACE_S * 1000) * MS
        doubts = bool(in_doubt(s))
        at = max((decision.until or 0) + MS, self._now() + (grace if doubts else 0))
        self._recover_at.setdefault(None if wide else scope, at)

    # --- requests -------------------------------------------------------------------------------

    def _send(self, approved: tuple[Approved, ...]) -> None:
        requests = tuple(self._request(item) for item in approved)
        self._take(RequestsRegistered(requests=requests))
        for request in requests:
            window_ms = 5000 if _exposes(request) else 3000
            sent = RequestSent(
                scope=request.scope,
                ctx_id=request.ctx_id,
                action=request.action,
                recv_window_ms=window_ms,
                venue_time=self._now() // MS * MS,
            )
            self._take(sent)
            self._ask(request, window_ms)

    def _ask(self, request: Request, window_ms: int) -> None:
        ctx = self.account.scopes[request.scope].contexts[request.ctx_id]
        surface = ctx.surface
        if request.action is Action.PLACE:
            mutation = encode.place(ctx, self._mode)
        elif request.action is Action.CANCEL:
            surface = Surface.REGULAR if ctx.child_order_id else ctx.surface
            mutation = encode.cancel(ctx, surface)
        else:
            assert request.price is not None
            assert request.quantity is not None
            mutation = encode.amend(ctx, request.price, request.quantity)

        def answered(body: bytes) -> None:
            self._unanswered.pop((request.ctx_id, request.action), None)
            self._take(self._answer(request, ctx, surface, body))
            self._work()

        nothing = _told(request, NO_ANSWER)
        deadline = self._now() + (window_ms + ANSWER_MARGIN_MS) * MS
        self._unanswered[request.ctx_id, request.action] = (deadline, nothing)
        self._desk.ask(request.action, slot_name(ctx), dict(mutation.params), answered)

    def _answer(self, request: Request, ctx: OrderContext, surface: Surface, body: bytes) -> AnyEvent:
        answer = decode_rest.ws_answer(body)
        if answer.ok:
            return _told(request, ACCEPTED, order_id=decode_rest.ack(answer.result).order_id)
        delay_ms = max(answer.retry_at_ms - self._desk.now_ms, 0) if answer.retry_at_ms else 0
        verdict = classify(
            surface=surface,
            action=request.action,
            role_exposing=ctx.role in EXPOSING,
            http_status=answer.status,
            code=answer.code or None,
            message=answer.message,
            retry_after_ms=delay_ms,
        )
        return _told(request, verdict, code=answer.code, message=answer.message)

    def _request(self, item: Approved) -> Request:
        intent = item.intent
        s = self.account.scopes[item.scope]
        price = intent.slot.price if intent.slot is not None else None
        request = Request(
            ctx_id=intent.target,
            action=intent.action,
            scope=item.scope,
            key=intent.key,
            price=price,
            quantity=intent.new_total,
            reason=intent.reason,
        )
        if intent.action is not Action.PLACE or intent.slot is None:
            return request
        self._ids += 1
        opening = Direction.LONG if intent.slot.side is Direction.LONG.opening else Direction.SHORT
        ctx = OrderContext(
            ctx_id=f"bs-{self._ids:026}",
            scope=item.scope,
            direction=s.position.direction or opening,
            slot=intent.slot,
            epoch=s.epoch if s.position.quantity else s.epoch + 1,
            generation=intent.generation,
            premise=intent.premise,
            created_at=self._now(),
            writer=self._runs,
        )
        return msgspec.structs.replace(request, ctx_id=ctx.ctx_id, context=ctx)

    # --- recovery -------------------------------------------------------------------------------

    def _recover(self, target: Scope | None) -> None:
        """The reads of one recovery, all at one instant, and what they mean."""
        if target is not None and self.account.scopes[target].trust is not Trust.RECOVERY_REQUIRED:
            return
        scopes = () if target is None else (target,)
        self._take(RecoveryStarted(scopes=scopes))
        self._desk.reads_made += 1
        failure = "" if self._desk.reads.status == 200 else f"HTTP {self._desk.reads.status}"
        if not failure:
            for event in self._reads(whole=target is None):
                self._take(event)
            for key in scopes or tuple(self.account.scopes):
                for ctx in in_doubt(self.account.scopes[key]):
                    for surface in {ctx.surface, Surface.REGULAR if ctx.child_order_id else ctx.surface}:
                        self._take(self._query(ctx, surface))
        subjects = WHOLE_ACCOUNT if target is None else ONE_SYMBOL
        self._take(RecoveryEnded(subjects=subjects, scopes=scopes, failure=failure))
        self._listen_anew()

    def _listen_anew(self) -> None:
        """Two strikes: the stream is deaf and is replaced (4.1.2)."""
        if self.account.deaf_strikes >= STRIKES_MAX:
            self._take(StreamChanged(state=StreamState.DEAF))
            self._connected()

    def _reads(self, *, whole: bool) -> list[AnyEvent]:
        now = self._now()
        at = {"requested_at": now, "received_at": now, "symbols": () if whole else (SYMBOL,)}
        moment = {"requested_at": now, "received_at": now}
        read = decode_rest
        events: list[AnyEvent] = []
        if whole:
            config = read.account_config(self._get("accountConfig"))
            leverages = read.symbol_config(self._get("symbolConfig"))
            info = read.exchange_info(self._get("exchangeInfo"))
            events.append(read.account_mode(config, leverages, None, received_at=now))
            events.append(InstrumentsSnapshot(instruments=info.instruments, received_at=now))
            events.append(read.balances(self._get("balance"), **moment))
        else:
            events.append(read.fills(self._get("userTrades"), symbol=SYMBOL, **moment))
        events.append(read.positions(self._get("positionRisk"), **at))
        events.append(read.open_orders(self._get("openOrders"), **at))
        events.append(read.open_algos(self._get("openAlgoOrders"), **at))
        return events

    def _get(self, what: str) -> bytes:
        return self._desk.read(what, {})[1]

    def _query(self, ctx: OrderContext, surface: Surface) -> AnyEvent:
        now = self._now()
        what = "order" if surface is Surface.REGULAR else "algoOrder"
        status, body = self._desk.read(what, {"origClientOrderId": ctx.ctx_id})
        found = status == 200
        return OrderQueried(
            symbol=SYMBOL,
            ctx_id=ctx.ctx_id,
            surface=surface,
            requested_at=now,
            received_at=now,
            order=decode_rest.order(body) if found and surface is Surface.REGULAR else None,
            algo=decode_rest.algo(body) if found and surface is Surface.ALGO else None,
        )


def slot_name(ctx: OrderContext) -> str:
    """The slot as fixtures name it; in hedge mode with its side before."""
    side = ctx.scope.position_side
    return str(ctx.key) if side == "BOTH" else f"{side} {ctx.key}"


def _exposes(request: Request) -> bool:
    return request.key.role in EXPOSING and request.action is not Action.CANCEL


def _told(
    request: Request, verdict: Verdict, *, code: int = 0, message: str = "", order_id: int = 0
) -> AnswerReceived:
    return AnswerReceived(
        scope=request.scope,
        ctx_id=request.ctx_id,
        action=request.action,
        certainty=verdict.certainty,
        answer=verdict.answer,
        effect=verdict.effect,
        code=code,
        message=message,
        order_id=order_id,
        retry_after_ms=verdict.retry_after_ms,
    )
