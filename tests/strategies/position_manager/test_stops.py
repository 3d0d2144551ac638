"""Stop-loss kinds and S-1 to S-5, refusals, break-even, trailing, time stop."""

import pytest

from backstay.core.slots import Watch, WatchSide
from backstay.core.types import SECOND, Direction, OrderType, PositionMode, Role, Side, WorkingType
from backstay.strategies.position_manager.policy import (
    Basis,
    BreakEvenPolicy,
    BreakEvenSource,
    SlBreached,
    StopKind,
    TimeStopPolicy,
)
from backstay.strategies.position_manager.stops import ANY_MARK
from backstay.strategies.position_manager.wanted import wanted
from backstay.testing.builders import OPENED_AT, dca, dec, instrument, policy, progress, refusals, stop, view

LONG, SHORT = Direction.LONG, Direction.SHORT


def ask(facts, now=OPENED_AT, break_even=None, time_stop=None, accept_external_sl=False, **stop_loss):
    rules = policy(
        stop_loss=stop(**stop_loss),
        break_even=break_even,
        time_stop=time_stop,
        accept_external_sl=accept_external_sl,
    )
    return wanted(facts, rules, now)


def sl(answer):
    return next(s for s in answer.slots if s.key.role is Role.SL)


def trigger(facts, **stop_loss):
    return str(sl(ask(facts, **stop_loss)).trigger)


def roles(answer):
    return [s.key.role for s in answer.slots]


# --- kinds ----------------------------------------------------------------------------------------


def test_close_position_carries_no_quantity_and_no_reduce_only():
    slot = sl(ask(view()))
    assert (slot.kind, slot.side, slot.close_position) == (OrderType.STOP_MARKET, Side.SELL, True)
    assert (slot.quantity, slot.price, slot.reduce_only) == (None, None, False)
    assert slot.working_type is WorkingType.MARK_PRICE


@pytest.mark.parametrize("mode", PositionMode)
def test_fixed_qty_is_sized_and_reduces_only_in_one_way_mode(mode):
    slot = sl(ask(view(quantity="0.0105", mode=mode), kind=StopKind.FIXED_QTY))
    assert (slot.kind, str(slot.quantity), slot.close_position) == (OrderType.STOP_MARKET, "0.010", False)
    assert slot.reduce_only is (mode is PositionMode.ONE_WAY)


def test_stop_limit_has_its_limit_beyond_the_trigger():
    slot = sl(ask(view(), kind=StopKind.STOP_LIMIT, limit_offset="0.01"))
    assert (slot.kind, slot.trigger, slot.price) == (OrderType.STOP, dec(57000), dec(56430))
    slot = sl(ask(view(SHORT), kind=StopKind.STOP_LIMIT, limit_offset="0.01"))
    assert (slot.side, slot.trigger, slot.price) == (Side.BUY, dec(63000), dec(63630))


def test_trailing_is_left_to_the_venue_with_its_percent_and_its_tolerance():
    slot = sl(ask(view(), kind=StopKind.TRAILING, callback_rate="0.015", trail_resize_fraction="0.2"))
    assert (slot.kind, slot.trigger) == (OrderType.TRAILING_STOP_MARKET, None)
    assert (str(slot.callback_rate), str(slot.quantity), slot.tolerance) == ("1.5", "0.010", dec("0.2"))
    assert str(sl(ask(view(), kind=StopKind.TRAILING, distance="0.10")).callback_rate) == "10"


@pytest.mark.parametrize(
    ("direction", "activate", "side"),
    [(LONG, "61200.0", WatchSide.AT_OR_ABOVE), (SHORT, "58800.0", WatchSide.AT_OR_BELOW)],
)
def test_trailing_with_activation_watches_for_it_and_drops_it_once_reached(direction, activate, side):
    rules = {"kind": StopKind.TRAILING, "activation": "0.02"}
    answer = ask(view(direction), **rules)
    assert str(sl(answer).activate_price) == activate
    assert answer.watches == (Watch(side, dec(activate)),)
    reached = ask(view(direction, best_price=activate), **rules)
    assert (sl(reached).activate_price, reached.watches) == (None, ())


