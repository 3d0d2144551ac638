"""Mutations: from an order context to bytes on a connection, and from what came back to one `AnswerReceived`.

The WebSocket API connection carries them while it is up, REST otherwise. Each mutation is sent once and
answered once: by the venue, by its refusal, or by the fact that no answer will come.
"""

import asyncio
from collections.abc import Callable
from decimal import Decimal

import msgspec

from backstay.binance.net.clock_sync import VenueTime
from backstay.binance.net.gate import Gate, retry_after_ms, retry_after_of
from backstay.binance.net.outcomes import Sent
from backstay.binance.net.rest import Rest
from backstay.binance.net.transport import HttpReply, Lost, NotWritten
from backstay.binance.net.ws_api import WsApi
from backstay.binance.wire import encode
from backstay.binance.wire.decode_rest import WsAnswer, ack, error_body
from backstay.binance.wire.errors import WireError
from backstay.binance.wire.forms import EncodeError
from backstay.binance.wire.limits import Kind
from backstay.binance.wire.rejections import ACCEPTED, NO_ANSWER, NOT_SENT, Verdict, classify
from backstay.binance.wire.sign import Signer
from backstay.core.contexts import OrderContext, Phase, Request
from backstay.core.events import AnswerReceived, Effect
from backstay.core.slots import Slot
from backstay.core.types import EXPOSING, MS, Action, PositionMode, Product, Scope, Surface, TimeNs

RECV_WINDOW_MS = 5000
PROTECTIVE_RECV_WINDOW_MS = 3000
PREPARED_MAX = 4096
"""Requests kept ready; most are never wanted."""


class Flight(msgspec.Struct, frozen=True, gc=False):
    """What has to be remembered of a mutation until its answer."""

    scope: Scope
    ctx_id: str
    action: Action
    surface: Surface
    exposing: bool


class Prepared(msgspec.Struct, frozen=True, gc=False):
    """A request that was spelt before it was wanted."""

    scope: Scope
    slot: Slot
    position_mode: PositionMode
    mutation: encode.Mutation

    def is_for(self, ctx: OrderContext, position_mode: PositionMode) -> bool:
        if self.slot is not ctx.slot and self.slot != ctx.slot:
            return False
        return self.position_mode is position_mode and self.scope == ctx.scope


