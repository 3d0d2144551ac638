"""Spot's order types in core's words, and back.

Core has one vocabulary, in which STOP and TAKE_PROFIT carry a limit price; on spot the same names without
`_LIMIT` become market orders. LIMIT_MAKER is a LIMIT that is post-only (GTX). A stop-loss or take-profit
that trails is a TRAILING_STOP_MARKET whatever it is called. Source: binance-spot.md 2.
"""

from decimal import Decimal
from enum import StrEnum
from typing import Final

from backstay.core.types import ExecutionType, OrderType, Side, TimeInForce, TimeNs


class SpotType(StrEnum):
    LIMIT = "LIMIT"
    LIMIT_MAKER = "LIMIT_MAKER"
    MARKET = "MARKET"
    STOP_LOSS = "STOP_LOSS"
    STOP_LOSS_LIMIT = "STOP_LOSS_LIMIT"
    TAKE_PROFIT = "TAKE_PROFIT"
    TAKE_PROFIT_LIMIT = "TAKE_PROFIT_LIMIT"


class SpotExecution(StrEnum):
    """`x` of an executionReport."""

    NEW = "NEW"
    CANCELED = "CANCELED"
    REPLACED = "REPLACED"
    REJECTED = "REJECTED"
    TRADE = "TRADE"
    EXPIRED = "EXPIRED"
    TRADE_PREVENTION = "TRADE_PREVENTION"


EXECUTIONS: Final = {
    SpotExecution.NEW: ExecutionType.NEW,
    SpotExecution.CANCELED: ExecutionType.CANCELED,
    SpotExecution.REPLACED: ExecutionType.AMENDMENT,
    SpotExecution.REJECTED: ExecutionType.REJECTED,
    SpotExecution.TRADE: ExecutionType.TRADE,
    SpotExecution.EXPIRED: ExecutionType.EXPIRED,
    SpotExecution.TRADE_PREVENTION: ExecutionType.TRADE_PREVENTION,
}

_KINDS: Final = {
    SpotType.LIMIT: OrderType.LIMIT,
    SpotType.LIMIT_MAKER: OrderType.LIMIT,
    SpotType.MARKET: OrderType.MARKET,
    SpotType.STOP_LOSS: OrderType.STOP_MARKET,
    SpotType.STOP_LOSS_LIMIT: OrderType.STOP,
    SpotType.TAKE_PROFIT: OrderType.TAKE_PROFIT_MARKET,
    SpotType.TAKE_PROFIT_LIMIT: OrderType.TAKE_PROFIT,
}
_TYPES: Final = {
    OrderType.LIMIT: SpotType.LIMIT,
    OrderType.MARKET: SpotType.MARKET,
    OrderType.STOP_MARKET: SpotType.STOP_LOSS,
    OrderType.STOP: SpotType.STOP_LOSS_LIMIT,
    OrderType.TAKE_PROFIT_MARKET: SpotType.TAKE_PROFIT,
    OrderType.TAKE_PROFIT: SpotType.TAKE_PROFIT_LIMIT,
}
_AT_MARKET: Final = frozenset({SpotType.STOP_LOSS, SpotType.TAKE_PROFIT})
PRICED: Final = frozenset(
    {SpotType.LIMIT, SpotType.LIMIT_MAKER, SpotType.STOP_LOSS_LIMIT, SpotType.TAKE_PROFIT_LIMIT}
)
TIMED: Final = PRICED - {SpotType.LIMIT_MAKER}
"""Types that take a time in force."""
TRIGGERED: Final = _AT_MARKET | {SpotType.STOP_LOSS_LIMIT, SpotType.TAKE_PROFIT_LIMIT}
_MICROSECONDS: Final = 100_000_000_000_000
"""Milliseconds reach this number in the year 5138; microseconds passed it in 1973."""


def kind_of(spot: SpotType, trailing_delta: int) -> OrderType:
    """Core's word for a type of the venue. A trailing order with a limit price keeps its stop-limit name."""
    if trailing_delta and spot in _AT_MARKET:
        return OrderType.TRAILING_STOP_MARKET
    return _KINDS[spot]


def tif_of(spot: SpotType, given: TimeInForce) -> TimeInForce:
    return TimeInForce.GTX if spot is SpotType.LIMIT_MAKER else given


def type_of(kind: OrderType, tif: TimeInForce, *, activated: bool) -> SpotType:
    """The venue's type for core's kind; `activated`: a trailing order that waits for a price first.

    Without such a price it follows the market at once, which is a stop-loss; with one it waits until the
    market has come its way, which is a take-profit. Raises ValueError for kinds that nobody can place.
    """
    if kind is OrderType.TRAILING_STOP_MARKET:
        return SpotType.TAKE_PROFIT if activated else SpotType.STOP_LOSS
    if kind is OrderType.LIMIT and tif is TimeInForce.GTX:
        return SpotType.LIMIT_MAKER
    found = _TYPES.get(kind)
    if found is None:
        raise ValueError(f"nobody can place a {kind} order on spot")
    return found


def basis_points(percent: Decimal) -> int:
    """A trailing distance in percent as whole basis points. Raises ValueError when it is not whole."""
    points = percent * 100
    if points != int(points) or points <= 0:
        raise ValueError(f"{percent} % is not a whole number of basis points")
    return int(points)


def nanoseconds(stamp: int) -> TimeNs:
    """A time of the venue in ns, whether it was asked to count milliseconds or microseconds."""
    return stamp * 1_000 if stamp >= _MICROSECONDS else stamp * 1_000_000


SIDES: Final = {True: Side.BUY, False: Side.SELL}
"""By `isBuyer`."""
