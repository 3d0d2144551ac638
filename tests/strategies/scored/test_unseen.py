"""Lives of the scored trader that meet somebody else's position, or that nobody saw."""

import pytest
from msgspec.structs import replace

from backstay.core.decisions import Converged
from backstay.core.events import StreamChanged, StreamState
from backstay.core.types import Family, Side
from backstay.runtime.lives import milestones
from backstay.testing import evidence
from backstay.testing.scene import ask

from tests.strategies.scored.test_lives import D, entered, resting, score, trading


def entering():
    """A score has passed the gate, and its entry rests."""
    scene = trading()
    score(scene)
    scene.step()
    scene.confirm()
    (row,) = scene.venue.open_orders()
    return scene, row


@pytest.mark.parametrize("position_first", [True, False])
def test_r22_an_entry_that_meets_a_position_opened_by_hand_flips_it_and_is_guarded(position_first):
    """It left before the other position was known: what it leaves is ours, whatever was told first."""
    scene, row = entering()
    by_hand = scene.venue.trade_by_hand(Side.SELL, row.quantity / 2, D(60000))
    notice, position, filled = scene.venue.fill(row.client_id)
    scene.fold(*by_hand)
    scene.see([position, notice, filled] if position_first else [filled, notice, position])
    assert isinstance(scene.rest(), Converged)
    assert resting(scene) == ([], [("STOP_MARKET", D(59400)), ("TAKE_PROFIT_MARKET", D(60900))])


@pytest.mark.parametrize("position_first", [True, False])
def test_r22_a_flip_that_goes_through_flat_is_guarded_by_the_plan_of_its_entry(position_first):
    """The first match closes what was opened by hand, the second opens ours."""
    scene, row = entering()
    scene.fold(*scene.venue.trade_by_hand(Side.SELL, row.quantity / 5, D(60000)))
    for quantity in (row.quantity / 5, row.quantity * 4 / 5):
        notice, position, filled = scene.venue.fill(row.client_id, quantity)
        scene.fold(*((position, notice, filled) if position_first else (filled, notice, position)))
    assert (scene.state.epoch, scene.state.position.quantity) == (2, row.quantity * 4 / 5)
    scene.tick(1_000)
    assert isinstance(scene.rest(), Converged)
    assert resting(scene) == ([], [("STOP_MARKET", D(59400)), ("TAKE_PROFIT_MARKET", D(60900))])


def test_what_is_left_of_an_entry_that_only_closed_a_position_opened_by_hand_is_cancelled():
    scene, row = entering()
    scene.fold(*scene.venue.trade_by_hand(Side.SELL, row.quantity / 5, D(60000)))
    scene.see(scene.venue.fill(row.client_id, row.quantity / 5))
    scene.tick(1_000)
    assert isinstance(scene.rest(), Converged)
    assert resting(scene) == ([], [])
    assert "entry: the signal is older than the last position's end" in scene.step().notes


def test_a_position_opened_by_hand_after_ours_ended_is_not_its_entry_again():
    scene = entered()
    (stop,) = (r for r in scene.venue.open_algos() if r.close_position)
    scene.see(scene.venue.trigger(stop.client_id))
    scene.see(scene.venue.trade_by_hand(Side.BUY, D("0.010"), D(60000)))
    assert not any(i.slot is not None for i in getattr(scene.step(), "intents", ()))


def test_i32_an_entry_that_came_to_its_end_in_a_gap_is_a_life_of_its_own():
    """Filled, and closed by hand, while nobody listened: its milestones are told, the next life counts on."""
    scene = trading()
    score(scene)
    scene.step()
    (asked,) = scene.waiting
    scene.accept(asked)
    scene.fold(StreamChanged(state=StreamState.DISCONNECTED))
    scene.venue.place(ask(asked.context))
    scene.venue.fill(asked.ctx_id)
    scene.venue.trade_by_hand(Side.SELL, asked.context.slot.quantity, D(60100))
    scene.fold(StreamChanged(state=StreamState.CONNECTED))
    before = scene.state
    scene.tick(11_000)
    scene.recover()
    assert (scene.state.epoch, scene.state.position.quantity) == (1, 0)
    assert scene.state.closed_at
    told = [(n.what, n.detail["position"]) for n in milestones(before, scene.state)]
    assert told == [("position_opened", "BTCUSDT-BOTH-1"), ("position_closed", "BTCUSDT-BOTH-1")]
    scene.recover()
    assert scene.state.epoch == 1
    scene.tick(60_000)
    score(scene)
    scene.step()
    assert {r.context.epoch for r in scene.waiting} == {2}


def test_a_plan_of_before_a_restart_is_entered_on_no_more_but_still_guards_what_it_opened():
    scene = trading()
    score(scene)
    scene.fold(replace(evidence.run(), writer=2))
    scene.recover()
    assert isinstance(scene.rest(), Converged)
    assert "entry: the signal is of before the start" in scene.step().notes
    scene.tick(60_000)
    score(scene)
    assert scene.step().family is Family.EXPOSURE


def test_an_entry_that_rests_goes_on_after_a_restart():
    scene = trading()
    score(scene)
    scene.step()
    scene.confirm()
    scene.fold(replace(evidence.run(), writer=2))
    scene.recover()
    assert isinstance(scene.rest(), Converged)
    assert len(scene.venue.open_orders()) == 1
