"""The table of endpoints: weight, order cost, security, accepted parameters (`binance-usdm.md` section 1).

A WebSocket API method is another door to the same endpoint; both doors share weight rules and parameters.
"""

from collections.abc import Callable, Mapping
from enum import Enum

import msgspec

from backstay.simulator.server import replies


class Security(Enum):
    NONE = 0
    """Market data: anybody."""
    KEY = 1
    """API key header only (listen keys)."""
    SIGNED = 2
    """API key, timestamp and signature."""


class Endpoint(msgspec.Struct, frozen=True):
    """One endpoint. `name` is what the engine is called with, e.g. `POST /fapi/v1/order`.

    `weight`: IP weight; `weight_all`: weight when no symbol is named (None: the same); `steps`: weight by
    `limit`.
    `orders`: cost in the 10 s and the 1 min order pools. `takes`: the parameters it reads (None: not
    checked).
    """

    method: str
    path: str
    weight: int = 1
    weight_all: int | None = None
    steps: tuple[tuple[int, int], ...] = ()
    default_limit: int = 500
    orders: tuple[int, int] = (0, 0)
    security: Security = Security.NONE
    trading: bool = False
    takes: frozenset[str] | None = None
    funding_pool: bool = False
    unreliable_weight: bool = False
    failure_weight: int = 0
    """Spot: what a failed request costs besides `weight` (a successful trading request costs nothing)."""
    rule: Callable[[Mapping[str, str]], int] | None = None
    """A weight that neither `limit` nor the absence of a symbol decides."""

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    def cost(self, params: Mapping[str, str]) -> int:
        """The IP weight of a call with these parameters. A malformed `limit` costs the default's weight."""
        if self.rule is not None:
            return self.rule(params)
        if self.steps:
            text = params.get("limit", "")
            limit = int(text) if text.isdigit() and len(text) < 9 else self.default_limit
            return next((weight for top, weight in self.steps if limit <= top), self.steps[-1][1])
        if self.weight_all is not None and not params.get("symbol"):
            return self.weight_all
        return self.weight

    def check_parameters(self, params: Mapping[str, str]) -> None:
        """-1104 when parameters were sent that the endpoint does not read."""
        if self.takes is None:
            return
        unread = [name for name in params if name not in self.takes and name not in _COMMON]
        if unread:
            raise replies.unread_parameters(len(params) - len(unread), len(params))


_COMMON = frozenset({"timestamp", "recvWindow", "signature", "apiKey", "returnRateLimits"})
_KLINES = ((99, 1), (499, 2), (1000, 5), (1500, 10))
_DEPTH = ((50, 2), (100, 5), (500, 10), (1000, 20))

_PLACE = frozenset(
    [
        "symbol",
        "side",
        "type",
        "positionSide",
        "timeInForce",
        "quantity",
        "price",
        "reduceOnly",
        "newClientOrderId",
        "newOrderRespType",
        "priceMatch",
        "selfTradePreventionMode",
        "goodTillDate",
        "stopPrice",
        "closePosition",
        "workingType",
        "priceProtect",
        "activationPrice",
        "activatePrice",
        "callbackRate",
    ],
)
_MODIFY = frozenset(
    [
        "symbol",
        "side",
        "quantity",
        "price",
        "orderId",
        "origClientOrderId",
        "priceMatch",
        "modifyId",
        "reduceOnly",
        "positionSide",
    ],
)
_ONE = frozenset({"symbol", "orderId", "origClientOrderId"})
_ALGO_PLACE = frozenset(
    [
        "algoType",
        "symbol",
        "side",
        "type",
        "positionSide",
        "triggerPrice",
        "quantity",
        "price",
        "timeInForce",
        "workingType",
        "priceMatch",
        "closePosition",
        "reduceOnly",
        "priceProtect",
        "activatePrice",
        "callbackRate",
        "clientAlgoId",
        "newOrderRespType",
        "selfTradePreventionMode",
        "goodTillDate",
    ],
)
_ALGO_ONE = frozenset({"algoId", "clientAlgoId", "symbol"})


def _market(path: str, **more: object) -> Endpoint:
    return msgspec.structs.replace(Endpoint("GET", path), **more)


def _read(path: str, weight: int = 5, **more: object) -> Endpoint:
    return msgspec.structs.replace(Endpoint("GET", path, weight=weight, security=Security.SIGNED), **more)


def _act(method: str, path: str, weight: int = 1, **more: object) -> Endpoint:
    plain = Endpoint(method, path, weight=weight, security=Security.SIGNED, trading=True)
    return msgspec.structs.replace(plain, **more)


