"""The DCA ladder: D-1 to D-7, anchors, sizes, caps."""

import pytest

from backstay.core.types import SECOND, Direction, Role
from backstay.strategies.position_manager.policy import LadderAnchor, SizeUnit
from backstay.strategies.position_manager.wanted import wanted
from backstay.testing.builders import (
    OPENED_AT,
    dca,
    dec,
    instrument,
    policy,
    progress,
    refusals,
    stop,
    take_profit,
    view,
)


def ask(facts, now=OPENED_AT, parts=None, **ladder):
    answer = wanted(facts, policy(dca=dca(**ladder), **(parts or {})), now)
    steps = [(s.key.step, str(s.quantity), str(s.price)) for s in answer.slots if s.key.role is Role.DCA]
    return steps, answer


DONE_1 = {1: progress("0.010", "0.010", open=False)}


def test_d1_a_filled_step_is_done_and_the_next_one_is_due():
    steps, _ = ask(view(quantity="0.020", average=59700, anchor=60000, dca=DONE_1))
    assert steps == [(2, "0.015", "58500.0")]


def test_d1_the_rest_of_a_cancelled_step_is_placed_again_at_the_same_price():
    facts = view(quantity="0.014", anchor=60000, dca={1: progress("0.010", "0.004", open=False)})
    assert ask(facts)[0] == [(1, "0.006", "59400.0")]


def test_d1_a_step_that_filled_enough_is_done():
    facts = view(quantity="0.018", anchor=60000, dca={1: progress("0.010", "0.008", open=False)})
    assert ask(facts, step_done_fraction="0.8")[0][0][0] == 2
    assert ask(facts, step_done_fraction="0.81")[0] == [(1, "0.002", "59400.0")]


def test_d1_a_cancelled_step_that_never_filled_is_not_done():
    facts = view(dca={1: progress("0.010", 0, open=False)})
    assert ask(facts)[0] == [(1, "0.010", "59400.0")]


def test_d1_a_rest_too_small_to_be_placed_counts_as_done():
    facts = view(quantity="0.019", anchor=60000, dca={1: progress("0.010", "0.009", open=False)})
    steps, answer = ask(facts)
    assert steps == [(2, "0.015", "58500.0")]
    assert answer.notes == ()


def test_d2_one_step_at_a_time_unless_more_may_rest():
    assert len(ask(view())[0]) == 1
    assert [s[0] for s in ask(view(), max_resting=2)[0]] == [1, 2]
    assert [s[0] for s in ask(view(), max_resting=9)[0]] == [1, 2, 3]


def test_d3_a_partially_filled_step_keeps_resting_with_what_remains():
    facts = view(quantity="0.014", average="59828.5", anchor=60000, dca={1: progress("0.010", "0.004")})
    assert ask(facts)[0] == [(1, "0.006", "59400.0")]


def test_d3_even_when_what_remains_is_below_the_minimum():
    facts = view(quantity="0.0199", anchor=60000, dca={1: progress("0.010", "0.009")})
    assert ask(facts)[0] == [(1, "0.001", "59400.0")]


@pytest.mark.parametrize("anchor", [LadderAnchor.LAST_FILL, LadderAnchor.AVERAGE])
def test_d3_a_moving_anchor_does_not_move_a_step_that_has_begun_to_fill(anchor):
    facts = view(
        quantity="0.014",
        average="59828.5",
        anchor=60000,
        last_fill_price=59400,
        dca={1: progress("0.010", "0.004")},
    )
    assert ask(facts, anchor=anchor)[0] == [(1, "0.006", "59400.0")]


@pytest.mark.parametrize(
    ("direction", "anchored_at_stop"), [(Direction.LONG, "57000.0"), (Direction.SHORT, "63000.0")]
)
def test_d4_a_step_at_or_beyond_the_stop_is_suspended_with_a_reason(direction, anchored_at_stop):
    assert anchored_at_stop in {str(s.trigger) for s in ask(view(direction))[1].slots}
    steps, answer = ask(view(direction), first_deviation="0.05")
    assert steps == []
    assert answer.notes == ("dca 1: unreachable",)
    assert len(ask(view(direction), first_deviation="0.049")[0]) == 1


def test_d4_the_stop_that_counts_is_the_ratcheted_one():
    assert ask(view(stop_floor="59500"))[1].notes == ("dca 1: unreachable",)


def test_d4_without_a_stop_nothing_is_unreachable():
    parts = {"stop_loss": stop(enabled=False)}
    assert [s[0] for s in ask(view(), parts=parts, first_deviation="0.3", max_resting=3)[0]] == [1, 2]


def test_d5_a_step_below_the_minimum_is_skipped_with_a_reason():
    steps, answer = ask(view(), first_size="0.001", size_multiplier=2)
    assert steps == [(2, "0.002", "58500.0")]
    assert answer.notes == ("dca 1: filtered (notional_below_min)",)
    steps, answer = ask(view(), first_size="0.0004", size_multiplier=10)
    assert steps == [(2, "0.004", "58500.0")]
    assert answer.notes == ("dca 1: filtered (quantity_below_min)",)


