"""Take-profit: levels, merging, refusals, I-24."""

import pytest

from backstay.core.slots import Slot, SlotKey
from backstay.core.types import Direction, OrderType, PositionMode, Role, Side
from backstay.core.view import PositionView, Refusal
from backstay.strategies.position_manager import take_profit as module
from backstay.strategies.position_manager import wanted as answers
from backstay.strategies.position_manager.policy import Merge, TakeProfitKind
from backstay.strategies.position_manager.stops import ANY_MARK
from backstay.strategies.position_manager.wanted import wanted
from backstay.testing.builders import OPENED_AT, instrument, policy, progress, refusals, take_profit, view

THREE = (("0.01", "0.5"), ("0.02", "0.3"), ("0.03", "0.2"))


def ask(facts: PositionView, *levels, **rule):
    answer = wanted(facts, policy(take_profit=take_profit(*levels, **rule)), OPENED_AT)
    return [s for s in answer.slots if s.key.role is Role.TP], answer


def told(slots: list[Slot]):
    return [(s.key.step, str(s.quantity), str(s.price)) for s in slots]


def with_progress(monkeypatch, **filled):
    """Tell the levels' progress, `at_0="0.010"`: what level 0 has sold."""
    done = {int(k.removeprefix("at_")): progress(q, q, open=False) for k, q in filled.items()}
    monkeypatch.setattr(module, "taken", lambda _: done)
    monkeypatch.setattr(answers, "_ANSWERS", {})


def test_levels_split_the_position_and_the_last_takes_the_rest():
    slots, answer = ask(view(quantity="0.025"), *THREE)
    assert told(slots) == [(0, "0.012", "60600.0"), (1, "0.007", "61200.0"), (2, "0.006", "61800.0")]
    assert answer.notes == ()


def test_a_short_takes_profit_below():
    slots, _ = ask(view(Direction.SHORT, "0.025"), *THREE)
    assert told(slots) == [(0, "0.012", "59400.0"), (1, "0.007", "58800.0"), (2, "0.006", "58200.0")]
    assert {s.side for s in slots} == {Side.BUY}


def test_shares_below_one_leave_a_part_without_a_target():
    slots, _ = ask(view(quantity="0.020"), ("0.01", "0.5"))
    assert told(slots) == [(0, "0.010", "60600.0")]


def test_a_level_that_sold_its_share_stays_done(monkeypatch):
    with_progress(monkeypatch, at_0="0.010")
    slots, _ = ask(view(quantity="0.010"), *THREE)  # 0.020 were entered
    assert told(slots) == [(1, "0.006", "61200.0"), (2, "0.004", "61800.0")]


def test_a_dca_fill_brings_every_level_its_part(monkeypatch):
    with_progress(monkeypatch, at_0="0.010")
    slots, _ = ask(view(quantity="0.030"), *THREE)  # 0.040 were entered
    assert told(slots) == [(0, "0.010", "60600.0"), (1, "0.012", "61200.0"), (2, "0.008", "61800.0")]


@pytest.mark.parametrize(
    ("merge", "expected", "note"),
    [
        (Merge.FARTHER, [(0, "0.003", "60600.0"), (2, "0.003", "61800.0")], "merged"),
        (Merge.NEARER, [(0, "0.004", "60600.0"), (2, "0.002", "61800.0")], "merged"),
        (Merge.NONE, [(0, "0.003", "60600.0"), (2, "0.002", "61800.0")], "waived"),
    ],
)
def test_a_level_below_the_minimum_goes_into_its_neighbour_or_is_waived(merge, expected, note):
    # Hedge mode: no reduce-only flag, so every order has to be worth 100, and level 1 is worth 61.2.
    facts = view(quantity="0.006", mode=PositionMode.HEDGE)
    slots, answer = ask(facts, ("0.01", "0.5"), ("0.02", "0.25"), ("0.03", "0.25"), merge=merge)
    assert told(slots) == expected
    assert answer.notes == (f"take_profit 1: {note} (notional_below_min)",)


@pytest.mark.parametrize("merge", [Merge.FARTHER, Merge.NEARER])
def test_the_last_level_in_line_goes_back_into_the_one_before(merge):
    facts = view(quantity="0.004", mode=PositionMode.HEDGE)
    slots, _ = ask(facts, ("0.01", "0.25"), ("0.02", "0.5"), ("0.03", "0.25"), merge=merge)
    assert told(slots) == [(1, "0.004", "61200.0")]


def test_reduce_only_levels_need_no_merging():
    slots, answer = ask(view(quantity="0.004"), *THREE)
    assert told(slots) == [(0, "0.002", "60600.0"), (1, "0.001", "61200.0"), (2, "0.001", "61800.0")]
    assert answer.notes == ()


