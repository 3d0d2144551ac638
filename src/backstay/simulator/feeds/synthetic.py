"""A seeded synthetic market that runs for ever, in integer arithmetic: the same on every machine.

Each symbol lives through regimes (range, trend, turbulence, jump, gap) of 20 s to 4 min with its own dice, so
adding a symbol leaves the others as they were; a slow common factor correlates them a little. It is meant to
exercise whoever trades on it (stops get hit, spreads widen, books go silent), not to resemble any real day.
"""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from math import isqrt
from random import Random

from backstay.simulator.feeds.grid import Grid, profile_of
from backstay.simulator.feeds.marks import Funding, MarkMaker
from backstay.simulator.feeds.ticks import MINUTE, SECOND, FeedError, Mark, Quote, Tick, Trade

_MS = 1_000_000
_PPB = 1_000_000_000
_FINE = 20
_COMMON_SHARE = 800
_TOUCH_NOTIONAL = 1_000
_KINDS = ("range",) * 9 + ("trend",) * 10 + ("turbulence",) * 3 + ("jump",) * 2 + ("gap",)


class SyntheticFeed:
    """Synthetic ticks for any symbols from `start_ns` on, without end.

    `rate`: mean events a second and symbol (0.01 to 1,000); an event is a quote, mostly with a trade, and
    once a second a mark. `volatility_bp`: typical move of a calm minute, in basis points. `grids` and
    `prices` override tick, step and start price; unknown symbols start at 10 with tick 0.001, step 0.1.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        *,
        seed: int,
        start_ns: int,
        rate: Decimal | int = 2,
        volatility_bp: int = 6,
        grids: Mapping[str, Grid] | None = None,
        prices: Mapping[str, Decimal] | None = None,
        funding: Mapping[str, Funding] | None = None,
    ) -> None:
        if not symbols or len(set(symbols)) != len(symbols):
            raise FeedError(f"a synthetic market of {list(symbols)}: give at least one symbol, each once.")
        if not Decimal("0.01") <= Decimal(rate) <= 1000:
            raise FeedError(f"a synthetic market with {rate} events a second. Give 0.01 to 1000.")
        if not 0 <= volatility_bp <= 1000:
            raise FeedError(f"a volatility of {volatility_bp} bp a minute. Give 0 to 1000.")
        self.symbols = tuple(symbols)
        self.start_ns = start_ns
        self._seed = seed
        self._gap_ms = int(1000 / Decimal(rate))
        self._volatility = volatility_bp * 100_000
        self._grids = dict(grids or {})
        self._prices = dict(prices or {})
        self._funding = dict(funding or {})

    def ticks(self) -> Iterator[Tick]:
        """The market from its beginning; the same ticks at every call."""
        common = _Common(self._seed, self.start_ns, self._volatility)
        markets = [self._market(symbol) for symbol in self.symbols]
        queue = [(self.start_ns, index) for index in range(len(markets))]
        while True:
            at, index = queue[0]
            market = markets[index]
            yield from market.event(at, common.level(at))
            heapq.heapreplace(queue, (market.next_at, index))

    def _market(self, symbol: str) -> "_Market":
        profile = profile_of(symbol)
        grid = self._grids.get(symbol, profile.grid)
        price = self._prices.get(symbol, profile.price)
        ticks = int(price / grid.tick)
        if ticks < 100:
            raise FeedError(
                f"{symbol}: a start price of {price} is under 100 ticks of {grid.tick}. Give another one."
            )
        funding = self._funding.get(symbol) or Funding()
        marks = MarkMaker(symbol, grid.tick, self._seed, funding)
        touch = max(1, int(_TOUCH_NOTIONAL / (price * grid.step)))
        return _Market(symbol, grid, marks, Random(f"{self._seed}/{symbol}"), ticks, touch, self)

    @property
    def mean_gap_ms(self) -> int:
        """Mean time between two events of one symbol."""
        return self._gap_ms

    @property
    def volatility_ppb(self) -> int:
        """Standard deviation of a calm minute's return, in parts per billion."""
        return self._volatility


class _Common:
    """The factor that all symbols share: a random walk with one step a second."""

    def __init__(self, seed: int, start_ns: int, volatility_ppb: int) -> None:
        self._dice = Random(f"{seed}/common")
        self._next = start_ns + SECOND
        self._per_second = volatility_ppb * 1000 // isqrt(60_000_000)
        self._level = 0

    def level(self, at: int) -> int:
        """Cumulative return in ppb at `at`, which never goes back."""
        while self._next <= at:
            self._level += self._per_second * _bell(self._dice) >> 10
            self._next += SECOND
        return self._level