def test_d5_or_raised_to_the_minimum():
    steps, answer = ask(view(), first_size="0.0004", raise_to_min=True)
    assert steps == [(1, "0.002", "59400.0")]  # 0.001 x 59400 is below 100
    assert answer.notes == ()
    rules = instrument(min_notional=0, min_qty="0.005")
    assert ask(view(rules=rules), first_size="0.0004", raise_to_min=True)[0][0][1] == "0.005"


def test_d6_a_manual_add_does_not_consume_a_step():
    assert ask(view(quantity="0.500", average=59500, anchor=60000))[0] == [(1, "0.010", "59400.0")]


def test_d7_the_ladder_ends_at_its_last_step():
    done = {k: progress("0.010", "0.010", open=False) for k in (1, 2, 3)}
    steps, answer = ask(view(quantity="0.040", average=58500, anchor=60000, dca=done))
    assert (steps, answer.notes) == ([], ())


def test_d7_caps_count_every_step_that_would_rest():
    steps, answer = ask(view(), max_resting=3, max_total_qty="0.020")
    assert [s[0] for s in steps] == [1]
    assert answer.notes == ("dca 2: capped (max_total_qty)",)
    steps, answer = ask(view(), max_total_notional=1000)
    assert (steps, answer.notes) == ([], ("dca 1: capped (max_total_notional)",))
    assert len(ask(view(), max_total_notional=1194)[0]) == 1  # 600 + 594, exactly the cap


def test_d7_an_exit_ends_the_ladder():
    facts = view(refused=refusals("would_trigger"), dca={1: progress("0.010")})
    assert ask(facts)[0] == []


def test_sizes_in_quote_and_as_a_part_of_the_base():
    assert ask(view(), first_size=900, size_unit=SizeUnit.QUOTE)[0] == [(1, "0.015", "59400.0")]
    facts = view(quantity="0.030", anchor=60000, dca={1: progress("0.020", "0.020", open=False)})
    steps, _ = ask(facts, first_size=2, size_unit=SizeUnit.BASE_FRACTION)
    assert steps == [(2, "0.030", "58500.0")]  # base 0.010 x 2 x 1.5


def test_a_step_that_was_ordered_keeps_its_size_when_the_policy_changes():
    assert ask(view(dca={1: progress("0.010")}), first_size="0.5")[0] == [(1, "0.010", "59400.0")]


def test_anchor_average_measures_the_whole_distance_from_the_average():
    facts = view(quantity="0.020", average=59700, anchor=60000, last_fill_price=59400, dca=DONE_1)
    assert ask(facts, anchor=LadderAnchor.AVERAGE)[0] == [(2, "0.015", "58207.5")]  # 59700 x 0.975


def test_anchor_last_fill_adds_only_the_steps_own_distance():
    facts = view(quantity="0.020", average=59700, anchor=60000, last_fill_price=59400, dca=DONE_1)
    assert ask(facts, anchor=LadderAnchor.LAST_FILL)[0] == [(2, "0.015", "58509.0")]  # 59400 x 0.985
    short = view(Direction.SHORT, "0.020", 60300, anchor=60000, last_fill_price=60600, dca=DONE_1)
    assert ask(short, anchor=LadderAnchor.LAST_FILL)[0] == [(2, "0.015", "61509.0")]  # 60600 x 1.015


def test_cooldown_withholds_a_new_step_and_says_when_to_ask_again():
    steps, answer = ask(view(), now=OPENED_AT + 1, cooldown=5 * SECOND)
    assert (steps, answer.wake_at) == ([], OPENED_AT + 5 * SECOND)
    assert answer.notes == ("dca 1: cooldown",)
    steps, answer = ask(view(), now=OPENED_AT + 5 * SECOND, cooldown=5 * SECOND)
    assert (len(steps), answer.wake_at) == (1, None)


def test_cooldown_does_not_take_back_a_step_that_rests():
    assert len(ask(view(dca={1: progress("0.010")}), cooldown=5 * SECOND)[0]) == 1


def test_a_waived_take_profit_holds_new_steps_back_unless_allowed():
    rules = instrument(min_notional=5000)
    facts = view(rules=rules, mode="hedge", dca={1: progress("0.010")})
    assert len(ask(facts)[0]) == 1  # a resting step stays
    facts = view(rules=rules, mode="hedge")
    ladder = {"first_size": 1, "parts": {"take_profit": take_profit()}}
    assert ask(facts, **ladder)[1].notes[-1] == "dca 1: held (take_profit waived)"
    assert len(ask(facts, **ladder, allow_exposure_with_waived=True)[0]) == 1


def test_a_long_ladder_that_would_pass_zero_ends_there():
    parts = {"stop_loss": stop(enabled=False)}
    facts = view(dca=DONE_1)
    steps, answer = ask(facts, parts=parts, first_deviation="0.4", deviation_multiplier=2)
    assert (steps, answer.notes) == ([], ("dca 2: unreachable",))
    assert dec("0.4") * 3 > 1
