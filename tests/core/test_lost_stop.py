"""The stop whose fate is not known: looked for, bridged, made good before proof (X-3, 8.2, 4.1.2, T-4)."""

import pytest

from backstay.core.contexts import Phase
from backstay.core.decisions import Act, Converged, Recover, Wait
from backstay.core.events import Effect, TrustLost
from backstay.core.lost_stop import IN_VAIN_MAX, LOOK_TIME, SILENCE
from backstay.core.slots import MAIN_STOP
from backstay.core.types import Role
from backstay.testing import evidence
from backstay.testing.evidence import algo
from backstay.testing.scene import ask

from tests.core.scenes import armed, at_rest, invisible, long_of, lost, said
from tests.core.wishes import D, guarded, ladder


def test_x3_a_sized_stop_is_never_sent_blindly_a_close_position_stop_stands_in_for_it():
    scene, asked = invisible(policy=guarded(sized=True))
    for _ in range(5):
        scene.recover()
        scene.step()
        scene.confirm()
        scene.tick(1_000)
    asks = [r.context.slot for r in scene.requests if r.key.role is Role.SL]
    assert [(str(x.key), x.close_position, x.quantity) for x in asks] == [
        ("SL/0", False, D("0.010")),
        ("SL/1", True, None),
    ]
    assert scene.state.naked_since == 0
    assert asked.ctx_id in scene.state.pendings


@pytest.mark.parametrize("lives", [True, False])
def test_x3_the_stand_in_goes_when_the_sized_stop_stands(lives):
    scene, asked = invisible(policy=guarded(sized=True))
    scene.recover()
    scene.step()
    scene.confirm()
    if lives:
        scene.venue.place(ask(asked.context))
    scene.tick(61_000)
    scene.recover()
    assert scene.state.trusted
    assert isinstance(scene.rest(), Converged)
    assert armed(scene) == [("57000.0", "0.010")]
    assert len([r for r in scene.requests if r.key == MAIN_STOP]) == (1 if lives else 2)


def test_x1_a_read_from_before_an_order_was_last_seen_is_no_first_proof_of_its_absence():
    scene, asked = invisible()
    scene.recover()
    shown = algo(algo_id=4711, client_id=asked.ctx_id, at=50_000, trigger="57000.0")
    scene.fold(shown)
    scene.tick(61_000)
    scene.recover()
    assert scene.state.contexts[asked.ctx_id].phase is Phase.UNKNOWN


def unanswered(sized=False, done=False):
    """The first stop's outcome is unknown: a 503, or no answer. The position is naked."""
    return lost(Role.SL, guarded(sized=sized), done=done)


@pytest.mark.parametrize("sized", [False, True])
def test_x3_8_2_a_first_stop_of_unknown_outcome_is_made_good_after_one_read(sized):
    """A 503 that was not executed: no four seconds without a stop."""
    scene, asked = unanswered(sized)
    assert isinstance(scene.step(), Recover)
    assert scene.state.naked_since
    scene.recover()
    decision = scene.step()
    assert decision.reason == "stop_unfound"
    assert [i.slot.close_position for i in decision.intents] == [True]
    assert scene.waiting[0].ctx_id != asked.ctx_id
    scene.confirm()
    assert scene.state.naked_since == 0
    scene.tick(4_100)
    scene.recover()
    assert scene.state.contexts[asked.ctx_id].phase is Phase.ABSENT
    assert scene.state.trusted
    assert isinstance(scene.rest(), Converged)
    assert armed(scene) == [("57000.0", "0.010" if sized else "0")]


def test_x3_8_2_a_first_stop_that_was_executed_after_all_is_found_and_not_doubled():
    scene, asked = unanswered(done=True)
    scene.recover()
    assert scene.state.trusted
    assert scene.state.contexts[asked.ctx_id].phase is Phase.ARMED
    assert isinstance(scene.rest(), Converged)
    assert len([r for r in scene.requests if r.key.role is Role.SL]) == 1


def test_x3_8_2_a_stop_that_is_accepted_behind_the_blind_one_is_refused_by_the_venue():
    """Still in a queue when it was not found; one close-position stop per direction, whichever is first."""
    scene, asked = unanswered()
    scene.recover()
    scene.step()
    shown = scene.venue.place(ask(asked.context))
    scene.confirm()
    assert "close_position_exists" in scene.state.reasons
    scene.fold(*shown)
    scene.tick(4_100)
    scene.recover()
    assert scene.state.trusted
    assert isinstance(scene.rest(), Converged)
    assert armed(scene) == [("57000.0", "0")]


def test_x3_8_2_doubts_about_other_orders_do_not_keep_a_stop_away():
    scene = long_of(guarded())
    scene.step()
    for request in list(scene.waiting):
        scene.lose(request)
    scene.recover()
    assert said(scene.step()) == ("PROTECT", [("place", "SL/0")])


