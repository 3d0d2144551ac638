"""What the reads of a recovery prove, to the nanosecond: windows, gaps, lags, backoffs."""

import pytest
from msgspec.structs import replace

from backstay.core.account import fold
from backstay.core.contexts import Phase
from backstay.core.events import (
    OperatorAction,
    OperatorCommand,
    RecoveryEnded,
    RecoveryStarted,
    RequestsRegistered,
    TimePassed,
    TrustLost,
)
from backstay.core.reading import ABSENCE_GAP, READ_LAG
from backstay.core.recovery import (
    ACCOUNT_WIDE,
    ATTEMPTS_MAX,
    BACKOFF,
    PROTECTIVE_WINDOW_MS,
    WINDOW_MS,
    WINDOW_SLACK,
    in_doubt,
)
from backstay.core.state import Block
from backstay.core.types import SECOND, Action, AlgoStatus, OrderStatus, Subject, Surface, Trust
from backstay.testing import evidence
from backstay.testing.evidence import algo, hydrated, ms, order, position, position_row, scope, state

from tests.core.scenes import account_with, asked
from tests.core.wishes import ladder, stop, target

KEY = scope()


def held(quantity="0.010"):
    return hydrated(position_row(quantity))


def at(account, when, *events):
    """The account after `events`, all taken in at `when` (ms)."""
    return evidence.folded(account, events, at=when)


def begun(account, when=0, reason="clock"):
    return at(account, when, TrustLost(reason=reason, scopes=(KEY,)), RecoveryStarted(scopes=(KEY,)))


def ended(account, when, failure=""):
    return at(account, when, RecoveryEnded(subjects=(Subject.POSITIONS,), scopes=(KEY,), failure=failure))


def resting(slot=None, name="o1"):
    """A trusted account whose order `name` rests since 100 ms."""
    request = asked(slot or target(), name)
    row = order(order_id=1, client_id=name, at=100)
    if request.context.surface is Surface.ALGO:
        row = algo(algo_id=1, client_id=name, at=100)
    return at(account_with(request), 100, evidence.accepted(request, 1), row)


def test_the_times_are_those_of_the_specification():
    seconds = [t / SECOND for t in BACKOFF]
    assert seconds == [0.5, 1, 2, 4, 8, 16, 30]
    assert {k: v / SECOND for k, v in ABSENCE_GAP.items()} == {Surface.REGULAR: 10, Surface.ALGO: 60}
    assert (ATTEMPTS_MAX, WINDOW_MS, PROTECTIVE_WINDOW_MS) == (5, 5000, 3000)
    assert (WINDOW_SLACK, READ_LAG) == (SECOND, 3 * SECOND)


def test_4_1_1_what_only_a_read_of_the_whole_account_can_clear():
    streams = {"stream_disconnected", "stream_expired", "stream_deaf", "stream_reconnected"}
    ours = {"clock_offset", "ingest_failed", "unidentified_account_event"}
    assert {"startup", "restart", "account_mode", "clock"} | ours | streams == ACCOUNT_WIDE


# --- how a recovery ends -------------------------------------------------------------------------------


def test_4_1_a_failed_recovery_keeps_old_and_new_reasons_once_each():
    account = begun(held())
    account = at(
        account, 1, TrustLost(reason="clock", scopes=(KEY,)), TrustLost(reason="operator", scopes=(KEY,))
    )
    account = ended(account, 2, "no answer")
    assert state(account).reasons == ("clock", "operator")
    assert state(account).handling == ()
    assert (state(account).attempts, state(account).failures) == (1, 1)
    assert state(account).retry_at == ms(2) + BACKOFF[0]


