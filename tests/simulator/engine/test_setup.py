"""Modes, leverage, margin type, isolated margin, and their refusals."""

from decimal import Decimal

import pytest

from tests.simulator.engine.desk import Desk, brief, refused


def set_leverage(desk, value):
    return desk.call("POST /fapi/v1/leverage", symbol="TENUSDT", leverage=value)


def set_margin(desk, kind):
    return desk.call("POST /fapi/v1/marginType", symbol="TENUSDT", marginType=kind)


def test_leverage_answers_the_applied_value_and_tells_of_it():
    desk = Desk()
    assert set_leverage(desk, 10) == {"leverage": 10, "maxNotionalValue": "5000000", "symbol": "TENUSDT"}
    (frame,) = desk.frames()
    assert (frame["e"], frame["ac"]) == ("ACCOUNT_CONFIG_UPDATE", {"s": "TENUSDT", "l": 10})
    row = desk.call("GET /fapi/v1/symbolConfig", symbol="TENUSDT")[0]
    assert (row["leverage"], row["marginType"]) == (10, "CROSSED")


def test_leverage_refusals():
    desk = Desk()
    for bad in (0, 76):
        with refused(-4028):
            set_leverage(desk, bad)
    desk.market(quantity="1900")
    with refused(-2028):
        set_leverage(desk, 1)
    rich = Desk(balance="1000000")
    rich.market(quantity="1900")
    with refused(-2027):
        set_leverage(rich, 50)
    isolated = Desk()
    set_margin(isolated, "ISOLATED")
    isolated.market()
    with refused(-4161):
        set_leverage(isolated, 10)
    set_leverage(isolated, 25)


def test_an_entry_beyond_the_cap_at_this_leverage_is_refused():
    desk = Desk(balance="10000000")
    set_leverage(desk, 75)
    with refused(-2027):
        desk.place(price="99", quantity="102")
    desk.place(price="99", quantity="101")
    with refused(-2027):
        desk.place(price="98", quantity="1")


def test_margin_type_changes_and_refusals():
    desk = Desk()
    with refused(-4046):
        set_margin(desk, "CROSSED")
    with refused(-1130):
        set_margin(desk, "HALF")
    order = desk.place(price="90", quantity="1")["orderId"]
    with refused(-4047):
        set_margin(desk, "ISOLATED")
    desk.cancel(orderId=order)
    desk.market()
    with refused(-4048):
        set_margin(desk, "ISOLATED")
    desk.market("SELL")
    desk.frames()
    assert set_margin(desk, "ISOLATED") == {"code": 200, "msg": "success"}
    (frame,) = desk.frames()
    assert frame["a"]["m"] == "MARGIN_TYPE_CHANGE"
    assert frame["a"]["P"][0]["mt"] == "isolated"
    assert desk.position()["marginType"] == "isolated"


def test_position_mode_refusals():
    desk = Desk()
    path = "POST /fapi/v1/positionSide/dual"
    with refused(-4059):
        desk.call(path, dualSidePosition=False)
    stop = desk.algo("BUY", triggerPrice="120", quantity="1")
    with refused(-4067):
        desk.call(path, dualSidePosition=True)
    desk.call("DELETE /fapi/v1/algoOrder", algoId=stop["algoId"])
    desk.market()
    with refused(-4068):
        desk.call(path, dualSidePosition=True)
    desk.market("SELL")
    desk.frames()
    desk.call(path, dualSidePosition=True)
    assert desk.frames() == []
    assert desk.call("GET /fapi/v1/positionSide/dual") == {"dualSidePosition": True}
    assert desk.call("GET /fapi/v1/accountConfig")["dualSidePosition"] is True


