"""A spot position under one order list: placed, cancelled and replaced as one (exchange-state 7.1, 7.6)."""

import pytest
from msgspec.structs import replace

from backstay.core.decisions import Act, Converged, Recover, Wait
from backstay.core.events import (
    Certainty,
    OperatorAction,
    OperatorCommand,
    RecoveryStarted,
)
from backstay.core.types import (
    Action,
    Family,
    OrderStatus,
    Role,
)

from tests.core.pairs import SL, TP, D, answer, at_rest, held, legs, open_rows, replacing, request_of, said

# --- placing ------------------------------------------------------------------------------------------


def test_both_legs_are_one_request_and_two_contexts_with_ids_of_their_own():
    scene = held()
    decision = scene.step()
    assert said(decision) == ("PROTECT", [("place", "TP/0")])
    target, stop = legs(scene)
    assert target.group == stop.group == target.ctx_id != stop.ctx_id
    assert (target.generation, stop.generation) == (1, 2)
    assert {p.key for p in scene.state.pendings.values()} == {TP, SL}


def test_b1_the_list_does_not_wait_for_the_burst_while_nothing_protects():
    assert isinstance(held().plan().decision, Act)


def test_i22_an_equal_list_is_never_touched():
    scene = at_rest()
    for _ in range(5):
        scene.tick(60_000)
        assert isinstance(scene.step(), Converged)
    assert len(scene.requests) == 2


def test_f4_nothing_is_placed_twice_while_a_list_is_on_its_way():
    scene = held()
    scene.step()
    for _ in range(5):
        scene.tick(100)
        assert not isinstance(scene.plan().decision, Act)


def test_the_quantity_is_what_may_be_sold_and_the_dust_needs_no_cover():
    scene = at_rest()
    assert open_rows(scene) == [("LIMIT", D("9.99")), ("STOP_MARKET", D("9.99"))]
    assert scene.state.position.quantity == D("9.990")
    scene = at_rest("10.004")
    assert scene.state.position.quantity == D("9.993996")
    assert open_rows(scene)[0][1] == D("9.99")
    assert not scene.state.naked_since


# --- replacing ----------------------------------------------------------------------------------------


def test_what_is_added_replaces_the_list_in_two_passes_one_cancel_then_one_placement():
    scene = at_rest()
    scene.buy(("5", "1.2"))
    assert isinstance(scene.plan().decision, Wait), "the old list covers most of it: this waits for the burst"
    scene.tick(300)
    assert said(scene.step()) == ("PROTECT", [("cancel", "SL/0")])
    cancels = [r for r in scene.waiting if r.action is Action.CANCEL]
    assert len(cancels) == 1, "one cancel ends the list"
    assert {p.action for p in scene.state.pendings.values()} == {Action.CANCEL}
    assert {p.key for p in scene.state.pendings.values()} == {TP, SL}
    assert not isinstance(scene.plan().decision, Act), "nothing until both legs have ended"
    scene.confirm()
    assert isinstance(scene.rest(), Converged)
    assert open_rows(scene) == [("LIMIT", D("14.98")), ("STOP_MARKET", D("14.98"))]
    assert scene.state.manual_cancels == ()


def test_no_list_is_placed_while_one_leg_of_the_old_one_may_still_hold_the_coins():
    scene = at_rest()
    scene.buy(("5", "1.2"))
    scene.tick(300)
    scene.step()
    target, _ = legs(scene)
    row = next(r for r in scene.rows.values() if r.client_id == target.ctx_id)
    scene.end(row, OrderStatus.CANCELED)
    scene.tick(300)
    assert not isinstance(scene.plan().decision, Act)
    assert {p.key for p in scene.state.pendings.values()} == {SL}


def test_a_moved_stop_replaces_the_list():
    scene = at_rest()
    scene.strategy.stop = "1.1500"
    assert isinstance(scene.rest(), Converged)
    assert legs(scene)[1].slot.trigger == D("1.1500")
    assert len([r for r in scene.requests if r.action is Action.CANCEL]) == 1


@pytest.mark.parametrize("alone", [Role.TP, Role.SL])
def test_from_both_to_one_and_back(alone):
    scene = at_rest()
    scene.strategy.alone = alone
    assert isinstance(scene.rest(), Converged)
    assert len(open_rows(scene)) == 1
    scene.strategy.alone = None
    assert isinstance(scene.rest(), Converged)
    assert len(open_rows(scene)) == 2


def test_a_sale_by_hand_of_other_coins_makes_the_list_smaller():
    scene = at_rest()
    scene.balances["TRUMP"] += 100
    scene.sell(("4", "1.2"))
    assert isinstance(scene.rest(), Converged)
    assert open_rows(scene) == [("LIMIT", D("5.99")), ("STOP_MARKET", D("5.99"))]


# --- what the market and the owner do --------------------------------------------------------------


def test_the_target_fills_and_nothing_is_left():
    scene = at_rest()
    scene.fill(request_of(scene, legs(scene)[0]))
    assert scene.state.position.quantity == 0
    assert isinstance(scene.rest(), Converged)
    assert open_rows(scene) == []
    assert scene.lots.count == 0, "what is left of the lots is dust"


def test_dust_is_no_position():
    scene = at_rest("10.004")
    scene.fill(request_of(scene, legs(scene)[0]))
    assert scene.state.position.quantity == 0
    assert scene.lots.count == 0
    assert sum(lot.left for lot in scene.lots.retired.values()) == D("0.003996")


