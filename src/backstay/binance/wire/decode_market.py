"""Market frames to small values. SIGNATURES ARE STABLE, bodies follow."""

from decimal import Decimal

import msgspec

from backstay.core.types import TimeNs


class MarkPrice(msgspec.Struct, frozen=True, gc=False):
    symbol: str
    price: Decimal
    at: TimeNs
    index: Decimal = Decimal(0)


class BookTicker(msgspec.Struct, frozen=True, gc=False):
    symbol: str
    bid: Decimal
    bid_qty: Decimal
    ask: Decimal
    ask_qty: Decimal
    at: TimeNs


class Kline(msgspec.Struct, frozen=True, gc=False):
    symbol: str
    interval: str
    open_at: TimeNs
    close_at: TimeNs
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    closed: bool
    at: TimeNs


class AggTrade(msgspec.Struct, frozen=True, gc=False):
    symbol: str
    trade_id: int
    price: Decimal
    quantity: Decimal
    buyer_is_maker: bool
    at: TimeNs


type MarketEvent = MarkPrice | BookTicker | Kline | AggTrade


def decode_market(frame: bytes) -> tuple[MarketEvent, ...]:
    """Empty for control answers, other stream kinds and other products (st != 1). Raises WireError when malformed."""
    raise NotImplementedError
