"""The table of exchange-state 7.3, digit by digit, for a LONG, and its mirror for a SHORT."""

import pytest

from backstay.core.types import Direction, PositionMode, Role, Side
from backstay.strategies.position_manager.wanted import wanted
from backstay.testing.builders import OPENED_AT, dca, dec, policy, progress, view

POLICY = policy(dca=dca())

# quantity, average, TP, SL, next DCA quantity, next DCA price
LONG_TABLE = [
    ("0.010", "60000.0", "60900.0", "57000.0", "0.010", "59400.0"),
    ("0.020", "59700.0", "60595.5", "56715.0", "0.015", "58500.0"),
    ("0.035", "59185.714", "60073.5", "56226.5", "0.022", "57150.0"),
    ("0.057", "58400.0", "59276.0", "55480.0", None, None),
]
# A SHORT from 60000 with the same ladder: steps at 60600, 61500, 62850.
SHORT_TABLE = [
    ("0.010", "60000.0", "59100.0", "63000.0", "0.010", "60600.0"),
    ("0.020", "60300.0", "59395.5", "63315.0", "0.015", "61500.0"),
    ("0.035", "60814.286", "59902.0", "63855.0", "0.022", "62850.0"),
    ("0.057", "61600.0", "60676.0", "64680.0", None, None),
]
ROWS = [(Direction.LONG, n, row) for n, row in enumerate(LONG_TABLE)] + [
    (Direction.SHORT, n, row) for n, row in enumerate(SHORT_TABLE)
]
FILLS = {Direction.LONG: ("59400", "58500", "57150"), Direction.SHORT: ("60600", "61500", "62850")}
SIZES = ("0.010", "0.015", "0.022")


def after(direction, steps, mode=PositionMode.ONE_WAY):
    """The position after the base entry and `steps` DCA fills, its average computed and not typed in."""
    fills = [(dec(q), dec(p)) for q, p in zip(SIZES, FILLS[direction], strict=True)][:steps]
    quantity, average = _after(dec("0.010"), dec(60000), fills)
    done = {k + 1: progress(q, q, open=False) for k, (q, _) in enumerate(fills)}
    last = fills[-1][1] if fills else dec(60000)
    return view(direction, quantity, average, mode=mode, anchor=60000, last_fill_price=last, dca=done)


@pytest.mark.parametrize(("direction", "steps", "row"), ROWS)
@pytest.mark.parametrize("mode", PositionMode)
def test_the_worked_table_digit_by_digit(direction, steps, row, mode):
    quantity, average, target, trigger, next_quantity, next_price = row
    facts = after(direction, steps, mode)
    assert str(facts.quantity) == quantity
    assert facts.average.quantize(dec(average)) == dec(average)
    by_role = {s.key.role: s for s in wanted(facts, POLICY, OPENED_AT).slots}
    assert str(by_role[Role.TP].price) == target
    assert str(by_role[Role.TP].quantity) == quantity
    assert str(by_role[Role.SL].trigger) == trigger
    if next_price is None:
        assert Role.DCA not in by_role
    else:
        step = by_role[Role.DCA]
        assert (step.key.step, str(step.quantity), str(step.price)) == (steps + 1, next_quantity, next_price)


@pytest.mark.parametrize(
    ("direction", "closing", "opening"),
    [(Direction.LONG, Side.SELL, Side.BUY), (Direction.SHORT, Side.BUY, Side.SELL)],
)
@pytest.mark.parametrize("mode", PositionMode)
def test_the_side_table_in_one_way_and_in_hedge_mode(direction, closing, opening, mode):
    stop, target, step = wanted(after(direction, 0, mode), POLICY, OPENED_AT).slots
    assert (stop.side, target.side, step.side) == (closing, closing, opening)
    # reduceOnly is refused in hedge mode, and beside closePosition
    assert target.reduce_only is (mode is PositionMode.ONE_WAY)
    assert not stop.reduce_only
    assert not step.reduce_only
    if direction is Direction.LONG:
        assert stop.trigger < step.price < 60000 < target.price
    else:
        assert target.price < 60000 < step.price < stop.trigger


def _after(quantity, average, fills):
    """(quantity, average) after fills (quantity, price) that increase a position."""
    cost = quantity * average + sum(filled * price for filled, price in fills)
    quantity += sum(filled for filled, _ in fills)
    return quantity, cost / quantity