def test_working_type_and_price_protect_are_passed_on():
    slot = sl(ask(view(), working_type=WorkingType.CONTRACT_PRICE, price_protect=True))
    assert (slot.working_type, slot.price_protect) == (WorkingType.CONTRACT_PRICE, True)


def test_a_disabled_stop_wants_no_slot():
    assert Role.SL not in roles(ask(view(), enabled=False))


def test_bridge_and_manual_cancel_policy_reach_the_planner():
    assert ask(view()).bridge
    assert not ask(view(), bridge=False).bridge


# --- S-1 to S-3 -----------------------------------------------------------------------------------


def test_s1_the_basis_is_the_average_or_the_first_entry():
    facts = view(quantity="0.020", average=59700, anchor=60000)
    assert trigger(facts) == "56715.0"
    assert trigger(facts, basis=Basis.ANCHOR) == "57000.0"
    assert trigger(facts, price="55555.55") == "55555.6"


@pytest.mark.parametrize(
    ("direction", "average", "at"), [(LONG, "60000.3", "57000.3"), (SHORT, "60000.3", "63000.3")]
)
def test_triggers_are_rounded_toward_the_entry(direction, average, at):
    # 57000.285 goes up, 63000.315 goes down
    assert trigger(view(direction, average=average)) == at


BE = BreakEvenPolicy(trigger=dec("0.01"), offset=dec("0.0005"))


@pytest.mark.parametrize(
    ("direction", "watch", "best", "expected"),
    [
        # 60000 x 1.0005 / 0.9995 x 1.0005 = 60090.06...
        (LONG, Watch(WatchSide.AT_OR_ABOVE, dec(60600)), 60600, "60090.1"),
        # 60000 x 0.9995 / 1.0005 x 0.9995 = 59910.04...
        (SHORT, Watch(WatchSide.AT_OR_BELOW, dec(59400)), 59400, "59910.0"),
    ],
)
def test_s2_break_even_waits_for_its_price_then_moves_the_stop(direction, watch, best, expected):
    before = ask(view(direction), break_even=BE)
    assert before.watches == (watch,)
    after = ask(view(direction, best_price=best), break_even=BE)
    assert after.watches == ()
    assert str(sl(after).trigger) == expected


def test_s2_the_venues_break_even_is_used_when_configured_and_stated():
    rule = BreakEvenPolicy(trigger=dec("0.01"), be_source=BreakEvenSource.EXCHANGE)
    facts = view(best_price=60600, venue_break_even="60024.01")
    assert str(sl(ask(facts, break_even=rule)).trigger) == "60024.1"
    silent = view(best_price=60600)
    assert str(sl(ask(silent, break_even=rule)).trigger) == "60060.1"


@pytest.mark.parametrize(
    ("direction", "floor", "looser"), [(LONG, "58000", "50000"), (SHORT, "62000", "70000")]
)
def test_s3_a_tightened_stop_is_never_loosened(direction, floor, looser):
    assert dec(trigger(view(direction, stop_floor=floor))) == dec(floor)
    plain = trigger(view(direction))
    assert trigger(view(direction, stop_floor=looser)) == plain


# --- trailing_local -------------------------------------------------------------------------------

TRAIL = {"kind": StopKind.TRAILING_LOCAL, "callback_rate": "0.02", "trail_step": "0.001"}


def test_trailing_local_follows_the_best_price_and_watches_for_the_next_move():
    answer = ask(view(best_price=61000), **TRAIL)
    assert str(sl(answer).trigger) == "59780.0"  # 61000 x 0.98
    # the next trigger is 59780 x 1.001 = 59839.78 -> 59839.8, at 59839.8 / 0.98 = 61061.02
    assert answer.watches == (Watch(WatchSide.AT_OR_ABOVE, dec("61061.1")),)


def test_trailing_local_of_a_short_is_the_mirror():
    answer = ask(view(SHORT, best_price=59000), **TRAIL)
    assert str(sl(answer).trigger) == "60180.0"
    # 60180 x 0.999 = 60119.82 -> 60119.8, at 60119.8 / 1.02 = 58940.98
    assert answer.watches == (Watch(WatchSide.AT_OR_BELOW, dec("58940.9")),)


