"""Spot's user data: a WebSocket API connection with a subscription, and every event in the order of the wire.

There is no listen key and nothing to extend: a subscription lives as long as its connection (binance-spot.md
6). With an Ed25519 key the connection is logged on first, with HMAC the subscription itself is signed. There
is no queue and no task between the socket and the callback.
"""

import asyncio
import itertools
from collections.abc import Callable, Mapping

from backstay.binance.net.clock_sync import VenueTime
from backstay.binance.net.dialect import Dialect
from backstay.binance.net.gate import Gate, retry_after_of
from backstay.binance.net.line import CannotConnect, Line, Up
from backstay.binance.net.outcomes import NotSent, VenueUnavailable
from backstay.binance.net.rest import RECV_WINDOW_MS, read_verdict
from backstay.binance.net.timings import Timings
from backstay.binance.net.transport import Entropy, NotWritten, OnClosed, Socket, Transport, TransportError
from backstay.binance.wire import encode
from backstay.binance.wire import endpoints_spot as endpoints
from backstay.binance.wire.answers_spot import read_subscription, read_subscriptions, read_ws_answer
from backstay.binance.wire.decode_rest import WsAnswer
from backstay.binance.wire.decode_spot import SHUTDOWN, decode_spot
from backstay.binance.wire.endpoints import WS_LOGON
from backstay.binance.wire.errors import WireError
from backstay.binance.wire.limits import Kind
from backstay.binance.wire.sign import Signer, WsValue, logon_params
from backstay.core.events import AnyEvent, Ignored, StreamChanged, StreamState
from backstay.core.names import counted
from backstay.core.types import MS, Product

_ANSWER = b'{"id"'


