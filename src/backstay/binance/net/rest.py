"""REST: signed and public calls through the gate, JSON bytes out.

A read is repeated where that is certainly safe; every attempt carries a new timestamp and signature. A
mutation goes out once, and its failure says whether a byte was written.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from backstay.binance.net.clock_sync import VenueTime
from backstay.binance.net.dialect import USDM, Dialect
from backstay.binance.net.gate import Gate, retry_after_ms
from backstay.binance.net.outcomes import VenueUnavailable
from backstay.binance.net.redact import shown
from backstay.binance.net.transport import HttpReply, Transport, TransportError
from backstay.binance.wire import encode
from backstay.binance.wire.decode_rest import error_body
from backstay.binance.wire.endpoints import API_KEY_HEADER, Endpoint
from backstay.binance.wire.limits import Kind
from backstay.binance.wire.rejections import Verdict, classify
from backstay.binance.wire.sign import Signer, WsValue
from backstay.core.events import AnswerClass, Effect
from backstay.core.types import MS, Action, Product, Surface, TimeNs

BACKOFF_S = (0.2, 0.4, 0.8)
RECV_WINDOW_MS = 5000
CONCURRENT_READS = 4


class Read(msgspec.Struct, frozen=True):
    """The body of a successful read, and when it was asked for and answered (venue time)."""

    body: bytes
    requested_at: TimeNs
    received_at: TimeNs


class Call(msgspec.Struct, frozen=True):
    """One call as it went, without secrets: for the record, not for decisions."""

    method: str
    path: str
    parameters: str
    status: int
    """HTTP status; 0: no answer came."""
    code: int
    message: str
    latency_ns: TimeNs


class Rest:
    def __init__(
        self,
        transport: Transport,
        *,
        base: str,
        signer: Signer | None,
        gate: Gate,
        time: VenueTime,
        timeout_s: float,
        dialect: Dialect = USDM,
    ) -> None:
        self._dialect = dialect
        self._transport = transport
        self._base = base
        self._signer = signer
        self._gate = gate
        self._time = time
        self._timeout_s = timeout_s
        self._turn = asyncio.Semaphore(CONCURRENT_READS)
        self._bare = dict(dialect.headers)
        self._keyed = {"Content-Type": "application/x-www-form-urlencoded", **dialect.headers}
        if signer is not None:
            self._keyed[API_KEY_HEADER] = signer.api_key
        self.resync: Callable[[], Awaitable[None]] | None = None
        """Measures the clock again; called once when a read's timestamp was refused."""
        self.on_call: Callable[[Call], None] | None = None
        """Told of every call when it is over, but for those that measured the clock without trouble."""

    async def read(self, endpoint: Endpoint, params: Mapping[str, WsValue] | None = None) -> Read:
        """Call an endpoint that may safely be called again (reads, listen keys).

        Transient failures are repeated after 200, 400 and 800 ms; a refused timestamp exactly once, after
        the clock was measured. Raises VenueUnavailable.
        """
        async with self._turn:
            pauses = iter(BACKOFF_S)
            clock_asked = False
            while True:
                try:
                    return await self._attempt(endpoint, dict(params or {}))
                except _Refused as refused:
                    failure = refused.failure
                    if failure.effect is Effect.CLOCK and not clock_asked and self.resync is not None:
                        clock_asked = True
                        await self.resync()
                        continue
                    pause_s = next(pauses, None) if refused.transient else None
                    if pause_s is None:
                        raise failure from None
                    await asyncio.sleep(pause_s)

    async def time(self) -> TimeNs:
        """The venue's time, asked once and without waiting for a turn: reads in trouble wait for it.

        Raises VenueUnavailable.
        """
        try:
            return self._dialect.server_time((await self._attempt(self._dialect.time, {})).body)
        except _Refused as refused:
            raise refused.failure from None

    async def mutate(self, request: encode.RestRequest, timeout_s: float) -> HttpReply:
        """Send a mutation that the gate has admitted, once. Raises NotWritten or Lost."""
        began = self._time.now_ns()
        try:
            reply = await self._transport.http(
                request.method, self._base + request.target, self._keyed, b"", timeout_s
            )
        except TransportError as failure:
            self._called(request, began, None, str(failure))
            raise
        self._gate.note_headers(request.target.partition("?")[0], reply.headers)
        self._called(request, began, reply)
        return reply

    async def _attempt(self, endpoint: Endpoint, params: dict[str, WsValue]) -> Read:
        await self._gate.wait(Kind.READ, endpoint.cost(symbol="symbol" in params))
        if endpoint.key and self._signer is None:
            raise VenueUnavailable(f"{endpoint.path} needs an API key, and there is none", fatal=True)
        requested_at = self._time.now_ns()
        request = encode.rest_read(endpoint, params, self._signer, requested_at // MS, RECV_WINDOW_MS)
        what = f"{endpoint.method} {endpoint.path}"
        try:
            reply = await self._transport.http(
                request.method,
                self._base + request.target,
                self._keyed if endpoint.key else self._bare,
                b"",
                self._timeout_s,
            )
        except TransportError as failure:
            self._called(request, requested_at, None, str(failure))
            raise _Refused(VenueUnavailable(str(failure)), transient=True) from None
        self._gate.note_headers(endpoint.path, reply.headers)
        if reply.status != 200 or endpoint is not self._dialect.time:
            self._called(request, requested_at, reply)
        if reply.status == 200:
            return Read(reply.body, requested_at, self._time.now_ns())
        raise self._refusal(what, reply, requested_at)

    def _called(
        self, request: encode.RestRequest, began: TimeNs, reply: HttpReply | None, trouble: str = ""
    ) -> None:
        if self.on_call is None:
            return
        code, message = 0, trouble
        if reply is not None and reply.status != 200:
            error = error_body(reply.body)
            code, message = error.code, error.message
        path, _, query = request.target.partition("?")
        self.on_call(
            Call(
                method=request.method,
                path=path,
                parameters=shown(query),
                status=reply.status if reply is not None else 0,
                code=code,
                message=message,
                latency_ns=max(self._time.now_ns() - began, 0),
            )
        )

    def _refusal(self, what: str, reply: HttpReply, requested_at: TimeNs) -> "_Refused":
        error = error_body(reply.body)
        delay_ms = retry_after_ms(reply)
        verdict = read_verdict(reply.status, error.code, error.message, delay_ms, self._dialect.product)
        self._gate.note_verdict(verdict, status=reply.status, code=error.code)
        failure = VenueUnavailable(
            f"{what}: HTTP {reply.status}, code {error.code}: {error.message}",
            fatal=verdict.effect in (Effect.KEYS, Effect.BANNED),
            retry_after_ms=delay_ms or verdict.retry_after_ms,
            code=error.code,
            status=reply.status,
            effect=verdict.effect,
            requested_at=requested_at,
            received_at=self._time.now_ns(),
        )
        return _Refused(failure, transient=_is_transient(reply.status, verdict))


def read_verdict(
    status: int, code: int, message: str, delay_ms: int, product: Product = Product.USDM
) -> Verdict:
    """What a refusal means that does not depend on an order: limits, bans, keys, clock, overload.

    The table is that of mutations; a cancel stands for the read, having no side conditions of its own.
    """
    return classify(
        surface=Surface.REGULAR,
        action=Action.CANCEL,
        role_exposing=False,
        http_status=status,
        code=code or None,
        message=message,
        retry_after_ms=delay_ms,
        product=product,
    )


def _is_transient(status: int, verdict: Verdict) -> bool:
    if verdict.effect in (Effect.RATE_LIMITED, Effect.BANNED, Effect.KEYS, Effect.CLOCK):
        return False
    # an unknown outcome is a mutation's trouble; a read with the same answer is simply asked again
    return verdict.answer is AnswerClass.RETRY or (
        verdict.answer is AnswerClass.UNKNOWN and (status >= 500 or verdict.effect is not Effect.UNCLASSIFIED)
    )


class _Refused(Exception):
    def __init__(self, failure: VenueUnavailable, *, transient: bool) -> None:
        super().__init__(str(failure))
        self.failure = failure
        self.transient = transient
