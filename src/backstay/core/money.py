"""Exact money: rounding to a grid, fees, break-even, ladder arithmetic.

Precision rule. Everything is `decimal.Decimal` in the ambient context, which this program never changes:
28 significant digits, half-even. Venue prices and quantities have at most 20, so sums, differences and
products with a rate are exact; quotients (break-even, averages) and long powers are right to 28 digits.
Only grid rounding decides a price, and it is exact: it never adds an error of its own. There is no binary
float here and none is accepted.
"""

from decimal import Decimal

from backstay.core.types import ZERO, Direction

ONE = Decimal(1)


def round_down(value: Decimal, grid: Decimal) -> Decimal:
    """The largest multiple of `grid` that is not above `value`, written with the grid's decimals.

    Any positive grid will do (0.25 or 2.5 as well as 0.1). Raises decimal.InvalidOperation for a grid of
    zero, and for a quotient of more than 28 digits.
    """
    on_grid = value // grid * grid
    return on_grid if on_grid <= value else on_grid - grid


def round_up(value: Decimal, grid: Decimal) -> Decimal:
    """The smallest multiple of `grid` that is not below `value`; otherwise as `round_down`."""
    on_grid = value // grid * grid
    return on_grid if on_grid >= value else on_grid + grid


def moved(direction: Direction, price: Decimal, fraction: Decimal) -> Decimal:
    """`price` moved by `fraction` in the position's favour (a negative fraction: against it)."""
    return price * (ONE + fraction if direction is Direction.LONG else ONE - fraction)


def notional(quantity: Decimal, price: Decimal) -> Decimal:
    """Value in quote currency."""
    return quantity * price


def fee(quantity: Decimal, price: Decimal, rate: Decimal) -> Decimal:
    """Commission of one fill, in quote currency: price * quantity * rate (binance-usdm.md section 10)."""
    return quantity * price * rate


def break_even(
    direction: Direction,
    average: Decimal,
    fee_open: Decimal,
    fee_close: Decimal,
    funding_per_unit: Decimal = ZERO,
) -> Decimal:
    """The exit price at which a position earns nothing and loses nothing (S-2).

    LONG ``average * (1 + fee_open) / (1 - fee_close)``, SHORT ``average * (1 - fee_open) / (1 + fee_close)``.
    Fees are rates. `funding_per_unit` is what the position has paid so far per unit of base, in quote
    currency (negative: received). Not rounded.
    """
    if direction is Direction.LONG:
        return average * (ONE + fee_open) / (ONE - fee_close) + funding_per_unit
    return average * (ONE - fee_open) / (ONE + fee_close) - funding_per_unit


def cumulative_deviation(first: Decimal, multiplier: Decimal, step: int) -> Decimal:
    """D(k), the distance of ladder step `step` (from 1) to the anchor, as a fraction (7.3).

    ``first * (m^k - 1) / (m - 1)``, and ``k * first`` for m = 1. Summed rather than divided, so it is exact
    wherever the sum has 28 digits or fewer, and m = 1 needs no case of its own. D(0) is 0.
    """
    total = ZERO
    for _ in range(step):
        total = total * multiplier + ONE
    return first * total
