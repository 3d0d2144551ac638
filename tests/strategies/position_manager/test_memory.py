"""Remembered answers are the answers: nothing that they follow from is left out of what they are found by."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from backstay.core.types import Direction
from backstay.core.view import PositionView, StepProgress
from backstay.strategies.position_manager import wanted as module
from backstay.strategies.position_manager.wanted import UNASKED, wanted
from backstay.testing.builders import policy, refusals, stop, view


class Asked:
    """A view that notes which of its fields were read."""

    def __init__(self, inner):
        self.inner = inner
        self.fields = set()

    def __getattr__(self, name):
        self.fields.add(name)
        return getattr(self.inner, name)


def test_every_fact_of_a_view_is_asked_for_or_named_as_unasked():
    asked = Asked(view())
    module._facts(asked, policy(on_external_position="review", break_even={"trigger": Decimal("0.01")}))
    assert asked.fields | UNASKED == set(PositionView.__struct_fields__)
    assert not asked.fields & UNASKED


def test_what_is_not_asked_for_is_not_read_without_a_ladder_and_a_time_stop():
    for kind in ("close_position", "fixed_qty", "trailing", "trailing_local", "stop_limit"):
        for refused in ("", "would_trigger", "filter", "close_position_exists"):
            asked = Asked(view(refused=refusals(refused), mark="59000"))
            module._answer(asked, policy(stop_loss=stop(kind=kind)), Direction.LONG, 0)
            assert asked.fields & UNASKED == set()


@given(
    quantity=st.sampled_from(["0.010", "0.0100", "0.020"]),
    average=st.sampled_from(["60000", "60000.0", "60010.5"]),
    floor=st.sampled_from([None, "59990"]),
    taken=st.sampled_from([{}, {0: StepProgress(Decimal("0.010"), Decimal("0.004"), True)}]),
)
def test_a_remembered_answer_is_the_answer(quantity, average, floor, taken):
    seen = view(quantity=quantity, average=average, stop_floor=floor, take_profit=taken)
    rules = policy()
    assert repr(wanted(seen, rules, 0)) == repr(module._answer(seen, rules, Direction.LONG, 0))
