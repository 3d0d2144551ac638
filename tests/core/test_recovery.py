"""Recovery: its reasons, its end, and what a restart doubts (4.1, 5.1, R-12)."""

from msgspec.structs import replace

from backstay.core.contexts import Phase
from backstay.core.decisions import Act, Converged, Recover, Wait
from backstay.core.events import (
    AnswerClass,
    Effect,
    OperatorAction,
    OperatorCommand,
    OrdersSnapshot,
    RecoveryEnded,
    RecoveryStarted,
    StreamChanged,
    StreamState,
    TrustLost,
)
from backstay.core.recovery import ATTEMPTS_MAX, BACKOFF
from backstay.core.state import AccountState
from backstay.core.types import (
    MS,
    Action,
    AlgoStatus,
    OrderStatus,
    Role,
    Subject,
    Trust,
)
from backstay.testing import evidence
from backstay.testing.evidence import algo
from backstay.testing.scene import ask

from tests.core.scenes import at_rest, invisible, long_of, own, said
from tests.core.wishes import SELL, guarded, ladder

# --- recovery itself ----------------------------------------------------------------------------


def test_4_1_recovery_backs_off_and_ends_with_a_human_after_five_failed_reads():
    scene = at_rest(guarded())
    scene.fold(evidence.unanswered(evidence.request(own(scene, Role.TP), Action.CANCEL)))
    scene.fold(TrustLost(reason="clock", scopes=(scene.key,)))
    for n in range(ATTEMPTS_MAX):
        assert scene.state.trust is Trust.RECOVERY_REQUIRED
        began = scene.now
        scene.recover(failure="no answer")
        if n < ATTEMPTS_MAX - 1:
            assert scene.state.retry_at == began + BACKOFF[n]
    assert scene.state.trust is Trust.MANUAL_REVIEW
    assert scene.step() == Wait("manual_review")


def test_4_1_an_acknowledgement_leads_to_a_fresh_read_never_straight_to_trust():
    scene = at_rest(guarded())
    scene.fold(TrustLost(reason="clock", scopes=(scene.key,)))
    for _ in range(ATTEMPTS_MAX):
        scene.recover(failure="no answer")
    scene.fold(OperatorCommand(action=OperatorAction.ACK, who="me", scope=scene.key))
    assert scene.state.trust is Trust.RECOVERY_REQUIRED
    scene.recover()
    assert scene.state.trusted


def test_4_1_rounds_that_could_read_are_no_failures():
    """An unknown outcome may take many rounds; one bad read after them calls for nobody."""
    scene, _ = invisible(policy=guarded(sized=True))
    for _ in range(7):
        scene.recover()
    scene.recover(failure="no answer")
    assert scene.state.trust is Trust.RECOVERY_REQUIRED


def test_4_1_a_reason_that_arises_during_the_recovery_keeps_it_from_ending_in_trust():
    scene = at_rest(guarded())
    scene.fold(TrustLost(reason="clock", scopes=(scene.key,)), RecoveryStarted(scopes=(scene.key,)))
    scene.fold(*scene.venue.reads(), TrustLost(reason="unidentified_event", scopes=(scene.key,)))
    scene.fold(RecoveryEnded(subjects=(Subject.POSITIONS,), scopes=(scene.key,)))
    assert scene.state.trust is Trust.RECOVERY_REQUIRED
    assert scene.state.reasons == ("unidentified_event",)


def test_5_1_recovery_that_finds_everything_as_it_was_sends_nothing():
    scene = at_rest(guarded(ladder()))
    epoch = scene.state.trust_epoch
    scene.fold(TrustLost(reason="clock", scopes=(scene.key,)))
    scene.recover()
    assert scene.state.trust_epoch == epoch + 1
    assert scene.step() == Converged()


def test_4_3_a_stop_that_is_stuck_in_triggering_does_not_keep_the_position_bare():
    """The venue shows it for ever; what matters is that another stop protects."""
    scene = at_rest(guarded(sized=True))
    sl = own(scene, Role.SL)
    scene.venue.algos[sl.ctx_id] = stuck = algo(
        AlgoStatus.TRIGGERING,
        algo_id=sl.order_id,
        client_id=sl.ctx_id,
        at=90_000,
        trigger="57000.0",
        quantity="0.010",
    )
    scene.fold(stuck)
    scene.tick(3_100)
    assert scene.step() == Recover(("trigger_unresolved",))
    scene.recover()
    assert scene.state.trusted
    assert said(scene.step()) == ("PROTECT", [("place", "SL/0")])
    scene.confirm()
    assert scene.state.naked_since == 0
    scene.rest()
    assert sl.ctx_id not in {r.ctx_id for r in scene.requests if r.action is Action.CANCEL}


def test_4_3_a_stuck_close_position_stop_is_bridged_even_where_the_policy_wants_no_bridges():
    """The venue admits one such stop, and this one never makes room: a sized one protects meanwhile."""
    scene = at_rest(guarded(bridge=False))
    sl = own(scene, Role.SL)
    scene.venue.algos[sl.ctx_id] = stuck = algo(
        AlgoStatus.TRIGGERING,
        algo_id=sl.order_id,
        client_id=sl.ctx_id,
        at=90_000,
        trigger="57000.0",
        close_position=True,
    )
    scene.fold(stuck)
    scene.tick(3_100)
    scene.step()
    scene.recover()
    assert said(scene.step()) == ("PROTECT", [("place", "SL/1")])
    scene.confirm()
    assert scene.state.naked_since == 0


