"""What differs between the products that a venue speaks for: tables and a few habits, no behaviour."""

from collections.abc import Callable, Mapping

import msgspec

from backstay.simulator.server.endpoints import REST, SESSION_METHODS, WS_METHODS, Endpoint
from backstay.simulator.server.limits import PER_DAY, PER_MINUTE, LongWindow
from backstay.simulator.server.routes import Handshake, open_target, route_of
from backstay.simulator.server.spot_endpoints import SPOT_REST, SPOT_WS
from backstay.simulator.server.spot_routes import open_spot_target, spot_route_of


class Product(msgspec.Struct, frozen=True, eq=False):
    """`strict_encoding`: what is signed must be percent-encoded already (-1022). `decimals`: WebSocket API
    parameters that must be JSON strings. `foreign`: fault effects that this product does not know.
    """

    name: str
    rest: Mapping[tuple[str, str], Endpoint]
    ws_methods: Mapping[str, Endpoint]
    session_methods: tuple[str, ...]
    open_target: Callable[[str], Handshake | int]
    route_of: Callable[[str], str | None]
    orders: LongWindow
    decimals: frozenset[str]
    foreign: frozenset[str]
    strict_encoding: bool = False
    time_units: bool = False

    @property
    def spot(self) -> bool:
        return self.name == "spot"


USDM = Product(
    name="usdm",
    rest=REST,
    ws_methods=WS_METHODS,
    session_methods=SESSION_METHODS,
    open_target=open_target,
    route_of=route_of,
    orders=PER_MINUTE,
    decimals=frozenset(
        {
            "quantity",
            "price",
            "stopPrice",
            "triggerPrice",
            "activatePrice",
            "activationPrice",
            "callbackRate",
        },
    ),
    foreign=frozenset({"server_shutdown", "subscription_end"}),
)

SPOT = Product(
    name="spot",
    rest=SPOT_REST,
    ws_methods=SPOT_WS,
    session_methods=(
        *SESSION_METHODS,
        "session.subscriptions",
        "userDataStream.subscribe",
        "userDataStream.subscribe.signature",
        "userDataStream.unsubscribe",
    ),
    open_target=open_spot_target,
    route_of=spot_route_of,
    orders=PER_DAY,
    decimals=frozenset(),
    foreign=frozenset(
        {
            "adl",
            "liquidation",
            "listen_key_death",
            "stuck_triggering",
            "reject_child",
            "pending_modify",
            "algo_query_miss",
        },
    ),
    strict_encoding=True,
    time_units=True,
)
