"""A policy turned into the numbers that prices and sizes are multiplied with, once per direction."""

from decimal import Decimal
from functools import lru_cache

import msgspec

from backstay.core.money import ONE, cumulative_deviation
from backstay.core.types import Direction, Side
from backstay.strategies.position_manager.policy import DcaPolicy, PositionPolicy

HUNDRED = Decimal(100)


class Factors(msgspec.Struct, frozen=True, kw_only=True):
    """Multipliers for one direction: what is favourable lies above 1 for a LONG, below 1 for a SHORT."""

    long: bool
    opening: Side
    closing: Side
    stop: Decimal
    """basis -> stop trigger"""
    limit: Decimal
    """stop trigger -> limit price of a stop-limit"""
    trail: Decimal
    """best price -> trailing trigger"""
    callback_percent: Decimal
    activation: Decimal | None
    """basis -> price at which trailing starts"""
    trail_step: Decimal
    """trigger -> the nearest trigger that is worth moving to"""
    retrigger: Decimal
    """mark -> the nearest legal trigger"""
    break_even_at: Decimal | None
    """average -> price at which the stop goes to break-even"""
    break_even_offset: Decimal
    """break-even -> its stop trigger"""
    profits: tuple[Decimal, ...]
    """average -> price of each take-profit level"""
    steps: tuple[Decimal, ...]
    """anchor -> price of each ladder step, 1 -+ D(k); index 0 is the anchor itself"""
    sizes: tuple[Decimal, ...]
    """Of each ladder step, in the policy's size unit; index 0 is step 1"""


@lru_cache(maxsize=256)
def factors(policy: PositionPolicy, direction: Direction) -> Factors:
    """Pure; the cache only saves the arithmetic."""
    sign = 1 if direction is Direction.LONG else -1
    stop, rule, dca = policy.stop_loss, policy.break_even, policy.dca
    trail = stop.callback_rate or stop.distance
    return Factors(
        long=direction is Direction.LONG,
        opening=direction.opening,
        closing=direction.closing,
        stop=ONE - sign * stop.distance,
        limit=ONE - sign * stop.limit_offset,
        trail=ONE - sign * trail,
        callback_percent=_plain(trail * HUNDRED),
        activation=None if stop.activation is None else ONE + sign * stop.activation,
        trail_step=ONE + sign * stop.trail_step,
        retrigger=ONE - sign * stop.retrigger_gap,
        break_even_at=None if rule is None else ONE + sign * rule.trigger,
        break_even_offset=ONE if rule is None else ONE + sign * rule.offset,
        profits=tuple(ONE + sign * level.distance for level in policy.take_profit.levels),
        steps=_steps(dca, sign),
        sizes=() if dca is None else tuple(dca.first_size * dca.size_multiplier**k for k in range(dca.steps)),
    )


def _steps(dca: DcaPolicy | None, sign: int) -> tuple[Decimal, ...]:
    if dca is None:
        return ()
    d, m = dca.first_deviation, dca.deviation_multiplier
    return tuple(ONE - sign * cumulative_deviation(d, m, k) for k in range(dca.steps + 1))


def _plain(value: Decimal) -> Decimal:
    """Without trailing zeros and without an exponent: 1.500 -> 1.5, 1E+1 -> 10."""
    return Decimal(f"{value.normalize():f}")
