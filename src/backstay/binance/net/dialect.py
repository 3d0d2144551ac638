"""What the two products say differently on connections that are otherwise the same."""

from collections.abc import Callable, Mapping

import msgspec

from backstay.binance.wire import answers_spot, decode_rest, decode_spot_rest, endpoints, endpoints_spot
from backstay.binance.wire.answers import WsAnswer
from backstay.binance.wire.endpoints import Endpoint
from backstay.core.types import Product, TimeNs


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    product: Product
    time: Endpoint
    """Where the venue's clock is read."""
    server_time: Callable[[bytes], TimeNs]
    ws_answer: Callable[[bytes], WsAnswer]
    connect_weight: int
    """Of a WebSocket API connection."""
    headers: Mapping[str, str] = {}
    """Sent along with every REST request."""


USDM = Dialect(
    product=Product.USDM,
    time=endpoints.TIME,
    server_time=decode_rest.server_time,
    ws_answer=decode_rest.ws_answer,
    connect_weight=endpoints.WS_CONNECT_WEIGHT,
)
SPOT = Dialect(
    product=Product.SPOT,
    time=endpoints_spot.TIME,
    server_time=decode_spot_rest.server_time,
    ws_answer=answers_spot.read_ws_answer,
    connect_weight=endpoints_spot.WS_SESSION_WEIGHT,
)


def spot_dialect(*, microseconds: bool) -> Dialect:
    """Spot's, with the venue's times in milliseconds or in microseconds."""
    if not microseconds:
        return SPOT
    return msgspec.structs.replace(SPOT, headers={endpoints_spot.TIME_UNIT_HEADER: "MICROSECOND"})
