from decimal import Decimal

import pytest

from tests.simulator.engine.desk import Desk, quote, refused, tenner, trade


def resting(desk, **more):
    return desk.place(price="90", quantity="2", newClientOrderId="mine", **more)["orderId"]


def test_a_modify_keeps_both_ids_and_echoes_the_modify_id():
    desk = Desk()
    order_id = resting(desk)
    desk.frames()
    answer = desk.modify(orderId=order_id, quantity="3", price="91", modifyId="42")
    assert (answer["orderId"], answer["clientOrderId"], answer["modifyId"]) == (order_id, "mine", 42)
    assert "avgPrice" not in answer
    (frame,) = desk.frames()
    o = frame["o"]
    assert (o["x"], o["X"], o["M"], o["q"], o["p"]) == ("AMENDMENT", "NEW", "42", "3.0", "91.00")
    desk.modify(orderId=order_id, quantity="3", price="92")
    assert "M" not in desk.frames()[0]["o"]


def test_the_history_of_modifications():
    desk = Desk()
    order_id = resting(desk)
    desk.modify(orderId=order_id, quantity="3", price="91", modifyId="42")
    (row,) = desk.call("GET /fapi/v1/orderAmendment", symbol="TENUSDT", orderId=order_id)
    assert row["amendment"] == {
        "price": {"before": "90", "after": "91"},
        "origQty": {"before": "2", "after": "3"},
        "count": 1,
        "modifyId": "42",
    }
    assert (row["orderId"], row["clientOrderId"], row["pair"]) == (order_id, "mine", "TENUSDT")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"quantity": "2", "price": "90"}, -5027),
        ({"price": "90.001"}, -1111),
        ({"price": "116"}, -4016),
        ({"quantity": "0.15"}, -1111),
        ({"quantity": "0"}, -4003),
        ({"quantity": "0.1", "price": "45"}, -5029),
        ({"reduceOnly": "true"}, -5047),
        ({"side": "SELL"}, -1117),
        ({"price": None}, -1102),
        ({"quantity": None}, -1102),
        ({"orderId": "1"}, -2013),
        ({"orderId": None}, -1102),
        ({"quantity": "5000"}, -2019),
    ],
)
def test_a_refused_modify_leaves_the_order_untouched(change, code):
    desk = Desk()
    order_id = resting(desk)
    before = desk.order(orderId=order_id)
    desk.frames()
    given = {"orderId": order_id, "quantity": "3", "price": "91"} | change
    with refused(code):
        desk.modify(**{k: v for k, v in given.items() if v is not None})
    assert desk.order(orderId=order_id) == before
    assert desk.frames() == []


def test_the_tick_grid_holds_for_modifications_too():
    desk = Desk(specs=(tenner(price_places=3),))
    order_id = resting(desk)
    with refused(-4014):
        desk.modify(orderId=order_id, quantity="2", price="90.005")


def test_a_modified_order_loses_its_place_in_the_queue():
    desk = Desk(ticks=[quote(0, "99.99", "100.01"), trade(5, "99.99", "20")])
    desk.engine.advance(desk.engine.now)
    order_id = desk.place(price="99.99", quantity="5")["orderId"]
    order = desk.engine._world.orders.by_id[order_id]
    assert order.queue == 50
    desk.after(10)
    assert order.queue == 30
    desk.modify(orderId=order_id, quantity="6", price="99.99")
    assert order.queue == 50


def test_a_quantity_at_or_below_the_executed_cancels():
    desk = Desk(level_notional=Decimal(500))
    order_id = desk.place(price="100.01", quantity="8")["orderId"]
    done = desk.order(orderId=order_id)["executedQty"]
    desk.frames()
    answer = desk.modify(orderId=order_id, quantity=done, price="100.00")
    assert answer["status"] == "CANCELED"
    assert desk.story() == ["ORDER CANCELED CANCELED"]


def test_a_post_only_order_that_would_take_at_its_new_price_is_cancelled():
    desk = Desk()
    order_id = resting(desk, timeInForce="GTX")
    answer = desk.modify(orderId=order_id, quantity="2", price="100.50")
    assert answer["status"] == "CANCELED"
    assert desk.amount() == 0


def test_a_modify_into_the_book_takes():
    desk = Desk()
    order_id = resting(desk)
    desk.frames()
    assert desk.modify(orderId=order_id, quantity="2", price="100.50")["status"] == "FILLED"
    assert desk.story() == ["ORDER AMENDMENT NEW", "TRADE_LITE", "ACCOUNT ORDER", "ORDER TRADE FILLED"]


def test_the_number_of_modifications_is_limited():
    desk = Desk(specs=(tenner(max_modifies=1),))
    order_id = resting(desk)
    desk.modify(orderId=order_id, quantity="2", price="91")
    with refused(-5026):
        desk.modify(orderId=order_id, quantity="2", price="92")


def test_a_pending_modification_refuses_the_next():
    desk = Desk()
    desk.engine.faults.pending_modify_ns = 10**9
    order_id = resting(desk)
    desk.modify(orderId=order_id, quantity="2", price="91")
    with refused(-5043):
        desk.modify(orderId=order_id, quantity="2", price="92")
    desk.after(2)
    desk.modify(orderId=order_id, quantity="2", price="92")


def test_a_symbol_that_does_not_trade_allows_no_modification():
    desk = Desk()
    order_id = resting(desk)
    desk.engine.faults.halted["TENUSDT"] = "TRADING_HALT"
    with refused(-5024):
        desk.modify(orderId=order_id, quantity="2", price="91")


def test_the_reduce_only_hint_skips_the_notional_check_of_a_reduce_only_order():
    desk = Desk()
    desk.market(quantity="1")
    order_id = desk.place("SELL", price="110", quantity="1", reduceOnly=True)["orderId"]
    tiny = desk.engine.specs["TENUSDT"].min_notional * 100
    desk.engine.change_spec("TENUSDT", desk.engine.now, min_notional=tiny)
    with refused(-5029):
        desk.modify("SELL", orderId=order_id, quantity="1", price="111")
    desk.modify("SELL", orderId=order_id, quantity="1", price="111", reduceOnly=True)
    assert desk.order(orderId=order_id)["reduceOnly"] is True


def test_a_batch_of_modifications():
    desk = Desk()
    order_id = resting(desk)
    row = f'{{"symbol":"TENUSDT","side":"BUY","orderId":{order_id},"quantity":"2","price":"91"}}'
    answer = desk.call("PUT /fapi/v1/batchOrders", batchOrders=f"[{row},{row}]")
    assert [a.get("status", a.get("code")) for a in answer] == ["NEW", -5027]
