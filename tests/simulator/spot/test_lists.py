"""Order lists: shared locks, the leg that works, the legs that wait (`binance-spot.md` section 4)."""

from decimal import Decimal

import pytest

from tests.simulator.engine.desk import quote, trade
from tests.simulator.spot.desk import SpotDesk, filtered, refused, tenner

D = Decimal
WORK = {"workingType": "LIMIT", "workingSide": "BUY", "workingTimeInForce": "GTC"}
PAIR = {"pendingAboveType": "LIMIT_MAKER", "pendingAbovePrice": "110"} | {
    "pendingBelowType": "STOP_LOSS",
    "pendingBelowStopPrice": "90",
}


def after_buy(desk, kind, price="99", size="2", **more):
    fixed = WORK | {"symbol": "TENUSDT", "workingPrice": price, "workingQuantity": size}
    return desk.call(f"POST orderList/{kind}", **(fixed | more))


def test_an_oco_locks_once_and_tells_its_legs_and_itself():
    desk = SpotDesk()
    answer = desk.bracket(quantity="5", listClientOrderId="pair", aboveClientOrderId="tp")
    assert (answer["contingencyType"], answer["listStatusType"]) == ("OCO", "EXEC_STARTED")
    assert answer["listClientOrderId"] == "pair"
    assert next(o["clientOrderId"] for o in answer["orders"]) == "tp"
    assert [r["type"] for r in answer["orderReports"]] == ["LIMIT_MAKER", "STOP_LOSS"]
    assert desk.balance("TEN") == (45, 5)
    assert desk.story() == [
        "LIMIT_MAKER NEW NEW",
        "STOP_LOSS NEW NEW",
        "LIST EXEC_STARTED EXECUTING",
        "BALANCES",
    ]


def test_the_profit_leg_fills_and_the_stop_expires():
    desk = SpotDesk()
    answer = desk.bracket(quantity="5")
    desk.events()
    desk.move("111")
    assert desk.story() == [
        "LIMIT_MAKER TRADE FILLED",
        "STOP_LOSS EXPIRED EXPIRED OCO_TRIGGER",
        "LIST ALL_DONE ALL_DONE",
        "BALANCES",
    ]
    assert desk.balance("TEN") == (45, 0)
    found = desk.call("GET orderList", orderListId=answer["orderListId"])
    assert found["listOrderStatus"] == "ALL_DONE"
    assert desk.call("GET openOrderList") == []
    assert len(desk.call("GET allOrderList")) == 1


def test_the_stop_leg_triggers_and_the_profit_leg_expires():
    desk = SpotDesk()
    desk.bracket(quantity="5")
    desk.events()
    desk.move("89")
    assert desk.story() == [
        "STOP_LOSS NEW NEW",
        "LIMIT_MAKER EXPIRED EXPIRED OCO_TRIGGER",
        "STOP_LOSS TRADE FILLED",
        "LIST ALL_DONE ALL_DONE",
        "BALANCES",
    ]
    assert desk.balance("TEN") == (45, 0)


def test_the_first_part_of_a_fill_ends_the_other_leg():
    desk = SpotDesk(
        ticks=[quote(0, "99.99", "100", qty="1"), trade(2, "110", "1.5", buyer_maker=False)], queue_share=D(0)
    )
    desk.after(1)
    desk.bracket(quantity="5")
    desk.events()
    desk.after(2)
    assert desk.story() == [
        "LIMIT_MAKER TRADE PARTIALLY_FILLED",
        "STOP_LOSS EXPIRED EXPIRED OCO_TRIGGER",
        "BALANCES",
    ]
    assert desk.balance("TEN")[1] == D("3.5")


def test_a_buy_oco_locks_the_dearer_leg():
    desk = SpotDesk()
    desk.oco(
        "BUY",
        "2",
        aboveType="STOP_LOSS_LIMIT",
        abovePrice="112",
        aboveStopPrice="110",
        aboveTimeInForce="GTC",
        belowType="LIMIT_MAKER",
        belowPrice="90",
    )
    assert desk.balance("USDT")[1] == 224
    desk.move("89")
    assert desk.balance("USDT") == (D(10_000 - 180), 0)


