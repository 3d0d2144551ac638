"""Public market queries (`binance-usdm.md` sections 1, 7, 8): the state of the simulated market."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Protocol

import msgspec

from backstay.simulator import requests as rq
from backstay.simulator.bars import INTERVALS, Bar, Bars, closing
from backstay.simulator.errors import refusal
from backstay.simulator.market import Market, PublicTrade
from backstay.simulator.numbers import DAY, MINUTE, MS, ZERO, fixed, money, plain
from backstay.simulator.specs import SymbolSpec, exchange_row
from backstay.simulator.world import World

Json = dict[str, Any]
_DEPTHS = (5, 10, 20, 50, 100, 500, 1000)
_INTEREST = Decimal("0.0001")


def ping(world: World, params: rq.Params) -> Json:
    return {}


def time(world: World, params: rq.Params) -> Json:
    return {"serverTime": world.now_ms}


def exchange_info(world: World, params: rq.Params) -> Json:
    """Every symbol: the `symbol` parameter is ignored on USD-M, as captured."""
    rows = [exchange_row(s) | {"status": world.status(s.symbol)} for s in world.specs.values()]
    assets = dict.fromkeys(s.margin_asset for s in world.specs.values())
    return {
        "timezone": "UTC",
        "serverTime": world.now_ms,
        "futuresType": "U_MARGINED",
        "rateLimits": [
            {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 2400},
            {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1200},
            {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300},
        ],
        "exchangeFilters": [],
        "assets": [{"asset": a, "marginAvailable": True, "autoAssetExchange": "-10000"} for a in assets],
        "symbols": rows,
    }


def book_rows(market: Market, upward: bool, count: int) -> list[list[str]]:
    spec = market.spec
    levels = market.depth(upward).levels(count)
    return [[spec.price_text(price), spec.qty_text(qty)] for price, qty in levels]


def depth(world: World, params: rq.Params) -> Json:
    spec = rq.symbol(world, params)
    count = rq.integer(params, "limit")
    if count is None:
        count = 500
    if count not in _DEPTHS:
        raise refusal(-4021, count)
    market = world.markets[spec.symbol]
    return {
        "lastUpdateId": market.book_id,
        "E": world.now_ms,
        "T": market.quote_at // MS,
        "bids": book_rows(market, upward=False, count=count),
        "asks": book_rows(market, upward=True, count=count),
    }


def _trade_row(spec: SymbolSpec, trade: PublicTrade) -> Json:
    return {
        "id": trade.id,
        "price": spec.price_text(trade.price),
        "qty": spec.qty_text(trade.qty),
        "quoteQty": plain(trade.price * trade.qty),
        "time": trade.at // MS,
        "isBuyerMaker": trade.buyer_maker,
        "isRPITrade": False,
    }


def trades(world: World, params: rq.Params) -> list[Json]:
    spec = rq.symbol(world, params)
    rows = list(world.markets[spec.symbol].trades)[-rq.limit(params, 500, 1000) :]
    return [_trade_row(spec, t) for t in rows]


def agg_row(spec: SymbolSpec, trade: PublicTrade) -> Json:
    return {
        "a": trade.id,
        "p": spec.price_text(trade.price),
        "q": spec.qty_text(trade.qty),
        "nq": spec.qty_text(trade.qty),
        "f": trade.id,
        "l": trade.id,
        "T": trade.at // MS,
        "m": trade.buyer_maker,
    }


def agg_trades(world: World, params: rq.Params) -> list[Json]:
    """The newest `limit`, or from an id, or a window of less than an hour."""
    spec = rq.symbol(world, params)
    most = rq.limit(params, 500, 1000)
    from_id, start, end = (rq.integer(params, n) for n in ("fromId", "startTime", "endTime"))
    if start is not None and end is not None and end - start > 3_600_000:
        raise refusal(-4165)
    rows = list(world.markets[spec.symbol].trades)
    if from_id is not None:
        rows = [t for t in rows if t.id >= from_id][:most]
    elif start is not None or end is not None:
        rows = [t for t in rows if (start or 0) <= t.at // MS <= (end if end is not None else world.now_ms)]
        rows = rows[:most]
    return [agg_row(spec, t) for t in rows[-most:]]


def kline_row(spec: SymbolSpec, bar: Bar, interval: str, *, quantities: bool) -> list[Any]:
    """The twelve columns of a REST bar; there is no closed flag. Price-only bars carry zero volumes."""
    price = spec.price_text if quantities else money
    return [
        bar.open_at // MS,
        price(bar.open),
        price(bar.high),
        price(bar.low),
        price(bar.close),
        spec.qty_text(bar.volume) if quantities else "0",
        closing(bar.open_at, interval) // MS - 1,
        fixed(bar.quote_volume, 5) if quantities else "0",
        bar.trades,
        spec.qty_text(bar.taker_volume) if quantities else "0",
        fixed(bar.taker_quote, 5) if quantities else "0",
        "0",
    ]


def _klines(source: Callable[[Market], Bars], symbol: str) -> Callable[[World, rq.Params], list[Any]]:
    def call(world: World, params: rq.Params) -> list[Any]:
        spec = world.spec(rq.required(params, symbol))
        interval = rq.choice(params, "interval", tuple(INTERVALS), -1120)
        most = rq.limit(params, 500, 1500)
        start, end = rq.integer(params, "startTime"), rq.integer(params, "endTime")
        market = world.markets[spec.symbol]
        bars = source(market).of(interval, world.now)
        rows = [
            b
            for b in bars
            if (start is None or b.open_at // MS >= start) and (end is None or b.open_at // MS <= end)
        ]
        rows = rows[:most] if start is not None else rows[-most:]
        traded = source(market) is market.bars
        return [kline_row(spec, b, interval, quantities=traded) for b in rows]

    return call


klines = _klines(lambda m: m.bars, "symbol")
continuous_klines = _klines(lambda m: m.bars, "pair")
mark_klines = _klines(lambda m: m.mark_bars, "symbol")
index_klines = _klines(lambda m: m.index_bars, "pair")


def premium_row(world: World, market: Market) -> Json:
    return {
        "symbol": market.spec.symbol,
        "markPrice": money(market.mark),
        "indexPrice": money(market.index),
        "estimatedSettlePrice": money(market.index),
        "lastFundingRate": money(market.funding_rate),
        "interestRate": money(_INTEREST),
        "nextFundingTime": market.next_funding // MS,
        "time": world.now_ms,
    }


def premium_index(world: World, params: rq.Params) -> Json | list[Json]:
    spec = rq.optional_symbol(world, params)
    if spec is not None:
        return premium_row(world, world.markets[spec.symbol])
    return [premium_row(world, m) for m in world.markets.values()]


def funding_rate(world: World, params: rq.Params) -> list[Json]:
    """Fundings that have been charged since the venue started, oldest first."""
    spec = rq.optional_symbol(world, params)
    most = rq.limit(params, 100, 1000)
    start, end = rq.integer(params, "startTime"), rq.integer(params, "endTime")
    rows = [
        {
            "symbol": name,
            "fundingTime": at // MS,
            "fundingRate": money(rate),
            "markPrice": money(mark),
            "rateType": "Regular",
        }
        for name in ([spec.symbol] if spec else world.specs)
        for at, rate, mark in world.markets[name].fundings
        if (start is None or at // MS >= start) and (end is None or at // MS <= end)
    ]
    rows.sort(key=lambda r: int(str(r["fundingTime"])))
    return rows[:most] if start is not None else rows[-most:]


def funding_info(world: World, params: rq.Params) -> list[Json]:
    """Only symbols whose cap, floor or interval differ from the standard."""
    return [
        {
            "symbol": s.symbol,
            "adjustedFundingRateCap": "0.02000000",
            "adjustedFundingRateFloor": "-0.02000000",
            "fundingIntervalHours": s.funding_hours,
            "disclaimer": False,
            "updateTime": world.start // MS,
        }
        for s in world.specs.values()
        if s.funding_adjusted or s.funding_hours != 8
    ]


class Timed(Protocol):
    """Whatever knows the venue's time."""

    @property
    def now(self) -> int: ...


