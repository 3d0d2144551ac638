"""What the planner holds back, and what it does not."""

import pytest

from backstay.core.decisions import Act, Wait
from backstay.core.events import (
    AlgoReport,
    AnswerClass,
    Effect,
    InstrumentsSnapshot,
)
from backstay.core.types import SECOND, Family, OrderType, Role
from backstay.testing import builders

from tests.core.scenes import at_rest, external, long_of, own, said
from tests.core.wishes import BUY, SELL, D, guarded, ladder, want


def partly(scene, step, quantity="0.004"):
    """A partial fill of a DCA step, its burst over."""
    scene.see(scene.venue.fill(own(scene, Role.DCA, step).ctx_id, D(quantity)))


# --- who may do anything at all ------------------------------------------------------------------------


def test_an_exit_that_the_strategy_wants_goes_in_parts_that_the_venue_takes():
    scene = long_of(guarded())
    rules = builders.instrument(market_max_qty="0.004")
    scene.fold(InstrumentsSnapshot(instruments=(rules,), received_at=scene.now))
    leave = builders.slot(Role.EXIT, OrderType.MARKET, SELL, quantity="0.010")
    scene.want(want(leave))
    decision = scene.step()
    assert (decision.family, decision.reason) == (Family.FLATTEN, "exit_wanted")
    assert decision.intents[0].slot.quantity == D("0.004")
    assert decision.intents[0].reason == "exit_wanted"


def test_s4_without_a_bridge_a_stop_of_an_earlier_life_has_to_go_first():
    """The venue takes one close-position stop per direction (-4130)."""
    scene = at_rest(guarded(bridge=False))
    for side in (SELL, BUY):
        told = scene.venue.trade_by_hand(side, D("0.010"), D(60000))
        scene.fold(*[e for e in told if not isinstance(e, AlgoReport)])
    first = scene.step()
    assert ("place", "SL/0") not in (said(first)[1] if isinstance(first, Act) else [])
    scene.tick(300)
    assert said(scene.step()) == ("CLEANUP", [("cancel", "TP/0"), ("cancel", "SL/0")])


def test_8_1_a_refused_cancel_that_was_to_make_room_is_not_repeated_at_once():
    scene = at_rest(guarded(bridge=False))
    scene.want(guarded(trigger="58000", bridge=False))
    assert said(scene.step()) == ("PROTECT", [("cancel", "SL/0")])
    scene.refuse(scene.waiting[0], Effect.RATE_LIMITED, answer=AnswerClass.LIMIT, retry_after_ms=30_000)
    assert isinstance(scene.step(), Wait)
    scene.tick(30_001)
    assert said(scene.step()) == ("PROTECT", [("cancel", "SL/0")])


# --- the two delays of protection ----------------------------------------------------------------------


def test_7_5_a_missing_take_profit_is_not_held_back():
    scene = at_rest(guarded(ladder(), repair_delay=SECOND))
    partly(scene, 1)
    scene.fold(*scene.venue.cancel(own(scene, Role.TP).ctx_id))
    scene.venue.tick(100)
    assert said(scene.step()) == ("PROTECT", [("place", "TP/0")])


def test_7_5_without_a_delay_the_take_profit_follows_at_once():
    scene = at_rest(guarded(ladder()))
    partly(scene, 1)
    assert said(scene.step()) == ("PROTECT", [("amend", "TP/0")])


@pytest.mark.parametrize("what", ["a DCA that only rests", "a take-profit that fills"])
def test_7_5_only_a_partly_filled_dca_holds_the_take_profit_back(what):
    scene = at_rest(guarded(ladder(), repair_delay=SECOND))
    if what.startswith("a take-profit"):
        scene.see(scene.venue.fill(own(scene, Role.TP).ctx_id, D("0.002")))
        scene.want(guarded(ladder(), price="61000", repair_delay=SECOND))
    else:
        scene.see(scene.venue.cancel(own(scene, Role.DCA, 1).ctx_id))
        scene.rest()
        scene.see(scene.venue.trade_by_hand(BUY, D("0.002"), D(60000)))
    assert said(scene.step()) == ("PROTECT", [("amend", "TP/0")])


def test_r10_the_pause_ends_ten_minutes_after_the_first_of_two_cancels():
    scene = at_rest(guarded(retry_cancelled=False))
    scene.see(scene.venue.cancel(own(scene, Role.SL).ctx_id))
    scene.rest()
    scene.see(scene.venue.cancel(own(scene, Role.SL).ctx_id))
    first = scene.state.manual_cancels[0]
    scene.venue.now = first + 600 * SECOND - 1
    assert not isinstance(scene.step(), Act)
    scene.venue.now = first + 600 * SECOND
    assert said(scene.step()) == ("PROTECT", [("place", "SL/0")])


def test_r10_the_pause_is_for_what_was_cancelled_not_for_what_rests():
    scene = at_rest(guarded(retry_cancelled=False))
    for _ in range(2):
        scene.see(scene.venue.cancel(own(scene, Role.SL).ctx_id))
        if len(scene.state.manual_cancels) < 2:
            scene.rest()
    scene.want(guarded(price="61000", retry_cancelled=False))
    assert said(scene.step()) == ("PROTECT", [("amend", "TP/0")])


# --- exposure ------------------------------------------------------------------------------------------


def test_6_1_a_stop_of_somebody_else_covers_the_stop_and_not_the_take_profit():
    scene = long_of(guarded(ladder(), accept_external_stop=True))
    scene.see(external(scene))
    scene.step()
    (tp,) = scene.waiting
    scene.refuse(tp, Effect.FILTER)
    assert not isinstance(scene.step(), Act)
    scene.want(guarded(ladder(), price="61000", accept_external_stop=True))
    scene.step()
    scene.confirm()
    assert scene.step().family is Family.EXPOSURE
