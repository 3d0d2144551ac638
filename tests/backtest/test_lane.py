"""How a bar moves, and which bars are left out."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.backtest.exchange import open_exchange
from backstay.backtest.lane import Edges, Lane
from backstay.backtest.scoring import slippage
from backstay.core.types import PositionMode
from backstay.simulator.levels import Levels

from tests.backtest.markets import MINUTE, T0, made

NONE = np.empty(0, dtype=np.int64)


def lane(rows: list[tuple[int, int, int, int]], news: tuple[int, ...] = ()) -> Lane:
    bars = made(rows)
    exchange = open_exchange(
        [bars],
        start=T0 - 1,
        seed=1,
        balance=Decimal(1000),
        leverage=5,
        position_mode=PositionMode.ONE_WAY,
    )
    return Lane(
        bars, exchange, slippage=np.zeros(len(bars), dtype=np.int64), news=np.array(news, dtype=np.int64)
    )


FLAT = [(1000, 1010, 990, 1000)] * 600


@given(
    st.lists(st.integers(1, 100), max_size=6),
    st.lists(st.integers(1, 100), max_size=6),
    st.integers(1, 100),
    st.integers(1, 100),
)
def test_a_move_halts_at_every_level_in_its_direction_in_order(
    falling: list[int], rising: list[int], here: int, there: int
) -> None:
    edges = Edges(tuple(sorted(falling, reverse=True)), tuple(sorted(rising)))
    stops, at = [], here
    while at != there:
        at = edges.next(at, there)
        stops.append(at)
    crossed = (
        {x for x in falling if there < x < here} if there < here else {x for x in rising if here < x < there}
    )
    assert stops == ([*sorted(crossed, reverse=there < here), there] if here != there else [])


def test_levels_off_the_grid_are_reached_by_the_first_price_beyond_them() -> None:
    edges = Edges.of(Levels((Decimal("99.95"),), (Decimal("100.01"),)), Decimal("0.1"))
    assert edges == Edges((999,), (1001,))


def test_the_extreme_against_the_position_comes_first() -> None:
    bars = lane([(1000, 1050, 980, 1020)])
    assert bars.corners(0, down_first=True) == (980, 1050, 1020)
    assert bars.corners(0, down_first=False) == (1050, 980, 1020)


@pytest.mark.parametrize(
    ("levels", "wake_at", "expected"),
    [
        (Levels(), None, 600),
        (Levels(restless=True), None, 3),
        (Levels((Decimal(99),), ()), None, 3),
        (Levels((Decimal("98.9"),), ()), None, 600),
        (Levels((), (Decimal(101),)), None, 3),
        (Levels(), T0 + 570 * MINUTE + 1, 570),
        (Levels(), T0 - MINUTE, 3),
    ],
)
def test_the_next_bar_is_the_first_in_which_anything_can_happen(
    levels: Levels, wake_at: int | None, expected: int
) -> None:
    assert lane(FLAT).next(3, levels, wake_at=wake_at) == expected


def test_a_score_that_is_told_brings_the_bar_after_it() -> None:
    assert lane(FLAT, news=(2, 40)).next(3, Levels(), wake_at=None) == 3
    assert lane(FLAT, news=(2, 40)).next(4, Levels(), wake_at=None) == 41


def test_a_level_that_only_a_late_bar_reaches_is_found_there() -> None:
    rows = [*FLAT, (1000, 1010, 900, 950)]
    assert lane(rows).next(0, Levels((Decimal(95),), ()), wake_at=None) == 600


def test_takers_are_worse_off_by_alpha_times_the_range_in_ticks() -> None:
    bars = made([(1000, 1040, 1000, 1020), (1020, 1030, 1000, 1010)])
    known = np.array([np.nan, 3.0])
    assert slippage(known, bars, Decimal("0.5")).tolist() == [20, 15]
    assert slippage(known, bars, Decimal(0)).tolist() == [0, 0]
