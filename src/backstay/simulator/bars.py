"""One-minute bars built from prices, and the other intervals put together from them on request."""

from collections import deque
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from backstay.simulator.numbers import DAY, HOUR, MINUTE, SECOND, ZERO

INTERVALS: dict[str, int] = {
    "1m": MINUTE,
    "3m": 3 * MINUTE,
    "5m": 5 * MINUTE,
    "15m": 15 * MINUTE,
    "30m": 30 * MINUTE,
    "1h": HOUR,
    "2h": 2 * HOUR,
    "4h": 4 * HOUR,
    "6h": 6 * HOUR,
    "8h": 8 * HOUR,
    "12h": 12 * HOUR,
    "1d": DAY,
    "3d": 3 * DAY,
    "1w": 7 * DAY,
    "1M": 0,
}


class Bar:
    """Open time in ns; volumes in base and quote, `taker_*` the part where the taker bought."""

    __slots__ = (
        "close",
        "first_id",
        "high",
        "last_id",
        "low",
        "open",
        "open_at",
        "quote_volume",
        "taker_quote",
        "taker_volume",
        "trades",
        "volume",
    )

    def __init__(self, open_at: int, price: Decimal) -> None:
        self.open_at = open_at
        self.open = self.high = self.low = self.close = price
        self.volume = self.quote_volume = self.taker_volume = self.taker_quote = ZERO
        self.trades = 0
        self.first_id = self.last_id = -1

    def absorb(self, other: "Bar") -> None:
        """Take in the bar that follows."""
        self.high = max(self.high, other.high)
        self.low = min(self.low, other.low)
        self.close = other.close
        self.volume += other.volume
        self.quote_volume += other.quote_volume
        self.taker_volume += other.taker_volume
        self.taker_quote += other.taker_quote
        self.trades += other.trades
        if self.first_id < 0:
            self.first_id = other.first_id
        self.last_id = max(self.last_id, other.last_id)


class Bars:
    """The last `keep` one-minute bars of a price; minutes without one repeat the last close when read."""

    __slots__ = ("_end", "bars")

    def __init__(self, keep: int) -> None:
        self.bars: deque[Bar] = deque(maxlen=keep)
        self._end = 0

    def clear(self) -> None:
        self.bars.clear()
        self._end = 0

    def before(self, past: Sequence[Bar]) -> None:
        """Bars of the time before the first price."""
        self.bars.extend(past)
        if past:
            self._end = past[-1].open_at + MINUTE

    def add(self, at: int, price: Decimal) -> Bar:
        """The price as of `at`; returns the bar that holds it."""
        if at < self._end:
            bar = self.bars[-1]
            bar.close = price
            if price > bar.high:
                bar.high = price
            elif price < bar.low:
                bar.low = price
            return bar
        open_at = at - at % MINUTE
        bar = Bar(open_at, self.bars[-1].close if self.bars and self._end == open_at else price)
        bar.high, bar.low, bar.close = max(bar.open, price), min(bar.open, price), price
        self.bars.append(bar)
        self._end = open_at + MINUTE
        return bar

    def add_trade(self, at: int, price: Decimal, qty: Decimal, taker_buys: bool, trade_id: int) -> None:
        bar = self.add(at, price)
        value = price * qty
        bar.volume += qty
        bar.quote_volume += value
        bar.trades += 1
        if bar.first_id < 0:
            bar.first_id = trade_id
        bar.last_id = trade_id
        if taker_buys:
            bar.taker_volume += qty
            bar.taker_quote += value

    def replace(self, open_at: int, prices: tuple[Decimal, ...], volume: Decimal, trades: int) -> None:
        """Put a recorded bar's figures in place of those built from its path."""
        for bar in reversed(self.bars):
            if bar.open_at < open_at:
                return
            if bar.open_at == open_at:
                share = volume / bar.volume if bar.volume else None
                bar.open, bar.high, bar.low, bar.close = prices
                bar.quote_volume = bar.quote_volume * share if share is not None else volume * bar.close
                bar.taker_volume = bar.taker_volume * share if share is not None else ZERO
                bar.taker_quote = bar.taker_quote * share if share is not None else ZERO
                bar.volume, bar.trades = volume, trades
                return

    def minutes(self, until: int, since: int = 0) -> Iterator[Bar]:
        """Every minute from the first kept bar (or `since`) to the one of `until` (ns), gaps filled flat."""
        rows: list[Bar] = []
        for bar in reversed(self.bars):
            rows.append(bar)
            if bar.open_at <= since:
                break
        last: Bar | None = None
        for bar in reversed(rows):
            if last is not None:
                yield from (b for b in _flat(last, bar.open_at) if b.open_at >= since)
            if bar.open_at >= since:
                yield bar
            last = bar
        if last is not None:
            yield from (b for b in _flat(last, until - until % MINUTE + MINUTE) if b.open_at >= since)

    def of(self, interval: str, until: int, since: int = 0) -> list[Bar]:
        """Bars of `interval` that opened at or after `since`, oldest first, the running one last."""
        out: list[Bar] = []
        for minute in self.minutes(until, since):
            open_at = opening(minute.open_at, interval)
            if not out or out[-1].open_at != open_at:
                out.append(Bar(open_at, minute.open))
            out[-1].absorb(minute)
        return out


def _flat(last: Bar, until: int) -> Iterator[Bar]:
    for open_at in range(last.open_at + MINUTE, until, MINUTE):
        yield Bar(open_at, last.close)


def opening(at: int, interval: str) -> int:
    """When the bar of `interval` that contains `at` opened (ns, UTC; weeks from Monday)."""
    if interval == "1M":
        day = datetime.fromtimestamp(at // SECOND, UTC)
        return int(datetime(day.year, day.month, 1, tzinfo=UTC).timestamp()) * SECOND
    width = INTERVALS[interval]
    shift = 4 * DAY if interval == "1w" else 0
    return (at - shift) // width * width + shift


def closing(open_at: int, interval: str) -> int:
    """When the bar that opened at `open_at` ends (ns, first instant after it)."""
    if interval == "1M":
        return opening(open_at + 32 * DAY, "1M")
    return open_at + INTERVALS[interval]
