"""The market side of a guard: market streams of the gateway become scores, gates and books for its owner.

Only for managers that ask for it: without scored symbols, and while no strategy or limit wants a book,
nothing is subscribed and nothing runs, and the libraries that make scores are not even loaded.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from backstay.binance.net import market_stream
from backstay.binance.net.spot_venue import SpotVenue
from backstay.binance.net.venue import BinanceVenue
from backstay.binance.wire.decode_klines import KlineRow
from backstay.binance.wire.decode_market import BookTicker, Depth, Kline, MarketEvent, MarkPrice
from backstay.core.engine import Engine
from backstay.core.events import AnyEvent
from backstay.core.scored import Book, Level
from backstay.core.types import TimeNs
from backstay.marketdata.news import NO_NEWS, NewsDesk
from backstay.runtime.owner import Owner
from backstay.signals.policy import MINUTE, ScorePolicy
from backstay.strategies.scored.policy import ScoredPolicy

if TYPE_CHECKING:
    from backstay.marketdata.feed import MarketFeed
    from backstay.signals.bars import Bar


def scored_symbols(engine: Engine) -> dict[str, ScorePolicy]:
    """How each symbol is scored that a scored trader manages."""
    return {
        symbol: manager.policy.score
        for manager in engine.managers
        if isinstance(manager.policy, ScoredPolicy)
        for symbol in sorted(manager.symbols)
    }


def history_minutes(engine: Engine) -> int:
    """How many minutes of bars the scores of these managers look back upon; 0: nothing is scored."""
    policies = set(scored_symbols(engine).values())
    if not policies:
        return 0
    from backstay.signals.line import needed_bars

    return max(needed_bars(p) * p.interval // MINUTE + 2 * p.higher // MINUTE for p in policies)


class MarketSide:
    """Made with the guard; `start` once its account is taken over."""

    def __init__(
        self,
        owner: Owner,
        venue: BinanceVenue,
        policies: Mapping[str, ScorePolicy],
        *,
        tell: Callable[[str], None],
        news: NewsDesk = NO_NEWS,
    ) -> None:
        self._owner = owner
        self._venue = venue
        self._policies = dict(policies)
        self._tell = tell
        self._news = news
        self._streams: frozenset[str] = frozenset()
        self._books: frozenset[str] = frozenset()
        self.feed: MarketFeed | None = None
        venue.hear(self._heard)
        owner.books.subscribe = self.watch_books

    def start(self) -> None:
        """Subscribe, read histories, make scores."""
        if not self._policies or self.feed is not None:
            return
        from backstay.marketdata.desk import Desk
        from backstay.marketdata.feed import MarketFeed

        desk = Desk(self._policies, self._venue.venue_now_ns(), self._news)
        self.feed = MarketFeed(desk, self, emit=self._emit, tell=self._tell)
        self.feed.start()

    async def stop(self) -> None:
        if self.feed is not None:
            await self.feed.stop()

    def abandon(self) -> None:
        """Stop as a killed process does."""
        if self.feed is not None:
            self.feed.abandon()

    def watch_books(self, symbols: Sequence[str]) -> None:
        """Follow the order books of exactly these symbols; they go to the owner."""
        self._books = frozenset(market_stream.top_levels(symbol) for symbol in symbols)
        self._subscribe()

    def status(self) -> list[dict[str, Any]]:
        """One row per scored symbol, for screens."""
        if self.feed is None:
            return []
        now = self._venue.venue_now_ns()
        return [
            {"symbol": s.symbol, "live": s.live, "warm": s.warm, "stale": s.stale, "trouble": s.trouble}
            for s in self.feed.desk.status(now)
        ]

    # --- `marketdata.feed.Source` -------------------------------------------------------------------

    def now_ns(self) -> TimeNs:
        return self._venue.venue_now_ns()

    def follow(self, bars: Sequence[tuple[str, str]]) -> None:
        wanted = set()
        for symbol, interval in bars:
            wanted.add(market_stream.kline(symbol, interval))
            wanted.add(market_stream.mark_price(symbol))
            wanted.add(market_stream.book_ticker(symbol))
        self._streams = frozenset(wanted)
        self._subscribe()

    async def read_bars(self, symbol: str, interval: str, start: TimeNs, end: TimeNs) -> "Sequence[Bar]":
        return [_bar(row) for row in await self._venue.read_klines(symbol, interval, start, end)]

    # --- events -------------------------------------------------------------------------------------

    def _subscribe(self) -> None:
        self._venue.watch_streams(self._streams | self._books)

    def _emit(self, event: AnyEvent) -> None:
        self._owner.on_event(event)

    def _heard(self, event: MarketEvent) -> None:
        """One market event; quotes come by the thousand a second."""
        feed = self.feed
        if isinstance(event, BookTicker):
            if feed is not None:
                feed.on_quote(event.symbol, event.bid, event.ask)
        elif isinstance(event, Kline):
            if event.closed and feed is not None:
                feed.on_bar(event.symbol, event.interval, _bar(event))
        elif isinstance(event, MarkPrice):
            if feed is not None:
                feed.on_mark(event.symbol, event.funding_rate)
        elif isinstance(event, Depth):
            self._owner.books.heard(event.symbol, _book(event))


class SpotBooks:
    """The market side of a spot guard: nothing is scored there, but a strategy may ask for order books."""

    def __init__(self, owner: Owner, venue: SpotVenue) -> None:
        self._owner = owner
        self._venue = venue
        venue.hear(self._heard)
        owner.books.subscribe = self.watch_books

    def watch_books(self, symbols: Sequence[str]) -> None:
        """Follow the order books of exactly these symbols; they go to the owner."""
        self._venue.watch_streams(market_stream.top_levels_of_spot(symbol) for symbol in symbols)

    def _heard(self, event: MarketEvent) -> None:
        if isinstance(event, Depth):
            self._owner.books.heard(event.symbol, _book(event))


def _bar(k: Kline | KlineRow) -> "Bar":
    from backstay.signals.bars import Bar

    return Bar(k.open_at, float(k.open), float(k.high), float(k.low), float(k.close), float(k.volume))


def _book(depth: Depth) -> Book:
    def levels(rows: tuple[tuple[Decimal, Decimal], ...]) -> tuple[Level, ...]:
        return tuple(Level(price, quantity) for price, quantity in rows)

    return Book(at=depth.at, bids=levels(depth.bids), asks=levels(depth.asks))
