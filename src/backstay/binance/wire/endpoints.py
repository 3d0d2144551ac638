"""Where the venue answers: hosts per environment, paths with their price in request weight and order count.

Sources: binance.md 2 (hosts), binance-usdm.md 1 (paths, weights) and 5 (WebSocket API methods). Spot's paths
stand in `endpoints_spot`.
"""

from collections.abc import Mapping

import msgspec

from backstay.core.types import Mode

# --- hosts --------------------------------------------------------------------------------------------


class UsdmEndpoints(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base URLs of USD-M futures, without a trailing slash."""

    rest: str
    public_stream: str
    """Order books and book tickers."""
    market_stream: str
    """Every other market stream: mark price, klines, trades."""
    private_stream: str
    ws_api: str


class SpotEndpoints(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base URLs of spot, without a trailing slash; user data travels on the WebSocket API."""

    rest: str
    stream: str
    """Market streams: `/ws` and `/stream` are below it."""
    ws_api: str


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """All hosts that belong together; keys of one environment are never used with another."""

    name: str
    usdm: UsdmEndpoints
    spot: SpotEndpoints


LIVE = Environment(
    name="live",
    usdm=UsdmEndpoints(
        rest="https://fapi.binance.com",
        public_stream="wss://fstream.binance.com/public",
        market_stream="wss://fstream.binance.com/market",
        private_stream="wss://fstream.binance.com/private",
        ws_api="wss://ws-fapi.binance.com/ws-fapi/v1",
    ),
    spot=SpotEndpoints(
        rest="https://api.binance.com",
        stream="wss://stream.binance.com:9443",
        ws_api="wss://ws-api.binance.com:443/ws-api/v3",
    ),
)

_DEMO_HOSTS = UsdmEndpoints(
    rest="https://demo-fapi.binance.com",
    public_stream="wss://demo-fstream.binance.com/public",
    market_stream="wss://demo-fstream.binance.com/market",
    private_stream="wss://demo-fstream.binance.com/private",
    ws_api="wss://testnet.binancefuture.com/ws-fapi/v1",
)

# Since 2026 the futures test net is Demo Trading: same hosts, but two names, because the keys of a
# user's configuration and the account key keep them apart. Spot has both.
TESTNET = Environment(
    name="testnet",
    usdm=_DEMO_HOSTS,
    spot=SpotEndpoints(
        rest="https://testnet.binance.vision",
        stream="wss://stream.testnet.binance.vision",
        ws_api="wss://ws-api.testnet.binance.vision/ws-api/v3",
    ),
)
DEMO = Environment(
    name="demo",
    usdm=_DEMO_HOSTS,
    spot=SpotEndpoints(
        rest="https://demo-api.binance.com",
        stream="wss://demo-stream.binance.com",
        ws_api="wss://demo-ws-api.binance.com/ws-api/v3",
    ),
)

# `.invalid` never resolves: bytes that miss the in-memory transport reach nobody.
PAPER = Environment(
    name="paper",
    usdm=UsdmEndpoints(
        rest="http://paper.invalid",
        public_stream="ws://paper.invalid/public",
        market_stream="ws://paper.invalid/market",
        private_stream="ws://paper.invalid/private",
        ws_api="ws://paper.invalid/ws-fapi/v1",
    ),
    spot=SpotEndpoints(
        rest="http://spot.paper.invalid",
        stream="ws://spot.paper.invalid",
        ws_api="ws://spot.paper.invalid/ws-api/v3",
    ),
)

_BY_MODE = {
    Mode.PAPER: PAPER,
    Mode.DRY_RUN_PRIVATE: LIVE,
    Mode.DEMO: DEMO,
    Mode.TESTNET: TESTNET,
    Mode.LIVE: LIVE,
}


def environment(
    mode: Mode, usdm: Mapping[str, str] | None = None, spot: Mapping[str, str] | None = None
) -> Environment:
    """The hosts of a mode; `usdm` and `spot` replace single URLs by field name (configuration `endpoints`).

    Raises ValueError for an unknown field name or a URL of the wrong scheme.
    """
    base = _BY_MODE[mode]
    if not usdm and not spot:
        return base
    return Environment(
        name=base.name,
        usdm=_replaced("usdm", base.usdm, usdm or {}),
        spot=_replaced("spot", base.spot, spot or {}),
    )


def _replaced[H: (UsdmEndpoints, SpotEndpoints)](product: str, hosts: H, urls: Mapping[str, str]) -> H:
    known = hosts.__struct_fields__
    for name, url in urls.items():
        if name not in known:
            raise ValueError(f"endpoints.{product}.{name} is not a host; known are {', '.join(known)}")
        schemes = ("http://", "https://") if name == "rest" else ("ws://", "wss://")
        if not url.startswith(schemes):
            raise ValueError(f"endpoints.{product}.{name}: {url!r} must begin with {' or '.join(schemes)}")
    return msgspec.structs.replace(hosts, **{name: _base(name, url) for name, url in urls.items()})


def _base(name: str, url: str) -> str:
    """A URL without what we append ourselves; older settings carry it."""
    url = url.rstrip("/")
    for path in ("/api/v3", "/api") if name == "rest" else ("/ws", "/stream") if name == "stream" else ():
        url = url.removesuffix(path)
    return url


# --- paths ----------------------------------------------------------------------------------------------


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One REST path and what a call costs."""

    method: str
    path: str
    weight: int
    weight_all: int = 0
    """Weight without a symbol, where that differs; 0: the same."""
    orders: int = 0
    """Cost in the order-count buckets (10 s and 1 min)."""
    signed: bool = True
    key: bool = True
    """Needs the API key header."""

    def cost(self, *, symbol: bool) -> int:
        """Request weight of a call with or without a symbol."""
        return self.weight if symbol or not self.weight_all else self.weight_all


def _public(path: str, weight: int, weight_all: int = 0) -> Endpoint:
    return Endpoint(method="GET", path=path, weight=weight, weight_all=weight_all, signed=False, key=False)


def _read(path: str, weight: int, weight_all: int = 0) -> Endpoint:
    return Endpoint(method="GET", path=path, weight=weight, weight_all=weight_all)


PING = _public("/fapi/v1/ping", 1)
TIME = _public("/fapi/v1/time", 1)
EXCHANGE_INFO = _public("/fapi/v1/exchangeInfo", 1)
KLINES = _public("/fapi/v1/klines", 2)
"""For less than 500 bars; more of them cost more (binance-usdm.md 1)."""
KLINES_MOST = 499
PREMIUM_INDEX = _public("/fapi/v1/premiumIndex", 1, 10)

ORDER_PLACE = Endpoint(method="POST", path="/fapi/v1/order", weight=0, orders=1)
ORDER_MODIFY = Endpoint(method="PUT", path="/fapi/v1/order", weight=0, orders=1)
ORDER_CANCEL = Endpoint(method="DELETE", path="/fapi/v1/order", weight=1)
ORDER_QUERY = _read("/fapi/v1/order", 1)
OPEN_ORDERS = _read("/fapi/v1/openOrders", 1, 40)
ALL_ORDERS = _read("/fapi/v1/allOrders", 5)
CANCEL_ALL_ORDERS = Endpoint(method="DELETE", path="/fapi/v1/allOpenOrders", weight=1)

ALGO_PLACE = Endpoint(method="POST", path="/fapi/v1/algoOrder", weight=0, orders=1)
ALGO_CANCEL = Endpoint(method="DELETE", path="/fapi/v1/algoOrder", weight=1)
ALGO_QUERY = _read("/fapi/v1/algoOrder", 1)
OPEN_ALGOS = _read("/fapi/v1/openAlgoOrders", 1, 40)
ALL_ALGOS = _read("/fapi/v1/allAlgoOrders", 5)
CANCEL_ALL_ALGOS = Endpoint(method="DELETE", path="/fapi/v1/algoOpenOrders", weight=1)

POSITION_RISK = _read("/fapi/v3/positionRisk", 5)
BALANCE = _read("/fapi/v3/balance", 5)
USER_TRADES = _read("/fapi/v1/userTrades", 5)
ACCOUNT_CONFIG = _read("/fapi/v1/accountConfig", 5)
SYMBOL_CONFIG = _read("/fapi/v1/symbolConfig", 5)
COMMISSION_RATE = _read("/fapi/v1/commissionRate", 20)

LEVERAGE_BRACKET = _read("/fapi/v1/leverageBracket", 1)
SET_LEVERAGE = Endpoint(method="POST", path="/fapi/v1/leverage", weight=1)
SET_MARGIN_TYPE = Endpoint(method="POST", path="/fapi/v1/marginType", weight=1)
SET_POSITION_MODE = Endpoint(method="POST", path="/fapi/v1/positionSide/dual", weight=1)
SET_MULTI_ASSETS = Endpoint(method="POST", path="/fapi/v1/multiAssetsMargin", weight=1)

LISTEN_KEY_START = Endpoint(method="POST", path="/fapi/v1/listenKey", weight=1, signed=False)
LISTEN_KEY_PING = Endpoint(method="PUT", path="/fapi/v1/listenKey", weight=1, signed=False)
LISTEN_KEY_STOP = Endpoint(method="DELETE", path="/fapi/v1/listenKey", weight=1, signed=False)

# --- WebSocket API ---------------------------------------------------------------------------------------

WS_PLACE = "order.place"
WS_MODIFY = "order.modify"
WS_CANCEL = "order.cancel"
WS_STATUS = "order.status"
WS_ALGO_PLACE = "algoOrder.place"
WS_ALGO_CANCEL = "algoOrder.cancel"
WS_LOGON = "session.logon"
WS_SESSION_STATUS = "session.status"
WS_LOGOUT = "session.logout"
WS_CONNECT_WEIGHT = 5

# --- limits of the venue -----------------------------------------------------------------------------------

WEIGHT_PER_MINUTE = 2400
ORDERS_PER_10S = 300
ORDERS_PER_MINUTE = 1200

API_KEY_HEADER = "X-MBX-APIKEY"
WEIGHT_HEADER = "X-MBX-USED-WEIGHT-1M"
ORDERS_10S_HEADER = "X-MBX-ORDER-COUNT-10S"
ORDERS_1M_HEADER = "X-MBX-ORDER-COUNT-1M"

UNRELIABLE_WEIGHT = frozenset(
    {"/fapi/v2/ticker/price", "/fapi/v1/ticker/price", "/fapi/v1/ticker/bookTicker"}
)
"""Paths whose weight header must not be adopted (binance.md 4)."""
