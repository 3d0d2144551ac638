from decimal import Decimal

import pytest

from tests.simulator.engine.desk import FILL, Desk, refused

PLACE = [
    "algoId",
    "clientAlgoId",
    "algoType",
    "orderType",
    "symbol",
    "side",
    "positionSide",
    "timeInForce",
    "quantity",
    "algoStatus",
    "triggerPrice",
    "price",
    "icebergQuantity",
    "selfTradePreventionMode",
    "workingType",
    "priceMatch",
    "closePosition",
    "priceProtect",
    "reduceOnly",
    "createTime",
    "updateTime",
    "triggerTime",
    "goodTillDate",
]


def guarded(side="BUY", **more):
    """A desk with a position of 2 and its closePosition stop."""
    desk = Desk(**more)
    desk.market(side, "2")
    stop = desk.algo(
        "SELL" if side == "BUY" else "BUY",
        triggerPrice="95" if side == "BUY" else "105",
        closePosition=True,
        clientAlgoId="stop",
    )
    return desk, stop


def test_the_three_shapes_and_the_place_answer():
    desk, stop = guarded()
    assert sorted(stop) == sorted(PLACE)
    assert (stop["algoStatus"], stop["orderType"], stop["triggerTime"]) == ("NEW", "STOP_MARKET", 0)
    (opened,) = desk.call("GET /fapi/v1/openAlgoOrders")
    assert set(opened) - set(stop) == {"actualOrderId", "actualQty", "isActivated"}
    (listed,) = desk.call("GET /fapi/v1/allAlgoOrders", symbol="TENUSDT")
    assert {"actualOrderId", "actualPrice", "tpOrderType"} <= set(listed) - set(stop)
    single = desk.call("GET /fapi/v1/algoOrder", algoId=stop["algoId"])
    assert set(single) - set(stop) == {"actualOrderId", "actualPrice", "actualType", "actualQty"}
    assert opened["actualOrderId"] == ""


def test_a_close_position_order_echoes_gte_gtc_reduce_only_and_zero():
    desk, stop = guarded()
    frame = desk.frames("ALGO_UPDATE")[0]["o"]
    assert (frame["f"], frame["R"], frame["cp"], frame["q"]) == ("GTE_GTC", True, True, "0")
    assert (frame["X"], frame["ai"], frame["tp"], frame["V"], frame["ia"]) == (
        "NEW",
        "",
        "95",
        "EXPIRE_MAKER",
        False,
    )
    assert "ap" not in frame
    assert (stop["timeInForce"], stop["reduceOnly"], stop["quantity"]) == ("GTE_GTC", True, "0")


def test_a_trigger_price_off_the_tick_grid_is_kept_as_sent():
    desk = Desk()
    desk.market()
    assert desk.algo(triggerPrice="95.0012345", closePosition=True)["triggerPrice"] == "95.0012345"


def test_cancel_answers_the_code_as_a_string():
    desk, stop = guarded()
    desk.frames()
    answer = desk.call("DELETE /fapi/v1/algoOrder", algoId=stop["algoId"])
    assert answer == {"algoId": stop["algoId"], "clientAlgoId": "stop", "code": "200", "msg": "success"}
    assert desk.story() == ["ALGO CANCELED"]
    with refused(-2011):
        desk.call("DELETE /fapi/v1/algoOrder", clientAlgoId="stop")


def test_regular_calls_do_not_see_conditional_orders():
    desk, stop = guarded()
    assert desk.call("GET /fapi/v1/openOrders") == []
    with refused(-2011):
        desk.cancel(orderId=stop["algoId"])
    with refused(-2011):
        desk.cancel(origClientOrderId="stop")


