"""The spot position that follows from trades, whatever order they are told in (O-2, O-7)."""

from decimal import Decimal
from itertools import permutations

import pytest

from backstay.core.holding import Held, moved, settled
from backstay.core.lots import SINCE_MOST, Trade
from backstay.core.types import ZERO, Side

D = Decimal
STEP = D("0.1")
NOTHING = Held(ZERO, ZERO, (), (ZERO, ZERO))


def trades(*signed):
    """One trade each, in the venue's order: bought or (negative) sold."""
    return [
        Trade(
            trade_id=number,
            order_id=number,
            side=Side.BUY if D(q) > 0 else Side.SELL,
            price=D(10),
            quantity=abs(D(q)),
            commission=ZERO,
            commission_asset="",
            at=number,
            maker=False,
        )
        for number, q in enumerate(signed, 1)
    ]


def held(told):
    state = NOTHING
    for trade in told:
        state = moved(state, trade, trade.quantity, STEP)
    return state


STORIES = [
    pytest.param(("10", "6", "-16", "5"), "5", id="everything was sold"),
    pytest.param(("10", "6", "-20", "5"), "5", id="more was sold than bought"),
    pytest.param(("10", "-10", "-3", "5"), "5", id="other coins were sold while nothing was held"),
    pytest.param(("10", "-4", "-6", "5"), "5", id="it was sold in parts"),
    pytest.param(("1.276", "-1.2", "4", "-2"), "2", id="dust"),
    pytest.param(("8", "-5", "5", "-20", "4", "-4"), "0", id="several positions"),
]


@pytest.mark.parametrize(("signed", "position"), STORIES)
def test_o7_a_position_is_the_same_whatever_order_its_trades_are_told_in(signed, position):
    story = trades(*signed)
    in_order = held(story)
    assert in_order.quantity == D(position)
    for told in permutations(story):
        assert held(told)[:2] == in_order[:2]


def test_what_is_known_for_certain_is_not_kept():
    story = trades("10", "-4", "3", "5")
    whole = held(story)
    known = settled(whole, 2, STEP)
    assert [number for number, *_ in known.since] == [3, 4]
    assert known.base == (D(6), D(10))
    assert settled(whole, 9, STEP).since == ()
    assert known[:2] == settled(whole, 9, STEP)[:2] == whole[:2]


def test_the_trades_that_are_kept_are_bounded():
    state = held(trades(*["1"] * 200))
    assert len(state.since) == SINCE_MOST
    assert state.quantity == D(200)
    assert state.base[0] == 200 - SINCE_MOST
