"""exchangeInfo to instruments (binance-usdm.md 7); a symbol without usable rules is left out, and said."""

from collections.abc import Callable
from typing import Final

import msgspec

from backstay.binance.wire import rows_usdm as rows
from backstay.binance.wire.errors import redact
from backstay.binance.wire.numbers import limit as bound
from backstay.binance.wire.numbers import positive
from backstay.core.instruments import Instrument
from backstay.core.types import MS, Product, TimeNs

_INTERVALS: Final = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": 86_400}
_SYMBOL: Final = msgspec.json.Decoder(rows.Symbol)


class Dropped(msgspec.Struct, frozen=True):
    """A symbol of exchangeInfo that has no usable rules, and why."""

    symbol: str
    reason: str


class RateLimit(msgspec.Struct, frozen=True):
    kind: str
    """REQUEST_WEIGHT or ORDERS."""
    interval_s: int
    limit: int
    used: int = 0
    """Only WebSocket API answers state it."""


class ExchangeInfo(msgspec.Struct, frozen=True):
    instruments: tuple[Instrument, ...]
    dropped: tuple[Dropped, ...]
    rate_limits: tuple[RateLimit, ...]
    server_time: TimeNs


def read_exchange_info(info: rows.ExchangeInfo) -> ExchangeInfo:
    instruments, dropped = read_symbols(info.symbols, lambda raw: _instrument(_SYMBOL.decode(raw)))
    return ExchangeInfo(
        instruments=instruments,
        dropped=dropped,
        rate_limits=read_rate_limits(info.rate_limits),
        server_time=info.server_time * MS,
    )


def read_symbols(
    symbols: tuple[msgspec.Raw, ...], read: Callable[[msgspec.Raw], Instrument]
) -> tuple[tuple[Instrument, ...], tuple[Dropped, ...]]:
    """Convert symbol by symbol: one bad row costs its symbol, not the list."""
    instruments: list[Instrument] = []
    dropped: list[Dropped] = []
    for raw in symbols:
        try:
            instruments.append(read(raw))
        except (msgspec.MsgspecError, ValueError) as error:
            dropped.append(Dropped(_name(raw), redact(str(error).encode("utf-8", "replace"))))
    return tuple(instruments), tuple(dropped)


def read_rate_limits(limits: tuple[rows.RateLimit, ...]) -> tuple[RateLimit, ...]:
    """Raises ValueError for an interval that the venue has never named."""
    for limit in limits:
        if limit.interval not in _INTERVALS:
            raise ValueError(f"rate limit interval {limit.interval[:20]!r} is unknown")
    return tuple(
        RateLimit(
            kind=limit.rate_limit_type,
            interval_s=_INTERVALS[limit.interval] * limit.interval_num,
            limit=limit.limit,
            used=limit.count,
        )
        for limit in limits
    )


def _name(raw: msgspec.Raw) -> str:
    try:
        loose = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, ValueError):
        return "?"
    name = loose.get("symbol") if isinstance(loose, dict) else None
    return redact(str(name).encode("utf-8", "replace"), 32) if name else "?"


def _instrument(row: rows.Symbol) -> Instrument:
    by_type = {item.filter_type: item for item in row.filters}
    missing = [name for name in ("PRICE_FILTER", "LOT_SIZE", "MARKET_LOT_SIZE") if name not in by_type]
    if missing:
        raise ValueError(f"has no {' and no '.join(missing)}")
    prices, lots, market = by_type["PRICE_FILTER"], by_type["LOT_SIZE"], by_type["MARKET_LOT_SIZE"]
    nothing = rows.Filter(filter_type="")
    percent = by_type.get("PERCENT_PRICE", nothing)
    step = positive("LOT_SIZE.stepSize", lots.step_size)
    return Instrument(
        product=Product.USDM,
        symbol=row.symbol,
        base=row.base_asset,
        quote=row.quote_asset,
        margin_asset=row.margin_asset or row.quote_asset,
        status=row.status,
        tick=positive("PRICE_FILTER.tickSize", prices.tick_size),
        min_price=bound(prices.min_price),
        max_price=bound(prices.max_price),
        step=step,
        min_qty=bound(lots.min_qty),
        max_qty=bound(lots.max_qty),
        # Zero is the venue's way to say that market orders have no step of their own.
        market_step=bound(market.step_size) or step,
        market_min_qty=bound(market.min_qty),
        market_max_qty=bound(market.max_qty),
        min_notional=bound(by_type.get("MIN_NOTIONAL", nothing).notional),
        percent_up=bound(percent.multiplier_up),
        percent_down=bound(percent.multiplier_down),
        max_orders=int(by_type.get("MAX_NUM_ORDERS", nothing).limit or 0),
        trigger_protect=bound(row.trigger_protect),
        market_take_bound=bound(row.market_take_bound),
        liquidation_fee=bound(row.liquidation_fee),
        position_control=by_type.get("POSITION_RISK_CONTROL", nothing).position_control_side or "NONE",
    )
