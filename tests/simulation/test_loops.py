"""I-29 as the observer counts it: a refusal is provoked three times on one premise."""

from types import SimpleNamespace

import pytest

from backstay.core.types import PositionSide
from backstay.simulation.observers.loops import Loops

BTC, ETH = "BTCUSDT", "ETHUSDT"


def refused(at_ms):
    return SimpleNamespace(
        at_ms=at_ms,
        key=("BTCUSDT", PositionSide.BOTH),
        action="place",
        endpoint="POST /fapi/v1/order",
        params={"quantity": "0.083"},
        entry=SimpleNamespace(code=-2022, fault="", executed=False),
        machine=SimpleNamespace(number=2),
    )


@pytest.mark.parametrize(
    ("acked", "times", "noticed"),
    [(None, 3, 0), (None, 4, 1), (BTC, 6, 0), ("", 6, 0), (BTC, 7, 1), (ETH, 6, 1)],
)
def test_i29_an_acknowledgement_of_the_symbol_is_another_premise(acked, times, noticed):
    said = []
    watch = SimpleNamespace(
        acks=[],
        in_trouble=lambda *_: False,
        report=lambda *told: said.append(told),
    )
    loops = Loops(watch)
    for number in range(1, times + 1):
        if number == 4 and acked is not None:
            watch.acks.append(acked)
        loops.arrived(refused(1_000 * number))
    loops.over(None)
    assert len(said) == noticed
