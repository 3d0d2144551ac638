"""What a scope may forget, so that a long life does not fill the memory."""

from decimal import Decimal

from backstay.core.requests import CONTEXTS_KEPT
from backstay.core.types import Role

from tests.core.scenes import at_rest, own
from tests.core.wishes import guarded, stop, target, want


def test_a_stop_that_moves_for_ever_keeps_a_bounded_history():
    scene = at_rest(guarded())
    for move in range(CONTEXTS_KEPT):
        scene.want(want(stop(trigger=Decimal(57001 + move)), target()))
        scene.rest()
    contexts = scene.state.contexts.values()
    assert len(contexts) <= CONTEXTS_KEPT + 4
    assert own(scene, Role.SL).slot.trigger == Decimal(57000 + CONTEXTS_KEPT)
    assert own(scene, Role.TP).is_resting
