"""What observers take from frames and reads: as carefully as the product has to, by the same documents."""

from decimal import Decimal

import pytest

from backstay.core.events import BalanceRow
from backstay.simulation.scene import Resting, Scene
from backstay.simulation.spot_scene import SpotScene

D = Decimal
KEY = ("SOLUSDT", "BOTH")


def known_at(ms, amount="-22.66"):
    """A scene that a frame of the venue's time `ms` has told of a position."""
    scene = Scene(lambda _: True)
    row = {"s": "SOLUSDT", "ps": "BOTH", "pa": amount, "ep": "154.34"}
    scene.frame({"e": "ACCOUNT_UPDATE", "T": ms, "a": {"P": [row]}})
    return scene


def read_row(ms, amount="19.43"):
    return {
        "symbol": "SOLUSDT",
        "positionSide": "BOTH",
        "positionAmt": amount,
        "entryPrice": "154.39",
        "updateTime": ms,
    }


@pytest.mark.parametrize(("updated", "held"), [(999, "-22.66"), (1_001, "19.43")])
def test_o9_a_late_answer_takes_back_nothing_that_a_frame_has_told_of_since(updated, held):
    scene = known_at(1_000)
    scene.read_positions([read_row(updated)], 1_600, "", 990)
    assert scene.amount(KEY) == D(held)


@pytest.mark.parametrize(("asked", "held"), [(999, "-22.66"), (1_001, "0")])
def test_o9_absence_is_told_by_a_read_that_was_asked_for_afterwards(asked, held):
    scene = known_at(1_000)
    scene.read_positions([], 1_600, "", asked)
    assert scene.amount(KEY) == D(held)


@pytest.mark.parametrize(
    ("side", "leg", "reduce_only", "amount", "opens"),
    [
        ("BUY", "SHORT", False, "0", False),
        ("SELL", "SHORT", False, "0", True),
        ("BUY", "BOTH", False, "0", True),
        ("BUY", "BOTH", True, "0", False),
        ("SELL", "BOTH", False, "1", False),
        ("BUY", "BOTH", False, "1", True),
    ],
)
def test_i25_which_order_may_add_to_a_position_is_known_without_one(side, leg, reduce_only, amount, opens):
    order = Resting(
        "regular",
        1,
        "bs-1",
        "SOLUSDT",
        leg,
        side,
        "LIMIT",
        D(150),
        D(0),
        D(1),
        D(1),
        close_position=False,
        reduce_only=reduce_only,
        status="NEW",
    )
    assert order.opens(D(amount)) is opens


@pytest.mark.parametrize(("asked_ms", "known"), [(999, "0.5"), (1_000, "2"), (1_500, "2")])
def test_what_a_process_took_in_of_a_read_is_what_it_was_told_unless_it_heard_later_news(asked_ms, known):
    scene = SpotScene(lambda _: True)
    scene.frame({"e": "outboundAccountPosition", "u": 1_000, "B": [{"a": "BTC", "f": "0.3", "l": "0.2"}]})
    scene.take_balances([BalanceRow("BTC", D(2), D("1.5"), available=D("1.5"))], asked_ms)
    assert scene.total("BTC") == D(known)
