"""Shapes of spot REST bodies and WebSocket API answers, as the decoder sees them.

Names follow the venue by renaming (`camel`); amounts stay text until `numbers`. Sources: binance-spot.md 2 to
6 and 9.
"""

import msgspec
from msgspec import Raw, Struct

from backstay.binance.wire.frames_spot import IdOrNone, Stamp
from backstay.binance.wire.frames_usdm import Id
from backstay.binance.wire.rows_usdm import RateLimit
from backstay.binance.wire.spot_words import SpotType
from backstay.core.types import OrderStatus, Side, TimeInForce


class Order(Struct, kw_only=True, rename="camel", gc=False):
    """openOrders, allOrders, order query, and the orders inside other answers."""

    symbol: str
    order_id: Id
    client_order_id: str
    side: Side
    type: SpotType
    status: OrderStatus
    orig_qty: str
    executed_qty: str
    order_list_id: IdOrNone = -1
    time_in_force: TimeInForce = TimeInForce.GTC
    price: str | None = None
    spent: str | None = msgspec.field(default=None, name="cummulativeQuoteQty")
    stop_price: str | None = None
    trailing_delta: int = 0
    strategy_id: int = 0
    prevented_quantity: str | None = None
    is_working: bool = True
    expiry_reason: str = ""
    time: Stamp = 0
    update_time: Stamp = 0
    transact_time: Stamp = 0


class Balance(Struct, kw_only=True, rename="camel", gc=False):
    asset: str
    free: str
    locked: str


class Rates(Struct, kw_only=True, rename="camel", gc=False):
    """Commission rates as fractions; a trade pays maker or taker and buyer or seller."""

    maker: str = "0"
    taker: str = "0"
    buyer: str = "0"
    seller: str = "0"


class Account(Struct, kw_only=True, rename="camel", gc=False):
    balances: tuple[Balance, ...]
    can_trade: bool = True
    commission_rates: Rates | None = None
    update_time: Stamp = 0
    uid: int = 0


class Discount(Struct, kw_only=True, rename="camel", gc=False):
    enabled_for_account: bool = False
    enabled_for_symbol: bool = False
    discount_asset: str = ""
    discount: str | None = None


class Commission(Struct, kw_only=True, rename="camel", gc=False):
    symbol: str
    standard_commission: Rates
    special_commission: Rates | None = None
    tax_commission: Rates | None = None
    discount: Discount | None = None


class Trade(Struct, kw_only=True, rename="camel", gc=False):
    symbol: str
    id: Id
    order_id: Id
    price: str
    qty: str
    time: Stamp
    is_buyer: bool
    order_list_id: IdOrNone = -1
    commission: str | None = None
    commission_asset: str | None = None
    is_maker: bool = False


class Filter(Struct, kw_only=True, rename="camel", gc=False):
    """Every filter of a symbol, in one shape: each kind fills its own members."""

    filter_type: str
    min_price: str | None = None
    max_price: str | None = None
    tick_size: str | None = None
    min_qty: str | None = None
    max_qty: str | None = None
    step_size: str | None = None
    multiplier_up: str | None = None
    multiplier_down: str | None = None
    bid_multiplier_up: str | None = None
    bid_multiplier_down: str | None = None
    ask_multiplier_up: str | None = None
    ask_multiplier_down: str | None = None
    avg_price_mins: int = 0
    min_notional: str | None = None
    max_notional: str | None = None
    apply_to_market: bool = True
    apply_min_to_market: bool = True
    apply_max_to_market: bool = False
    limit: int = 0
    max_num_orders: int = 0
    max_num_algo_orders: int = 0
    max_num_iceberg_orders: int = 0
    max_num_order_lists: int = 0
    max_num_order_amends: int = 0
    max_position: str | None = None
    min_trailing_above_delta: int = 0
    max_trailing_above_delta: int = 0
    min_trailing_below_delta: int = 0
    max_trailing_below_delta: int = 0


class Symbol(Struct, kw_only=True, rename="camel", gc=False):
    symbol: str
    status: str
    base_asset: str
    quote_asset: str
    base_commission_precision: int = 8
    quote_commission_precision: int = 8
    order_types: tuple[str, ...] = ()
    oco_allowed: bool = False
    oto_allowed: bool = False
    quote_order_qty_market_allowed: bool = False
    allow_trailing_stop: bool = False
    cancel_replace_allowed: bool = False
    amend_allowed: bool = False
    is_spot_trading_allowed: bool = True
    filters: tuple[Filter, ...] = ()


class ExchangeInfo(Struct, kw_only=True, rename="camel", gc=False):
    symbols: tuple[Raw, ...]
    rate_limits: tuple[RateLimit, ...] = ()
    server_time: Stamp = 0


class Price(Struct, kw_only=True, rename="camel", gc=False):
    symbol: str
    price: str


class ServerTime(Struct, kw_only=True, rename="camel", gc=False):
    server_time: Stamp


class Amended(Struct, kw_only=True, rename="camel", gc=False):
    order_id: Id
    client_order_id: str = ""


class ListedOrder(Struct, kw_only=True, rename="camel", gc=False):
    symbol: str
    order_id: Id
    client_order_id: str


class Ack(Struct, kw_only=True, rename="camel", gc=False):
    """A place, a cancel (its own id is in `client_order_id`), an amendment or a list: one shape for all."""

    order_id: Id | None = None
    client_order_id: str = ""
    orig_client_order_id: str = ""
    transact_time: Stamp = 0
    amended_order: Amended | None = None
    order_list_id: IdOrNone = -1
    list_client_order_id: str = ""
    transaction_time: Stamp = 0
    orders: tuple[ListedOrder, ...] = ()


class OrderList(Struct, kw_only=True, rename="camel", gc=False):
    order_list_id: Id
    contingency_type: str
    list_status_type: str
    list_order_status: str
    list_client_order_id: str
    symbol: str
    transaction_time: Stamp = 0
    orders: tuple[ListedOrder, ...] = ()


class Halves(Struct, kw_only=True, rename="camel", gc=False):
    """A cancel-replace: whole in a success, in `data` of a refusal."""

    cancel_result: str
    new_order_result: str
    cancel_response: Raw = Raw()
    new_order_response: Raw = Raw()


class Problem(Struct, kw_only=True, gc=False):
    code: int
    msg: str = ""
    data: Raw | msgspec.UnsetType = msgspec.UNSET


class Envelope(Struct, kw_only=True, rename="camel", gc=False):
    """A WebSocket API answer."""

    status: int
    id: str | int | None = None
    result: Raw | msgspec.UnsetType = msgspec.UNSET
    error: Problem | None = None
    rate_limits: tuple[RateLimit, ...] = ()


class Retry(Struct, kw_only=True, rename="camel", gc=False):
    retry_after: Stamp | None = None


class Subscribed(Struct, kw_only=True, rename="camel", gc=False):
    subscription_id: int
