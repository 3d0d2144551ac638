"""Spot's exchangeInfo to instruments; a symbol without usable rules is left out, and said.

Source: binance-spot.md 9.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import msgspec

from backstay.binance.wire import rows_spot as rows
from backstay.binance.wire.instruments_usdm import ExchangeInfo, read_rate_limits, read_symbols
from backstay.binance.wire.numbers import limit, positive
from backstay.binance.wire.spot_words import nanoseconds
from backstay.core.instruments import Instrument, SpotRules
from backstay.core.types import ZERO, Product

_SYMBOL: Final = msgspec.json.Decoder(rows.Symbol)
_NOTHING: Final = rows.Filter(filter_type="")

type Filters = Mapping[str, rows.Filter]


def read_exchange_info(info: rows.ExchangeInfo) -> ExchangeInfo:
    instruments, dropped = read_symbols(info.symbols, lambda raw: _instrument(_SYMBOL.decode(raw)))
    return ExchangeInfo(
        instruments=instruments,
        dropped=dropped,
        rate_limits=read_rate_limits(info.rate_limits),
        server_time=nanoseconds(info.server_time),
    )


def _instrument(row: rows.Symbol) -> Instrument:
    filters = {item.filter_type: item for item in row.filters}
    missing = [name for name in ("PRICE_FILTER", "LOT_SIZE") if name not in filters]
    if missing:
        raise ValueError(f"has no {' and no '.join(missing)}")
    prices, lots = filters["PRICE_FILTER"], filters["LOT_SIZE"]
    market = filters.get("MARKET_LOT_SIZE", _NOTHING)
    step = positive("LOT_SIZE.stepSize", lots.step_size)
    least, most = limit(lots.min_qty), limit(lots.max_qty)
    most_at_market = limit(market.max_qty)
    return Instrument(
        product=Product.SPOT,
        symbol=row.symbol,
        base=row.base_asset,
        quote=row.quote_asset,
        margin_asset=row.quote_asset,
        status=row.status if row.is_spot_trading_allowed or row.status != "TRADING" else "NO_SPOT",
        tick=positive("PRICE_FILTER.tickSize", prices.tick_size),
        min_price=limit(prices.min_price),
        max_price=limit(prices.max_price),
        step=step,
        min_qty=least,
        max_qty=most,
        # On spot LOT_SIZE holds for market orders too, and MARKET_LOT_SIZE besides.
        market_step=max(step, limit(market.step_size)),
        market_min_qty=max(least, limit(market.min_qty)),
        market_max_qty=min(most, most_at_market) if most and most_at_market else most or most_at_market,
        min_notional=max(
            limit(filters.get("NOTIONAL", _NOTHING).min_notional),
            limit(filters.get("MIN_NOTIONAL", _NOTHING).min_notional),
        ),
        percent_up=ZERO,
        percent_down=ZERO,
        max_orders=filters.get("MAX_NUM_ORDERS", _NOTHING).max_num_orders,
        spot=_rules(row, filters),
    )


def _rules(row: rows.Symbol, filters: Filters) -> SpotRules:
    notional = filters.get("NOTIONAL", _NOTHING)
    older = filters.get("MIN_NOTIONAL", _NOTHING)
    trailing = filters.get("TRAILING_DELTA", _NOTHING)
    bid_up, bid_down, ask_up, ask_down, minutes = _bands(filters)
    return SpotRules(
        bid_up=bid_up,
        bid_down=bid_down,
        ask_up=ask_up,
        ask_down=ask_down,
        average_minutes=minutes,
        max_notional=limit(notional.max_notional),
        min_notional_at_market=(
            notional.apply_min_to_market if "NOTIONAL" in filters else older.apply_to_market
        ),
        max_notional_at_market=notional.apply_max_to_market,
        max_position=limit(filters.get("MAX_POSITION", _NOTHING).max_position),
        iceberg_parts=filters.get("ICEBERG_PARTS", _NOTHING).limit,
        max_algo_orders=filters.get("MAX_NUM_ALGO_ORDERS", _NOTHING).max_num_algo_orders,
        max_iceberg_orders=filters.get("MAX_NUM_ICEBERG_ORDERS", _NOTHING).max_num_iceberg_orders,
        max_order_lists=filters.get("MAX_NUM_ORDER_LISTS", _NOTHING).max_num_order_lists,
        max_amends=filters.get("MAX_NUM_ORDER_AMENDS", _NOTHING).max_num_order_amends,
        trailing_above=(trailing.min_trailing_above_delta, trailing.max_trailing_above_delta),
        trailing_below=(trailing.min_trailing_below_delta, trailing.max_trailing_below_delta),
        order_types=row.order_types,
        oco=row.oco_allowed,
        oto=row.oto_allowed,
        cancel_replace=row.cancel_replace_allowed,
        amend=row.amend_allowed,
        trailing=row.allow_trailing_stop,
        quote_quantity=row.quote_order_qty_market_allowed,
        base_commission_decimals=row.base_commission_precision,
        quote_commission_decimals=row.quote_commission_precision,
    )


def _bands(filters: Filters) -> tuple[Decimal, Decimal, Decimal, Decimal, int]:
    """(bid up, bid down, ask up, ask down, minutes) of whichever price band the symbol has.

    With both filters the tighter bound of each side holds.
    """
    sided = filters.get("PERCENT_PRICE_BY_SIDE", _NOTHING)
    plain = filters.get("PERCENT_PRICE", _NOTHING)
    up, down = limit(plain.multiplier_up), limit(plain.multiplier_down)
    return (
        _tighter_up(limit(sided.bid_multiplier_up), up),
        max(limit(sided.bid_multiplier_down), down),
        _tighter_up(limit(sided.ask_multiplier_up), up),
        max(limit(sided.ask_multiplier_down), down),
        sided.avg_price_mins or plain.avg_price_mins,
    )


def _tighter_up(one: Decimal, other: Decimal) -> Decimal:
    return min(one, other) if one and other else one or other