def test_a_position_too_small_for_any_target_is_waived():
    facts = view(quantity="0.001", mode=PositionMode.HEDGE)
    for levels in ((), THREE):
        slots, answer = ask(facts, *levels)
        assert slots == []
        assert answer.notes[-1] == "take_profit: waived"


def test_a_target_above_the_maximum_quantity_is_capped():
    slots, answer = ask(view(quantity=1500))
    assert told(slots) == [(0, "1000.000", "60900.0")]
    assert answer.notes == ("take_profit 0: capped (quantity_above_max)",)


def test_kind_market_is_a_conditional_order_and_falls_back_to_limit_when_it_would_trigger():
    slots, _ = ask(view(), kind=TakeProfitKind.MARKET)
    (slot,) = slots
    assert (slot.kind, slot.price, str(slot.trigger)) == (OrderType.TAKE_PROFIT_MARKET, None, "60900.0")
    assert (str(slot.quantity), slot.reduce_only) == ("0.010", True)
    slots, answer = ask(view(refused=refusals("", "would_trigger")), kind=TakeProfitKind.MARKET)
    (slot,) = slots
    assert (slot.kind, str(slot.price), slot.trigger) == (OrderType.LIMIT, "60900.0", None)
    assert answer.notes == ("take_profit 0: LIMIT instead of TAKE_PROFIT_MARKET (would_trigger)",)


def test_a_level_that_would_trigger_becomes_a_limit_beside_one_that_was_taken():
    facts = view(quantity="0.025", refused=refusals("", "would_trigger"))
    slots, answer = ask(facts, *THREE, kind=TakeProfitKind.MARKET)
    assert [(s.kind.value, str(s.price or s.trigger)) for s in slots] == [
        ("LIMIT", "60600.0"),
        ("TAKE_PROFIT_MARKET", "61200.0"),
        ("TAKE_PROFIT_MARKET", "61800.0"),
    ]
    assert answer.notes == ("take_profit 0: LIMIT instead of TAKE_PROFIT_MARKET (would_trigger)",)


def test_each_level_keeps_to_the_steps_of_its_own_kind():
    facts = view(
        quantity="0.025", rules=instrument(market_step="0.005"), refused=refusals("", "would_trigger")
    )
    slots, _ = ask(facts, *THREE, kind=TakeProfitKind.MARKET)
    assert [str(s.quantity) for s in slots] == ["0.012", "0.005", "0.005"]


@pytest.mark.parametrize("refusal", ["filter", "min_notional"])
def test_levels_that_the_venue_refuses_are_merged_into_one_and_one_is_waived(refusal):
    slots, answer = ask(view(quantity="0.025", refused=refusals("", refusal)), *THREE)
    assert told(slots) == [(2, "0.025", "61800.0")]
    assert "take_profit: merged into level 2" in answer.notes
    slots, answer = ask(view(refused=refusals("", refusal)))
    assert (slots, answer.notes[-1]) == ([], "take_profit: waived")


@pytest.mark.parametrize(
    ("direction", "mark", "price"), [(Direction.LONG, 70000, "66500.0"), (Direction.SHORT, 50000, "52500.0")]
)
def test_a_target_outside_the_price_band_moves_to_its_edge(direction, mark, price):
    _, asking = ask(view(direction, refused=refusals("", "price_band")))
    assert asking.watches == (ANY_MARK,)
    slots, answer = ask(view(direction, refused=refusals("", "price_band"), mark=mark))
    assert str(slots[0].price) == price
    assert answer.watches == ()


def test_a_limit_in_place_of_a_conditional_order_moves_into_the_price_band_like_any_other():
    twice = {SlotKey(Role.TP, 0): Refusal("price_band", passed=True)}
    slots, answer = ask(view(mark=70000, refused=twice), kind=TakeProfitKind.MARKET)
    assert [(s.kind.value, str(s.price)) for s in slots] == [("LIMIT", "66500.0")]
    assert answer.notes == ("take_profit 0: refused (price_band)",)


def test_only_the_level_outside_the_price_band_moves():
    slots, _ = ask(view(mark=58000, refused=refusals("", "", "", "price_band")), *THREE)
    assert [str(s.price) for s in slots] == ["60600.0", "61200.0", "61800.0"]
    slots, _ = ask(view(mark=70000, refused=refusals("", "", "", "price_band")), *THREE)
    assert [str(s.price) for s in slots] == ["60600.0", "61200.0", "66500.0"]


def test_disabled_or_without_levels_there_is_no_slot():
    assert ask(view(), enabled=False)[0] == []
    assert ask(view(), levels=())[0] == []


def test_repair_delay_reaches_the_planner():
    assert ask(view(), repair_delay=5)[1].repair_delay == 5
