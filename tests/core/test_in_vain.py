"""Cancels and amendments that the venue takes, or knows no order for, and whose order its list still shows as
it was: the next ones wait (8.1).
"""

import pytest

from backstay.core.account_scopes import with_scope
from backstay.core.blocks import cancel_held
from backstay.core.decisions import Converged, Recover, Wait
from backstay.core.events import AnswerClass, Effect
from backstay.core.scope import lose_trust
from backstay.core.state import pack, unpack
from backstay.core.types import MS, SECOND, Role

from tests.core.scenes import at_rest, own, said
from tests.core.wishes import guarded, ladder


def gone(scene):
    scene.refuse(scene.waiting[0], Effect.GONE, answer=AnswerClass.STALE, code=-2011)


def accepted(scene):
    scene.accept(scene.waiting[0])


def waits(scene, action, seconds):
    """A read shows the order as it was, and the next request of that kind waits so long."""
    assert scene.step() == Recover(("confirmation_deadline",))
    scene.recover()
    assert scene.state.trusted
    until = scene.state.blocks[0].until
    assert scene.step() == Wait(f"blocked {action}_in_vain", until)
    assert seconds * SECOND - 300 * MS <= until - scene.now <= seconds * SECOND


def test_8_1_a_cancel_of_an_order_that_is_gone_and_still_listed_backs_off():
    """-2011, and the list lags: a read that shows the order again is no reason to ask as fast as one can."""
    scene = at_rest(guarded(ladder()))
    dca = own(scene, Role.DCA, 1)
    scene.want(guarded())
    for seconds in (1, 4, 15, 15):
        assert said(scene.step()) == ("CLEANUP", [("cancel", "DCA/1")])
        gone(scene)
        scene.tick(501)
        waits(scene, "cancel", seconds)
        scene.tick(seconds * 1000)
    scene.see(scene.venue.cancel(dca.ctx_id))
    assert isinstance(scene.rest(), Converged)


@pytest.mark.parametrize(("answer", "grace"), [(gone, 501), (accepted, 5_001)])
def test_8_1_an_amendment_without_effect_backs_off(answer, grace):
    """-2011, or accepted, and the list lags: it shows the order as it was, again and again."""
    scene = at_rest(guarded())
    profit = own(scene, Role.TP)
    scene.want(guarded(price="61000"))
    for seconds in (1, 4, 15, 15):
        assert said(scene.step()) == ("PROTECT", [("amend", "TP/0")])
        answer(scene)
        scene.tick(grace)
        waits(scene, "amend", seconds)
        assert not cancel_held(scene.state, profit, scene.now)
        scene.account = unpack(pack(scene.account))  # a restart forgets no count
        scene.tick(seconds * 1000)
    scene.see(scene.venue.cancel(profit.ctx_id))
    assert said(scene.step()) == ("PROTECT", [("place", "TP/0")])
    scene.confirm()
    assert isinstance(scene.rest(), Converged)


def test_8_1_an_amendment_in_vain_holds_no_cancel_that_is_wanted_then():
    scene = at_rest(guarded(ladder()))
    scene.want(guarded(ladder(quantity="0.012")))
    assert said(scene.step()) == ("EXPOSURE", [("amend", "DCA/1")])
    gone(scene)
    scene.tick(501)
    scene.recover()
    assert isinstance(scene.step(), Wait)
    scene.want(guarded())
    assert said(scene.step()) == ("CLEANUP", [("cancel", "DCA/1")])


def test_8_1_what_is_known_of_a_cancel_in_vain_is_forgotten_with_its_order():
    scene = at_rest(guarded(ladder()))
    scene.want(guarded())
    scene.step()
    scene.accept(scene.waiting[0])
    scene.tick(5_001)
    scene.recover()
    assert [b.effect for b in scene.state.blocks] == ["cancel_in_vain"]
    assert cancel_held(scene.state, own(scene, Role.DCA, 1), scene.now)
    scene.see(scene.venue.cancel(own(scene, Role.DCA, 1).ctx_id))
    scene.account = with_scope(scene.account, lose_trust(scene.state, "ingest_failed"))
    scene.recover()
    assert scene.state.blocks == ()
