"""The spot position that follows from trades, whatever order they are told in (O-2, O-7)."""

from decimal import Decimal
from itertools import permutations

import pytest

from backstay.core.holding import Held, moved
from backstay.core.lots import Trade
from backstay.core.types import ZERO, Side

D = Decimal
STEP = D("0.1")
NOTHING = Held(ZERO, ZERO, (), 0)


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


def late(story, *numbers):
    """The story with these trades told last, as a read tells them: by their ids."""
    return [t for t in story if t.trade_id not in numbers] + [t for t in story if t.trade_id in numbers]


@pytest.mark.parametrize(
    ("signed", "untold", "position"),
    [
        pytest.param(("10", "6", "-16", "5"), (2,), "5", id="a buy before a sale of everything"),
        pytest.param(("10", "6", "-10", "5"), (2,), "11", id="a buy before a sale of the rest"),
        pytest.param(("10", "6", "-20", "5"), (2,), "5", id="a buy before a sale of more than was bought"),
        pytest.param(("10", "-10", "-3", "5"), (3,), "5", id="a sale of other coins while nothing was held"),
        pytest.param(("10", "-4", "-6", "5"), (2,), "5", id="a sale before the one that left nothing"),
        pytest.param(("10", "-10", "2", "5"), (3,), "7", id="the first buy of the present position"),
        pytest.param(("10", "-10", "5", "-2"), (3,), "3", id="what was sold in part"),
        pytest.param(("10", "-10", "8", "-2", "5", "-20", "4", "-4", "3"), (3, 4), "3", id="two ago"),
        pytest.param(("10", "-10", "8", "5", "-5", "4", "-4", "3"), (3,), "11", id="carried on from then"),
        pytest.param(("10", "5", "-3"), (2, 3), "12", id="two of the present position"),
        pytest.param(("10", "0.05", "-10", "5"), (2,), "5", id="dust"),
    ],
)
def test_o7_a_trade_told_late_counts_where_it_belongs(signed, untold, position):
    story = trades(*signed)
    assert held(story).quantity == D(position)
    assert held(late(story, *untold)).quantity == D(position)


def test_o7_within_one_position_the_order_of_trades_does_not_matter():
    story = trades("10", "4", "-3", "2", "-5")
    for told in permutations(story[1:]):
        assert held([story[0], *told]).quantity == D(8)