class OrderDesk:
    """Places, amends and cancels. Made by `BinanceVenue`."""

    _product = Product.USDM
    _read_ack = staticmethod(ack)

    def __init__(
        self,
        *,
        rest: Rest,
        gate: Gate,
        time: VenueTime,
        signer: Signer,
        position_mode: PositionMode,
        on_answer: Callable[[AnswerReceived], None],
        on_clock_refused: Callable[[], None],
        answer_margin_s: float,
    ) -> None:
        self._rest = rest
        self._gate = gate
        self._time = time
        self._signer = signer
        self.position_mode = position_mode
        self._on_answer = on_answer
        self._on_clock_refused = on_clock_refused
        self._answer_margin_s = answer_margin_s
        self.connection: WsApi[Flight] | None = None
        """The order connection, once there is one; without it every mutation goes by REST."""
        self._prepared: dict[str, Prepared] = {}
        self._by_rest: set[asyncio.Task[None]] = set()
        self.sent_by_ws = 0
        self.sent_by_rest = 0

    def prepare(self, ctx: OrderContext) -> None:
        """Spell a request that may be wanted in a hurry; `place` uses it if it is still the same one."""
        if len(self._prepared) >= PREPARED_MAX:
            self._prepared.clear()
        try:
            mutation = encode.place(ctx, self.position_mode)
        except EncodeError:
            return  # whoever places it is told
        self._prepared[ctx.ctx_id] = Prepared(ctx.scope, ctx.slot, self.position_mode, mutation)

    def place(self, ctx: OrderContext, *, protective: bool) -> Sent:
        ready = self._prepared.pop(ctx.ctx_id, None)
        if ready is not None and ready.is_for(ctx, self.position_mode):
            mutation = ready.mutation
        else:
            mutation = encode.place(ctx, self.position_mode)
        return self._send(ctx, mutation, Action.PLACE, ctx.surface, protective=protective)

    def amend(self, ctx: OrderContext, price: Decimal, quantity: Decimal, *, protective: bool) -> Sent:
        mutation = encode.amend(ctx, price, quantity)
        return self._send(ctx, mutation, Action.AMEND, ctx.surface, protective=protective)

    def cancel(self, ctx: OrderContext, *, protective: bool) -> Sent:
        surface = _surface_of_cancel(ctx)
        mutation = encode.cancel(ctx, surface)
        return self._send(ctx, mutation, Action.CANCEL, surface, protective=protective)

    def candidate(self, request: Request, ctx: OrderContext) -> dict[str, str]:
        """What would be sent for `request`: method, path and parameters, fit for ledger and log."""
        if request.action is Action.PLACE:
            mutation = encode.place(ctx, self.position_mode)
        elif request.action is Action.CANCEL:
            mutation = encode.cancel(ctx, _surface_of_cancel(ctx))
        elif request.price is None or request.quantity is None:
            raise EncodeError(f"{ctx.ctx_id}: an amend needs a price and a quantity")
        else:
            mutation = encode.amend(ctx, request.price, request.quantity)
        endpoint = mutation.endpoint
        return {"request": f"{endpoint.method} {endpoint.path}", **dict(mutation.params)}

    async def close(self) -> None:
        """Requests that are still under way by REST are told as unknown."""
        tasks = list(self._by_rest)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    # --- out ------------------------------------------------------------------------------------------

    def _send(
        self,
        ctx: OrderContext,
        mutation: encode.Mutation,
        action: Action,
        surface: Surface,
        *,
        protective: bool,
        flight: Flight | None = None,
    ) -> Sent:
        if action is Action.CANCEL:
            kind = Kind.CANCEL
        else:
            kind = Kind.PROTECTIVE if protective else Kind.EXPOSURE
        venue_time = self._time.now_ns() // MS * MS
        endpoint = mutation.form.endpoint
        self._gate.admit(kind, endpoint.weight, venue_time, orders=endpoint.orders)
        recv_window_ms = PROTECTIVE_RECV_WINDOW_MS if protective else RECV_WINDOW_MS
        if flight is None:
            flight = Flight(ctx.scope, ctx.ctx_id, action, surface, ctx.slot.key.role in EXPOSING)
        connection = self.connection
        if connection is not None:
            try:
                connection.send(mutation, flight, venue_time=venue_time, recv_window_ms=recv_window_ms)
            except NotWritten:
                pass  # certainly nothing left: REST may carry it
            else:
                self.sent_by_ws += 1
                return Sent(venue_time, recv_window_ms)
        request = encode.rest_request(mutation, self._signer, venue_time // MS, recv_window_ms)
        self._start_rest(flight, request, recv_window_ms)
        return Sent(venue_time, recv_window_ms)

    def _start_rest(self, flight: Flight, request: encode.RestRequest, recv_window_ms: int) -> None:
        self.sent_by_rest += 1
        task = asyncio.get_running_loop().create_task(
            self._send_by_rest(flight, request, recv_window_ms / 1000 + self._answer_margin_s),
            name="order by REST",
        )
        self._by_rest.add(task)
        task.add_done_callback(self._by_rest.discard)

    async def _send_by_rest(self, flight: Flight, request: encode.RestRequest, timeout_s: float) -> None:
        try:
            reply = await self._rest.mutate(request, timeout_s)
        except NotWritten as failure:
            self._tell(flight, NOT_SENT, message=str(failure))
        except Lost as failure:
            self._tell(flight, NO_ANSWER, message=str(failure))
        except asyncio.CancelledError:
            self._tell(flight, NO_ANSWER, message="the program ended before the answer")
            raise
        else:
            if reply.status == 200:
                self._accepted(flight, reply.body)
            else:
                self._refused_reply(flight, reply)

    # --- back -----------------------------------------------------------------------------------------

    def answered(self, flight: Flight, answer: WsAnswer | None, reason: str) -> None:
        """The order connection's callback."""
        if answer is None:
            self._tell(flight, NO_ANSWER, message=reason)
        elif answer.ok:
            self._accepted(flight, answer.result)
        else:
            delay_ms = retry_after_of(answer, self._time.now_ns())
            self._refused(flight, answer.status, answer.code, answer.message, delay_ms)

    def _refused_reply(self, flight: Flight, reply: HttpReply) -> None:
        error = error_body(reply.body)
        self._refused(flight, reply.status, error.code, error.message, retry_after_ms(reply))

    def _accepted(self, flight: Flight, body: bytes) -> None:
        try:
            told = self._read_ack(body)
        except WireError as unreadable:
            # the status says that it was executed; only the exchange id is missing
            self._tell(flight, ACCEPTED, message=str(unreadable))
        else:
            self._tell(flight, ACCEPTED, order_id=told.order_id, at=told.at)

    def _refused(self, flight: Flight, status: int, code: int, message: str, delay_ms: int) -> None:
        verdict = self._classify(flight, status, code, message, delay_ms)
        self._gate.note_verdict(verdict, status=status, code=code)
        if verdict.effect is Effect.CLOCK:
            self._on_clock_refused()
        self._tell(flight, verdict, code=code, message=message, delay_ms=delay_ms)

    def _classify(self, flight: Flight, status: int, code: int, message: str, delay_ms: int) -> Verdict:
        return classify(
            surface=flight.surface,
            action=flight.action,
            role_exposing=flight.exposing,
            http_status=status,
            code=code or None,
            message=message,
            retry_after_ms=delay_ms,
            product=self._product,
        )

    def _tell(
        self,
        flight: Flight,
        verdict: Verdict,
        *,
        code: int = 0,
        message: str = "",
        order_id: int = 0,
        at: TimeNs = 0,
        delay_ms: int = 0,
    ) -> None:
        self._on_answer(
            AnswerReceived(
                scope=flight.scope,
                ctx_id=flight.ctx_id,
                action=flight.action,
                certainty=verdict.certainty,
                answer=verdict.answer,
                effect=verdict.effect,
                code=code,
                message=message,
                order_id=order_id,
                retry_after_ms=delay_ms or verdict.retry_after_ms,
                at=at,
            )
        )


def _surface_of_cancel(ctx: OrderContext) -> Surface:
    """A triggered conditional order became a regular one under the same custom id (exchange-state 4.3)."""
    if ctx.surface is Surface.ALGO and (ctx.child_order_id or ctx.phase is Phase.TRIGGERED):
        return Surface.REGULAR
    return ctx.surface