def test_cancelling_one_leg_cancels_the_list():
    desk = SpotDesk()
    answer = desk.bracket(quantity="5")
    desk.events()
    gone = desk.cancel(orderId=answer["orders"][1]["orderId"], newClientOrderId="bye")
    assert {r["clientOrderId"] for r in gone["orderReports"]} == {"bye"}
    assert desk.story() == [
        "LIMIT_MAKER CANCELED CANCELED",
        "STOP_LOSS CANCELED CANCELED",
        "LIST ALL_DONE ALL_DONE",
        "BALANCES",
    ]
    assert desk.balance("TEN") == (50, 0)
    with refused(-2011):
        desk.call("DELETE orderList", symbol="TENUSDT", orderListId=answer["orderListId"])


def test_a_list_is_cancelled_by_its_id():
    desk = SpotDesk()
    desk.bracket(listClientOrderId="pair")
    gone = desk.call("DELETE orderList", symbol="TENUSDT", listClientOrderId="pair")
    assert [r["status"] for r in gone["orderReports"]] == ["CANCELED", "CANCELED"]


@pytest.mark.parametrize(
    ("side", "legs", "code"),
    [
        ("SELL", {"aboveType": "STOP_LOSS", "abovePrice": None, "aboveStopPrice": "110"}, -1197),
        ("SELL", {"belowType": "LIMIT_MAKER", "belowPrice": "90", "belowStopPrice": None}, -1166),
        ("SELL", {"belowType": "TAKE_PROFIT"}, -1199),
        ("SELL", {"aboveType": "MARKET", "abovePrice": None}, -1158),
        ("BUY", {}, -1165),
        ("BUY", {"aboveType": "TAKE_PROFIT", "abovePrice": None, "aboveStopPrice": "110"}, -1198),
        ("BUY", {"aboveType": "STOP_LOSS", "abovePrice": None, "aboveStopPrice": "110"}, -1196),
        ("SELL", {"abovePrice": "89"}, -2010),
        ("SELL", {"belowStopPrice": "101"}, -2010),
        ("SELL", {"aboveType": None}, -1102),
    ],
)
def test_legs_on_the_wrong_side_are_refused(side, legs, code):
    desk = SpotDesk()
    usual = {
        "aboveType": "LIMIT_MAKER",
        "abovePrice": "110",
        "belowType": "STOP_LOSS",
        "belowStopPrice": "90",
    }
    given = {k: v for k, v in (usual | legs).items() if v is not None}
    with refused(code):
        desk.oco(side, **given)
    assert desk.story() == []


def test_two_limits_are_no_oco_whatever_their_sides():
    desk = SpotDesk(spec=tenner(oco=False))
    with refused(-2010, "not supported for this symbol"):
        desk.bracket()
    assert desk.call("GET openOrders") == []


def test_lists_and_stops_are_counted():
    desk = SpotDesk(spec=tenner(max_lists=1))
    desk.bracket()
    with filtered("MAX_NUM_ORDER_LISTS"):
        desk.bracket()
    few = SpotDesk(spec=tenner(max_algo_orders=1))
    few.bracket()
    with filtered("MAX_NUM_ALGO_ORDERS"):
        few.bracket()
    assert len(few.call("GET openOrders")) == 2


def test_the_old_oco_endpoint_tells_the_legs_by_the_side():
    desk = SpotDesk()
    answer = desk.call(
        "POST order/oco",
        symbol="TENUSDT",
        side="SELL",
        quantity="1",
        price="110",
        stopPrice="90",
        stopLimitPrice="89",
        stopLimitTimeInForce="GTC",
    )
    assert [r["type"] for r in answer["orderReports"]] == ["LIMIT_MAKER", "STOP_LOSS_LIMIT"]


