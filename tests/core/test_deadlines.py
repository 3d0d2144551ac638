"""Deadlines of pending confirmations, unmatched fills, triggering stops (T-3, O-7, 4.3): exact, and once."""

from backstay.core.account import fold
from backstay.core.confirmations import (
    ANSWER_SLACK,
    CONFIRM_DEADLINE,
    GONE_GRACE,
    PAIR_DEADLINE,
    TRIGGER_GRACE,
    next_deadline,
)
from backstay.core.events import RecoveryStarted, TimePassed
from backstay.core.types import MS, SECOND, AlgoStatus, OrderStatus, Trust
from backstay.testing import evidence
from backstay.testing.evidence import algo, hydrated, ms, order, position_row, scope, state

from tests.core.scenes import account_with, asked
from tests.core.wishes import ladder, stop


def passed(account, at):
    return fold(account, TimePassed(scope=scope()), at)


def test_13_the_deadlines_are_those_of_the_specification():
    assert (CONFIRM_DEADLINE, GONE_GRACE, PAIR_DEADLINE) == (5 * SECOND, 500 * MS, SECOND)
    assert (TRIGGER_GRACE, ANSWER_SLACK) == (3 * SECOND, 10 * SECOND)


def test_t3_a_request_without_any_answer_expires_ten_seconds_after_its_window():
    account = account_with(asked())
    due = ms(0) + 3_000 * MS + 10 * SECOND
    assert next_deadline(state(account)) == due
    assert passed(account, due - 1) is account
    late = passed(account, due)
    assert late.scopes[scope()].reasons == ("confirmation_deadline",)


def test_t3_what_was_only_registered_has_no_deadline():
    account = fold(hydrated(position_row("0.010")), evidence.registered(asked()), ms(1))
    assert next_deadline(state(account)) is None
    assert passed(account, ms(3_600_000)) is account


def test_t3_an_expiry_is_told_once_and_cannot_keep_a_recovery_from_ending():
    account = account_with(asked())
    account = passed(account, ms(20_000))
    assert state(account).pendings["o1"].expired
    assert next_deadline(state(account)) is None
    account = fold(account, RecoveryStarted(scopes=(scope(),)), ms(20_100))
    again = passed(account, ms(20_200))
    assert again is account
    assert state(again).trust is Trust.RECOVERING
    assert state(again).reasons == ()


def test_t3_one_expiry_leaves_the_other_pendings_as_they_are():
    account = account_with(asked(name="o1"), asked(ladder(), name="o2"))
    account = fold(account, evidence.accepted(asked(name="o1"), 5), ms(100))
    assert next_deadline(state(account)) == ms(100) + 5 * SECOND
    account = passed(account, ms(5_100))
    pendings = state(account).pendings
    assert {k: p.expired for k, p in pendings.items()} == {"o1": True, "o2": False}
    assert next_deadline(state(account)) == pendings["o2"].deadline


def test_o7_an_unmatched_fill_is_waited_for_one_second_and_then_looked_up():
    account = hydrated(position_row("0.010"))
    filled = order(OrderStatus.FILLED, order_id=9, client_id="web_1", at=9_000)
    account = fold(account, filled, ms(9_100))
    assert next_deadline(state(account)) == ms(9_100) + SECOND
    assert passed(account, ms(10_099)) is account
    account = passed(account, ms(10_100))
    assert state(account).reasons == ("unmatched_fill",)
    assert state(account).fill_seen_at == 0
    assert next_deadline(state(account)) is None
    assert passed(account, ms(10_200)) is account


def test_4_3_a_triggering_stop_has_three_seconds():
    request = asked(stop())
    account = fold(account_with(request), algo(client_id="o1", at=100), ms(100))
    account = fold(account, algo(AlgoStatus.TRIGGERING, client_id="o1", at=9_000), ms(9_000))
    assert next_deadline(state(account)) == ms(9_000) + 3 * SECOND
    assert passed(account, ms(11_999)) is account
    account = passed(account, ms(12_000))
    assert state(account).reasons == ("trigger_unresolved",)
    assert state(account).contexts["o1"].stuck
    assert next_deadline(state(account)) is None


def test_the_nearest_deadline_is_the_next_one():
    request = asked(stop())
    account = fold(account_with(request), algo(client_id="o1", at=100), ms(100))
    account = fold(account, algo(AlgoStatus.TRIGGERING, client_id="o1", at=9_000), ms(9_000))
    filled = order(OrderStatus.FILLED, order_id=9, client_id="web_1", at=9_500)
    account = fold(account, filled, ms(9_500))
    assert next_deadline(state(account)) == ms(10_500)


def test_nothing_under_way_has_no_deadline():
    assert next_deadline(state(hydrated(position_row("0.010")))) is None
