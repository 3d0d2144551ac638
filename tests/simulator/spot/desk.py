"""A Spot engine with one account and a short hand for its calls: what Spot's tests share."""

from contextlib import contextmanager
from decimal import Decimal

import pytest

from backstay.simulator.errors import Refusal
from backstay.simulator.spot.engine import SpotEngine
from backstay.simulator.spot.settings import SpotSettings
from backstay.simulator.spot.specs import default_spot_specs, spot_spec

from tests.simulator.engine.desk import START, TickFeed

D = Decimal
FUNDS = {"USDT": D(10_000), "TEN": D(50), "BNB": D(0)}


def tenner(**more):
    """TENUSDT: tick 0.01, step 0.1, price 100, notional 5: easy to reckon with in the head."""
    return spot_spec("TENUSDT", "0.01", "0.1", "100.00", **more)


class SpotDesk:
    """`place`, `oco`, ... answer the wire's payload; `events` drains the user data."""

    def __init__(self, *, funds=None, ticks=None, burns_bnb=False, seed=7, spec=None, **settings):
        self.engine = SpotEngine(
            None if ticks is None else TickFeed(ticks),
            (spec or tenner(), *default_spot_specs()),
            start_ns=START,
            seed=seed,
            settings=SpotSettings(**settings),
        )
        self.engine.open_account("a", balances=FUNDS | (funds or {}), burns_bnb=burns_bnb)
        self.symbol = "TENUSDT"

    def call(self, endpoint, account="a", **params):
        method, _, path = endpoint.partition(" ")
        sent = {k: str(v).lower() if isinstance(v, bool) else str(v) for k, v in params.items()}
        return self.engine.call(account, f"{method} /api/v3/{path}", sent, self.engine.now)

    def place(self, side="BUY", type="LIMIT", **more):  # noqa: A002 - the wire's own word
        base = {"symbol": self.symbol, "side": side, "type": type}
        if type in {"LIMIT", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"}:
            base["timeInForce"] = "GTC"
        base.update(more)
        return self.call("POST order", **{k: v for k, v in base.items() if v is not None})

    def market(self, side="BUY", quantity="1", **more):
        return self.place(side, "MARKET", quantity=quantity, **more)

    def oco(self, side="SELL", quantity="1", **more):
        return self.call("POST orderList/oco", symbol=self.symbol, side=side, quantity=quantity, **more)

    def bracket(self, quantity="1", **more):
        """The usual pair of a holding: take-profit above, stop below."""
        legs = {
            "aboveType": "LIMIT_MAKER",
            "abovePrice": "110",
            "belowType": "STOP_LOSS",
            "belowStopPrice": "90",
        }
        return self.oco(quantity=quantity, **(legs | more))

    def cancel(self, **which):
        return self.call("DELETE order", symbol=self.symbol, **which)

    def order(self, number):
        return self.call("GET order", symbol=self.symbol, orderId=number)

    def balance(self, asset):
        """(free, locked)"""
        rows = {b["asset"]: b for b in self.call("GET account")["balances"]}
        return D(rows[asset]["free"]), D(rows[asset]["locked"])

    def move(self, price, symbol=None):
        self.engine.set_price(symbol or self.symbol, D(price), self.engine.now)

    def after(self, seconds):
        self.engine.advance(self.engine.now + int(seconds * 1_000_000_000))

    def events(self, *kinds):
        out = [event for _, event in self.engine.take_user_events()]
        return [e for e in out if not kinds or e["e"] in kinds]

    def reports(self):
        return self.events("executionReport")

    def story(self):
        """The user data since the last call, one short word each."""
        return [brief(e) for e in self.events()]


def brief(event):
    if event["e"] == "executionReport":
        more = f" {event['eR']}" if "eR" in event else ""
        return f"{event['o']} {event['x']} {event['X']}{more}"
    if event["e"] == "listStatus":
        return f"LIST {event['l']} {event['L']}"
    return {"outboundAccountPosition": "BALANCES"}.get(event["e"], event["e"])


@contextmanager
def refused(code, text=""):
    with pytest.raises(Refusal) as caught:
        yield caught
    assert caught.value.code == code, f"{caught.value.code} {caught.value.msg}"
    assert text in caught.value.msg, caught.value.msg


def filtered(name):
    return refused(-1013, f"Filter failure: {name}")