def passed_by():
    """A LONG of 0.010 whose stop was triggered and became a LIMIT that the market has passed by."""
    scene = at_rest(guarded(sized=True))
    sl = own(scene, Role.SL)
    child = evidence.order(order_id=77, client_id=sl.ctx_id, at=90_000, side=SELL, price="56900")
    triggered = algo(
        AlgoStatus.TRIGGERED,
        algo_id=sl.order_id,
        client_id=sl.ctx_id,
        at=90_000,
        trigger="57000.0",
        quantity="0.010",
        child_order_id=77,
    )
    scene.venue.algos[sl.ctx_id], scene.venue.orders[sl.ctx_id] = triggered, child
    scene.fold(child, triggered)
    scene.tick(3_100)
    assert scene.step() == Recover(("trigger_unresolved",))
    scene.recover()
    return scene, sl


def test_4_3_what_a_stop_that_the_market_has_passed_by_left_in_the_book_goes_once_another_one_stands():
    """It would take the room of what reduces the position from the stop that stands for it."""
    scene, sl = passed_by()
    assert said(scene.step()) == ("PROTECT", [("place", "SL/0")])
    assert not isinstance(scene.step(), Act)
    scene.confirm()
    decision = scene.step()
    assert said(decision) == ("CLEANUP", [("cancel", "SL/0")])
    assert decision.intents[0].target == sl.ctx_id
    assert not isinstance(scene.step(), Act)  # I-15
    gone = replace(scene.venue.orders[sl.ctx_id], status=OrderStatus.CANCELED, at=scene.now)
    ended = replace(scene.venue.algos[sl.ctx_id], status=AlgoStatus.FINISHED, at=scene.now)
    scene.see((gone, ended))
    assert scene.step() == Converged()
    assert scene.state.naked_since == 0


def test_4_3_a_lost_cancel_of_what_a_triggered_stop_left_in_the_book_is_repeated():
    scene, sl = passed_by()
    scene.step()
    scene.confirm()
    assert said(scene.step()) == ("CLEANUP", [("cancel", "SL/0")])
    scene.lose(scene.waiting[0])
    scene.tick(7_000)
    scene.recover()
    assert (scene.state.trusted, scene.state.pendings) == (True, {})
    decision = scene.step()
    assert said(decision) == ("CLEANUP", [("cancel", "SL/0")])
    assert decision.intents[0].target == sl.ctx_id


def test_8_1_a_cancel_in_vain_of_what_a_triggered_stop_left_in_the_book_waits():
    scene, _ = passed_by()
    scene.step()
    scene.confirm()
    for count in (1, 2):
        assert said(scene.step()) == ("CLEANUP", [("cancel", "SL/0")])
        scene.accept(scene.waiting[0])
        scene.tick(5_100)
        assert scene.step() == Recover(("confirmation_deadline",))
        scene.recover()
        assert (scene.state.trusted, scene.state.pendings) == (True, {})
        assert scene.step().reason == "blocked cancel_in_vain"
        (block,) = scene.state.blocks
        assert block.count == count
        scene.tick((block.until - scene.now) // MS + 1)


def test_r12_a_restart_doubts_what_was_under_way_and_adopts_what_it_finds():
    scene = long_of(guarded())
    scene.step()
    sl, tp = scene.waiting
    scene.venue.place(ask(sl.context))
    scene.fold(replace(evidence.run(), writer=2))
    assert {c.phase for c in scene.state.contexts.values()} == {Phase.UNKNOWN}
    assert scene.state.trust is Trust.UNHYDRATED
    scene.tick(6_500)
    scene.recover()
    assert scene.state.contexts[sl.ctx_id].phase is Phase.ARMED
    assert scene.state.contexts[tp.ctx_id].phase is Phase.ABSENT
    assert said(scene.step()) == ("PROTECT", [("place", "TP/0")])


def test_8_1_gone_on_a_cancel_whose_end_never_comes_is_read_not_believed():
    scene = at_rest(guarded(ladder()))
    scene.want(guarded())
    scene.step()
    cancel = scene.waiting[0]
    scene.refuse(cancel, Effect.GONE, answer=AnswerClass.STALE)
    scene.tick(600)
    assert isinstance(scene.step(), Recover)
    scene.recover()
    scene.tick(1_000)
    assert said(scene.step()) == ("CLEANUP", [("cancel", "DCA/1")])


def test_r11_a_gap_during_the_first_read_costs_the_trust_of_what_it_introduces():
    start = evidence.start_up(evidence.position_row("0.010"))
    reads = next(i for i, e in enumerate(start) if isinstance(e, OrdersSnapshot))
    gap = [StreamChanged(state=StreamState.DISCONNECTED), StreamChanged(state=StreamState.CONNECTED)]
    account = evidence.folded(AccountState(), [*start[:3], *gap, *start[3:]])
    assert reads > 3
    s = evidence.state(account)
    assert s.trust is Trust.RECOVERY_REQUIRED
    assert s.reasons == ("stream_disconnected",)
    again = evidence.folded(account, start[2:])
    assert evidence.state(again).trust is Trust.TRUSTED


def test_4_1_an_acknowledgement_does_not_forget_that_the_stream_is_down():
    scene = at_rest(guarded())
    scene.fold(TrustLost(reason="clock", scopes=(scene.key,)))
    for _ in range(ATTEMPTS_MAX):
        scene.recover(failure="no answer")
    assert scene.state.trust is Trust.MANUAL_REVIEW
    scene.fold(StreamChanged(state=StreamState.DISCONNECTED))
    scene.fold(OperatorCommand(action=OperatorAction.ACK, who="me", scope=scene.key))
    assert {"operator_ack", "stream_disconnected"} <= set(scene.state.reasons)
