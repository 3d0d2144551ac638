"""Self-trade prevention takes a protective order away: it is placed again, and not without end (R-20)."""

from msgspec.structs import replace

from backstay.core.contexts import Phase
from backstay.core.decisions import Act, Converged
from backstay.core.events import OperatorAction, OperatorCommand
from backstay.core.types import OrderStatus, OrderType, Role
from backstay.testing import evidence
from backstay.testing.venue_model import Ask

from tests.core.scenes import at_rest, own, said
from tests.core.wishes import BUY, SELL, D, guarded


def test_r20_an_order_that_self_trade_prevention_expires_is_terminal_and_placed_again():
    scene = at_rest(guarded())
    tp = own(scene, Role.TP)
    row = scene.venue.orders[tp.ctx_id]
    scene.fold(replace(row, status=OrderStatus.EXPIRED_IN_MATCH, execution="EXPIRED", at=row.at + 1))
    scene.tick(300)
    assert scene.state.contexts[tp.ctx_id].phase is Phase.EXPIRED
    assert said(scene.step()) == ("PROTECT", [("place", "TP/0")])


def prevented(scene):
    """Self-trade prevention takes the take-profit away; the decision that follows."""
    tp = own(scene, Role.TP)
    row = scene.venue.orders[tp.ctx_id]
    ended = replace(row, status=OrderStatus.EXPIRED_IN_MATCH, execution="EXPIRED", at=scene.now)
    scene.venue.orders[tp.ctx_id] = ended
    scene.fold(ended, ended)
    scene.tick(300)
    return scene.step()


def test_r20_the_third_time_it_waits_for_a_change_of_the_position():
    scene = at_rest(guarded())
    for _ in range(2):
        assert said(prevented(scene)) == ("PROTECT", [("place", "TP/0")])
        scene.confirm()
        scene.tick(60_000)
    assert prevented(scene) == Converged(("blocked TP/0: self_trade",))
    scene.tick(3_600_000)
    assert isinstance(scene.step(), Converged)
    scene.see(scene.venue.trade_by_hand(SELL, D("0.004"), D(60000)))
    assert said(scene.step()) == ("PROTECT", [("place", "TP/0")])
    scene.confirm()
    assert said(prevented(scene)) == ("PROTECT", [("place", "TP/0")])


def test_r20_an_acknowledgement_lets_it_be_placed_again():
    scene = at_rest(guarded())
    for _ in range(3):
        prevented(scene)
        scene.confirm()
    scene.fold(OperatorCommand(action=OperatorAction.ACK, who="me", scope=scene.key))
    assert said(scene.step()) == ("PROTECT", [("place", "TP/0")])


def test_r20_it_waits_while_the_order_that_it_would_meet_rests():
    scene = at_rest(guarded())
    ask = Ask(client_id="web_7", side=BUY, kind=OrderType.LIMIT, price=D(60950), quantity=D("0.010"))
    scene.fold(*scene.venue.place(ask))
    assert not isinstance(prevented(scene), Act)
    scene.fold(*scene.venue.cancel("web_7"))
    scene.tick(300)
    assert said(scene.step()) == ("PROTECT", [("place", "TP/0")])


def test_r20_one_that_only_a_query_shows_counts_as_well():
    scene = at_rest(guarded())
    tp = own(scene, Role.TP)
    row = replace(scene.venue.orders[tp.ctx_id], status=OrderStatus.EXPIRED_IN_MATCH, at=scene.now)
    scene.fold(evidence.found(row, at=200_000))
    assert [(b.effect, b.count) for b in scene.state.blocks] == [("self_trade", 1)]
