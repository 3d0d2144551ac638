"""The venue on real sockets: one port for the Binance paths (HTTP and WebSocket), another for control."""

import asyncio
import errno
import socket
import ssl
import time
from collections.abc import Callable
from typing import cast

from backstay.simulator.server.frames import FrameError, FrameReader, Op, close_frame, frame
from backstay.simulator.server.handler import SimulatedBinance
from backstay.simulator.server.http1 import (
    HttpError,
    HttpRequest,
    RequestReader,
    accept_upgrade,
    response,
)
from backstay.simulator.server.outputs import Abort, Answer, Close, Frame, Output, Ping, Pong
from backstay.simulator.server.pump import Pump


class ServeError(OSError):
    """The venue cannot listen: which port, why, and what to do."""

    def __str__(self) -> str:
        return str(self.strerror)  # the number is for programs


class Served:
    """A running venue. `ports` is (Binance port, control port or 0)."""

    def __init__(self, host: str, scheme: str) -> None:
        self.host = host
        self._scheme = scheme
        self.ports = (0, 0)
        self.lines: dict[int, _VenueLine] = {}
        self.control_lines: set[_ControlLine] = set()
        self._servers: list[asyncio.Server] = []
        self.pump: Pump
        self.beside: dict[str, Served] = {}
        """Venues of other products, by name, that share this one's control side and end with it."""

    @property
    def venue(self) -> SimulatedBinance:
        return self.pump.venue

    @property
    def url(self) -> str:
        """Base of REST; `/fapi/...` follows."""
        return f"{self._scheme}://{self.host}:{self.ports[0]}"

    @property
    def ws_url(self) -> str:
        """Base of the streams and of the WebSocket API; `/public`, `/market`, `/private`, `/ws-fapi/v1`
        follow.
        """
        return self.url.replace("http", "ws", 1)

    @property
    def control_url(self) -> str:
        return f"http://{self.host}:{self.ports[1]}"

    async def close(self) -> None:
        """Stop listening and drop every connection."""
        for other in self.beside.values():
            await other.close()
        self.pump.close()
        for server in self._servers:
            server.close()
        for line in [*self.lines.values(), *self.control_lines]:
            line.abort()
        for server in self._servers:
            await server.wait_closed()

    def add(self, other: "Served") -> None:
        """Put a venue of another product beside this one: one clock, one control side. Its own control paths
        are `/sim/v1/<product>/...`.
        """
        other.venue.clock = self.venue.clock
        self.beside[other.venue.product.name] = other

    def control(self, method: str, target: str, body: bytes) -> tuple[int, bytes]:
        """One control request, for the product that its path names or for this venue."""
        chosen, path = self, target
        for name, served in {self.venue.product.name: self, **self.beside}.items():
            prefix = f"/sim/v1/{name}/"
            if target.startswith(prefix):
                chosen, path = served, "/sim/v1/" + target[len(prefix) :]
        answer = chosen.pump.control(method, path, body)
        for served in (self, *self.beside.values()):
            # The clock is shared: whoever was not asked must still live up to the time that it shows now.
            if served is not chosen:
                served.pump.start()
        return answer

    def failure(self) -> Exception | None:
        """What a venue has died of; None while all live."""
        pumps = [self.pump, *(other.pump for other in self.beside.values())]
        return next((p.failure for p in pumps if p.failure is not None), None)

    def deliver(self, output: Output) -> None:
        line = self.lines.get(output.conn)
        if line is not None:
            line.deliver(output)

    async def listen(self, port: int, control_port: int | None, tls: ssl.SSLContext | None) -> None:
        loop = asyncio.get_running_loop()
        counter = iter(range(1, 1 << 62))
        venue = await self._bind(loop, lambda: _VenueLine(self, next(counter)), port, tls)
        self.ports = (venue.sockets[0].getsockname()[1], 0)
        if control_port is None:
            return
        try:
            control = await self._bind(loop, lambda: _ControlLine(self), control_port, None)
        except ServeError:
            venue.close()
            raise
        self.ports = (self.ports[0], control.sockets[0].getsockname()[1])

    async def _bind(
        self,
        loop: asyncio.AbstractEventLoop,
        factory: Callable[[], asyncio.Protocol],
        port: int,
        tls: ssl.SSLContext | None,
    ) -> asyncio.Server:
        try:
            server = await loop.create_server(factory, self.host, port, ssl=tls, backlog=512)
        except OSError as error:
            if error.errno == errno.EADDRINUSE or "in use" in str(error):
                raise ServeError(
                    errno.EADDRINUSE,
                    f"port {port} on {self.host} is in use. Choose another (--port), or stop what holds it.",
                ) from error
            raise ServeError(
                error.errno or errno.EINVAL,
                f"cannot listen on {self.host}:{port}: {error.strerror or error}",
            ) from error
        self._servers.append(server)
        return server


