"""Visibility lag, the owner's hand, and what the control side is told."""

from decimal import Decimal

import pytest

from backstay.simulator.errors import Refusal

from tests.simulator.engine.desk import FILL, SECOND, Desk, refused

D = Decimal


def hand(desk, **action):
    return desk.engine.human("a", action, desk.engine.now)


def test_order_queries_lag_behind_the_stream():
    desk = Desk()
    desk.engine.faults.lag_ns["orders"] = 2 * SECOND
    order = desk.place(price="90", quantity="1")["orderId"]
    with refused(-2013):
        desk.order(orderId=order)
    assert desk.call("GET /fapi/v1/openOrders") == []
    desk.after(2)
    assert desk.order(orderId=order)["status"] == "NEW"
    desk.cancel(orderId=order)
    assert desk.order(orderId=order)["status"] == "NEW"
    assert len(desk.call("GET /fapi/v1/openOrders")) == 1
    desk.after(2)
    assert desk.order(orderId=order)["status"] == "CANCELED"


def test_conditional_queries_lag():
    desk = Desk()
    desk.engine.faults.lag_ns["algo"] = 2 * SECOND
    algo = desk.algo("BUY", triggerPrice="120", quantity="1")["algoId"]
    assert desk.call("GET /fapi/v1/openAlgoOrders") == []
    with refused(-2013):
        desk.call("GET /fapi/v1/algoOrder", algoId=algo)
    desk.after(3)
    assert len(desk.call("GET /fapi/v1/openAlgoOrders", symbol="TENUSDT")) == 1


def test_positions_balances_and_trades_lag_each_on_their_own():
    desk = Desk()
    desk.after(5)
    desk.engine.faults.lag_ns |= {"positions": SECOND, "balances": SECOND, "trades": SECOND}
    desk.market()
    assert desk.amount() == 0
    assert desk.wallet() == 10_000
    assert desk.call("GET /fapi/v1/userTrades", symbol="TENUSDT") == []
    truth = desk.engine.truth("a")
    assert truth["positions"][0]["positionAmt"] == "1.0"
    assert len(truth["fills"]) == 1
    desk.after(1)
    assert desk.amount() == 1
    assert desk.wallet() < 10_000
    assert len(desk.call("GET /fapi/v1/userTrades", symbol="TENUSDT")) == 1


def test_the_truth_has_what_a_judge_needs():
    desk = Desk()
    desk.market(newClientOrderId="mine")
    desk.algo(triggerPrice="95", closePosition=True, clientAlgoId="stop")
    hand(desk, do="order", symbol="TENUSDT", side="BUY", type="LIMIT", quantity="1", price="90")
    truth = desk.engine.truth("a")
    assert [f["clientOrderId"] for f in truth["fills"]] == ["mine"]
    assert [o["origin"] for o in truth["orders"]] == ["api", "human"]
    assert truth["algo_orders"][0]["clientAlgoId"] == "stop"
    assert truth["prices"]["TENUSDT"]["last"] == "100"
    assert truth["balances"][0]["asset"] == "USDT"
    assert truth["dualSidePosition"] is False


def test_orders_by_hand_carry_the_ids_of_site_and_app():
    desk = Desk()
    ids = set()
    for _ in range(24):
        row = hand(desk, do="order", symbol="TENUSDT", side="BUY", type="LIMIT", quantity=1, price="90")
        ids.add(row["clientOrderId"].partition("_")[0] if "_" in row["clientOrderId"] else "plain")
        hand(desk, do="cancel", symbol="TENUSDT", orderId=row["orderId"])
    assert ids == {"web", "ios", "plain"}


def test_closing_by_hand_passes_resting_reduce_only_orders():
    desk = Desk()
    desk.market(quantity="2")
    desk.place("SELL", price="110", quantity="2", reduceOnly=True)
    hand(desk, do="close", symbol="TENUSDT", share="0.5")
    assert desk.amount() == 1
    desk.frames()
    hand(desk, do="close", symbol="TENUSDT", positionSide="BOTH")
    assert desk.amount() == 0
    assert desk.story() == ["ORDER NEW NEW", *FILL, "ORDER EXPIRED EXPIRED"]
    with refused(-2022):
        hand(desk, do="close", symbol="TENUSDT")


