"""Funding, margin calls, liquidation, deleveraging."""

from decimal import Decimal

import pytest

from tests.simulator.engine.desk import START, Desk, brief, mark, refused, tenner

D = Decimal
HOUR = 3600


def until_funding(desk):
    return (desk.engine._world.markets["TENUSDT"].next_funding - desk.engine.now) // 10**9


def test_funding_comes_every_eight_hours_and_long_pays_a_positive_rate():
    desk = Desk()
    desk.market(quantity="10")
    desk.frames()
    before = desk.wallet()
    desk.after(until_funding(desk) - 1)
    assert desk.frames() == []
    desk.after(2)
    (frame,) = desk.frames()
    body = frame["a"]
    assert (body["m"], body["S"], body["P"]) == ("FUNDING_FEE", "TENUSDT", [])
    paid = D(10) * D(100) * D("0.0001")
    assert desk.wallet() == before - paid
    assert D(body["B"][0]["bc"]) == -paid
    row = desk.call("GET /fapi/v1/income", incomeType="FUNDING_FEE")[0]
    assert D(row["income"]) == -paid
    assert (frame["T"] // 1000) % (8 * HOUR) == 0
    desk.after(8 * HOUR)
    assert [brief(f) for f in desk.frames()] == ["ACCOUNT FUNDING_FEE"]
    (first, second) = desk.call("GET /fapi/v1/fundingRate", symbol="TENUSDT")
    assert second["fundingTime"] - first["fundingTime"] == 8 * HOUR * 1000


def test_short_receives_and_an_isolated_position_comes_along():
    desk = Desk()
    desk.call("POST /fapi/v1/marginType", symbol="TENUSDT", marginType="ISOLATED")
    desk.market("SELL", "10")
    before = desk.wallet()
    desk.frames()
    desk.after(until_funding(desk) + 1)
    (frame,) = desk.frames()
    assert [p["ps"] for p in frame["a"]["P"]] == ["BOTH"]
    assert desk.wallet() == before + D("0.1")
    assert D(desk.position()["isolatedWallet"]) == D("49.995") + D("0.1")


def test_the_feed_sets_rate_and_the_symbol_its_own_interval():
    desk = Desk(ticks=[mark(0, "100", rate=D("-0.001"))], specs=(tenner(funding_hours=1),))
    desk.engine.advance(START)
    desk.market(quantity="10")
    before = desk.wallet()
    desk.after(until_funding(desk) + 1)
    assert desk.wallet() == before + D(1)
    assert until_funding(desk) <= HOUR
    assert desk.call("GET /fapi/v1/fundingInfo")[0]["fundingIntervalHours"] == 1


def test_a_cross_position_is_liquidated_when_the_balance_meets_the_maintenance_margin():
    desk = Desk(balance="100")
    desk.market(quantity="18")
    desk.place(price="90", quantity="0.5")
    desk.algo(triggerPrice="94", closePosition=True)
    price = D(desk.position()["liquidationPrice"])
    desk.move(price + D("0.05"))
    assert desk.amount() == 18
    desk.frames()
    desk.move(price - D("0.05"))
    frames = desk.frames()
    assert [brief(f) for f in frames][:3] == [
        "ORDER EXPIRED EXPIRED",
        "ORDER CALCULATED FILLED",
        "ACCOUNT ORDER",
    ]
    assert frames[0]["o"]["er"] == "5"
    order = frames[1]["o"]
    assert order["c"].startswith("autoclose-")
    assert (order["o"], order["f"], order["x"], order["S"]) == ("LIMIT", "IOC", "CALCULATED", "SELL")
    assert brief(frames[-1]) == "ALGO EXPIRED"
    assert desk.amount() == 0
    assert 0 <= desk.wallet() < D(100) - 18 * (D("100.01") - price) + 1
    (row,) = desk.call("GET /fapi/v1/forceOrders")
    assert row["clientOrderId"] == order["c"]
    assert desk.call("GET /fapi/v1/forceOrders", autoCloseType="ADL") == []


def test_a_gap_beyond_bankruptcy_is_taken_by_the_insurance_fund():
    desk = Desk(balance="100")
    desk.market(quantity="18")
    fund = desk.engine._world.insurance
    desk.move("50")
    assert desk.amount() == 0
    assert desk.wallet() >= 0
    assert desk.engine._world.insurance < fund


def test_an_isolated_liquidation_leaves_the_rest_of_the_wallet_alone():
    desk = Desk(balance="1000")
    desk.call("POST /fapi/v1/marginType", symbol="TENUSDT", marginType="ISOLATED")
    desk.market(quantity="10")
    apart = D(desk.position()["isolatedWallet"])
    before = desk.wallet()
    desk.move("50")
    assert desk.amount() == 0
    assert before - desk.wallet() <= apart + D("0.1")
    account = desk.call("GET /fapi/v3/account")
    assert account["totalCrossWalletBalance"] == account["totalWalletBalance"]


def test_a_margin_call_comes_once_before_the_liquidation():
    desk = Desk(balance="100")
    desk.market(quantity="18")
    liquidation = D(desk.position()["liquidationPrice"])
    desk.frames()
    desk.move(liquidation + D("0.05"))
    desk.move(liquidation + D("0.04"))
    (frame,) = desk.frames()
    assert frame["e"] == "MARGIN_CALL"
    assert frame["p"][0]["s"] == "TENUSDT"


def test_a_deleveraging_closes_at_mark_without_commission():
    desk = Desk()
    desk.market(quantity="2")
    desk.algo(triggerPrice="95", closePosition=True)
    desk.frames()
    desk.engine.force_adl("a", "TENUSDT", desk.engine.now)
    frames = desk.frames()
    order = frames[0]["o"]
    assert (order["c"], order["x"], order["X"]) == ("adl_autoclose", "CALCULATED", "FILLED")
    assert "n" not in order
    assert [brief(f) for f in frames[1:]] == ["ACCOUNT ORDER", "ALGO EXPIRED"]
    assert desk.amount() == 0


def test_a_forced_liquidation_names_its_side_in_hedge_mode():
    desk = Desk(hedge=True)
    desk.market("BUY", positionSide="LONG")
    desk.market("SELL", positionSide="SHORT")
    desk.engine.force_liquidation("a", "TENUSDT", desk.engine.now, position_side="SHORT")
    assert (desk.amount("LONG"), desk.amount("SHORT")) == (1, 0)
    desk.engine.force_liquidation("a", "TENUSDT", desk.engine.now, position_side="SHORT")
    with refused(-1121):
        desk.engine.force_adl("a", "NOPE", desk.engine.now)


def test_an_empty_insurance_fund_deleverages_the_other_side():
    desk = Desk(balance="100", insurance_fund=D(1))
    desk.engine.open_account("b", balance=D(10_000))
    desk.market(quantity="18")
    desk.call("POST /fapi/v1/order", account="b", symbol="TENUSDT", side="SELL", type="MARKET", quantity="10")
    desk.frames()
    desk.move("50")
    told = [
        (account, f["o"]["c"])
        for account, f in desk.engine.take_user_events()
        if f["e"] == "ORDER_TRADE_UPDATE" and f["o"]["x"] == "CALCULATED"
    ]
    assert [account for account, _ in told] == ["a", "b"]
    assert told[1][1] == "adl_autoclose"


@pytest.mark.parametrize("price", ["99.5", "104", "90", "130"])
def test_the_band_of_safe_marks_never_hides_a_liquidation(price):
    desk = Desk(balance="100")
    desk.market(quantity="18")
    liquidation = D(desk.position()["liquidationPrice"])
    desk.move(price)
    assert (desk.amount() == 0) == (D(price) <= liquidation)
