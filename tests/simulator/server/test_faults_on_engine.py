"""Effects that change the venue, seen from outside, on the real engine without a feed."""

from decimal import Decimal

import pytest

from backstay.simulator.engine import Engine
from backstay.simulator.server.faults import FaultPlan
from backstay.simulator.settings import EngineSettings
from backstay.simulator.specs import default_specs

from tests.simulator.server.stage import MS, SECOND, START, Stage

PRICE = Decimal(90_000)


@pytest.fixture
def stage():
    specs = [s for s in default_specs() if s.symbol == "BTCUSDT"]
    engine = Engine(None, specs, start_ns=START, seed=3, settings=EngineSettings())
    engine.open_account("main", balance=Decimal(100_000))
    engine.set_price("BTCUSDT", PRICE, START)
    stage = Stage(engine=engine)
    stage.heard_on = stage.open(
        "/private/ws/" + stage.rest("POST", "/fapi/v1/listenKey", sign=False)[1]["listenKey"]
    )
    return stage


def install(stage, *rules):
    stage.venue.install(FaultPlan.of(list(rules)), stage.now)


def order(stage, **more):
    params = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.010"} | more
    return stage.rest("POST", "/fapi/v1/order", params)[1]


def stop(stage, trigger="88000", **more):
    params = {
        "algoType": "CONDITIONAL",
        "symbol": "BTCUSDT",
        "side": "SELL",
        "type": "STOP_MARKET",
        "quantity": "0.010",
        "reduceOnly": "true",
        "triggerPrice": trigger,
    }
    return stage.rest("POST", "/fapi/v1/algoOrder", params | more)[1]


def move(stage, price):
    stage.now += MS
    stage.engine.set_price("BTCUSDT", Decimal(price), stage.now)
    stage.later(1)


def events(stage, kind):
    return [f for f in stage.heard(stage.heard_on, stage.delivered) if f.get("e") == kind]


def position(stage):
    rows = stage.rest("GET", "/fapi/v3/positionRisk", {"symbol": "BTCUSDT"})[1]
    return Decimal(rows[0]["positionAmt"]) if rows else Decimal(0)


def test_a_fill_and_a_stop_without_any_fault(stage):
    order(stage)
    stop(stage)
    move(stage, "87000")
    assert position(stage) == 0
    assert [f["o"]["X"] for f in events(stage, "ALGO_UPDATE")] == [
        "NEW",
        "TRIGGERING",
        "TRIGGERED",
        "FINISHED",
    ]


def test_stuck_triggering_leaves_the_position_naked(stage):
    install(stage, {"match": {"symbol": "BTCUSDT"}, "effect": "stuck_triggering"})
    order(stage)
    placed = stop(stage)
    move(stage, "87000")
    assert [f["o"]["X"] for f in events(stage, "ALGO_UPDATE")] == ["NEW", "TRIGGERING"]
    assert position(stage) == Decimal("0.010")
    gone = stage.rest("DELETE", "/fapi/v1/algoOrder", {"algoId": placed["algoId"]})[1]
    assert gone["code"] == -2011


def test_a_rejected_child_carries_its_reason(stage):
    install(stage, {"effect": {"reject_child": {"reason": "Margin is insufficient."}}})
    order(stage)
    stop(stage)
    move(stage, "87000")
    last = events(stage, "ALGO_UPDATE")[-1]["o"]
    assert (last["X"], last["rm"]) == ("REJECTED", "Margin is insufficient.")
    assert position(stage) == Decimal("0.010")


def test_partial_fills_come_in_parts_of_the_given_size(stage):
    install(stage, {"match": {"symbol": "BTCUSDT"}, "effect": {"partial_fills": {"max_qty": "0.004"}}})
    order(stage)
    fills = [f["o"]["l"] for f in events(stage, "ORDER_TRADE_UPDATE") if f["o"]["x"] == "TRADE"]
    assert [Decimal(q) for q in fills] == [Decimal("0.004"), Decimal("0.004"), Decimal("0.002")]


def test_queries_lag_behind_what_happened_and_catch_up(stage):
    install(
        stage, {"match": {"until_ms": 5000}, "effect": {"visibility_lag": {"lagging": "orders", "ms": 500}}}
    )
    stage.later(SECOND)
    low = order(stage, type="LIMIT", timeInForce="GTC", price="80000")
    query = {"symbol": "BTCUSDT", "orderId": low["orderId"]}
    assert stage.rest("GET", "/fapi/v1/order", query)[1]["code"] == -2013
    stage.later(600 * MS)
    assert stage.rest("GET", "/fapi/v1/order", query)[1]["status"] == "NEW"


def test_a_halted_symbol_takes_no_orders_until_it_trades_again(stage):
    install(stage, {"match": {"symbol": "BTCUSDT", "until_ms": 1000}, "effect": "halt"})
    assert order(stage)["code"] < 0
    info = stage.rest("GET", "/fapi/v1/exchangeInfo", sign=False)[1]
    assert info["symbols"][0]["status"] == "TRADING_HALT"
    stage.later(SECOND)
    assert order(stage)["status"] in {"NEW", "FILLED"}


def test_a_restricted_account_may_only_reduce(stage):
    order(stage)
    install(stage, {"effect": {"restricted": {"code": -4400}}})
    assert order(stage)["code"] == -4400
    assert "code" not in order(stage, side="SELL", reduceOnly="true")


def test_a_second_amend_in_flight_is_refused(stage):
    install(stage, {"effect": {"pending_modify": {"ms": 500}}})
    low = order(stage, type="LIMIT", timeInForce="GTC", price="80000")
    change = {"symbol": "BTCUSDT", "side": "BUY", "orderId": low["orderId"], "quantity": "0.010"}
    assert stage.rest("PUT", "/fapi/v1/order", change | {"price": "80001"})[0] == 200
    assert stage.rest("PUT", "/fapi/v1/order", change | {"price": "80002"})[1]["code"] == -5043


def test_slippage_makes_takers_pay(stage):
    install(stage, {"effect": {"slippage": {"rate": "0.01"}}})
    order(stage)
    filled = [f["o"] for f in events(stage, "ORDER_TRADE_UPDATE") if f["o"]["X"] == "FILLED"][-1]
    assert Decimal(filled["ap"]) > PRICE * Decimal("1.009")


@pytest.mark.parametrize(("effect", "prefix"), [("adl", "adl_autoclose"), ("liquidation", "autoclose-")])
def test_adl_and_liquidation_close_the_position_with_the_exchanges_own_id(stage, effect, prefix):
    order(stage)
    install(stage, {"match": {"at_ms": 10, "symbol": "BTCUSDT"}, "effect": effect})
    stage.later(SECOND)
    assert position(stage) == 0
    assert any(f["o"]["c"].startswith(prefix) for f in events(stage, "ORDER_TRADE_UPDATE"))


def test_a_liquidation_can_follow_from_a_fill(stage):
    rule = {"event": "ORDER_TRADE_UPDATE", "status": "FILLED", "times": 1}
    install(stage, {"match": rule, "effect": "liquidation"})
    order(stage)
    assert position(stage) == 0
    assert any(f["o"]["c"].startswith("autoclose-") for f in events(stage, "ORDER_TRADE_UPDATE"))
