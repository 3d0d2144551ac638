"""Recorded ticks as a market: raw combined-stream frames (.jsonl, .jsonl.gz) and tables of trades (.parquet).

Frames give quotes and trades as they were; depth frames are passed over (the feed's book has one level).
Marks are the recorded `markPriceUpdate` frames where there are any, else derived once a second.
"""

import gzip
import zlib
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, BinaryIO, cast

import msgspec

from backstay.simulator.feeds.grid import Grid, symbol_in
from backstay.simulator.feeds.marks import UNIT, Funding, MarkMaker
from backstay.simulator.feeds.tables import (
    TRADE_COLUMNS,
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
from backstay.simulator.feeds.ticks import SECOND, FeedError, Mark, Quote, Tick, Trade, located

_MS = 1_000_000
_CLOCK_SEARCH = 1_000
_REPAIR = "Remove the line or record again."
_OFF_MARKET = frozenset({"INSURANCE_FUND", "ADL", "NA"})


class FrameFeed:
    """Lines of `<local receive ns> <json>`, plain or gzipped, of one symbol; other symbols are passed over.

    Venue time is the local time of a line plus the offset that the first frame with a `T` shows, because
    frames of several streams are in order of arrival, not of `T`. `skip` is in ns. Raises `FeedError`, at
    construction for the beginning of the file and while reading for the rest.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        seed: int,
        symbol: str | None = None,
        grid: Grid | None = None,
        funding: Funding | None = None,
        skip: int = 0,
    ) -> None:
        self._path = Path(path)
        self.symbol = _named(self._path, symbol)
        self.symbols = (self.symbol,)
        self._seed, self._funding, self._grid = seed, funding or Funding(), grid
        self._offset, first = self._clock()
        self.start_ns = first + self._offset + skip

    def ticks(self) -> Iterator[Tick]:
        """The recorded ticks from `start_ns` on, one line read at a time."""
        marks = MarkMaker(self.symbol, UNIT, self._seed, self._funding)
        recorded_marks = False
        next_mark, last_at, found = self.start_ns, 0, False
        for row, local, frame in self._frames():
            at = local + self._offset
            if at < last_at:
                raise located(
                    self._path, "comes before the line above it", "Sort the lines by time.", row=row
                )
            last_at = at
            if at < self.start_ns or frame.get("s") != self.symbol:
                continue
            tick = self._tick(row, at, frame)
            if tick is None:
                continue
            found = True
            yield tick
            if isinstance(tick, Mark):
                recorded_marks = True
            elif at >= next_mark and not recorded_marks:
                price = tick.price if isinstance(tick, Trade) else tick.bid
                yield marks.at(at, int(price.scaleb(8)))
                next_mark = at + SECOND
        if not found:
            raise FeedError(
                f"{self._path.name}: no quote or trade of {self.symbol} after the start. "
                "Choose a smaller skip or another symbol."
            )

    def _clock(self) -> tuple[int, int]:
        """(venue time less local time in ns, the first line's local time)."""
        first: int | None = None
        for row, local, frame in self._frames():
            first = local if first is None else first
            stamp = frame.get("T") if frame.get("e") != "markPriceUpdate" else frame.get("E")
            if isinstance(stamp, int):
                return stamp * _MS - local, first
            if row >= _CLOCK_SEARCH:
                break
        if first is None:
            raise located(self._path, "holds no frames", "Give a file with data.")
        return 0, first

    def _frames(self) -> Iterator[tuple[int, int, dict[str, Any]]]:
        """(line number, local ns, event without its envelope) for every line but those of depth streams."""
        if not self._path.is_file():
            raise located(self._path, "there is no such file", "Check the path.")
        row = 0
        try:
            with self._open() as lines:
                for row, line in enumerate(lines, start=1):
                    stamp, _, text = line.partition(b" ")
                    if b"@depth" in text[:64]:
                        continue
                    frame = msgspec.json.decode(text)
                    if not (stamp.isdigit() and isinstance(frame, dict)):
                        raise located(self._path, "not `<local ns> <json object>`", _REPAIR, row=row)
                    yield row, int(stamp), cast("dict[str, Any]", frame.get("data", frame))
        except msgspec.DecodeError as error:
            raise located(
                self._path, f"not `<local ns> <json object>` ({error})", _REPAIR, row=row
            ) from error
        except (OSError, EOFError, zlib.error) as error:
            raise located(
                self._path, f"cannot be read further ({error})", "Fetch the file again.", row=row
            ) from error

    def _open(self) -> BinaryIO:
        if self._path.name.endswith(".gz"):
            return cast("BinaryIO", gzip.open(self._path, "rb"))
        return self._path.open("rb")

    def _tick(self, row: int, at: int, frame: Mapping[str, Any]) -> Trade | Quote | Mark | None:
        """The tick that a frame says, or None for a frame of another kind."""
        try:
            made = tick_of_frame(at, frame)
        except (KeyError, TypeError, ValueError, InvalidOperation) as error:
            raise located(self._path, f"a frame without valid {error}", _REPAIR, row=row) from error
        if isinstance(made, Quote) and not 0 < made.bid < made.ask:
            raise located(self._path, f"bid {made.bid} and ask {made.ask} are no book", _REPAIR, row=row)
        if isinstance(made, Trade) and not (made.price > 0 and made.qty > 0):
            raise located(self._path, f"a trade of {made.qty} at {made.price}", _REPAIR, row=row)
        if self._grid is not None and made is not None and not isinstance(made, Mark):
            price = made.price if isinstance(made, Trade) else made.bid
            if price % self._grid.tick:
                advice = f"Use the tick size {self.symbol} had when this was recorded."
                raise located(self._path, f"{price} is not a multiple of {self._grid.tick}", advice, row=row)
        return made


def tick_of_frame(at: int, frame: Mapping[str, Any]) -> Trade | Quote | Mark | None:
    """The tick of one `bookTicker`, `trade`, `aggTrade` or `markPriceUpdate` event, else None.

    `at` is used as the tick's time. Trades off the market (insurance fund, ADL) are None. Raises KeyError,
    TypeError, ValueError or InvalidOperation for a frame that lacks what its kind carries.
    """
    kind = frame.get("e")
    if kind == "bookTicker" or (kind is None and "u" in frame and "B" in frame):
        bid, bid_qty, ask, ask_qty = (Decimal(frame[key]) for key in "bBaA")
        return Quote(at, frame["s"], bid, bid_qty, ask, ask_qty)
    if kind in ("trade", "aggTrade"):
        if frame.get("X") in _OFF_MARKET:
            return None
        number = frame["t"] if kind == "trade" else frame["a"]
        return Trade(at, frame["s"], Decimal(frame["p"]), Decimal(frame["q"]), bool(frame["m"]), int(number))
    if kind == "markPriceUpdate":
        rate = Decimal(frame["r"]) if frame.get("r") else None
        due = int(frame["T"]) * _MS if frame.get("T") else None
        return Mark(at, frame["s"], Decimal(frame["p"]), Decimal(frame["i"]), rate, due)
    return None


class TradeFeed:
    """A parquet table of trades as a `Feed`.

    Before each trade comes a quote, one tick wide, whose touch it hits; once a second a derived mark.
    Columns: timestamp, trade_id, price, quantity, buyer_maker, or the venue's spellings. Raises `FeedError`
    at construction.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        seed: int,
        symbol: str | None = None,
        grid: Grid | None = None,
        funding: Funding | None = None,
        skip: int = 0,
    ) -> None:
        import polars as pl

        self._path = Path(path)
        self.symbol = _named(self._path, symbol)
        self.symbols = (self.symbol,)
        self._seed, self._funding = seed, funding or Funding()
        frame = pick(self._path, read_table(self._path), TRADE_COLUMNS)
        at = times(self._path, frame["timestamp"], strictly=False)
        price = numbers(self._path, frame["price"], positive=True)
        quantity = numbers(self._path, frame["quantity"], positive=True)
        number = frame["trade_id"].cast(pl.Int64, strict=False)
        refuse(self._path, frame["trade_id"], number.is_null(), "is not a trade id")
        maker = frame["buyer_maker"].cast(pl.Boolean, strict=False)
        refuse(self._path, frame["buyer_maker"], maker.is_null(), "is neither true nor false")
        self.grid = choose_grid(self._path, self.symbol, grid, [price], quantity)
        columns = [
            at,
            in_units(price, self.grid.tick)[0],
            in_units(quantity, self.grid.step)[0],
            maker,
            number,
        ]
        first = first_row_from(self._path, at, skip=skip, start=None)
        self._rows = pl.DataFrame(columns).slice(first)
        self.start_ns = int(self._rows[0, 0])

    def ticks(self) -> Iterator[Tick]:
        """Quote, trade and, once a second, mark, for every row."""
        tick, step = self.grid.tick, self.grid.step
        marks = MarkMaker(self.symbol, tick, self._seed, self._funding)
        next_mark = self.start_ns
        for at, units, size, maker, number in chunks(self._rows):
            price, qty = tick * units, step * max(size, 1)
            bid, ask = (price, price + tick) if maker else (max(price - tick, tick), price)
            yield Quote(at, self.symbol, bid, qty * 4, ask, qty * 4)
            yield Trade(at, self.symbol, price, qty, bool(maker), number)
            if at >= next_mark:
                yield marks.at(at, units)
                next_mark = at + SECOND


def _named(path: Path, given: str | None) -> str:
    symbol = given or symbol_in(path.name)
    if symbol is None:
        raise located(
            path, "the name does not tell the symbol", "Rename it (btcusdt_trades.parquet) or give it."
        )
    return symbol
