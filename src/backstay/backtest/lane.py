"""One symbol's bars on their way into the simulated exchange: how a bar moves, which bars are left out.

A bar goes open, the extreme that is against the position, the other extreme, close: where both a stop and a
target lie inside a bar, the stop is reached first. On its way the price rests at every level at which
something is set off (`simulator.levels`), so orders fill at their own prices and not at the bar's extreme.
Whatever takes from the book is filled worse than the price by `alpha` times the average true range of that
bar; a resting order is filled at its own price when the market trades beyond it, not when it only touches it.

Where the model breaks: the order of the extremes is a guess, though a pessimistic one; the book has no depth;
between two prices of the path nothing moves.
"""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import msgspec
import numpy as np

from backstay.backtest.bars import Bars
from backstay.core.scored import Book, Level
from backstay.core.types import ZERO, TimeNs
from backstay.signals.bars import Ints
from backstay.simulator.engine import Engine
from backstay.simulator.feeds.ticks import Quote, Trade
from backstay.simulator.levels import Levels

DEPTH = Decimal(1_000_000_000)
"""Quantity at the best price of a book without depth."""
LEGS = 4
"""A bar's path has four corners, a quarter of the interval apart."""
_CHUNK = 512


class Edges(msgspec.Struct, frozen=True):
    """`Levels` in ticks: what a trade at or below, at or above these prices sets off."""

    falling: tuple[int, ...]
    rising: tuple[int, ...]

    @classmethod
    def of(cls, levels: Levels, tick: Decimal) -> "Edges":
        down = (int((p / tick).to_integral_value(ROUND_FLOOR)) for p in levels.falling)
        up = (int((p / tick).to_integral_value(ROUND_CEILING)) for p in levels.rising)
        return cls(tuple(sorted(down, reverse=True)), tuple(sorted(up)))

    def next(self, here: int, there: int) -> int:
        """Where a move from `here` to `there` halts first."""
        if there < here:
            return next((edge for edge in self.falling if there < edge < here), there)
        return next((edge for edge in self.rising if here < edge < there), there)


class Lane:
    """One symbol. `news` says of each bar whether its score is told when it closes."""

    def __init__(self, bars: Bars, engine: Engine, *, slippage: Ints, news: Ints) -> None:
        self.bars = bars
        self.symbol = bars.symbol
        self._engine = engine
        self._slippage = slippage
        self._news = news
        """Rows whose score is told, ascending."""
        self.here = int(bars.open[0])
        """The latest price, in ticks."""
        self.stepped = 0

    def is_news(self, i: int) -> bool:
        """The score of bar `i` is told."""
        at = int(np.searchsorted(self._news, i))
        return at < len(self._news) and int(self._news[at]) == i

    def corners(self, i: int, *, down_first: bool) -> tuple[int, int, int]:
        """Where bar `i` goes after its open."""
        low, high = int(self.bars.low[i]), int(self.bars.high[i])
        return (low, high, int(self.bars.close[i])) if down_first else (high, low, int(self.bars.close[i]))

    def nearer_low(self, i: int) -> bool:
        """The low of bar `i` is closer to its open than the high."""
        bars = self.bars
        return bool(bars.open[i] - bars.low[i] <= bars.high[i] - bars.open[i])

    def trade(self, i: int, ticks: int, at: TimeNs) -> Decimal:
        """The market trades at `ticks` within bar `i`; returns the price."""
        price = self.bars.price(ticks)
        away = self.bars.price(int(self._slippage[i]))
        self.here = ticks
        self._engine.take(Quote(at, self.symbol, price - away, DEPTH, price + away, DEPTH))
        self._engine.take(Trade(at, self.symbol, price, self.bars.grid.step, buyer_maker=False))
        return price

    def book(self, i: int, at: TimeNs) -> Book:
        """The book as takers of bar `i` meet it: nothing at the price itself, all beyond the slippage.

        Bars tell no spread. That takers are filled worse is a guess about depth, and no limit on the
        spread may take it for one: it would refuse what the live program enters.
        """
        price, away = self.bars.price(self.here), self.bars.price(int(self._slippage[i]))
        touch = Level(price, ZERO)
        return Book(at=at, bids=(touch, Level(price - away, DEPTH)), asks=(touch, Level(price + away, DEPTH)))

    def next(self, i: int, levels: Levels, *, wake_at: TimeNs | None) -> int:
        """The first bar from `i` on in which anything can happen; `len(bars)`: none.

        That is one after a score that is told, one that holds `wake_at`, and one that reaches a level.
        """
        end = len(self.bars)
        if levels.restless:
            return min(i, end)
        at = int(np.searchsorted(self._news, i - 1))
        if at < len(self._news):
            end = min(end, int(self._news[at]) + 1)
        if wake_at is not None:
            waking = (wake_at - int(self.bars.open_time[0])) // self.bars.interval
            end = min(end, max(i, waking))
        if not levels.falling and not levels.rising:
            return end
        edges = Edges.of(levels, self.bars.grid.tick)
        floor = edges.falling[0] if edges.falling else -1
        ceiling = edges.rising[0] if edges.rising else np.iinfo(np.int64).max
        low, high = self.bars.low, self.bars.high
        while i < end:
            stop = min(i + _CHUNK, end)
            found = np.flatnonzero((low[i:stop] <= floor) | (high[i:stop] >= ceiling))
            if len(found):
                return i + int(found[0])
            i = stop
        return end
