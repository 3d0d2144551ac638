"""Drives a `Desk` on the event loop: hands events in, reads what is missing, gives out what follows.

A bar's close comes for all symbols at once. Scoring them in one go would hold up whatever arrives meanwhile,
and that may be a fill; so one symbol is scored per turn of the loop. Reads are bounded: so many at a time, so
many in a minute.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Protocol

from backstay.core.events import AnyEvent
from backstay.core.outcomes import VenueUnavailable
from backstay.core.types import TimeNs
from backstay.marketdata.desk import Desk
from backstay.marketdata.history import Need
from backstay.marketdata.intervals import INTERVALS
from backstay.signals.bars import Bar

LOOK_S = 1.0
"""How often needs and staleness are looked at."""
READERS = 2
PAGE = 499
"""Bars a read: the most of what costs a weight of 2 (binance-usdm.md 1)."""
PAGES_PER_MINUTE = 400
"""A third of what the venue allows, so that a warm-up never starves what guards positions."""


class Source(Protocol):
    """Where market data come from."""

    def now_ns(self) -> TimeNs:
        """Venue time."""
        ...

    def follow(self, bars: Sequence[tuple[str, str]]) -> None:
        """Send closed bars, marks and quotes of exactly these (symbol, interval) from now on."""
        ...

    async def read_bars(self, symbol: str, interval: str, start: TimeNs, end: TimeNs) -> Sequence[Bar]:
        """At most `PAGE` bars that open from `start` to before `end`. Raises VenueUnavailable."""
        ...


class MarketFeed:
    """`emit` takes the core's events; `tell` a sentence for the log."""

    def __init__(
        self,
        desk: Desk,
        source: Source,
        *,
        emit: Callable[[AnyEvent], None],
        tell: Callable[[str], None],
        pages_per_minute: int = PAGES_PER_MINUTE,
    ) -> None:
        self.desk = desk
        self._source = source
        self._emit = emit
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._due: dict[str, None] = {}
        """Symbols with bars to take in, in order."""
        self._turning = False
        self._needs: asyncio.Queue[Need] = asyncio.Queue()
        self._readers: list[asyncio.Task[None]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._pages: deque[float] = deque(maxlen=pages_per_minute)
        self._told: dict[str, str] = {}

    def start(self) -> None:
        """Subscribe and begin to read histories."""
        self._source.follow([(s, h.interval) for s, h in self.desk.histories.items()])
        self._readers = [
            self._loop.create_task(self._read_on(), name=f"market reader {i}") for i in range(READERS)
        ]
        self._look()

    async def stop(self) -> None:
        self.abandon()
        await asyncio.gather(*self._readers, return_exceptions=True)

    def abandon(self) -> None:
        """Let go of everything, as a killed process does."""
        if self._timer is not None:
            self._timer.cancel()
        for reader in self._readers:
            reader.cancel()
        self._due.clear()

    # --- what comes in ------------------------------------------------------------------------------

    def on_bar(self, symbol: str, interval: str, bar: Bar) -> None:
        """A closed bar of the stream."""
        history = self.desk.histories.get(symbol)
        if history is None or history.interval != interval:
            return
        self.desk.closed(symbol, bar)
        self._work(symbol)

    def on_mark(self, symbol: str, funding_rate: Decimal | None) -> None:
        self.desk.mark(symbol, funding_rate, self._source.now_ns())

    def on_quote(self, symbol: str, bid: Decimal, ask: Decimal) -> None:
        self.desk.quote(symbol, bid, ask, self._source.now_ns())

    # --- what follows -------------------------------------------------------------------------------

    def _work(self, symbol: str) -> None:
        """The symbol has bars to take in, soon."""
        if not self.desk.has_work(symbol):
            return
        self._due[symbol] = None
        if not self._turning:
            self._turning = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        """Serve one symbol; the next one after whatever else is ready."""
        self._turning = False
        symbol = next(iter(self._due), None)
        if symbol is None:
            return
        del self._due[symbol]
        for event in self.desk.step(symbol, self._source.now_ns()):
            self._emit(event)
        self._work(symbol)
        if self._due and not self._turning:
            self._turning = True
            self._loop.call_soon(self._turn)

    def _look(self) -> None:
        self._timer = self._loop.call_later(LOOK_S, self._look)
        now = self._source.now_ns()
        for need in self.desk.needs(now):
            self._needs.put_nowait(need)
        for symbol, history in self.desk.histories.items():
            if history.trouble != self._told.get(symbol, ""):
                self._told[symbol] = history.trouble
                self._tell(f"{symbol} bars: {history.trouble or 'complete again'}")
        for change in self.desk.gates(now):
            self._emit(change)

    async def _read_on(self) -> None:
        while True:
            need = await self._needs.get()
            try:
                bars = await self._read(need)
            except VenueUnavailable as failure:
                self.desk.failed(need, str(failure), self._source.now_ns())
                continue
            self.desk.read(need, bars)
            self._work(need.symbol)

    async def _read(self, need: Need) -> list[Bar]:
        """Page by page, from the oldest on. A page that ends early is no end: the venue may lack some."""
        step = PAGE * INTERVALS[need.interval]
        bars: list[Bar] = []
        for start in range(need.start, need.end, step):
            await self._turn_to_read()
            bars += await self._source.read_bars(
                need.symbol, need.interval, start, min(start + step, need.end)
            )
        return bars

    async def _turn_to_read(self) -> None:
        if len(self._pages) == self._pages.maxlen:
            wait = self._pages[0] + 60.0 - self._loop.time()
            if wait > 0:
                await asyncio.sleep(wait)
        self._pages.append(self._loop.time())