class _Market:
    def __init__(
        self,
        symbol: str,
        grid: Grid,
        marks: MarkMaker,
        dice: Random,
        ticks: int,
        touch: int,
        feed: SyntheticFeed,
    ) -> None:
        self._symbol, self._grid, self._marks, self._dice = symbol, grid, marks, dice
        self._fine = self._start = self._anchor = ticks << _FINE
        self._touch = touch
        self._gap_ms, self._volatility = feed.mean_gap_ms, feed.volatility_ppb
        self._at = self.next_at = self._regime_until = self._next_mark = feed.start_ns
        self._kind, self._drift, self._heat = "range", 0, 1
        self._common = 0
        self._trade_id = 0

    def event(self, at: int, common: int) -> list[Quote | Trade | Mark]:
        """What happens at `at`; sets `next_at`."""
        dice = self._dice
        before = self._fine
        self._move(at, common)
        silence = self._turn(at) if at >= self._regime_until else 0
        last = max(self._fine >> _FINE, 2)
        falls = self._fine < before if self._fine != before else bool(dice.getrandbits(1))
        spread = self._spread(last)
        bid, ask = (last, last + spread) if falls else (max(last - spread, 1), last)
        tick, step, touch = self._grid.tick, self._grid.step, self._touch
        bid_qty, ask_qty = touch * (4 + dice.getrandbits(6)), touch * (4 + dice.getrandbits(6))
        made: list[Quote | Trade | Mark] = [
            Quote(at, self._symbol, tick * bid, step * bid_qty, tick * ask, step * ask_qty)
        ]
        if dice.getrandbits(8) < 180:
            self._trade_id += 1
            size = max(1, self._heat * touch * (1 + dice.getrandbits(7)) >> dice.getrandbits(3))
            made.append(Trade(at, self._symbol, tick * last, step * size, falls, self._trade_id))
        if at >= self._next_mark:
            made.append(self._marks.at(at, last))
            self._next_mark = at + SECOND
        wait = max(1, self._gap_ms * (64 + dice.getrandbits(8) * 3 // 2) >> 8)
        self._at, self.next_at = at, at + wait * _MS + silence
        return made

    def _move(self, at: int, common: int) -> None:
        """One step of the walk: noise, drift or pull to the anchor, and the common factor."""
        ms = (at - self._at) // _MS
        noise = self._volatility * self._heat * isqrt(ms * 1000) // isqrt(60_000_000)
        change = noise * _bell(self._dice) >> 10
        change += self._drift * ms // 60_000
        change += (common - self._common) * _COMMON_SHARE // 1000
        self._common = common
        if self._kind == "range":
            change += (self._anchor - self._fine) * _PPB // self._fine * min(ms, 30_000) // 30_000
        if self._fine > 3 * self._start:
            change -= ms * 20_000
        elif self._fine < self._start // 3:
            change += ms * 20_000
        self._fine += self._fine * max(change, -_PPB // 5) // _PPB

    def _turn(self, at: int) -> int:
        """Begins another regime; answers for how many ns the market is silent (a gap), else 0."""
        dice = self._dice
        self._kind = _KINDS[dice.randrange(len(_KINDS))]
        self._regime_until = at + (20 + dice.randrange(220)) * SECOND
        self._drift, self._heat, silence = 0, 1, 0
        up = 1 if dice.getrandbits(1) else -1
        bp = 100_000
        if self._kind == "trend":
            self._drift = up * (5 + dice.randrange(30)) * bp
        elif self._kind == "turbulence":
            self._heat = 3
        elif self._kind == "jump":
            self._fine += self._fine * up * (15 + dice.randrange(100)) * bp // _PPB
            self._heat = 2
            self._regime_until = at + (20 + dice.randrange(60)) * SECOND
        elif self._kind == "gap":
            silence = (3 + dice.randrange(12)) * SECOND
            self._drift = up * (10 + dice.randrange(50)) * bp * (MINUTE // silence)
            self._regime_until = at + silence
        self._anchor = self._fine
        return silence

    def _spread(self, last: int) -> int:
        """Ticks between bid and ask: mostly the minimum, wide in turbulence."""
        drawn = self._dice.getrandbits(4)
        if self._heat > 1:
            return 1 + last * (20 + 10 * drawn) // 1_000_000
        return 1 if drawn < 11 else 1 + drawn % 4 + last * drawn // 2_000_000


def _bell(dice: Random) -> int:
    """A bell-shaped integer of mean 0 and standard deviation 1,024: the sum of four uniform draws."""
    bits = dice.getrandbits(48)
    summed = (bits & 4095) + (bits >> 12 & 4095) + (bits >> 24 & 4095) + (bits >> 36)
    return (summed - 8190) * 1024 // 2365
