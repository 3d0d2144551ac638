"""Public market queries of Spot (`binance-spot.md` sections 1, 8, 9)."""

import re
from collections.abc import Callable
from typing import Any

import msgspec

from backstay.simulator.bars import INTERVALS, Bar, closing
from backstay.simulator.errors import Refusal
from backstay.simulator.market import PublicTrade
from backstay.simulator.market_calls import book_rows, day_stats
from backstay.simulator.numbers import MS, Stamp, fixed, money
from backstay.simulator.spot import requests as rq
from backstay.simulator.spot.errors import refusal
from backstay.simulator.spot.market import SpotMarket
from backstay.simulator.spot.specs import exchange_row
from backstay.simulator.spot.world import SpotWorld

Json = dict[str, Any]
_NAMES = re.compile(r'\["[^"\[\],]+"(,"[^"\[\],]+")*\]')


def ping(world: SpotWorld, params: rq.Params) -> Json:
    return {}


def time(world: SpotWorld, params: rq.Params) -> Json:
    return {"serverTime": world.stamp}


def _several(params: rq.Params, name: str) -> list[str] | None:
    """A JSON list of texts in a parameter. -1100 malformed, -1151 the same twice."""
    value = rq.text(params, name)
    if value is None:
        return None
    if not _NAMES.fullmatch(value):
        raise refusal(-1100, name, '^\\["[A-Z0-9-_.]{1,20}"(,"[A-Z0-9-_.]{1,20}"){0,}\\]$')
    names: list[str] = msgspec.json.decode(value, type=list[str])
    if len(set(names)) != len(names):
        raise refusal(-1151)
    return names


def _symbols(world: SpotWorld, params: rq.Params) -> list[str] | None:
    """The symbols that `symbol` or `symbols` name; None where neither was sent. -1128 for both."""
    one, many = rq.text(params, "symbol"), _several(params, "symbols")
    if one is not None and many is not None:
        raise refusal(-1128)
    names = [one] if one is not None else many
    for name in names or ():
        world.spec(name)
    return names


def exchange_info(world: SpotWorld, params: rq.Params) -> Json:
    """All pairs, or those of `symbol`, `symbols`, `permissions`, `symbolStatus`."""
    names = _symbols(world, params)
    status = rq.text(params, "symbolStatus")
    if names is not None and status is not None:
        raise refusal(-1128)
    wanted = params.get("permissions")
    if wanted is not None and "SPOT" not in wanted:
        names = []
    rows = [
        exchange_row(world.specs[name]) | {"status": world.status(name)}
        for name in (world.specs if names is None else names)
    ]
    return {
        "timezone": "UTC",
        "serverTime": world.stamp,
        "rateLimits": [],
        "exchangeFilters": [],
        "symbols": [row for row in rows if status is None or row["status"] == status],
    }


def execution_rules(world: SpotWorld, params: rq.Params) -> Json:
    """GET executionRules: the price-range rule of the symbols that have one."""
    names = _symbols(world, params)
    rows = []
    for name in world.specs if names is None else names:
        rule = world.specs[name].price_range
        rules = []
        if rule is not None:
            up, down = str(rule[0]), str(rule[1])
            rules.append(
                {
                    "ruleType": "PRICE_RANGE",
                    "bidLimitMultUp": up,
                    "bidLimitMultDown": down,
                    "askLimitMultUp": up,
                    "askLimitMultDown": down,
                }
            )
        rows.append({"symbol": name, "rules": rules})
    return {"symbolRules": rows}


def reference_price(world: SpotWorld, params: rq.Params) -> Json:
    """GET referencePrice. -2043 where the symbol never had one."""
    spec = rq.symbol(world, params)
    if spec.reference_price is None:
        raise refusal(-2043)
    return {"symbol": spec.symbol, "referencePrice": money(spec.reference_price), "timestamp": world.stamp}


def depth(world: SpotWorld, params: rq.Params) -> Json:
    spec = rq.symbol(world, params)
    count = min(rq.integer(params, "limit") or 100, 5000)
    market = world.markets[spec.symbol]
    return {
        "lastUpdateId": market.book_id,
        "bids": book_rows(market, upward=False, count=count),
        "asks": book_rows(market, upward=True, count=count),
    }


def _trade(trade: PublicTrade) -> Json:
    return {
        "id": trade.id,
        "price": money(trade.price),
        "qty": money(trade.qty),
        "quoteQty": money(trade.price * trade.qty),
        "time": Stamp(trade.at),
        "isBuyerMaker": trade.buyer_maker,
        "isBestMatch": True,
    }


def trades(world: SpotWorld, params: rq.Params) -> list[Json]:
    """trades and historicalTrades: the newest, or from an id on."""
    spec = rq.symbol(world, params)
    first, most = rq.integer(params, "fromId"), rq.limit(params, 500, 1000)
    rows = list(world.markets[spec.symbol].trades)
    if first is not None:
        return [_trade(t) for t in rows if t.id >= first][:most]
    return [_trade(t) for t in rows[-most:]]


def agg_row(trade: PublicTrade) -> Json:
    """Every trade is its own aggregate here."""
    return {
        "a": trade.id,
        "p": money(trade.price),
        "q": money(trade.qty),
        "f": trade.id,
        "l": trade.id,
        "T": Stamp(trade.at),
        "m": trade.buyer_maker,
        "M": True,
    }