def test_closing_by_hand_in_hedge_mode():
    desk = Desk(hedge=True)
    desk.market("BUY", positionSide="LONG")
    desk.market("SELL", positionSide="SHORT")
    with refused(-2022):
        hand(desk, do="close", symbol="TENUSDT")
    hand(desk, do="close", symbol="TENUSDT", positionSide="SHORT")
    hand(desk, do="close", symbol="TENUSDT")
    assert (desk.amount("LONG"), desk.amount("SHORT")) == (0, 0)


def test_the_owner_may_change_everything_by_hand():
    desk = Desk()
    desk.market()
    algo = hand(
        desk,
        do="algo",
        symbol="TENUSDT",
        side="SELL",
        type="STOP_MARKET",
        triggerPrice="95",
        closePosition=True,
    )
    assert algo["closePosition"] is True
    assert hand(desk, do="cancel_algo", algoId=algo["algoId"])["code"] == "200"
    hand(desk, do="algo", symbol="TENUSDT", side="SELL", type="STOP_MARKET", triggerPrice="95", quantity="1")
    hand(desk, do="cancel_algo", symbol="TENUSDT")
    assert desk.call("GET /fapi/v1/openAlgoOrders") == []
    order = hand(desk, do="order", symbol="TENUSDT", side="BUY", type="LIMIT", quantity=1, price="90")
    hand(desk, do="modify", symbol="TENUSDT", side="BUY", orderId=order["orderId"], quantity=1, price="91")
    hand(desk, do="cancel", symbol="TENUSDT")
    hand(desk, do="close", symbol="TENUSDT")
    assert hand(desk, do="leverage", symbol="TENUSDT", leverage=7)["leverage"] == 7
    hand(desk, do="margin_type", symbol="TENUSDT", marginType="ISOLATED")
    hand(desk, do="position_mode", dualSidePosition=True)
    before = desk.wallet()
    desk.frames()
    hand(desk, do="deposit", amount="50")
    hand(desk, do="withdraw", amount="20")
    assert desk.wallet() == before + 30
    assert desk.story() == ["ACCOUNT DEPOSIT", "ACCOUNT WITHDRAW"]
    with refused(-2018):
        hand(desk, do="withdraw", amount="1000000")
    with pytest.raises(Refusal, match="no action"):
        hand(desk, do="dance")


def test_two_accounts_do_not_see_each_other():
    desk = Desk()
    desk.engine.open_account("b", balance=D(500), hedge=True)
    desk.market()
    assert desk.wallet("b") == 500
    assert desk.call("GET /fapi/v3/positionRisk", account="b") == []
    assert desk.call("GET /fapi/v1/allOrders", account="b") == []
    assert {account for account, _ in desk.engine.take_user_events()} == {"a"}
    with pytest.raises(ValueError, match="open already"):
        desk.engine.open_account("b")


def test_partial_fills_by_chance():
    desk = Desk()
    desk.engine.faults.partial_probability = 1.0
    desk.market(quantity="4")
    assert len(desk.call("GET /fapi/v1/userTrades", symbol="TENUSDT")) == 2


def test_stuck_and_rejected_triggers_by_chance():
    desk = Desk()
    desk.market(quantity="2")
    desk.engine.faults.stuck_probability = 1.0
    desk.algo(triggerPrice="95", quantity="1", reduceOnly=True)
    desk.frames()
    desk.move("94")
    assert desk.story() == ["ALGO TRIGGERING"]
    desk.engine.faults.stuck_probability = 0.0
    desk.engine.faults.trigger_reject_probability = 1.0
    desk.algo(triggerPrice="93", quantity="1", reduceOnly=True)
    desk.frames()
    desk.move("92")
    assert desk.story() == ["ALGO TRIGGERING", "ALGO REJECTED"]