def test_x3_a_blind_stop_that_was_refused_for_a_passing_cause_is_tried_again():
    scene, _ = unanswered()
    scene.recover()
    scene.step()
    scene.refuse(scene.waiting[0], Effect.RATE_LIMITED, retry_after_ms=2_000)
    assert isinstance(scene.step(), Recover)
    scene.tick(2_100)
    assert said(scene.step()) == ("PROTECT", [("place", "SL/0")])


def test_i29_after_five_attempts_in_vain_each_waits_for_the_proof():
    scene, _ = unanswered()
    for _ in range(12):
        scene.recover()
        if isinstance(scene.step(), Act):
            scene.lose(scene.waiting[-1])
        scene.tick(10)
    assert len([r for r in scene.requests if r.key.role is Role.SL]) == IN_VAIN_MAX
    scene.tick(4_100)
    scene.recover()
    assert scene.state.trusted
    assert said(scene.step()) == ("PROTECT", [("place", "SL/0")])


def test_x3_no_reason_but_an_order_of_unknown_fate_allows_a_blind_stop():
    scene, _ = unanswered()
    scene.recover()
    scene.fold(TrustLost(reason="clock", scopes=(scene.key,)))
    assert isinstance(scene.step(), Recover)


# --- silence ------------------------------------------------------------------------------------


def silent(sized=False, answered=True):
    """The first stop left a second ago; perhaps it was accepted, nothing has reported it."""
    scene = long_of(guarded(sized=sized))
    scene.step()
    sl, tp = scene.waiting
    scene.confirm(tp)
    if answered:
        scene._forget(sl)
        scene.fold(evidence.accepted(sl, 4711))
    scene.tick(1_000)
    return scene, sl


@pytest.mark.parametrize("answered", [True, False])
@pytest.mark.parametrize("sized", [False, True])
def test_t4_a_stop_that_nothing_reports_is_looked_for_before_it_is_bridged(sized, answered):
    scene, asked = silent(sized, answered)
    decision = scene.step()
    assert isinstance(decision, Wait)
    assert decision.look == (asked.ctx_id,)
    scene.fold(scene.query(asked.context))
    assert scene.state.trusted
    assert said(scene.step()) == ("PROTECT", [("place", "SL/1")])


def test_t4_a_stop_that_the_look_shows_is_not_bridged():
    scene, asked = silent()
    scene.venue.place(ask(asked.context))
    scene.fold(scene.query(asked.context))
    assert scene.state.naked_since == 0
    assert isinstance(scene.rest(), Wait)
    scene.tick(300)
    assert isinstance(scene.step(), Converged)
    assert len([r for r in scene.requests if r.key.role is Role.SL]) == 1


def test_t4_a_look_that_gets_no_answer_delays_the_bridge_by_half_a_second_at_most():
    scene, asked = silent()
    decision = scene.step()
    opened = scene.state.pendings[asked.ctx_id].opened_at
    assert decision.until == opened + SILENCE + LOOK_TIME
    scene.tick(500)
    assert said(scene.step()) == ("PROTECT", [("place", "SL/1")])


def test_t4_a_position_that_is_covered_is_not_looked_at():
    scene = at_rest(guarded(sized=True))
    scene.want(guarded(sized=True, trigger="58000"))
    scene.step()
    scene.tick(1_100)
    assert scene.step().look == ()


def test_4_1_2_an_event_that_never_comes_after_a_look_is_a_deaf_strike():
    scene, asked = silent()
    shown = scene.venue.place(ask(asked.context))
    scene.fold(scene.query(asked.context))
    assert scene.account.deaf_strikes == 0
    scene.tick(5_100)
    assert scene.account.deaf_strikes == 1
    assert scene.state.trusted
    scene.fold(*shown)
    assert scene.account.deaf_strikes == 1


def test_i16_4_1_2_nothing_is_added_while_the_event_of_a_stop_that_a_look_showed_is_due():
    scene = long_of(guarded(ladder()))
    scene.step()
    sl, tp = scene.waiting
    scene.confirm(tp)
    scene._forget(sl)
    scene.fold(evidence.accepted(sl, 4711))
    scene.tick(1_000)
    shown = scene.venue.place(ask(sl.context))
    scene.fold(scene.query(sl.context))
    scene.tick(300)
    assert isinstance(scene.step(), Converged)
    scene.fold(*shown)
    assert said(scene.step()) == ("EXPOSURE", [("place", "DCA/1")])


def test_4_1_2_an_event_that_is_only_late_is_none():
    scene, asked = silent()
    shown = scene.venue.place(ask(asked.context))
    scene.fold(scene.query(asked.context))
    scene.tick(2_000)
    scene.fold(*shown)
    scene.tick(5_100)
    assert scene.account.deaf_strikes == 0
