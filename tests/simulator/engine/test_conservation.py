"""Nothing is lost: money, positions and frames agree whatever happens; the same seed tells the same story."""

import json
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backstay.simulator.errors import Refusal

from tests.simulator.engine.desk import Desk, brief

D = Decimal
sizes = st.integers(1, 60).map(lambda n: str(D(n) / 10 + 1))
prices = st.integers(70, 130).map(str)
sides = st.sampled_from(["BUY", "SELL"])
legs = st.sampled_from(["LONG", "SHORT"])
flags = st.booleans()
steps = st.lists(
    st.one_of(
        st.tuples(st.just("market"), sides, legs, sizes, flags),
        st.tuples(st.just("limit"), sides, legs, sizes, prices, flags),
        st.tuples(st.just("stop"), sides, legs, prices, flags),
        st.tuples(st.just("take"), sides, legs, sizes, prices),
        st.tuples(st.just("trail"), sides, legs, sizes),
        st.tuples(st.just("modify"), sizes, prices),
        st.tuples(st.just("cancel")),
        st.tuples(st.just("move"), prices),
        st.tuples(st.just("wait"), st.integers(1, 40_000)),
        st.tuples(st.just("adl")),
    ),
    max_size=30,
)


def act(desk, hedge, step):
    kind, *rest = step
    if kind in {"market", "limit", "stop", "take", "trail"}:
        side, leg, *rest = rest
        where = {"positionSide": leg} if hedge else {}
    match kind, rest:
        case "market", [size, reduce]:
            desk.market(side, size, **where, **only(reduce and not hedge))
        case "limit", [size, price, reduce]:
            desk.place(side, price=price, quantity=size, **where, **only(reduce and not hedge))
        case "stop", [price, close]:
            more = {"closePosition": True} if close else {"quantity": "2", **only(not hedge)}
            desk.algo(side, triggerPrice=price, **where, **more)
        case "take", [size, price]:
            desk.algo(side, "TAKE_PROFIT", triggerPrice=price, price=price, quantity=size, **where)
        case "trail", [size]:
            desk.algo(side, "TRAILING_STOP_MARKET", callbackRate="5", quantity=size, **where)
        case "modify", [size, price]:
            for row in desk.call("GET /fapi/v1/openOrders")[:1]:
                desk.modify(row["side"], orderId=row["orderId"], quantity=size, price=price)
        case "cancel", []:
            for row in desk.call("GET /fapi/v1/openOrders")[:1]:
                desk.cancel(orderId=row["orderId"])
        case "move", [price]:
            desk.move(price)
        case "wait", [seconds]:
            desk.after(seconds)
        case "adl", []:
            desk.engine.force_adl("a", "TENUSDT", desk.engine.now)


def only(reduce):
    return {"reduceOnly": True} if reduce else {}


def play(hedge, isolated, script, seed=3):
    desk = Desk(hedge=hedge, balance="1000", seed=seed)
    if isolated:
        desk.call("POST /fapi/v1/marginType", symbol="TENUSDT", marginType="ISOLATED")
    for step in script:
        try:
            act(desk, hedge, step)
        except Refusal as e:
            assert e.code < 0, e
    return desk