class DayStats(msgspec.Struct, frozen=True):
    """The last 24 hours of trades, from one-minute bars; `minute` is the running bar's opening."""

    minute: int
    open: Decimal
    open_at: int
    high: Decimal
    low: Decimal
    volume: Decimal
    quote: Decimal
    count: int
    first_id: int
    last_id: int


def day_stats(world: Timed, market: Market) -> DayStats:
    """The statistics of now: those of the finished bars (kept for the running minute) and the running bar."""
    running = market.bars.bars[-1]
    known: DayStats | None = market.day_stats
    if known is None or known.minute != running.open_at:
        known = market.day_stats = _finished(world, market)
    first = known.first_id if known.first_id >= 0 else running.first_id
    return DayStats(
        known.minute,
        known.open,
        known.open_at,
        max(known.high, running.high),
        min(known.low, running.low),
        known.volume + running.volume,
        known.quote + running.quote_volume,
        known.count + running.trades,
        first,
        max(known.last_id, running.last_id),
    )


def _finished(world: Timed, market: Market) -> DayStats:
    running = market.bars.bars[-1]
    oldest = world.now - DAY - MINUTE
    bars = [b for b in market.bars.bars if b.open_at >= oldest and b is not running]
    ids = [b for b in bars if b.first_id >= 0]
    first = bars[0] if bars else running
    return DayStats(
        running.open_at,
        first.open,
        first.open_at,
        max((b.high for b in bars), default=running.high),
        min((b.low for b in bars), default=running.low),
        sum((b.volume for b in bars), ZERO),
        sum((b.quote_volume for b in bars), ZERO),
        sum(b.trades for b in bars),
        ids[0].first_id if ids else -1,
        ids[-1].last_id if ids else -1,
    )


