"""The market of one symbol as the venue shows it: last trade, book, mark, bars, recent trades."""

from collections import deque
from decimal import Decimal
from typing import Any

import msgspec

from backstay.simulator.bars import Bars
from backstay.simulator.feeds.ticks import BarClose, Mark, Quote, Trade
from backstay.simulator.fills import Depth
from backstay.simulator.history import past
from backstay.simulator.numbers import HOUR, ZERO, ceil_to, cents, floor_to, nearest
from backstay.simulator.settings import EngineSettings
from backstay.simulator.specs import SymbolSpec


class PublicTrade(msgspec.Struct, frozen=True, gc=False):
    """A public trade; every trade is its own aggregate here."""

    id: int
    at: int
    price: Decimal
    qty: Decimal
    buyer_maker: bool


class Market:
    """State of one symbol's market; after a jump by hand `scale` applies to later feed ticks."""

    def __init__(self, spec: SymbolSpec, settings: EngineSettings, start_ns: int, salt: int) -> None:
        self.spec = spec
        self.settings = settings
        self.salt = salt
        self.scale: Decimal | None = None
        price = nearest(spec.price, spec.tick)
        self.last = self.mark = self.index = price
        self.raw_last = price
        self.bid = self.ask = price
        self.default_qty = self._qty_for(settings.level_notional)
        self.bid_qty = self.ask_qty = self.default_qty
        self.fed_quotes = self.fed_marks = False
        self.funding_rate = spec.funding_rate
        self.funding_every = spec.funding_hours * HOUR
        self.next_funding = (start_ns // self.funding_every + 1) * self.funding_every
        self.book_id = 5_000_000_000_000 + salt % 1_000_000_000 * 1_000_003  # 64 bits, whatever the seed
        self.trade_id = 500_000_000 + salt * 7919
        self.quote_at = self.mark_at = self.trade_at = start_ns
        self.taken = {True: ZERO, False: ZERO}
        self.trades: deque[PublicTrade] = deque(maxlen=settings.trades_kept)
        self.bars = Bars(settings.klines_kept)
        self.mark_bars = Bars(settings.klines_kept)
        self.index_bars = Bars(settings.klines_kept)
        self.fundings: list[tuple[int, Decimal, Decimal]] = []
        self.last_qty = ZERO
        self.day_stats: Any = None
        """Kept by the day statistics for the running minute."""
        self.untouched = True
        """Nothing but the spec's own price has been seen: the first tick of a feed replaces it."""
        self._begin(start_ns, price)

    def _qty_for(self, notional: Decimal) -> Decimal:
        return max(self.spec.step, floor_to(notional / self.spec.price, self.spec.step))

    def _around(self, price: Decimal, buyer_maker: bool | None = None) -> None:
        """A book around a price, for markets without quotes: the price is the side that was hit."""
        tick = self.spec.tick
        below = price if buyer_maker else price - tick
        self.bid = max(tick, below)
        self.ask = self.bid + tick if buyer_maker is not None else price + tick
        self.bid_qty = self.ask_qty = self.default_qty
        self.taken[True] = self.taken[False] = ZERO
        self.book_id += 1

    def _begin(self, at: int, price: Decimal) -> None:
        """Start the market's history at a price."""
        self.last = self.mark = self.index = self.raw_last = price
        self._around(price)
        for bars in (self.bars, self.mark_bars, self.index_bars):
            bars.clear()
        self.bars.before(past(self.spec, self.salt, at, price, self.settings.history_minutes))
        self.bars.add(at, price)
        self._mark_bars(at)

    def _wake(self, at: int, price: Decimal) -> None:
        self.untouched = False
        if self.scale is None:
            self._begin(at, price)

    def _scaled(self, price: Decimal) -> Decimal:
        if self.scale is None:
            return price
        return max(self.spec.tick, nearest(price * self.scale, self.spec.tick))

    def next_trade_id(self) -> int:
        self.trade_id += 1
        return self.trade_id

    def on_trade(self, tick: Trade) -> PublicTrade:
        """A trade of the feed; where the feed has no quotes or marks they follow from it."""
        if self.untouched:
            self._wake(tick.at, tick.price)
        self.raw_last = tick.price
        price = tick.price if self.scale is None else self._scaled(tick.price)
        trade = self.print_trade(tick.at, price, tick.qty, tick.buyer_maker)
        if not self.fed_quotes:
            self._around(price, tick.buyer_maker)
            self.quote_at = tick.at
        elif price < self.bid or price > self.ask:
            self._follow(price)
        if not self.fed_marks:
            self.mark = self.index = price
            self.mark_at = tick.at
            self._mark_bars(tick.at)
        return trade

    def _follow(self, price: Decimal) -> None:
        """A trade outside the last quote: the book has moved there, the next quote will say how far."""
        spread = self.ask - self.bid
        if price < self.bid:
            self.bid, self.ask = price, price + spread
        else:
            self.bid, self.ask = max(self.spec.tick, price - spread), price
        self.taken[True] = self.taken[False] = ZERO

    def print_trade(self, at: int, price: Decimal, qty: Decimal, buyer_maker: bool) -> PublicTrade:
        """Record a public trade: last price, bars, list of trades."""
        self.trade_id += 1
        trade = PublicTrade(self.trade_id, at, price, qty, buyer_maker)
        self.last, self.last_qty, self.trade_at = price, qty, at
        self.trades.append(trade)
        self.bars.add_trade(at, price, qty, not buyer_maker, self.trade_id)
        return trade

    def on_quote(self, tick: Quote) -> None:
        if self.untouched:
            self._wake(tick.at, tick.bid)
        self.fed_quotes = True
        if self.scale is None:
            self.bid, self.ask = tick.bid, tick.ask
        else:
            self.bid, self.ask = self._scaled(tick.bid), self._scaled(tick.ask)
            if self.ask <= self.bid:
                self.ask = self.bid + self.spec.tick
        self.bid_qty = tick.bid_qty or self.default_qty
        self.ask_qty = tick.ask_qty or self.default_qty
        self.taken[True] = self.taken[False] = ZERO
        self.quote_at = tick.at
        self.book_id += 1

    def on_mark(self, tick: Mark) -> None:
        if self.untouched:
            self._wake(tick.at, nearest(tick.mark, self.spec.tick))
        self.fed_marks = True
        scale = self.scale
        self.mark = tick.mark if scale is None else cents(tick.mark * scale)
        self.index = tick.index if scale is None else cents(tick.index * scale)
        if tick.funding_rate is not None:
            self.funding_rate = tick.funding_rate
        self.mark_at = tick.at
        self._mark_bars(tick.at)

    def _mark_bars(self, at: int) -> None:
        self.mark_bars.add(at, self.mark)
        self.index_bars.add(at, self.index)

    def on_bar(self, tick: BarClose) -> None:
        if tick.interval != "1m":
            return
        prices = tuple(self._scaled(p) for p in (tick.open, tick.high, tick.low, tick.close))
        self.bars.replace(tick.open_at, prices, tick.volume, tick.trades)

    def jump(self, at: int, price: Decimal) -> PublicTrade:
        """Move the market to `price` now; later feed ticks keep their relation to it."""
        price = max(self.spec.tick, nearest(price, self.spec.tick))
        raw = self.raw_last
        self.scale = None if price == raw else price / raw
        buyer_maker = price < self.last
        self._around(price, buyer_maker)
        self.quote_at = self.mark_at = at
        self.mark = self.index = price
        self._mark_bars(at)
        return self.print_trade(at, price, self.default_qty, buyer_maker)

    def depth(self, upward: bool) -> Depth:
        """The asks (`upward`) or the bids as a book model."""
        spec, best = self.spec, self.ask if upward else self.bid
        spacing = max(spec.tick, ceil_to(spec.price * self.settings.level_spacing, spec.tick))
        qty = self.ask_qty if upward else self.bid_qty
        return Depth(best, qty, upward, spacing, self.default_qty, spec.step, self.salt)
