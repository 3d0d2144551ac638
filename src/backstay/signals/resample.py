"""Higher-timeframe bars from lower ones, without a glance ahead.

A higher bar exists from the moment at which the last bar in it has closed, never earlier; a bucket whose
first bar was not seen is left out. The stream and the batch form give the same bars, bit for bit.
"""

import numpy as np

from backstay.core.types import TimeNs
from backstay.signals.bars import Bar, Floats, Ints, Series


class Resampler:
    """Feed bars of `interval` in order; each completed bar of `higher` comes out once."""

    def __init__(self, interval: TimeNs, higher: TimeNs) -> None:
        check_intervals(interval, higher)
        self._interval = interval
        self._higher = higher
        self._open: Bar | None = None

    def push(self, bar: Bar) -> Bar | None:
        """The higher bar that `bar` completes, or None. `bar` has been judged already."""
        start = bar.open_time - bar.open_time % self._higher
        held = self._open
        if start == bar.open_time:
            held = bar
        elif held is not None:
            held = Bar(
                start,
                held.open,
                max(held.high, bar.high),
                min(held.low, bar.low),
                bar.close,
                held.volume + bar.volume,
            )
        complete = bar.open_time + self._interval == start + self._higher
        self._open = None if complete else held
        return held if complete else None


def check_intervals(interval: TimeNs, higher: TimeNs) -> None:
    """Raises ValueError unless `higher` is a true multiple of `interval`."""
    if interval <= 0 or higher <= interval or higher % interval:
        raise ValueError(
            f"{higher} ns is not a multiple of {interval} ns: choose a higher interval such as 15m over 1m"
        )


def resample(bars: Series, interval: TimeNs, higher: TimeNs) -> tuple[Series, Ints]:
    """Every completed higher bar, and per row of `bars` which one was the latest at its close.

    That is an index into the higher bars, -1 before the first. `bars` have no gap (`judge_series`).
    """
    check_intervals(interval, higher)
    k = higher // interval
    starts = np.flatnonzero(bars.open_time % higher == 0)
    first = int(starts[0]) if len(starts) else len(bars)
    count = (len(bars) - first) // k
    rows = slice(first, first + count * k)

    def buckets(column: Floats) -> Floats:
        return column[rows].reshape(count, k)

    volume = np.zeros(count)
    for j in range(k):  # in the order of time, as the stream adds
        volume += buckets(bars.volume)[:, j]
    whole = Series(
        bars.open_time[rows].reshape(count, k)[:, 0],
        buckets(bars.open)[:, 0],
        buckets(bars.high).max(axis=1, initial=0.0),
        buckets(bars.low).min(axis=1, initial=np.inf),
        buckets(bars.close)[:, -1],
        volume,
    )
    seen = np.arange(len(bars), dtype=np.int64) - first + 1
    return whole, np.maximum(seen, 0) // k - 1