def test_t3_the_stop_fills_and_the_end_of_its_target_is_due():
    scene = at_rest()
    target, stop = legs(scene)
    row = next(r for r in scene.rows.values() if r.client_id == stop.ctx_id)
    scene.trade(row, row.quantity, D("1.1"))
    assert [p.ctx_id for p in scene.state.pendings.values()] == [target.ctx_id]
    scene.tick(5_100)
    assert isinstance(scene.plan().decision, Recover)


def test_r10_the_owner_s_cancel_is_counted_once_and_the_list_placed_again():
    scene = at_rest()
    scene.cancel_by_hand(request_of(scene, legs(scene)[1]))
    assert len(scene.state.manual_cancels) == 1
    assert isinstance(scene.rest(), Converged)
    assert len(open_rows(scene)) == 2


def test_r10_two_cancels_by_hand_pause_the_list_where_that_is_wished():
    scene = at_rest(pauses=True)
    for _ in range(2):
        scene.cancel_by_hand(request_of(scene, legs(scene)[0]))
        scene.rest()
    assert open_rows(scene) == []


def test_a_target_that_begins_to_fill_is_given_a_moment_then_its_rest_gets_a_list():
    scene = at_rest()
    scene.fill(request_of(scene, legs(scene)[0]), "4")
    scene.tick(300)
    assert scene.plan().decision == Wait("exit_under_way", scene.now + 700_000_000)
    scene.tick(800)
    assert isinstance(scene.rest(), Converged)
    assert open_rows(scene) == [("LIMIT", D("5.99")), ("STOP_MARKET", D("5.99"))]


def test_4_3_a_stop_that_works_is_left_alone_for_its_grace():
    scene = at_rest(alone=Role.SL)
    ctx = next(c for c in scene.state.contexts.values() if c.key == SL)
    row = next(r for r in scene.rows.values() if r.client_id == ctx.ctx_id)
    scene.tell(replace(row, on_book=True, at=scene.moment()))
    scene.strategy.stop = "1.1500"
    scene.tick(300)
    assert isinstance(scene.plan().decision, Wait)
    scene.tick(3_000)
    assert said(scene.plan().decision) == ("PROTECT", [("cancel", "SL/0")])


def test_i37_the_position_counts_as_naked_from_the_end_of_its_stop_to_the_next_one():
    scene, _ = replacing()
    scene.confirm()
    assert scene.state.naked_since
    scene.rest()
    assert not scene.state.naked_since


# --- flat by command ----------------------------------------------------------------------------------


def test_i30_a_close_cancels_the_list_once_and_sells_what_may_be_sold():
    scene = at_rest("10.004")
    scene.fold(OperatorCommand(action=OperatorAction.CLOSE, who="me", scope=scene.key, reason="enough"))
    scene.tick(300)
    assert said(scene.step()) == (str(Family.FLATTEN), [("cancel", "SL/0")])
    scene.confirm()
    scene.tick(300)
    decision = scene.step()
    assert said(decision) == (str(Family.FLATTEN), [("place", "EXIT/0")])
    assert decision.intents[0].slot.quantity == D("9.99")
    scene.confirm()
    assert scene.state.position.quantity == 0


def test_i30_nothing_is_sold_beside_a_list_whose_cancel_is_of_unknown_fate():
    """Coins that are free now are not those of the list: the close waits for what a read tells of it."""
    scene = at_rest()
    scene.fold(OperatorCommand(action=OperatorAction.CLOSE, who="me", scope=scene.key, reason="enough"))
    scene.tick(300)
    scene.step()
    (cancel,) = scene.waiting
    scene.waiting.clear()
    answer(scene, scene.state.contexts[cancel.ctx_id], Action.CANCEL, Certainty.UNKNOWN)
    scene.tick(3_000)
    assert isinstance(scene.plan().decision, Recover)
    scene.fold(RecoveryStarted(scopes=(scene.key,)))
    assert isinstance(scene.plan().decision, Wait)
    scene.tick(3_000)
    scene.recover()
    scene.tick(3_000)
    assert said(scene.step()) == (str(Family.FLATTEN), [("cancel", "SL/0")])


def test_i37_what_is_too_small_to_be_sold_alarms_nobody_and_is_named():
    scene = held("0.5")
    plan = scene.plan()
    assert not plan.protects
    assert not plan.approved
    scene.tick(300)
    assert [note.partition(":")[0] for note in scene.plan().decision.notes] == [
        "unplaceable TP/0",
        "unplaceable SL/0",
    ]
    scene.buy(("9.5", "1.2"))
    assert isinstance(scene.rest(), Converged)
    assert scene.plan().protects


def test_i30_a_closing_order_that_is_reported_but_not_filled_is_not_sent_again():
    scene = at_rest()
    scene.fold(OperatorCommand(action=OperatorAction.CLOSE, who="me", scope=scene.key, reason="enough"))
    scene.tick(300)
    scene.step()
    scene.confirm()
    scene.tick(300)
    scene.step()
    (asked,) = scene.waiting
    slot = asked.context.slot
    scene.place(slot.side, asked.ctx_id, slot.quantity, D(0), slot.kind)
    for _ in range(3):
        scene.tick(300)
        assert not isinstance(scene.plan().decision, Act)
    scene.tick(14_000)
    assert isinstance(scene.plan().decision, Recover)
