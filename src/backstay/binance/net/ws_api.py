"""The order connection: one warm WebSocket API connection that mutations leave by, synchronously.

An Ed25519 key logs the connection on once; with HMAC every request carries its signature. Answers are
matched by id and handed to one callback. What was written and not answered, because the connection died or
the time ran out, is told as unknown; nothing is ever written twice.
"""

import asyncio
import itertools
from collections.abc import Callable

from backstay.binance.net.clock_sync import VenueTime
from backstay.binance.net.dialect import USDM, Dialect
from backstay.binance.net.gate import Gate, retry_after_of
from backstay.binance.net.line import CannotConnect, Line
from backstay.binance.net.outcomes import VenueUnavailable
from backstay.binance.net.rest import read_verdict
from backstay.binance.net.timings import Timings
from backstay.binance.net.transport import Entropy, NotWritten, OnClosed, Socket, Transport
from backstay.binance.wire import encode
from backstay.binance.wire.decode_rest import WsAnswer
from backstay.binance.wire.decode_spot import SHUTDOWN
from backstay.binance.wire.endpoints import WS_LOGON
from backstay.binance.wire.errors import WireError
from backstay.binance.wire.limits import Kind
from backstay.binance.wire.sign import Signer, logon_params
from backstay.core.types import MS, TimeNs

type OnAnswer[C] = Callable[[C, WsAnswer | None, str], None]
"""The caller's context; the answer, or None and the reason why there will be none."""


type _Waiting[C] = tuple[C, Socket, float, float]
"""Context, connection, when it was written, when its outcome counts as unknown (loop time). A tuple, because
one is made for every order between the decision and the last byte."""


