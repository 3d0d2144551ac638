"""One kind of work per pass: priority, evidence, the unlock matrix, quiescence (6, I-11 to I-27)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from backstay.core.decisions import Act, Converged, Recover, Wait
from backstay.core.events import OperatorAction, OperatorCommand, TrustLost
from backstay.core.slots import Unplaceable
from backstay.core.types import (
    EXPOSING,
    Action,
    Family,
    PositionMode,
    Role,
    Trust,
)
from backstay.core.wanted import Wanted
from backstay.testing import evidence
from backstay.testing.evidence import ms
from backstay.testing.histories import histories
from backstay.testing.scene import Scene

from tests.core.scenes import at_rest, long_of, own, said
from tests.core.wishes import BUY, D, guarded, ladder, stop, target, want

# --- 6: priority --------------------------------------------------------------------------------


def test_6_recover_comes_before_everything_but_flatten():
    scene = long_of(guarded(ladder()))
    scene.fold(TrustLost(reason="clock", scopes=(scene.key,)))
    assert scene.step() == Recover(("clock",))
    assert scene.requests == []


def test_6_flatten_comes_before_cleanup_and_protection():
    scene = long_of(guarded())
    scene.fold(OperatorCommand(action=OperatorAction.CLOSE, who="me", scope=scene.key))
    decision = scene.step()
    assert isinstance(decision, Act)
    assert decision.family is Family.FLATTEN


def test_6_cleanup_comes_before_protection():
    scene = at_rest(guarded(ladder()))
    scene.want(guarded(trigger="58000"))
    assert scene.step().family is Family.CLEANUP
    scene.confirm()
    assert scene.step().family is Family.PROTECT


def test_6_protection_comes_before_exposure():
    scene = long_of(guarded(ladder()))
    assert scene.step().family is Family.PROTECT
    assert {r.key.role for r in scene.requests} == {Role.SL, Role.TP}
    scene.confirm()
    assert scene.step().family is Family.EXPOSURE


def test_6_noop_when_every_slot_is_converged_and_wait_names_what_is_missing():
    scene = at_rest(guarded())
    assert scene.step() == Converged()
    scene.want(guarded(ladder()))
    scene.step()
    assert scene.step() == Wait("confirmation place:DCA/1")


def test_6_wait_names_the_filters_that_are_missing():
    scene = long_of(guarded())
    scene.account = replace(scene.account, instruments={})
    assert scene.step() == Wait("filters_missing")


def test_6_a_strategy_that_cannot_tell_leaves_everything_as_it_is():
    scene = at_rest(guarded())
    scene.want(Wanted(unknown="mark price"))
    assert scene.step() == Wait("mark price")


@settings(max_examples=40)
@given(histories(PositionMode.ONE_WAY, max_deeds=8), st.sampled_from(["full", "bare", "nothing"]))
def test_i11_all_intents_of_a_pass_are_of_its_family(history, wish):
    policy = {"full": guarded(ladder()), "bare": guarded(), "nothing": want()}[wish]
    scene = Scene(policy)
    for burst in history:
        scene.fold(*burst)
        scene.venue.now = max(scene.venue.now, ms(5_000)) + 10**9
        for _ in range(6):
            decision = scene.step()
            if not isinstance(decision, Act):
                break
            for intent in decision.intents:
                assert intent.action in ALLOWED[decision.family]
                exposes = intent.action is not Action.CANCEL and intent.key.role in EXPOSING
                assert exposes == (decision.family is Family.EXPOSURE)


def test_i11_what_protects_waits_for_the_pass_after_the_one_that_cleans_up():
    scene = at_rest(guarded(ladder()))
    scene.want(guarded(trigger="58000", price="61000"))
    assert said(scene.step()) == ("CLEANUP", [("cancel", "DCA/1")])
    scene.confirm()
    assert said(scene.step()) == ("PROTECT", [("place", "SL/1"), ("amend", "TP/0")])


ALLOWED = {
    Family.CLEANUP: {Action.CANCEL},
    Family.PROTECT: set(Action),
    Family.EXPOSURE: set(Action),
    Family.FLATTEN: {Action.CANCEL, Action.PLACE},
}


# --- evidence required --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "trust", [Trust.UNHYDRATED, Trust.RECOVERY_REQUIRED, Trust.RECOVERING, Trust.MANUAL_REVIEW]
)
def test_i13_an_untrusted_scope_plans_no_mutation(trust):
    scene = at_rest(guarded(ladder()))
    scene.want(guarded(trigger="58000"))
    s = replace(scene.state, trust=trust, reasons=("clock",))
    scene.account = replace(scene.account, scopes={scene.key: s})
    assert not isinstance(scene.step(), Act)


def test_b1_a_missing_stop_does_not_wait_for_the_burst():
    scene = Scene(guarded())
    scene.fold(*scene.venue.trade_by_hand(BUY, D("0.010"), D(60000)))
    decision = scene.step()
    assert isinstance(decision, Act)
    assert decision.reason == "stop_missing"


def test_b1_the_exception_is_for_the_missing_stop_alone():
    scene = at_rest(guarded(ladder(), sized=True))
    scene.fold(*scene.venue.fill(own(scene, Role.TP).ctx_id, D("0.002")))
    decision = scene.step()
    assert isinstance(decision, Wait)
    assert decision.reason == "burst"
    scene.venue.tick(60)
    assert isinstance(scene.step(), Act)


def test_b1_cleaning_up_waits_for_the_burst_although_the_stop_is_missing():
    """What looks surplus may be an order whose fill is on its way."""
    scene = at_rest(guarded(ladder(), sized=True))
    scene.want(guarded(sized=True))
    scene.fold(*scene.venue.trade_by_hand(BUY, D("0.010"), D(60000)))
    family, asked = said(scene.step())
    assert family == "PROTECT"
    assert ("place", "SL/0") in asked
    scene.confirm()
    scene.tick(60)
    assert said(scene.step()) == ("CLEANUP", [("cancel", "DCA/1"), ("cancel", "SL/0")])


def test_b1_does_not_override_a_fill_that_is_unmatched():
    scene = Scene(guarded())
    notice, _, report = scene.venue.trade_by_hand(BUY, D("0.010"), D(60000))[1:]
    scene.fold(notice, report)
    assert scene.step().reason == "fill_unmatched"


def test_the_burst_wait_has_a_quiet_window_and_a_hard_end():
    """Events that keep coming every 30 ms delay planning by 250 ms, not for ever."""
    scene = at_rest(guarded(ladder(), sized=True), "0.020")
    tp = own(scene, Role.TP).ctx_id
    scene.fold(*scene.venue.fill(tp, D("0.001")))
    began = scene.now
    for millisecond in range(1, 300):
        scene.venue.now = began + millisecond * 10**6
        if millisecond % 30 == 0:
            scene.fold(*scene.venue.fill(tp, D("0.001")))
        decision = scene.plan().decision
        if isinstance(decision, Act):
            break
        assert decision.reason == "burst"
    assert 249 <= millisecond <= 251


# --- 6.1 ----------------------------------------------------------------------------------------


def test_6_1_an_accepted_stop_is_no_confirmed_protection():
    scene = long_of(guarded(ladder()))
    scene.step()
    for request in list(scene.waiting):
        scene.accept(request)
    assert not isinstance(scene.step(), Act)
    for request in scene.requests:
        scene.report(request)
    scene.tick(300)
    assert scene.step().family is Family.EXPOSURE


def test_6_1_a_stop_that_differs_locks_exposure():
    scene = at_rest(guarded())
    scene.want(guarded(ladder(), trigger="56000"))
    while isinstance(decision := scene.step(), Act) and decision.family is not Family.EXPOSURE:
        assert own(scene, Role.SL, 0)
        scene.confirm()
    assert decision.family is Family.EXPOSURE
    assert {a.trigger for a in scene.venue.open_algos()} == {D("56000.0")}


def test_6_1_a_slot_disabled_by_configuration_counts_as_confirmed():
    scene = at_rest(want(stop()))
    scene.want(want(stop(), ladder()))
    assert scene.step().family is Family.EXPOSURE


@pytest.mark.parametrize(("allowed", "acts"), [(True, True), (False, False)])
def test_6_1_a_waived_take_profit_counts_only_where_allowed(allowed, acts):
    tiny = target(quantity="0.0004")
    scene = at_rest(want(stop(), tiny))
    assert isinstance(scene.rest(), Converged)
    scene.want(want(stop(), tiny, ladder(), allow_waived=allowed))
    decision = scene.step()
    assert isinstance(decision, Act) is acts
    if not acts:
        assert any("unplaceable TP/0" in note for note in decision.notes)


def test_6_1_a_stop_cannot_be_waived():
    scene = at_rest(want(target()))
    scene.want(want(stop(trigger="0.00001"), target(), ladder(), allow_waived=True))
    assert isinstance(scene.step(), Converged)
    assert isinstance(Unplaceable, type)


def test_i16_exposure_needs_known_balances():
    scene = at_rest(guarded())
    scene.want(guarded(ladder()))
    scene.account = replace(scene.account, balances={})
    decision = scene.step()
    assert decision == Converged(("exposure refused: balances_unknown",))


def test_i16_exposure_waits_for_any_pending_of_the_scope():
    scene = at_rest(guarded())
    cancel = evidence.request(own(scene, Role.TP), Action.AMEND, price="61000", quantity="0.010")
    scene.send(cancel)
    scene.want(guarded(ladder(), price="61000"))
    assert isinstance(scene.step(), Wait)
    scene.confirm()
    assert scene.step().family is Family.EXPOSURE


def test_i16_exposure_waits_even_for_a_pending_that_protection_does_not_need():
    scene = at_rest(guarded(ladder(2, "58500")))
    scene.want(guarded())
    scene.step()
    scene.want(guarded(ladder(1)))
    assert scene.step() == Wait("confirmation cancel:DCA/2")
    scene.confirm()
    assert scene.step().family is Family.EXPOSURE


def test_i17_a_fresh_position_is_protected_before_anything_adds_to_it():
    scene = long_of(guarded(ladder(1), ladder(2, "58500")))
    scene.rest()
    roles = [r.key.role for r in scene.requests]
    first = min(roles.index(r) for r in roles if r in EXPOSING)
    assert set(roles[:first]) == {Role.SL, Role.TP}


def test_i17_a_dca_fill_locks_exposure_until_the_new_size_is_protected():
    scene = at_rest(guarded(ladder(), sized=True))
    scene.want(guarded(ladder(2, "58500"), sized=True))
    scene.see(scene.venue.fill(own(scene, Role.DCA, 1).ctx_id))
    families = []
    while isinstance(decision := scene.step(), Act):
        families.append(decision.family)
        scene.confirm()
    assert families.index(Family.EXPOSURE) == len(families) - 1
    assert {r.quantity for r in scene.venue.open_algos()} == {D("0.020")}
