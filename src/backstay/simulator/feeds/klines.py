"""Recorded bars as a market: each bar becomes a deterministic path of quotes, trades and marks.

The path of a bar goes open, nearer extreme, other extreme, close, with noisy steps in between that stay
inside the bar. Trades print exactly the bar's open, high, low, close and add up to exactly its volume (a bar
that traded fewer quantity steps than it has extremes prints some of them; one without volume only quotes).
What a bar expands to depends on (seed, symbol, time of the bar) alone, so skipping changes nothing after it.

Where the model breaks: the order of the extremes is a guess, the depth is one level, and between two steps
(5 s with one-minute bars and 12 steps) nothing moves.
"""

from collections.abc import Iterator
from hashlib import shake_128
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from backstay.simulator.feeds.grid import Grid, symbol_in
from backstay.simulator.feeds.marks import Funding, MarkMaker
from backstay.simulator.feeds.tables import (
    COUNT_COLUMN,
    KLINE_COLUMNS,
    choose_grid,
    chunks,
    first_row_from,
    in_units,
    numbers,
    pick,
    read_table,
    refuse,
    times,
)
from backstay.simulator.feeds.ticks import MINUTE, SECOND, BarClose, Mark, Quote, Tick, Trade, located

if TYPE_CHECKING:
    import polars as pl

_INTERVALS = {
    SECOND: "1s", MINUTE: "1m", 3 * MINUTE: "3m", 5 * MINUTE: "5m", 15 * MINUTE: "15m", 30 * MINUTE: "30m",
    60 * MINUTE: "1h", 120 * MINUTE: "2h", 240 * MINUTE: "4h", 360 * MINUTE: "6h", 480 * MINUTE: "8h",
    720 * MINUTE: "12h", 1440 * MINUTE: "1d",
}  # fmt: skip
_MS = 1_000_000
_BYTES_PER_STEP = 8


class Bar(msgspec.Struct, frozen=True, gc=False):
    """One bar in integers: time in ns, prices in ticks, volume in steps, `trades` -1 where not recorded."""

    open_at: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    trades: int = -1


