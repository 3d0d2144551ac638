"""Bars: what they are, and which of them may not be taken in.

Prices and volumes of bars are binary floats on purpose. They feed indicators, which are floats anyway, and
none of them ever is an order's price or size: those are exact decimals, rounded onto the venue's grid by the
core. A float holds every price that the venue writes (at most 15 significant digits) and `exact` gives back
the very digits.

A bar opens at `open_time` and is known only from its close on, `open_time + interval`.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from math import isfinite

import msgspec
import numpy as np
from numpy.typing import NDArray

from backstay.core.names import counted
from backstay.core.types import SECOND, TimeNs

type Floats = NDArray[np.float64]
type Ints = NDArray[np.int64]
type Bools = NDArray[np.bool_]


class Bar(msgspec.Struct, frozen=True, gc=False):
    """One closed bar: prices in quote currency, volume in base units."""

    open_time: TimeNs
    open: float
    high: float
    low: float
    close: float
    volume: float


class BarFault(StrEnum):
    """Why a bar is not taken in."""

    GAP = "gap"
    """Bars are missing before it: they have to be read first."""
    DUPLICATE = "duplicate"
    """The very bar that was taken in last: harmless."""
    CONFLICT = "conflict"
    """The last bar again, with other figures: one of the two was not final."""
    OUT_OF_ORDER = "out_of_order"
    OFF_GRID = "off_grid"
    """It does not open at a multiple of the interval."""
    NOT_FINITE = "not_finite"
    """NaN or infinite."""
    NOT_POSITIVE = "not_positive"
    """A price of zero or below, or a negative volume."""
    SHAPE = "shape"
    """High below low, open or close outside of both, or a price that moved without volume."""


class BarRefused(msgspec.Struct, frozen=True, kw_only=True):
    """A bar that was not taken in; whoever feeds bars must act on it, and scores stay away until then."""

    fault: BarFault
    open_time: TimeNs
    detail: str
    missing: int = 0
    """GAP: how many bars."""


def judge(bar: Bar, last: Bar | None, interval: TimeNs) -> BarRefused | None:
    """Why `bar` may not follow `last` (None: it is the first); None: it may.

    A bar without volume is legal as long as its price did not move: a thin market has such minutes.
    """
    fault = _figures(bar)
    if fault is not None:
        return fault
    if bar.open_time % interval:
        return _refused(BarFault.OFF_GRID, bar, f"{bar.open_time} is no multiple of {interval} ns")
    if last is None:
        return None
    ahead = bar.open_time - last.open_time
    if ahead == interval:
        return None
    if not ahead:
        if bar == last:
            return _refused(BarFault.DUPLICATE, bar, "the bar that was taken in last")
        return _refused(BarFault.CONFLICT, bar, f"{bar} after {last}")
    if ahead < 0:
        return _refused(
            BarFault.OUT_OF_ORDER, bar, f"{_moment(bar.open_time)} after {_moment(last.open_time)}"
        )
    missing = ahead // interval - 1
    return BarRefused(
        fault=BarFault.GAP,
        open_time=bar.open_time,
        detail=f"{counted(missing, 'bar is', 'bars are')} missing after {_moment(last.open_time)}",
        missing=missing,
    )


def _moment(at: TimeNs) -> str:
    """As people read it, UTC."""
    return f"{datetime.fromtimestamp(at // SECOND, UTC):%Y-%m-%d %H:%M:%S}"


def _figures(bar: Bar) -> BarRefused | None:
    figures = (bar.open, bar.high, bar.low, bar.close, bar.volume)
    if not all(map(isfinite, figures)):
        return _refused(BarFault.NOT_FINITE, bar, f"{figures}")
    if min(figures[:4]) <= 0 or bar.volume < 0:
        return _refused(BarFault.NOT_POSITIVE, bar, f"{figures}")
    if not bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high:
        return _refused(BarFault.SHAPE, bar, f"low {bar.low} to high {bar.high} does not hold {figures}")
    if not bar.volume and bar.high != bar.low:
        return _refused(BarFault.SHAPE, bar, f"no volume, and the price moved {bar.low} to {bar.high}")
    return None


def _refused(fault: BarFault, bar: Bar, detail: str) -> BarRefused:
    return BarRefused(fault=fault, open_time=bar.open_time, detail=detail)


class Series(msgspec.Struct, frozen=True):
    """Bars in columns of equal length, oldest first."""

    open_time: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats

    def __len__(self) -> int:
        return len(self.open_time)

    def bar(self, i: int) -> Bar:
        """The bar in row `i`."""
        return Bar(
            int(self.open_time[i]),
            float(self.open[i]),
            float(self.high[i]),
            float(self.low[i]),
            float(self.close[i]),
            float(self.volume[i]),
        )

    def bars(self) -> list[Bar]:
        columns = (self.open_time, self.open, self.high, self.low, self.close, self.volume)
        return [Bar(*row) for row in zip(*(c.tolist() for c in columns), strict=True)]

    def rows(self, start: int, end: int) -> "Series":
        """Rows `start` to before `end`, sharing memory."""
        return Series(
            self.open_time[start:end],
            self.open[start:end],
            self.high[start:end],
            self.low[start:end],
            self.close[start:end],
            self.volume[start:end],
        )


def series(bars: Iterable[Bar]) -> Series:
    """Columns of `bars`, which are not judged."""
    held = list(bars)

    def column(name: str) -> Floats:
        return np.array([getattr(b, name) for b in held], dtype=np.float64)

    return Series(
        np.array([b.open_time for b in held], dtype=np.int64),
        *(column(name) for name in ("open", "high", "low", "close", "volume")),
    )


def judge_series(bars: Series, interval: TimeNs) -> BarRefused | None:
    """The first fault of a whole series, as `judge` would find it bar by bar; None: there is none."""
    prices = np.stack((bars.open, bars.high, bars.low, bars.close))
    body_low, body_high = np.minimum(bars.open, bars.close), np.maximum(bars.open, bars.close)
    faulty = ~np.isfinite(prices).all(axis=0) | ~np.isfinite(bars.volume)
    faulty |= ~(prices > 0).all(axis=0) | (bars.volume < 0)
    faulty |= (bars.low > body_low) | (bars.high < body_high)
    faulty |= (bars.volume == 0) & (bars.high != bars.low)
    faulty |= bars.open_time % interval != 0
    faulty[1:] |= np.diff(bars.open_time) != interval
    found = np.flatnonzero(faulty)
    if not len(found):
        return None
    i = int(found[0])
    return judge(bars.bar(i), bars.bar(i - 1) if i else None, interval)


def exact(value: float) -> Decimal:
    """The decimal that `value` was read from; `float` of it is `value` again, bit for bit."""
    return Decimal(repr(float(value)))


def as_known(times: Sequence[TimeNs] | Ints, values: Sequence[float] | Floats, at: Ints) -> Floats:
    """For each moment of `at` the latest of `values` that was known by then, NaN before the first.

    `times` says when each value became known, ascending. Nothing later than a moment enters it.
    """
    held = np.asarray(values, dtype=np.float64)
    index = np.searchsorted(np.asarray(times, dtype=np.int64), at, side="right") - 1
    if not len(held):
        return np.full(len(at), np.nan)
    return np.where(index >= 0, held[np.maximum(index, 0)], np.nan)
