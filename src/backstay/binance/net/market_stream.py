"""Market streams: mark prices, book tickers, klines and trades, for a set of streams that changes.

Books travel on the `/public` route, everything else on `/market`; a stream on the wrong one stays silent
for ever (binance.md 6), so the route follows from the stream's name. Per connection: at most 200 streams,
and far fewer than 10 messages a second. Silence is probed with LIST_SUBSCRIPTIONS.
"""

import asyncio
import itertools
from collections.abc import Callable, Iterable

import msgspec

from backstay.binance.net.gate import Gate
from backstay.binance.net.line import CannotConnect, Line, Up
from backstay.binance.net.timings import Timings
from backstay.binance.net.transport import Entropy, NotWritten, OnClosed, Socket, Transport
from backstay.binance.wire.decode_market import MarketEvent, decode_market
from backstay.binance.wire.errors import WireError
from backstay.core.names import counted

STREAMS_PER_CONNECTION = 200
STREAMS_PER_MESSAGE = 100
MESSAGE_GAP_S = 0.25

type OnMarket = Callable[[MarketEvent], None]


def mark_price(symbol: str) -> str:
    return f"{symbol.lower()}@markPrice@1s"


def book_ticker(symbol: str) -> str:
    return f"{symbol.lower()}@bookTicker"


def top_levels(symbol: str) -> str:
    """The twenty best levels of the book, twice a second."""
    return f"{symbol.lower()}@depth20@500ms"


def top_levels_of_spot(symbol: str) -> str:
    """The same once a second; spot knows one second and a tenth of it."""
    return f"{symbol.lower()}@depth20"


def kline(symbol: str, interval: str) -> str:
    return f"{symbol.lower()}@kline_{interval}"


def agg_trade(symbol: str) -> str:
    return f"{symbol.lower()}@aggTrade"


def mini_ticker(symbol: str) -> str:
    """Spot: once a second, if anything traded; its last price is the mark of a spot guard."""
    return f"{symbol.lower()}@miniTicker"


def is_public(stream: str) -> bool:
    """Whether a stream travels on `/public` (order books and book tickers)."""
    kind = stream.partition("@")[2] or stream
    return kind.startswith(("bookTicker", "depth", "rpiDepth")) or stream == "!bookTicker"


class MarketStream:
    """All market connections of one gateway."""

    def __init__(
        self,
        transport: Transport,
        *,
        market_url: str,
        public_url: str,
        gate: Gate,
        entropy: Entropy,
        on_event: OnMarket,
        log: Callable[[str], None],
        timings: Timings,
        decode: Callable[[bytes], tuple[MarketEvent, ...]] = decode_market,
        routed: bool = True,
        combined: bool = False,
        query: str = "",
    ) -> None:
        """`market_url` and `public_url` are the roots of the two routes; without `routed` everything travels
        on the first. `combined`: every frame names its stream. `query` is what follows the path, with its
        question mark.
        """
        self._path = "stream" if combined else "ws"
        self._decode = decode
        self._routed = routed
        self._query = query
        self._transport = transport
        self._timings = timings
        self._urls = {False: market_url, True: public_url}
        self._gate = gate
        self._entropy = entropy
        self._on_event = on_event
        self._log = log
        self._connections: list[_Connection] = []
        self._home: dict[str, _Connection] = {}
        self._farewells: set[asyncio.Task[None]] = set()

    @property
    def is_up(self) -> bool:
        """Every connection that is needed is up and subscribed."""
        return all(one.is_settled for one in self._connections)

    @property
    def losses(self) -> int:
        """Connections lost so far, of those that are still needed."""
        return sum(one.line.losses for one in self._connections)

    @property
    def wanted(self) -> frozenset[str]:
        return frozenset(self._home)

    def follow(self, streams: Iterable[str]) -> None:
        """Follow exactly these streams from now on; connections are opened and closed as needed."""
        wanted = set(streams)
        for stream in set(self._home) - wanted:
            self._home.pop(stream).wanted.discard(stream)
        for stream in sorted(wanted - set(self._home)):
            home = self._room(public=self._routed and is_public(stream))
            home.wanted.add(stream)
            self._home[stream] = home
        for connection in [one for one in self._connections if not one.wanted]:
            self._connections.remove(connection)
            farewell = asyncio.get_running_loop().create_task(connection.close())
            self._farewells.add(farewell)
            farewell.add_done_callback(self._farewells.discard)
        for connection in self._connections:
            connection.start()

    async def close(self) -> None:
        self._home.clear()
        connections, self._connections = self._connections, []
        for connection in connections:
            await connection.close()
        if self._farewells:
            await asyncio.wait(self._farewells)

    def _room(self, *, public: bool) -> "_Connection":
        for connection in self._connections:
            if connection.public is public and len(connection.wanted) < STREAMS_PER_CONNECTION:
                return connection
        number = len(self._connections) + 1
        connection = _Connection(
            self._transport,
            url=f"{self._urls[public]}/{self._path}{self._query}",
            public=public,
            gate=self._gate,
            entropy=self._entropy,
            on_event=self._on_event,
            log=self._log,
            timings=self._timings,
            name=f"{'public' if public else 'market'} stream {number}",
            decode=self._decode,
        )
        self._connections.append(connection)
        return connection


