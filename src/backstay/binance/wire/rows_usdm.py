"""Shapes of USD-M REST bodies and WebSocket API answers, as the decoder sees them.

Names follow the venue by renaming (`camel`). What the venue leaves out in one of its shapes has a default
here; amounts stay text until `numbers` makes them exact. Sources: binance-usdm.md 2, 3, 7 and 8.
"""

import msgspec
from msgspec import Raw, Struct

from backstay.binance.wire.frames_usdm import Id, Millis
from backstay.core.types import (
    AlgoStatus,
    OrderStatus,
    OrderType,
    PositionSide,
    Side,
    TimeInForce,
    WorkingType,
)


class Order(Struct, kw_only=True, rename="camel", gc=False):
    """openOrders, allOrders, order query."""

    symbol: str
    order_id: Id
    client_order_id: str
    side: Side
    type: OrderType
    status: OrderStatus
    orig_qty: str
    executed_qty: str
    position_side: PositionSide = PositionSide.BOTH
    time_in_force: TimeInForce = TimeInForce.GTC
    price: str | None = None
    avg_price: str | None = None
    stop_price: str | None = None
    reduce_only: bool = False
    close_position: bool = False
    working_type: WorkingType = WorkingType.CONTRACT_PRICE
    update_time: Millis = 0
    time: Millis = 0


class Algo(Struct, kw_only=True, rename="camel", gc=False):
    """openAlgoOrders, allAlgoOrders, the single query, the place answer: four shapes of one thing."""

    algo_id: Id
    client_algo_id: str
    order_type: OrderType
    symbol: str
    side: Side
    algo_status: AlgoStatus
    position_side: PositionSide = PositionSide.BOTH
    time_in_force: TimeInForce = TimeInForce.GTC
    quantity: str | None = None
    trigger_price: str | None = None
    price: str | None = None
    actual_order_id: str | int | None = None
    actual_qty: str | None = None
    actual_price: str | None = None
    working_type: WorkingType = WorkingType.CONTRACT_PRICE
    close_position: bool = False
    price_protect: bool = False
    reduce_only: bool = False
    activate_price: str | None = None
    callback_rate: str | None = None
    is_activated: bool = False
    create_time: Millis = 0
    update_time: Millis = 0


class Position(Struct, kw_only=True, rename="camel", gc=False):
    """positionRisk v3; v2 adds marginType."""

    symbol: str
    position_amt: str
    entry_price: str
    position_side: PositionSide = PositionSide.BOTH
    break_even_price: str | None = None
    mark_price: str | None = None
    un_realized_profit: str | None = None
    liquidation_price: str | None = None
    isolated_margin: str | None = None
    isolated_wallet: str | None = None
    margin_type: str | None = None
    update_time: Millis = 0


class Balance(Struct, kw_only=True, rename="camel", gc=False):
    asset: str
    balance: str
    cross_wallet_balance: str
    available_balance: str | None = None


class Trade(Struct, kw_only=True, rename="camel", gc=False):
    symbol: str
    id: Id
    order_id: Id
    side: Side
    price: str
    qty: str
    time: Millis
    position_side: PositionSide = PositionSide.BOTH
    commission: str | None = None
    commission_asset: str = ""
    realized_pnl: str | None = None
    maker: bool = False


class Filter(Struct, kw_only=True, rename="camel", gc=False):
    filter_type: str
    min_price: str | None = None
    max_price: str | None = None
    tick_size: str | None = None
    min_qty: str | None = None
    max_qty: str | None = None
    step_size: str | None = None
    limit: int | str | None = None
    notional: str | None = None
    multiplier_up: str | None = None
    multiplier_down: str | None = None
    position_control_side: str | None = None


class Symbol(Struct, kw_only=True, rename="camel", gc=False):
    symbol: str
    status: str
    base_asset: str
    quote_asset: str
    margin_asset: str = ""
    trigger_protect: str | None = None
    liquidation_fee: str | None = None
    market_take_bound: str | None = None
    filters: tuple[Filter, ...] = ()


class RateLimit(Struct, kw_only=True, rename="camel", gc=False):
    rate_limit_type: str
    interval: str
    interval_num: int
    limit: int
    count: int = 0


class ExchangeInfo(Struct, kw_only=True, rename="camel", gc=False):
    symbols: tuple[Raw, ...]
    rate_limits: tuple[RateLimit, ...] = ()
    server_time: Millis = 0


class AccountConfig(Struct, kw_only=True, rename="camel", gc=False):
    dual_side_position: bool
    can_trade: bool = True
    multi_assets_margin: bool = False


class SymbolConfig(Struct, kw_only=True, rename="camel", gc=False):
    symbol: str
    margin_type: str
    leverage: int | str


class CommissionRate(Struct, kw_only=True, rename="camel", gc=False):
    symbol: str
    maker_commission_rate: str
    taker_commission_rate: str


class ListenKey(Struct, kw_only=True, rename="camel", gc=False):
    listen_key: str


class ServerTime(Struct, kw_only=True, rename="camel", gc=False):
    server_time: Millis


class Premium(Struct, kw_only=True, rename="camel", gc=False):
    symbol: str
    mark_price: str
    index_price: str
    time: Millis


class OrderAck(Struct, kw_only=True, rename="camel", gc=False):
    """Either surface: orderId and clientOrderId, or algoId and clientAlgoId."""

    order_id: Id | None = None
    client_order_id: str = ""
    algo_id: Id | None = None
    client_algo_id: str = ""
    update_time: Millis = 0
    create_time: Millis = 0


class ErrorData(Struct, kw_only=True, rename="camel", gc=False):
    retry_after: Millis | None = None


class Error(Struct, kw_only=True, gc=False):
    code: int | str
    msg: str = ""
    data: ErrorData | None = None


class Envelope(Struct, kw_only=True, rename="camel", gc=False):
    """A WebSocket API answer; `depth` alone puts more beside `result`."""

    status: int
    id: str | int | None = None
    result: Raw | msgspec.UnsetType = msgspec.UNSET
    error: Error | None = None
    rate_limits: tuple[RateLimit, ...] = ()