def test_the_frames_of_a_trigger():
    desk, stop = guarded()
    desk.frames()
    desk.move("94")
    frames = desk.frames()
    desk.engine._world.user_events = [("a", f) for f in frames]
    assert desk.story() == [
        "ALGO TRIGGERING",
        "ORDER NEW NEW",
        "ALGO TRIGGERED",
        *FILL,
        "ALGO FINISHED",
    ]
    child = frames[1]["o"]
    assert child["c"] == "stop"
    assert child["i"] != stop["algoId"]
    assert (child["o"], child["R"], child["cp"], child["q"]) == ("MARKET", True, True, "2.0")
    triggered, finished = frames[2]["o"], frames[-1]["o"]
    assert triggered["ai"] == str(child["i"])
    assert (triggered["act"], triggered["aq"]) == ("MARKET", "0")
    assert (finished["ap"], finished["aq"]) == ("94", "2")
    assert "ia" not in triggered
    assert desk.amount() == 0


def test_the_child_may_fill_before_triggered_is_told():
    desk, _ = guarded(child_fill_before_triggered=True)
    desk.frames()
    desk.move("94")
    assert desk.story() == ["ALGO TRIGGERING", "ORDER NEW NEW", *FILL, "ALGO TRIGGERED", "ALGO FINISHED"]


def test_the_hand_over_is_seen_by_queries():
    desk, stop = guarded()
    desk.move("94")
    assert desk.call("GET /fapi/v1/openAlgoOrders") == []
    row = desk.call("GET /fapi/v1/algoOrder", algoId=stop["algoId"])
    child = desk.order(orderId=row["actualOrderId"])
    assert row["algoStatus"] == "FINISHED"
    assert (child["clientOrderId"], child["type"], child["status"]) == ("stop", "MARKET", "FILLED")
    with refused(-2011):
        desk.call("DELETE /fapi/v1/algoOrder", algoId=stop["algoId"])


def test_the_trigger_may_take_time():
    desk, stop = guarded(trigger_latency_ns=20_000_000)
    desk.frames()
    desk.move("94")
    assert desk.story() == ["ALGO TRIGGERING"]
    with refused(-2011):
        desk.call("DELETE /fapi/v1/algoOrder", algoId=stop["algoId"])
    with refused(-4117):
        desk.algo(triggerPrice="90", closePosition=True)
    desk.after(1)
    assert desk.story()[0] == "ORDER NEW NEW"
    assert desk.amount() == 0


def test_a_stuck_trigger_leaves_the_position_unprotected():
    desk, stop = guarded()
    desk.engine.faults.stuck_symbols.add("TENUSDT")
    desk.frames()
    desk.move("94")
    desk.after(3600)
    assert desk.story() == ["ALGO TRIGGERING"]
    assert desk.amount() == 2
    with refused(-2011):
        desk.call("DELETE /fapi/v1/algoOrder", algoId=stop["algoId"])
    assert desk.call("GET /fapi/v1/algoOrder", algoId=stop["algoId"])["algoStatus"] == "TRIGGERING"


def test_a_child_may_be_refused_with_a_reason():
    desk, _ = guarded()
    desk.engine.faults.trigger_reject["TENUSDT"] = "Margin is insufficient."
    desk.frames()
    desk.move("94")
    frames = desk.frames()
    assert [f["o"]["X"] for f in frames] == ["TRIGGERING", "REJECTED"]
    assert frames[-1]["o"]["rm"] == "Margin is insufficient."
    assert desk.amount() == 2


def test_margin_is_looked_at_when_the_trigger_fires_not_before():
    desk = Desk(balance="100")
    desk.algo("BUY", triggerPrice="110", quantity="1000", clientAlgoId="big")
    desk.frames()
    desk.move("111")
    assert [f["o"]["X"] for f in desk.frames()] == ["TRIGGERING", "REJECTED"]


def test_a_reduce_only_stop_stays_when_the_position_has_gone_and_is_rejected_at_its_trigger():
    desk = Desk()
    desk.market()
    desk.algo(triggerPrice="95", quantity="1", reduceOnly=True)
    desk.market("SELL")
    desk.frames()
    desk.move("94")
    frames = desk.frames()
    assert [f["o"]["X"] for f in frames] == ["TRIGGERING", "REJECTED"]
    assert "ReduceOnly" in frames[-1]["o"]["rm"]


