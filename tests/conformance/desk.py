"""The venue of a fixture: it knows what was asked and said, and completes what a fixture leaves out.

It decides nothing. Frames, answers and reads are complete JSON of the venue (the samples of `tests/frames`),
with the echo fields of the order that they are about.
"""

import copy
import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from tests.binance.wire import samples
from tests.conformance import rows
from tests.conformance.case import Case, Reads, Refused, Words
from tests.conformance.rows import SYMBOL, Order, brief, sample

TEMPLATES = {
    "ORDER_TRADE_UPDATE": "order_new",
    "TRADE_LITE": "trade_lite",
    "ACCOUNT_UPDATE": "account_order",
    "ALGO_UPDATE": "algo_new",
    "ACCOUNT_CONFIG_UPDATE": "config_leverage",
    "MARGIN_CALL": "margin_call",
    "CONDITIONAL_ORDER_TRIGGER_REJECT": "trigger_rejected",
    "listenKeyExpired": "listen_key_expired",
}
D = Decimal


class Asked:
    """One request of the program."""

    def __init__(self, verb: str, order: Order, params: Words) -> None:
        self.verb, self.order, self.params = verb, order, params
        self.reply: Callable[[bytes], None] | None = None
        """Takes the answer, as the WebSocket API would frame it; None once it was answered."""

    def says(self) -> Words:
        return {self.verb: self.order.name, **self.params}

    def brief(self) -> Words:
        return {self.verb: self.order.name, **brief(self.params)}


