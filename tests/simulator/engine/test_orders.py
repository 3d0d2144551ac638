from decimal import Decimal

import pytest

from tests.simulator.engine.desk import FILL, MS, Desk, refused, tenner

ACK = [
    "clientOrderId",
    "cumQty",
    "executedQty",
    "orderId",
    "origQty",
    "price",
    "reduceOnly",
    "side",
    "positionSide",
    "status",
    "stopPrice",
    "closePosition",
    "symbol",
    "timeInForce",
    "type",
    "origType",
    "updateTime",
    "workingType",
    "priceProtect",
    "priceMatch",
    "selfTradePreventionMode",
    "goodTillDate",
]
QUERY = [
    "avgPrice",
    "clientOrderId",
    "cumQuote",
    "executedQty",
    "orderId",
    "origQty",
    "origType",
    "price",
    "reduceOnly",
    "side",
    "positionSide",
    "status",
    "stopPrice",
    "closePosition",
    "symbol",
    "time",
    "timeInForce",
    "type",
    "updateTime",
    "workingType",
    "priceProtect",
    "priceMatch",
    "selfTradePreventionMode",
    "goodTillDate",
]


def test_an_acknowledgement_has_no_average_price_and_repeats_executed_as_cum_qty():
    desk = Desk()
    answer = desk.market()
    assert sorted(answer) == sorted(ACK)
    assert answer["status"] == "FILLED"
    assert answer["cumQty"] == answer["executedQty"] == "1.0"


def test_ack_tells_of_the_acceptance_and_result_of_the_end():
    desk = Desk()
    assert desk.place("BUY", "MARKET", quantity="1")["status"] == "NEW"
    assert desk.market()["status"] == "FILLED"


def test_queries_have_average_price_and_quote():
    desk = Desk()
    placed = desk.market()
    row = desk.order(orderId=placed["orderId"])
    assert sorted(row) == sorted(QUERY)
    assert row["avgPrice"] == "100.01"
    assert Decimal(row["cumQuote"]) == Decimal("100.01")
    listed = desk.call("GET /fapi/v1/allOrders", symbol="TENUSDT")
    assert sorted(listed[0]) == sorted([*QUERY, "pair", "cumBase"])


def test_the_documented_acknowledgement_of_a_resting_btc_order():
    desk = Desk()
    desk.symbol = "BTCUSDT"
    answer = desk.place(
        "BUY", price="76000.00", quantity="0.010", newClientOrderId="x-demo0001-A1b2C3d4E5f6G7h8"
    )
    known = {k: v for k, v in answer.items() if k not in {"orderId", "updateTime"}}
    assert known == {
        "symbol": "BTCUSDT",
        "status": "NEW",
        "clientOrderId": "x-demo0001-A1b2C3d4E5f6G7h8",
        "price": "76000.00",
        "origQty": "0.010",
        "executedQty": "0.000",
        "cumQty": "0.000",
        "timeInForce": "GTC",
        "type": "LIMIT",
        "reduceOnly": False,
        "closePosition": False,
        "side": "BUY",
        "positionSide": "BOTH",
        "stopPrice": "0.00",
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "origType": "LIMIT",
        "priceMatch": "NONE",
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "goodTillDate": 0,
    }


def test_a_fill_is_trade_lite_then_account_then_order_with_equal_t():
    desk = Desk()
    desk.market()
    frames = desk.frames()
    assert [f["e"] for f in frames] == [
        "ORDER_TRADE_UPDATE",
        "TRADE_LITE",
        "ACCOUNT_UPDATE",
        "ORDER_TRADE_UPDATE",
    ]
    assert len({f["T"] for f in frames}) == 1
    assert frames[1]["t"] == frames[3]["o"]["t"] > 0
    order = frames[3]["o"]
    assert (order["n"], order["N"], order["L"], order["ap"]) == ("0.05000500", "USDT", "100.01", "100.01")
    assert "n" not in frames[0]["o"]
    row = frames[2]["a"]["P"][0]
    assert (row["s"], row["pa"], row["ep"], row["mt"], row["ma"]) == (
        "TENUSDT",
        "1",
        "100.01",
        "cross",
        "USDT",
    )


def test_the_account_update_may_come_last():
    desk = Desk(account_update_last=True)
    desk.market()
    assert desk.story()[1:] == ["TRADE_LITE", "ORDER TRADE FILLED", "ACCOUNT ORDER"]


def test_placing_and_cancelling_unfilled_sends_no_account_update():
    desk = Desk()
    placed = desk.place(price="90", quantity="1", newClientOrderId="mine")
    desk.cancel(orderId=placed["orderId"])
    frames = desk.frames()
    assert [f["o"]["x"] for f in frames] == ["NEW", "CANCELED"]
    assert [f["o"]["c"] for f in frames] == ["mine", "mine"]


def test_cancel_answers_an_acknowledgement_and_a_repetition_2011():
    desk = Desk()
    placed = desk.place(price="90", quantity="1")
    assert sorted(desk.cancel(orderId=placed["orderId"])) == sorted(ACK)
    with refused(-2011):
        desk.cancel(orderId=placed["orderId"])
    with refused(-2011):
        desk.cancel(orderId=1)
    with refused(-2013):
        desk.order(orderId=1)
    with refused(-1102):
        desk.cancel()


