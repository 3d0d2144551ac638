"""The planner's fine print: which order is whose, what waits for what, until when, and with which words."""

import pytest
from msgspec.structs import replace

from backstay.core.decisions import Act, Converged, Recover, Wait
from backstay.core.events import (
    Effect,
    OperatorAction,
    OperatorCommand,
    RecoveryStarted,
    TrustLost,
)
from backstay.core.lost_stop import LOOK_TIME
from backstay.core.scope import burst_end
from backstay.core.types import SECOND, Action, AlgoStatus, Family, Role
from backstay.testing import evidence
from backstay.testing.evidence import ms

from tests.core.scenes import armed, at_rest, long_of, own, said
from tests.core.wishes import BUY, SELL, D, guarded, ladder, stop, target, want


def partly(scene, step, quantity="0.004"):
    """A partial fill of a DCA step, its burst over."""
    scene.see(scene.venue.fill(own(scene, Role.DCA, step).ctx_id, D(quantity)))


# --- who may do anything at all ------------------------------------------------------------------------


def test_6_flatten_that_can_only_wait_for_what_may_never_come_asks_for_reads():
    scene = long_of(guarded())
    scene.fold(OperatorCommand(action=OperatorAction.CLOSE, who="me", scope=scene.key))
    assert said(scene.step()) == ("FLATTEN", [("place", "EXIT/0")])
    scene.fold(TrustLost(reason="clock", scopes=(scene.key,)))
    scene.tick(2_100)
    assert scene.step() == Recover(("clock",))
    scene.recover(failure="no answer")
    assert scene.step() == Recover(("clock",), scene.state.retry_at)


def test_6_a_recovery_under_way_is_waited_for():
    scene = at_rest(guarded())
    scene.fold(TrustLost(reason="clock", scopes=(scene.key,)), RecoveryStarted(scopes=(scene.key,)))
    assert scene.step() == Wait("recovering")


def test_6_a_recovery_waits_for_its_backoff():
    scene = at_rest(guarded())
    scene.fold(TrustLost(reason="clock", scopes=(scene.key,)))
    scene.recover(failure="no answer")
    assert scene.state.retry_at
    assert scene.step() == Recover(("clock",), scene.state.retry_at)


def test_i13_a_reason_forbids_mutations_even_of_a_scope_that_calls_itself_trusted():
    scene = long_of(guarded())
    s = replace(scene.state, reasons=("clock",))
    scene.account = replace(scene.account, scopes={scene.key: s})
    assert scene.step() == Recover(("clock",))


def test_o7_an_unmatched_fill_is_waited_for_until_its_deadline():
    scene = at_rest(guarded())
    notice, _, report = scene.venue.fill(own(scene, Role.TP).ctx_id, D("0.001"))
    scene.fold(notice, report)
    assert scene.step() == Wait("fill_unmatched", scene.state.fill_seen_at + SECOND)


# --- the burst -----------------------------------------------------------------------------------------


def test_b1_the_burst_is_over_at_its_end_and_not_before():
    scene = at_rest(guarded(ladder()))
    scene.fold(*scene.venue.fill(own(scene, Role.TP).ctx_id, D("0.002")))
    scene.want(guarded())
    ends = burst_end(scene.state)
    scene.venue.now = ends - 1
    assert scene.step() == Wait("burst", ends)
    scene.venue.now = ends
    assert scene.step().family is Family.CLEANUP


def test_b1_a_stop_that_is_missing_but_may_not_be_placed_waits_for_the_burst_as_all_do():
    scene = long_of(guarded())
    scene.step()
    sl, tp = scene.waiting
    scene.confirm(tp)
    scene.refuse(sl, Effect.FILTER)
    scene.fold(evidence.order(order_id=77, client_id="web_1", at=70_000))
    assert scene.state.naked_since
    assert scene.step() == Wait("burst", burst_end(scene.state))


def test_b1_a_position_whose_policy_wants_no_stop_waits_for_its_burst():
    scene = at_rest(want(target()))
    scene.fold(*scene.venue.fill(own(scene, Role.TP).ctx_id, D("0.002")))
    scene.want(want(target("0.008", price="61000")))
    assert scene.step() == Wait("burst", burst_end(scene.state))


@pytest.mark.parametrize(("added", "at_once"), [("0.0005", False), ("0.001", False), ("0.002", True)])
def test_b1_a_sized_stop_covers_up_to_its_tolerance(added, at_once):
    """A trailing stop is not replaced for a small difference; a larger one is a missing stop."""

    def sized(view):
        size = view.quantity if view.quantity > D("0.0115") else D("0.010")
        return want(stop(quantity=size, tolerance="0.1"), target(view.quantity))

    scene = at_rest(sized)
    scene.venue.now = ms(70_000)
    scene.fold(evidence.position(D("0.010") + D(added), at=70_000))
    assert isinstance(scene.step(), Act) is at_once


def test_b1_a_stop_of_exactly_the_positions_size_covers_it():
    scene = at_rest(guarded(sized=True))
    scene.want(guarded(price="61000", sized=True))
    scene.fold(evidence.order(order_id=77, client_id="web_1", at=70_000))
    assert scene.step() == Wait("burst", burst_end(scene.state))


