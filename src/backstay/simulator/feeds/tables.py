"""Reads recorded tables (parquet, CSV, CSV.gz) into validated columns. polars is imported only when used.

Column names are accepted in the spellings that the venue's archive, its REST clients and this project's own
parquet files use; anything else is refused with the names that were expected.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from backstay.simulator.feeds.grid import Grid, known_grid
from backstay.simulator.feeds.ticks import FeedError, located

if TYPE_CHECKING:
    import polars as pl

ARCHIVE_COLUMNS = (
    "open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume", "count",
    "taker_buy_volume", "taker_buy_quote_volume", "ignore",
)  # fmt: skip
"""The order of the archive's CSV files that come without a header (spot, and USD-M before 2022)."""

KLINE_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "open_time": ("open_time", "opentime", "timestamp", "open_timestamp", "date", "time"),
    "open": ("open", "o"),
    "high": ("high", "h"),
    "low": ("low", "l"),
    "close": ("close", "c"),
    "volume": ("volume", "v", "base_volume"),
}
COUNT_COLUMN: Mapping[str, tuple[str, ...]] = {
    "count": ("count", "number_of_trades", "num_trades", "trades", "n")
}
TRADE_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "timestamp": ("timestamp", "time", "transact_time"),
    "trade_id": ("trade_id", "id", "agg_trade_id"),
    "price": ("price",),
    "quantity": ("quantity", "qty"),
    "buyer_maker": ("buyer_maker", "is_buyer_maker"),
}
FUNDING_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "funding_time": ("funding_time", "fundingtime", "calc_time"),
    "funding_rate": ("funding_rate", "fundingrate", "last_funding_rate"),
}
MAX_DECIMALS = 8
PRICE_MOST, AMOUNT_MOST = 1e10, 1e15
_INFERABLE = [Decimal(1).scaleb(-places) for places in range(MAX_DECIMALS + 1)]


