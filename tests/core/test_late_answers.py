"""Answers and notices that come after better evidence, or twice, or about what nobody asked for."""

from msgspec.structs import replace

from backstay.core.account import fold
from backstay.core.contexts import Phase
from backstay.core.events import Effect
from backstay.core.lots import STRANGERS_MOST
from backstay.core.types import Action, Trust
from backstay.strategies.swing.policy import SwingPolicy
from backstay.testing import evidence
from backstay.testing.evidence import ms, state
from backstay.testing.spot_scene import SpotScene

from tests.core.scenes import account_with, asked
from tests.core.wishes import D


def resting():
    """An account whose take-profit rests, and its request."""
    request = asked()
    account = account_with(request)
    row = evidence.order(order_id=1, client_id="o1", quantity="0.010", price="60900", at=1)
    return evidence.folded(account, [evidence.accepted(request, 1), row], at=1), request


def test_a_refusal_after_the_order_was_seen_changes_nothing():
    account, request = resting()
    assert state(account).contexts["o1"].phase is Phase.LIVE
    assert fold(account, evidence.refused(request, Effect.MARGIN), ms(9)) is account


def amended(account, request, price="61000", quantity="0.010"):
    amend = evidence.request(request.context, Action.AMEND, price=price, quantity=quantity)
    return fold(account, evidence.registered(amend), ms(2)), amend


def test_r1_the_same_order_is_believed_where_the_row_says_so_too():
    account, request = resting()
    account, amend = amended(account, request, price="60900")
    after = fold(account, evidence.refused(amend, Effect.SAME_ORDER), ms(3))
    assert state(after).trust is Trust.TRUSTED
    assert state(after).pendings == {}


def test_r1_the_same_order_is_looked_up_where_the_row_says_otherwise():
    account, request = resting()
    account, amend = amended(account, request, price="61000")
    after = fold(account, evidence.refused(amend, Effect.SAME_ORDER), ms(3))
    assert state(after).trust is not Trust.TRUSTED
    assert state(after).reasons == ("same_order_contradiction",)


def test_i2_bytes_that_leave_twice_leave_once():
    request = asked()
    armed = replace(request, context=replace(request.context, phase=Phase.PRE_ARMED))
    account = evidence.folded(account_with(), [replace(evidence.registered(armed), pre_armed=True)])
    assert state(account).contexts["o1"].phase is Phase.PRE_ARMED
    assert state(account).pendings == {}
    sent = replace(evidence.sent(request, at=1), request=request)
    once = fold(account, sent, ms(1))
    assert (state(once).contexts["o1"].phase, set(state(once).pendings)) == (Phase.IN_FLIGHT, {"o1"})
    settled = fold(once, evidence.order(order_id=1, client_id="o1", at=2), ms(2))
    assert state(settled).pendings == {}
    assert fold(settled, sent, ms(3)) is settled


def test_bytes_of_a_request_that_nobody_registered_are_no_news():
    account, request = resting()
    assert fold(account, evidence.sent(asked(name="other"), at=3), ms(3)) is account
    cancel = evidence.request(request.context, Action.CANCEL)
    assert state(fold(account, evidence.sent(cancel, at=3), ms(3))) == state(account)


def test_sales_by_hand_that_nobody_claims_are_kept_for_a_while_and_not_for_ever():
    scene = SpotScene(SwingPolicy())
    scene.buy(("1000", "1.2"))
    for _ in range(STRANGERS_MOST + 3):
        scene.sell(("1", "1.3"))
    kept = list(scene.lots.strangers)
    assert len(kept) == STRANGERS_MOST
    assert kept == sorted(kept)[-STRANGERS_MOST:]
    assert scene.trades[-1].order_id in kept
    assert scene.trades[1].order_id not in kept
    assert scene.lots.total == D(1000) * D("0.999"), "they may have been coins of no lot"