def test_b1_a_larger_stop_than_the_position_is_not_a_missing_one():
    scene = at_rest(guarded(sized=True))
    scene.fold(*scene.venue.trade_by_hand(SELL, D("0.004"), D(60000)))
    assert scene.step() == Wait("burst", burst_end(scene.state))


# --- waiting, until when -------------------------------------------------------------------------------


@pytest.mark.parametrize("bridge", [True, False])
def test_a_stop_that_is_not_confirmed_wakes_the_planner_when_it_is_due_to_be_looked_for(bridge):
    scene = long_of(guarded(sized=True, bridge=bridge))
    scene.step()
    due = scene.now + SECOND
    wait = scene.step()
    assert (wait.reason, wait.until, wait.look) == ("confirmation place:SL/0, place:TP/0", due, ())
    scene.venue.now = due
    wait = scene.step()
    assert (wait.until, len(wait.look)) == (due + LOOK_TIME, 1)


def test_an_amend_under_way_wakes_nobody():
    scene = at_rest(guarded())
    scene.want(guarded(price="61000"))
    scene.step()
    assert scene.step() == Wait("confirmation amend:TP/0")


def test_two_stops_under_way_wake_the_planner_for_the_first_of_them():
    scene = long_of(guarded(sized=True))
    scene.step()
    began = scene.now
    scene.venue.now = began + 400 * 10**6
    scene.fold(evidence.position("-0.010", at=(scene.now - ms(0)) / 10**6))
    assert isinstance(scene.step(), Act)
    scene.venue.now += 300 * 10**6
    assert scene.step().until == began + SECOND


def test_7_5_the_take_profit_wakes_the_planner_when_its_delay_is_over():
    scene = at_rest(guarded(ladder(1), ladder(2, "58500"), repair_delay=SECOND))
    partly(scene, 1)
    first = own(scene, Role.DCA, 1).updated_at
    partly(scene, 2)
    assert scene.step() == Wait("tp_repair_delay", first + SECOND)
    scene.venue.now = first + SECOND
    assert scene.step() == Wait("tp_repair_delay", own(scene, Role.DCA, 2).updated_at + SECOND)
    scene.venue.now = own(scene, Role.DCA, 2).updated_at + SECOND
    assert said(scene.step()) == ("PROTECT", [("amend", "TP/0")])


def test_8_1_a_block_with_an_end_wakes_the_planner_at_the_first_one():
    scene = long_of(guarded())
    scene.step()
    sl, tp = scene.waiting
    scene.refuse(tp, Effect.FILTER)
    scene.refuse(sl, Effect.PRICE_BAND)
    until = next(b.until for b in scene.state.blocks if b.until)
    assert scene.step() == Wait("blocked filter", until)


def test_8_1_of_two_ends_the_nearer_counts():
    scene = long_of(guarded())
    scene.step()
    sl, tp = scene.waiting
    scene.refuse(tp, Effect.SYMBOL_CLOSED, retry_after_ms=20_000)
    scene.refuse(sl, Effect.PRICE_BAND)
    assert scene.step().until == min(b.until for b in scene.state.blocks)
    assert len({b.until for b in scene.state.blocks}) == 2


def test_8_1_a_block_that_is_over_is_not_spoken_of():
    scene = long_of(guarded())
    scene.step()
    sl, tp = scene.waiting
    scene.confirm(tp)
    scene.refuse(sl, Effect.PRICE_BAND)
    scene.tick(5_100)
    scene.rest()
    assert scene.state.blocks
    assert scene.step() == Converged()


# --- the join ------------------------------------------------------------------------------------------


def test_4_3_protection_that_is_being_consumed_is_no_protection():
    scene = at_rest(guarded())
    sl = own(scene, Role.SL)
    row = scene.state.algos[sl.order_id]
    scene.fold(replace(row, status=AlgoStatus.TRIGGERING, at=row.at + 1))
    scene.venue.tick(300)
    scene.want(guarded(ladder()))
    assert scene.step() == Converged()


def test_4_3_a_stop_that_is_triggering_is_not_cancelled():
    scene = at_rest(guarded())
    sl = own(scene, Role.SL)
    row = scene.state.algos[sl.order_id]
    scene.fold(replace(row, status=AlgoStatus.TRIGGERING, at=row.at + 1))
    scene.fold(evidence.position(0, at=70_000))
    scene.venue.now = ms(70_300)
    assert said(scene.step()) == ("CLEANUP", [("cancel", "TP/0")])


def test_an_order_that_is_hands_off_is_never_cancelled():
    scene = at_rest(want(target(hands_off=True)))
    scene.want(want())
    assert scene.step() == Converged()


def test_a_surplus_order_does_not_wait_for_what_is_under_way_in_another_slot():
    scene = at_rest(guarded(ladder()))
    amend = evidence.request(own(scene, Role.TP), Action.AMEND, price="61000", quantity="0.010")
    scene.send(amend)
    scene.want(guarded(price="61000"))
    assert said(scene.step()) == ("CLEANUP", [("cancel", "DCA/1")])


