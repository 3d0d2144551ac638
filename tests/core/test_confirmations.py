"""Pending confirmations, the private stream, and the hydration of a start (T-1 to T-4, 4.1.2)."""

import pytest
from msgspec.structs import replace

from backstay.core.account import fold
from backstay.core.contexts import Phase
from backstay.core.decisions import Converged, Recover
from backstay.core.events import (
    RequestsRegistered,
    StreamChanged,
    StreamState,
    TimePassed,
)
from backstay.core.state import AccountState
from backstay.core.types import (
    MS,
    Trust,
)
from backstay.testing import evidence
from backstay.testing.evidence import hydrated, ms, order, position_row, state
from backstay.testing.scene import Scene

from tests.core.scenes import account_with, asked
from tests.core.wishes import BUY, D, ladder, stop, target, want

# --- pending confirmations ----------------------------------------------------------------------


def test_t1_context_and_pending_become_known_in_one_step_before_anything_is_sent():
    request = asked()
    account = fold(hydrated(position_row("0.010")), RequestsRegistered(requests=(request,)), ms(1))
    s = state(account)
    assert s.contexts["o1"].phase is Phase.REGISTERED
    assert s.pendings["o1"].deadline == 0
    assert s.contexts["o1"].sent_at == 0
    after = state(fold(account, evidence.sent(request, at=2), ms(2)))
    assert after.contexts["o1"].phase is Phase.IN_FLIGHT
    assert after.contexts["o1"].sent_at == ms(2)


def test_t2_an_early_confirmation_is_kept_and_the_answer_opens_nothing():
    request = asked()
    account = fold(account_with(request), order(order_id=5), ms(10))
    assert state(account).pendings == {}
    after = state(fold(account, evidence.accepted(request, 5), ms(20)))
    assert after.pendings == {}
    assert after.contexts["o1"].phase is Phase.LIVE


def test_t3_the_deadline_runs_five_seconds_from_the_answer():
    request = asked()
    account = fold(account_with(request), evidence.accepted(request, 5), ms(100))
    assert state(account).pendings["o1"].deadline == ms(100) + 5_000 * MS
    again = fold(account, evidence.accepted(request, 5), ms(4_000))
    assert again is account
    late = state(fold(account, TimePassed(scope=evidence.scope()), ms(5_100)))
    assert late.reasons == ("confirmation_deadline",)
    assert late.pendings["o1"].expired


def test_t4_a_pending_confirmation_itself_asks_for_nothing():
    request = asked()
    account = fold(account_with(request), evidence.accepted(request, 5), ms(100))
    for at in (200, 2_000, 5_099):
        assert state(fold(account, TimePassed(scope=evidence.scope()), ms(at))).trusted


def test_an_expired_pending_stays_as_the_guard_of_its_slot_until_recovery_settles_it():
    scene = Scene(want(stop(), target()))
    scene.see(scene.venue.trade_by_hand(BUY, D("0.010"), D(60000)))
    scene.step()
    sl, tp = scene.waiting
    scene.accept(sl)
    scene.report(sl)
    scene.accept(tp)
    scene.venue.place(_ask(tp))
    scene.tick(5_100)
    assert isinstance(scene.step(), Recover)
    scene.recover()
    assert scene.state.trusted
    assert isinstance(scene.rest(), Converged)
    assert len(scene.requests) == 2


def _ask(request):
    from backstay.testing.scene import ask

    return ask(request.context)


# --- the stream ---------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", [StreamState.DISCONNECTED, StreamState.EXPIRED, StreamState.DEAF])
def test_a_broken_stream_costs_the_trust_of_every_scope(lost):
    account = hydrated(position_row("0.010"), position_row(3, symbol="ETHUSDT"))
    account = fold(account, StreamChanged(state=lost), ms(5))
    assert {s.trust for s in account.scopes.values()} == {Trust.RECOVERY_REQUIRED}
    assert not account.connected


def test_a_planned_overlap_costs_nothing():
    account = hydrated(position_row("0.010"))
    assert fold(account, StreamChanged(state=StreamState.OVERLAP), ms(5)) is account


def test_a_reconnect_costs_trust_even_if_the_cut_went_unnoticed():
    account = hydrated(position_row("0.010"))
    account = replace(account, connected=False)
    account = fold(account, StreamChanged(state=StreamState.CONNECTED), ms(5))
    assert state(account).reasons == ("stream_reconnected",)


def test_one_hydration_of_a_start_makes_every_scope_trusted():
    """A scope that the read itself introduces takes part in the recovery that reads it (I-33)."""
    account = hydrated(position_row("0.010"), position_row(3, symbol="ETHUSDT"))
    assert len(account.scopes) == 2
    assert all(s.trusted and not s.reasons for s in account.scopes.values())


def test_a_failed_hydration_leaves_what_it_introduced_untrusted():
    events = evidence.start_up(position_row("0.010"))
    events[-1] = replace(events[-1], failure="no answer")
    account = evidence.folded(AccountState(), events)
    assert state(account).trust is Trust.RECOVERY_REQUIRED
    assert not account.hydrated


def test_deaf_strikes_count_mutations_whose_effect_only_a_read_could_show():
    request = asked()
    account = evidence.folded(account_with(request), [evidence.accepted(request, 1)])
    account = fold(account, TimePassed(scope=evidence.scope()), ms(20_000))
    account = fold(account, evidence.orders_read(order(at=100), at=20_100), ms(20_200))
    assert account.deaf_strikes == 1
    more = asked(ladder(), "o2")
    heard = [evidence.registered(more), order(order_id=2, client_id="o2", side=BUY, at=20_300)]
    assert evidence.folded(account, heard).deaf_strikes == 0
