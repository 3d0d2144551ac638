"""Manual reviews: what waits for a person, who says so, and that protection goes on meanwhile (4.1)."""

from msgspec.structs import replace

from backstay.core.decisions import Recover
from backstay.core.events import Effect, OperatorAction, OperatorCommand
from backstay.core.grades import review_of
from backstay.core.reviews import CONFLICT, review
from backstay.core.risk import RiskLimits, exposure_refusal
from backstay.core.scope import block_exposure
from backstay.core.types import OrderStatus, PositionSide, Product, Role, Scope
from backstay.testing import evidence

from tests.core.scenes import at_rest, own, said
from tests.core.test_refusals import refused
from tests.core.wishes import BUY, SELL, D, guarded, ladder


def test_4_1_a_conflict_that_stands_after_two_consistent_snapshots_is_a_manual_review():
    """The venue says there is nothing to reduce, every read says that there is."""
    scene = refused(Effect.REDUCE_ONLY)
    for _ in range(2):
        assert review(scene.state) == ""
        assert scene.step() == Recover(("reduce_only_contradiction",))
        scene.recover()
        scene.tick(16_000)
        assert said(scene.step()) == ("PROTECT", [("place", "SL/0")])
        scene.refuse(scene.waiting[0], Effect.REDUCE_ONLY)
    assert review(scene.state) == "the venue contradicts what two consistent snapshots showed"
    scene.recover()
    scene.want(guarded(ladder()))
    rests = scene.step()
    assert rests.notes[0] == f"manual_review: {review(scene.state)}"
    assert review_of(rests)
    assert review_of(scene.step()), "no entry, no second try"


def test_4_1_a_conflict_between_reads_that_differ_is_none():
    scene = refused(Effect.REDUCE_ONLY)
    for quantity in ("0.010", "0.020"):
        scene.recover()
        scene.see(scene.venue.trade_by_hand(BUY, D(quantity), D(60000)))
        scene.tick(16_000)
        scene.step()
        scene.refuse(next(r for r in scene.waiting if r.key.role is Role.SL), Effect.REDUCE_ONLY)
        scene.confirm()
    assert review(scene.state) == ""


def test_r9_an_order_by_hand_that_uses_up_what_may_be_reduced_is_no_conflict_and_waited_out():
    scene = refused(Effect.REDUCE_ONLY, role=Role.TP)
    scene.fold(evidence.order(order_id=77, client_id="web_1", at=61_000, price="61000", quantity="0.005"))
    for _ in range(2):
        scene.recover()
        scene.fold(evidence.order(order_id=77, client_id="web_1", at=61_000, price="61000", quantity="0.005"))
        scene.tick(16_000)
        assert said(scene.step()) == ("PROTECT", [("place", "TP/0")])
        scene.refuse(scene.waiting[0], Effect.REDUCE_ONLY)
    assert review(scene.state) == ""
    scene.recover()
    assert "blocked TP/0: reduce_only" in scene.step().notes
    gone = evidence.order(
        OrderStatus.CANCELED, order_id=77, client_id="web_1", at=90_000, price="61000", quantity="0.005"
    )
    scene.fold(gone)
    scene.tick(300)
    assert said(scene.step()) == ("PROTECT", [("place", "TP/0")])


def test_4_1_a_position_in_review_keeps_its_protection_and_gets_what_it_lacks():
    scene = at_rest(guarded())
    s = block_exposure(scene.state, CONFLICT, scene.now)
    scene.account = replace(scene.account, scopes={scene.key: s})
    scene.see(scene.venue.cancel(own(scene, Role.SL).ctx_id))
    assert said(scene.step()) == ("PROTECT", [("place", "SL/0")])
    scene.confirm()
    scene.want(guarded(ladder()))
    assert review_of(scene.step())


def test_4_1_an_acknowledged_conflict_is_read_anew_and_then_tried_again():
    scene = refused(Effect.REDUCE_ONLY)
    for _ in range(2):
        scene.recover()
        scene.tick(16_000)
        scene.step()
        scene.refuse(scene.waiting[0], Effect.REDUCE_ONLY)
    scene.recover()
    scene.fold(OperatorCommand(action=OperatorAction.ACK, who="me", scope=scene.key))
    assert review(scene.state) == ""
    assert scene.step() == Recover(("operator_ack",))
    scene.recover()
    assert said(scene.step()) == ("PROTECT", [("place", "SL/0")])


def test_8_1_a_stop_that_is_refused_for_good_is_a_manual_review_and_ends_with_the_position():
    scene = refused(Effect.FILTER)
    scene.tick(300)
    assert scene.state.naked_since
    assert review(scene.state) == "its stop is missing, and refused (filter)"
    assert review_of(scene.step())
    limits = RiskLimits(pause_on_review=True)
    other = Scope(Product.USDM, "ETHUSDT", PositionSide.BOTH)
    instruments = {**scene.account.instruments, "ETHUSDT": scene.account.instruments["BTCUSDT"]}
    account = replace(scene.account, instruments=instruments)
    late = replace(scene.state, scope=Scope(Product.USDM, "AAAUSDT", PositionSide.BOTH))
    both = replace(account, scopes={**account.scopes, late.scope: late})
    assert "AAAUSDT" in exposure_refusal(both, other, limits, scene.now), "I-38: not by what came first"
    assert exposure_refusal(account, other, limits, scene.now).startswith("manual_review: usdm:BTCUSDT:BOTH")
    scene.see(scene.venue.trade_by_hand(SELL, D("0.010"), D(60000)))
    assert review(scene.state) == ""


def test_8_1_a_stop_that_will_be_tried_again_is_no_manual_review():
    scene = refused(Effect.SYMBOL_CLOSED)
    scene.tick(300)
    assert scene.state.naked_since
    assert not review(scene.state)
    assert not review_of(scene.step())


def test_r10_a_stop_that_is_not_replaced_by_configuration_is_a_manual_review():
    scene = at_rest(guarded(retry_cancelled=False))
    for _ in range(2):
        scene.see(scene.venue.cancel(own(scene, Role.SL).ctx_id))
        scene.rest()
    assert review_of(scene.step()) == (
        "manual_review: its stop was cancelled by somebody else, and is not replaced"
    )
