"""Bars as a backtest needs them: exact on the venue's grid for fills, as floats for the indicators."""

from decimal import Decimal
from pathlib import Path
from typing import ClassVar

import msgspec
import numpy as np

from backstay.core.types import TimeNs
from backstay.signals.bars import BarRefused, Floats, Ints, Series, judge_series
from backstay.simulator.feeds.grid import Grid
from backstay.simulator.feeds.klines import KlineFeed

COLUMNS = ("open_time", "open", "high", "low", "close", "volume")


class BarsRefused(Exception):
    """Bars that cannot be traded on: which file, which bar, why, and what to do."""

    exit_code: ClassVar[int] = 2


class Bars(msgspec.Struct, frozen=True):
    """One symbol's bars without a gap, oldest first. Prices count ticks, volumes count steps."""

    symbol: str
    grid: Grid
    interval: TimeNs
    open_time: Ints
    open: Ints
    high: Ints
    low: Ints
    close: Ints
    series: Series
    """The same bars, as the live program's indicators would be given them."""

    def __len__(self) -> int:
        return len(self.open_time)

    def price(self, ticks: int) -> Decimal:
        """Quote currency."""
        return self.grid.tick * ticks

    def end(self, i: int) -> TimeNs:
        """When bar `i` closes, which is when the next one opens (ns)."""
        return int(self.open_time[i]) + self.interval


def load(path: Path, symbol: str | None = None) -> Bars:
    """Read a file of bars (.parquet, .csv, .csv.gz), with its symbol from its name unless given.

    Raises FeedError for a file that cannot be read, BarsRefused for bars that cannot be traded on.
    """
    feed = KlineFeed(path, seed=0, symbol=symbol)
    table = feed.table()
    columns = {
        name: table[name].to_numpy() for name in ("open_time", "open", "high", "low", "close", "volume")
    }
    tick, step = feed.grid.tick, feed.grid.step
    prices = {name: _scaled(columns[name], tick) for name in ("open", "high", "low", "close")}
    series = Series(columns["open_time"], **prices, volume=_scaled(columns["volume"], step))
    refused = judge_series(series, feed.interval_ns)
    if refused is not None:
        raise BarsRefused(_why(path, series, refused))
    return Bars(
        symbol=feed.symbol,
        grid=feed.grid,
        interval=feed.interval_ns,
        open_time=columns["open_time"],
        open=columns["open"],
        high=columns["high"],
        low=columns["low"],
        close=columns["close"],
        series=series,
    )


def _scaled(units: Ints, unit: Decimal) -> Floats:
    """`units * unit` as the float of its decimal digits: one division of whole numbers, rounded once."""
    above, below = unit.as_integer_ratio()
    return (units * above) / float(below)


def _why(path: Path, series: Series, refused: BarRefused) -> str:
    row = int(np.searchsorted(series.open_time, refused.open_time)) + 1
    return (
        f"{path.name}, row {row}: {refused.fault}, {refused.detail}. Mend the file or cut it there: "
        "indicators would be wrong from that bar on"
    )