def test_i15_a_surplus_order_waits_for_what_is_under_way_in_its_own_slot():
    scene = at_rest(guarded(sized=True))
    scene.want(guarded(trigger="58000", sized=True))
    assert said(scene.step()) == ("PROTECT", [("place", "SL/0")])
    assert isinstance(scene.step(), Wait)


def test_b1_of_two_generations_that_are_both_wrong_none_goes_before_the_right_one_stands():
    scene = at_rest(guarded(sized=True))
    scene.want(guarded(trigger="58000", sized=True))
    scene.step()
    scene.confirm()
    scene.want(guarded(trigger="58500", sized=True))
    assert said(scene.step()) == ("PROTECT", [("place", "SL/0")])
    scene.confirm()
    assert said(scene.step()) == ("CLEANUP", [("cancel", "SL/0"), ("cancel", "SL/0")])


def test_s4_a_sized_stop_takes_the_place_of_a_close_position_one_without_a_bridge():
    scene = at_rest(guarded())
    scene.want(guarded(sized=True))
    assert said(scene.step()) == ("PROTECT", [("place", "SL/0")])
    scene.confirm()
    scene.rest()
    assert armed(scene) == [("57000.0", "0.010")]


def test_s4_under_the_bridge_only_the_stop_makes_room():
    scene = at_rest(guarded())
    scene.want(guarded(trigger="58000"))
    assert said(scene.step()) == ("PROTECT", [("place", "SL/1")])
    scene.confirm()
    scene.want(guarded(trigger="58000", price="61000"))
    assert said(scene.step()) == ("CLEANUP", [("cancel", "SL/0")])


def test_s4_the_bridge_grows_with_the_position_while_the_old_stop_is_being_cancelled():
    scene = at_rest(guarded())
    scene.want(guarded(trigger="58000"))
    scene.step()
    scene.confirm()
    assert said(scene.step()) == ("CLEANUP", [("cancel", "SL/0")])
    scene.see(scene.venue.trade_by_hand(BUY, D("0.010"), D(60000)))
    assert said(scene.step()) == ("PROTECT", [("place", "SL/1"), ("amend", "TP/0")])


def test_s4_no_bridge_is_built_for_a_stop_whose_confirmation_is_a_round_trip_away():
    scene = long_of(guarded())
    scene.step()
    sl = next(r for r in scene.waiting if r.key.role is Role.SL)
    scene.confirm(*[r for r in scene.waiting if r is not sl])
    opened = scene.state.pendings[sl.ctx_id].opened_at
    scene.venue.now = opened + SECOND - 1
    assert isinstance(scene.step(), Wait)
    scene.venue.now = opened + SECOND
    assert scene.step().look == (sl.ctx_id,)  # it is looked for first
    scene.venue.now = opened + SECOND + LOOK_TIME
    assert said(scene.step()) == ("PROTECT", [("place", "SL/1")])


@pytest.mark.parametrize(
    ("trigger", "quantity", "cancelled"),
    [("0.00001", "0.010", []), ("57000", "0.0004", ["TP/0"]), ("0.00001", "0.0004", ["TP/0"])],
)
def test_6_1_a_stop_that_cannot_be_placed_now_leaves_the_resting_one(trigger, quantity, cancelled):
    scene = at_rest(guarded())
    scene.want(want(stop(trigger=trigger), target(quantity=quantity)))
    decision = scene.step()
    assert [str(i.key) for i in decision.intents] == cancelled if cancelled else decision
    assert isinstance(decision, Act) is bool(cancelled)


# --- intents -------------------------------------------------------------------------------------------


def test_generations_count_every_order_that_is_placed():
    scene = long_of(guarded(ladder(1), ladder(2, "58500")))
    assert [i.generation for i in scene.step().intents] == [1, 2]
    scene.confirm()
    assert [i.generation for i in scene.step().intents] == [3, 4]
    scene.confirm()
    scene.see(scene.venue.cancel(own(scene, Role.SL).ctx_id))
    assert [i.generation for i in scene.step().intents] == [5]


def test_take_profits_are_placed_nearest_first_and_behind_the_stop():
    levels = [target("0.005", price="61500", step=1), target("0.005", step=0)]
    scene = long_of(want(*levels, stop()))
    assert said(scene.step()) == ("PROTECT", [("place", "SL/0"), ("place", "TP/0"), ("place", "TP/1")])


def test_a_pass_says_why_it_acts():
    scene = long_of(guarded(ladder()))
    decision = scene.step()
    assert (decision.reason, decision.intents[0].reason) == ("stop_missing", "missing")
    scene.confirm()
    assert scene.step().reason == "step_due"
    scene.confirm()
    scene.see(scene.venue.cancel(own(scene, Role.TP).ctx_id))
    assert scene.step().reason == "protection_differs"
    scene.confirm()
    scene.want(guarded())
    decision = scene.step()
    assert (decision.reason, decision.intents[0].reason) == ("surplus", "surplus")