def test_open_order_is_an_error_once_it_has_ended():
    desk = Desk()
    placed = desk.place(price="90", quantity="1")
    which = {"symbol": "TENUSDT", "orderId": placed["orderId"]}
    assert desk.call("GET /fapi/v1/openOrder", **which)["status"] == "NEW"
    desk.cancel(orderId=placed["orderId"])
    with refused(-2013):
        desk.call("GET /fapi/v1/openOrder", **which)


def test_cancel_all_answers_a_code_and_leaves_conditional_orders():
    desk = Desk()
    desk.place(price="90", quantity="1")
    desk.place(price="91", quantity="1")
    desk.algo("BUY", triggerPrice="120", quantity="1")
    answer = desk.call("DELETE /fapi/v1/allOpenOrders", symbol="TENUSDT")
    assert answer["code"] == 200
    assert desk.call("GET /fapi/v1/openOrders") == []
    assert len(desk.call("GET /fapi/v1/openAlgoOrders")) == 1


def test_a_client_id_is_unique_among_open_orders_only():
    desk = Desk()
    desk.place(price="90", quantity="1", newClientOrderId="same")
    with refused(-4116):
        desk.place(price="91", quantity="1", newClientOrderId="same")
    desk.cancel(origClientOrderId="same")
    first = desk.market(newClientOrderId="same")
    second = desk.market(newClientOrderId="same")
    assert first["orderId"] < second["orderId"]
    assert desk.amount() == 2


def test_the_surfaces_have_separate_id_spaces():
    desk = Desk()
    desk.place(price="90", quantity="1", newClientOrderId="same")
    desk.algo("BUY", triggerPrice="120", quantity="1", clientAlgoId="same")
    with refused(-4116):
        desk.algo("BUY", triggerPrice="121", quantity="1", clientAlgoId="same")


@pytest.mark.parametrize("bad", ["x" * 37, "with space", "ünï", "semi;colon"])
def test_client_ids_obey_the_rule(bad):
    desk = Desk()
    with refused(-4015):
        desk.place(price="90", quantity="1", newClientOrderId=bad)


@pytest.mark.parametrize("good", ["x" * 36, ".A:/a0_-"])
def test_client_ids_up_to_36_of_the_alphabet_pass(good):
    desk = Desk()
    assert desk.place(price="90", quantity="1", newClientOrderId=good)["clientOrderId"] == good


def test_an_order_without_an_id_gets_22_characters():
    assert len(Desk().place(price="90", quantity="1")["clientOrderId"]) == 22


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"symbol": "NOPE"}, -1121),
        ({"side": "HOLD"}, -1117),
        ({"type": "ICEBERG"}, -1116),
        ({"timeInForce": "ASAP"}, -1115),
        ({"timeInForce": None}, -1102),
        ({"price": None}, -1102),
        ({"quantity": None}, -1102),
        ({"quantity": "abc"}, -1102),
        ({"quantity": "1e1"}, -1102),
        ({"quantity": ""}, -1102),
        ({"quantity": "0"}, -4003),
        ({"quantity": "-1"}, -4003),
        ({"quantity": "0.15"}, -1111),
        ({"quantity": "2000000"}, -4005),
        ({"price": "-1"}, -4001),
        ({"price": "0"}, -4013),
        ({"price": "90.001"}, -1111),
        ({"price": "900000"}, -4002),
        ({"price": "116"}, -4016),
        ({"side": "SELL", "price": "84"}, -4024),
        ({"quantity": "0.1", "price": "40"}, -4164),
        ({"positionSide": "LONG"}, -4061),
        ({"positionSide": "UP"}, -4060),
        ({"reduceOnly": "true"}, -2022),
        ({"reduceOnly": "perhaps"}, -4062),
        ({"newOrderRespType": "FULL"}, -1136),
        ({"selfTradePreventionMode": "DECREMENT"}, -5039),
        ({"timeInForce": "GTD"}, -1102),
        ({"timeInForce": "GTD", "goodTillDate": "1790000600000"}, -5040),
        ({"timeInForce": "GTD", "goodTillDate": "253402300799000"}, -5040),
        ({"goodTillDate": "1790010000000"}, -1106),
        ({"type": "STOP_MARKET"}, -4120),
        ({"type": "TAKE_PROFIT"}, -4120),
        ({"type": "TRAILING_STOP_MARKET"}, -4120),
        ({"closePosition": "true"}, -4136),
        ({"timeInForce": "GTX", "price": "100.50"}, -5022),
        ({"timeInForce": "FOK"}, -5021),
        ({"priceMatch": "OPPONENT"}, -1106),
        ({"priceMatch": "SOMEHOW", "price": None}, -5037),
        ({"quantity": "3000", "price": "90"}, -2019),
    ],
)
def test_refusals_of_a_limit_order(change, code):
    desk = Desk()
    good = {"price": "90", "quantity": "1"}
    with refused(code):
        desk.place(**(good | change))
    assert desk.frames() == []
    assert desk.call("GET /fapi/v1/allOrders", symbol="TENUSDT") == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"timeInForce": "GTC"}, -1106),
        ({"price": "100"}, -1106),
        ({"priceMatch": "OPPONENT"}, -5038),
        ({"quantity": "200000"}, -4005),
        ({"quantity": "3000"}, -2019),
    ],
)
def test_refusals_of_a_market_order(change, code):
    with refused(code):
        Desk().place("BUY", "MARKET", **({"quantity": "1"} | change))