class SpotUserStream:
    def __init__(
        self,
        transport: Transport,
        *,
        url: str,
        signer: Signer,
        gate: Gate,
        time: VenueTime,
        entropy: Entropy,
        on_event: Callable[[AnyEvent], None],
        on_failed_attempt: Callable[[], None],
        log: Callable[[str], None],
        timings: Timings,
        dialect: Dialect,
        id_prefix: str = "",
    ) -> None:
        """`url` is that of the WebSocket API. `on_event` is called inside the socket's read."""
        self._transport = transport
        self._url = url
        self._signer = signer
        self._gate = gate
        self._time = time
        self._on_event = on_event
        self._on_failed_attempt = on_failed_attempt
        self._log = log
        self._timings = timings
        self._dialect = dialect
        self._id_prefix = id_prefix
        self._loop = asyncio.get_running_loop()
        self._current: _Receiver | None = None
        self._next: _Receiver | None = None
        self._watch: asyncio.TimerHandle | None = None
        self.line = Line(
            self._connect,
            entropy=entropy,
            on_up=self._on_up,
            on_down=self._on_down,
            log=log,
            name="user data stream",
            timings=timings,
        )

    @property
    def is_up(self) -> bool:
        return self.line.is_up

    async def open(self) -> None:
        """Connect and subscribe, in up to `first_attempts` attempts with doubling pauses.

        Raises VenueUnavailable, CannotConnect or NotWritten; nothing is kept open then.
        """
        pause_s = self._timings.first_delay
        for left in range(max(1, self._timings.first_attempts) - 1, -1, -1):
            try:
                await self.line.open()
            except (CannotConnect, TransportError) as failure:
                if not left or self._gate.halted:
                    raise
                self._log(f"user data stream: cannot connect ({failure}); {counted(left, 'attempt')} left")
                least_s = failure.retry_after_s if isinstance(failure, CannotConnect) else 0.0
                await asyncio.sleep(max(pause_s, least_s))
                pause_s = min(2 * pause_s, self._timings.longest_delay)
            else:
                return

    async def reconnect(self, reason: str) -> None:
        """Drop the connection and open another; told as a gap."""
        self.line.drop(reason)
        await self.line.wait_up()

    async def close(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        await self.line.close()

    # --- connection -----------------------------------------------------------------------------------

    async def _connect(self, on_closed: OnClosed) -> Socket:
        try:
            return await self._subscribed(on_closed)
        except (CannotConnect, TransportError):
            self._on_failed_attempt()
            raise

    async def _subscribed(self, on_closed: OnClosed) -> Socket:
        weight = self._dialect.connect_weight + 2 * endpoints.WS_SESSION_WEIGHT
        try:
            await self._gate.wait(Kind.READ, weight)
        except VenueUnavailable as shut:
            raise CannotConnect(str(shut), retry_after_s=max(5.0, shut.retry_after_ms / 1000)) from None
        receiver = _Receiver(self._received, self._id_prefix)

        def closed(reason: str) -> None:
            receiver.abandon()
            on_closed(reason)

        socket = await self._transport.websocket(
            self._url, receiver.on_message, closed, quiet_s=self._timings.quiet
        )
        try:
            receiver.subscription = await self._subscribe(receiver, socket)
        except BaseException:
            socket.close()
            raise
        self._next = receiver
        return socket

    async def _subscribe(self, receiver: "_Receiver", socket: Socket) -> int:
        stamp_ms = self._time.now_ns() // MS
        if self._signer.can_logon:
            await self._call(receiver, socket, WS_LOGON, logon_params(self._signer, stamp_ms, RECV_WINDOW_MS))
            answer = await self._call(receiver, socket, endpoints.WS_SUBSCRIBE, {})
        else:
            params: dict[str, WsValue] = {
                "apiKey": self._signer.api_key,
                "recvWindow": RECV_WINDOW_MS,
                "timestamp": stamp_ms,
            }
            params["signature"] = self._signer.sign_ws(params)
            answer = await self._call(receiver, socket, endpoints.WS_SUBSCRIBE_SIGNED, params)
        try:
            return read_subscription(answer.result)
        except WireError as unreadable:
            raise CannotConnect(str(unreadable)) from None

    async def _call(
        self, receiver: "_Receiver", socket: Socket, method: str, params: Mapping[str, WsValue]
    ) -> WsAnswer:
        """One request of this connection and its answer. Raises CannotConnect when it is refused."""
        number, answered = receiver.ask()
        socket.send(encode.ws_call(method, params, number))
        try:
            async with asyncio.timeout(self._timings.logon):
                await asyncio.wait([answered])
        except TimeoutError:
            raise CannotConnect(f"{method} was not answered") from None
        finally:
            receiver.forget(number)
        if answered.cancelled():
            raise CannotConnect(f"closed during {method}")
        answer = answered.result()
        if answer.ok:
            return answer
        self._judge(answer)
        raise CannotConnect(
            f"{method} refused: {answer.status}, code {answer.code}: {answer.message}", retry_after_s=5.0
        )

    def _judge(self, answer: WsAnswer) -> None:
        delay_ms = retry_after_of(answer, self._time.now_ns())
        verdict = read_verdict(answer.status, answer.code, answer.message, delay_ms, Product.SPOT)
        self._gate.note_verdict(verdict, status=answer.status, code=answer.code)

    def _on_up(self, how: Up) -> None:
        self._current, self._next = self._next, None
        state = StreamState.OVERLAP if how is Up.OVERLAP else StreamState.CONNECTED
        self._on_event(StreamChanged(state=state, product=Product.SPOT))
        if self._watch is None:
            self._watch = self._loop.call_later(self._timings.probe / 3, self._look)

    def _on_down(self, reason: str) -> None:
        self._current = None
        self._on_event(StreamChanged(state=StreamState.DISCONNECTED, detail=reason, product=Product.SPOT))

    # --- events ---------------------------------------------------------------------------------------

    def _received(self, receiver: "_Receiver", event: AnyEvent) -> None:
        if type(event) is not StreamChanged:
            self._on_event(event)
        elif receiver is not self._current and receiver is not self._next:
            return  # about a predecessor that was replaced
        elif event.detail == SHUTDOWN:
            self._log("user data stream: the venue is about to close this connection")
            self.line.replace()
        else:
            self._on_event(event)
            self.line.drop(event.detail)

    def _look(self) -> None:
        """Silence is probed: a connection may be alive and its subscription gone (binance.md 6)."""
        self._watch = self._loop.call_later(self._timings.probe / 3, self._look)
        receiver, socket = self._current, self.line.socket
        if receiver is None or socket is None or self._gate.halted:
            return
        now = self._loop.time()
        if receiver.probed_at and now - receiver.probed_at > self._timings.probe_answer:
            self.line.drop("no answer to session.subscriptions")
        elif not receiver.probed_at and now - receiver.heard_at > self._timings.probe:
            self._probe(receiver, socket, now)

    def _probe(self, receiver: "_Receiver", socket: Socket, now: float) -> None:
        try:
            self._gate.admit(Kind.READ, endpoints.WS_SESSION_WEIGHT, self._time.now_ns())
            number, answered = receiver.ask()
            socket.send(encode.ws_call(endpoints.WS_SUBSCRIPTIONS, {}, number))
        except (NotSent, NotWritten):
            return
        receiver.probed_at = now
        answered.add_done_callback(lambda done: self._probed(receiver, number, done))

    def _probed(self, receiver: "_Receiver", number: str, done: "asyncio.Future[WsAnswer]") -> None:
        receiver.forget(number)
        receiver.probed_at = 0.0
        if done.cancelled() or receiver is not self._current:
            return
        answer = done.result()
        try:
            alive = answer.ok and receiver.subscription in read_subscriptions(answer.result)
        except WireError:
            alive = False
        if not alive:
            if not answer.ok:
                self._judge(answer)
            detail = "the venue does not know the subscription"
            self._on_event(StreamChanged(state=StreamState.EXPIRED, detail=detail, product=Product.SPOT))
            self.line.drop(detail)


class _Receiver:
    """The message callback of one connection, and the requests that it waits for."""

    __slots__ = ("_asked", "_deliver", "_ids", "_loop", "_prefix", "heard_at", "probed_at", "subscription")

    def __init__(self, deliver: "Callable[[_Receiver, AnyEvent], None]", prefix: str) -> None:
        self._deliver = deliver
        self._prefix = prefix
        self._asked: dict[str, asyncio.Future[WsAnswer]] = {}
        self._ids = itertools.count(1)
        self._loop = asyncio.get_running_loop()
        self.subscription = -1
        self.heard_at = self._loop.time()
        self.probed_at = 0.0

    def on_message(self, frame: bytes) -> None:
        self.heard_at = self._loop.time()
        if frame.startswith(_ANSWER):
            self._answered(frame)
            return
        event = decode_spot(frame, self._prefix)
        if type(event) is Ignored and event.kind == "control":
            self._answered(frame)
        else:
            self._deliver(self, event)

    def _answered(self, frame: bytes) -> None:
        try:
            answer = read_ws_answer(frame)
        except WireError:
            return  # nothing waits for what cannot be read: its request runs into its time limit
        waiting = self._asked.get(answer.id)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def ask(self) -> "tuple[str, asyncio.Future[WsAnswer]]":
        number = f"user-{next(self._ids)}"
        answered = self._asked[number] = self._loop.create_future()
        return number, answered

    def forget(self, number: str) -> None:
        self._asked.pop(number, None)

    def abandon(self) -> None:
        """The connection is closed: nothing is answered any more."""
        for waiting in list(self._asked.values()):
            waiting.cancel()
