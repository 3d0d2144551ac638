"""The scores of a whole series at once, and when each becomes news to a strategy."""

from collections.abc import Mapping
from decimal import Decimal

import numpy as np

from backstay.backtest.bars import Bars
from backstay.core.scored import SignalScored
from backstay.core.types import SECOND, TimeNs
from backstay.signals import score
from backstay.signals.bars import Floats, Ints, Series, as_known
from backstay.signals.policy import ScorePolicy
from backstay.signals.resample import resample
from backstay.simulator.feeds.marks import Funding


class Scoring:
    """One symbol's scores by one policy. `policy` may score longer bars than the market is replayed in.

    Raises ValueError when it scores shorter ones.
    """

    def __init__(self, bars: Bars, policy: ScorePolicy, funding: Funding | None = None) -> None:
        self.bars = bars
        self._policy = policy
        self._series, self._which = _scored_bars(bars, policy.interval)
        closes = self._series.open_time + policy.interval
        around = {}
        rows = funding.rows if funding is not None else []
        if rows:
            known = as_known([t for t, _ in rows], [float(r) for _, r in rows], closes)
            around["funding_rate"] = known
        self._x: Mapping[str, Floats] = score.table(self._series, policy, around)
        self._scores = score.compose(self._x, policy, bars.symbol)
        self.kinds: Ints = score.kinds(self._scores, policy, bars.symbol)

    def row(self, i: int) -> int | None:
        """The scored bar that closes together with bar `i`; None: none does."""
        row = int(self._which[i])
        before = int(self._which[i - 1]) if i else -1
        return row if row > before else None

    def event(self, row: int) -> SignalScored:
        """The score of a scored bar with its explanation, as the live program would have made it."""
        return score.event_at(row, self._series, self._x, self._scores, self._policy, self.bars.symbol)

    def news(self, *, every: bool) -> Ints:
        """Bars at whose close a score is told, ascending; with `every`, all that are scored.

        Otherwise those that change what a strategy may do: every signal, the first score after one, and the
        very first, which makes the scope known. A score without a signal that follows another such one says
        nothing new to a scope that plans nothing: it has no plan before and after it, and a position follows
        the plan of its entry.
        """
        told = self.kinds != 0
        told[1:] |= self.kinds[:-1] != 0
        told[0] = True
        rows = np.arange(len(told)) if every else np.flatnonzero(told)
        ends = np.searchsorted(self._which, rows, side="left")
        return ends[ends < len(self.bars)]

    def ranges(self) -> Floats:
        """Per bar the average true range of the scored bar that holds it; NaN: not known yet."""
        inside = np.minimum(
            np.searchsorted(self._series.open_time, self.bars.open_time, side="right") - 1,
            len(self._series) - 1,
        )
        return np.where(inside >= 0, self._x["atr"][np.maximum(inside, 0)], np.nan)


def plain_ranges(bars: Bars) -> Floats:
    """The average true range where nothing is scored: of the bars themselves."""
    policy = ScorePolicy(interval=bars.interval, higher=bars.interval * 15, valid_for=bars.interval)
    return score.table(bars.series, policy)["atr"]


def _scored_bars(bars: Bars, interval: TimeNs) -> tuple[Series, Ints]:
    """Bars of `interval`, and per bar which of them was the latest at its close (-1: none)."""
    if interval == bars.interval:
        return bars.series, np.arange(len(bars), dtype=np.int64)
    if interval < bars.interval or interval % bars.interval:
        raise ValueError(
            f"{bars.symbol}: score.interval is {interval // SECOND} s and its bars are "
            f"{bars.interval // SECOND} s long; give bars that are as long, or that it is a multiple of"
        )
    series, which = resample(bars.series, bars.interval, interval)
    if not len(series):
        raise ValueError(f"{bars.symbol}: its bars do not fill one bar of {interval // SECOND} s")
    return series, which


def slippage(ranges: Floats, bars: Bars, alpha: Decimal) -> Ints:
    """Ticks by which takers of each bar are worse off; where no average is known, by the bar's own range."""
    own = (bars.high - bars.low) * float(bars.grid.tick)
    known = np.where(np.isnan(ranges), own, ranges)
    return np.rint(known * float(alpha) / float(bars.grid.tick)).astype(np.int64)
