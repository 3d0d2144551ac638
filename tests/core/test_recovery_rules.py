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
from backstay.core.recovery import (
    ABSENCE_GAP,
    ACCOUNT_WIDE,
    ATTEMPTS_MAX,
    BACKOFF,
    PROTECTIVE_WINDOW_MS,
    READ_LAG,
    WINDOW_MS,
    WINDOW_SLACK,
    in_doubt,
)
from backstay.core.state import Block
from backstay.core.types import SECOND, Action, AlgoStatus, OrderStatus, Subject, Surface, Trust
from backstay.testing import evidence
from backstay.testing.evidence import algo, hydrated, ms, order, position, position_row, scope, state

from tests.core.scenes import account_with, asked
from tests.core.wishes import SELL, D, ladder, stop, target

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
    assert {"startup", "restart", "account_mode", "clock"} | streams == ACCOUNT_WIDE


# --- how a recovery ends -------------------------------------------------------------------------------


def test_4_1_a_failed_recovery_keeps_old_and_new_reasons_once_each():
    account = begun(held())
    account = at(
        account, 1, TrustLost(reason="clock", scopes=(KEY,)), TrustLost(reason="operator", scopes=(KEY,))
    )
    account = ended(account, 2, "no answer")
    assert state(account).reasons == ("clock", "operator")
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
    account = ended(begun(ended(begun(held()), 1, "no answer"), 2), 3)
    s = state(account)
    assert s.trusted
    assert (s.attempts, s.failures, s.retry_at, s.handling) == (0, 0, 0, ())
    assert s.trust_epoch == state(held()).trust_epoch + 1
    assert s.burst_last == ms(3)


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
        assert state(account).retry_at == ms(look)


def test_8_3_an_accepted_order_has_no_window_to_wait_for():
    account = at(account_with(asked()), 10, evidence.accepted(asked(), 5))
    account = at(account, 9_000, TimePassed(scope=KEY), RecoveryStarted(scopes=(KEY,)))
    account = ended(account, 9_000)
    assert state(account).retry_at == ms(9_500)


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
    account = at(account, 99, OperatorCommand(action=OperatorAction.ACK, who="me", scope=KEY))
    s = state(account)
    assert (s.trust, s.reasons) == (Trust.RECOVERY_REQUIRED, ("operator_ack",))
    assert (s.attempts, s.failures, s.retry_at) == (0, 0, 0)


# --- a restart -----------------------------------------------------------------------------------------


def restarted(account, when=500):
    return at(account, when, replace(evidence.run(), writer=2))


@pytest.mark.parametrize(("slot", "window"), [(target(), 3000), (ladder(), 5000)])
def test_r12_what_may_have_been_sent_is_doubted_for_a_whole_window_from_now(slot, window):
    account = fold(held(), RequestsRegistered(requests=(asked(slot),)), ms(1))
    ctx = state(restarted(account)).contexts["o1"]
    assert (ctx.phase, ctx.sent_at, ctx.recv_window_ms) == (Phase.UNKNOWN, ms(500), window)


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


def test_r12_a_place_is_doubted_by_its_context_and_its_guard_stays():
    s = state(restarted(account_with(asked())))
    assert not s.pendings["o1"].unknown


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


# --- snapshots of orders -------------------------------------------------------------------------------


@pytest.mark.parametrize(("slot", "read"), [(None, evidence.orders_read), (stop(), evidence.algos_read)])
def test_o9_a_read_removes_only_what_was_last_heard_of_before_it_was_asked(slot, read):
    account = begun(resting(slot), 200)
    same = at(account, 300, read(at=100))
    assert state(same).contexts["o1"].is_resting
    gone = at(account, 300, read(at=101))
    assert state(gone).contexts["o1"].phase is Phase.UNKNOWN
    assert not state(gone).orders
    assert not state(gone).algos


@pytest.mark.parametrize(("slot", "read"), [(None, evidence.orders_read), (stop(), evidence.algos_read)])
def test_i8_a_read_that_lacks_a_row_of_a_trusted_scope_is_a_contradiction(slot, read):
    trusted = at(resting(slot), 300, read(at=200))
    assert state(trusted).reasons == ("row_missing",)
    recovering = at(begun(resting(slot), 250), 300, read(at=200))
    assert state(recovering).reasons == ()
    complete = at(resting(slot), 300, read(*_rows(resting(slot)), at=200))
    assert state(complete).trusted


def _rows(account):
    s = state(account)
    return [*s.orders.values(), *s.algos.values()]


def test_i8_a_foreign_row_that_is_gone_is_no_contradiction():
    account = at(
        held(), 100, order(order_id=7, client_id="web_1", at=100), algo(algo_id=8, client_id="w", at=100)
    )
    account = at(account, 300, evidence.orders_read(at=200), evidence.algos_read(at=200))
    assert state(account).trusted
    assert not state(account).orders
    assert not state(account).algos


