"""What a recovery's reads prove, and what they do not."""

import pytest
from msgspec.structs import replace

from backstay.core.contexts import Phase
from backstay.core.events import (
    RecoveryEnded,
    RecoveryStarted,
    TimePassed,
    TrustLost,
)
from backstay.core.recovery import in_vain_until, orders_doubted
from backstay.core.state import Pending
from backstay.core.types import Action, AlgoStatus, OrderStatus, Subject, Surface
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


@pytest.mark.parametrize(
    ("updated", "asked_at", "reasons"),
    [(8_999, 68_999, ("position_read_lags",)), (8_999, 69_000, ()), (9_000, 9_200, ()), (None, 9_200, ())],
)
def test_o9_a_row_that_says_itself_that_it_is_older_than_a_fill_settles_nothing(updated, asked_at, reasons):
    account = at(held(), 9_000, order(OrderStatus.FILLED, order_id=9, client_id="web_1", at=9_000))
    account = at(begun(account, 9_100), asked_at + 100, read_of("0.010", asked_at, updated))
    assert state(account).reasons == reasons


@pytest.mark.parametrize(("asked_at", "overrules"), [(12_000, False), (68_999, False), (69_000, True)])
def test_o9_a_row_that_says_itself_that_it_is_older_overrules_no_report_for_a_minute(asked_at, overrules):
    account = at(begun(moved_at(9_000), 9_100), asked_at + 100, read_of("0.010", asked_at, 8_000))
    assert (state(account).position.quantity == D("0.010")) is overrules


def test_o9_a_row_of_the_same_size_settles_it_however_old_it_is():
    """Funding is told with the position, and moves no position."""
    account = at(begun(moved_at(9_000, "0.010"), 9_100), 9_300, read_of("0.010", 9_200, 8_000))
    assert state(account).reasons == ()


def test_a_read_of_the_same_size_at_another_average_is_news():
    account = hydrated(position_row("0.010"))
    account = at(account, 9_000, evidence.positions_read(position_row("0.010", 61_000), at=9_000))
    assert str(state(account).position.entry_price) == "61000"
    same = at(account, 9_500, evidence.positions_read(position_row("0.010", 61_000), at=9_500))
    assert state(same).position.entry_price == state(account).position.entry_price


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
    assert state(missing(account, 4_000)).contexts["o1"].phase is Phase.UNKNOWN
    assert state(missing(account, 4_001)).contexts["o1"].phase is Phase.ABSENT
    assert state(missing(account, 4_001)).pendings == {}
    assert state(missing(account, 4_001)).contexts["o1"].updated_at == ms(4_001)


def test_i8_the_surface_must_have_been_read_after_the_window_as_well():
    account = at(account_with(asked()), 10, evidence.unanswered(asked()))
    account = at(account, 5_000, evidence.orders_read(at=4_000))
    assert state(missing(account, 9_000)).contexts["o1"].phase is Phase.UNKNOWN
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


def test_x1_an_order_that_was_seen_in_between_is_missed_anew():
    """The first miss was a read that lagged: the two moments are counted from the next one."""
    account = at(account_with(asked()), 10, evidence.accepted(asked(), 5))
    account = at(account, 9_000, TimePassed(scope=KEY), RecoveryStarted(scopes=(KEY,)))
    account = missing(at(account, 9_500, evidence.orders_read(at=9_100)), 9_500)
    assert state(account).contexts["o1"].not_found_at
    account = at(account, 9_600, order(order_id=5, client_id="o1", at=9_600))
    assert state(account).contexts["o1"].phase is Phase.LIVE
    account = at(account, 30_000, evidence.orders_read(at=30_000))
    account = missing(account, 30_000)
    assert state(account).contexts["o1"].phase is Phase.UNKNOWN
    account = missing(at(account, 40_000, evidence.orders_read(at=40_000)), 40_000)
    assert state(account).contexts["o1"].phase is Phase.ABSENT


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


@pytest.mark.parametrize(
    "status", [AlgoStatus.FINISHED, AlgoStatus.CANCELED, AlgoStatus.EXPIRED, AlgoStatus.REJECTED]
)
def test_i3_a_conditional_order_that_ended_stays_whatever_its_end(status):
    account = at(held(), 100, algo(status, algo_id=8, client_id="w", at=100))
    assert set(state(at(account, 300, evidence.algos_read(at=200))).algos) == {8}


