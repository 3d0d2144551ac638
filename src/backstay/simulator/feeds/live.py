"""The venue's public market streams as a feed. Optional: it needs a network and nothing else of the venue.

A thread of its own reads the streams, so `ticks()` never waits. When nothing has arrived, it yields the last
quote again, a moment later than now: whoever pulls the feed up to the present stops there and finds what has
arrived in between at the next pull. Time is the local clock at arrival.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from decimal import InvalidOperation
from types import TracebackType
from typing import Any, Self

import msgspec

from backstay.simulator.feeds.recorded import tick_of_frame
from backstay.simulator.feeds.ticks import FeedError, Quote, Tick

PUBLIC_URL = "wss://fstream.binance.com/public"
MARKET_URL = "wss://fstream.binance.com/market"
QUIET_NS = 20_000_000
_BUFFER = 100_000


class LiveFeed:
    """bookTicker (public route), aggTrade and markPrice@1s (market route) of USD-M symbols.

    `open()` must succeed before `ticks()`; `close()` ends the thread. A lost connection is made again with
    growing pauses; while it is away the market stands still. When nobody pulls, the oldest of a full buffer's
    ticks are dropped and counted in `dropped`.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        *,
        public_url: str = PUBLIC_URL,
        market_url: str = MARKET_URL,
        timeout_s: float = 10.0,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        if not symbols:
            raise FeedError("a live feed needs symbols. Give at least one.")
        self.symbols = tuple(symbols)
        self.start_ns = clock()
        self.dropped = 0
        self._clock, self._timeout = clock, timeout_s
        lower = [symbol.lower() for symbol in self.symbols]
        quotes = "/".join(f"{name}@bookTicker" for name in lower)
        rest = "/".join(f"{name}@aggTrade/{name}@markPrice@1s" for name in lower)
        self._urls = (f"{public_url}/stream?streams={quotes}", f"{market_url}/stream?streams={rest}")
        self._arrived: deque[Tick] = deque(maxlen=_BUFFER)
        self._quotes: dict[str, Quote] = {}
        self._quoted, self._problem = threading.Event(), ""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        """Connects and waits for a first quote of every symbol. Raises `FeedError` if it fails in time."""
        self._thread = threading.Thread(target=self._run, name="live-feed", daemon=True)
        self._thread.start()
        self._quoted.wait(self._timeout)
        missing = [symbol for symbol in self.symbols if symbol not in self._quotes]
        if missing:
            self.close()
            reason = self._problem or f"no quote of {', '.join(missing)} within {self._timeout:g} s"
            raise FeedError(
                f"the live market cannot be reached: {reason}. "
                "Check the network and the symbols, or use the synthetic feed or a recorded file."
            )

    def close(self) -> None:
        """Ends the connections and the thread. May be called twice."""
        loop, thread = self._loop, self._thread
        if loop is not None and thread is not None and thread.is_alive():
            loop.call_soon_threadsafe(loop.stop)
            thread.join(5)
        self._loop = self._thread = None

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def ticks(self) -> Iterator[Tick]:
        """What has arrived, then (again and again) the last quote a moment after now."""
        if self._thread is None:
            raise FeedError("the live feed is not connected. Call open() first.")
        last_at = self.start_ns
        for quote in self._quotes.copy().values():
            yield msgspec.structs.replace(quote, at=last_at)
        while True:
            try:
                tick = self._arrived.popleft()
                last_at = max(last_at, tick.at)
            except IndexError:
                tick = next(iter(self._quotes.values()))
                last_at = max(last_at, self._clock()) + QUIET_NS
            yield tick if tick.at == last_at else msgspec.structs.replace(tick, at=last_at)

    def _run(self) -> None:
        loop = asyncio.SelectorEventLoop()
        self._loop = loop
        tasks = [loop.create_task(self._stay_connected(url)) for url in self._urls]
        try:
            loop.run_forever()
        finally:
            for task in tasks:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            loop.close()

    async def _stay_connected(self, url: str) -> None:
        import picows

        pause = 0.25
        feed = self

        class Listener(picows.WSListener):
            def on_ws_frame(self, _: picows.WSTransport, frame: picows.WSFrame) -> None:
                if frame.msg_type == picows.WSMsgType.TEXT:
                    feed._take(frame.get_payload_as_bytes())

        while True:
            try:
                transport, _ = await picows.ws_connect(
                    Listener,
                    url,
                    enable_auto_ping=True,
                    auto_ping_idle_timeout=30,
                    auto_ping_reply_timeout=10,
                )
                pause = 0.25
                try:
                    await transport.wait_disconnected()
                finally:
                    transport.disconnect()
                self._problem = "the venue closed the connection"
            except (OSError, picows.WSError, TimeoutError) as error:
                self._problem = f"{type(error).__name__}: {error}"
            await asyncio.sleep(pause)
            pause = min(pause * 2, 30.0)

    def _take(self, payload: bytes) -> None:
        try:
            frame: Any = msgspec.json.decode(payload)
            tick = tick_of_frame(self._clock(), frame.get("data", frame))
        except (
            msgspec.DecodeError,
            KeyError,
            TypeError,
            ValueError,
            AttributeError,
            InvalidOperation,
        ) as error:
            self._problem = f"a frame that cannot be read ({error})"
            return
        if tick is None:
            return
        if len(self._arrived) == _BUFFER:
            self.dropped += 1
        self._arrived.append(tick)
        if isinstance(tick, Quote):
            self._quotes[tick.symbol] = tick
            if len(self._quotes) == len(self.symbols):
                self._quoted.set()
