"""Stops: where they lie, how they are replaced, the bridge, flips (7.1, 7.4, 7.5, 7.6, C-1, C-2)."""

import pytest
from msgspec.structs import replace

from backstay.core.cover import uncovered
from backstay.core.decisions import Act, Converged, Wait
from backstay.core.slots import BRIDGE, MAIN_STOP
from backstay.core.types import (
    Action,
    AlgoStatus,
    Direction,
    PositionMode,
    PositionSide,
    Role,
)
from backstay.testing import evidence
from backstay.testing.evidence import algo
from backstay.testing.scene import Scene

from tests.core.scenes import armed, at_rest, external, long_of, own, said
from tests.core.wishes import BUY, SELL, STOP_MARKET, D, guarded, ladder, stop, target, want

# --- 7.1 ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", list(Direction))
@pytest.mark.parametrize("mode", list(PositionMode))
def test_7_1_protection_closes_the_side_that_is_held(direction, mode):
    scene = Scene(guarded(), mode=mode)
    side = PositionSide.BOTH if mode is PositionMode.ONE_WAY else PositionSide(direction.value)
    key = evidence.scope(side)
    scene.see(scene.venue.trade_by_hand(direction.opening, D("0.010"), D(60000), side))
    intents = scene.plan(key).decision.intents
    assert {i.slot.side for i in intents} == {direction.closing}
    tp = next(i.slot for i in intents if i.key.role is Role.TP)
    assert tp.reduce_only is (mode is PositionMode.ONE_WAY)
    assert (tp.price > 60000) is (direction is Direction.LONG)


def test_7_1_a_flip_ends_one_life_and_begins_another():
    scene = at_rest(guarded(ladder()))
    epoch = scene.state.epoch
    scene.see(scene.venue.trade_by_hand(SELL, D("0.030"), D(60000)))
    assert scene.state.epoch == epoch + 1
    assert scene.state.direction is Direction.SHORT


def test_7_1_r22_a_flip_cancels_the_old_orders_and_never_amends_across():
    scene = at_rest(guarded(ladder()))
    scene.see(scene.venue.trade_by_hand(SELL, D("0.030"), D(60000)))
    before = len(scene.requests)
    scene.rest()
    after = scene.requests[before:]
    assert {r.action for r in after if r.key.role is Role.DCA} == {Action.CANCEL}
    assert Action.AMEND not in {r.action for r in after}
    assert {a.side for a in scene.venue.open_algos()} == {BUY}
    assert {o.side for o in scene.venue.open_orders()} == {BUY}


def test_7_1_after_a_flip_the_new_position_does_not_wait_for_the_cancels():
    scene = at_rest(guarded(ladder()))
    scene.fold(*scene.venue.trade_by_hand(SELL, D("0.030"), D(60000)))
    families = []
    for _ in range(2):
        while isinstance(decision := scene.step(), Act):
            families.append(str(decision.family))
        scene.venue.tick(300)
    assert sorted(set(families)) == ["CLEANUP", "PROTECT"]
    stops = [r for r in scene.waiting if r.key == MAIN_STOP and r.action is Action.PLACE]
    assert [r.context.slot.side for r in stops] == [BUY]


def test_7_1_a_flip_back_is_bridged_while_the_old_stop_still_stands():
    """LONG, SHORT, LONG again before the first LONG stop is gone: the venue takes no second one (-4130)."""
    scene = at_rest(guarded())
    old = own(scene, Role.SL)
    keep = scene.venue.algos[old.ctx_id]
    scene.fold(
        *(e for e in scene.venue.trade_by_hand(SELL, D("0.030"), D(60000)) if e.__class__ is not type(keep))
    )
    scene.venue.algos[old.ctx_id] = keep
    while isinstance(scene.step(), Act):
        pass
    for request in list(scene.waiting):
        if request.action is Action.PLACE:
            scene.confirm(request)
    scene.fold(
        *(e for e in scene.venue.trade_by_hand(BUY, D("0.030"), D(60000)) if e.__class__ is not type(keep))
    )
    scene.venue.algos[old.ctx_id] = keep
    placed = []
    while isinstance(decision := scene.step(), Act):
        placed += [i for i in decision.intents if i.action is Action.PLACE and i.key.role is Role.SL]
    assert [i.key for i in placed] == [BRIDGE]
    assert placed[0].slot.quantity == scene.venue.held() == D("0.010")
    assert scene.state.epoch == 3
    for request in list(scene.waiting):
        scene.confirm(request)
    scene.rest()
    closers = [r for r in scene.venue.open_algos() if r.side is SELL]
    assert [(r.close_position, r.client_id != old.ctx_id) for r in closers] == [(True, True)]