class Fold:
    """What a client knows that reads the private stream alone."""

    def __init__(self, frames):
        self.wallet, self.positions, self.orders = None, {}, {}
        self.filled, self.realised, self.fees, self.seen = D(0), D(0), D(0), set()
        for frame in frames:
            if frame["e"] == "ACCOUNT_UPDATE":
                self._account(frame["a"])
            elif frame["e"] == "ORDER_TRADE_UPDATE":
                self._order(frame["o"])

    def _account(self, body):
        for row in body["B"]:
            self.wallet = D(row["wb"])
        for row in body["P"]:
            self.positions[row["ps"]] = D(row["pa"])

    def _order(self, o):
        before = self.orders.get(o["i"])
        if o["x"] in {"TRADE", "CALCULATED"}:
            assert o["t"] not in self.seen
            self.seen.add(o["t"])
            assert D(o["z"]) == (D(before["z"]) if before else 0) + D(o["l"])
            self.filled += D(o["l"]) if o["S"] == "BUY" else -D(o["l"])
            self.realised += D(o["rp"])
            self.fees += D(o.get("n", "0"))
        self.orders[o["i"]] = o


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(flags, flags, steps)
def test_money_positions_and_frames_are_conserved(hedge, isolated, script):
    desk = play(hedge, isolated, script)
    fold = Fold(desk.frames())
    truth = desk.engine.truth("a")
    wallet = desk.wallet()
    income = {}
    owner = desk.engine._world.accounts["a"]
    for row in owner.income:
        income[row.kind] = income.get(row.kind, D(0)) + row.amount
    assert wallet == sum(income.values(), D(0))
    assert wallet >= 0
    fills = truth["fills"]
    signed = sum((D(f["qty"]) if f["side"] == "BUY" else -D(f["qty"]) for f in fills), D(0))
    assert signed == sum((p.amount for p in owner.positions.values()), D(0)) == fold.filled
    assert sum((D(f["realizedPnl"]) for f in fills), D(0)) == income.get("REALIZED_PNL", D(0))
    assert fold.realised == income.get("REALIZED_PNL", D(0))
    assert fold.fees == sum((D(f["commission"]) for f in fills), D(0))
    if fold.wallet is not None:
        assert fold.wallet == wallet
    for side, amount in fold.positions.items():
        assert owner.position("TENUSDT", side).amount == amount
    check_orders(desk, owner, truth, fold)


def check_orders(desk, owner, truth, fold):
    for row in truth["orders"]:
        told = fold.orders[row["orderId"]]
        assert (told["X"], D(told["z"])) == (row["status"], D(row["executedQty"]))
        own = [f for f in truth["fills"] if f["orderId"] == row["orderId"]]
        assert sum((D(f["qty"]) for f in own), D(0)) == D(row["executedQty"])
        assert D(row["executedQty"]) <= D(row["origQty"])
    for row in desk.call("GET /fapi/v1/openOrders"):
        if row["reduceOnly"]:
            held = owner.position("TENUSDT", row["positionSide"]).amount
            assert held < 0 if row["side"] == "BUY" else held > 0
    for row in desk.call("GET /fapi/v1/openAlgoOrders"):
        if row["closePosition"]:
            held = owner.position("TENUSDT", row["positionSide"]).amount
            assert held < 0 if row["side"] == "BUY" else held > 0


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(flags, steps)
def test_the_same_seed_tells_the_same_story(hedge, script):
    one, two = (json.dumps(play(hedge, False, script).frames()) for _ in range(2))
    assert one == two


def test_another_seed_gives_other_ids_and_another_book():
    one, two = Desk(seed=1), Desk(seed=2)
    assert one.market()["orderId"] != two.market()["orderId"]
    a = one.call("GET /fapi/v1/depth", symbol="TENUSDT", limit=20)["asks"]
    b = two.call("GET /fapi/v1/depth", symbol="TENUSDT", limit=20)["asks"]
    assert a != b


def test_event_times_never_run_backwards():
    desk = play(False, False, [("market", "BUY", "LONG", "3", False), ("move", "90"), ("wait", 3)])
    desk.market("SELL", "3")
    times = [f["E"] for f in desk.frames()]
    assert times == sorted(times)


def test_order_ids_and_trade_ids_only_grow():
    desk = Desk()
    for _ in range(5):
        desk.market()
    orders = [r["orderId"] for r in desk.call("GET /fapi/v1/allOrders")]
    trades = [r["id"] for r in desk.call("GET /fapi/v1/userTrades", symbol="TENUSDT")]
    assert orders == sorted(set(orders))
    assert trades == sorted(set(trades))
    assert orders[0] > 8_000_000_000
    assert brief(desk.frames()[-1]) == "ORDER TRADE FILLED"


@pytest.mark.parametrize("name", ["nobody", ""])
def test_an_account_that_is_not_open_is_a_clear_error(name):
    with pytest.raises(ValueError, match="open_account"):
        Desk().call("GET /fapi/v3/balance", account=name)
