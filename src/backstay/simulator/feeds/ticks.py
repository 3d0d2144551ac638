"""What a market feed says: four kinds of tick, the `Feed` protocol, and the one error of feeds."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Protocol

import msgspec

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE


class FeedError(Exception):
    """A feed cannot be read or reached. The text says what, where (file, row, column) and what to do."""


class Trade(msgspec.Struct, frozen=True, gc=False):
    """One public trade. `at` is venue time in ns; `buyer_maker` is the wire's `m` (the taker sold)."""

    at: int
    symbol: str
    price: Decimal
    qty: Decimal
    buyer_maker: bool
    trade_id: int = 0


class Quote(msgspec.Struct, frozen=True, gc=False):
    """The best bid and ask with their quantities, as on `<s>@bookTicker`."""

    at: int
    symbol: str
    bid: Decimal
    bid_qty: Decimal
    ask: Decimal
    ask_qty: Decimal


class Mark(msgspec.Struct, frozen=True, gc=False):
    """Mark and index price; the rate that the next funding will charge and its time, where known."""

    at: int
    symbol: str
    mark: Decimal
    index: Decimal
    funding_rate: Decimal | None = None
    next_funding_at: int | None = None


class BarClose(msgspec.Struct, frozen=True, gc=False):
    """A recorded bar that has just ended: `at` is its end, `open_at` its first instant."""

    at: int
    symbol: str
    interval: str
    open_at: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    trades: int


Tick = Trade | Quote | Mark | BarClose


class Feed(Protocol):
    """A market: which symbols, when it starts, and its ticks.

    `ticks()` starts afresh at every call, is lazy, and yields nondecreasing `at`; the first tick is not
    before `start_ns`.
    """

    @property
    def symbols(self) -> tuple[str, ...]: ...

    @property
    def start_ns(self) -> int: ...

    def ticks(self) -> Iterator[Tick]: ...


def located(path: Path, problem: str, advice: str, *, row: int | None = None, column: str = "") -> FeedError:
    """A `FeedError` that names file, row (1 is the first row of data) and column, and says what to do."""
    where = path.name
    if row is not None:
        where += f", row {row}"
    if column:
        where += f", column {column!r}"
    return FeedError(f"{where}: {problem}. {advice}")