class _Control(msgspec.Struct):
    """Answer to SUBSCRIBE, UNSUBSCRIBE or LIST_SUBSCRIPTIONS; `error` or a bare code when refused."""

    id: int | None
    result: list[str] | None = None
    error: msgspec.Raw = msgspec.Raw()
    code: int = 0


_CONTROL = msgspec.json.Decoder(_Control)


class _Connection:
    """One connection and what it is subscribed to."""

    def __init__(
        self,
        transport: Transport,
        *,
        url: str,
        public: bool,
        gate: Gate,
        entropy: Entropy,
        on_event: OnMarket,
        log: Callable[[str], None],
        timings: Timings,
        name: str,
        decode: Callable[[bytes], tuple[MarketEvent, ...]],
    ) -> None:
        self._decode = decode
        self._transport = transport
        self._timings = timings
        self._url = url
        self.public = public
        self._gate = gate
        self._on_event = on_event
        self._log = log
        self._name = name
        self.wanted: set[str] = set()
        self._asked: set[str] = set()
        """What the current connection was told to send."""
        self._unanswered = 0
        self._ids = itertools.count(1)
        self._listing = 0
        """Id of a LIST_SUBSCRIPTIONS that is not answered yet."""
        self._loop = asyncio.get_running_loop()
        self._heard_at = self._loop.time()
        self._data_at = self._loop.time()
        self._probed_at = 0.0
        self._pump: asyncio.TimerHandle | None = None
        self._watch: asyncio.TimerHandle | None = None
        self.line = Line(
            self._connect,
            entropy=entropy,
            on_up=self._on_up,
            on_down=self._on_down,
            log=log,
            name=name,
            timings=timings,
        )

    @property
    def is_settled(self) -> bool:
        return self.line.is_up and self._asked == self.wanted and self._unanswered == 0

    def start(self) -> None:
        if not self.line.is_up:
            self.line.start()
        elif self._pump is None:
            self._pump_due()

    async def close(self) -> None:
        for timer in (self._pump, self._watch):
            if timer is not None:
                timer.cancel()
        await self.line.close()

    # --- connection -----------------------------------------------------------------------------------

    async def _connect(self, on_closed: OnClosed) -> Socket:
        if self._gate.halted:
            raise CannotConnect("venue halt: an operator has to release it", retry_after_s=5.0)
        socket = await self._transport.websocket(
            self._url, self._on_message, on_closed, quiet_s=self._timings.quiet
        )
        # a successor is subscribed before it takes over, so that a planned replacement loses nothing
        streams = sorted(self.wanted)
        for at in range(0, len(streams), STREAMS_PER_MESSAGE):
            self._command(socket, "SUBSCRIBE", streams[at : at + STREAMS_PER_MESSAGE])
        self._asked = set(streams)
        return socket

    def _on_up(self, _how: Up) -> None:
        self._heard_at = self._data_at = self._loop.time()
        self._listing = 0
        if self._asked != self.wanted and self._pump is None:
            self._pump_due()
        if self._watch is None:
            self._watch = self._loop.call_later(self._timings.probe / 3, self._look)

    def _on_down(self, _reason: str) -> None:
        self._asked = set()
        self._unanswered = 0

    def _command(self, socket: Socket, method: str, params: list[str]) -> int:
        number = next(self._ids)
        message: dict[str, object] = {"method": method, "id": number}
        if params:
            message["params"] = params
            self._unanswered += 1
        socket.send(msgspec.json.encode(message))
        return number

    def _pump_due(self) -> None:
        """Send one command towards the wanted set; the next one follows after a pause."""
        self._pump = None
        socket = self.line.socket
        if socket is None:
            return
        surplus, missing = sorted(self._asked - self.wanted), sorted(self.wanted - self._asked)
        try:
            if missing:
                part = missing[:STREAMS_PER_MESSAGE]
                if not self._asked:
                    self._data_at = self._loop.time()  # the silence so far was asked for
                self._command(socket, "SUBSCRIBE", part)
                self._asked.update(part)
            elif surplus:
                part = surplus[:STREAMS_PER_MESSAGE]
                self._command(socket, "UNSUBSCRIBE", part)
                self._asked.difference_update(part)
            else:
                return
        except NotWritten:
            return  # the line is about to notice; a new connection subscribes anew
        self._pump = self._loop.call_later(MESSAGE_GAP_S, self._pump_due)

    # --- messages and silence -------------------------------------------------------------------------

    def _on_message(self, frame: bytes) -> None:
        self._heard_at = self._loop.time()
        try:
            events = self._decode(frame)
        except WireError as unreadable:
            self._log(f"{self._name}: unreadable frame ({unreadable})")
            return
        if events:
            self._data_at = self._heard_at
            for event in events:
                self._on_event(event)
        else:
            self._control(frame)

    def _control(self, frame: bytes) -> None:
        try:
            answer = _CONTROL.decode(frame)
        except msgspec.MsgspecError:
            return  # a frame of a stream that we do not read
        if answer.id is None:
            return
        if answer.id == self._listing:
            self._listing = 0
            self._listed(set(answer.result or ()))
            return
        self._unanswered = max(0, self._unanswered - 1)
        if bytes(answer.error) not in (b"", b"null") or answer.code:
            self._log(f"{self._name}: a subscription was refused (code {answer.code})")

    def _listed(self, actual: set[str]) -> None:
        missing = self._asked - actual
        if missing:
            self._log(f"{self._name}: {counted(len(missing), 'subscription')} lost, asking again")
            self._asked &= actual
            if self._pump is None:
                self._pump_due()

    def _look(self) -> None:
        self._watch = self._loop.call_later(self._timings.probe / 3, self._look)
        socket = self.line.socket
        if socket is None or not self._asked:
            return
        now = self._loop.time()
        beats = any("@markPrice" in stream for stream in self._asked)
        if beats and now - self._data_at > self._timings.deaf:
            self.line.drop(f"no data for {self._timings.deaf:.0f} s")
        elif self._listing and now - self._heard_at > 2 * self._timings.probe:
            self.line.drop("no answer to LIST_SUBSCRIPTIONS")
        elif not self._listing and now - max(self._data_at, self._probed_at) > self._timings.probe:
            self._probed_at = now
            try:
                self._listing = self._command(socket, "LIST_SUBSCRIPTIONS", [])
            except NotWritten:
                self._listing = 0
