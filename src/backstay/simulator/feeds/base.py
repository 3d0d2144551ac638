"""The door to the feeds: tick types, `open_feed`, `paced`, `merged`. Users of feeds import from here."""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

from backstay.simulator.feeds.grid import Grid, symbol_in
from backstay.simulator.feeds.klines import KlineFeed
from backstay.simulator.feeds.live import LiveFeed
from backstay.simulator.feeds.marks import Funding, read_funding
from backstay.simulator.feeds.recorded import FrameFeed, TradeFeed
from backstay.simulator.feeds.synthetic import SyntheticFeed
from backstay.simulator.feeds.tables import read_table
from backstay.simulator.feeds.ticks import BarClose, Feed, FeedError, Mark, Quote, Tick, Trade, located

__all__ = [
    "BarClose",
    "Feed",
    "FeedError",
    "Funding",
    "Grid",
    "Mark",
    "Quote",
    "Tick",
    "Trade",
    "merged",
    "open_feed",
    "paced",
    "read_funding",
]


class _Paced:
    def __init__(self, feed: Feed, start_ns: int, speed: Decimal) -> None:
        self._feed = feed
        self.start_ns = start_ns
        self.symbols = feed.symbols
        ratio = Fraction(speed)
        self._times, self._over = ratio.denominator, ratio.numerator

    def ticks(self) -> Iterator[Tick]:
        origin, start, times, over = self._feed.start_ns, self.start_ns, self._times, self._over
        for tick in self._feed.ticks():
            at = start + (tick.at - origin) * times // over
            if type(tick) is Quote:
                yield Quote(at, tick.symbol, tick.bid, tick.bid_qty, tick.ask, tick.ask_qty)
            elif type(tick) is Trade:
                yield Trade(at, tick.symbol, tick.price, tick.qty, tick.buyer_maker, tick.trade_id)
            elif type(tick) is Mark:
                due = tick.next_funding_at
                moved = None if due is None else start + (due - origin) * times // over
                yield Mark(at, tick.symbol, tick.mark, tick.index, tick.funding_rate, moved)
            elif type(tick) is BarClose:
                yield _moved_bar(tick, at, start + (tick.open_at - origin) * times // over)


def _moved_bar(bar: BarClose, at: int, open_at: int) -> BarClose:
    return BarClose(
        at, bar.symbol, bar.interval, open_at, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.trades
    )


class _Merged:
    def __init__(self, feeds: Sequence[Feed]) -> None:
        self._feeds = tuple(feeds)
        self.symbols = tuple(dict.fromkeys(symbol for feed in feeds for symbol in feed.symbols))
        self.start_ns = min(feed.start_ns for feed in feeds)

    def ticks(self) -> Iterator[Tick]:
        return heapq.merge(*(feed.ticks() for feed in self._feeds), key=lambda tick: tick.at)


def paced(feed: Feed, *, start_ns: int, speed: Decimal | int = 1) -> Feed:
    """The feed on venue time: `start_ns + (at - feed.start_ns) / speed`, with funding and bar times.

    Order is kept. Bars stay aligned with the clock only when `start_ns` is aligned as the feed's start is.
    """
    factor = Decimal(speed)
    if not (factor.is_finite() and factor > 0):
        raise FeedError(f"a feed cannot be paced at speed {speed}. Give a number above 0.")
    return feed if start_ns == feed.start_ns and factor == 1 else _Paced(feed, start_ns, factor)


def merged(feeds: Sequence[Feed]) -> Feed:
    """Several feeds as one, by time; equal times in the order of `feeds`. Each symbol comes from one feed."""
    if not feeds:
        raise FeedError("there is no feed to merge. Give at least one.")
    names = [symbol for feed in feeds for symbol in feed.symbols]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise FeedError(f"{', '.join(twice)} comes from more than one feed. Give each symbol one file.")
    return feeds[0] if len(feeds) == 1 else _Merged(feeds)


def open_feed(
    spec: str,
    *,
    seed: int,
    symbols: Sequence[str] = (),
    start_ns: int | None = None,
    grids: Mapping[str, Grid] | None = None,
    funding: Mapping[str, Funding] | None = None,
    steps_per_bar: int = 12,
    skip: int = 0,
    rate: Decimal = Decimal(2),
) -> Feed:
    """The feed that `spec` names: `synthetic`, `live`, or paths of recorded files, separated by commas.

    Files: bars in .parquet, .csv, .csv.gz; trades in .parquet; raw frames in .jsonl.gz. Their symbols come
    from their names; where a name tells none, `symbols` must hold exactly one. With `symbols`, a file of
    another symbol is refused. `start_ns` maps the beginning of the feed (after `skip` ns of recorded time) to
    that venue time; None keeps recorded time (required for `synthetic`). `grids` are the symbols' true ticks
    and steps; `funding` recorded funding by symbol; `rate` synthetic events per second and symbol.
    Raises `FeedError`.
    """
    known = grids or {}
    paid = funding or {}
    if spec == "synthetic":
        if start_ns is None or not symbols:
            raise FeedError("a synthetic feed needs symbols and a start time. Give both.")
        return SyntheticFeed(symbols, seed=seed, start_ns=start_ns, grids=known, funding=paid, rate=rate)
    if spec == "live":
        if not symbols:
            raise FeedError("a live feed needs symbols. Give at least one.")
        live = LiveFeed(symbols)
        live.open()
        return live if start_ns is None else paced(live, start_ns=start_ns)
    feeds: list[Feed] = []
    for name in filter(None, (part.strip() for part in spec.split(","))):
        path = Path(name)
        if not path.is_file():
            raise FeedError(
                f"{path}: there is no such file. Give a path to .parquet, .csv, .csv.gz or .jsonl.gz, "
                "or one of: synthetic, live."
            )
        symbol = _file_symbol(path, symbols)
        grid = known.get(symbol)
        feeds.append(_open_file(path, symbol, seed, grid, paid.get(symbol), steps_per_bar, skip))
    feed = merged(feeds)
    return feed if start_ns is None else paced(feed, start_ns=start_ns)


def _file_symbol(path: Path, symbols: Sequence[str]) -> str:
    told = symbol_in(path.name)
    if told is None:
        if len(symbols) == 1:
            return symbols[0]
        raise located(
            path, "the name does not tell the symbol", "Rename it (BTCUSDT-1m.csv) or give one symbol."
        )
    if symbols and told not in symbols:
        raise located(
            path, f"holds {told}, but {', '.join(symbols)} is wanted", "Give a file of that symbol."
        )
    return told


def _open_file(
    path: Path,
    symbol: str,
    seed: int,
    grid: Grid | None,
    funding: Funding | None,
    steps_per_bar: int,
    skip: int,
) -> Feed:
    name = path.name
    if name.endswith((".jsonl.gz", ".jsonl")):
        return FrameFeed(path, seed=seed, symbol=symbol, grid=grid, funding=funding, skip=skip)
    if name.endswith((".csv", ".csv.gz")) or (name.endswith(".parquet") and not _holds_trades(path)):
        return KlineFeed(
            path, seed=seed, symbol=symbol, grid=grid, funding=funding, steps_per_bar=steps_per_bar, skip=skip
        )
    if name.endswith(".parquet"):
        return TradeFeed(path, seed=seed, symbol=symbol, grid=grid, funding=funding, skip=skip)
    raise located(path, "a kind of file that is not known", "Give .parquet, .csv, .csv.gz or .jsonl.gz.")


def _holds_trades(path: Path) -> bool:
    names = read_table(path).columns
    return "price" in names and "open" not in names
