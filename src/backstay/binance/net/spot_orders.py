"""Spot mutations: what `OrderDesk` does, in spot's words, and the requests that carry several orders.

An order list is one request for several contexts, a cancel-replace one for two: each context gets an
`AnswerReceived` of its own, because each order lives or dies on its own.
"""

from decimal import Decimal

import msgspec

from backstay.binance.net.gate import retry_after_ms, retry_after_of
from backstay.binance.net.orders import PREPARED_MAX, Flight, OrderDesk, Prepared
from backstay.binance.net.outcomes import Sent
from backstay.binance.net.transport import HttpReply
from backstay.binance.wire import encode_spot, lists_spot
from backstay.binance.wire.answers_spot import (
    Half,
    SpotWsAnswer,
    read_ack,
    read_halves,
    read_list_ack,
    read_refused_halves,
)
from backstay.binance.wire.decode_rest import WsAnswer, error_body
from backstay.binance.wire.encode import Mutation
from backstay.binance.wire.encode_spot import SpotMutation
from backstay.binance.wire.errors import WireError
from backstay.binance.wire.forms import EncodeError
from backstay.binance.wire.rejections import ACCEPTED, NO_ANSWER, Verdict
from backstay.core.contexts import OrderContext, Request
from backstay.core.events import AnswerClass, Certainty, Effect
from backstay.core.next_sale import of_lot
from backstay.core.types import EXPOSING, Action, PositionMode, Product, Surface, TimeNs

NOT_ATTEMPTED = Verdict(Certainty.NOT_EXECUTED, AnswerClass.RETRY, name="not_attempted")
"""The new order of a cancel-replace whose cancel failed."""


class ManyFlight(Flight, frozen=True, gc=False):
    """A request for several orders. `others` are those besides the one that the flight is named after."""

    others: tuple[Flight, ...] = ()
    replaces: bool = False
    """A cancel-replace; otherwise an order list."""


