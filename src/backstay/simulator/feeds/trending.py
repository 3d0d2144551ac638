"""A seeded market that goes straight up for a while, then down: for whoever must see a trend be traded.

Integer arithmetic, the same on every machine. Legs alternate; within one the price climbs (or falls) by a
steady share a minute with a little noise, on volume that is larger in the direction of the leg.
"""

from collections.abc import Iterator, Mapping, Sequence
from random import Random

from backstay.simulator.feeds.grid import Grid, profile_of
from backstay.simulator.feeds.marks import Funding, MarkMaker
from backstay.simulator.feeds.ticks import SECOND, FeedError, Mark, Quote, Tick, Trade

_FINE = 20
_TOUCH_NOTIONAL = 20_000


class TrendingFeed:
    """One quote, trade and mark a second and symbol, without end.

    `leg_minutes`: how long a leg lasts; `drift_bp`: its climb a minute, in basis points; `first_up`: whether
    it begins with a climb. A falling leg falls by two thirds of it,
    so that the price rises in the long run.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        *,
        seed: int,
        start_ns: int,
        leg_minutes: int = 15,
        drift_bp: int = 12,
        first_up: bool = True,
        grids: Mapping[str, Grid] | None = None,
    ) -> None:
        if not symbols or len(set(symbols)) != len(symbols):
            raise FeedError(f"a trending market of {list(symbols)}: give at least one symbol, each once.")
        if leg_minutes < 1 or not 0 < drift_bp <= 1000:
            raise FeedError("a trending market needs legs of a minute or more and a drift of 1 to 1000 bp.")
        self.symbols = tuple(symbols)
        self.start_ns = start_ns
        self._seed = seed
        self._leg = leg_minutes * 60
        self._drift = drift_bp
        self._first_up = first_up
        self._grids = dict(grids or {})

    def ticks(self) -> Iterator[Tick]:
        """The market from its beginning; the same ticks at every call."""
        walks = [self._walk(symbol) for symbol in self.symbols]
        while True:
            for walk in walks:
                yield from next(walk)

    def _walk(self, symbol: str) -> Iterator[list[Quote | Trade | Mark]]:
        profile = profile_of(symbol)
        grid = self._grids.get(symbol, profile.grid)
        dice = Random(f"{self._seed}/{symbol}/trend")
        marks = MarkMaker(symbol, grid.tick, self._seed, Funding())
        fine = int(profile.price / grid.tick) << _FINE
        touch = max(1, int(_TOUCH_NOTIONAL / (profile.price * grid.step)))
        second = trade_id = 0
        while True:
            leg = second // self._leg
            up = (leg % 2 == 0) is self._first_up
            # per second: bp of a minute over 60, in millionths
            push = self._drift * 100 // 60 if up else -self._drift * 200 // 180
            fine += fine * (push + dice.randrange(-12, 13)) // 1_000_000
            last = max(fine >> _FINE, 2)
            at = self.start_ns + second * SECOND
            falls = not up if dice.getrandbits(2) else up
            bid, ask = (last, last + 1) if falls else (last - 1, last)
            size = touch * (1 + dice.getrandbits(3)) * (2 if second // 60 % 3 else 3)
            trade_id += 1
            yield [
                Quote(at, symbol, grid.tick * bid, grid.step * touch, grid.tick * ask, grid.step * touch),
                Trade(at, symbol, grid.tick * last, grid.step * size, falls, trade_id),
                marks.at(at, last),
            ]
            second += 1