def test_i3_rows_that_ended_stay_although_no_open_list_has_them():
    account = at(held(), 100, order(OrderStatus.CANCELED, order_id=7, client_id="web_1", at=100))
    account = at(account, 100, algo(AlgoStatus.EXPIRED, algo_id=8, client_id="w", at=100))
    assert at(account, 300, evidence.orders_read(at=0), evidence.algos_read(at=0)) is account
    account = at(account, 300, evidence.orders_read(at=200), evidence.algos_read(at=200))
    assert set(state(account).orders) == {7}
    assert set(state(account).algos) == {8}


def test_4_3_the_child_of_a_stop_that_is_gone_says_nothing_about_the_stop():
    account = at(resting(stop()), 200, algo(AlgoStatus.TRIGGERED, client_id="o1", at=200, child_order_id=55))
    account = at(account, 200, order(order_id=55, client_id="o1", at=200, side=SELL))
    account = at(begun(account, 250), 400, evidence.orders_read(at=300))
    assert state(account).contexts["o1"].phase is Phase.TRIGGERED


def test_i37_a_stop_that_a_read_lacks_leaves_the_position_naked():
    account = at(begun(resting(stop()), 250), 300, evidence.algos_read(at=200))
    assert state(account).naked_since == ms(300)


def test_i8_the_latest_read_of_a_surface_counts_whatever_comes_in_late():
    account = at(held(), 900, evidence.orders_read(at=800), evidence.algos_read(at=810))
    account = at(account, 950, evidence.orders_read(at=500), evidence.algos_read(at=510))
    assert (state(account).orders_read_at, state(account).algos_read_at) == (ms(800), ms(810))


# --- snapshots of positions ----------------------------------------------------------------------------


def read_of(quantity, when, updated=None):
    rows = () if quantity is None else (position_row(quantity, updated=updated),)
    return evidence.positions_read(*rows, at=when)


def moved_at(when, quantity="0.020"):
    """The stream reported another size at `when`."""
    return at(held(), when, position(quantity, at=when))


def test_o9_a_read_that_was_asked_before_the_report_is_older():
    account = moved_at(9_000)
    assert at(account, 9_100, read_of("0.010", 8_999)) is account


@pytest.mark.parametrize(("asked_at", "overrules"), [(11_999, False), (12_000, True)])
def test_o9_a_read_overrules_a_report_only_when_its_lag_is_over(asked_at, overrules):
    account = at(begun(moved_at(9_000), 9_100), 12_100, read_of("0.010", asked_at))
    assert (state(account).position.quantity == D("0.010")) is overrules
    assert state(account).reasons == (() if overrules else ("position_read_lags",))


def test_o9_a_trusted_scope_believes_its_stream_and_not_somebody_elses_read():
    account = moved_at(9_000)
    assert at(account, 9_200, read_of("0.010", 9_100)) is account


@pytest.mark.parametrize(("updated", "proven"), [(8_999, False), (9_000, True)])
def test_o9_a_row_that_says_itself_that_it_is_newer_overrules_at_once(updated, proven):
    account = at(begun(moved_at(9_000), 9_100), 9_300, read_of("0.030", 9_200, updated))
    assert (state(account).position.quantity == D("0.030")) is proven


def test_a_position_that_no_read_lists_any_more_is_flat():
    account = at(held(), 9_000, read_of(None, 8_900))
    assert state(account).position.quantity == 0
    assert state(account).position.entry_price == 0


def test_a_read_that_agrees_moves_the_watermark_and_matches_fills_before_it():
    filled = order(OrderStatus.FILLED, order_id=9, client_id="web_1", at=9_000)
    account = at(held(), 9_000, filled)
    early = at(account, 9_100, read_of("0.010", 8_999))
    assert not state(early).matched
    assert state(early).fill_seen_at
    late = at(account, 9_100, read_of("0.010", 9_000))
    assert state(late).matched
    assert state(late).fill_seen_at == 0
    assert state(late).position.at == state(late).position.emitted_at == ms(9_000)


def test_a_read_that_agrees_about_flat_moves_the_watermark_too():
    account = at(hydrated(), 1, position(0, at=1))
    account = at(account, 9_100, read_of(None, 9_000))
    assert state(account).position.at == ms(9_000)
    assert state(account).epoch == 0


def test_o9_what_a_read_proved_stays_proven_through_reads_that_prove_less():
    account = at(held(), 9_100, read_of("0.010", 9_000, updated=8_500))
    assert state(account).position.proven_at == ms(8_500)
    account = at(account, 9_300, read_of("0.010", 9_200, updated=100))
    assert state(account).position.proven_at == ms(8_500)


