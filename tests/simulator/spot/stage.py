"""Spot's protocol around a real engine, sans-I/O: the stage of USD-M with Spot's product and paths."""

from typing import Any

from backstay.simulator.server.faults import FaultPlan
from backstay.simulator.server.handler import SimulatedBinance
from backstay.simulator.server.product import SPOT
from backstay.simulator.server.settings import ServerSettings
from backstay.simulator.spot.engine import SpotEngine
from backstay.simulator.spot.specs import default_spot_specs

from tests.simulator.server.stage import KEY, SECRET, START, Credentials, Stage
from tests.simulator.spot.desk import FUNDS, D, tenner

ORDER = {"symbol": "TENUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1"}
RESTING = ORDER | {"price": "90"}


class SpotStage(Stage):
    """`user(conn)` subscribes a WebSocket API connection to the account's events."""

    def __init__(
        self, *, accounts: Any = None, faults: Any = None, specs: Any = None, **numbers: Any
    ) -> None:
        self.engine = SpotEngine(None, specs or (tenner(), *default_spot_specs()), start_ns=START, seed=7)
        self.engine.open_account("main", balances=FUNDS)
        self.now = START
        quick = dict.fromkeys(("ack_latency_ms", "event_latency_ms", "market_latency_ms", "jitter_ms"), 0.0)
        self.venue = SimulatedBinance(
            self.engine,
            accounts or {KEY: Credentials.hmac(KEY, SECRET)},
            start_ns=START,
            seed=7,
            settings=ServerSettings.spot(**(quick | {"orders_per_10s": 1000} | numbers)),
            faults=None if faults is None else FaultPlan.of(faults),
            product=SPOT,
        )
        self._next = 0
        self.delivered = []

    def api(self, more: str = "") -> int:
        return self.open(f"/ws-api/v3{more}")

    def user(self, conn: int | None = None) -> int:
        number = self.api() if conn is None else conn
        assert self.call(number, "userDataStream.subscribe.signature")["result"]["subscriptionId"] >= 0
        return number

    def place(self, **more: Any) -> tuple[int, Any, dict[str, str]]:
        return self.rest("POST", "/api/v3/order", RESTING | more)

    def move(self, price: str) -> list[Any]:
        self.engine.set_price("TENUSDT", D(price), self.now)
        return self.later(1_000_000).delivered
