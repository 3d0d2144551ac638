"""Unknown outcomes, accepted orders that cannot be found, and recovery (4.1, 8.2, 8.3, X-1 to X-4)."""

import pytest

from backstay.core.contexts import Phase
from backstay.core.decisions import Act, Converged, Recover
from backstay.core.events import Effect
from backstay.core.recovery import in_doubt
from backstay.core.slots import MAIN_STOP
from backstay.core.types import (
    MS,
    SECOND,
    Action,
    OrderStatus,
    Role,
    Trust,
)
from backstay.testing import evidence
from backstay.testing.evidence import algo, ms
from backstay.testing.scene import ask

from tests.core.scenes import armed, at_rest, invisible, long_of, lost, said
from tests.core.wishes import BUY, SELL, D, guarded, ladder


def test_8_2_1_the_order_is_unknown_at_once_and_its_slot_stays_guarded():
    scene, asked = lost()
    assert scene.state.contexts[asked.ctx_id].phase is Phase.UNKNOWN
    assert scene.state.trust is Trust.RECOVERY_REQUIRED
    assert asked.ctx_id in scene.state.pendings


def test_8_2_2_private_evidence_that_comes_first_settles_it():
    scene, asked = lost()
    scene.report(asked)
    assert scene.state.pendings == {}
    assert in_doubt(scene.state) == ()
    scene.recover()
    assert scene.state.trusted
    assert scene.step() == Converged()


def test_8_2_3_what_the_read_shows_is_adopted_into_its_slot():
    scene, asked = lost(done=True)
    scene.recover()
    assert scene.state.trusted
    assert scene.state.contexts[asked.ctx_id].phase is Phase.LIVE
    assert scene.step() == Converged()
    assert len([r for r in scene.requests if r.key.role is Role.TP]) == 1


def test_8_2_3_what_only_the_query_shows_is_adopted_too():
    """Filled at once: no open list has it any more."""
    scene, asked = lost(done=True)
    scene.venue.fill(asked.ctx_id)
    scene.recover()
    assert scene.state.contexts[asked.ctx_id].phase is Phase.FILLED
    scene.tick(3_000)  # a read that contradicts a row of the stream must not be a lagging one
    scene.recover()
    assert scene.state.trusted
    assert scene.state.position.quantity == 0


def test_8_2_4_not_found_is_no_absence_before_the_window_is_over():
    scene, asked = lost()
    window = scene.state.contexts[asked.ctx_id].sent_at + 3_000 * MS + SECOND
    while scene.now <= window:
        assert isinstance(scene.step(), Recover)
        scene.recover()
        if scene.now < window:
            assert not scene.state.trusted
            assert not scene.state.contexts[asked.ctx_id].is_terminal
        scene.tick(500)
    scene.recover()
    assert scene.state.contexts[asked.ctx_id].phase is Phase.ABSENT
    assert scene.state.trusted


def test_8_2_5_proven_absence_plans_the_slot_again_under_a_new_id():
    scene, asked = lost()
    scene.tick(4_100)
    scene.recover()
    assert said(scene.step()) == ("PROTECT", [("place", "TP/0")])
    again = scene.waiting[0]
    assert again.ctx_id != asked.ctx_id
    assert again.context.generation > asked.context.generation


@pytest.mark.parametrize("done", [True, False])
def test_8_2_6_the_row_of_the_target_decides_an_amend_of_unknown_outcome(done):
    scene = at_rest(guarded())
    scene.want(guarded(price="61000"))
    scene.step()
    amend = scene.waiting[0]
    if done:
        scene.venue.amend(amend.ctx_id, amend.price, amend.quantity)
    scene.lose(amend)
    assert isinstance(scene.step(), Recover)
    scene.recover()
    assert scene.state.trusted is done
    scene.tick(4_100)
    scene.recover()
    assert scene.state.trusted
    assert said(scene.step()) == ("Converged" if done else ("PROTECT", [("amend", "TP/0")]))


@pytest.mark.parametrize("done", [True, False])
def test_8_2_6_the_row_of_the_target_decides_a_cancel_of_unknown_outcome(done):
    scene = at_rest(guarded(ladder()))
    scene.want(guarded())
    scene.step()
    cancel = scene.waiting[0]
    if done:
        scene.venue.cancel(cancel.ctx_id)
    scene.lose(cancel)
    scene.recover()
    scene.tick(4_100)
    scene.recover()
    assert scene.state.trusted
    assert said(scene.step()) == ("Converged" if done else ("CLEANUP", [("cancel", "DCA/1")]))


def test_8_2_a_duplicate_id_is_looked_up_and_taken_for_our_own_earlier_send():
    scene = long_of(guarded())
    scene.step()
    sl, tp = scene.waiting
    scene.confirm(sl)
    scene.venue.place(ask(tp.context))
    scene.refuse(tp, Effect.DUPLICATE_ID, code=-4116)
    assert scene.state.reasons == ("duplicate_id",)
    scene.recover()
    assert scene.state.trusted
    assert scene.step() == Converged()


# --- accepted, then not found -------------------------------------------------------------------


