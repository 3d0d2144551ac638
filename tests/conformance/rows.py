"""An order as the venue of a fixture knows it, and the rows in which reads show it."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tests.binance.wire import samples
from tests.conformance.case import Words

SYMBOL = "BTCUSDT"
ROUTINE = {
    "algoType",
    "clientAlgoId",
    "newClientOrderId",
    "newOrderRespType",
    "origClientOrderId",
    "positionSide",
    "selfTradePreventionMode",
    "symbol",
    "timeInForce",
    "workingType",
}
OPEN = {"regular": {"NEW", "PARTIALLY_FILLED"}, "algo": {"NEW", "TRIGGERING"}}
D = Decimal


def sample(name: str, of: Mapping[str, bytes] = samples.REST) -> Any:
    return json.loads(of[name])


def brief(params: Words) -> Words:
    """Without what is the same in every request."""
    return {k: v for k, v in params.items() if k not in ROUTINE}


class Order:
    """One order as the venue knows it."""

    def __init__(self, name: str, custom_id: str, surface: str, venue_id: int, params: Words) -> None:
        self.name, self.custom_id, self.surface, self.venue_id = name, custom_id, surface, venue_id
        self.params = params
        self.status = ""
        """Empty: not accepted (yet)."""
        self.child_id = venue_id + 500_000
        self.filled = D(0)
        self.changed_ms = 0

    @property
    def slot(self) -> str:
        return self.name.partition("@")[0]

    def is_called(self, name: str) -> bool:
        return name in {self.name, self.slot}

    @property
    def is_open(self) -> bool:
        return self.status in OPEN[self.surface]


def order(o: Order) -> Words:
    p = o.params
    row = sample("open_orders")[0]
    row |= {"orderId": o.venue_id, "clientOrderId": o.custom_id, "status": o.status}
    row |= {"side": p["side"], "positionSide": p.get("positionSide", "BOTH"), "type": p["type"]}
    row |= {"price": p.get("price", "0"), "origQty": p["quantity"], "executedQty": str(o.filled)}
    row |= {"reduceOnly": p.get("reduceOnly") == "true", "updateTime": o.changed_ms, "time": o.changed_ms}
    return row


def algo(o: Order) -> Words:
    p = o.params
    row = sample("open_algos")[0]
    row |= {"algoId": o.venue_id, "clientAlgoId": o.custom_id, "algoStatus": o.status}
    row |= {"side": p["side"], "positionSide": p.get("positionSide", "BOTH"), "orderType": p["type"]}
    row |= {"quantity": p.get("quantity", "0"), "triggerPrice": p.get("triggerPrice", "0")}
    row |= {"closePosition": p.get("closePosition") == "true"}
    row |= {"workingType": p.get("workingType", "MARK_PRICE")}
    row |= {"price": p.get("price", "0"), "createTime": o.changed_ms, "updateTime": o.changed_ms}
    return row


def position(side: str, p: Words) -> Words:
    row = {**sample("positions_v3")[0], "symbol": SYMBOL, "positionSide": side, "positionAmt": p["pa"]}
    return {**row, "entryPrice": p["ep"], "breakEvenPrice": "0", "updateTime": p["at"]}