async def serve(
    venue: SimulatedBinance,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    control_port: int | None = 0,
    time_ns: Callable[[], int] = time.time_ns,
    tls: ssl.SSLContext | None = None,
) -> Served:
    """Serve the venue until `close()`. Port 0 takes a free one. Raises `ServeError` when a port is taken.
    `control_port=None`: no control side of its own (see `Served.add`).

    Venue time is `venue.clock` of `time_ns()`, so a venue that shall agree with its clients' clocks starts
    at the present; the control side's clock path moves it.
    """
    served = Served(host, "https" if tls else "http")
    served.pump = Pump(venue, time_ns=time_ns, loop=asyncio.get_running_loop(), deliver=served.deliver)
    await served.listen(port, control_port, tls)
    served.pump.start()
    return served


class _Line(asyncio.Protocol):
    """A TCP connection that begins with HTTP."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._requests = RequestReader()
        self.peer = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the interface without the base class.
        self._transport = cast(asyncio.Transport, transport)
        raw = transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        name = transport.get_extra_info("peername")
        self.peer = str(name[0]) if name else "local"

    def write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def finish(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._requests.feed(data)
        self._drain()

    def _drain(self) -> None:
        try:
            while (request := self._requests.next()) is not None:
                self.request(request)
        except HttpError as error:
            self.write(response(error.status, (), str(error).encode(), close=True))
            self.finish()

    def request(self, request: HttpRequest) -> None:
        raise NotImplementedError


class _VenueLine(_Line):
    """One client connection: HTTP until an upgrade, WebSocket afterwards."""

    def __init__(self, served: Served, number: int) -> None:
        super().__init__()
        self._served = served
        self._number = number
        self._frames: FrameReader | None = None
        self._closing: list[bool] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._served.lines[self._number] = self

    def connection_lost(self, _exc: Exception | None) -> None:
        if self._served.lines.pop(self._number, None) is not None:
            self._served.pump.gone(self._number)

    def data_received(self, data: bytes) -> None:
        if self._frames is None:
            super().data_received(data)
            return
        self._frames.feed(data)
        self._read_frames(self._frames)

    def request(self, request: HttpRequest) -> None:
        if request.upgrades:
            self._upgrade(request)
            return
        self._closing.append(not request.keep_alive)
        self._served.pump.http(
            self._number,
            request.method,
            request.target,
            request.headers,
            request.body,
            self.peer,
        )

    def deliver(self, output: Output) -> None:
        match output:
            case Frame(data=data):
                self.write(frame(Op.TEXT, data))
            case Answer():
                close = self._closing.pop(0) if self._closing else False
                self.write(response(output.status, output.headers, output.body, close=close))
                if close:
                    self.finish()
            case Ping(data=data):
                self.write(frame(Op.PING, data))
            case Pong(data=data):
                self.write(frame(Op.PONG, data))
            case Close(code=code, reason=reason):
                self.write(close_frame(code, reason))
                self.finish()
            case Abort():
                self.abort()

    def _upgrade(self, request: HttpRequest) -> None:
        accepted = accept_upgrade(request)
        # The frames must not overtake the 101, so it is written before the pump may deliver anything.
        status = self._served.pump.venue.ws_open(
            self._number,
            request.target,
            self._served.pump.now(),
            self.peer,
        )
        if status != 101:
            self.write(response(status, (), b"", close=True))
            self.finish()
            return
        self.write(accepted)
        self._frames = FrameReader()
        self._frames.feed(self._requests.rest())
        self._served.pump.start()
        self._read_frames(self._frames)

    def _read_frames(self, frames: FrameReader) -> None:
        pump = self._served.pump
        try:
            while (found := frames.next()) is not None:
                op, payload = found
                if op in {Op.TEXT, Op.BINARY}:
                    pump.ws_message(self._number, payload)
                elif op is Op.PING:
                    pump.ws_ping(self._number, payload)
                elif op is Op.PONG:
                    pump.ws_pong(self._number, payload)
                else:
                    self.write(frame(Op.CLOSE, payload[:2]))
                    self.finish()
                    return
        except FrameError as error:
            self.write(close_frame(error.code, str(error)))
            self.finish()


class _ControlLine(_Line):
    """One connection of the control side."""

    def __init__(self, served: Served) -> None:
        super().__init__()
        self._served = served

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._served.control_lines.add(self)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._served.control_lines.discard(self)

    def request(self, request: HttpRequest) -> None:
        status, body = self._served.control(request.method, request.target, request.body)
        close = not request.keep_alive
        self.write(response(status, (("Content-Type", "application/json"),), body, close=close))
        if close:
            self.finish()