def test_an_oto_waits_for_the_whole_working_order():
    desk = SpotDesk(ticks=[quote(0, "99.99", "100"), trade(2, "99", "60"), trade(3, "98.5", "1")])
    desk.after(1)
    answer = after_buy(
        desk, "oto", pendingType="LIMIT_MAKER", pendingSide="SELL", pendingPrice="110", pendingQuantity="1.9"
    )
    pending = answer["orderReports"][1]
    assert (pending["status"], pending["workingTime"]) == ("PENDING_NEW", -1)
    assert desk.balance("TEN")[1] == 0
    desk.events()
    desk.after(5)
    assert desk.order(pending["orderId"])["status"] == "NEW"
    assert desk.balance("TEN")[1] == D("1.9")
    assert desk.story() == ["LIMIT TRADE FILLED", "LIMIT_MAKER NEW NEW", "BALANCES"]


def test_an_otoco_that_fills_at_once_still_answers_pending_new():
    desk = SpotDesk()
    answer = after_buy(desk, "otoco", price="101", pendingSide="SELL", pendingQuantity="1.9", **PAIR)
    assert [r["status"] for r in answer["orderReports"]] == ["FILLED", "PENDING_NEW", "PENDING_NEW"]
    assert desk.story() == [
        "LIMIT NEW NEW",
        "LIMIT_MAKER NEW PENDING_NEW",
        "STOP_LOSS NEW PENDING_NEW",
        "LIST EXEC_STARTED EXECUTING",
        "LIMIT TRADE FILLED",
        "LIMIT_MAKER NEW NEW",
        "STOP_LOSS NEW NEW",
        "BALANCES",
    ]
    assert desk.balance("TEN")[1] == D("1.9")
    desk.move("89")
    assert desk.story()[-2:] == ["LIST ALL_DONE ALL_DONE", "BALANCES"]


def test_an_opo_sells_what_its_buy_received():
    desk = SpotDesk(funds={"TEN": D(0)})
    answer = after_buy(desk, "opo", price="101", size="5", pendingType="LIMIT_MAKER", pendingPrice="110")
    row = desk.order(answer["orders"][1]["orderId"])
    assert row["origQty"] == "4.90000000"
    assert desk.balance("TEN") == (D("0.095"), D("4.9"))


def test_an_opoco_brackets_what_its_buy_received():
    desk = SpotDesk(funds={"TEN": D(0)})
    after_buy(desk, "opoco", price="101", size="5", **PAIR)
    assert {o["origQty"] for o in desk.call("GET openOrders")} == {"4.90000000"}
    with refused(-1106):
        after_buy(desk, "opoco", pendingQuantity="1", **PAIR)


def test_pending_legs_end_with_their_working_order():
    desk = SpotDesk()
    answer = after_buy(desk, "otoco", pendingSide="SELL", pendingQuantity="2", **PAIR)
    desk.events()
    desk.cancel(orderId=answer["orders"][0]["orderId"])
    assert desk.story() == [
        "LIMIT CANCELED CANCELED",
        "LIMIT_MAKER CANCELED CANCELED",
        "STOP_LOSS CANCELED CANCELED",
        "LIST ALL_DONE ALL_DONE",
        "BALANCES",
    ]
    expiring = {"workingTimeInForce": "FOK", "workingPrice": "95"}
    after_buy(desk, "otoco", pendingSide="SELL", pendingQuantity="2", **PAIR, **expiring)
    assert "LIMIT_MAKER EXPIRED EXPIRED OTO_PHASE_ONE_EXPIRED" in desk.story()


def test_pending_legs_without_funds_expire():
    desk = SpotDesk(funds={"TEN": D(0)})
    after_buy(desk, "otoco", price="101", pendingSide="SELL", pendingQuantity="2", **PAIR)
    story = desk.story()
    assert "STOP_LOSS EXPIRED EXPIRED REJECTED" in story
    assert story[-2:] == ["LIST ALL_DONE ALL_DONE", "BALANCES"]
