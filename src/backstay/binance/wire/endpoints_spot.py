"""Spot's paths and WebSocket API methods, with their price in request weight and order count.

Source: binance-spot.md 1. Since 2026-04-02 a trading request that succeeds costs no weight; one that fails
costs its documented weight, which the next answer's counter tells. So they are booked at nothing here.
"""

from backstay.binance.wire.endpoints import Endpoint

FAILED_WEIGHT = 1
"""What a trading request costs that the venue refuses."""


def _public(path: str, weight: int, weight_all: int = 0) -> Endpoint:
    return Endpoint(
        method="GET",
        path=f"/api/v3/{path}",
        weight=weight,
        weight_all=weight_all,
        signed=False,
        key=False,
    )


def _read(path: str, weight: int, weight_all: int = 0) -> Endpoint:
    return Endpoint(method="GET", path=f"/api/v3/{path}", weight=weight, weight_all=weight_all)


def _trade(method: str, path: str, orders: int = 0, weight: int = 0) -> Endpoint:
    return Endpoint(method=method, path=f"/api/v3/{path}", weight=weight, orders=orders)


PING = _public("ping", 1)
TIME = _public("time", 1)
EXCHANGE_INFO = _public("exchangeInfo", 20)
TICKER_PRICE = _public("ticker/price", 2, 4)
TICKER_PRICES = _public("ticker/price", 4)
"""With `symbols`."""
KLINES = _public("klines", 2)

ORDER_PLACE = _trade("POST", "order", orders=1)
ORDER_TEST = _trade("POST", "order/test", weight=1)
ORDER_CANCEL = _trade("DELETE", "order")
ORDER_REPLACE = _trade("POST", "order/cancelReplace", orders=1)
ORDER_AMEND = _trade("PUT", "order/amend/keepPriority", weight=4)
CANCEL_ALL = _trade("DELETE", "openOrders")
LIST_OCO = _trade("POST", "orderList/oco", orders=2)
LIST_OTO = _trade("POST", "orderList/oto", orders=2)
LIST_OTOCO = _trade("POST", "orderList/otoco", orders=3)
LIST_CANCEL = _trade("DELETE", "orderList")

ORDER_QUERY = _read("order", 4)
OPEN_ORDERS = _read("openOrders", 6, 80)
ALL_ORDERS = _read("allOrders", 20)
ORDER_LIST = _read("orderList", 4)
OPEN_LISTS = _read("openOrderList", 6)
ACCOUNT = _read("account", 20)
COMMISSION = _read("account/commission", 20)
MY_TRADES = _read("myTrades", 20)
MY_TRADES_OF_ORDER = _read("myTrades", 5)
"""With `orderId`."""
ORDER_LIMITS = _read("rateLimit/order", 40)

# --- WebSocket API ---------------------------------------------------------------------------------------

WS_PLACE = "order.place"
WS_CANCEL = "order.cancel"
WS_REPLACE = "order.cancelReplace"
WS_AMEND = "order.amend.keepPriority"
WS_OCO = "orderList.place.oco"
WS_OTO = "orderList.place.oto"
WS_OTOCO = "orderList.place.otoco"
WS_LIST_CANCEL = "orderList.cancel"
WS_SUBSCRIBE = "userDataStream.subscribe"
"""On a connection that is logged on."""
WS_SUBSCRIBE_SIGNED = "userDataStream.subscribe.signature"
WS_SUBSCRIPTIONS = "session.subscriptions"
WS_SESSION_WEIGHT = 2
"""Of each session and subscription method, and of connecting."""

# --- limits of the venue -----------------------------------------------------------------------------------

WEIGHT_PER_MINUTE = 6000
ORDERS_PER_10S = 50
ORDERS_PER_DAY = 160_000
"""Both count orders that have not been filled; exchangeInfo states the account's own."""

ORDERS_1D_HEADER = "X-MBX-ORDER-COUNT-1D"
TIME_UNIT_HEADER = "X-MBX-TIME-UNIT"
