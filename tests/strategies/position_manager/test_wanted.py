"""The whole answer: total, stable, and within its invariants for any view and policy."""

from decimal import Decimal

import pytest
from hypothesis import given

from backstay.core.filters import conform
from backstay.core.slots import Slot
from backstay.core.types import CONDITIONAL, Direction, PositionMode, Role
from backstay.strategies.interface import Strategy, Wanted, desired
from backstay.strategies.position_manager.policy import OnManualCancel, PositionPolicy
from backstay.strategies.position_manager.wanted import NOTHING, PositionManager, wanted
from backstay.testing import strategies as some
from backstay.testing.builders import OPENED_AT, dca, instrument, policy, view


@given(some.views(), some.policies())
def test_same_arguments_same_answer(facts, rules):
    assert wanted(facts, rules, OPENED_AT) == wanted(facts, rules, OPENED_AT)


@given(some.views(), some.policies())
def test_slots_are_unique_and_on_the_right_side(facts, rules):
    answer = wanted(facts, rules, OPENED_AT)
    assert answer.unknown == ""
    keys = [s.key for s in answer.slots]
    assert len(keys) == len(set(keys))
    for slot in answer.slots:
        opening = slot.key.role is Role.DCA
        assert slot.side is (facts.direction.opening if opening else facts.direction.closing)
        if facts.position_mode is PositionMode.HEDGE or opening or slot.close_position:
            assert not slot.reduce_only
        else:
            assert slot.reduce_only


@given(some.views(), some.policies())
def test_i24_targets_never_exceed_the_position(facts, rules):
    answer = wanted(facts, rules, OPENED_AT)
    targets = [s.quantity for s in answer.slots if s.key.role is Role.TP]
    assert sum(targets, Decimal(0)) <= facts.quantity


@given(some.views(), some.policies())
def test_what_is_wanted_is_conformed_already(facts, rules):
    for slot in wanted(facts, rules, OPENED_AT).slots:
        fit = conform(slot, facts.instrument, mark=None)
        if isinstance(fit, Slot):
            assert fit == slot


@given(some.views(), some.policies())
def test_the_stop_is_never_looser_than_its_ratchet_and_no_step_lies_beyond_it(facts, rules):
    answer = wanted(facts, rules, OPENED_AT)
    stop = next((s for s in answer.slots if s.key.role is Role.SL), None)
    if stop is None or stop.trigger is None or "retriggered" in " ".join(answer.notes):
        return
    long = facts.direction is Direction.LONG
    if facts.stop_floor is not None:
        assert stop.trigger >= facts.stop_floor if long else stop.trigger <= facts.stop_floor
    for step in (s for s in answer.slots if s.key.role is Role.DCA):
        assert step.price > stop.trigger if long else step.price < stop.trigger


@given(some.views(), some.policies())
def test_only_a_refusal_can_make_an_exit_of_a_stop(facts, rules):
    answer = wanted(facts, rules, OPENED_AT)
    if any(s.key.role is Role.EXIT for s in answer.slots):
        assert facts.stop_refused or (facts.stop_retriggered and facts.exit_due)
        assert not any(s.key.role is Role.DCA for s in answer.slots)


@given(some.views(), some.policies())
def test_watches_that_are_set_are_not_crossed_by_the_best_price_so_far(facts, rules):
    if facts.refused or facts.best_price is None:
        return
    assert not any(w.crossed(facts.best_price) for w in wanted(facts, rules, OPENED_AT).watches)


def test_a_flat_scope_wants_nothing():
    assert wanted(view(None), policy(dca=dca()), OPENED_AT) == NOTHING == Wanted()


def test_a_side_or_symbol_that_is_not_named_is_left_alone():
    assert wanted(view(), policy(sides=(Direction.SHORT,)), OPENED_AT) == NOTHING
    assert wanted(view(), policy(symbols=("ETHUSDT",)), OPENED_AT) == NOTHING
    assert wanted(view(), policy(symbols=("BTCUSDT",)), OPENED_AT).slots


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        (view(average=0, anchor=60000), "the entry price is not known"),
        (view(anchor=0), "the entry price is not known"),
        (view(rules=instrument(tick=0)), "the filters of BTCUSDT are not known"),
    ],
)
def test_missing_numbers_are_an_unknown_answer_and_not_an_empty_one(facts, why):
    assert wanted(facts, policy(), OPENED_AT).unknown == why


def test_protection_lives_on_both_surfaces():
    stop, target = wanted(view(), policy(), OPENED_AT).slots
    assert stop.kind in CONDITIONAL
    assert target.kind not in CONDITIONAL


def test_the_manual_cancel_policy_reaches_the_planner():
    assert wanted(view(), policy(), OPENED_AT).retry_cancelled
    assert not wanted(view(), policy(manual_cancel_policy=OnManualCancel.PAUSE), OPENED_AT).retry_cancelled


def test_the_position_manager_is_a_strategy():
    manager: Strategy[PositionPolicy] = PositionManager()
    assert manager.name == "position_manager"
    assert desired(manager, view(), policy(), OPENED_AT) == wanted(view(), policy(), OPENED_AT).slots