def test_4_1_the_backoff_grows_to_thirty_seconds_and_a_read_that_succeeds_forgives_the_failures():
    account = held()
    waits = []
    for n in range(9):
        account = begun(account, n)
        failure = "" if n % 2 else "no answer"
        account = at(account, n, TrustLost(reason="clock", scopes=(KEY,)))
        account = ended(account, n, failure)
        waits.append((state(account).retry_at - ms(n)) / SECOND)
        assert state(account).failures == (0 if n % 2 else 1)
    assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_4_1_trust_that_is_regained_begins_a_new_epoch_and_forgets_the_attempts():
    account = ended(begun(ended(begun(held()), 1, "no answer"), 2), 9_000)
    s = state(account)
    assert s.trusted
    assert (s.attempts, s.failures, s.retry_at, s.handling) == (0, 0, 0, ())
    assert s.trust_epoch == state(held()).trust_epoch + 1
    assert s.burst_since == s.burst_last == ms(9_000)


def test_the_end_of_a_recovery_that_never_began_is_no_news():
    account = held()
    assert ended(account, 1) is account
    assert ended(account, 1, "no answer") is account


def test_8_2_the_next_look_is_not_later_than_the_end_of_the_window():
    lost = at(account_with(asked()), 10, evidence.unanswered(asked()))
    for when, look in ((1_000, 1_500), (3_800, 4_000), (4_000, 4_500)):
        account = at(lost, when, RecoveryStarted(scopes=(KEY,)))
        account = ended(account, when)
        assert state(account).reasons == ("unknown_outcome",)
        assert state(account).handling == ()
        assert state(account).retry_at == ms(look)


def test_8_3_an_accepted_order_has_no_window_to_wait_for():
    account = at(account_with(asked()), 10, evidence.accepted(asked(), 5))
    account = at(account, 9_000, TimePassed(scope=KEY), RecoveryStarted(scopes=(KEY,)))
    account = ended(account, 9_000)
    assert state(account).retry_at == ms(9_500)


def test_8_3_an_order_that_a_read_lacks_has_no_window_either():
    """It was seen, so it was accepted: when its request could last be accepted says nothing."""
    account = at(begun(resting(), 200), 300, evidence.orders_read(at=250))
    assert state(account).contexts["o1"].phase is Phase.UNKNOWN
    looks = []
    for when in (300, 800, 1_800, 3_800):
        account = ended(at(account, when, RecoveryStarted(scopes=(KEY,))), when)
        looks.append(state(account).retry_at)
    assert looks == [ms(800), ms(1_800), ms(3_800), ms(7_800)]


def test_8_2_an_unknown_cancel_is_over_with_its_window():
    cancel = evidence.request(asked().context, Action.CANCEL)
    account = at(resting(), 1_000, evidence.registered(cancel), evidence.sent(cancel, at=1_000))
    account = at(account, 1_100, evidence.unanswered(cancel))
    early = ended(at(account, 5_000, RecoveryStarted(scopes=(KEY,))), 5_000)
    assert state(early).reasons == ("unknown_outcome",)
    assert set(state(early).pendings) == {"o1"}
    late = ended(at(early, 5_001, RecoveryStarted(scopes=(KEY,))), 5_001)
    assert state(late).trusted
    assert state(late).pendings == {}


def test_8_2_an_amend_that_expired_is_settled_by_the_read():
    amend = evidence.request(asked().context, Action.AMEND, price="61000", quantity="0.010")
    account = at(resting(), 1_000, evidence.registered(amend), evidence.sent(amend, at=1_000))
    account = at(account, 1_100, evidence.accepted(amend, 1))
    account = at(account, 6_100, TimePassed(scope=KEY), RecoveryStarted(scopes=(KEY,)))
    assert state(ended(account, 6_200)).pendings == {}
    assert state(ended(account, 6_200)).trusted


def test_8_2_a_recovery_for_another_reason_leaves_what_is_still_in_time():
    amend = evidence.request(asked().context, Action.AMEND, price="61000", quantity="0.010")
    account = at(resting(), 1_000, evidence.registered(amend), evidence.sent(amend, at=1_000))
    account = ended(begun(account, 1_100), 1_200)
    assert state(account).trusted
    assert set(state(account).pendings) == {"o1"}