class KlineFeed:
    """A file of bars (.parquet, .csv, .csv.gz) as a `Feed`.

    `symbol` defaults to the one in the file's name. `skip` (ns) and `start` (ns since epoch, recorded time)
    choose where to begin. `steps_per_bar` >= 4 is how many quote+trade pairs a bar becomes; a mark follows
    the bar's first and, a second or more after the last mark, the others. Raises `FeedError` at construction
    for anything wrong with the file.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        seed: int,
        symbol: str | None = None,
        grid: Grid | None = None,
        funding: Funding | None = None,
        steps_per_bar: int = 12,
        skip: int = 0,
        start: int | None = None,
    ) -> None:
        self._path = Path(path)
        if steps_per_bar < 4:
            raise ValueError(
                f"steps_per_bar is {steps_per_bar}; a bar's open, extremes and close need at least 4"
            )
        if skip < 0:
            raise ValueError(f"skip is {skip} ns; it cannot be negative")
        self.symbol = _symbol_for(self._path, symbol)
        self._seed = seed
        self._steps = steps_per_bar
        self._funding = funding or Funding()
        self.grid, self.interval_ns, self._bars = _load(self._path, self.symbol, grid, skip, start)
        self.interval = _INTERVALS.get(self.interval_ns, "")
        if not self.interval:
            raise located(
                self._path,
                f"bars are {self.interval_ns / SECOND:g} s apart, which is no interval of the venue",
                f"Use one of {', '.join(_INTERVALS.values())}.",
            )
        self.start_ns = int(self._bars["open_time"][0])

    @property
    def symbols(self) -> tuple[str, ...]:
        """The one symbol of the file."""
        return (self.symbol,)

    @property
    def end_ns(self) -> int:
        """The end of the last bar, in recorded time."""
        return int(self._bars["open_time"][-1]) + self.interval_ns

    def bars(self) -> Iterator[Bar]:
        """The bars themselves, lazily."""
        return (Bar(*row) for row in chunks(self._bars))

    def table(self) -> "pl.DataFrame":
        """The bars in columns of integers, named and counted as the fields of `Bar`."""
        return self._bars

    def ticks(self) -> Iterator[Tick]:
        """Every bar's path, then its `BarClose` at the bar's end. Constant memory."""
        tick, step = self.grid.tick, self.grid.step
        marks = MarkMaker(self.symbol, tick, self._seed, self._funding)
        trade_id = 0
        for bar in self.bars():
            printed = 0
            for made in self._expand(bar, marks, trade_id):
                printed += type(made) is Trade
                yield made
            trade_id += printed
            yield BarClose(
                bar.open_at + self.interval_ns,
                self.symbol,
                self.interval,
                bar.open_at,
                tick * bar.open,
                tick * bar.high,
                tick * bar.low,
                tick * bar.close,
                step * bar.volume,
                printed if bar.trades < 0 else bar.trades,
            )

    def _expand(self, bar: Bar, marks: MarkMaker, trade_id: int) -> Iterator[Quote | Trade | Mark]:
        steps, symbol = self._steps, self.symbol
        tick, step = self.grid.tick, self.grid.step
        dice = shake_128(f"{self._seed}/{symbol}/{bar.open_at}".encode()).digest(_BYTES_PER_STEP * steps)
        path, turns = intrabar_path(bar, steps, dice)
        volumes = split_volume(bar.volume, steps, turns, dice)
        slot = self.interval_ns // steps
        widening = 1 + (bar.high - bar.low) // 64
        depth = 1 + bar.volume // (8 * steps)
        next_mark = bar.open_at
        for index in range(steps):
            at_dice = index * _BYTES_PER_STEP
            # the open is at the bar's first instant, so that a market has a price from its start
            late = (dice[at_dice] << 8 | dice[at_dice + 1]) * (slot // _MS) >> 16 if index else 0
            at = bar.open_at + index * slot + late * _MS
            last = path[index]
            spread = widening if dice[at_dice + 2] < 40 else 1
            # the taker sells on the way down; a trade prints at the touch that its taker hit
            falls = last < path[index - 1] if index else dice[at_dice + 3] < 128
            if last == path[index - 1]:
                falls = dice[at_dice + 3] < 128
            bid = max(last if falls else last - spread, 1)
            price = tick * last
            yield Quote(
                at,
                symbol,
                price if bid == last else tick * bid,
                step * (1 + depth * dice[at_dice + 4] // 64),
                price if bid != last else tick * (last + spread),
                step * (1 + depth * dice[at_dice + 5] // 64),
            )
            if volumes[index]:
                trade_id += 1
                yield Trade(at, symbol, price, step * volumes[index], bid == last, trade_id)
            if at >= next_mark:
                yield marks.at(at, last)
                next_mark = at + SECOND


def intrabar_path(bar: Bar, steps: int, dice: bytes) -> tuple[list[int], tuple[int, int, int, int]]:
    """(`steps` prices in ticks, the indices of open, first extreme, second extreme, close).

    Legs get steps in proportion to their length, at least one each.
    """
    near, far = (bar.high, bar.low) if bar.high - bar.open <= bar.open - bar.low else (bar.low, bar.high)
    legs = (abs(near - bar.open), abs(far - near), abs(bar.close - far))
    free, whole = steps - 4, sum(legs) or 1
    first = 1 + free * legs[0] // whole
    second = first + 1 + free * legs[1] // whole
    turns = (0, first, second, steps - 1)
    corners = (bar.open, near, far, bar.close)
    noise = (bar.high - bar.low) // 6
    path = [bar.open] * steps
    for leg in range(3):
        begin, end = turns[leg], turns[leg + 1]
        origin, target = corners[leg], corners[leg + 1]
        for index in range(begin + 1, end):
            drawn = noise * (dice[index * _BYTES_PER_STEP + 6] - 128) >> 7
            between = origin + (target - origin) * (index - begin) // (end - begin) + drawn
            path[index] = min(max(between, bar.low), bar.high)
        path[end] = target
    return path, turns


def split_volume(volume: int, steps: int, turns: tuple[int, int, int, int], dice: bytes) -> list[int]:
    """`volume` steps over the path: one each to open, close and the extremes first, the rest by chance."""
    parts = [0] * steps
    for index in (turns[0], turns[3], turns[1], turns[2])[:volume]:
        parts[index] = 1
    left = volume - min(volume, 4)
    if left:
        weights = [1 + dice[index * _BYTES_PER_STEP + 7] for index in range(steps)]
        whole = sum(weights)
        for index, weight in enumerate(weights):
            parts[index] += left * weight // whole
        parts[turns[3]] += volume - sum(parts)
    return parts


def _symbol_for(path: Path, given: str | None) -> str:
    symbol = given or symbol_in(path.name)
    if symbol is None:
        raise located(
            path, "the name does not tell the symbol", "Rename it (BTCUSDT-1m.csv) or give the symbol."
        )
    return symbol


def _load(
    path: Path, symbol: str, given: Grid | None, skip: int, start: int | None
) -> "tuple[Grid, int, pl.DataFrame]":
    """(grid, interval in ns, frame of Int64 columns in `Bar`'s order from the chosen start on), checked."""
    import polars as pl

    table = read_table(path)
    frame = pick(path, table, KLINE_COLUMNS)
    opened = times(path, frame["open_time"], strictly=True)
    prices = {name: numbers(path, frame[name], positive=True) for name in ("open", "high", "low", "close")}
    volume = numbers(path, frame["volume"], positive=False)
    low, high = prices["low"], prices["high"]
    refuse(path, frame["high"], low > high, "is below the low")
    for name in ("open", "close"):
        refuse(
            path,
            frame[name],
            (prices[name] > high) | (prices[name] < low),
            "is outside the bar's low and high",
        )
    interval = min(opened.diff().drop_nulls().to_list(), default=MINUTE)
    grid = choose_grid(path, symbol, given, list(prices.values()), volume)
    columns = [opened.alias("open_time")]
    columns += [in_units(series, grid.tick)[0].alias(name) for name, series in prices.items()]
    columns.append((volume / float(grid.step) + 1e-6).floor().cast(pl.Int64).alias("volume"))
    counted = pick(path, table, COUNT_COLUMN, optional=True)
    if counted.width:
        columns.append(numbers(path, counted["count"], positive=False).cast(pl.Int64))
    first = first_row_from(path, opened, skip=skip, start=start)
    return grid, interval, pl.DataFrame(columns).slice(first)