@pytest.mark.parametrize(("role", "gap"), [(Role.TP, 10), (Role.SL, 60)])
def test_x1_absence_of_an_accepted_order_needs_two_reads_far_enough_apart(role, gap):
    scene, asked = invisible(role, guarded(sized=True))
    scene.recover()
    first = scene.now
    while scene.now < first + (gap - 1) * SECOND:
        scene.recover()
        assert scene.state.contexts[asked.ctx_id].phase is Phase.ACCEPTED
        assert not scene.state.trusted
        scene.tick(700)
    scene.tick(2_000)
    scene.recover()
    assert scene.state.contexts[asked.ctx_id].phase is Phase.ABSENT
    assert scene.state.trusted


def test_x2_until_then_the_slot_keeps_its_guard_and_the_naked_timer_runs():
    scene, asked = invisible(policy=guarded(sized=True))
    scene.recover()
    assert asked.ctx_id in scene.state.pendings
    assert scene.state.naked_since
    assert MAIN_STOP not in [i.key for i in scene.step().intents]


def test_x3_a_close_position_stop_is_sent_again_before_absence_is_proven():
    scene, asked = invisible()
    assert isinstance(scene.step(), Recover)
    scene.recover()
    decision = scene.step()
    assert said(decision) == ("PROTECT", [("place", "SL/0")])
    assert decision.reason == "stop_unfound"
    assert decision.intents[0].blind
    assert decision.intents[0].slot.close_position
    assert scene.waiting[0].ctx_id != asked.ctx_id
    assert isinstance(scene.step(), Recover)
    scene.confirm()
    assert scene.state.naked_since == 0
    assert armed(scene) == [("57000.0", "0")]


def test_x3_a_refusal_as_existing_proves_that_the_first_one_lives():
    scene, asked = invisible()
    scene.recover()
    scene.step()
    shown = scene.venue.place(ask(asked.context))
    scene.confirm()
    assert "close_position_exists" in scene.state.reasons
    assert isinstance(scene.step(), Recover)
    scene.fold(*(e for e in shown))
    scene.recover()
    assert scene.state.trusted
    assert armed(scene) == [("57000.0", "0")]
    assert scene.state.naked_since == 0


def test_x3_a_blind_stop_is_not_repeated_while_its_own_fate_is_open():
    scene, _ = invisible()
    scene.recover()
    scene.step()
    for _ in range(3):
        scene.tick(500)
        scene.recover()
        assert not isinstance(scene.step(), Act)
    assert len([r for r in scene.requests if r.key.role is Role.SL]) == 2


def test_x3_a_blind_stop_that_the_executor_dropped_is_not_asked_for_in_a_loop():
    from backstay.core.events import RequestDropped

    scene, _ = invisible()
    scene.recover()
    scene.step()
    dropped = scene.waiting.pop()
    scene.fold(
        RequestDropped(scope=scene.key, ctx_id=dropped.ctx_id, action=Action.PLACE, reason="trust lost")
    )
    assert isinstance(scene.step(), Recover)


def test_x3_needs_the_first_read_and_no_other_reason():
    scene, _ = invisible()
    assert isinstance(scene.step(), Recover)
    scene.recover()
    scene.fold(evidence.position("0.011", at=(scene.now - ms(0)) / MS))
    scene.fold(evidence.order(OrderStatus.FILLED, side=BUY, order_id=99, client_id="w", at=10**6))
    assert not isinstance(scene.step(), Act)


def test_x3_is_for_naked_positions_alone():
    scene, asked = invisible()
    scene.recover()
    shown = algo(algo_id=4711, client_id=asked.ctx_id, at=50_000, trigger="57000.0")
    scene.fold(shown)
    assert scene.state.naked_since == 0
    assert isinstance(scene.step(), Recover)


def test_x4_an_order_that_shows_up_after_its_absence_was_proven_is_cleaned_up():
    scene, asked = lost(Role.TP)
    scene.tick(4_100)
    scene.recover()
    assert scene.state.contexts[asked.ctx_id].phase is Phase.ABSENT
    scene.rest()
    scene.fold(*scene.venue.place(ask(asked.context)))
    scene.tick(300)
    assert said(scene.step()) == ("CLEANUP", [("cancel", "TP/0")])
    assert scene.waiting[0].ctx_id == asked.ctx_id
    scene.confirm()
    assert scene.step() == Converged()


def test_r28_an_accepted_stop_that_is_invisible_for_forty_seconds_is_never_doubled():
    scene, asked = invisible()
    appears = scene.now + 40 * SECOND
    twice = 0
    while scene.now < appears:
        scene.recover()
        if isinstance(scene.step(), Act):
            blind = scene.waiting[0]
            scene.refuse(blind, Effect.CLOSE_POSITION_EXISTS, code=-4130)
        scene.tick(1_000)
        twice = max(twice, len(scene.venue.open_algos()))
    scene.fold(*scene.venue.place(ask(asked.context)))
    scene.recover()
    assert scene.state.trusted
    scene.rest()
    assert twice == 0
    assert armed(scene) == [("57000.0", "0")]


def test_i34_a_context_that_is_proven_absent_causes_no_cancel_and_is_forgotten_with_its_life():
    scene, asked = lost(Role.TP)
    scene.tick(4_100)
    scene.recover()
    scene.rest()
    assert asked.ctx_id not in {r.ctx_id for r in scene.requests if r.action is Action.CANCEL}
    scene.see(scene.venue.trade_by_hand(SELL, D("0.010"), D(60000)))
    scene.rest()
    scene.see(scene.venue.trade_by_hand(BUY, D("0.010"), D(60000)))
    assert asked.ctx_id not in scene.state.contexts