def test_5_1_a_place_that_rests_by_now_is_settled():
    account = begun(account_with(asked()), 100)
    account = at(account, 200, evidence.orders_read(order(at=50), at=150))
    assert state(ended(account, 300)).pendings == {}


@pytest.mark.parametrize(("action", "goes_on"), [(OperatorAction.CLOSE, False), (OperatorAction.KILL, True)])
def test_6_a_close_that_finds_the_position_gone_is_done_and_a_kill_is_not(action, goes_on):
    account = begun(held())
    account = at(account, 1, OperatorCommand(action=action, who="me", scope=KEY))
    account = at(account, 9_000, evidence.positions_read(at=9_000))
    assert bool(state(ended(account, 9_100)).flatten_since) is goes_on


@pytest.mark.parametrize(("action", "goes_on"), [(OperatorAction.CLOSE, False), (OperatorAction.KILL, True)])
def test_6_a_close_of_what_turns_out_to_be_flat_all_along_is_done(action, goes_on):
    account = begun(at(hydrated(), 1, position(0, at=1)), 2)
    account = at(account, 3, OperatorCommand(action=action, who="me", scope=KEY))
    assert state(account).flatten_since
    s = state(ended(at(account, 9_000, evidence.positions_read(at=9_000)), 9_100))
    assert bool(s.flatten_since) is bool(s.flatten_reason) is goes_on


def test_6_a_close_goes_on_while_there_is_a_position():
    account = begun(held())
    account = at(account, 1, OperatorCommand(action=OperatorAction.CLOSE, who="me", scope=KEY))
    account = ended(account, 2)
    assert state(account).flatten_since == ms(1)
    assert state(account).flatten_reason


def test_o7_a_fill_that_even_the_read_does_not_match_gets_a_new_deadline():
    filled = order(OrderStatus.FILLED, order_id=9, client_id="web_1", at=9_000)
    account = begun(at(held(), 9_000, filled), 9_100)
    assert state(ended(account, 9_200)).fill_seen_at == ms(9_200)
    read = at(account, 9_150, evidence.positions_read(position_row("0.020"), at=9_140))
    assert state(ended(read, 9_200)).fill_seen_at == 0


# --- the operator has looked ---------------------------------------------------------------------------


def test_an_acknowledgement_releases_what_waits_for_a_human_and_nothing_else():
    blocks = (
        Block(key=None, effect="liquidation_seen", since=1, until=0),
        Block(key=None, effect="margin", since=1, until=ms(60_000)),
    )
    account = held()
    s = replace(state(account), blocks=blocks, manual_cancels=(1, 2))
    account = replace(account, scopes={KEY: s})
    account = at(account, 1, OperatorCommand(action=OperatorAction.ACK, who="me", scope=KEY))
    assert [b.effect for b in state(account).blocks] == ["margin"]
    assert state(account).manual_cancels == ()
    assert state(account).trusted
    assert state(account).reviewed == state(account).epoch
    assert at(account, 2, OperatorCommand(action=OperatorAction.ACK, who="me", scope=KEY)) is account


def test_an_acknowledgement_of_nothing_reviews_no_flat_scope():
    account = at(hydrated(), 1, position(0, at=1))
    after = at(account, 2, OperatorCommand(action=OperatorAction.ACK, who="me", scope=KEY))
    assert after is account


def test_4_1_the_review_ends_in_a_fresh_recovery_without_its_history():
    account = held()
    for n in range(ATTEMPTS_MAX):
        account = ended(begun(account, n), n, "no answer")
    assert state(account).trust is Trust.MANUAL_REVIEW
    waits = Block(key=None, effect="liquidation_seen", since=1, until=0)
    account = replace(account, scopes={KEY: replace(state(account), blocks=(waits,))})
    account = at(account, 99, OperatorCommand(action=OperatorAction.ACK, who="me", scope=KEY))
    s = state(account)
    assert s.blocks == ()
    assert (s.trust, s.reasons) == (Trust.RECOVERY_REQUIRED, ("operator_ack", "clock"))
    assert (s.attempts, s.failures, s.retry_at) == (0, 0, 0)


