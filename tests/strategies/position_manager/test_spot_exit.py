"""The position manager's answer for a spot holding: the list, or the one of its legs that can stand now."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from backstay.core.events import Effect
from backstay.core.slots import SlotKey, WatchSide
from backstay.core.types import (
    SECOND,
    Direction,
    OrderType,
    PositionMode,
    PositionSide,
    Product,
    Role,
    Scope,
    Side,
    TimeInForce,
)
from backstay.core.view import PositionView
from backstay.strategies.position_manager.policy import (
    BreakEvenPolicy,
    PositionPolicy,
    StopKind,
    StopPolicy,
    TakeProfitKind,
    TakeProfitLevel,
    TakeProfitPolicy,
    TimeStopPolicy,
)
from backstay.strategies.position_manager.wanted import wanted
from backstay.testing.builders import refusals
from backstay.testing.spot import spot_instrument

D = Decimal
RULES = spot_instrument()
STOP = StopPolicy(kind=StopKind.FIXED_QTY, distance=D("0.05"), close_position_fallback=False)
TARGET = TakeProfitPolicy(levels=(TakeProfitLevel(distance=D("0.02")),))
POLICY = PositionPolicy(symbols=(RULES.symbol,), sides=(Direction.LONG,), stop_loss=STOP, take_profit=TARGET)
LISTED = [Effect.LIST_PRICES, Effect.TIME_IN_FORCE, Effect.PRICE_BAND]


def view(**changed) -> PositionView:
    fields = {
        "scope": Scope(Product.SPOT, RULES.symbol, PositionSide.BOTH),
        "position_mode": PositionMode.ONE_WAY,
        "direction": Direction.LONG,
        "quantity": D("9.996"),
        "sellable": D("9.99"),
        "average": D("1.2345"),
        "venue_break_even": D(0),
        "epoch": 1,
        "opened_at": 0,
        "anchor": D("1.2345"),
        "last_fill_price": D("1.2345"),
        "dca": {},
        "stop_floor": None,
        "best_price": None,
        "mark": None,
        "instrument": RULES,
        "maker_fee": D("0.001"),
        "taker_fee": D("0.001"),
    }
    return PositionView(**{**fields, **changed})


def asked(policy=POLICY, now=0, **changed):
    return wanted(view(**changed), policy, now)


def shape(slot):
    return str(slot.key), str(slot.kind), slot.price, slot.trigger, slot.quantity


def test_both_are_one_slot_with_two_legs_of_one_size():
    (slot,) = asked().slots
    assert shape(slot) == ("TP/0", "LIMIT", D("1.2592"), None, D("9.99"))
    assert shape(slot.leg) == ("SL/0", "STOP_MARKET", None, D("1.1728"), D("9.99"))
    assert slot.tif is TimeInForce.GTX
    assert {slot.side, slot.leg.side} == {Side.SELL}
    assert not slot.reduce_only and not slot.leg.reduce_only


def test_the_dust_needs_no_cover_and_what_is_locked_elsewhere_does():
    (slot,) = asked().slots
    assert slot.leg.quantity >= D("9.996") * (1 - slot.leg.tolerance)
    (slot,) = asked(sellable=D("5.00")).slots
    assert slot.leg.tolerance == 0
    assert (
        "part of the holding is locked by other orders, or gone: it is not offered"
        in asked(sellable=D("5.00")).notes
    )


def test_one_of_them_alone():
    (slot,) = asked(replace(POLICY, stop_loss=replace(STOP, enabled=False))).slots
    assert (slot.key, slot.leg, slot.tif) == (SlotKey(Role.TP, 0), None, TimeInForce.GTC)
    (slot,) = asked(replace(POLICY, take_profit=replace(TARGET, enabled=False))).slots
    assert (slot.key, slot.leg) == (SlotKey(Role.SL, 0), None)


def test_a_stop_limit_and_a_market_target():
    stop = replace(STOP, kind=StopKind.STOP_LIMIT, limit_offset=D("0.01"))
    (slot,) = asked(replace(POLICY, stop_loss=stop)).slots
    assert (slot.leg.kind, slot.leg.trigger) == (OrderType.STOP, D("1.1728"))
    assert slot.leg.price < slot.leg.trigger
    (slot,) = asked(replace(POLICY, take_profit=replace(TARGET, kind=TakeProfitKind.MARKET))).slots
    assert (slot.kind, slot.trigger, slot.price) == (OrderType.TAKE_PROFIT_MARKET, D("1.2592"), None)


@pytest.mark.parametrize("effect", LISTED)
def test_a_list_that_the_market_is_beyond_leaves_the_stop_to_go_first(effect):
    plan = asked(refused=refusals(effect.value, effect.value), mark=D("1.3000"))
    assert [shape(x)[:2] for x in plan.slots] == [("SL/0", "STOP_MARKET")]
    assert plan.watches[0].side is WatchSide.AT_OR_ABOVE


@pytest.mark.parametrize("effect", LISTED)
def test_the_target_sells_alone_once_the_stop_has_proved_that_the_price_is_above(effect):
    plan = asked(refused=refusals("", effect.value), mark=D("1.2592"))
    assert [shape(x)[:3] for x in plan.slots] == [("TP/0", "LIMIT", D("1.2592"))]
    assert plan.slots[0].leg is None
    back = asked(refused=refusals("", effect.value), mark=D("1.2400"))
    assert back.slots[0].leg is not None


def test_a_stop_that_is_refused_alone_is_breached_for_certain():
    plan = asked(refused=refusals(Effect.WOULD_TRIGGER, Effect.LIST_PRICES))
    assert shape(plan.slots[0])[:2] == ("EXIT/0", "MARKET")
    assert plan.slots[0].quantity == D("9.99")


@pytest.mark.parametrize("effect", [Effect.FILTER, Effect.MAX_ORDERS, Effect.UNCLASSIFIED])
def test_a_list_that_the_venue_does_not_take_at_all_leaves_the_stop_alone(effect):
    for stop_refused in (effect.value, ""):
        plan = asked(refused=refusals(stop_refused, effect.value), mark=D("1.2400"))
        assert [str(x.key) for x in plan.slots] == ["SL/0"]
        assert plan.slots[0].leg is None


def test_s3_break_even_and_the_ratchet_move_the_leg():
    policy = replace(POLICY, break_even=BreakEvenPolicy(trigger=D("0.01")))
    (slot,) = asked(policy, best_price=D("1.2500")).slots
    assert slot.leg.trigger > D("1.2345")
    (slot,) = asked(stop_floor=D("1.2000")).slots
    assert slot.leg.trigger == D("1.2000")


def test_a_stop_that_has_passed_the_target_stands_alone():
    trail = replace(STOP, kind=StopKind.TRAILING_LOCAL, trail_as=StopKind.FIXED_QTY, distance=D("0.01"))
    policy = replace(POLICY, stop_loss=trail)
    found = asked(policy, best_price=D("1.26"), mark=D("1.255"))
    assert found.slots[0].leg is not None
    beyond = asked(policy, best_price=D("1.40"), mark=D("1.395"))
    (stop,) = beyond.slots
    assert stop.leg is None and stop.key.role is Role.SL and stop.trigger > D("1.2592")
    assert any("the stop has passed it" in note for note in beyond.notes)


def test_the_time_stop_leaves_and_keeps_the_list_until_it_has():
    policy = replace(POLICY, time_stop=TimeStopPolicy(after=60 * SECOND))
    assert asked(policy, now=59 * SECOND).wake_at == 60 * SECOND
    plan = asked(policy, now=60 * SECOND)
    assert [str(x.key) for x in plan.slots] == ["EXIT/0", "TP/0"]


def test_nothing_that_may_be_sold_still_names_its_orders_so_that_what_rests_stays():
    (slot,) = asked(sellable=D(0)).slots
    assert slot.quantity == 0


def test_what_spot_does_not_have_is_unknown_and_touches_nothing():
    plan = asked(replace(POLICY, stop_loss=StopPolicy()))
    assert "close_position" in plan.unknown