def test_trailing_local_makes_no_move_smaller_than_its_step():
    held = ask(view(best_price="61060.0", stop_floor="59780.0"), **TRAIL)
    assert str(sl(held).trigger) == "59780.0"
    moved = ask(view(best_price="61061.1", stop_floor="59780.0"), **TRAIL)
    assert str(sl(moved).trigger) == "59839.9"


@pytest.mark.parametrize("direction", Direction)
def test_every_crossed_watch_of_a_trail_moves_the_stop_and_sets_a_farther_watch(direction):
    facts, better = view(direction), max if direction is LONG else min
    floor, best = None, None
    for _ in range(20):
        answer = ask(view(direction, stop_floor=floor, best_price=best), **TRAIL)
        (watch,) = answer.watches
        if floor is not None:
            assert sl(answer).trigger != floor
            assert better(sl(answer).trigger, floor) == sl(answer).trigger
        assert best is None or (watch.price != best and better(watch.price, best) == watch.price)
        floor, best = sl(answer).trigger, watch.price
    assert facts.direction is direction


def test_trailing_local_keeps_its_first_distance_until_it_is_activated():
    rules = {**TRAIL, "activation": "0.03"}
    waiting = ask(view(best_price=61000), **rules)
    assert str(sl(waiting).trigger) == "57000.0"
    assert waiting.watches == (Watch(WatchSide.AT_OR_ABOVE, dec(61800)),)
    assert str(sl(ask(view(best_price=61800), **rules)).trigger) == "60564.0"


def test_trailing_local_rests_as_the_configured_kind():
    assert sl(ask(view(), **TRAIL)).close_position
    assert str(sl(ask(view(), trail_as=StopKind.FIXED_QTY, **TRAIL)).quantity) == "0.010"


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize("refusal", ["filter", "min_notional"])
def test_a_sized_stop_that_a_filter_refuses_becomes_close_position(refusal):
    answer = ask(view(refused=refusals(refusal)), kind=StopKind.FIXED_QTY)
    assert sl(answer).close_position
    assert answer.notes == (f"stop: close_position instead of fixed_qty ({refusal})",)
    assert Role.EXIT not in roles(answer)


def test_also_when_our_own_filters_say_so():
    answer = ask(view(quantity=500, rules=instrument()), kind=StopKind.FIXED_QTY)
    assert sl(answer).close_position
    assert answer.notes == ("stop: close_position instead of fixed_qty (quantity_above_max)",)
    kept = ask(view(quantity=500), kind=StopKind.FIXED_QTY, close_position_fallback=False)
    assert not sl(kept).close_position
    assert kept.notes == ("stop: fixed_qty cannot be placed (quantity_above_max)",)


@pytest.mark.parametrize("mode", PositionMode)
def test_s5_a_breached_stop_closes_at_market_and_keeps_what_protects(mode):
    facts = view(mode=mode, quantity="0.0105", refused=refusals("would_trigger"))
    answer = ask(facts)
    assert roles(answer) == [Role.EXIT, Role.SL, Role.TP]
    leave = answer.slots[0]
    assert (leave.kind, leave.side, str(leave.quantity)) == (OrderType.MARKET, Side.SELL, "0.010")
    assert leave.reduce_only is (mode is PositionMode.ONE_WAY)
    assert "stop: breached, closing at market" in answer.notes


def test_s5_alert_only_tells():
    answer = ask(view(refused=refusals("would_trigger")), sl_breached=SlBreached.ALERT)
    assert roles(answer) == [Role.SL, Role.TP]
    assert answer.notes == ("stop: breached, alert only",)


@pytest.mark.parametrize(
    ("direction", "mark", "at"), [(LONG, "56500", "56443.5"), (SHORT, "63500", "63563.5")]
)
def test_s5_retrigger_takes_the_nearest_legal_trigger_once(direction, mark, at):
    rules = {"sl_breached": SlBreached.RETRIGGER}
    waiting = ask(view(direction, refused=refusals("would_trigger")), **rules)
    assert waiting.watches == (ANY_MARK,)
    assert Role.EXIT not in roles(waiting)
    answer = ask(view(direction, refused=refusals("would_trigger"), mark=mark), **rules)
    assert str(sl(answer).trigger) == at
    again = ask(view(direction, refused=refusals("would_trigger"), mark=mark, stop_retriggered=True), **rules)
    assert roles(again)[0] is Role.EXIT
    armed = ask(view(direction, stop_floor=at, mark=mark, stop_retriggered=True), **rules)
    assert str(sl(armed).trigger) == at


