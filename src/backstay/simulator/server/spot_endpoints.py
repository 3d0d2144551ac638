"""The endpoints of Spot: weight, order cost, security (`binance-spot.md` section 1).

Trading requests cost nothing when they succeed and their documented weight when they fail. The table is
shared by both doors: a WebSocket API method is another name of a REST endpoint.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from backstay.simulator.server.endpoints import Endpoint, Security

_DEPTH = ((100, 5), (500, 25), (1000, 50), (5000, 250))
_PLACE = frozenset(
    [
        "symbol",
        "side",
        "type",
        "timeInForce",
        "quantity",
        "quoteOrderQty",
        "price",
        "newClientOrderId",
        "strategyId",
        "strategyType",
        "stopPrice",
        "trailingDelta",
        "icebergQty",
        "newOrderRespType",
        "selfTradePreventionMode",
        "pegPriceType",
        "pegOffsetType",
        "pegOffsetValue",
    ]
)
_CANCEL = frozenset(["symbol", "orderId", "origClientOrderId", "newClientOrderId", "cancelRestrictions"])
_REPLACE = _PLACE | frozenset(
    [
        "cancelReplaceMode",
        "cancelOrderId",
        "cancelOrigClientOrderId",
        "cancelNewClientOrderId",
        "cancelRestrictions",
        "orderRateLimitExceededMode",
    ]
)


def _market(path: str, weight: int = 1, **more: Any) -> Endpoint:
    return msgspec.structs.replace(Endpoint("GET", f"/api/v3/{path}", weight=weight), **more)


def _read(path: str, weight: int, **more: Any) -> Endpoint:
    plain = Endpoint("GET", f"/api/v3/{path}", weight=weight, security=Security.SIGNED)
    return msgspec.structs.replace(plain, **more)


def _act(method: str, path: str, orders: int = 0, **more: Any) -> Endpoint:
    plain = Endpoint(
        method,
        f"/api/v3/{path}",
        weight=0,
        failure_weight=1,
        orders=(orders, orders),
        security=Security.SIGNED,
        trading=True,
    )
    return msgspec.structs.replace(plain, **more)


def _named(params: Mapping[str, str]) -> int | None:
    """How many symbols a request names; None for all."""
    if params.get("symbol"):
        return 1
    return params["symbols"].count(",") + 1 if params.get("symbols") else None


def _day_cost(params: Mapping[str, str]) -> int:
    count = _named(params)
    if count is None or count > 100:
        return 80
    return 2 if count <= 20 else 40


def _price_cost(params: Mapping[str, str]) -> int:
    return 2 if params.get("symbol") else 4


def _rules_cost(params: Mapping[str, str]) -> int:
    count = _named(params)
    return 40 if count is None else min(40, 2 * count)


def _test_cost(params: Mapping[str, str]) -> int:
    return 20 if params.get("computeCommissionRates", "").lower() == "true" else 1


def _trades_cost(params: Mapping[str, str]) -> int:
    return 5 if params.get("orderId") else 20


def _prevented_cost(params: Mapping[str, str]) -> int:
    return 20 if params.get("orderId") else 2


NOTHING_THERE = (
    "/sapi/v1/margin/allPairs",
    "/sapi/v1/margin/isolated/allPairs",
    "/sapi/v1/capital/config/getall",
)
_TABLE = (
    _market("ping"),
    _market("time"),
    _market("exchangeInfo", 20),
    _market("executionRules", rule=_rules_cost),
    _market("referencePrice", 2),
    _market("depth", steps=_DEPTH, default_limit=100),
    _market("trades", 25),
    _market("historicalTrades", 25),
    _market("aggTrades", 4),
    _market("klines", 2),
    _market("uiKlines", 2),
    _market("avgPrice", 2),
    _market("ticker/24hr", rule=_day_cost),
    _market("ticker/tradingDay", 4),
    _market("ticker", 4),
    _market("ticker/price", rule=_price_cost),
    _market("ticker/bookTicker", rule=_price_cost),
    _act("POST", "order", 1, takes=_PLACE),
    _act(
        "POST",
        "order/test",
        failure_weight=0,
        rule=_test_cost,
        takes=_PLACE | frozenset({"computeCommissionRates"}),
    ),
    _act("DELETE", "order", takes=_CANCEL),
    _act("DELETE", "openOrders", takes=frozenset({"symbol"})),
    _act("POST", "order/cancelReplace", 1, takes=_REPLACE),
    _act(
        "PUT",
        "order/amend/keepPriority",
        weight=4,
        failure_weight=0,
        takes=frozenset(["symbol", "orderId", "origClientOrderId", "newClientOrderId", "newQty"]),
    ),
    _act("POST", "orderList/oco", 2),
    _act("POST", "orderList/oto", 2),
    _act("POST", "orderList/otoco", 3),
    _act("POST", "orderList/opo", 2),
    _act("POST", "orderList/opoco", 3),
    _act("POST", "order/oco", 2),
    _act("DELETE", "orderList"),
    _read("order", 4),
    _read("orderList", 4),
    _read("openOrderList", 6),
    _read("allOrderList", 20),
    _read("openOrders", 6, weight_all=80),
    _read("allOrders", 20),
    _read("order/amendments", 4),
    _read("account", 20),
    _read("account/commission", 20),
    _read("myTrades", 20, rule=_trades_cost),
    _read("rateLimit/order", 40),
    _read("myPreventedMatches", 2, rule=_prevented_cost),
    _read("myAllocations", 20),
    _read("myFilters", 40),
    Endpoint("GET", "/sapi/v1/account/apiRestrictions", security=Security.SIGNED),
    Endpoint("GET", "/sapi/v1/asset/tradeFee", security=Security.SIGNED),
    # Clients look here before they trade: this venue has no margin, and no coin moves in or out.
    *(Endpoint("GET", path, security=Security.SIGNED) for path in NOTHING_THERE),
)

SPOT_REST: dict[tuple[str, str], Endpoint] = {(e.method, e.path): e for e in _TABLE}

_WS = {
    "ping": "GET ping",
    "time": "GET time",
    "exchangeInfo": "GET exchangeInfo",
    "executionRules": "GET executionRules",
    "referencePrice": "GET referencePrice",
    "depth": "GET depth",
    "trades.recent": "GET trades",
    "trades.historical": "GET historicalTrades",
    "trades.aggregate": "GET aggTrades",
    "klines": "GET klines",
    "uiKlines": "GET uiKlines",
    "avgPrice": "GET avgPrice",
    "ticker.24hr": "GET ticker/24hr",
    "ticker.tradingDay": "GET ticker/tradingDay",
    "ticker": "GET ticker",
    "ticker.price": "GET ticker/price",
    "ticker.book": "GET ticker/bookTicker",
    "order.place": "POST order",
    "order.test": "POST order/test",
    "order.status": "GET order",
    "order.cancel": "DELETE order",
    "order.cancelReplace": "POST order/cancelReplace",
    "order.amend.keepPriority": "PUT order/amend/keepPriority",
    "order.amendments": "GET order/amendments",
    "openOrders.status": "GET openOrders",
    "openOrders.cancelAll": "DELETE openOrders",
    "orderList.place": "POST order/oco",
    "orderList.place.oco": "POST orderList/oco",
    "orderList.place.oto": "POST orderList/oto",
    "orderList.place.otoco": "POST orderList/otoco",
    "orderList.place.opo": "POST orderList/opo",
    "orderList.place.opoco": "POST orderList/opoco",
    "orderList.status": "GET orderList",
    "orderList.cancel": "DELETE orderList",
    "openOrderLists.status": "GET openOrderList",
    "allOrderLists": "GET allOrderList",
    "allOrders": "GET allOrders",
    "account.status": "GET account",
    "account.commission": "GET account/commission",
    "account.rateLimits.orders": "GET rateLimit/order",
    "myTrades": "GET myTrades",
    "myPreventedMatches": "GET myPreventedMatches",
    "myAllocations": "GET myAllocations",
    "myFilters": "GET myFilters",
}


def _endpoint(name: str) -> Endpoint:
    method, _, path = name.partition(" ")
    return SPOT_REST[method, f"/api/v3/{path}"]


SPOT_WS: dict[str, Endpoint] = {method: _endpoint(name) for method, name in _WS.items()}
