"""Market stream payloads (`binance-usdm.md` section 6), made only for streams that somebody wants."""

from typing import Any

from backstay.simulator import market_calls as calls
from backstay.simulator.bars import INTERVALS, Bar, closing, opening
from backstay.simulator.market import Market, PublicTrade
from backstay.simulator.numbers import MS, SECOND, fixed, money
from backstay.simulator.specs import SymbolSpec
from backstay.simulator.world import World

Json = dict[str, Any]
Out = list[tuple[str, Any]]


class MarketStreams:
    """Puts out what `wanted` asks for. Trades and quotes as they happen, the rest at each beat (1 s)."""

    def __init__(self, world: World, wanted: set[str]) -> None:
        self._world = world
        self._wanted = wanted
        self._last_depth: dict[str, tuple[int, dict[str, str], dict[str, str]]] = {}
        self._bars_sent: dict[str, int] = {}
        self._by_symbol: dict[str, list[str]] = {}
        self._known_wishes: frozenset[str] = frozenset()

    def _put(self, name: str, payload: Any) -> None:
        self._world.market_events.append((name, payload))

    def on_trade(self, symbol: str, trade: PublicTrade) -> None:
        market = self._world.markets[symbol]
        low = symbol.lower()
        if f"{low}@aggTrade" in self._wanted:
            row = calls.agg_row(market.spec, trade)
            self._put(
                f"{low}@aggTrade",
                {"e": "aggTrade", "E": self._world.now_ms, "s": symbol, **row, "st": 1},
            )
        self._klines(market, traded=True)

    def on_quote(self, symbol: str) -> None:
        low = symbol.lower()
        market = self._world.markets[symbol]
        if f"{low}@bookTicker" in self._wanted:
            self._put(f"{low}@bookTicker", self._book(market))
        self._depth(market)

    def beat(self, second: int) -> None:
        """One whole venue second has passed (`second` since the epoch)."""
        for market in self._world.markets.values():
            self._marks(market, second)
            self._klines(market, traded=False)
            self._depth(market)
            self._tickers(market, second)
        self._arrays(second)

    def _book(self, market: Market) -> Json:
        spec, now = market.spec, self._world.now_ms
        return {
            "e": "bookTicker",
            "u": market.book_id,
            "E": now,
            "T": now,
            "s": spec.symbol,
            "ps": spec.symbol,
            "b": spec.price_text(market.bid),
            "B": spec.qty_text(market.bid_qty),
            "a": spec.price_text(market.ask),
            "A": spec.qty_text(market.ask_qty),
            "st": 1,
        }

    def _mark(self, market: Market) -> Json:
        return {
            "e": "markPriceUpdate",
            "E": self._world.now_ms,
            "s": market.spec.symbol,
            "p": money(market.mark),
            "ap": money(market.mark),
            "i": money(market.index),
            "P": money(market.index),
            "r": money(market.funding_rate),
            "T": market.next_funding // MS,
            "st": 1,
        }

    def _marks(self, market: Market, second: int) -> None:
        low = market.spec.symbol.lower()
        if f"{low}@markPrice@1s" in self._wanted:
            self._put(f"{low}@markPrice@1s", self._mark(market))
        if second % 3 == 0 and f"{low}@markPrice" in self._wanted:
            self._put(f"{low}@markPrice", self._mark(market))

    def _mini(self, market: Market) -> Json:
        spec, day = market.spec, calls.day_stats(self._world, market)
        return {
            "e": "24hrMiniTicker",
            "E": self._world.now_ms,
            "s": spec.symbol,
            "ps": spec.symbol,
            "c": spec.price_text(market.last),
            "o": spec.price_text(day.open),
            "h": spec.price_text(day.high),
            "l": spec.price_text(day.low),
            "v": spec.qty_text(day.volume),
            "q": fixed(day.quote, 2),
            "st": 1,
        }

    def _full(self, market: Market) -> Json:
        spec, day = market.spec, calls.day_stats(self._world, market)
        change = market.last - day.open
        average = day.quote / day.volume if day.volume else market.last
        return self._mini(market) | {
            "e": "24hrTicker",
            "p": spec.price_text(change),
            "P": fixed(change / day.open * 100, 3),
            "w": spec.price_text(average),
            "Q": spec.qty_text(market.last_qty),
            "O": day.open_at // MS,
            "C": self._world.now_ms,
            "F": day.first_id,
            "L": day.last_id,
            "n": day.count,
        }

    def _tickers(self, market: Market, second: int) -> None:
        low = market.spec.symbol.lower()
        if second % 2 == 0:
            if f"{low}@miniTicker" in self._wanted:
                self._put(f"{low}@miniTicker", self._mini(market))
            if f"{low}@ticker" in self._wanted:
                self._put(f"{low}@ticker", self._full(market))

    def _arrays(self, second: int) -> None:
        markets = list(self._world.markets.values())
        wanted = self._wanted
        if "!markPrice@arr@1s" in wanted:
            self._put("!markPrice@arr@1s", [self._mark(m) for m in markets])
        if second % 3 == 0 and "!markPrice@arr" in wanted:
            self._put("!markPrice@arr", [self._mark(m) for m in markets])
        if second % 2 == 0:
            if "!miniTicker@arr" in wanted:
                self._put("!miniTicker@arr", [self._mini(m) for m in markets])
            if "!ticker@arr" in wanted:
                self._put("!ticker@arr", [self._full(m) for m in markets])
        if second % 5 == 0 and "!bookTicker" in wanted:
            for market in markets:
                self._put("!bookTicker", self._book(market))

    def _klines(self, market: Market, *, traded: bool) -> None:
        """The running bar after a trade; the finished ones once more with x=true when they have closed."""
        low, now = market.spec.symbol.lower(), self._world.now
        for interval in self._intervals(low):
            open_at = opening(now, interval)
            for name in (f"{low}@kline_{interval}", f"{low}_perpetual@continuousKline_{interval}"):
                if name not in self._wanted:
                    continue
                previous = self._bars_sent.get(name, open_at)
                if not traded and previous == open_at:
                    continue
                for bar in market.bars.of(interval, now, since=min(previous, open_at)):
                    done = bar.open_at < open_at
                    self._put(name, self._kline(market.spec, bar, interval, done, name))
                self._bars_sent[name] = open_at

    def _intervals(self, low: str) -> list[str]:
        """The intervals that somebody wants of a symbol; looked up anew when the wishes change."""
        if self._known_wishes != self._wanted:
            self._by_symbol.clear()
            self._known_wishes = frozenset(self._wanted)
        if low not in self._by_symbol:
            heads = (f"{low}@kline_", f"{low}_perpetual@continuousKline_")
            names = (n.partition("line_")[2] for n in self._wanted if n.startswith(heads))
            self._by_symbol[low] = [i for i in dict.fromkeys(names) if i in INTERVALS]
        return self._by_symbol[low]

    def _kline(self, spec: SymbolSpec, bar: Bar, interval: str, closed: bool, name: str) -> Json:
        continuous = "@continuousKline" in name
        body: Json = {
            "t": bar.open_at // MS,
            "T": closing(bar.open_at, interval) // MS - 1,
            "s": spec.symbol,
            "i": interval,
            "f": bar.first_id,
            "L": bar.last_id,
            "o": spec.price_text(bar.open),
            "c": spec.price_text(bar.close),
            "h": spec.price_text(bar.high),
            "l": spec.price_text(bar.low),
            "v": spec.qty_text(bar.volume),
            "n": bar.trades,
            "x": closed,
            "q": fixed(bar.quote_volume, 4),
            "V": spec.qty_text(bar.taker_volume),
            "Q": fixed(bar.taker_quote, 4),
            "B": "0",
        }
        head: Json = {"e": "continuous_kline" if continuous else "kline", "E": self._world.now_ms}
        if continuous:
            del body["s"]
            return head | {"ps": spec.symbol, "ct": "PERPETUAL", "k": body, "st": 1}
        return head | {"s": spec.symbol, "k": body, "st": 1}

    def _depth(self, market: Market) -> None:
        """Partial books as they are; differences chained by U, u, pu."""
        low = market.spec.symbol.lower()
        for suffix in ("", "@100ms", "@500ms"):
            for count in (5, 10, 20):
                name = f"{low}@depth{count}{suffix}"
                if name in self._wanted:
                    self._put(name, self._partial(market, count))
            name = f"{low}@depth{suffix}"
            if name in self._wanted:
                self._difference(market, name)

    def _partial(self, market: Market, count: int) -> Json:
        return self._depth_frame(market, market.book_id, market.book_id, market.book_id - 1) | {
            "b": calls.book_rows(market, upward=False, count=count),
            "a": calls.book_rows(market, upward=True, count=count),
        }

    def _depth_frame(self, market: Market, first: int, last: int, previous: int) -> Json:
        now, symbol = self._world.now_ms, market.spec.symbol
        return {
            "e": "depthUpdate",
            "E": now,
            "T": now,
            "s": symbol,
            "ps": symbol,
            "U": first,
            "u": last,
            "pu": previous,
            "st": 1,
        }

    def _difference(self, market: Market, name: str) -> None:
        bids = dict(calls.book_rows(market, upward=False, count=50))
        asks = dict(calls.book_rows(market, upward=True, count=50))
        known = self._last_depth.get(name)
        if known is not None and known[0] == market.book_id:
            return
        before = known or (market.book_id - 1, {}, {})
        self._last_depth[name] = (market.book_id, bids, asks)
        frame = self._depth_frame(market, before[0] + 1, market.book_id, before[0])
        zero = market.spec.qty_text(market.taken[True] * 0)
        frame["b"] = _changes(before[1], bids, zero)
        frame["a"] = _changes(before[2], asks, zero)
        self._put(name, frame)

    def forced(self, order: Json) -> None:
        """A liquidation was carried out."""
        symbol = order["s"]
        frame = {"e": "forceOrder", "E": self._world.now_ms, "o": order}
        if f"{symbol.lower()}@forceOrder" in self._wanted:
            self._put(f"{symbol.lower()}@forceOrder", frame)
        if "!forceOrder@arr" in self._wanted:
            self._put("!forceOrder@arr", {**frame, "o": {**order, "ps": symbol, "st": 1}})

    def contract_info(self, spec: SymbolSpec) -> None:
        """The symbol's contract changed."""
        if "!contractInfo" not in self._wanted:
            return
        rows = [
            {
                "bs": b.number,
                "bnf": int(b.floor),
                "bnc": int(b.cap),
                "mmr": float(b.rate),
                "cf": float(b.cum),
                "mi": 1,
                "ma": b.leverage,
            }
            for b in spec.brackets
        ]
        self._put(
            "!contractInfo",
            {
                "e": "contractInfo",
                "E": self._world.now_ms,
                "s": spec.symbol,
                "ps": spec.symbol,
                "ct": spec.contract_type,
                "dt": 4_133_404_800_000,
                "ot": self._world.start // MS,
                "cs": self._world.status(spec.symbol),
                "bks": rows,
                "st": 1,
            },
        )


def _changes(before: dict[str, str], after: dict[str, str], zero: str) -> list[list[str]]:
    rows = [[price, qty] for price, qty in after.items() if before.get(price) != qty]
    return rows + [[price, zero] for price in before if price not in after]


def next_beat(now: int) -> int:
    return (now // SECOND + 1) * SECOND


def force_row(spec: SymbolSpec, side: str, qty: str, price: str, average: str, at_ms: int) -> Json:
    """The `o` of a forceOrder event."""
    return {
        "s": spec.symbol,
        "S": side,
        "o": "LIMIT",
        "f": "IOC",
        "q": qty,
        "p": price,
        "ap": average,
        "X": "FILLED",
        "l": qty,
        "z": qty,
        "T": at_ms,
    }
