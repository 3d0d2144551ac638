"""What Spot's protocol answers itself, without the market behind it."""

from collections.abc import Callable, Mapping
from typing import Any

from backstay.simulator.errors import Refusal
from backstay.simulator.numbers import Stamp
from backstay.simulator.server import replies
from backstay.simulator.server.auth import Credentials
from backstay.simulator.server.limits import Limits
from backstay.simulator.server.port import EnginePort
from backstay.simulator.server.replies import VenueError
from backstay.simulator.server.settings import ServerSettings
from backstay.simulator.server.spot_endpoints import NOTHING_THERE

type Answer = Callable[[Credentials | None, Mapping[str, str], int], Any]
_HALVES = {
    "symbol": "symbol",
    "orderId": "cancelOrderId",
    "origClientOrderId": "cancelOrigClientOrderId",
    "newClientOrderId": "cancelNewClientOrderId",
    "cancelRestrictions": "cancelRestrictions",
}


class SpotAnswers:
    """`skew` tells how far a fault has put the venue's clock (ns)."""

    def __init__(
        self, engine: EnginePort, limits: Limits, settings: ServerSettings, skew: Callable[[], int]
    ) -> None:
        self._engine = engine
        self._limits = limits
        self._settings = settings
        self._skew = skew

    def table(self) -> dict[str, Answer]:
        return {
            "GET /api/v3/ping": lambda _who, _params, _now: {},
            "GET /api/v3/time": lambda _who, _params, now: {"serverTime": Stamp(now + self._skew())},
            "GET /api/v3/exchangeInfo": self._exchange_info,
            "GET /api/v3/rateLimit/order": self._order_limits,
            **{f"GET {path}": lambda _who, _params, _now: [] for path in NOTHING_THERE},
        }

    def _exchange_info(self, _who: Credentials | None, params: Mapping[str, str], now: int) -> Any:
        info = dict(self._engine.call(None, "GET /api/v3/exchangeInfo", params, now))
        weight = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1}
        raw = {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5}
        info["rateLimits"] = [
            weight | {"limit": self._settings.weight_per_minute},
            *self._limits.order_limits(),
            raw | {"limit": self._settings.raw_requests_per_5m},
        ]
        info["serverTime"] = Stamp(now + self._skew())
        return info

    def _order_limits(self, who: Credentials | None, _params: Mapping[str, str], now: int) -> Any:
        if who is None:
            raise replies.bad_key_format()
        return self._limits.order_limits(who.account, now)

    def over_limit(
        self, endpoint: str, params: Mapping[str, str], account: str | None, error: VenueError, now: int
    ) -> VenueError:
        """The error for a request that passed the order limit. A cancel-replace that asked for CANCEL_ONLY
        still cancels, and says so in its halves.
        """
        asked = params.get("orderRateLimitExceededMode") == "CANCEL_ONLY"
        if error.code != -1015 or endpoint != "POST /api/v3/order/cancelReplace" or not asked:
            return error
        half = {name: params[given] for name, given in _HALVES.items() if given in params}
        detail: dict[str, Any] = {
            "cancelResult": "SUCCESS",
            "newOrderResult": "FAILURE",
            "cancelResponse": None,
            "newOrderResponse": {"code": error.code, "msg": error.msg},
        }
        try:
            detail["cancelResponse"] = self._engine.call(account, "DELETE /api/v3/order", half, now)
        except Refusal as refused:
            detail["cancelResult"] = "FAILURE"
            detail["cancelResponse"] = {"code": refused.code, "msg": refused.msg}
        done = detail["cancelResult"] == "SUCCESS"
        code, text = (
            (-2021, "Order cancel-replace partially failed.")
            if done
            else (-2022, "Order cancel-replace failed.")
        )
        return VenueError(429, code, text, headers=error.headers, detail=detail)