# --- 7.4, sized stops ---------------------------------------------------------------------------


def test_7_4_a_sized_stop_is_made_before_the_old_one_is_broken():
    scene = at_rest(guarded(sized=True))
    scene.want(guarded(trigger="58000", sized=True))
    assert said(scene.step()) == ("PROTECT", [("place", "SL/0")])
    assert armed(scene) == [("57000.0", "0.010")]
    scene.confirm()
    assert armed(scene) == [("57000.0", "0.010"), ("58000.0", "0.010")]
    assert said(scene.step()) == ("CLEANUP", [("cancel", "SL/0")])
    scene.confirm()
    assert armed(scene) == [("58000.0", "0.010")]
    assert scene.step() == Converged()


def test_7_4_a_sized_stop_is_resized_on_a_fill_and_covers_throughout():
    scene = at_rest(guarded(sized=True))
    scene.see(scene.venue.trade_by_hand(BUY, D("0.010"), D(60000)))
    while isinstance(scene.step(), Act):
        assert sum(r.quantity for r in scene.venue.open_algos()) >= D("0.010")
        scene.confirm()
    assert armed(scene) == [("57000.0", "0.020")]


def test_7_4_the_old_generation_is_kept_while_the_new_one_is_only_accepted():
    scene = at_rest(guarded(sized=True))
    scene.want(guarded(trigger="58000", sized=True))
    scene.step()
    scene.accept(scene.waiting[0])
    assert isinstance(scene.step(), Wait)
    assert armed(scene) == [("57000.0", "0.010")]


# --- 7.4, close-position stops and the bridge ---------------------------------------------------


def test_7_4_a_close_position_stop_is_moved_under_a_bridge_step_by_step():
    scene = at_rest(guarded())
    scene.want(guarded(trigger="58000"))
    steps = []
    while isinstance(decision := scene.step(), Act):
        steps.append(said(decision))
        bare = not armed(scene)
        scene.confirm()
        assert not bare
        assert scene.state.naked_since == 0
    assert steps == [
        ("PROTECT", [("place", "SL/1")]),
        ("CLEANUP", [("cancel", "SL/0")]),
        ("PROTECT", [("place", "SL/0")]),
        ("CLEANUP", [("cancel", "SL/1")]),
    ]
    assert armed(scene) == [("58000.0", "0")]
    assert decision == Converged()


def test_7_4_the_bridge_is_a_sized_reduce_only_stop_at_the_new_trigger():
    scene = at_rest(guarded())
    scene.want(guarded(trigger="58000"))
    bridge = scene.step().intents[0].slot
    assert (bridge.key, bridge.kind, bridge.side) == (BRIDGE, STOP_MARKET, SELL)
    assert (bridge.trigger, bridge.quantity) == (D("58000.0"), D("0.010"))
    assert bridge.reduce_only
    assert not bridge.close_position


def test_7_4_the_main_stop_is_not_cancelled_before_the_bridge_is_confirmed():
    scene = at_rest(guarded())
    scene.want(guarded(trigger="58000"))
    scene.step()
    scene.accept(scene.waiting[0])
    assert isinstance(scene.step(), Wait)
    scene.report(scene.requests[-1])
    scene.tick(300)
    assert said(scene.step()) == ("CLEANUP", [("cancel", "SL/0")])


def test_7_4_the_bridge_stays_until_the_new_stop_is_confirmed():
    scene = at_rest(guarded())
    scene.want(guarded(trigger="58000"))
    for _ in range(2):
        scene.step()
        scene.confirm()
    scene.step()
    scene.accept(scene.waiting[0])
    assert isinstance(scene.step(), Wait)
    assert armed(scene) == [("58000.0", "0.010")]