def read_table(path: Path) -> "pl.DataFrame":
    """The whole file as a frame with lower-case snake names; CSV cells stay text. Raises `FeedError`."""
    import polars as pl

    if not path.is_file():
        raise located(path, "there is no such file", "Check the path.")
    try:
        if path.name.endswith(".parquet"):
            frame = pl.read_parquet(path)
        else:
            frame = pl.read_csv(path, infer_schema=False)
            if frame.columns and _is_number(frame.columns[0]):
                frame = pl.read_csv(path, infer_schema=False, has_header=False)
                names = ARCHIVE_COLUMNS[: frame.width]
                if frame.width > len(ARCHIVE_COLUMNS) or frame.width < 6:
                    raise located(
                        path, f"no header and {frame.width} columns", "Expected the archive's 12 columns."
                    )
                frame.columns = list(names)
    except (pl.exceptions.PolarsError, OSError, EOFError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise located(
            path, f"cannot be read ({first})", "The file is damaged or of another kind; fetch it again."
        ) from (error)
    frame.columns = [name.strip().lower().replace(" ", "_").replace("-", "_") for name in frame.columns]
    if frame.height == 0:
        raise located(path, "holds no rows", "Give a file with data.")
    return frame


def pick(
    path: Path, frame: "pl.DataFrame", wanted: Mapping[str, tuple[str, ...]], *, optional: bool = False
) -> "pl.DataFrame":
    """The wanted columns under our names, whichever spelling the file uses; all missing ones in one error."""
    found = {
        name: next((s for s in spellings if s in frame.columns), None) for name, spellings in wanted.items()
    }
    missing = [name for name, spelling in found.items() if spelling is None]
    if missing and not optional:
        raise located(
            path,
            f"missing columns {', '.join(missing)} (the file has {', '.join(frame.columns)})",
            f"Expected {', '.join(wanted)}.",
        )
    return frame.select(
        [frame[spelling].alias(name) for name, spelling in found.items() if spelling is not None]
    )


def numbers(path: Path, column: "pl.Series", *, positive: bool | None) -> "pl.Series":
    """The column as finite Float64; every cell > 0, >= 0 when not `positive`, of any sign when that is None.

    Raises `FeedError`, also for a cell that is too large to be counted in ticks or steps.
    """
    import polars as pl

    cast = column.cast(pl.Float64, strict=False)
    refuse(path, column, cast.is_null() | cast.is_nan() | cast.is_infinite(), "is not a number")
    refuse(path, column, cast.abs() > (PRICE_MOST if positive else AMOUNT_MOST), "is too large")
    if positive is not None:
        told = "is not positive" if positive else "is negative"
        refuse(path, column, (cast <= 0) if positive else (cast < 0), told)
    return cast


def times(path: Path, column: "pl.Series", *, strictly: bool) -> "pl.Series":
    """The column as Int64 ns; s, ms, us, ns told apart by size. Refuses disorder (`strictly`: repeats)"""
    import polars as pl

    cast = column.dt.epoch("ns") if column.dtype.is_temporal() else column.cast(pl.Int64, strict=False)
    refuse(path, column, cast.is_null() | (cast <= 0), "is not a time")
    size = int(cast[0])
    factor = next(
        f for limit, f in ((10**11, 10**9), (10**14, 10**6), (10**17, 10**3), (10**30, 1)) if size < limit
    )
    stamped = cast * factor
    step = stamped.diff()
    advice = "Sort the rows by time, each time once."
    refuse(path, column, (step < 0).fill_null(False), "comes before the row above it", advice)
    if strictly:
        refuse(path, column, (step == 0).fill_null(False), "repeats the row above it", advice)
    return stamped


def refuse(
    path: Path, column: "pl.Series", bad: "pl.Series", problem: str, advice: str = "Repair or remove the row."
) -> None:
    """Raises a `FeedError` for the first row where `bad` holds."""
    row = bad.arg_max() if bad.any() else None
    if row is not None:
        raise located(path, f"{column[row]!r} {problem}", advice, row=row + 1, column=column.name)


def in_units(column: "pl.Series", unit: Decimal) -> "tuple[pl.Series, pl.Series]":
    """(how many units each cell is, which cells are not a whole number of units)."""
    import polars as pl

    scaled = column * float(1 / unit) if unit < 1 else column / float(unit)
    rounded = scaled.round()
    # a decimal read as binary is off by 1e-16 of itself, and the scaling doubles that
    off = (scaled - rounded).abs() > scaled.abs() * 1e-15 + 1e-6
    return rounded.cast(pl.Int64), off


def infer_unit(columns: Sequence["pl.Series"]) -> Decimal | None:
    """The coarsest power of ten that divides every cell of every column; None where 8 decimals do not do."""
    for unit in _INFERABLE:
        if not any(in_units(column, unit)[1].any() for column in columns):
            return unit
    return None


def choose_grid(
    path: Path, symbol: str, given: Grid | None, prices: Sequence["pl.Series"], quantity: "pl.Series"
) -> Grid:
    """The grid for a recorded symbol: the one given (prices must lie on it), else the known one where the
    data lies on it, else the coarsest decimal grid of the data itself. Raises `FeedError`.
    """
    if given is not None:
        for column in prices:
            advice = f"Use the tick size {symbol} had when this was recorded."
            refuse(
                path,
                column,
                in_units(column, given.tick)[1],
                f"is not a multiple of the tick {given.tick}",
                advice,
            )
        return given
    tick = infer_unit(prices)
    if tick is None:
        raise located(
            path, f"prices have more than {MAX_DECIMALS} decimals", "Round them to the symbol's tick size."
        )
    step = infer_unit([quantity]) or _INFERABLE[-1]
    known = known_grid(symbol)
    if known is None:
        return Grid(tick, step)
    return Grid(known.tick if tick >= known.tick else tick, known.step if step >= known.step else step)


def chunks(frame: "pl.DataFrame", size: int = 2048) -> Iterator[tuple[int, ...]]:
    """Rows as tuples, a few thousand converted at a time."""
    for offset in range(0, frame.height, size):
        yield from frame.slice(offset, size).rows()


def first_row_from(path: Path, stamped: "pl.Series", *, skip: int, start: int | None) -> int:
    """Index of the first row at or after `start` (ns, default: the first row's time) plus `skip` ns."""
    begin = (int(stamped[0]) if start is None else start) + skip
    if begin > int(stamped[-1]):
        raise FeedError(
            f"{path.name}: the start is after the last row ({int(stamped[-1])} ns). "
            "Choose a smaller skip or an earlier start."
        )
    return int(stamped.search_sorted(begin))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