# --- queries -------------------------------------------------------------------------------------------


def lost(slot=None):
    """An unknown outcome of a request of 0 ms with a window of 3 s, and both surfaces read long after."""
    request = asked(slot)
    account = at(account_with(request), 10, evidence.unanswered(request))
    return at(account, 90_000, evidence.orders_read(at=80_000), evidence.algos_read(at=80_000))


def missing(account, when, surface=Surface.REGULAR):
    return at(account, when, evidence.not_found("o1", at=when, surface=surface))


def test_8_2_not_found_proves_absence_only_after_the_window_and_a_second():
    account = lost()
    assert missing(account, 4_000) is account
    assert state(missing(account, 4_001)).contexts["o1"].phase is Phase.ABSENT
    assert state(missing(account, 4_001)).pendings == {}
    assert state(missing(account, 4_001)).contexts["o1"].updated_at == ms(4_001)


def test_i8_the_surface_must_have_been_read_after_the_window_as_well():
    account = at(account_with(asked()), 10, evidence.unanswered(asked()))
    account = at(account, 5_000, evidence.orders_read(at=4_000))
    assert missing(account, 9_000) is account
    account = at(account, 5_000, evidence.orders_read(at=4_001))
    assert state(missing(account, 9_000)).contexts["o1"].phase is Phase.ABSENT


def test_i7_not_found_on_the_other_surface_proves_nothing():
    account = lost(stop())
    assert missing(account, 9_000) is account
    assert state(missing(account, 9_000, Surface.ALGO)).contexts["o1"].phase is Phase.ABSENT


def test_i8_an_order_that_rests_or_ended_is_not_unmade_by_a_query():
    account = at(resting(), 90_000, evidence.orders_read(order(at=100), at=80_000))
    assert missing(account, 90_000) is account
    ended_one = at(resting(), 200, order(OrderStatus.CANCELED, order_id=1, client_id="o1", at=200))
    assert missing(ended_one, 90_000) is ended_one
    stranger = held()
    assert at(stranger, 1, evidence.not_found("o9", at=90_000)) is stranger


def test_4_3_a_stop_that_is_being_consumed_is_not_unmade_by_a_query():
    account = at(resting(stop()), 9_000, algo(AlgoStatus.TRIGGERING, client_id="o1", at=9_000))
    account = at(account, 9_100, evidence.algos_read(*_rows(account), at=9_050))
    assert missing(account, 90_000, Surface.ALGO) is account


@pytest.mark.parametrize(
    ("slot", "surface", "gap"), [(None, Surface.REGULAR, 10), (stop(), Surface.ALGO, 60)]
)
def test_x1_an_accepted_order_is_absent_after_two_reads_a_gap_apart(slot, surface, gap):
    request = asked(slot)
    account = at(account_with(request), 10, evidence.accepted(request, 5))
    account = at(account, 9_000, TimePassed(scope=KEY), RecoveryStarted(scopes=(KEY,)))

    def looked(account, when):
        read = evidence.orders_read if surface is Surface.REGULAR else evidence.algos_read
        return missing(at(account, when, read(at=when)), when, surface)

    assert state(looked(account, 0)).contexts["o1"].not_found_at == 0
    account = looked(account, 10_000)
    assert state(account).contexts["o1"].not_found_at == ms(10_000)
    short = looked(account, 10_000 + gap * 1000 - 1)
    assert state(short).contexts["o1"].phase is Phase.ACCEPTED
    assert state(short).contexts["o1"].not_found_at == ms(10_000)
    assert state(looked(account, 10_000 + gap * 1000)).contexts["o1"].phase is Phase.ABSENT


def test_x1_the_older_of_query_and_surface_read_counts():
    account = at(account_with(asked()), 10, evidence.accepted(asked(), 5))
    account = at(account, 9_000, TimePassed(scope=KEY), RecoveryStarted(scopes=(KEY,)))
    account = missing(at(account, 9_500, evidence.orders_read(at=9_100)), 9_500)
    assert state(account).contexts["o1"].not_found_at == ms(9_100)
    account = missing(at(account, 19_200, evidence.orders_read(at=19_099)), 19_300)
    assert state(account).contexts["o1"].phase is Phase.ACCEPTED
    account = missing(at(account, 19_400, evidence.orders_read(at=19_100)), 19_400)
    assert state(account).contexts["o1"].phase is Phase.ABSENT


@pytest.mark.parametrize("slot", [None, stop()])
def test_8_2_found_is_a_row_like_any_other(slot):
    account = lost(slot)
    row = algo(client_id="o1", at=100) if slot is not None else order(client_id="o1", at=100)
    found = at(account, 90_100, evidence.found(row, at=90_000))
    assert state(found).contexts["o1"].is_resting
    assert state(found).pendings == {}
