"""The venue of a spot fixture: frames, answers and reads as complete JSON of the venue, order lists included.

As `tests.conformance.desk`: it knows what was asked and said, completes what a fixture leaves out, and
decides nothing. A request for a list goes by the name of its first order; both orders have rows.
"""

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from tests.binance.wire import samples
from tests.conformance.case import Case, Refused, Words
from tests.conformance.desk import Asked, Desk
from tests.conformance.rows import SYMBOL, Order, sample

D = Decimal
LIST_ID = 700
LEG_FIELDS = {"Type": "type", "Price": "price", "StopPrice": "stopPrice", "ClientOrderId": "newClientOrderId"}


def user(name: str) -> Words:
    """The event of a sample frame of the user data stream."""
    return dict(sample(name, samples.SPOT_USER)["event"])


def rest(name: str) -> Any:
    return sample(name, samples.SPOT_REST)


class SpotDesk(Desk):
    def __init__(self, case: Case, now_ns: Callable[[], int]) -> None:
        super().__init__(case, now_ns)
        self._lists: dict[str, int] = {}
        """Custom id -> number of the list that the order is a leg of."""

    # --- what it is asked -----------------------------------------------------------------------

    def place(self, slots: Mapping[str, str], params: Words, reply: Callable[[bytes], None]) -> None:
        """A request for one order, or for a list; `slots`: custom id -> slot, the first leg first."""
        made = []
        for custom_id, slot in slots.items():
            assert custom_id not in self.orders, f"{slot}: the id {custom_id} was used twice"
            self._ids += 1
            name = self._name(slot)
            own = params if len(slots) == 1 else _leg(params, custom_id)
            self.orders[custom_id] = Order(name, custom_id, "regular", self._ids, own)
            made.append(custom_id)
        if len(made) > 1:
            number = LIST_ID + len(set(self._lists.values()))
            self._lists.update(dict.fromkeys(made, number))
        self._note("place", self.orders[made[0]], params, reply)

    def cancel(self, params: Words, reply: Callable[[bytes], None]) -> None:
        by = params.get("origClientOrderId"), int(params.get("orderId", 0))
        order = next(o for o in self.orders.values() if o.custom_id == by[0] or o.venue_id == by[1])
        assert not order.name.startswith("web_"), f"I-19: cancel of an order that is not ours: {order.name}"
        self._note("cancel", order, params, reply)

    def _note(self, verb: str, order: Order, params: Words, reply: Callable[[bytes], None]) -> None:
        asked = Asked(verb, order, params)
        asked.reply = reply
        self.asked.append(asked)

    def unanswered(self, name: str) -> Asked:
        for asked in self.asked:
            if asked.reply is not None and any(o.is_called(name) for o in self._legs(asked.order)):
                return asked
        raise AssertionError(f"no request for {name} waits; asked: {[a.brief() for a in self.asked]}")

    def _legs(self, order: Order) -> list[Order]:
        """The orders of its list; an order without one alone."""
        number = self._lists.get(order.custom_id)
        if number is None:
            return [order]
        return [self.orders[name] for name, known in self._lists.items() if known == number]

    # --- what it says ---------------------------------------------------------------------------

    def answer(self, asked: Asked, how: Refused | None) -> None:
        order, reply = asked.order, asked.reply
        assert reply is not None
        asked.reply = None
        if how is not None:
            reply(json.dumps({"status": how.status, "error": {"code": how.code, "msg": how.msg}}).encode())
            return
        legs = self._legs(order)
        for leg in legs:
            if not leg.status:
                leg.status, leg.changed_ms = "NEW", self.now_ms
        if len(legs) > 1:
            names = [{"symbol": SYMBOL, "orderId": o.venue_id, "clientOrderId": o.custom_id} for o in legs]
            row = {**rest("list"), "orderListId": self._lists[order.custom_id], "orders": names}
            result: Words = {**row, "orderReports": []}
        else:
            result = {"symbol": SYMBOL, "orderId": order.venue_id, "orderListId": -1}
            result |= {"clientOrderId": order.custom_id, "transactTime": self.now_ms}
        reply(json.dumps({"status": 200, "result": result}).encode())

    def done(self, asked: Asked) -> bytes:
        """The frames, one a line, that tell that a request was carried out."""
        words = {"x": "NEW"} if asked.verb == "place" else {"x": "CANCELED", "X": "CANCELED"}
        legs = [o for o in self._legs(asked.order) if asked.verb == "place" or o.is_open]
        frames = [self.frame({"e": "executionReport", **words}, o.name) for o in legs]
        return b"\n".join(frames)

    def frame(self, words: Words, of: str = "") -> bytes:
        """The complete frame; the books follow it."""
        times = {k: self.now_ms + words.get(k, 0) for k in ("T", "E")}
        said = {k: v for k, v in words.items() if k not in times}
        match words["e"]:
            case "executionReport":
                event = self._execution(said, of)
            case "outboundAccountPosition":
                event = {**user("account"), **said, "u": times["T"]}
            case "listStatus":
                event = {**user("list"), **said}
            case _:
                event = dict(said)
        return json.dumps({"subscriptionId": 0, "event": event | times}).encode()

    def _execution(self, said: Words, of: str) -> Words:
        order = self.order(of) if of else self._foreign(said)
        p = order.params
        row = user("new") | {"s": SYMBOL, "c": order.custom_id, "C": "", "S": p["side"], "i": order.venue_id}
        row |= {"o": p["type"], "q": p["quantity"], "p": p.get("price", "0"), "P": p.get("stopPrice", "0")}
        row |= {"g": self._lists.get(order.custom_id, -1), "x": "NEW", "X": "NEW", "z": str(order.filled)}
        row |= {"w": "stopPrice" not in p, "f": p.get("timeInForce", "GTC")}
        if said.get("x") == "TRADE":
            said = {"l": str(D(p["quantity"]) - order.filled), "L": p.get("price", "0"), **said}
            order.filled += D(said["l"])
            whole = order.filled == D(p["quantity"])
            row |= {"z": str(order.filled), "t": len(self.trades) + 501, "w": not whole}
            row |= {"X": "FILLED" if whole else "PARTIALLY_FILLED", "n": "0", "N": "USDT"}
        elif said.get("x") == "CANCELED":
            row |= {"c": "cancel-1", "C": order.custom_id, "w": False}
        row |= {k: v for k, v in said.items() if k != "c"}
        if said.get("x") == "TRADE":
            self._trade(row)
        order.status, order.changed_ms = row["X"], self.now_ms
        return row

    def _foreign(self, said: Words) -> Order:
        """Somebody else's order: the fixture spells it."""
        params = {"side": said.get("S", "BUY"), "type": said.get("o", "MARKET")}
        params |= {"quantity": said.get("q", "0.010"), "price": said.get("p", "0")}
        return self._known(said["c"], "regular", params)

    def _trade(self, row: Words) -> None:
        mine = {"id": row["t"], "orderId": row["i"], "price": row["L"], "qty": row["l"], "time": self.now_ms}
        mine |= {"quoteQty": str(D(row["L"]) * D(row["l"])), "isBuyer": row["S"] == "BUY"}
        fee = {"commission": row["n"], "commissionAsset": row["N"], "symbol": SYMBOL}
        self.trades.append({**rest("myTrades")[0], **mine, **fee})

    # --- what it is read for --------------------------------------------------------------------

    def _read(self, what: str, query: Mapping[str, str]) -> Any:
        seen = [o for o in self.orders.values() if o.status and not self._hidden(o)]
        match what:
            case "openOrders":
                return [self._row(o) for o in seen if o.is_open]
            case "order":
                found = [o for o in seen if o.custom_id == query.get("origClientOrderId")]
                return self._row(found[0]) if found else None
            case "myTrades":
                first, since = int(query.get("fromId", 0)), int(query.get("startTime", 0))
                return [t for t in self.trades if t["id"] >= first and t["time"] >= since]
            case "price":
                return [rest("price")]
            case "account" | "commission" | "exchangeInfo":
                return rest(what)
        raise AssertionError(f"the fixture's venue has no {what}")

    def _row(self, o: Order) -> Words:
        p = o.params
        row = rest("openOrders")[0] | {"orderId": o.venue_id, "clientOrderId": o.custom_id}
        row |= {"status": o.status, "side": p["side"], "type": p["type"], "price": p.get("price", "0")}
        row |= {"stopPrice": p.get("stopPrice", "0"), "origQty": p["quantity"]}
        row |= {"executedQty": str(o.filled), "orderListId": self._lists.get(o.custom_id, -1)}
        row |= {"isWorking": "stopPrice" not in p, "updateTime": o.changed_ms, "time": o.changed_ms}
        return row


def _leg(params: Words, custom_id: str) -> Words:
    """What a list's request says of one of its legs, as an order of its own would say it."""
    start = next(s for s in ("above", "below") if params[f"{s}ClientOrderId"] == custom_id)
    own = {plain: params[start + name] for name, plain in LEG_FIELDS.items() if start + name in params}
    return {**own, "side": params["side"], "quantity": params["quantity"]}
