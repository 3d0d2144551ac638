"""Lives of a scope: entries, and events that nobody can place (7.1, section 10)."""

from backstay.core.account import fold
from backstay.core.decisions import Converged, Recover, Wait
from backstay.core.events import (
    Unidentified,
)
from backstay.core.types import (
    Family,
)
from backstay.testing import evidence
from backstay.testing.scene import Scene

from tests.core.scenes import armed, at_rest, said
from tests.core.wishes import BUY, SELL, D, entry, guarded, stop, target, want


def test_an_event_that_cannot_be_read_costs_trust_where_it_may_belong():
    scene = at_rest(guarded())
    other = fold(scene.account, Unidentified(kind="X", detail="", symbol="ETHUSDT"), scene.now)
    assert other is scene.account
    scene.fold(Unidentified(kind="ORDER_TRADE_UPDATE", detail="no order id"))
    assert scene.step() == Recover(("unidentified_account_event",))


def test_the_entry_of_a_flat_scope_belongs_to_the_life_that_it_begins():
    def policy(view):
        return guarded(entry())(view) if view.quantity else want(entry())

    scene = Scene(policy)
    scene.account = evidence.folded(scene.account, [evidence.position(0, at=1)], at=1)
    scene.tick(300)
    assert said(scene.step()) == ("EXPOSURE", [("place", "ENTRY/0")])
    scene.confirm()
    asked = scene.requests[0]
    assert asked.context.epoch == scene.state.epoch + 1
    assert isinstance(scene.step(), Converged)
    scene.see(scene.venue.fill(asked.ctx_id, D("0.004")))
    assert scene.state.epoch == asked.context.epoch
    assert scene.step().family is Family.PROTECT


def test_an_entry_that_is_half_filled_when_the_position_is_closed_goes_with_its_life():
    def policy(view):
        return want(stop(), target(view.quantity), entry()) if view.quantity else want()

    scene = Scene(want(entry()))
    scene.account = evidence.folded(scene.account, [evidence.position(0, at=1)], at=1)
    scene.tick(300)
    scene.rest()
    (asked,) = scene.requests
    scene.see(scene.venue.fill(asked.ctx_id, D("0.004")))
    scene.want(policy)
    scene.see(scene.venue.trade_by_hand(SELL, D("0.004"), D(60000)))
    assert said(scene.step()) == ("CLEANUP", [("cancel", "ENTRY/0")])
    assert isinstance(scene.step(), Wait)


def test_b1_the_stop_of_an_earlier_life_stays_until_the_present_one_has_its_own():
    scene = at_rest(guarded(sized=True))
    (before,) = armed(scene)
    closed = scene.venue.trade_by_hand(SELL, D("0.010"), D(60000))
    again = scene.venue.trade_by_hand(BUY, D("0.010"), D(60000))
    scene.want(guarded(sized=True, trigger="56000"))
    scene.see([*closed, *again])
    family, intents = said(scene.step())
    assert ("cancel", "SL/0") not in intents, family
    while not any(trigger == "56000.0" for trigger, _ in armed(scene)):
        assert before in armed(scene)
        scene.confirm()
        scene.step()
    scene.confirm()
    assert isinstance(scene.rest(), Converged)
    assert [trigger for trigger, _ in armed(scene)] == ["56000.0"]
