"""conform on spot: bands per side, notional limits, trailing bounds."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from backstay.core.filters import Reason, conform
from backstay.core.instruments import SpotRules
from backstay.core.slots import Slot, SlotKey, Unplaceable
from backstay.core.types import OrderType, Product, Role, Side
from backstay.testing.builders import dec, instrument

BUY, SELL = Side.BUY, Side.SELL
SPOT = SpotRules(
    bid_up=dec("1.2"),
    bid_down=dec("0.5"),
    ask_up=dec(2),
    ask_down=dec("0.8"),
    max_notional=dec(9_000_000),
    trailing=True,
    trailing_above=(10, 2000),
    trailing_below=(20, 1000),
)
RULES = replace(
    instrument(
        tick="0.01",
        min_price="0.01",
        max_price=1_000_000,
        step="0.00001",
        min_qty="0.00001",
        max_qty=100_000,
        market_step="0.00001",
        market_min_qty="0.00001",
        market_max_qty=100_000,
        min_notional=5,
    ),
    product=Product.SPOT,
    percent_up=dec(0),
    percent_down=dec(0),
    spot=SPOT,
)
MARK = dec(100)


def slot(kind=OrderType.LIMIT, side=SELL, role=Role.TP, **fields):
    return Slot(
        key=SlotKey(role),
        side=side,
        kind=kind,
        **{name: dec(value) if not isinstance(value, bool) else value for name, value in fields.items()},
    )


def reason(wanted, mark=MARK, rules=RULES):
    fit = conform(wanted, rules, mark=mark)
    return fit.reason if isinstance(fit, Unplaceable) else None


@pytest.mark.parametrize(
    ("side", "price", "expected"),
    [
        (BUY, "120", None),
        (BUY, "120.01", Reason.PRICE_BAND),
        (BUY, "50", None),
        (BUY, "49.99", Reason.PRICE_BAND),
        (SELL, "200", None),
        (SELL, "200.01", Reason.PRICE_BAND),
        (SELL, "80", None),
        (SELL, "79.99", Reason.PRICE_BAND),
    ],
)
def test_each_side_has_a_band_of_its_own_and_both_its_ends(side, price, expected):
    assert reason(slot(side=side, price=price, quantity=1)) == expected
    assert reason(slot(side=side, price=price, quantity=1), mark=None) is None


def test_a_symbol_without_bands_takes_any_price():
    free = replace(RULES, spot=SpotRules())
    for price in ("0.01", "99999"):
        assert reason(slot(price=price, quantity=1000), rules=free) is None


def test_the_least_notional_holds_for_every_role_because_nothing_reduces_only():
    assert reason(slot(role=Role.EXIT, price="100", quantity="0.04")) is Reason.NOTIONAL_BELOW_MIN
    assert reason(slot(price="100", quantity="0.04", reduce_only=True)) is Reason.NOTIONAL_BELOW_MIN
    assert reason(slot(price="100", quantity="0.05")) is None


def test_the_greatest_notional():
    assert reason(slot(price="100", quantity="90000.01")) is Reason.NOTIONAL_ABOVE_MAX
    assert reason(slot(price="100", quantity="90000")) is None


def test_market_orders_are_measured_only_where_the_symbol_says_so():
    market = slot(OrderType.MARKET, role=Role.EXIT, quantity="0.04")
    assert reason(market) is Reason.NOTIONAL_BELOW_MIN
    lax = replace(RULES, spot=replace(SPOT, min_notional_at_market=False))
    assert reason(market, rules=lax) is None
    large = slot(OrderType.MARKET, role=Role.EXIT, quantity="90000.01")
    assert reason(large) is None
    strict = replace(RULES, spot=replace(SPOT, max_notional_at_market=True))
    assert reason(large, rules=strict) is Reason.NOTIONAL_ABOVE_MAX
    assert reason(market, mark=None) is None


@pytest.mark.parametrize(
    ("side", "rate", "activate", "expected"),
    [
        (SELL, "0.1", None, Reason.CALLBACK_RATE),  # a stop-loss SELL trails below: 20 to 1000
        (SELL, "0.2", None, None),
        (SELL, "10.01", None, Reason.CALLBACK_RATE),
        (SELL, "0.1", "110", None),  # a take-profit SELL trails above: 10 to 2000
        (BUY, "20", None, None),
        (BUY, "20", "90", Reason.CALLBACK_RATE),
        (SELL, "0.205", None, Reason.CALLBACK_RATE),
    ],
)
def test_trailing_distances_are_whole_basis_points_within_the_bounds_of_their_side(
    side, rate, activate, expected
):
    fields = {"callback_rate": rate, "quantity": 1}
    if activate is not None:
        fields["activate_price"] = activate
    assert reason(slot(OrderType.TRAILING_STOP_MARKET, side, Role.SL, **fields)) == expected
    without = replace(RULES, spot=replace(SPOT, trailing=False))
    trailing = slot(OrderType.TRAILING_STOP_MARKET, side, Role.SL, **fields)
    assert reason(trailing, rules=without) is Reason.CALLBACK_RATE


def test_close_position_does_not_exist():
    assert reason(slot(OrderType.STOP_MARKET, trigger="90", close_position=True)) is Reason.MALFORMED


@given(
    price=st.decimals(min_value="0.01", max_value=100_000, places=4),
    quantity=st.decimals(min_value="0.00001", max_value=100, places=7),
    side=st.sampled_from(Side),
)
def test_what_conforms_is_within_every_limit(price, quantity, side):
    fit = conform(slot(side=side, price=price, quantity=quantity), RULES, mark=MARK)
    if isinstance(fit, Unplaceable):
        return
    assert fit.price is not None
    assert fit.quantity is not None
    low, high = (SPOT.ask_down, SPOT.ask_up) if side is SELL else (SPOT.bid_down, SPOT.bid_up)
    assert MARK * low <= fit.price <= MARK * high
    assert Decimal(5) <= fit.price * fit.quantity <= SPOT.max_notional
    assert fit.quantity <= quantity
    assert fit.quantity % RULES.step == 0
    assert conform(fit, RULES, mark=MARK) == fit
