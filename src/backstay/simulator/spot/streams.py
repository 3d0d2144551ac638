"""Market stream payloads of Spot (`binance-spot.md` section 8), made only for streams that somebody wants."""

from typing import Any

from backstay.simulator.bars import INTERVALS, Bar, closing, opening
from backstay.simulator.market import PublicTrade
from backstay.simulator.market_calls import book_rows, day_stats
from backstay.simulator.numbers import MS, SECOND, Stamp, fixed, money
from backstay.simulator.spot.market import SpotMarket
from backstay.simulator.spot.market_calls import agg_row
from backstay.simulator.spot.world import SpotWorld

Json = dict[str, Any]
_KLINE_BEAT = 2


class SpotStreams:
    """Trades and best quotes as they happen; bars, books and tickers at their beats."""

    def __init__(self, world: SpotWorld, wanted: set[str]) -> None:
        self._world = world
        self._wanted = wanted
        self._books: dict[str, tuple[int, dict[str, str], dict[str, str]]] = {}
        self._bars_sent: dict[str, int] = {}

    def _put(self, name: str, payload: Any) -> None:
        if name in self._wanted:
            self._world.market_events.append((name, payload))

    def _head(self, kind: str, symbol: str) -> Json:
        return {"e": kind, "E": self._world.stamp, "s": symbol}

    def on_trade(self, symbol: str, trade: PublicTrade) -> None:
        low = symbol.lower()
        if f"{low}@aggTrade" in self._wanted:
            self._put(f"{low}@aggTrade", self._head("aggTrade", symbol) | agg_row(trade))
        if f"{low}@trade" in self._wanted:
            body = {
                "t": trade.id,
                "p": money(trade.price),
                "q": money(trade.qty),
                "T": Stamp(trade.at),
                "m": trade.buyer_maker,
                "M": True,
            }
            self._put(f"{low}@trade", self._head("trade", symbol) | body)

    def on_quote(self, symbol: str) -> None:
        """The best book has changed; faster books follow it too."""
        low, market = symbol.lower(), self._world.markets[symbol]
        if f"{low}@bookTicker" in self._wanted:
            body = {
                "u": market.book_id,
                "s": symbol,
                "b": money(market.bid),
                "B": money(market.bid_qty),
                "a": money(market.ask),
                "A": money(market.ask_qty),
            }
            self._put(f"{low}@bookTicker", body)
        self._depth(market, "@100ms")

    def beat(self, second: int) -> None:
        """One whole venue second has passed (`second` since the epoch)."""
        for market in self._world.markets.values():
            self._depth(market, "")
            self._depth(market, "@100ms")
            self._klines(market, second)
            self._tickers(market)
        if "!miniTicker@arr" in self._wanted:
            rows = [self._mini(m) for m in self._world.markets.values()]
            self._put("!miniTicker@arr", rows)

    def _depth(self, market: SpotMarket, suffix: str) -> None:
        low = market.rules.symbol.lower()
        for count in (5, 10, 20):
            name = f"{low}@depth{count}{suffix}"
            if name in self._wanted:
                body = {
                    "lastUpdateId": market.book_id,
                    "bids": book_rows(market, upward=False, count=count),
                    "asks": book_rows(market, upward=True, count=count),
                }
                self._put(name, body)
        if f"{low}@depth{suffix}" in self._wanted:
            self._difference(market, f"{low}@depth{suffix}")

    def _difference(self, market: SpotMarket, name: str) -> None:
        """What has changed since the last one: each `U` is the previous `u` + 1."""
        bids = dict(book_rows(market, upward=False, count=100))
        asks = dict(book_rows(market, upward=True, count=100))
        last, old_bids, old_asks = self._books.get(name) or (market.book_id - 1, {}, {})
        if last == market.book_id:
            return
        self._books[name] = (market.book_id, bids, asks)
        body = {
            "U": last + 1,
            "u": market.book_id,
            "b": _changes(old_bids, bids),
            "a": _changes(old_asks, asks),
        }
        self._put(name, self._head("depthUpdate", market.rules.symbol) | body)

    def _klines(self, market: SpotMarket, second: int) -> None:
        """The running bar every two seconds; a finished one once more, at once, with x=true."""
        low, now = market.rules.symbol.lower(), self._world.now
        for interval in INTERVALS:
            name = f"{low}@kline_{interval}"
            if name not in self._wanted:
                continue
            open_at = opening(now, interval)
            sent = self._bars_sent.get(name, open_at)
            if second % _KLINE_BEAT and sent == open_at:
                continue
            self._bars_sent[name] = open_at
            for bar in market.bars.of(interval, now, since=min(sent, open_at)):
                body = _kline(market.rules.symbol, bar, interval, closed=bar.open_at < open_at)
                self._put(name, self._head("kline", market.rules.symbol) | {"k": body})

    def _mini(self, market: SpotMarket) -> Json:
        day = day_stats(self._world, market)
        return self._head("24hrMiniTicker", market.rules.symbol) | {
            "c": money(market.last),
            "o": money(day.open),
            "h": money(day.high),
            "l": money(day.low),
            "v": money(day.volume),
            "q": money(day.quote),
        }

    def _full(self, market: SpotMarket) -> Json:
        day = day_stats(self._world, market)
        change = market.last - day.open
        return self._mini(market) | {
            "e": "24hrTicker",
            "p": money(change),
            "P": fixed(change / day.open * 100, 3),
            "w": money(day.quote / day.volume if day.volume else market.last),
            "x": money(day.open),
            "Q": money(market.last_qty),
            "b": money(market.bid),
            "B": money(market.bid_qty),
            "a": money(market.ask),
            "A": money(market.ask_qty),
            "O": Stamp(day.open_at),
            "C": self._world.stamp,
            "F": day.first_id,
            "L": day.last_id,
            "n": day.count,
        }

    def _tickers(self, market: SpotMarket) -> None:
        symbol = market.rules.symbol
        low = symbol.lower()
        if f"{low}@miniTicker" in self._wanted:
            self._put(f"{low}@miniTicker", self._mini(market))
        if f"{low}@ticker" in self._wanted:
            self._put(f"{low}@ticker", self._full(market))
        if f"{low}@avgPrice" in self._wanted:
            minutes = market.rules.avg_minutes
            body = {
                "i": f"{minutes}m",
                "w": money(market.average(minutes, self._world.now)),
                "T": Stamp(market.trade_at),
            }
            self._put(f"{low}@avgPrice", self._head("avgPrice", symbol) | body)
        price = market.rules.reference_price
        if f"{low}@referencePrice" in self._wanted and price is not None:
            body = {"e": "referencePrice", "s": symbol, "r": money(price), "t": self._world.stamp}
            self._put(f"{low}@referencePrice", body)


def _kline(symbol: str, bar: Bar, interval: str, *, closed: bool) -> Json:
    return {
        "t": Stamp(bar.open_at),
        "T": Stamp(closing(bar.open_at, interval) - MS),
        "s": symbol,
        "i": interval,
        "f": bar.first_id,
        "L": bar.last_id,
        "o": money(bar.open),
        "c": money(bar.close),
        "h": money(bar.high),
        "l": money(bar.low),
        "v": money(bar.volume),
        "n": bar.trades,
        "x": closed,
        "q": money(bar.quote_volume),
        "V": money(bar.taker_volume),
        "Q": money(bar.taker_quote),
        "B": "0",
    }


def _changes(before: dict[str, str], after: dict[str, str]) -> list[list[str]]:
    rows = [[price, qty] for price, qty in after.items() if before.get(price) != qty]
    return rows + [[price, "0.00000000"] for price in before if price not in after]


def next_beat(now: int) -> int:
    return (now // SECOND + 1) * SECOND
