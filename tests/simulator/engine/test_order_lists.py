"""Batches, countdown, histories and their windows."""

from tests.simulator.engine.desk import Desk, refused


def test_a_batch_mixes_orders_and_errors_in_request_order():
    desk = Desk()
    one = '{"symbol":"TENUSDT","side":"BUY","type":"LIMIT","timeInForce":"GTC","quantity":"1","price":"90"}'
    bad = '{"symbol":"TENUSDT","side":"BUY","type":"STOP","quantity":"1","price":"90"}'
    answer = desk.call("POST /fapi/v1/batchOrders", batchOrders=f"[{one},{bad},{one}]")
    assert [a.get("status", a.get("code")) for a in answer] == ["NEW", -4120, "NEW"]
    with refused(-4082):
        desk.call("POST /fapi/v1/batchOrders", batchOrders="[" + ",".join([one] * 6) + "]")
    ids = [a["orderId"] for a in answer if "orderId" in a]
    gone = desk.call("DELETE /fapi/v1/batchOrders", symbol="TENUSDT", orderIdList=f"[{ids[0]},1]")
    assert [a.get("status", a.get("code")) for a in gone] == ["CANCELED", -2011]
    with refused(-4032):
        desk.call("DELETE /fapi/v1/batchOrders", symbol="TENUSDT", orderIdList=str(list(range(11))))


def test_countdown_cancels_regular_orders_when_it_runs_out():
    desk = Desk()
    desk.place(price="90", quantity="1")
    desk.algo("BUY", triggerPrice="120", quantity="1")
    answer = desk.call("POST /fapi/v1/countdownCancelAll", symbol="TENUSDT", countdownTime=10_000)
    assert answer == {"symbol": "TENUSDT", "countdownTime": "10000"}
    desk.after(6)
    desk.call("POST /fapi/v1/countdownCancelAll", symbol="TENUSDT", countdownTime=10_000)
    desk.after(6)
    assert len(desk.call("GET /fapi/v1/openOrders")) == 1
    desk.after(6)
    assert desk.call("GET /fapi/v1/openOrders") == []
    assert len(desk.call("GET /fapi/v1/openAlgoOrders")) == 1


def test_countdown_of_zero_disarms():
    desk = Desk()
    desk.place(price="90", quantity="1")
    desk.call("POST /fapi/v1/countdownCancelAll", symbol="TENUSDT", countdownTime=5_000)
    desk.call("POST /fapi/v1/countdownCancelAll", symbol="TENUSDT", countdownTime=0)
    desk.after(10)
    assert len(desk.call("GET /fapi/v1/openOrders")) == 1


def test_cancelled_orders_are_forgotten_after_three_days_and_all_after_ninety():
    desk = Desk()
    dead = desk.place(price="90", quantity="1")["orderId"]
    desk.cancel(orderId=dead)
    done = desk.market()["orderId"]
    desk.after(3 * 86_400 + 1)
    with refused(-2013):
        desk.order(orderId=dead)
    assert desk.order(orderId=done)["status"] == "FILLED"
    desk.after(87 * 86_400)
    with refused(-2013):
        desk.order(orderId=done)


def test_all_orders_gives_the_newest_and_user_trades_the_oldest_of_the_window():
    desk = Desk()
    for _ in range(3):
        desk.market()
        desk.after(1)
    orders = desk.call("GET /fapi/v1/allOrders", symbol="TENUSDT")
    trades = desk.call("GET /fapi/v1/userTrades", symbol="TENUSDT")
    assert len(orders) == len(trades) == 3
    newest = desk.call("GET /fapi/v1/allOrders", symbol="TENUSDT", limit=1)
    oldest = desk.call("GET /fapi/v1/userTrades", symbol="TENUSDT", limit=1)
    assert newest == orders[-1:]
    assert oldest == trades[:1]
    assert desk.call("GET /fapi/v1/userTrades", symbol="TENUSDT", fromId=trades[1]["id"]) == trades[1:]
    with refused(-1128):
        desk.call("GET /fapi/v1/userTrades", symbol="TENUSDT", fromId=1, startTime=1)
    with refused(-1127):
        desk.call("GET /fapi/v1/allOrders", symbol="TENUSDT", startTime=1, endTime=700_000_000_000)


def test_an_unknown_endpoint_is_a_404():
    with refused(-5000) as caught:
        Desk().call("GET /fapi/v1/nothing")
    assert caught.value.status == 404
