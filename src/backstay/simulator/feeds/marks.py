"""Mark price, index price and funding for feeds that were recorded without them.

The mark follows the price with a small slow basis (at most +-`BASIS_PPM`), all in integer arithmetic, so it
is the same on every machine and does not depend on where in a file the reading starts.
"""

from bisect import bisect_right
from collections.abc import Sequence
from decimal import Decimal
from hashlib import shake_128
from pathlib import Path

from backstay.simulator.feeds.tables import FUNDING_COLUMNS, numbers, pick, read_table, refuse, times
from backstay.simulator.feeds.ticks import HOUR, MINUTE, Mark

BASIS_PPM = 300
UNIT = Decimal("1E-8")
FUNDING_EVERY = 8 * HOUR
INTEREST_ONLY = Decimal("0.00010000")


class Funding:
    """Which rate is charged next, and when.

    Without recorded rows: every 8 h at 00/08/16 UTC at `rate` (the venue's interest component, 0.01 %). With
    rows, those; after the last row the regular times go on at `rate`.
    """

    def __init__(self, rows: Sequence[tuple[int, Decimal]] = (), *, rate: Decimal = INTEREST_ONLY) -> None:
        self._times = [at for at, _ in rows]
        self._rates = [charged for _, charged in rows]
        self._rate = rate
        self._from = self._until = 0
        self._current: tuple[Decimal, int] = (rate, 0)

    @property
    def rows(self) -> list[tuple[int, Decimal]]:
        """What was recorded: (charged at, rate), ascending."""
        return list(zip(self._times, self._rates, strict=True))

    def after(self, at: int) -> tuple[Decimal, int]:
        """(rate, time in ns) of the first funding later than `at`."""
        if not self._from <= at < self._until:
            index = bisect_right(self._times, at)
            regular = (at // FUNDING_EVERY + 1) * FUNDING_EVERY
            if index < len(self._times):
                self._current = (self._rates[index], self._times[index])
            else:
                self._current = (self._rate, regular)
            self._from, self._until = at, self._current[1]
        return self._current


def read_funding(path: Path) -> Funding:
    """Funding rows from a file (.parquet, .csv, .csv.gz) with `funding_time` and `funding_rate`.

    The venue's archive spells them its own way. Its few milliseconds of jitter are taken off.
    Raises `FeedError`.
    """
    frame = pick(path, read_table(path), FUNDING_COLUMNS)
    charged = times(path, frame["funding_time"], strictly=True) // MINUTE * MINUTE
    repeated = (charged.diff() == 0).fill_null(value=False)
    refuse(path, frame["funding_time"], repeated, "repeats the row above it", "Remove one of them.")
    rates = numbers(path, frame["funding_rate"], positive=None)
    refuse(path, frame["funding_rate"], rates.abs() > 1, "is no rate; write 0.0001 for 0.01 %")
    return Funding([(at, Decimal(f"{rate:.8f}")) for at, rate in zip(charged, rates, strict=True)])


class MarkMaker:
    """Makes one symbol's marks from its price; the basis is a function of seed, symbol and time alone."""

    def __init__(self, symbol: str, tick: Decimal, seed: int, funding: Funding) -> None:
        self.symbol = symbol
        self._tick = tick
        self._tick_e8 = int(tick.scaleb(8))
        if self._tick_e8 * UNIT != tick:
            raise ValueError(f"{symbol}: a tick of {tick} is finer than the mark price's 8 decimals")
        self._seed = seed
        self._funding = funding
        self._minute = -1
        self._ends = (0, 0)

    def at(self, at: int, price_ticks: int) -> Mark:
        """The mark at `at` (ns) while the market is at `price_ticks` ticks."""
        minute, inside = divmod(at, MINUTE)
        if minute != self._minute:
            known = self._ends[1] if minute == self._minute + 1 and self._minute >= 0 else self._basis(minute)
            self._minute, self._ends = minute, (known, self._basis(minute + 1))
        left, right = self._ends
        ppm = left + (right - left) * inside // MINUTE
        mark = Decimal(price_ticks * self._tick_e8 * (1_000_000 + ppm) // 1_000_000) * UNIT
        rate, next_at = self._funding.after(at)
        return Mark(at, self.symbol, mark, self._tick * price_ticks, rate, next_at)

    def _basis(self, minute: int) -> int:
        drawn = shake_128(f"{self._seed}/{self.symbol}/basis/{minute}".encode()).digest(2)
        return int.from_bytes(drawn) % (2 * BASIS_PPM + 1) - BASIS_PPM