def test_multi_assets_mode_and_refusals():
    desk = Desk()
    path = "POST /fapi/v1/multiAssetsMargin"
    with refused(-4171):
        desk.call(path, multiAssetsMargin=False)
    order = desk.place(price="90", quantity="1")["orderId"]
    with refused(-4170):
        desk.call(path, multiAssetsMargin=True)
    desk.cancel(orderId=order)
    set_margin(desk, "ISOLATED")
    with refused(-4167):
        desk.call(path, multiAssetsMargin=True)
    set_margin(desk, "CROSSED")
    desk.frames()
    desk.call(path, multiAssetsMargin=True)
    assert desk.frames()[0]["ai"] == {"j": True}
    with refused(-4168):
        set_margin(desk, "ISOLATED")


def test_isolated_margin_is_set_apart_and_can_be_moved():
    desk = Desk()
    move = "POST /fapi/v1/positionMargin"
    with refused(-4049):
        desk.call(move, symbol="TENUSDT", type=1, amount="5")
    set_margin(desk, "ISOLATED")
    with refused(-4054):
        desk.call(move, symbol="TENUSDT", type=1, amount="5")
    desk.market(quantity="2")
    row = desk.position()
    assert Decimal(row["isolatedWallet"]) == Decimal("10.001")
    with refused(-4055):
        desk.call(move, symbol="TENUSDT", type=1, amount="0")
    with refused(-4050):
        desk.call(move, symbol="TENUSDT", type=1, amount="100000")
    with refused(-4051):
        desk.call(move, symbol="TENUSDT", type=2, amount="5")
    before = Decimal(row["liquidationPrice"])
    desk.frames()
    answer = desk.call(move, symbol="TENUSDT", type=1, amount="5")
    assert (answer["amount"], answer["code"], answer["type"]) == (5, 200, 1)
    assert brief(desk.frames()[0]) == "ACCOUNT MARGIN_TRANSFER"
    assert Decimal(desk.position()["isolatedWallet"]) == Decimal("15.001")
    assert Decimal(desk.position()["liquidationPrice"]) < before
    desk.call(move, symbol="TENUSDT", type=2, amount="2.5")
    history = desk.call("GET /fapi/v1/positionMargin/history", symbol="TENUSDT")
    assert [h["type"] for h in history] == [1, 2]


def test_closing_an_isolated_position_gives_its_margin_back():
    desk = Desk()
    set_margin(desk, "ISOLATED")
    desk.market(quantity="2")
    desk.market("SELL", "2")
    account = desk.call("GET /fapi/v3/account")
    assert account["totalCrossWalletBalance"] == account["totalWalletBalance"]


@pytest.mark.parametrize("code", [-4087, -4088, -4400, -4401])
def test_restricted_accounts_may_only_reduce(code):
    desk = Desk()
    desk.market()
    desk.engine.faults.restricted["a"] = code
    with refused(code):
        desk.market()
    desk.market("SELL", reduceOnly=True)


@pytest.mark.parametrize(
    ("side", "control", "code"), [("BUY", "BOTH", -4517), ("BUY", "BUY", -4518), ("SELL", "SELL", -4519)]
)
def test_position_control_of_a_symbol(side, control, code):
    desk = Desk()
    desk.engine.change_spec("TENUSDT", desk.engine.now, position_control=control)
    with refused(code):
        desk.market(side)


@pytest.mark.parametrize(
    ("status", "opening", "closing"),
    [("TRADING_HALT", -4140, -1122), ("CLOSE", -4141, -4141), ("PRE_SETTLE", -4140, None)],
)
def test_symbol_status(status, opening, closing):
    desk = Desk()
    desk.market()
    desk.engine.faults.halted["TENUSDT"] = status
    with refused(opening):
        desk.market()
    if closing is None:
        desk.market("SELL", reduceOnly=True)
    else:
        with refused(closing):
            desk.market("SELL", reduceOnly=True)
    listed = desk.call("GET /fapi/v1/exchangeInfo")["symbols"]
    assert next(s["status"] for s in listed if s["symbol"] == "TENUSDT") == status


def test_fee_burn_is_remembered():
    desk = Desk()
    desk.call("POST /fapi/v1/feeBurn", feeBurn=False)
    assert desk.call("GET /fapi/v1/feeBurn") == {"feeBurn": False}