def _day_row(world: World, market: Market) -> Json:
    spec, day = market.spec, day_stats(world, market)
    change = market.last - day.open
    average = day.quote / day.volume if day.volume else market.last
    return {
        "symbol": spec.symbol,
        "priceChange": spec.price_text(change),
        "priceChangePercent": fixed(change / day.open * 100, 3),
        "weightedAvgPrice": spec.price_text(average),
        "lastPrice": spec.price_text(market.last),
        "lastQty": spec.qty_text(market.last_qty),
        "openPrice": spec.price_text(day.open),
        "highPrice": spec.price_text(day.high),
        "lowPrice": spec.price_text(day.low),
        "volume": spec.qty_text(day.volume),
        "quoteVolume": fixed(day.quote, 2),
        "openTime": day.open_at // MS,
        "closeTime": world.now_ms,
        "firstId": day.first_id,
        "lastId": day.last_id,
        "count": day.count,
    }


def _per_symbol(row: Callable[[World, Market], Json]) -> Callable[[World, rq.Params], Json | list[Json]]:
    """One object with a symbol, a list of all without."""

    def call(world: World, params: rq.Params) -> Json | list[Json]:
        spec = rq.optional_symbol(world, params)
        if spec is not None:
            return row(world, world.markets[spec.symbol])
        return [row(world, m) for m in world.markets.values()]

    return call


def _price_row(world: World, market: Market) -> Json:
    spec = market.spec
    return {
        "symbol": spec.symbol,
        "price": spec.price_text(market.last),
        "time": market.trade_at // MS,
    }


def _book_row(world: World, market: Market) -> Json:
    spec = market.spec
    return {
        "symbol": spec.symbol,
        "bidPrice": spec.price_text(market.bid),
        "bidQty": spec.qty_text(market.bid_qty),
        "askPrice": spec.price_text(market.ask),
        "askQty": spec.qty_text(market.ask_qty),
        "time": market.quote_at // MS,
        "lastUpdateId": market.book_id,
    }


ticker_day = _per_symbol(_day_row)
ticker_price = _per_symbol(_price_row)
ticker_book = _per_symbol(_book_row)


def open_interest(world: World, params: rq.Params) -> Json:
    """What the accounts of this venue hold, long side counted once."""
    spec = rq.symbol(world, params)
    held = (p.amount for a in world.accounts.values() for p in a.held_in(spec.symbol))
    total = sum((amount for amount in held if amount > 0), ZERO)
    return {"symbol": spec.symbol, "openInterest": spec.qty_text(total), "time": world.now_ms}


def premium_klines(world: World, params: rq.Params) -> list[Any]:
    """Premium of mark over index, bar by bar, from the bars of both."""
    spec = rq.symbol(world, params)
    interval = rq.choice(params, "interval", tuple(INTERVALS), -1120)
    most = rq.limit(params, 500, 1500)
    market = world.markets[spec.symbol]
    rows: list[Any] = []
    for mark, index in zip(
        market.mark_bars.of(interval, world.now), market.index_bars.of(interval, world.now), strict=True
    ):
        shares = [
            (getattr(mark, name) - getattr(index, name)) / getattr(index, name)
            for name in ("open", "high", "low", "close")
        ]
        top, bottom = max(shares), min(shares)
        row = kline_row(spec, mark, interval, quantities=False)
        row[1:5] = [money(shares[0]), money(top), money(bottom), money(shares[3])]
        rows.append(row)
    return rows[-most:]


def adl_risk(world: World, params: rq.Params) -> Json | list[Json]:
    """symbolAdlRisk: high once the insurance fund is used up, else low."""
    risk = "low" if world.insurance > 0 else "high"
    spec = rq.optional_symbol(world, params)
    rows: list[Json] = [
        {"symbol": s, "adlRisk": risk, "updateTime": world.now_ms}
        for s in ([spec.symbol] if spec else world.specs)
    ]
    return rows[0] if spec else rows


def trading_schedule(world: World, params: rq.Params) -> Json:
    """No listed symbol follows a market's opening hours."""
    return {"updateTime": world.start // MS, "marketSchedules": {}}