class SpotDesk(OrderDesk):
    """Places, amends, cancels and replaces on spot. Made by `SpotVenue`."""

    _product = Product.SPOT
    _read_ack = staticmethod(read_ack)

    def prepare(self, ctx: OrderContext) -> None:
        if len(self._prepared) >= PREPARED_MAX:
            self._prepared.clear()
        if ctx.legs:
            return
        try:
            mutation = encode_spot.place(ctx)
        except EncodeError:
            return  # whoever places it is told
        self._prepared[ctx.ctx_id] = Prepared(ctx.scope, ctx.slot, PositionMode.ONE_WAY, mutation)

    def place(self, ctx: OrderContext, *, protective: bool) -> Sent:
        if ctx.legs:
            return self._place_list(ctx, protective=protective)
        ready = self._prepared.pop(ctx.ctx_id, None)
        mutation = _spelt(ready, ctx) if ready is not None else None
        if mutation is None:
            mutation = encode_spot.place(ctx)
        return self._send(ctx, mutation, Action.PLACE, Surface.REGULAR, protective=protective)

    def amend(self, ctx: OrderContext, price: Decimal, quantity: Decimal, *, protective: bool) -> Sent:
        mutation = encode_spot.amend(ctx, price, quantity)
        return self._send(ctx, mutation, Action.AMEND, Surface.REGULAR, protective=protective)

    def cancel(self, ctx: OrderContext, *, protective: bool) -> Sent:
        mutation = encode_spot.cancel(ctx)
        return self._send(ctx, mutation, Action.CANCEL, Surface.REGULAR, protective=protective)

    def replace(self, old: OrderContext, new: OrderContext, *, protective: bool) -> Sent:
        """Cancel `old` and place `new` in one request; both are answered."""
        flight = ManyFlight(
            old.scope,
            old.ctx_id,
            Action.CANCEL,
            Surface.REGULAR,
            _exposes(old),
            (_flight(new, Action.PLACE),),
            replaces=True,
        )
        mutation = encode_spot.replace(old, new)
        return self._send(new, mutation, Action.PLACE, Surface.REGULAR, protective=protective, flight=flight)

    def candidate(self, request: Request, ctx: OrderContext) -> dict[str, str]:
        if request.action is Action.PLACE:
            mutation = list_request(ctx) if ctx.legs else encode_spot.place(ctx)
        elif request.action is Action.CANCEL:
            mutation = encode_spot.cancel(ctx)
        elif request.price is None or request.quantity is None:
            raise EncodeError(f"{ctx.ctx_id}: an amend needs a price and a quantity")
        else:
            mutation = encode_spot.amend(ctx, request.price, request.quantity)
        endpoint = mutation.endpoint
        return {"request": f"{endpoint.method} {endpoint.path}", **dict(mutation.params)}

    def _place_list(self, ctx: OrderContext, *, protective: bool) -> Sent:
        flight = ManyFlight(
            ctx.scope,
            ctx.ctx_id,
            Action.PLACE,
            Surface.REGULAR,
            _exposes(ctx),
            tuple(_flight(leg, Action.PLACE) for leg in ctx.legs),
        )
        return self._send(
            ctx, list_request(ctx), Action.PLACE, Surface.REGULAR, protective=protective, flight=flight
        )

    # --- back -----------------------------------------------------------------------------------------

    def answered(self, flight: Flight, answer: WsAnswer | None, reason: str) -> None:
        halves = None
        if isinstance(flight, ManyFlight) and isinstance(answer, SpotWsAnswer) and not answer.ok:
            halves = self._halves(answer.data) if flight.replaces and answer.data else None
        if halves is None or not isinstance(flight, ManyFlight) or answer is None:
            super().answered(flight, answer, reason)
            return
        delay_ms = retry_after_of(answer, self._time.now_ns())
        self._limits(flight, answer.status, answer.code, answer.message, delay_ms)
        self._tell_halves(flight, halves)

    def _refused_reply(self, flight: Flight, reply: HttpReply) -> None:
        halves = None
        if isinstance(flight, ManyFlight) and flight.replaces:
            try:
                halves = read_refused_halves(reply.body)
            except WireError:
                halves = None  # an ordinary refusal
            if halves is not None:
                error = error_body(reply.body)
                self._limits(flight, reply.status, error.code, error.message, retry_after_ms(reply))
                self._tell_halves(flight, halves)
                return
        super()._refused_reply(flight, reply)

    def _accepted(self, flight: Flight, body: bytes) -> None:
        if not isinstance(flight, ManyFlight):
            super()._accepted(flight, body)
        elif flight.replaces:
            halves = self._halves(body)
            if halves is None:
                self._tell(flight, ACCEPTED, message="unreadable answer of a cancel-replace")
            else:
                self._tell_halves(flight, halves)
        else:
            self._list_accepted(flight, body)

    def _list_accepted(self, flight: ManyFlight, body: bytes) -> None:
        try:
            told = read_list_ack(body)
        except WireError as unreadable:
            self._tell(flight, ACCEPTED, message=str(unreadable))
            return
        for one in (flight, *flight.others):
            ack = told.get(one.ctx_id)
            if ack is None:
                super()._tell(one, ACCEPTED, message="the answer does not name this leg")
            else:
                super()._tell(one, ACCEPTED, order_id=ack.order_id, at=ack.at)

    def _halves(self, body: bytes) -> tuple[Half, Half] | None:
        try:
            return read_halves(body)
        except WireError:
            return None

    def _limits(self, flight: Flight, status: int, code: int, message: str, delay_ms: int) -> None:
        """A cancel-replace over the order limit answers 429 with halves: the pause holds all the same."""
        if status in (418, 429):
            verdict = self._classify(flight, status, code, message, delay_ms)
            self._gate.note_verdict(verdict, status=status, code=-1015 if status == 429 else code)

    def _tell_halves(self, flight: ManyFlight, halves: tuple[Half, Half]) -> None:
        for one, half in zip((flight, *flight.others), halves, strict=True):
            if half.ack is not None:
                super()._tell(one, ACCEPTED, order_id=half.ack.order_id, at=half.ack.at)
            elif half.error is not None:
                verdict = self._classify(one, 400, half.error.code, half.error.message, 0)
                if verdict.effect is Effect.CLOCK:
                    self._on_clock_refused()
                super()._tell(one, verdict, code=half.error.code, message=half.error.message)
            elif half.result == "SUCCESS":
                super()._tell(one, ACCEPTED, message="done, without details")
            elif half.result == "NOT_ATTEMPTED":
                super()._tell(one, NOT_ATTEMPTED, message="not attempted, because the cancel failed")
            else:
                super()._tell(one, NO_ANSWER, message=f"this half is {half.result[:20]}, without details")

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
        super()._tell(
            flight, verdict, code=code, message=message, order_id=order_id, at=at, delay_ms=delay_ms
        )
        if isinstance(flight, ManyFlight):
            for other in flight.others:
                again = verdict
                if code and other.action is not flight.action:
                    again = self._classify(other, 400, code, message, delay_ms)
                super()._tell(other, again, code=code, message=message, at=at, delay_ms=delay_ms)


def list_request(ctx: OrderContext) -> SpotMutation:
    """The order list that a context stands for with its `legs`; our id of the list is that of the first leg.

    One leg of the same side: OCO; one of the other side: OTO; two: OTOCO. Raises EncodeError.
    """
    symbol, first = ctx.scope.symbol, lists_spot.Leg(ctx.slot, ctx.ctx_id)
    legs = [lists_spot.Leg(leg.slot, leg.ctx_id) for leg in ctx.legs]
    if len(legs) == 1 and legs[0].slot.side is ctx.slot.side:
        return lists_spot.oco(symbol, ctx.ctx_id, first, legs[0])
    if len(legs) == 1:
        return lists_spot.oto(symbol, ctx.ctx_id, first, legs[0])
    if len(legs) == 2:
        return lists_spot.otoco(symbol, ctx.ctx_id, first, legs[0], legs[1])
    raise EncodeError(f"{ctx.ctx_id}: no order list has {len(legs) + 1} orders")


def _spelt(ready: Prepared, ctx: OrderContext) -> Mutation | None:
    """The prepared request of this context, with its lot if that alone was not known; None: another one."""
    if ready.is_for(ctx, PositionMode.ONE_WAY):
        return ready.mutation
    lot, spelt = ctx.slot.one_lot, ready.mutation
    if lot <= 0 or ready.slot.one_lot <= 0 or not isinstance(spelt, SpotMutation):
        return None
    same = of_lot(ready.slot, lot) == ctx.slot and ready.scope == ctx.scope
    return msgspec.structs.replace(spelt, label=str(lot)) if same else None


def _exposes(ctx: OrderContext) -> bool:
    return ctx.slot.key.role in EXPOSING


def _flight(ctx: OrderContext, action: Action) -> Flight:
    return Flight(ctx.scope, ctx.ctx_id, action, Surface.REGULAR, _exposes(ctx))
