"""An engine with one account and a short hand for its calls: what the engine's tests share."""

from contextlib import contextmanager
from decimal import Decimal

import pytest

from backstay.simulator.engine import Engine
from backstay.simulator.errors import Refusal
from backstay.simulator.feeds.ticks import Mark, Quote, Trade
from backstay.simulator.settings import EngineSettings
from backstay.simulator.specs import default_specs, spec

START = 1_790_000_000_000_000_000
SECOND = 1_000_000_000
MS = 1_000_000
D = Decimal


def tenner(**more):
    """TENUSDT: tick 0.01, step 0.1, price 100, notional 5: easy to reckon with in the head."""
    return spec("TENUSDT", "0.01", "0.1", "100.00", **more)


class TickFeed:
    """Ticks that a test writes down."""

    def __init__(self, ticks, start=START):
        self.start_ns = start
        self._ticks = list(ticks)
        self.symbols = tuple(dict.fromkeys(t.symbol for t in self._ticks))

    def ticks(self):
        return iter(self._ticks)


def trade(seconds, price, qty="1", *, buyer_maker=True, symbol="TENUSDT"):
    return Trade(START + int(seconds * SECOND), symbol, D(price), D(qty), buyer_maker)


def quote(seconds, bid, ask, qty="50", symbol="TENUSDT"):
    return Quote(START + int(seconds * SECOND), symbol, D(bid), D(qty), D(ask), D(qty))


def mark(seconds, price, symbol="TENUSDT", rate=None):
    return Mark(START + int(seconds * SECOND), symbol, D(price), D(price), rate)


class Desk:
    """`place`, `algo`, ... answer the wire's payload; `frames` drains the private stream."""

    def __init__(
        self, *, hedge=False, balance="10000", ticks=None, specs=None, seed=7, account=True, **settings
    ):
        feed = None if ticks is None else TickFeed(ticks)
        self.engine = Engine(
            feed,
            specs or (tenner(), *default_specs()),
            start_ns=START,
            seed=seed,
            settings=EngineSettings(**settings),
        )
        if account:
            self.engine.open_account("a", balance=D(balance), hedge=hedge)
        self.symbol = "TENUSDT"

    def call(self, endpoint, account="a", **params):
        sent = {k: str(v).lower() if isinstance(v, bool) else str(v) for k, v in params.items()}
        return self.engine.call(account, endpoint, sent, self.engine.now)

    def place(self, side="BUY", type="LIMIT", **more):  # noqa: A002 - the wire's own word
        base = {"symbol": self.symbol, "side": side, "type": type}
        if type == "LIMIT":
            base["timeInForce"] = "GTC"
        base.update(more)
        return self.call("POST /fapi/v1/order", **{k: v for k, v in base.items() if v is not None})

    def market(self, side="BUY", quantity="1", **more):
        return self.place(side, "MARKET", quantity=quantity, newOrderRespType="RESULT", **more)

    def algo(self, side="SELL", type="STOP_MARKET", **more):  # noqa: A002 - the wire's own word
        base = {"algoType": "CONDITIONAL", "symbol": self.symbol, "side": side, "type": type, **more}
        return self.call("POST /fapi/v1/algoOrder", **{k: v for k, v in base.items() if v is not None})

    def cancel(self, **which):
        return self.call("DELETE /fapi/v1/order", symbol=self.symbol, **which)

    def order(self, **which):
        return self.call("GET /fapi/v1/order", symbol=self.symbol, **which)

    def modify(self, side="BUY", **more):
        return self.call("PUT /fapi/v1/order", symbol=self.symbol, side=side, **more)

    def position(self, side="BOTH"):
        rows = self.call("GET /fapi/v2/positionRisk", symbol=self.symbol)
        return next(r for r in rows if r["positionSide"] == side)

    def amount(self, side="BOTH"):
        return D(self.position(side)["positionAmt"])

    def wallet(self, account="a"):
        rows = self.call("GET /fapi/v3/balance", account=account)
        return next(D(r["balance"]) for r in rows if r["asset"] == "USDT")

    def move(self, price, symbol=None):
        self.engine.set_price(symbol or self.symbol, D(price), self.engine.now)

    def after(self, seconds):
        self.engine.advance(self.engine.now + int(seconds * SECOND))

    def frames(self, *kinds):
        out = [frame for _, frame in self.engine.take_user_events()]
        return [f for f in out if not kinds or f["e"] in kinds]

    def story(self):
        """The private frames since the last call, one short word each."""
        return [brief(f) for f in self.frames()]


def brief(frame):
    kind, o = frame["e"], frame.get("o", {})
    if kind == "ORDER_TRADE_UPDATE":
        return f"ORDER {o['x']} {o['X']}"
    if kind == "ALGO_UPDATE":
        return f"ALGO {o['X']}"
    if kind == "ACCOUNT_UPDATE":
        return f"ACCOUNT {frame['a']['m']}"
    return kind


FILL = ["TRADE_LITE", "ACCOUNT ORDER", "ORDER TRADE FILLED"]


@contextmanager
def refused(code):
    with pytest.raises(Refusal) as caught:
        yield caught
    assert caught.value.code == code, f"{caught.value.code} {caught.value.msg}"