def test_7_4_a_bridge_follows_a_trigger_that_moves_again():
    scene = at_rest(guarded())
    scene.want(guarded(trigger="58000"))
    scene.step()
    scene.confirm()
    scene.want(guarded(trigger="58500"))
    while isinstance(scene.step(), Act):
        scene.confirm()
        assert armed(scene)
    assert armed(scene) == [("58500.0", "0")]


def test_7_4_a_move_that_is_taken_back_leaves_the_old_stop_and_drops_the_bridge():
    scene = at_rest(guarded())
    scene.want(guarded(trigger="58000"))
    scene.step()
    scene.confirm()
    scene.want(guarded())
    assert said(scene.step()) == ("CLEANUP", [("cancel", "SL/1")])
    scene.confirm()
    assert armed(scene) == [("57000.0", "0")]
    assert scene.step() == Converged()


def test_7_4_the_bridge_stays_where_a_move_is_taken_back_while_the_old_stop_is_being_cancelled():
    scene = at_rest(guarded())
    scene.want(guarded(trigger="58000"))
    scene.step()
    scene.confirm()
    assert said(scene.step()) == ("CLEANUP", [("cancel", "SL/0")])
    scene.want(guarded())
    assert isinstance(scene.step(), Wait)
    scene.confirm()
    assert armed(scene) == [("58000.0", "0.010")]
    assert said(scene.step()) == ("PROTECT", [("place", "SL/0")])


def test_s4_without_a_bridge_the_stop_is_broken_and_then_made_and_nothing_else_is_sent():
    scene = at_rest(guarded(bridge=False))
    scene.want(guarded(ladder(), trigger="58000", bridge=False))
    assert said(scene.step()) == ("PROTECT", [("cancel", "SL/0")])
    assert isinstance(scene.step(), Wait)
    scene.confirm()
    assert scene.state.naked_since
    assert said(scene.step()) == ("PROTECT", [("place", "SL/0")])
    assert isinstance(scene.step(), Wait)
    scene.confirm()
    assert armed(scene) == [("58000.0", "0")]
    assert said(scene.step()) == ("EXPOSURE", [("place", "DCA/1")])


def test_7_4_r9_an_external_close_position_stop_is_left_alone_and_covered_by_a_bridge():
    scene = long_of(guarded())
    scene.see(external(scene))
    scene.rest()
    assert armed(scene) == [("55000", "0"), ("57000.0", "0.010")]
    assert "web_9" not in {r.ctx_id for r in scene.requests}
    assert scene.step() == Converged()


def test_7_4_an_external_stop_counts_where_the_policy_accepts_it():
    scene = long_of(guarded(ladder(), accept_external_stop=True))
    scene.see(external(scene))
    scene.rest()
    assert armed(scene) == [("55000", "0")]
    assert any(r.key.role is Role.DCA for r in scene.requests)


def test_7_4_once_the_external_stop_is_gone_the_main_stop_takes_over_from_the_bridge():
    scene = long_of(guarded())
    scene.see(external(scene))
    scene.rest()
    scene.see(scene.venue.cancel("web_9"))
    scene.rest()
    assert armed(scene) == [("57000.0", "0")]


def test_7_4_an_unconfirmed_stop_is_not_bridged_at_once():
    """Its confirmation is one round trip away; a bridge would only come and go."""
    scene = long_of(guarded())
    scene.step()
    assert isinstance(scene.step(), Wait)
    assert {r.key for r in scene.requests} == {MAIN_STOP, target().key}


def test_7_4_a_stop_that_is_being_consumed_is_not_replaced_in_its_grace():
    scene = at_rest(guarded(sized=True))
    sl = own(scene, Role.SL)
    scene.fold(
        algo(AlgoStatus.TRIGGERING, algo_id=sl.order_id, client_id=sl.ctx_id, at=90_000, quantity="0.010")
    )
    scene.tick(300)
    assert not isinstance(scene.step(), Act)


# --- 7.5 ----------------------------------------------------------------------------------------


def test_7_5_a_take_profit_is_amended_in_price_and_total_quantity():
    scene = at_rest(guarded())
    scene.see(scene.venue.trade_by_hand(BUY, D("0.010"), D(60000)))
    decision = scene.step()
    tp = next(i for i in decision.intents if i.key.role is Role.TP)
    assert (tp.action, tp.new_total, tp.slot.quantity) == (Action.AMEND, D("0.020"), D("0.020"))