def test_reduce_only_without_a_position_may_be_refused_at_once():
    desk = Desk(algo_reduce_only_needs_position=True)
    with refused(-2022):
        desk.algo(triggerPrice="95", quantity="1", reduceOnly=True)


def test_a_close_position_stop_expires_with_its_position():
    desk, _ = guarded()
    desk.frames()
    desk.market("SELL", "2", reduceOnly=True)
    assert desk.story() == ["ORDER NEW NEW", *FILL, "ALGO EXPIRED"]


def test_a_close_position_stop_survives_a_partial_close_and_dies_in_a_flip():
    desk, _ = guarded()
    desk.market("SELL", "1")
    assert len(desk.call("GET /fapi/v1/openAlgoOrders")) == 1
    desk.market("SELL", "3")
    assert desk.amount() == -2
    assert desk.call("GET /fapi/v1/openAlgoOrders") == []


def test_one_close_position_order_per_direction_and_kind():
    desk, stop = guarded()
    with refused(-4130):
        desk.algo(triggerPrice="94", closePosition=True)
    desk.algo(type="TAKE_PROFIT_MARKET", triggerPrice="120", closePosition=True)
    desk.algo(triggerPrice="94", quantity="2", reduceOnly=True)
    desk.call("DELETE /fapi/v1/algoOrder", algoId=stop["algoId"])
    desk.algo(triggerPrice="94", closePosition=True)


def test_a_close_position_order_needs_a_position_on_its_side():
    desk = Desk()
    with refused(-4509):
        desk.algo(triggerPrice="95", closePosition=True)
    desk.market()
    with refused(-4509):
        desk.algo("BUY", triggerPrice="105", closePosition=True)


@pytest.mark.parametrize(
    ("kind", "side", "trigger", "quiet", "fires"),
    [
        ("STOP_MARKET", "SELL", "95", "95.01", "95"),
        ("STOP_MARKET", "BUY", "105", "104.99", "105"),
        ("TAKE_PROFIT_MARKET", "SELL", "105", "104.99", "105"),
        ("TAKE_PROFIT_MARKET", "BUY", "95", "95.01", "95"),
    ],
)
def test_the_trigger_table(kind, side, trigger, quiet, fires):
    desk = Desk()
    desk.algo(side, kind, triggerPrice=trigger, quantity="1")
    desk.frames()
    desk.move(quiet)
    assert desk.frames() == []
    desk.move(fires)
    assert desk.story()[0] == "ALGO TRIGGERING"


def test_the_working_type_decides_which_price_is_looked_at():
    desk = Desk()
    desk.market()
    desk.algo(triggerPrice="95", quantity="1", workingType="MARK_PRICE")
    desk.frames()
    market = desk.engine._world.markets["TENUSDT"]
    market.last = Decimal(90)
    desk.engine._traded(market, Decimal(90), Decimal(1), buyer_maker=True)
    market.fed_marks = True
    desk.engine._traded(market, Decimal(90), Decimal(1), buyer_maker=True)
    assert desk.frames() == []
    market.mark = Decimal(94)
    desk.engine._marked(market)
    assert desk.story()[0] == "ALGO TRIGGERING"


def test_a_stop_limit_hands_over_a_limit_order_and_finishes_with_it():
    desk = Desk()
    desk.algo("BUY", "STOP", triggerPrice="105", price="104", quantity="1", clientAlgoId="entry")
    desk.frames()
    desk.move("106")
    assert desk.story() == ["ALGO TRIGGERING", "ORDER NEW NEW", "ALGO TRIGGERED"]
    row = desk.order(origClientOrderId="entry")
    assert (row["type"], row["status"], row["price"]) == ("LIMIT", "NEW", "104.00")
    desk.cancel(orderId=row["orderId"])
    assert desk.story() == ["ORDER CANCELED CANCELED", "ALGO FINISHED"]