def agg_trades(world: SpotWorld, params: rq.Params) -> list[Json]:
    spec = rq.symbol(world, params)
    most, first = rq.limit(params, 500, 1000), rq.integer(params, "fromId")
    start, end = rq.moment(params, "startTime"), rq.moment(params, "endTime")
    rows = list(world.markets[spec.symbol].trades)
    if first is not None:
        rows = [t for t in rows if t.id >= first][:most]
    elif start is not None or end is not None:
        rows = [t for t in rows if (start or 0) <= t.at <= (end if end is not None else world.now)][:most]
    return [agg_row(t) for t in rows[-most:]]


def kline_row(bar: Bar, interval: str) -> list[Any]:
    return [
        Stamp(bar.open_at),
        money(bar.open),
        money(bar.high),
        money(bar.low),
        money(bar.close),
        money(bar.volume),
        Stamp(closing(bar.open_at, interval) - MS),
        money(bar.quote_volume),
        bar.trades,
        money(bar.taker_volume),
        money(bar.taker_quote),
        "0",
    ]


def klines(world: SpotWorld, params: rq.Params) -> list[Any]:
    """klines and uiKlines. Bars of one second are not kept here: -1120. Only UTC: -1130 for a `timeZone`."""
    spec = rq.symbol(world, params)
    interval = rq.choice(params, "interval", tuple(INTERVALS), -1120)
    if params.get("timeZone", "0") not in {"0", "+0", "00:00", "+00:00"}:
        raise refusal(-1130, "timeZone")
    most = rq.limit(params, 500, 1000)
    start, end = rq.moment(params, "startTime"), rq.moment(params, "endTime")
    bars = world.markets[spec.symbol].bars.of(interval, world.now)
    rows = [b for b in bars if (start is None or b.open_at >= start) and (end is None or b.open_at <= end)]
    rows = rows[:most] if start is not None else rows[-most:]
    return [kline_row(b, interval) for b in rows]


def avg_price(world: SpotWorld, params: rq.Params) -> Json:
    spec = rq.symbol(world, params)
    market = world.markets[spec.symbol]
    return {
        "mins": spec.avg_minutes,
        "price": money(market.average(spec.avg_minutes, world.now)),
        "closeTime": Stamp(market.trade_at),
    }


def _mini_row(world: SpotWorld, market: SpotMarket) -> Json:
    day = day_stats(world, market)
    return {
        "symbol": market.rules.symbol,
        "openPrice": money(day.open),
        "highPrice": money(day.high),
        "lowPrice": money(day.low),
        "lastPrice": money(market.last),
        "volume": money(day.volume),
        "quoteVolume": money(day.quote),
        "openTime": Stamp(day.open_at),
        "closeTime": world.stamp,
        "firstId": day.first_id,
        "lastId": day.last_id,
        "count": day.count,
    }


def _day_row(world: SpotWorld, market: SpotMarket) -> Json:
    day = day_stats(world, market)
    change = market.last - day.open
    average = day.quote / day.volume if day.volume else market.last
    return _mini_row(world, market) | {
        "priceChange": money(change),
        "priceChangePercent": fixed(change / day.open * 100, 3),
        "weightedAvgPrice": money(average),
        "prevClosePrice": money(day.open),
        "lastQty": money(market.last_qty),
        "bidPrice": money(market.bid),
        "bidQty": money(market.bid_qty),
        "askPrice": money(market.ask),
        "askQty": money(market.ask_qty),
    }


def _price_row(world: SpotWorld, market: SpotMarket) -> Json:
    return {"symbol": market.rules.symbol, "price": money(market.last)}


def _book_row(world: SpotWorld, market: SpotMarket) -> Json:
    return {
        "symbol": market.rules.symbol,
        "bidPrice": money(market.bid),
        "bidQty": money(market.bid_qty),
        "askPrice": money(market.ask),
        "askQty": money(market.ask_qty),
    }


def _per_symbol(
    row: Callable[[SpotWorld, SpotMarket], Json],
) -> Callable[[SpotWorld, rq.Params], Json | list[Json]]:
    """One object with `symbol`, a list with `symbols` or without either."""

    def call(world: SpotWorld, params: rq.Params) -> Json | list[Json]:
        names = _symbols(world, params)
        if params.get("symbol") is not None and names:
            return row(world, world.markets[names[0]])
        return [row(world, world.markets[name]) for name in (world.specs if names is None else names)]

    return call


ticker_price = _per_symbol(_price_row)
ticker_book = _per_symbol(_book_row)


def ticker_day(world: SpotWorld, params: rq.Params) -> Json | list[Json]:
    """ticker/24hr, FULL or MINI (-1139)."""
    kind = rq.choice(params, "type", ("FULL", "MINI"), -1139, default="FULL")
    return _per_symbol(_day_row if kind == "FULL" else _mini_row)(world, params)


def rolling(world: SpotWorld, params: rq.Params) -> Json | list[Json]:
    """ticker, ticker/tradingDay: the statistics of 24 hours alone are kept here. -1128 for another window."""
    if params.get("windowSize", "1d") not in {"1d", "24h"}:
        raise Refusal(-1128, "The simulated exchange keeps a window of 1d alone.")
    if _symbols(world, params) is None:
        raise Refusal(-1128, "Combination of optional parameters invalid.")
    return ticker_day(world, params)
