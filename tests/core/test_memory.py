"""What a scope may forget, so that a long life does not fill the memory."""

from decimal import Decimal

from backstay.core.requests import CONTEXTS_KEPT
from backstay.core.scope import ROWS_KEPT
from backstay.core.types import OrderStatus, Role
from backstay.testing import evidence

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


def test_ended_rows_are_forgotten_first_heard_first_and_open_ones_never():
    account = evidence.hydrated()
    resting = [evidence.order(order_id=n, client_id=f"web{n}", at=n) for n in range(ROWS_KEPT + 8)]
    ended = [
        evidence.order(OrderStatus.CANCELED, order_id=1000 + n, client_id=f"gone{n}", at=1000 + n)
        for n in range(3 * ROWS_KEPT)
    ]
    for report in (*ended, *resting):
        account = evidence.folded(account, [report])
    rows = evidence.state(account).orders
    assert {r.order_id for r in resting} < set(rows)
    kept = [i for i in rows if i >= 1000]
    assert kept == [r.order_id for r in ended[-len(kept) :]]
    assert ROWS_KEPT // 2 <= len(kept) <= ROWS_KEPT
    assert evidence.folded(account, [evidence.order(order_id=kept[0], client_id="late", at=1)]) is account