def test_4_1_an_acknowledgement_keeps_what_only_the_whole_account_can_clear_and_nothing_else():
    """What a scope's own read clears is cleared by the read that the word asks for."""
    account = at(held(), 1, TrustLost(reason="unidentified_event", scopes=(KEY,)))
    account = at(account, 2, TrustLost(reason="clock_offset: the clock moved by 2000 ms", scopes=(KEY,)))
    for n in range(ATTEMPTS_MAX):
        account = at(account, 3 + n, RecoveryStarted(scopes=(KEY,)))
        account = ended(account, 3 + n, "no answer")
    assert state(account).trust is Trust.MANUAL_REVIEW
    account = at(account, 99, OperatorCommand(action=OperatorAction.ACK, who="me", scope=KEY))
    assert state(account).reasons == ("operator_ack", "clock_offset: the clock moved by 2000 ms")


# --- a restart -----------------------------------------------------------------------------------------


def restarted(account, when=500):
    return at(account, when, replace(evidence.run(), writer=2))


@pytest.mark.parametrize(("slot", "window"), [(target(), 3000), (ladder(), 5000)])
def test_r12_what_may_have_been_sent_is_doubted_for_a_whole_window(slot, window):
    """From when on: see test_quiet."""
    account = fold(held(), RequestsRegistered(requests=(asked(slot),)), ms(1))
    ctx = state(restarted(account)).contexts["o1"]
    assert (ctx.phase, ctx.sent_at, ctx.recv_window_ms) == (Phase.UNKNOWN, 0, window)


def test_r12_what_is_known_to_have_been_sent_keeps_its_time():
    ctx = state(restarted(account_with(asked()))).contexts["o1"]
    assert (ctx.phase, ctx.sent_at, ctx.recv_window_ms) == (Phase.UNKNOWN, ms(0), 3000)


def test_r12_what_rested_rests_and_its_amend_is_in_doubt():
    amend = evidence.request(asked().context, Action.AMEND, price="61000", quantity="0.010")
    account = at(resting(), 1_000, evidence.registered(amend))
    s = state(restarted(account, 1_100))
    assert s.contexts["o1"].phase is Phase.LIVE
    assert s.pendings["o1"].unknown
    assert s.trust is Trust.UNHYDRATED
    assert (s.reasons, s.handling) == (("restart",), ())


def test_r12_a_recovery_of_the_old_process_is_over():
    s = state(restarted(begun(held())))
    assert (s.trust, s.reasons, s.handling) == (Trust.UNHYDRATED, ("restart",), ())


def test_r12_a_place_is_doubted_by_its_context_and_its_guard_stays():
    s = state(restarted(account_with(asked())))
    assert not s.pendings["o1"].unknown


@pytest.mark.parametrize(
    ("foreseen", "rests", "naked"), [("0.005", "0.010", False), ("0.020", "0.005", True)]
)
def test_i37_a_stop_whose_record_of_being_sent_is_lost_covers_what_its_row_says(foreseen, rests, naked):
    armed = replace(evidence.context(stop(quantity=foreseen), "o1"), phase=Phase.PRE_ARMED)
    account = at(account_with(), 1, replace(evidence.registered(evidence.request(armed)), pre_armed=True))
    row = algo(client_id="o1", at=400, quantity=rests, close_position=False)
    s = state(at(restarted(account), 600, row))
    assert s.contexts["o1"].phase is Phase.ARMED
    assert bool(s.naked_since) is naked