def test_a_trailing_stop_follows_and_fires_on_the_callback():
    desk = Desk()
    desk.market()
    desk.algo(
        type="TRAILING_STOP_MARKET", quantity="1", callbackRate="2", activatePrice="105", reduceOnly=True
    )
    assert [f["o"]["ia"] for f in desk.frames("ALGO_UPDATE")] == [False]
    desk.move("97")
    desk.move("104")
    assert desk.frames() == []
    desk.move("106")
    (active,) = desk.frames()
    assert (active["o"]["X"], active["o"]["ia"], active["o"]["cr"]) == ("NEW", True, "2")
    desk.move("110")
    desk.move("107.9")
    assert desk.frames() == []
    desk.move("107.8")
    assert desk.story()[0] == "ALGO TRIGGERING"
    assert desk.amount() == 0


def test_a_trailing_stop_without_activation_price_is_active_at_once_and_says_so_twice():
    desk = Desk()
    desk.market("SELL")
    desk.algo("BUY", "TRAILING_STOP_MARKET", quantity="1", callbackRate="1", reduceOnly=True)
    assert [f["o"]["ia"] for f in desk.frames("ALGO_UPDATE")] == [False, True]
    desk.move("90")
    desk.move("90.89")
    assert desk.frames() == []
    desk.move("90.90")
    assert desk.story()[0] == "ALGO TRIGGERING"


def test_price_protection_rejects_when_mark_and_last_are_too_far_apart():
    desk = Desk()
    desk.market()
    desk.algo(triggerPrice="95", quantity="1", priceProtect=True, reduceOnly=True)
    desk.frames()
    market = desk.engine._world.markets["TENUSDT"]
    market.fed_marks = True
    market.last = Decimal(90)
    desk.engine._traded(market, Decimal(90), Decimal(1), buyer_maker=True)
    frames = desk.frames()
    assert [f["o"]["X"] for f in frames] == ["TRIGGERING", "REJECTED"]
    assert "protection" in frames[-1]["o"]["rm"]


def test_a_good_till_date_ends_a_conditional_order():
    desk = Desk()
    until = desk.engine.now // 1_000_000 + 700_000
    desk.algo("BUY", triggerPrice="120", quantity="1", timeInForce="GTD", goodTillDate=until)
    desk.frames()
    desk.after(701)
    assert desk.story() == ["ALGO EXPIRED"]


def test_the_stop_knocks_out_a_resting_take_profit():
    desk, _ = guarded()
    desk.place("SELL", price="110", quantity="2", reduceOnly=True)
    desk.frames()
    desk.move("94")
    frames = desk.frames()
    last = frames[-1]["o"]
    assert (last["x"], last["er"], last["p"]) == ("EXPIRED", "4", "110.00")
    assert desk.amount() == 0


def test_all_conditional_orders_of_a_symbol_can_be_cancelled():
    desk, _ = guarded()
    desk.algo("BUY", triggerPrice="120", quantity="1")
    desk.call("DELETE /fapi/v1/algoOpenOrders", symbol="TENUSDT")
    assert desk.call("GET /fapi/v1/openAlgoOrders") == []


def test_the_single_query_may_miss_an_order_that_exists():
    desk, stop = guarded()
    desk.engine.faults.algo_query_miss = 1.0
    with refused(-2013):
        desk.call("GET /fapi/v1/algoOrder", algoId=stop["algoId"])
    assert len(desk.call("GET /fapi/v1/openAlgoOrders")) == 1


def test_a_stop_limit_may_take_its_price_from_the_book_at_the_trigger():
    desk = Desk()
    desk.algo("BUY", "STOP", triggerPrice="105", priceMatch="QUEUE", quantity="1", clientAlgoId="entry")
    desk.move("106")
    row = desk.order(origClientOrderId="entry")
    assert (row["price"], row["priceMatch"], row["status"]) == ("105.99", "QUEUE", "NEW")
    with refused(-5037):
        desk.algo("BUY", "STOP", triggerPrice="115", priceMatch="NEAR", quantity="1")
    with refused(-1106):
        desk.algo("BUY", "STOP", triggerPrice="115", priceMatch="QUEUE", price="115", quantity="1")
