"""What may still leave when its context is durable, and what is dropped (6.3)."""

from backstay.core.contexts import Request
from backstay.core.decisions import Act
from backstay.core.risk import NO_LIMITS
from backstay.core.slots import SlotKey
from backstay.core.types import Action, Family, Role
from backstay.runtime.premise import stale

from tests.core.scenes import at_rest, external, own
from tests.core.wishes import D, guarded, ladder, stop, target, want

STEP = SlotKey(Role.DCA, 1)


def moving_step():
    """A LONG whose stop somebody replaced by an accepted one of their own; its step is to move."""
    scene = at_rest(guarded(ladder(), accept_external_stop=True))
    scene.venue.tick(5_000)
    gone = scene.venue.cancel(own(scene, Role.SL).ctx_id)
    scene.see((*gone, *external(scene)))
    assert scene.state.naked_since > own(scene, Role.DCA, 1).created_at
    scene.want(guarded(ladder(price="59300"), accept_external_stop=True))
    plan = scene.plan()
    assert isinstance(plan.decision, Act)
    (item,) = plan.approved
    assert (item.family, item.intent.action, item.intent.key) == (Family.EXPOSURE, Action.AMEND, STEP)
    return scene, item


def registered(scene) -> Request:
    scene.step()
    return scene.requests[-1]


def test_6_1_a_step_that_moves_was_wanted_when_its_move_was_registered_not_when_it_was_placed():
    """Dropped for a stop that had been lost before, it would be planned again at once, without end."""
    scene, item = moving_step()
    request = registered(scene)
    assert stale(scene.account, item, request, NO_LIMITS, scene.now) == ""


def test_6_1_a_step_does_not_move_once_the_stop_is_lost():
    scene = at_rest(guarded(ladder()))
    scene.want(guarded(ladder(price="59300")))
    (item,) = scene.plan().approved
    request = registered(scene)
    assert stale(scene.account, item, request, NO_LIMITS, scene.now) == ""
    scene.fold(*scene.venue.cancel(own(scene, Role.SL).ctx_id))
    assert stale(scene.account, item, request, NO_LIMITS, scene.now) == "protection lost"


def test_r23_an_amend_that_fills_have_overtaken_is_not_sent():
    """The venue would cancel the order; what is left to do is planned from what has filled."""
    scene = at_rest(want(stop(), target("0.010")))
    scene.see(scene.venue.fill(own(scene, Role.TP).ctx_id, D("0.002")))
    scene.want(want(stop(), target("0.004")))
    (item,) = scene.plan().approved
    request = registered(scene)
    assert (item.intent.action, item.intent.new_total) == (Action.AMEND, D("0.006"))
    scene.fold(*scene.venue.fill(request.ctx_id, D("0.003")))
    assert stale(scene.account, item, request, NO_LIMITS, scene.now) == ""
    scene.fold(*scene.venue.fill(request.ctx_id, D("0.001")))
    assert stale(scene.account, item, request, NO_LIMITS, scene.now) == "target filled"
