"""The in-memory transport: the simulated exchange inside the process, by the same bytes as over sockets.

One `MemoryNetwork` stands for the venue's host and carries any number of client transports (the product's,
the scripted owner's in the demo). Delivery is by the loop, in the order in which the venue sent, so nothing
arrives inside a `send`.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from backstay.binance.net.transport import HttpReply, Lost, NotWritten, OnClosed, OnMessage
from backstay.simulator.server.handler import SimulatedBinance
from backstay.simulator.server.outputs import Abort, Answer, Close, Frame, Output, Ping
from backstay.simulator.server.pump import Pump

PEER = "127.0.0.1"


class MemorySocket:
    """One open WebSocket of a client."""

    def __init__(
        self, network: "MemoryNetwork", conn: int, on_message: OnMessage, on_closed: OnClosed
    ) -> None:
        self._network = network
        self.conn = conn
        self.on_message = on_message
        self._on_closed = on_closed
        self._open = True

    @property
    def is_open(self) -> bool:
        return self._open

    def send(self, data: bytes) -> None:
        if not self._open:
            raise NotWritten("the connection is closed")
        self._network.pump.ws_message(self.conn, data)

    def close(self) -> None:
        self.end("closed by us")

    def vanish(self) -> None:
        self._open = False
        self._network.forget(self.conn)

    def end(self, reason: str) -> None:
        """The connection is over, whoever ended it; told once, from the loop."""
        if not self._open:
            return
        self._open = False
        self._network.forget(self.conn)
        asyncio.get_running_loop().call_soon(self._on_closed, reason)


class MemoryNetwork:
    """The venue's side of the wire, in memory. Make it inside the loop that it runs on."""

    def __init__(self, venue: SimulatedBinance, *, time_ns: Callable[[], int]) -> None:
        self._loop = asyncio.get_running_loop()
        self.pump = Pump(venue, time_ns=time_ns, loop=self._loop, deliver=self._deliver)
        self._sockets: dict[int, MemorySocket] = {}
        self._answers: dict[int, asyncio.Future[Answer]] = {}
        self._under_way: deque[Output] = deque()
        self._next = 0
        self._unplugged = False

    def start(self) -> None:
        self.pump.start()

    def close(self) -> None:
        self.pump.close()

    def connection(self) -> int:
        self._next += 1
        return self._next

    def forget(self, conn: int) -> None:
        self._sockets.pop(conn, None)
        self.pump.gone(conn)

    def unplug(self) -> None:
        """The network cable is pulled: every connection drops, nothing can be reached until `plug`."""
        self._unplugged = True
        for socket in list(self._sockets.values()):
            socket.end("network lost")
        for conn, future in list(self._answers.items()):
            self.pump.gone(conn)
            if not future.done():
                future.set_exception(Lost("network lost"))

    @property
    def is_unplugged(self) -> bool:
        return self._unplugged

    def plug(self) -> None:
        self._unplugged = False

    async def http(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> HttpReply:
        if self._unplugged:
            raise NotWritten("the network is down")
        conn = self.connection()
        future: asyncio.Future[Answer] = self._loop.create_future()
        self._answers[conn] = future
        try:
            self.pump.http(conn, method, target, headers, body, PEER)
            answer = await future
        finally:
            self._answers.pop(conn, None)
            self.pump.gone(conn)
        return HttpReply(answer.status, {k.lower(): v for k, v in answer.headers}, answer.body)

    def open_socket(self, target: str, on_message: OnMessage, on_closed: OnClosed) -> MemorySocket:
        if self._unplugged:
            raise NotWritten("the network is down")
        conn = self.connection()
        socket = MemorySocket(self, conn, on_message, on_closed)
        self._sockets[conn] = socket
        status = self.pump.ws_open(conn, target, PEER)
        if status != 101:
            del self._sockets[conn]
            raise NotWritten(f"the handshake was answered with {status}", status=status)
        return socket

    def _deliver(self, output: Output) -> None:
        if not self._under_way:
            self._loop.call_soon(self._arrive)
        self._under_way.append(output)

    def _arrive(self) -> None:
        """What the venue wrote in one go arrives in one read, as on a socket."""
        arrived, self._under_way = self._under_way, deque()
        try:
            while arrived:
                self._hand_over(arrived.popleft())
        finally:
            for output in arrived:  # whoever broke on one frame still gets the next
                self._deliver(output)

    def _hand_over(self, output: Output) -> None:
        if isinstance(output, Answer):
            future = self._answers.get(output.conn)
            if future is not None and not future.done():
                future.set_result(output)
            return
        waiting = self._answers.get(output.conn)
        if waiting is not None and isinstance(output, (Close, Abort)) and not waiting.done():
            waiting.set_exception(Lost("the connection was cut before the answer"))
            return
        socket = self._sockets.get(output.conn)
        if socket is None or not socket.is_open:
            return
        if isinstance(output, Frame):
            socket.on_message(output.data)
        elif isinstance(output, Ping):
            self.pump.ws_pong(output.conn, output.data)
        elif isinstance(output, (Close, Abort)):
            socket.end(f"closed by the venue ({output.code})" if isinstance(output, Close) else "reset")


class MemoryTransport:
    """`binance.net`'s Transport over a `MemoryNetwork`; host names in URLs are ignored."""

    def __init__(self, network: MemoryNetwork) -> None:
        self._network = network
        self._sockets: list[MemorySocket] = []
        self._aborted = False

    async def http(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float
    ) -> HttpReply:
        self._must_live()
        try:
            async with asyncio.timeout(timeout_s):
                return await self._network.http(method, _target(url), headers, body)
        except TimeoutError:
            raise Lost(f"no answer within {timeout_s:g} s") from None

    async def websocket(
        self,
        url: str,
        on_message: OnMessage,
        on_closed: OnClosed,
        *,
        timeout_s: float = 10.0,
        quiet_s: float = 0.0,
    ) -> MemorySocket:
        """A handshake in memory takes no time and a live peer always answers: both limits are idle."""
        del timeout_s, quiet_s
        await asyncio.sleep(0)
        self._must_live()
        socket = self._network.open_socket(_target(url), on_message, on_closed)
        self._sockets = [s for s in self._sockets if s.is_open]
        self._sockets.append(socket)
        return socket

    def abort(self) -> None:
        """The process behind this transport is gone: nothing comes from it or is told to it any more."""
        self._aborted = True
        for socket in self._sockets:
            if socket.is_open:
                socket.vanish()
        self._sockets.clear()

    async def close(self) -> None:
        for socket in self._sockets:
            socket.close()
        self._sockets.clear()

    def _must_live(self) -> None:
        if self._aborted:
            raise NotWritten("the process behind this transport is gone")


def _target(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
