"""Stops, take-profits and trails: judged on the last trade price, locked at once (`binance-spot.md` 2)."""

from decimal import Decimal

import pytest

from tests.simulator.spot.desk import SpotDesk, filtered, refused

D = Decimal


@pytest.mark.parametrize(
    ("side", "kind", "stop", "quiet", "reached"),
    [
        ("SELL", "STOP_LOSS", "95", "95.5", "94"),
        ("BUY", "STOP_LOSS", "105", "104.5", "106"),
        ("SELL", "TAKE_PROFIT", "105", "104.5", "106"),
        ("BUY", "TAKE_PROFIT", "95", "95.5", "94"),
    ],
)
def test_a_stop_waits_off_the_book_and_becomes_a_market_order(side, kind, stop, quiet, reached):
    desk = SpotDesk()
    number = desk.place(side, kind, quantity="2", stopPrice=stop)["orderId"]
    new = desk.reports()[0]
    assert (new["w"], new["P"]) == (False, f"{stop}.00000000")
    assert "W" not in new
    asset, amount = ("TEN", D(2)) if side == "SELL" else ("USDT", 2 * D(stop))
    assert desk.balance(asset)[1] == amount
    row = desk.order(number)
    assert (row["isWorking"], row["workingTime"]) == (False, -1)
    desk.move(quiet)
    assert desk.order(number)["status"] == "NEW"
    desk.move(reached)
    row = desk.order(number)
    assert (row["status"], row["isWorking"]) == ("FILLED", True)
    assert row["workingTime"] > 0
    assert desk.story() == [f"{kind} NEW NEW", f"{kind} TRADE FILLED", "BALANCES"]
    assert desk.balance(asset)[1] == 0


def test_the_trigger_is_told_as_a_second_new_that_works():
    desk = SpotDesk()
    desk.place("SELL", "STOP_LOSS_LIMIT", quantity="2", stopPrice="95", price="94")
    desk.events()
    desk.move("94.5")
    reports = desk.reports()
    assert [(r["x"], r["w"]) for r in reports] == [("NEW", True), ("TRADE", False)]
    assert reports[1]["X"] == "FILLED"


def test_a_triggered_limit_that_finds_no_taker_rests():
    desk = SpotDesk()
    number = desk.place("SELL", "STOP_LOSS_LIMIT", quantity="2", stopPrice="95", price="98")["orderId"]
    desk.move("94")
    row = desk.order(number)
    assert (row["status"], row["isWorking"]) == ("NEW", True)
    assert desk.balance("TEN")[1] == 2
    desk.move("99")
    assert desk.order(number)["status"] == "FILLED"


def test_a_stop_on_the_wrong_side_would_trigger_immediately():
    desk = SpotDesk()
    for side, kind, stop in (
        ("SELL", "STOP_LOSS", "100.5"),
        ("BUY", "STOP_LOSS", "99"),
        ("SELL", "TAKE_PROFIT", "99"),
        ("BUY", "TAKE_PROFIT", "101"),
    ):
        with refused(-2010, "Order would trigger immediately."):
            desk.place(side, kind, quantity="1", stopPrice=stop)
    assert desk.story() == []


def test_a_sell_trail_follows_the_highest_trade_down():
    desk = SpotDesk()
    number = desk.place("SELL", "STOP_LOSS", quantity="1", trailingDelta=100)["orderId"]
    for price in ("103", "108", "107"):
        desk.move(price)
        assert desk.order(number)["status"] == "NEW"
    row = desk.order(number)
    assert row["trailingDelta"] == 100
    assert row["trailingTime"] > 0
    desk.move("106.9")
    assert desk.order(number)["status"] == "FILLED"


def test_a_trail_with_a_stop_price_starts_when_it_is_touched():
    desk = SpotDesk()
    number = desk.place("BUY", "TAKE_PROFIT", quantity="1", stopPrice="90", trailingDelta=200)["orderId"]
    desk.move("95")
    desk.move("99")
    assert desk.order(number)["trailingTime"] == -1
    desk.move("88")
    desk.move("89")
    assert desk.order(number)["status"] == "NEW"
    desk.move("89.8")
    assert desk.order(number)["status"] == "FILLED"


def test_trailing_delta_has_its_filter():
    desk = SpotDesk()
    with filtered("TRAILING_DELTA"):
        desk.place("SELL", "STOP_LOSS", quantity="1", trailingDelta=5)
    with filtered("TRAILING_DELTA"):
        desk.place("BUY", "TAKE_PROFIT", quantity="1", trailingDelta=2001)
    assert desk.call("GET openOrders") == []


def test_a_stop_that_buys_after_a_gap_buys_what_it_can_pay():
    desk = SpotDesk(funds={"USDT": D(1010)})
    number = desk.place("BUY", "STOP_LOSS", quantity="9.5", stopPrice="106")["orderId"]
    desk.move("150")
    row = desk.order(number)
    assert (row["status"], row["expiryReason"]) == ("EXPIRED", "INSUFFICIENT_LIQUIDITY")
    assert D(row["executedQty"]) == D("6.7")
    assert desk.balance("USDT")[0] >= 0
    assert desk.balance("USDT")[1] == 0