def test_7_5_the_amended_total_counts_what_is_filled_already():
    scene = at_rest(guarded())
    tp = own(scene, Role.TP)
    scene.see(scene.venue.fill(tp.ctx_id, D("0.004")))
    scene.see(scene.venue.trade_by_hand(BUY, D("0.010"), D(60000)))
    amend = next(i for i in scene.step().intents if i.key.role is Role.TP)
    assert amend.new_total == D("0.020")
    assert amend.slot.quantity == D("0.016")


def test_7_5_small_partial_fills_of_a_dca_may_be_coalesced_but_never_for_the_stop():
    delay = 1_000_000_000
    scene = at_rest(guarded(ladder(), sized=True, repair_delay=delay))
    dca = own(scene, Role.DCA, 1)
    scene.see(scene.venue.fill(dca.ctx_id, D("0.002")))
    assert said(scene.step()) == ("PROTECT", [("place", "SL/0")])
    scene.confirm()
    scene.step()
    scene.confirm()
    assert scene.step().reason == "tp_repair_delay"
    assert {o.quantity for o in scene.venue.open_orders() if o.reduce_only} == {D("0.010")}
    scene.tick(1_000)
    scene.rest()
    assert {o.quantity for o in scene.venue.open_orders() if o.reduce_only} == {D("0.012")}


@pytest.mark.parametrize("left", [(target("0"),), ()])
def test_r23_of_a_part_filled_order_nothing_more_is_wanted_of_it_is_cancelled(left):
    scene = at_rest(want(stop(), target("0.010")))
    tp = own(scene, Role.TP)
    scene.see(scene.venue.fill(tp.ctx_id, D("0.009")))
    scene.want(want(stop(), *left))
    assert said(scene.step()) == ("CLEANUP", [("cancel", "TP/0")])


def test_r23_a_cancel_by_the_venue_settles_the_amend_and_is_no_manual_cancel():
    scene = at_rest(guarded())
    tp = own(scene, Role.TP)
    amend = evidence.request(tp, Action.AMEND, price="60900", quantity="0.004")
    scene.send(amend)
    scene.fold(*scene.venue.fill(tp.ctx_id, D("0.004")))
    scene.report(amend)
    assert scene.state.pendings == {}
    assert scene.state.manual_cancels == ()
    scene.tick(300)
    assert said(scene.step()) == ("PROTECT", [("place", "TP/0")])


# --- partial cover ------------------------------------------------------------------------------


def test_i37_a_stop_for_a_part_of_the_position_leaves_it_naked():
    scene = at_rest(guarded(sized=True))
    assert scene.state.naked_since == 0
    scene.fold(*scene.venue.trade_by_hand(BUY, D("0.005"), D(60000)))
    assert scene.state.naked_since == scene.now
    assert uncovered(scene.state) == D("0.005")
    scene.tick(300)
    assert isinstance(scene.rest(), Converged)
    assert scene.state.naked_since == 0
    assert uncovered(scene.state) == 0


def test_i37_a_position_that_shrinks_or_has_a_close_position_stop_is_covered():
    for sized in (True, False):
        scene = at_rest(guarded(sized=sized))
        scene.fold(*scene.venue.trade_by_hand(SELL, D("0.005"), D(60000)))
        assert scene.state.naked_since == 0
        if not sized:
            scene.fold(*scene.venue.trade_by_hand(BUY, D("0.020"), D(60000)))
            assert scene.state.naked_since == 0


def test_i37_two_stops_cover_what_they_cover_together():
    scene = at_rest(guarded(sized=True))
    first = own(scene, Role.SL)
    half = replace(first.slot, quantity=D("0.005"))
    contexts = {**scene.state.contexts, first.ctx_id: replace(first, slot=half)}
    contexts["second"] = replace(first, ctx_id="second", slot=replace(half, key=BRIDGE))
    assert uncovered(replace(scene.state, contexts=contexts)) == 0
    del contexts["second"]
    assert uncovered(replace(scene.state, contexts=contexts)) == D("0.005")
