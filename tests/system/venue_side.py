"""The venue, the market and the human, as a test moves and reads them: only by the venue's control side."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from backstay.app.paper import PaperExchange

from tests.system.stand_ins import BTC, D

PREFIX = "bs-"
MUTATIONS = (
    "POST /fapi/v1/order",
    "PUT /fapi/v1/order",
    "DELETE /fapi/v1/order",
    "POST /fapi/v1/algoOrder",
    "DELETE /fapi/v1/algoOrder",
)
STREAM_KEYS = "/fapi/v1/listenKey"


class VenueSide:
    """Part of a world: what the other party knows and does."""

    exchange: PaperExchange
    hedge: bool

    def control(self, method: str, path: str, body: Any = None) -> Any:
        return self.exchange.control(method, path, body)

    def price(self, price: Any, symbol: str = BTC) -> None:
        self.control("POST", "/sim/v1/price", {"symbol": symbol, "price": str(price)})

    def hand(self, do: str, **action: Any) -> Any:
        body = {"do": do, "symbol": BTC, **action}
        return self.control("POST", "/sim/v1/human", {k: _plain(v) for k, v in body.items()})["result"]

    def open(self, direction: str, quantity: Any, *, at: Any = None, symbol: str = BTC) -> None:
        """Open (or add) by hand, by market, at exactly `at`."""
        long = direction == "LONG"
        if at is not None:
            # A print from below leaves the ask at the price, one from above the bid.
            self.price(D(at) - 10 if long else D(at) + 10, symbol)
            self.price(at, symbol)
        self.hand(
            "order",
            symbol=symbol,
            side="BUY" if long else "SELL",
            type="MARKET",
            quantity=quantity,
            positionSide=direction if self.hedge else "BOTH",
        )

    def faults(self, *rules: Mapping[str, Any], replace: bool = False) -> None:
        self.control("POST", "/sim/v1/faults", {"rules": list(rules), "replace": replace})

    def heal(self) -> None:
        self.control("DELETE", "/sim/v1/faults")

    def truth(self) -> dict[str, Any]:
        return self.control("GET", "/sim/v1/truth")

    def position(self, side: str = "", symbol: str = BTC) -> tuple[Decimal, Decimal]:
        """(signed quantity, entry price) as the venue knows it."""
        for row in self.truth()["positions"]:
            if row["symbol"] == symbol and row["positionSide"] == (side or "BOTH"):
                return D(row["positionAmt"]), D(row["entryPrice"])
        return D(0), D(0)

    def resting(self, *, ours: bool = True, symbol: str = BTC) -> list[str]:
        """Open orders in one line each: `TP SELL 0.010 @ 60900.0`, sorted; what counts and nothing else."""
        truth = self.truth()
        lines = []
        for o in truth["orders"]:
            mine = o["symbol"] == symbol and o["clientOrderId"].startswith(PREFIX) is ours
            if mine and o["status"] in {"NEW", "PARTIALLY_FILLED"}:
                left = D(o["origQty"]) - D(o["executedQty"])
                lines.append(f"{o['type']} {o['side']} {_n(left)} @ {_n(o['price'])}{self._leg(o)}")
        for a in truth["algo_orders"]:
            mine = a["symbol"] == symbol and a["clientAlgoId"].startswith(PREFIX) is ours
            if mine and a["algoStatus"] in {"NEW", "TRIGGERING"}:
                size = "all" if a["closePosition"] else _n(a["quantity"])
                at = "trail" if a["orderType"] == "TRAILING_STOP_MARKET" else _n(a["triggerPrice"])
                price = f" limit {_n(a['price'])}" if D(a.get("price") or 0) else ""
                lines.append(f"{a['orderType']} {a['side']} {size} @ {at}{price}{self._leg(a)}")
        return sorted(lines)

    def _leg(self, row: Mapping[str, Any]) -> str:
        return f" {row['positionSide']}" if self.hedge else ""

    def requests(self, after: int = 0) -> list[dict[str, Any]]:
        return list(self.exchange.requests(after))

    def received(self) -> int:
        return int(self.control("GET", "/sim/v1/requests?limit=0")["received"])

    def mutations(self, after: int = 0) -> list[dict[str, Any]]:
        return [r for r in self.requests(after) if r["endpoint"] in MUTATIONS]

    def reads(self, after: int = 0) -> list[str]:
        """Reads of account or market; listen-key and clock traffic is not a read of state."""
        return [
            r["endpoint"]
            for r in self.requests(after)
            if r["endpoint"] not in MUTATIONS
            and STREAM_KEYS not in r["endpoint"]
            and "/time" not in r["endpoint"]
        ]


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal) else value


def _n(value: Any) -> str:
    return f"{D(str(value)).normalize():f}"
