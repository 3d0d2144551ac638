"""conform: a slot as the venue's filters would have it, or why not."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backstay.core.filters import AT_MARKET, Reason, conform
from backstay.core.slots import Slot, Unplaceable
from backstay.core.types import OrderType, Role, Side
from backstay.testing import strategies as some
from backstay.testing.builders import dec, instrument, slot

BUY, SELL = Side.BUY, Side.SELL
RULES = instrument()


def fits(wanted, rules=RULES, mark=None) -> Slot:
    fit = conform(wanted, rules, mark=None if mark is None else dec(mark))
    assert isinstance(fit, Slot), fit
    return fit


def refused(wanted, rules=RULES, mark=None) -> str:
    fit = conform(wanted, rules, mark=None if mark is None else dec(mark))
    assert isinstance(fit, Unplaceable), fit
    assert fit.key == wanted.key
    return fit.reason


@st.composite
def cases(draw):
    rules = draw(some.instruments())
    return draw(some.slots(rules)), rules, draw(st.none() | some.prices(rules))


@settings(max_examples=400)
@given(cases())
def test_conforming_twice_is_conforming_once(case):
    wanted, rules, mark = case
    once = conform(wanted, rules, mark=mark)
    if isinstance(once, Slot):
        again = conform(once, rules, mark=mark)
        assert again == once
        for field in ("price", "trigger", "quantity", "activate_price"):
            assert str(getattr(again, field)) == str(getattr(once, field))


@settings(max_examples=400)
@given(cases())
def test_what_conforms_lies_on_the_grid_within_the_limits_and_never_grows(case):
    wanted, rules, mark = case
    fit = conform(wanted, rules, mark=mark)
    if not isinstance(fit, Slot):
        assert fit.reason in set(Reason)
        assert fit.detail
        return
    assert (fit.key, fit.side, fit.kind) == (wanted.key, wanted.side, wanted.kind)
    for before, after in ((wanted.price, fit.price), (wanted.trigger, fit.trigger)):
        if after is not None:
            assert after % rules.tick == 0
            assert rules.min_price <= after <= rules.max_price
            assert abs(after - before) < rules.tick
    if fit.quantity is not None:
        at_market = fit.kind in AT_MARKET
        least, most = (
            (rules.market_min_qty, rules.market_max_qty) if at_market else (rules.min_qty, rules.max_qty)
        )
        assert fit.quantity % rules.step == 0
        assert least <= fit.quantity <= most
        assert fit.quantity <= wanted.quantity


@pytest.mark.parametrize(
    ("role", "side", "kind", "field", "value", "rounded"),
    [
        (Role.TP, SELL, OrderType.LIMIT, "price", "60900.01", "60900.1"),  # LONG: away from the entry
        (Role.TP, BUY, OrderType.LIMIT, "price", "59100.09", "59100.0"),  # SHORT
        (Role.TP, SELL, OrderType.TAKE_PROFIT_MARKET, "trigger", "60900.01", "60900.1"),
        (Role.TP, BUY, OrderType.TAKE_PROFIT_MARKET, "trigger", "59100.09", "59100.0"),
        (Role.DCA, BUY, OrderType.LIMIT, "price", "59400.09", "59400.0"),
        (Role.DCA, SELL, OrderType.LIMIT, "price", "60600.01", "60600.1"),
        (Role.SL, SELL, OrderType.STOP_MARKET, "trigger", "57000.01", "57000.1"),  # LONG: toward the entry
        (Role.SL, BUY, OrderType.STOP_MARKET, "trigger", "63000.09", "63000.0"),
    ],
)
def test_prices_are_rounded_as_the_side_table_says(role, side, kind, field, value, rounded):
    wanted = slot(role, kind, side, quantity="0.010", reduce_only=role is not Role.DCA, **{field: value})
    assert str(getattr(fits(wanted), field)) == rounded


def test_the_limit_price_of_a_closing_stop_limit_moves_toward_being_filled():
    sell = slot(Role.SL, OrderType.STOP, SELL, trigger="57000.01", price="56715.09", quantity="0.01")
    assert (fits(sell).trigger, fits(sell).price) == (dec("57000.1"), dec("56715.0"))
    buy = slot(Role.SL, OrderType.STOP, BUY, trigger="63000.09", price="63315.01", quantity="0.01")
    assert (fits(buy).trigger, fits(buy).price) == (dec("63000.0"), dec("63315.1"))


def test_quantities_go_down_to_the_step_of_their_kind():
    rules = instrument(step="0.001", market_step="0.01", market_min_qty="0.01")
    assert fits(slot(price=60000, quantity="0.0199"), rules).quantity == dec("0.019")
    market = slot(Role.EXIT, OrderType.MARKET, quantity="0.0199")
    assert str(fits(market, rules).quantity) == "0.01"
    stop = slot(Role.SL, OrderType.STOP_MARKET, trigger=57000, quantity="0.0199", reduce_only=True)
    assert str(fits(stop, rules).quantity) == "0.01"


def test_a_missing_market_step_means_the_ordinary_step():
    rules = instrument(market_step=0, market_min_qty=0, market_max_qty=0)
    assert fits(slot(Role.EXIT, OrderType.MARKET, quantity="5000.0009"), rules).quantity == dec(5000)


@pytest.mark.parametrize(
    ("quantity", "kind", "reason"),
    [
        ("0.0009", OrderType.LIMIT, Reason.QUANTITY_BELOW_MIN),
        ("0", OrderType.LIMIT, Reason.QUANTITY_BELOW_MIN),
        ("1000.001", OrderType.LIMIT, Reason.QUANTITY_ABOVE_MAX),
        ("120.001", OrderType.MARKET, Reason.QUANTITY_ABOVE_MAX),
    ],
)
def test_quantities_outside_the_limits_are_refused(quantity, kind, reason):
    price = 60000 if kind is OrderType.LIMIT else None
    assert refused(slot(Role.TP, kind, price=price, quantity=quantity, reduce_only=True)) == reason


def test_the_minimum_notional_is_not_asked_of_orders_that_only_reduce():
    small = {"price": 60000, "quantity": "0.001"}
    assert refused(slot(Role.TP, **small)) == Reason.NOTIONAL_BELOW_MIN
    assert refused(slot(Role.DCA, side=BUY, **small)) == Reason.NOTIONAL_BELOW_MIN
    assert fits(slot(Role.TP, reduce_only=True, **small)).quantity == dec("0.001")
    close = slot(Role.SL, OrderType.STOP_MARKET, trigger=57000, close_position=True)
    assert fits(close).quantity is None


def test_a_market_order_is_valued_at_mark_and_an_exit_is_never_held_back():
    entry = slot(Role.ENTRY, OrderType.MARKET, BUY, quantity="0.001")
    assert refused(entry, mark=60000) == Reason.NOTIONAL_BELOW_MIN
    assert fits(entry, mark=None).quantity == dec("0.001")
    assert fits(slot(Role.EXIT, OrderType.MARKET, quantity="0.001"), mark=60000).quantity == dec("0.001")


def test_prices_outside_the_price_filter_are_refused():
    assert refused(slot(price="556.7", quantity=1)) == Reason.PRICE_BELOW_MIN
    assert refused(slot(price="-5", quantity=1)) == Reason.PRICE_BELOW_MIN
    assert refused(slot(price="4529764.1", quantity=1)) == Reason.PRICE_ABOVE_MAX
    stop = slot(Role.SL, OrderType.STOP_MARKET, trigger="0.01", close_position=True)
    assert refused(stop) == Reason.PRICE_BELOW_MIN
    free = instrument(min_price=0, max_price=0)
    assert fits(slot(price="99999999", quantity=1), free).price == dec("99999999.0")
    assert refused(slot(price="0", quantity=1), free) == Reason.PRICE_BELOW_MIN


def test_the_price_band_is_one_sided():
    buy, sell = (slot(Role.DCA, side=side, price=60000, quantity="0.01") for side in (BUY, SELL))
    assert refused(buy, mark=57000) == Reason.PRICE_BAND  # 60000 > 57000 x 1.05
    assert fits(buy, mark=90000).price == dec(60000)  # a low BUY is allowed
    assert refused(sell, mark=64000) == Reason.PRICE_BAND  # 60000 < 64000 x 0.95
    assert fits(sell, mark=30000).price == dec(60000)  # a high SELL is allowed
    assert fits(buy, mark=None).price == dec(60000)
    assert fits(buy, instrument(percent_up=0), mark=100).price == dec(60000)


def test_a_stop_limits_price_is_bounded_by_its_trigger():
    far = slot(Role.SL, OrderType.STOP, SELL, trigger=57000, price=50000, quantity="0.01", reduce_only=True)
    assert refused(far, mark=60000) == Reason.PRICE_BAND


def test_a_trailing_stop_needs_a_rate_that_the_venue_knows():
    trail = {"quantity": "0.01", "reduce_only": True}
    kind = OrderType.TRAILING_STOP_MARKET
    assert refused(slot(Role.SL, kind, **trail)) == Reason.MALFORMED
    assert refused(slot(Role.SL, kind, callback_rate="0.05", **trail)) == Reason.CALLBACK_RATE
    assert refused(slot(Role.SL, kind, callback_rate="20.1", **trail)) == Reason.CALLBACK_RATE
    fit = fits(slot(Role.SL, kind, callback_rate=1, activate_price="61000.01", **trail))
    assert fit.activate_price == dec("61000.1")


def test_a_symbol_without_a_grid_and_a_slot_without_its_numbers_are_told_apart():
    assert refused(slot(price=1, quantity=1), instrument(tick=0)) == Reason.FILTERS_MISSING
    assert refused(slot(quantity=1)) == Reason.MALFORMED
    assert refused(slot(price=60000)) == Reason.MALFORMED
    assert refused(slot(Role.SL, OrderType.STOP_MARKET, quantity=1)) == Reason.MALFORMED
    both = slot(Role.SL, OrderType.STOP_MARKET, trigger=57000, quantity=1, close_position=True)
    assert refused(both) == Reason.MALFORMED