class Desk:
    def __init__(self, case: Case, now_ns: Callable[[], int]) -> None:
        self.case = case
        self._now_ns = now_ns
        self.orders: dict[str, Order] = {}
        self.asked: list[Asked] = []
        self.trades: list[Words] = []
        self.reads = Reads()
        self.reads_made = 0
        self.positions: dict[str, Words] = {}
        self._ids = 1000

    @property
    def now_ms(self) -> int:
        return self._now_ns() // 1_000_000

    # --- what it is asked -----------------------------------------------------------------------

    def ask(self, verb: str, slot: str, params: Words, reply: Callable[[bytes], None]) -> None:
        """A request arrives. An id that was used before is a failure whatever the fixture says (3.1)."""
        names = ("clientAlgoId", "newClientOrderId", "origClientOrderId")
        custom_id = next(str(params[n]) for n in names if n in params)
        if verb == "place":
            assert custom_id not in self.orders, f"{slot}: the id {custom_id} was used twice"
            surface = "algo" if "clientAlgoId" in params else "regular"
            self._ids += 1
            self.orders[custom_id] = Order(self._name(slot), custom_id, surface, self._ids, params)
        order = self.orders[custom_id]
        assert not order.name.startswith("web_"), f"I-19: {verb} of an order that is not ours: {custom_id}"
        asked = Asked(verb, order, params)
        asked.reply = reply
        self.asked.append(asked)

    def _name(self, slot: str) -> str:
        return f"{slot}@{sum(o.slot == slot for o in self.orders.values()) + 1}"

    def order(self, name: str) -> Order:
        """`SL/0` is the newest order of its slot, `SL/0@1` the first one."""
        held = [o for o in self.orders.values() if o.is_called(name)]
        assert held, f"no order was placed for {name}; asked: {[a.brief() for a in self.asked]}"
        return held[-1]

    def unanswered(self, name: str) -> Asked:
        for asked in self.asked:
            if asked.reply is not None and asked.order.is_called(name):
                return asked
        raise AssertionError(f"no request for {name} waits; asked: {[a.brief() for a in self.asked]}")

    def resting(self) -> dict[str, Words]:
        """What rests, by slot; by its full name where a slot has several."""
        held = [o for o in self.orders.values() if o.is_open]
        slots = [o.slot for o in held]
        return {o.slot if slots.count(o.slot) == 1 else o.name: o.params for o in held}

    # --- what it says ---------------------------------------------------------------------------

    def answer(self, asked: Asked, how: Refused | None) -> None:
        """None: accepted. A refused or accepted request changes nothing here that a frame would tell."""
        order, reply = asked.order, asked.reply
        assert reply is not None
        asked.reply = None
        if how is not None:
            error: Words = {"code": how.code, "msg": how.msg}
            if how.retry_after_ms:
                error["data"] = {"retryAfter": self.now_ms + how.retry_after_ms}
            reply(json.dumps({"status": how.status, "error": error}).encode())
            return
        if not order.status:
            order.status, order.changed_ms = "NEW", self.now_ms
        algo = order.surface == "algo"
        result = {"symbol": SYMBOL, "updateTime": self.now_ms}
        result |= {"algoId" if algo else "orderId": order.venue_id}
        result |= {"clientAlgoId" if algo else "clientOrderId": order.custom_id}
        reply(json.dumps({"status": 200, "result": result}).encode())

    def done(self, asked: Asked) -> bytes:
        """The frame that tells that a request was carried out."""
        name, algo = asked.order.name, asked.order.surface == "algo"
        if algo:
            status = "NEW" if asked.verb == "place" else "CANCELED"
            return self.frame({"e": "ALGO_UPDATE", "o": {"X": status}}, name)
        words = {"place": {"x": "NEW"}, "cancel": {"x": "CANCELED", "X": "CANCELED"}}.get(asked.verb)
        if words is None:
            words = {"x": "AMENDMENT", "p": asked.params["price"], "q": asked.params["quantity"]}
        return self.frame({"e": "ORDER_TRADE_UPDATE", "o": words}, name)

    def frame(self, words: Words, of: str = "") -> bytes:
        """The complete frame; the books follow it."""
        kind = words["e"]
        full = copy.deepcopy(sample(TEMPLATES[kind], samples.PRIVATE)) if kind in TEMPLATES else {}
        told_late = words.get("T", 0) < 0
        before = {o.custom_id: (o.status, o.filled) for o in self.orders.values()}, dict(self.positions)
        times = {k: self.now_ms + words.get(k, 0) for k in ("T", "E")}
        match kind:
            case "ORDER_TRADE_UPDATE":
                self._order_words(full["o"], words.get("o", {}), of)
                full["o"]["T"] = times["T"]
            case "ALGO_UPDATE":
                self._algo_words(full["o"], words.get("o", {}), of)
            case "TRADE_LITE":
                order = self.order(of)
                full |= {"c": order.custom_id, "i": order.venue_id, "S": order.params["side"]}
                full |= {"t": len(self.trades) + 1, "s": SYMBOL, "l": order.params.get("quantity", "0")}
                full |= words
            case "ACCOUNT_UPDATE":
                self._account_words(full["a"], words.get("a", {}))
            case "CONDITIONAL_ORDER_TRIGGER_REJECT":
                full["or"] |= {"s": SYMBOL, "i": self.order(of).venue_id} | words.get("or", {})
            case _:
                full |= words
        full |= times
        if told_late:  # a report of the past changes nothing at the venue
            states, self.positions = before
            for order in self.orders.values():
                order.status, order.filled = states[order.custom_id]
        return json.dumps(full).encode()

    def _order_words(self, row: Words, said: Words, of: str) -> None:
        order = self.order(of) if of else self._foreign(said)
        params = order.params
        child = order.surface == "algo"
        total = said.get("q") or params.get("quantity") or self._held(params)
        price = said.get("p") or params.get("price", "0")
        row |= {"s": SYMBOL, "c": order.custom_id, "S": params["side"], "ps": _side(params)}
        row |= {"i": order.child_id if child else order.venue_id, "o": "MARKET" if child else params["type"]}
        row |= {"ot": params["type"], "q": total, "p": price, "f": params.get("timeInForce", "GTC")}
        row |= {"R": child or params.get("reduceOnly") == "true", "x": "NEW", "X": "NEW"}
        row["z"] = str(order.filled)
        if said.get("x") in {"TRADE", "CALCULATED"} and "l" not in said:
            said = {**said, "l": str(D(total) - order.filled)}
        last = D(said.get("l", "0"))
        if last:
            order.filled += last
            row |= {"z": str(order.filled), "L": price, "t": len(self.trades) + 1, "ap": price}
            row["X"] = "FILLED" if order.filled == D(total) else "PARTIALLY_FILLED"
        row |= said
        if last:
            self._trade(row)
        if said.get("x") == "AMENDMENT":
            order.params = {**params, "price": price, "quantity": total}
            row["X"] = said.get("X", "PARTIALLY_FILLED" if order.filled else "NEW")
        if not child:
            order.status, order.changed_ms = row["X"], self.now_ms

    def _foreign(self, said: Words) -> Order:
        """Somebody else's regular order: the fixture spells it."""
        params = {"side": said.get("S", "SELL"), "type": said.get("o", "LIMIT"), "price": said.get("p", "0")}
        params |= {"quantity": said.get("q", "0.010"), "positionSide": said.get("ps", "BOTH")}
        return self._known(said["c"], "regular", params)

    def _foreign_algo(self, said: Words) -> Order:
        params = {"side": said.get("S", "SELL"), "type": said.get("o", "STOP_MARKET")}
        params |= {"triggerPrice": said.get("tp", "55000"), "closePosition": str(said["cp"]).lower()}
        return self._known(said["caid"], "algo", params)

    def _known(self, custom_id: str, surface: str, params: Words) -> Order:
        if custom_id not in self.orders:
            self._ids += 1
            self.orders[custom_id] = Order(custom_id, custom_id, surface, self._ids, params)
        return self.orders[custom_id]

    def _held(self, params: Words) -> str:
        return str(abs(D(self.positions.get(_side(params), {}).get("pa", "0"))))

    def _trade(self, row: Words) -> None:
        base = sample("user_trades")[0]
        mine = {"id": row["t"], "orderId": row["i"], "price": row["L"], "qty": row["l"], "side": row["S"]}
        self.trades.append({**base, **mine, "positionSide": row["ps"], "symbol": SYMBOL, "time": self.now_ms})

    def _algo_words(self, row: Words, said: Words, of: str) -> None:
        order = self.order(of) if of else self._foreign_algo(said)
        params = order.params
        close = params.get("closePosition") == "true"
        row |= {"caid": order.custom_id, "aid": order.venue_id, "o": params["type"], "s": SYMBOL}
        row |= {"S": params["side"], "ps": _side(params), "q": params.get("quantity", "0")}
        row |= {"tp": params.get("triggerPrice", "0"), "p": params.get("price", "0"), "cp": close, "R": True}
        row |= {"wt": params.get("workingType", "MARK_PRICE"), "X": "NEW"}
        if said.get("X") in {"TRIGGERED", "FINISHED"}:
            row |= {"ai": str(order.child_id), "act": "MARKET", "aq": "0", "ap": "0"}
        row |= said
        order.status, order.changed_ms = row["X"], self.now_ms

    def _account_words(self, body: Words, said: Words) -> None:
        """The rows that a fixture writes; a wallet is only told when it does."""
        position, wallet = body["P"][0], body["B"][0]
        body["m"] = said.get("m", "ORDER")
        body["P"] = [{**position, "bep": "0", "up": "0", **row} for row in said.get("P", ())]
        body["B"] = [{**wallet, **row} for row in said.get("B", ())]
        for row in body["P"]:
            self.positions[row["ps"]] = {**row, "at": self.now_ms}

    # --- what it is read for --------------------------------------------------------------------

    def read(self, path: str, query: Mapping[str, str]) -> tuple[int, bytes]:
        """(status, body) of a GET."""
        rows = self._read(path.rpartition("/")[2], query)
        if rows is None:
            return 400, json.dumps({"code": -2013, "msg": "Order does not exist."}).encode()
        return 200, json.dumps(rows).encode()

    def _read(self, what: str, query: Mapping[str, str]) -> Any:
        seen = [o for o in self.orders.values() if o.status and not self._hidden(o)]
        match what:
            case "openOrders":
                return [rows.order(o) for o in seen if o.surface == "regular" and o.is_open]
            case "openAlgoOrders":
                return [rows.algo(o) for o in seen if o.surface == "algo" and o.is_open]
            case "allAlgoOrders":
                return [rows.algo(o) for o in seen if o.surface == "algo"]
            case "order" | "algoOrder":
                name = query.get("origClientOrderId") or query.get("clientAlgoId")
                surface = "regular" if what == "order" else "algo"
                found = [o for o in seen if (o.custom_id, o.surface) == (name, surface)]
                row = rows.order if surface == "regular" else rows.algo
                return row(found[0]) if found else None
            case "positionRisk":
                return [rows.position(side, p) for side, p in self.positions.items() if D(p["pa"])]
            case "userTrades":
                return self.trades
            case "balance":
                return sample("balances")
            case "accountConfig":
                return {**sample("account_config"), "dualSidePosition": self.hedge}
            case "symbolConfig":
                return sample("symbol_config")
            case "commissionRate":
                return sample("commission_rate")
            case "exchangeInfo":
                return sample("exchange_info")
        raise AssertionError(f"the fixture's venue has no {what}")

    @property
    def hedge(self) -> bool:
        return self.case.given.hedge if self.reads.hedge is None else self.reads.hedge

    def _hidden(self, order: Order) -> bool:
        return any(order.is_called(name) for name in self.reads.hide)


def _side(params: Words) -> str:
    return str(params.get("positionSide", "BOTH"))