def test_o9_a_read_of_the_very_moment_of_the_report_is_folded():
    account = begun(moved_at(9_000), 9_100)
    account = at(account, 12_500, read_of("0.020", 12_000))
    account = at(account, 12_600, read_of("0.030", 12_000, updated=12_000))
    assert state(account).position.quantity == D("0.030")


@pytest.mark.parametrize("quantity", ["0.010", "0.020"])
def test_o5_a_report_that_a_read_has_overtaken_is_read_again_if_it_differs(quantity):
    """Whether the read confirmed the size or changed it: its time is our clock's, it proves no content."""
    account = at(held(), 9_100, read_of(quantity, 9_000))
    late = at(account, 9_200, position("0.030", at=8_900))
    assert state(late).reasons == ("late_position",)
    assert at(account, 9_200, position(quantity, at=8_900)) is account


def test_x1_the_first_read_that_lacks_an_order_changes_nothing_about_the_others():
    one, two = asked(name="o1"), asked(ladder(), name="o2")
    account = at(account_with(one, two), 10, evidence.accepted(one, 5), evidence.accepted(two, 6))
    account = at(account, 9_000, TimePassed(scope=KEY), RecoveryStarted(scopes=(KEY,)))
    account = missing(at(account, 9_500, evidence.orders_read(at=9_400)), 9_500)
    found = {k: c.not_found_at for k, c in state(account).contexts.items()}
    assert found == {"o1": ms(9_400), "o2": 0}


# --- after a crash -------------------------------------------------------------------------------------


def crashed(*requests):
    """A process begins at 10 s after one that registered `requests` and left no word of sending them."""
    account = at(hydrated(position_row("0.010")), 0, evidence.registered(*requests))
    account = at(account, 10_000, replace(evidence.run(), writer=2))
    return at(account, 10_000, RecoveryStarted())


@pytest.mark.parametrize(("slot", "surface"), [(None, Surface.REGULAR), (stop(), Surface.ALGO)])
def test_8_2_a_window_without_a_record_of_its_beginning_counts_from_the_first_read_of_its_surface(
    slot, surface
):
    own, other = evidence.orders_read, evidence.algos_read
    if surface is Surface.ALGO:
        own, other = other, own
    account = at(crashed(asked(slot)), 10_100, other(at=10_050))
    assert state(account).contexts["o1"].sent_at == 0
    account = at(account, 10_200, own(at=10_100))
    assert state(account).contexts["o1"].sent_at == ms(10_100) - 1
    account = at(account, 15_000, own(at=14_100))
    assert state(account).contexts["o1"].sent_at == ms(10_100) - 1
    assert state(missing(account, 14_099, surface)).contexts["o1"].phase is Phase.UNKNOWN
    assert state(missing(account, 14_500, surface)).contexts["o1"].phase is Phase.ABSENT


def test_8_2_until_the_windows_are_over_no_read_can_tell_what_became_of_unanswered_requests():
    account = crashed(asked(stop(), name="s1"), asked(ladder(), name="d1"))
    account = at(account, 10_100, evidence.orders_read(at=10_100), evidence.algos_read(at=10_100))
    account = at(account, 10_200, evidence.positions_read(position_row("0.010"), at=10_150))
    assert in_vain_until([state(account)]) == 0  # not read to the end
    account = at(account, 10_200, RecoveryEnded(subjects=evidence.EVERYTHING))
    covered = replace(state(account), naked_since=0)
    assert orders_doubted(covered)
    windows = {c.recv_window_ms for c in covered.contexts.values()}
    assert windows == {3000, 5000}
    assert in_vain_until([covered]) == ms(10_100 + 6_000) - 1
    assert in_vain_until([covered, state(account)]) == 0  # the second one is naked
    for changes in ({"failures": 1}, {"reasons": ("unknown_outcome", "late_position")}):
        assert in_vain_until([covered, replace(covered, **changes)]) == 0
    accepted = replace(covered.contexts["d1"], order_id=7)
    known = replace(covered, contexts={**covered.contexts, "d1": accepted})
    assert in_vain_until([covered, known]) == 0  # it is there: each read may show it
    amend = Pending(key=ladder().key, action=Action.AMEND, ctx_id="d1", epoch=1, opened_at=0, unknown=True)
    assert in_vain_until([replace(covered, pendings={**covered.pendings, "x": amend})]) == 0
