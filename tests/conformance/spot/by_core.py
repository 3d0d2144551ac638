"""The first way for spot: fold and decide alone, and the codec."""

from msgspec.structs import replace

from backstay.binance.net.spot_orders import list_request
from backstay.binance.wire import decode_spot_rest as read
from backstay.binance.wire import encode_spot
from backstay.binance.wire.answers_spot import read_list_ack, read_ws_answer
from backstay.binance.wire.decode_spot import decode_spot
from backstay.binance.wire.rejections import ACCEPTED, NO_ANSWER, classify
from backstay.core.contexts import OrderContext, Request
from backstay.core.decisions import Approved
from backstay.core.events import (
    AnyEvent,
    InstrumentsSnapshot,
    OrderQueried,
    PriceReached,
    RequestSent,
    RequestsRegistered,
    StreamChanged,
)
from backstay.core.types import EXPOSING, MS, Action, Product, Surface

from tests.conformance.by_core import ANSWER_MARGIN_MS, ByCore, _told, slot_name
from tests.conformance.rows import SYMBOL

WINDOW_MS = 3000


class SpotByCore(ByCore):
    def push(self, frame: bytes) -> None:
        for line in frame.splitlines():
            event = decode_spot(line, "bs-")
            self._take(event)
            if isinstance(event, StreamChanged):
                self._connected()
        self._work()

    def mark(self, price: str) -> None:
        watches = [w for held in self._watches.values() for w in held]
        value = read.prices(f'[{{"symbol":"{SYMBOL}","price":"{price}"}}]'.encode())[SYMBOL]
        if any(w.crossed(value) for w in watches):
            self._take(PriceReached(symbol=SYMBOL, price=value, at=self._now(), product=Product.SPOT))
        self._work()

    # --- requests -------------------------------------------------------------------------------

    def _send(self, approved: tuple[Approved, ...]) -> None:
        groups = [self._listed(self._request(item)) for item in approved]
        self._take(RequestsRegistered(requests=tuple(r for group in groups for r in group)))
        for group in groups:
            for request in group:
                self._take(
                    RequestSent(
                        scope=request.scope,
                        ctx_id=request.ctx_id,
                        action=request.action,
                        recv_window_ms=WINDOW_MS,
                        venue_time=self._now() // MS * MS,
                    )
                )
            self._ask_list(group)

    def _listed(self, request: Request) -> list[Request]:
        first = request.context
        if first is None or first.slot.leg is None:
            return [request]
        first = replace(first, group=first.ctx_id)
        self._ids += 1
        name = f"bs-{self._ids:026}"
        leg = replace(first, ctx_id=name, slot=first.slot.leg, generation=first.generation + 1)
        return [replace(request, context=first), replace(request, ctx_id=name, key=leg.key, context=leg)]

    def _ask_list(self, group: list[Request]) -> None:
        request, *others = group
        ctx = self.account.scopes[request.scope].contexts[request.ctx_id]
        legs = tuple(r.context for r in others if r.context is not None)

        def answered(body: bytes) -> None:
            for one in group:
                self._unanswered.pop((one.ctx_id, one.action), None)
            for event in self._answers(group, ctx, body):
                self._take(event)
            self._work()

        deadline = self._now() + (WINDOW_MS + ANSWER_MARGIN_MS) * MS
        for one in group:
            self._unanswered[one.ctx_id, one.action] = (deadline, _told(one, NO_ANSWER))
        if request.action is Action.CANCEL:
            self._desk.cancel(dict(encode_spot.cancel(ctx).params), answered)
            return
        mutation = list_request(replace(ctx, legs=legs)) if legs else encode_spot.place(ctx)
        slots = {c.ctx_id: slot_name(c) for c in (ctx, *legs)}
        self._desk.place(slots, dict(mutation.params), answered)

    def _answers(self, group: list[Request], ctx: OrderContext, body: bytes) -> list[AnyEvent]:
        answer = read_ws_answer(b'{"id":"1",' + body[1:])
        if answer.ok:
            acks = read_list_ack(answer.result) if len(group) > 1 else {}
            return [
                _told(r, ACCEPTED, order_id=acks[r.ctx_id].order_id if r.ctx_id in acks else 0) for r in group
            ]
        verdict = classify(
            surface=Surface.REGULAR,
            action=group[0].action,
            role_exposing=ctx.role in EXPOSING,
            http_status=answer.status,
            code=answer.code or None,
            message=answer.message,
            product=Product.SPOT,
        )
        return [_told(r, verdict, code=answer.code, message=answer.message) for r in group]

    # --- recovery -------------------------------------------------------------------------------

    def _reads(self, *, whole: bool) -> list[AnyEvent]:
        now = self._now()
        moment = {"requested_at": now, "received_at": now}
        events: list[AnyEvent] = []
        if whole:
            fees = read.commission(self._get("commission"))
            events.append(read.account_mode(self._get("account"), fees, received_at=now))
            info = read.exchange_info(self._get("exchangeInfo"))
            events.append(
                InstrumentsSnapshot(instruments=info.instruments, received_at=now, product=Product.SPOT)
            )
            events.append(read.balances(self._get("account"), **moment))
        symbols = () if whole else (SYMBOL,)
        events.append(read.open_orders(self._get("openOrders"), symbols=symbols, **moment))
        events.append(read.fills(self._get("myTrades"), symbol=SYMBOL, **moment))
        return events

    def _query(self, ctx: OrderContext, surface: Surface) -> AnyEvent:
        now = self._now()
        status, body = self._desk.read("order", {"origClientOrderId": ctx.ctx_id})
        return OrderQueried(
            symbol=SYMBOL,
            ctx_id=ctx.ctx_id,
            surface=Surface.REGULAR,
            requested_at=now,
            received_at=now,
            order=read.order(body) if status == 200 else None,
            product=Product.SPOT,
        )