@pytest.mark.parametrize(
    ("breached", "due", "leaves"),
    [
        (SlBreached.CLOSE_MARKET, True, True),
        (SlBreached.CLOSE_MARKET, False, False),
        (SlBreached.RETRIGGER, True, False),
    ],
)
def test_s5_r9_a_hindered_close_is_wanted_again_and_the_stop_in_its_place_stays(breached, due, leaves):
    armed = view(stop_floor="56443.5", mark="56500", stop_retriggered=True, exit_due=due)
    answer = ask(armed, sl_breached=breached)
    assert (Role.EXIT in roles(answer)) is leaves
    assert str(sl(answer).trigger) == "56443.5"


def test_s5_a_mark_beyond_the_trigger_is_answered_with_one_retrigger_too():
    """The first refusal had another reason; what then replaced the breached stop is the retriggered one."""
    rules = {"sl_breached": SlBreached.RETRIGGER}
    first = ask(view(refused=refusals("filter"), mark="56500"), **rules)
    assert str(sl(first).trigger) == "56443.5"
    again = ask(view(refused=refusals("would_trigger", at="56443.5"), mark="56500"), **rules)
    assert roles(again)[0] is Role.EXIT


def test_s5_a_price_that_came_back_gets_the_wanted_trigger_one_tick_aside():
    answer = ask(view(refused=refusals("would_trigger"), mark=60000), sl_breached=SlBreached.RETRIGGER)
    assert str(sl(answer).trigger) == "57000.1"


@pytest.mark.parametrize(
    ("direction", "side", "beyond"),
    [(LONG, WatchSide.AT_OR_BELOW, "57000"), (SHORT, WatchSide.AT_OR_ABOVE, "63000")],
)
def test_a_stop_that_cannot_be_placed_is_carried_out_when_the_price_gets_there(direction, side, beyond):
    refused = ask(view(direction, refused=refusals("max_orders")))
    assert refused.watches == (Watch(side, dec(beyond)),)
    assert refused.notes == ("stop: refused (max_orders)",)
    assert Role.EXIT not in roles(refused)
    assert roles(ask(view(direction, refused=refusals("max_orders"), mark=beyond)))[0] is Role.EXIT


def test_a_recorded_mark_alone_closes_nothing():
    assert Role.EXIT not in roles(ask(view(mark="50000")))


def test_the_close_position_stop_of_somebody_else_is_accepted_or_reported():
    facts = view(refused=refusals("close_position_exists"))
    reported = ask(facts)
    assert Role.SL in roles(reported)
    assert reported.notes == ("stop: the close_position stop of somebody else is in the way",)
    assert roles(ask(facts, accept_external_sl=True)) == [Role.TP]


def test_a_trailing_stop_refused_for_its_activation_trails_at_once():
    slot = sl(ask(view(refused=refusals("would_trigger")), kind=StopKind.TRAILING, activation="0.02"))
    assert slot.activate_price is None


# --- time stop ------------------------------------------------------------------------------------


def test_a_time_stop_wakes_then_closes_and_ends_the_ladder():
    rules = policy(time_stop=TimeStopPolicy(after=60 * SECOND), dca=dca())
    facts = view(dca={1: progress("0.010")})
    before = wanted(facts, rules, OPENED_AT + 60 * SECOND - 1)
    assert (before.wake_at, Role.EXIT in roles(before)) == (OPENED_AT + 60 * SECOND, False)
    after = wanted(facts, rules, OPENED_AT + 60 * SECOND)
    assert roles(after) == [Role.EXIT, Role.SL, Role.TP]
    assert after.wake_at is None
    assert after.notes == ("time stop: closing at market",)


def test_an_exit_takes_what_the_venue_accepts_in_one_order():
    leave = ask(view(quantity=500, refused=refusals("would_trigger"))).slots[0]
    assert leave.quantity == 120