def test_r12_timers_of_the_old_process_are_over():
    filled = order(OrderStatus.FILLED, order_id=9, client_id="web_1", at=9_000)
    s = state(restarted(ended(begun(at(held(), 9_000, filled), 9_001), 9_002, "no answer"), 9_100))
    assert (s.fill_seen_at, s.burst_since, s.burst_last) == (0, 0, 0)
    assert (s.attempts, s.failures, s.retry_at) == (0, 0, 0)


# --- who is in doubt -----------------------------------------------------------------------------------


def test_in_doubt_are_the_unknown_the_expired_and_the_stuck():
    assert not in_doubt(state(resting()))
    assert not in_doubt(state(account_with(asked())))
    assert in_doubt(state(at(account_with(asked()), 1, evidence.unanswered(asked()))))
    assert in_doubt(state(at(account_with(asked()), 20_000, TimePassed(scope=KEY))))
    triggering = at(resting(stop()), 9_000, algo(AlgoStatus.TRIGGERING, client_id="o1", at=9_000))
    assert not in_doubt(state(triggering))
    assert in_doubt(state(at(triggering, 12_000, TimePassed(scope=KEY))))


def test_an_expired_amend_is_no_doubt_about_the_order():
    amend = evidence.request(asked().context, Action.AMEND, price="61000", quantity="0.010")
    account = at(resting(), 1_000, evidence.registered(amend), evidence.sent(amend, at=1_000))
    assert not in_doubt(state(at(account, 60_000, TimePassed(scope=KEY))))


def test_a_stuck_trigger_of_a_position_that_is_gone_is_over():
    account = at(resting(stop()), 9_000, algo(AlgoStatus.TRIGGERING, client_id="o1", at=9_000))
    account = at(account, 12_000, TimePassed(scope=KEY), RecoveryStarted(scopes=(KEY,)))
    held_on = state(ended(account, 12_100)).contexts["o1"].phase
    assert held_on is Phase.TRIGGERING
    account = at(account, 12_050, evidence.positions_read(at=12_040))
    assert state(ended(account, 12_100)).contexts["o1"].phase is Phase.FINISHED


def test_4_3_a_stuck_trigger_that_a_restart_has_put_in_doubt_stays_in_doubt_over_a_flat_position():
    """What became of it while nobody listened only a query tells."""
    account = at(resting(stop()), 9_000, algo(AlgoStatus.TRIGGERING, client_id="o1", at=9_000))
    account = at(account, 12_000, TimePassed(scope=KEY), RecoveryStarted(scopes=(KEY,)))
    s = state(account)
    doubted = {k: replace(c, phase=Phase.UNKNOWN) for k, c in s.contexts.items()}
    account = replace(account, scopes={KEY: replace(s, contexts=doubted)})
    account = ended(at(account, 12_050, evidence.positions_read(at=12_040)), 12_100)
    assert state(account).position.quantity == 0
    assert state(account).contexts["o1"].phase is Phase.UNKNOWN
    assert state(account).trust is Trust.RECOVERY_REQUIRED


# --- snapshots of orders -------------------------------------------------------------------------------


def test_4_3_what_is_over_is_the_stuck_trigger_alone():
    """The position is gone; an order that rests is still an order that rests."""
    account = at(resting(stop()), 9_000, algo(AlgoStatus.TRIGGERING, client_id="o1", at=9_000))
    other = asked(ladder(), "o2")
    row = order(order_id=2, client_id="o2", at=9_100)
    account = at(account, 9_100, evidence.registered(other), evidence.sent(other, at=9_100), row)
    account = at(account, 12_000, TimePassed(scope=KEY), RecoveryStarted(scopes=(KEY,)))
    account = ended(at(account, 12_050, evidence.positions_read(at=12_040)), 12_100)
    phases = {k: c.phase for k, c in state(account).contexts.items()}
    assert phases == {"o1": Phase.FINISHED, "o2": Phase.LIVE}
    again = ended(begun(account, 12_200), 12_300)
    assert {k: c.phase for k, c in state(again).contexts.items()} == phases
