"""Reduce-only rules, flips, hedge mode, self-trade prevention."""

from decimal import Decimal

import pytest

from tests.simulator.engine.desk import FILL, Desk, brief, refused


def test_the_entry_is_the_weighted_average_and_a_reduction_leaves_it():
    desk = Desk()
    desk.market(quantity="1")
    desk.move("110")
    desk.market(quantity="1")
    entry = Decimal(desk.position()["entryPrice"])
    assert entry == (Decimal("100.01") + Decimal("110.00")) / 2
    desk.market("SELL", "1")
    assert Decimal(desk.position()["entryPrice"]) == entry


def test_a_flip_closes_then_opens_at_the_fill_price():
    desk = Desk()
    desk.market(quantity="1")
    desk.move("110")
    desk.frames()
    desk.market("SELL", "3")
    assert desk.amount() == -2
    assert Decimal(desk.position()["entryPrice"]) == Decimal("109.99")
    fill = desk.frames("ORDER_TRADE_UPDATE")[-1]["o"]
    assert fill["rp"] == "9.98"


def test_break_even_is_the_entry_moved_by_the_fees_paid():
    desk = Desk()
    desk.place(price="99", quantity="1")
    desk.move("98.50")
    row = desk.position()
    assert Decimal(row["breakEvenPrice"]) == Decimal(99) * Decimal("1.0002")


def test_reduce_only_needs_an_opposite_position():
    desk = Desk()
    for kind in ({"type": "MARKET"}, {"price": "110"}):
        with refused(-2022):
            desk.place("SELL", quantity="1", reduceOnly=True, **kind)
    desk.market()
    with refused(-2022):
        desk.place("BUY", price="90", quantity="1", reduceOnly=True)


def test_reduce_only_is_refused_once_others_cover_the_position():
    desk = Desk()
    desk.market(quantity="2")
    desk.place("SELL", price="110", quantity="1", reduceOnly=True)
    desk.place("SELL", price="111", quantity="1", reduceOnly=True)
    with refused(-2022):
        desk.place("SELL", price="112", quantity="1", reduceOnly=True)
    with refused(-2022):
        desk.place("SELL", "MARKET", quantity="2", reduceOnly=True)


def test_a_reduce_only_market_order_stops_at_flat_with_er_4():
    desk = Desk()
    desk.market(quantity="1")
    desk.frames()
    answer = desk.market("SELL", "5", reduceOnly=True)
    assert (answer["status"], answer["executedQty"]) == ("EXPIRED", "1.0")
    assert desk.amount() == 0
    assert desk.frames("ORDER_TRADE_UPDATE")[-1]["o"]["er"] == "4"


def test_reduce_only_orders_skip_the_notional_minimum():
    desk = Desk()
    desk.market(quantity="1")
    desk.place("SELL", "MARKET", quantity="0.9")
    with refused(-4164):
        desk.place("BUY", price="40", quantity="0.1")
    desk.engine.change_spec("TENUSDT", desk.engine.now, min_notional=Decimal(20))
    with refused(-4164):
        desk.place("SELL", price="101", quantity="0.1")
    assert desk.place("SELL", price="101", quantity="0.1", reduceOnly=True)["status"] == "NEW"


def test_resting_reduce_only_orders_shrink_then_expire_with_the_position():
    desk = Desk()
    desk.market(quantity="3")
    near = desk.place("SELL", price="110", quantity="2", reduceOnly=True)["orderId"]
    far = desk.place("SELL", price="120", quantity="1", reduceOnly=True)["orderId"]
    desk.frames()
    desk.market("SELL", "1.5")
    told = desk.frames("ORDER_TRADE_UPDATE")[-2:]
    assert [(f["o"]["i"], f["o"]["x"], f["o"]["q"], f["o"]["er"]) for f in told] == [
        (near, "AMENDMENT", "1.5", "0"),
        (far, "EXPIRED", "1.0", "4"),
    ]
    assert desk.order(orderId=near)["origQty"] == "1.5"
    desk.market("SELL", "1.5")
    assert desk.order(orderId=near)["status"] == "EXPIRED"


def test_reduce_only_orders_of_the_old_side_expire_in_a_flip():
    desk = Desk()
    desk.market(quantity="1")
    order = desk.place("SELL", price="110", quantity="1", reduceOnly=True)["orderId"]
    desk.market("SELL", "2")
    assert desk.order(orderId=order)["status"] == "EXPIRED"


def test_stacked_orders_that_would_flip_fail_reduce_only_when_margin_is_short():
    desk = Desk(balance="16.5")
    desk.call("POST /fapi/v1/leverage", symbol="TENUSDT", leverage=5)
    desk.market(quantity="0.8")
    desk.place("SELL", price="100.5", quantity="0.8")
    with refused(-4118):
        desk.place("SELL", price="110", quantity="0.8", reduceOnly=True)


