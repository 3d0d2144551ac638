"""Exact money: rounding, break-even, the ladder's arithmetic."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from backstay.core import money
from backstay.core.types import Direction
from backstay.testing.builders import dec
from backstay.testing.strategies import STEPS, TICKS, decimals, directions, fractions

LONG, SHORT = Direction.LONG, Direction.SHORT
values = decimals("-1000000", "1000000", 9)
grids = st.sampled_from(TICKS + STEPS)


@given(values, grids)
def test_rounding_lands_on_the_grid_on_the_right_side_and_next_to_the_value(value, grid):
    down, up = money.round_down(value, grid), money.round_up(value, grid)
    assert down <= value <= up
    assert down % grid == 0 == up % grid
    assert value - down < grid
    assert up - value < grid
    assert (down == up) == (value % grid == 0)


@given(values, grids)
def test_rounding_is_idempotent_and_writes_the_grids_decimals(value, grid):
    down = money.round_down(value, grid)
    assert money.round_down(down, grid) == money.round_up(down, grid) == down
    assert down.as_tuple().exponent == grid.as_tuple().exponent


def test_rounding_works_on_ticks_that_are_not_powers_of_ten():
    assert money.round_down(dec("101.30"), dec("0.25")) == dec("101.25")
    assert money.round_up(dec("101.30"), dec("0.25")) == dec("101.50")
    assert money.round_up(dec("11"), dec("2.5")) == dec("12.5")
    assert str(money.round_down(dec("59185.714285714"), dec("0.10"))) == "59185.70"


def test_s2_break_even_of_a_long_and_of_a_short():
    fee = dec("0.0005")
    assert money.break_even(LONG, dec(60000), fee, fee) == dec(60000) * dec("1.0005") / dec("0.9995")
    assert money.break_even(SHORT, dec(60000), fee, fee) == dec(60000) * dec("0.9995") / dec("1.0005")


@given(directions, decimals("0.01", "100000", 4), fractions("0", "0.01"), fractions("0", "0.01"))
def test_s2_leaving_at_break_even_earns_and_loses_nothing(direction, average, opening, closing):
    price = money.break_even(direction, average, opening, closing)
    paid = money.fee(dec(1), average, opening) + money.fee(dec(1), price, closing)
    gained = price - average if direction is LONG else average - price
    assert abs(gained - paid) < dec("1e-18")


def test_s2_funding_that_was_paid_moves_break_even_into_the_profit():
    zero = dec(0)
    assert money.break_even(LONG, dec(100), zero, zero, dec(2)) == dec(102)
    assert money.break_even(SHORT, dec(100), zero, zero, dec(2)) == dec(98)


def test_cumulative_deviation_of_the_worked_example():
    d, m = dec("0.01"), dec("1.5")
    assert [money.cumulative_deviation(d, m, k) for k in range(4)] == [
        dec(0),
        dec("0.01"),
        dec("0.025"),
        dec("0.0475"),
    ]


def test_cumulative_deviation_is_k_times_d_for_a_multiplier_of_one():
    assert money.cumulative_deviation(dec("0.01"), dec(1), 7) == dec("0.07")


@given(fractions(), decimals("0.5", "3", 2).filter(lambda m: m != 1), st.integers(1, 12))
def test_cumulative_deviation_equals_the_closed_form(first, multiplier, step):
    closed = first * (multiplier**step - 1) / (multiplier - 1)
    assert abs(money.cumulative_deviation(first, multiplier, step) - closed) < dec("1e-18")


def test_builders_refuse_a_binary_float():
    try:
        dec(0.1)
    except TypeError as error:
        assert "0.1" in str(error)
    else:
        raise AssertionError("a float was accepted")


def test_the_precision_rule_names_the_context_that_is_in_force():
    assert Decimal(1) / 3 == Decimal("0." + "3" * 28)