def test_a_price_between_the_ticks_and_a_quantity_between_the_steps():
    odd = tenner(price_places=3)
    desk = Desk(specs=(odd,))
    with refused(-4014):
        desk.place(price="90.005", quantity="1")
    desk.engine.change_spec("TENUSDT", desk.engine.now, step=Decimal("0.5"), min_qty=Decimal("0.5"))
    with refused(-4004):
        desk.place(price="90", quantity="0.3")
    with refused(-4023):
        desk.place(price="90", quantity="0.7")


def test_percent_price_is_one_sided():
    desk = Desk()
    assert desk.place("BUY", price="20", quantity="1")["status"] == "NEW"
    assert desk.place("SELL", price="300", quantity="1")["status"] == "NEW"


def test_a_market_order_is_refused_when_the_best_price_already_violates_percent_price():
    desk = Desk()
    desk.engine._world.markets["TENUSDT"].mark = Decimal(80)
    with refused(-4131):
        desk.market()


def test_a_market_order_takes_no_further_than_the_bound_and_expires_with_the_rest():
    desk = Desk(balance="100000000", level_notional=Decimal(1000), level_spacing=Decimal("0.01"))
    answer = desk.market(quantity="500")
    assert answer["status"] == "EXPIRED"
    assert 0 < Decimal(answer["executedQty"]) < 500
    last = desk.frames("ORDER_TRADE_UPDATE")[-1]["o"]
    assert (last["x"], last["er"]) == ("EXPIRED", "2")
    fills = desk.call("GET /fapi/v1/userTrades", symbol="TENUSDT")
    assert max(Decimal(f["price"]) for f in fills) <= Decimal("105.00")


def test_ioc_expires_with_er_2_and_fok_is_not_recorded():
    desk = Desk()
    desk.place(price="90", quantity="1", timeInForce="IOC")
    assert desk.story() == ["ORDER NEW NEW", "ORDER EXPIRED EXPIRED"]
    with refused(-5021):
        desk.place(price="90", quantity="1", timeInForce="FOK")
    assert desk.place(price="101", quantity="1", timeInForce="FOK")["status"] == "NEW"
    assert desk.amount() == 1


def test_gtx_that_would_take_may_be_accepted_and_expire_as_it_once_did():
    desk = Desk(gtx_expires=True)
    desk.place(price="101", quantity="1", timeInForce="GTX")
    assert desk.story() == ["ORDER NEW NEW", "ORDER EXPIRED EXPIRED"]


def test_gtd_ends_at_its_second():
    desk = Desk()
    until = desk.engine.now // MS + 700_400
    answer = desk.place(price="90", quantity="1", timeInForce="GTD", goodTillDate=until)
    assert answer["goodTillDate"] == until // 1000 * 1000
    desk.frames()
    desk.after(699)
    assert desk.frames() == []
    desk.after(2)
    assert desk.story() == ["ORDER EXPIRED EXPIRED"]


def test_price_match_takes_the_price_from_the_book():
    desk = Desk()
    queue = desk.place("BUY", quantity="1", priceMatch="QUEUE")
    assert (queue["price"], queue["priceMatch"]) == ("99.99", "QUEUE")
    deeper = desk.place("BUY", quantity="1", priceMatch="QUEUE_5")
    assert Decimal(deeper["price"]) < Decimal("99.99")
    desk.place("BUY", quantity="1", priceMatch="OPPONENT")
    assert desk.amount() == 1


def test_too_many_open_orders():
    desk = Desk(specs=(tenner(max_orders=2),))
    desk.place(price="90", quantity="1")
    desk.place(price="90", quantity="1")
    with refused(-2025):
        desk.place(price="90", quantity="1")


def test_order_test_checks_and_places_nothing():
    desk = Desk()
    base = {"symbol": "TENUSDT", "side": "BUY", "type": "MARKET"}
    desk.call("POST /fapi/v1/order/test", quantity="1", **base)
    with refused(-4003):
        desk.call("POST /fapi/v1/order/test", quantity="0", **base)
    assert desk.frames() == []


def test_a_limit_order_that_crosses_takes_and_the_rest_stands():
    desk = Desk(level_notional=Decimal(500))
    answer = desk.place(price="100.01", quantity="8", newOrderRespType="RESULT")
    assert answer["status"] == "PARTIALLY_FILLED"
    assert desk.story() == ["ORDER NEW NEW", *FILL[:2], "ORDER TRADE PARTIALLY_FILLED"]