class WsApi[C]:
    """`C` is what the caller wants to be reminded of when the answer comes."""

    def __init__(
        self,
        transport: Transport,
        *,
        url: str,
        signer: Signer,
        gate: Gate,
        time: VenueTime,
        entropy: Entropy,
        on_answer: OnAnswer[C],
        log: Callable[[str], None],
        timings: Timings,
        dialect: Dialect = USDM,
    ) -> None:
        self._dialect = dialect
        self._timings = timings
        self._transport = transport
        self._url = url
        self._signer = signer
        self._per_request = None if signer.can_logon else signer
        self._gate = gate
        self._time = time
        self._on_answer = on_answer
        self._log = log
        self._waiting: dict[str, _Waiting[C]] = {}
        self._logons: dict[str, asyncio.Future[WsAnswer]] = {}
        """At most one: that of the connection that is being opened."""
        self._ids = itertools.count(1)
        self._sweep: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._heard_at = 0.0
        self.line = Line(
            self._connect,
            entropy=entropy,
            on_up=lambda _how: None,  # orders go by REST meanwhile: nobody has to be told
            on_down=lambda _reason: None,
            log=log,
            name="order connection",
            timings=timings,
            # longer than any answer may take: what was asked on a replaced connection is answered on it
            overlap=timings.answer_margin + 7.0,
        )

    @property
    def is_up(self) -> bool:
        socket = self.line.socket
        return socket is not None and socket.is_open

    @property
    def outstanding(self) -> int:
        return len(self._waiting)

    def send(self, mutation: encode.Mutation, context: C, *, venue_time: TimeNs, recv_window_ms: int) -> None:
        """Write one order request. Raises NotWritten when there is no open connection."""
        socket = self.line.socket
        if socket is None:
            raise NotWritten("the order connection is down")
        number = str(next(self._ids))
        frame = encode.ws_request(mutation, number, self._per_request, venue_time // MS, recv_window_ms)
        socket.send(frame)
        now = self._loop.time()
        deadline = now + recv_window_ms / 1000 + self._timings.answer_margin
        self._waiting[number] = (context, socket, now, deadline)
        if self._sweep is None:
            self._sweep = self._loop.call_at(deadline, self._sweep_due)

    async def close(self) -> None:
        """Close; what is not answered yet is told as unknown."""
        await self.line.close()
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        self._give_up(list(self._waiting), "the program closed the connection before the answer")

    # --- connecting -----------------------------------------------------------------------------------

    async def _connect(self, on_closed: OnClosed) -> Socket:
        opened: list[Socket] = []
        answered: asyncio.Future[WsAnswer] = self._loop.create_future()

        def closed(reason: str) -> None:
            for socket in opened:
                self._give_up(
                    [number for number, one in self._waiting.items() if one[1] is socket],
                    f"connection lost after the write: {reason}",
                )
            answered.cancel()
            on_closed(reason)

        try:
            await self._gate.wait(Kind.READ, self._dialect.connect_weight)
        except VenueUnavailable as shut:
            raise CannotConnect(str(shut), retry_after_s=max(5.0, shut.retry_after_ms / 1000)) from None
        socket = await self._transport.websocket(
            self._url, self._on_message, closed, quiet_s=self._timings.quiet
        )
        opened.append(socket)
        if self._signer.can_logon:
            try:
                await self._logon(socket, answered)
            except BaseException:
                socket.close()
                raise
        return socket

    async def _logon(self, socket: Socket, answered: asyncio.Future[WsAnswer]) -> None:
        number = f"logon-{next(self._ids)}"
        self._logons[number] = answered
        try:
            socket.send(
                encode.ws_call(WS_LOGON, logon_params(self._signer, self._time.now_ns() // MS), number)
            )
            async with asyncio.timeout(self._timings.logon):
                await asyncio.wait([answered])
        except TimeoutError:
            raise CannotConnect("session.logon was not answered") from None
        finally:
            del self._logons[number]
        if answered.cancelled():
            raise CannotConnect("closed during session.logon")
        answer = answered.result()
        if not answer.ok:
            self._judge(answer)
            raise CannotConnect(
                f"session.logon refused: {answer.status}, code {answer.code}: {answer.message}",
                retry_after_s=5.0,
            )

    # --- answers --------------------------------------------------------------------------------------

    def _on_message(self, frame: bytes) -> None:
        self._heard_at = self._loop.time()
        try:
            answer = self._dialect.ws_answer(frame)
        except WireError as unreadable:
            if SHUTDOWN.encode() in frame:
                # Spot tells every connection, not only those with a subscription (binance-spot.md 6).
                self._log("order connection: the venue is about to close this connection")
                self.line.replace()
                return
            self._log(f"order connection: unreadable answer ({unreadable})")
            return
        waiting = self._waiting.pop(answer.id, None)
        if waiting is not None:
            if answer.rate_limits:
                self._gate.note_ws(answer.rate_limits)
            self._on_answer(waiting[0], answer, "")
            return
        logon = self._logons.get(answer.id)
        if logon is not None:
            if not logon.done():
                logon.set_result(answer)
        elif not answer.id:
            # not the answer to anything: a revoked key, or an error about the connection itself
            self._log(
                f"order connection: the venue says {answer.status}, code {answer.code}: {answer.message}"
            )
            self._judge(answer)
        else:
            self._log(f"order connection: late answer to request {answer.id}, status {answer.status}")

    def _judge(self, answer: WsAnswer) -> None:
        delay_ms = retry_after_of(answer, self._time.now_ns())
        verdict = read_verdict(answer.status, answer.code, answer.message, delay_ms, self._dialect.product)
        self._gate.note_verdict(verdict, status=answer.status, code=answer.code)

    def _sweep_due(self) -> None:
        self._sweep = None
        now = self._loop.time()
        late = {number: one for number, one in self._waiting.items() if one[3] <= now}
        socket = self.line.socket
        # not one byte since an order was written: the connection is dead, whatever TCP believes
        deaf = any(link is socket and written_at > self._heard_at for _, link, written_at, _ in late.values())
        self._give_up(list(late), "no answer in time")
        if deaf:
            self.line.drop("orders were not answered")
        if self._waiting:
            self._sweep = self._loop.call_at(min(one[3] for one in self._waiting.values()), self._sweep_due)

    def _give_up(self, numbers: list[str], reason: str) -> None:
        for number in numbers:
            waiting = self._waiting.pop(number, None)
            if waiting is not None:
                self._on_answer(waiting[0], None, reason)