def test_hedge_mode_needs_the_position_side_and_forbids_reduce_only():
    desk = Desk(hedge=True)
    with refused(-4061):
        desk.market()
    with refused(-4061):
        desk.market(positionSide="BOTH")
    with refused(-1106):
        desk.place("SELL", price="110", quantity="1", positionSide="LONG", reduceOnly=True)
    with refused(-1106):
        desk.algo(triggerPrice="95", quantity="1", positionSide="LONG", reduceOnly=True)


def test_hedge_sides_are_separate_and_only_reduce_on_the_closing_side():
    desk = Desk(hedge=True)
    with refused(-2022):
        desk.market("SELL", positionSide="LONG")
    desk.market("BUY", "2", positionSide="LONG")
    desk.market("SELL", "1", positionSide="SHORT")
    assert (desk.amount("LONG"), desk.amount("SHORT")) == (2, -1)
    with refused(-2024):
        desk.market("SELL", "2.1", positionSide="LONG")
    desk.place("SELL", price="110", quantity="2", positionSide="LONG")
    with refused(-2022):
        desk.market("SELL", "1", positionSide="LONG")
    desk.market("BUY", "1", positionSide="SHORT")
    assert (desk.amount("LONG"), desk.amount("SHORT")) == (2, 0)


def test_in_hedge_mode_the_both_row_comes_along():
    desk = Desk(hedge=True)
    desk.market(positionSide="LONG")
    rows = desk.frames("ACCOUNT_UPDATE")[0]["a"]["P"]
    assert [(r["ps"], r["pa"]) for r in rows] == [("BOTH", "0"), ("LONG", "1")]


def test_in_hedge_mode_v3_shows_the_live_rows_and_v2_both():
    desk = Desk(hedge=True)
    desk.market(positionSide="LONG")
    v3 = desk.call("GET /fapi/v3/positionRisk")
    v2 = desk.call("GET /fapi/v2/positionRisk", symbol="TENUSDT")
    assert [r["positionSide"] for r in v3] == ["LONG"]
    assert [r["positionSide"] for r in v2] == ["LONG", "SHORT"]


def test_hedge_close_position_stops_of_both_sides():
    desk = Desk(hedge=True)
    desk.market("BUY", positionSide="LONG")
    desk.market("SELL", positionSide="SHORT")
    with refused(-4136):
        desk.algo("BUY", triggerPrice="105", closePosition=True, positionSide="LONG")
    desk.algo("SELL", triggerPrice="95", closePosition=True, positionSide="LONG")
    desk.algo("BUY", triggerPrice="105", closePosition=True, positionSide="SHORT")
    desk.move("94")
    assert (desk.amount("LONG"), desk.amount("SHORT")) == (0, -1)
    assert len(desk.call("GET /fapi/v1/openAlgoOrders")) == 1


def test_a_hedge_stop_larger_than_its_position_is_rejected_at_the_trigger():
    desk = Desk(hedge=True)
    desk.market("BUY", "2", positionSide="LONG")
    desk.algo(triggerPrice="95", quantity="2", positionSide="LONG")
    desk.market("SELL", "1", positionSide="LONG")
    desk.frames()
    desk.move("94")
    assert [f["o"]["X"] for f in desk.frames()] == ["TRIGGERING", "REJECTED"]


@pytest.mark.parametrize(
    ("mode", "told", "amount"),
    [
        ("EXPIRE_MAKER", ["ORDER NEW NEW", "ORDER EXPIRED EXPIRED_IN_MATCH", *FILL], "1"),
        ("EXPIRE_TAKER", ["ORDER NEW NEW", "ORDER EXPIRED EXPIRED_IN_MATCH"], "0"),
        (
            "EXPIRE_BOTH",
            ["ORDER NEW NEW", "ORDER EXPIRED EXPIRED_IN_MATCH", "ORDER EXPIRED EXPIRED_IN_MATCH"],
            "0",
        ),
    ],
)
def test_self_trade_prevention(mode, told, amount):
    desk = Desk()
    desk.place("SELL", price="100.01", quantity="1")
    desk.frames()
    desk.market(quantity="1", selfTradePreventionMode=mode)
    frames = desk.frames()
    assert [brief(f) for f in frames] == told
    assert desk.amount() == Decimal(amount)
    stopped = [f["o"]["er"] for f in frames if f.get("o", {}).get("X") == "EXPIRED_IN_MATCH"]
    assert stopped[0] == ("3" if mode == "EXPIRE_TAKER" else "1")