_TABLE = (
    # Spot paths on which client libraries prove their connection before they use any futures path.
    _market("/api/v3/ping"),
    _market("/api/v3/time"),
    _market("/fapi/v1/ping"),
    _market("/fapi/v1/time"),
    _market("/fapi/v1/exchangeInfo"),
    _market("/fapi/v1/depth", steps=_DEPTH),
    *(
        _market(f"/fapi/v1/{kind}", steps=_KLINES)
        for kind in (
            "klines",
            "markPriceKlines",
            "indexPriceKlines",
            "continuousKlines",
            "premiumIndexKlines",
        )
    ),
    _market("/fapi/v1/aggTrades", weight=20),
    _market("/fapi/v1/trades", weight=5),
    _market("/fapi/v1/premiumIndex", weight_all=10),
    _market("/fapi/v1/fundingRate", weight=0, funding_pool=True),
    _market("/fapi/v1/fundingInfo", weight=0, funding_pool=True),
    _market("/fapi/v1/ticker/24hr", weight_all=40),
    _market("/fapi/v1/ticker/price", weight_all=2, unreliable_weight=True),
    _market("/fapi/v2/ticker/price", weight_all=2, unreliable_weight=True),
    _market("/fapi/v1/ticker/bookTicker", weight=2, weight_all=5, unreliable_weight=True),
    _market("/fapi/v1/tradingSchedule", weight=5),
    _market("/fapi/v1/symbolAdlRisk"),
    _market("/fapi/v1/openInterest"),
    _act("POST", "/fapi/v1/order", 0, orders=(1, 1), takes=_PLACE),
    _act("PUT", "/fapi/v1/order", 0, orders=(1, 1), takes=_MODIFY),
    _act("DELETE", "/fapi/v1/order", takes=_ONE),
    _act("POST", "/fapi/v1/order/test", takes=_PLACE),
    _act("DELETE", "/fapi/v1/allOpenOrders", takes=frozenset({"symbol"})),
    _act("POST", "/fapi/v1/batchOrders", 5, orders=(5, 1), takes=frozenset({"batchOrders"})),
    _act("PUT", "/fapi/v1/batchOrders", 5, orders=(5, 1), takes=frozenset({"batchOrders"})),
    _act(
        "DELETE",
        "/fapi/v1/batchOrders",
        takes=frozenset(
            {"symbol", "orderIdList", "origClientOrderIdList", "orderidlist", "origclientorderidlist"},
        ),
    ),
    _act("POST", "/fapi/v1/countdownCancelAll", 10, takes=frozenset({"symbol", "countdownTime"})),
    _act("POST", "/fapi/v1/algoOrder", 0, orders=(1, 1), takes=_ALGO_PLACE),
    _act("DELETE", "/fapi/v1/algoOrder", takes=_ALGO_ONE),
    _act("DELETE", "/fapi/v1/algoOpenOrders", takes=frozenset({"symbol"})),
    _act("POST", "/fapi/v1/positionSide/dual", takes=frozenset({"dualSidePosition"})),
    _act("POST", "/fapi/v1/multiAssetsMargin", takes=frozenset({"multiAssetsMargin"})),
    _act("POST", "/fapi/v1/marginType", takes=frozenset({"symbol", "marginType"})),
    _act("POST", "/fapi/v1/leverage", takes=frozenset({"symbol", "leverage"})),
    _act(
        "POST",
        "/fapi/v1/positionMargin",
        takes=frozenset({"symbol", "positionSide", "amount", "type"}),
    ),
    _act("POST", "/fapi/v1/feeBurn", takes=frozenset({"feeBurn"})),
    _read("/fapi/v1/order", 1),
    _read("/fapi/v1/openOrder", 1),
    _read("/fapi/v1/openOrders", 1, weight_all=40),
    _read("/fapi/v1/allOrders"),
    _read("/fapi/v1/orderAmendment", 1),
    _read("/fapi/v1/algoOrder", 1),
    _read("/fapi/v1/openAlgoOrders", 1, weight_all=40),
    _read("/fapi/v1/allAlgoOrders"),
    _read("/fapi/v1/positionRisk"),
    _read("/fapi/v2/positionRisk"),
    _read("/fapi/v3/positionRisk"),
    _read("/fapi/v2/account"),
    _read("/fapi/v3/account"),
    _read("/fapi/v2/balance"),
    _read("/fapi/v3/balance"),
    _read("/fapi/v1/accountConfig"),
    _read("/fapi/v1/symbolConfig"),
    _read("/fapi/v1/positionSide/dual", 30),
    _read("/fapi/v1/multiAssetsMargin", 30),
    _read("/fapi/v1/leverageBracket", 1),
    _read("/fapi/v1/positionMargin/history", 1),
    _read("/fapi/v1/userTrades"),
    _read("/fapi/v1/income", 30),
    _read("/fapi/v1/commissionRate", 20),
    _read("/fapi/v1/rateLimit/order", 1),
    _read("/fapi/v1/adlQuantile"),
    _read("/fapi/v1/forceOrders", 20, weight_all=50),
    _read("/fapi/v1/feeBurn", 30),
    _read("/sapi/v1/account/apiRestrictions", 1),
    *(Endpoint(m, "/fapi/v1/listenKey", security=Security.KEY) for m in ("POST", "PUT", "DELETE")),
)

REST: dict[tuple[str, str], Endpoint] = {(e.method, e.path): e for e in _TABLE}

_WS = {
    "ping": "GET /fapi/v1/ping",
    "time": "GET /fapi/v1/time",
    "depth": "GET /fapi/v1/depth",
    "ticker.price": "GET /fapi/v2/ticker/price",
    "ticker.book": "GET /fapi/v1/ticker/bookTicker",
    "order.place": "POST /fapi/v1/order",
    "order.modify": "PUT /fapi/v1/order",
    "order.cancel": "DELETE /fapi/v1/order",
    "order.status": "GET /fapi/v1/order",
    "algoOrder.place": "POST /fapi/v1/algoOrder",
    "algoOrder.cancel": "DELETE /fapi/v1/algoOrder",
    "account.position": "GET /fapi/v2/positionRisk",
    "v2/account.position": "GET /fapi/v3/positionRisk",
    "account.status": "GET /fapi/v2/account",
    "v2/account.status": "GET /fapi/v3/account",
    "account.balance": "GET /fapi/v2/balance",
    "v2/account.balance": "GET /fapi/v3/balance",
    "userDataStream.start": "POST /fapi/v1/listenKey",
    "userDataStream.ping": "PUT /fapi/v1/listenKey",
    "userDataStream.stop": "DELETE /fapi/v1/listenKey",
}

WS_METHODS: dict[str, Endpoint] = {
    method: REST[(name.split(" ")[0], name.split(" ")[1])] for method, name in _WS.items()
}

SESSION_METHODS = ("session.logon", "session.status", "session.logout")
