"""Races, one by one (section 9), as far as the rules decide them."""

from itertools import permutations

import pytest
from msgspec.structs import replace

from backstay.core.contexts import Phase
from backstay.core.decisions import Act, Converged, Recover
from backstay.core.events import (
    AccountModeSnapshot,
    AnswerClass,
    ConfigReport,
    Effect,
    OperatorAction,
    OperatorCommand,
    TriggerRejected,
)
from backstay.core.position_view import position_view
from backstay.core.types import (
    Action,
    AlgoStatus,
    Direction,
    Family,
    OrderStatus,
    PositionMode,
    Role,
)
from backstay.testing import evidence
from backstay.testing.evidence import ms, order, position_row
from backstay.testing.venue_model import Ask

from tests.core.scenes import armed, at_rest, long_of, own, said
from tests.core.wishes import BUY, SELL, D, guarded, ladder


def cancels(scene):
    return [str(r.key) for r in scene.requests if r.action is Action.CANCEL]


@pytest.mark.parametrize("answer_first", [True, False])
def test_r1_an_order_that_fills_while_its_cancel_is_in_flight(answer_first):
    scene = at_rest(guarded(ladder()))
    dca = own(scene, Role.DCA, 1)
    scene.want(guarded())
    scene.step()
    cancel = scene.waiting[0]
    filled = scene.venue.fill(dca.ctx_id)
    if answer_first:
        scene.refuse(cancel, Effect.GONE, answer=AnswerClass.STALE, code=-2011)
    scene.see(filled)
    if not answer_first:
        scene.refuse(cancel, Effect.GONE, answer=AnswerClass.STALE, code=-2011)
    assert scene.state.trusted
    assert scene.state.pendings == {}
    assert scene.state.contexts[dca.ctx_id].phase is Phase.FILLED
    assert isinstance(scene.rest(), Converged)
    assert {o.quantity for o in scene.venue.open_orders()} == {D("0.020")}


@pytest.mark.parametrize("new_stop", ["in flight", "armed"])
def test_r2_the_take_profit_fills_while_the_stop_is_being_replaced(new_stop):
    scene = at_rest(guarded(sized=True))
    scene.want(guarded(trigger="58000", sized=True))
    scene.step()
    replacing = scene.waiting[0]
    if new_stop == "armed":
        scene.confirm(replacing)
    scene.see(scene.venue.fill(own(scene, Role.TP).ctx_id))
    if new_stop == "in flight":
        scene.refuse(replacing, Effect.NO_POSITION, code=-4509)
    assert scene.state.trusted
    before = len(scene.requests)
    assert isinstance(scene.rest(), Converged)
    assert {r.action for r in scene.requests[before:]} == {Action.CANCEL}
    assert armed(scene) == []


@pytest.mark.parametrize("action", [Action.AMEND, Action.CANCEL])
def test_r3_the_stop_triggers_while_the_take_profit_is_being_changed(action):
    scene = at_rest(guarded())
    tp = own(scene, Role.TP)
    fields = {"price": "61000", "quantity": "0.010"} if action is Action.AMEND else {}
    change = evidence.request(tp, action, **fields)
    scene.send(change)
    scene.see(scene.venue.trigger(own(scene, Role.SL).ctx_id))
    scene.refuse(change, Effect.REDUCE_ONLY, code=-2022)
    assert scene.state.trusted
    assert said(scene.step()) == ("CLEANUP", [("cancel", "TP/0")])
    scene.confirm()
    assert scene.step() == Converged()


def test_r4_a_partial_dca_fill_adapts_protection_and_sends_nothing_that_exposes():
    scene = at_rest(guarded(ladder(), sized=True))
    dca = own(scene, Role.DCA, 1)

    def rest_of(view):
        step = view.dca.get(1)
        left = D("0.010") - (step.filled if step else 0)
        return guarded(ladder(quantity=left), sized=True)(view)

    scene.want(rest_of)
    scene.see(scene.venue.fill(dca.ctx_id, D("0.004")))
    before = len(scene.requests)
    assert isinstance(scene.rest(), Converged)
    assert {r.key.role for r in scene.requests[before:]} == {Role.SL, Role.TP}
    assert armed(scene) == [("57000.0", "0.014")]
    assert scene.state.contexts[dca.ctx_id].phase is Phase.PARTIAL


def test_r5_a_dca_that_fills_at_its_placement():
    scene = at_rest(guarded(sized=True))
    scene.want(guarded(ladder(), sized=True))
    scene.step()
    dca = scene.waiting[0]
    scene.report(dca)
    scene.want(guarded(ladder(2, "58500"), sized=True))
    notice, moved, filled = scene.venue.fill(dca.ctx_id)
    scene.fold(notice, filled)
    scene.accept(dca)
    scene.tick(300)
    assert scene.state.contexts[dca.ctx_id].phase is Phase.FILLED
    assert scene.state.pendings == {}
    assert scene.step().reason == "fill_unmatched"
    scene.fold(moved)
    scene.tick(300)
    assert scene.step().family is Family.PROTECT
    scene.confirm()
    while isinstance(decision := scene.step(), Act) and decision.family is not Family.EXPOSURE:
        scene.confirm()
    assert armed(scene) == [("57000.0", "0.020")]


@pytest.mark.parametrize("expired_first", [True, False])
def test_r6_the_position_goes_flat_while_the_stop_rests(expired_first):
    scene = at_rest(guarded(sized=True))
    sl, tp = own(scene, Role.SL), own(scene, Role.TP)
    flat = scene.venue.fill(tp.ctx_id)
    gone = scene.venue.expire(sl.ctx_id)
    if expired_first:
        scene.see([*gone, *flat])
    else:
        scene.fold(*flat)
        scene.tick(300)
        scene.step()
        scene.fold(*gone)
        scene.tick(300)
    assert isinstance(scene.step(), Converged)
    assert cancels(scene).count("SL/0") == (0 if expired_first else 1)
    assert scene.state.pendings == {}
    assert scene.state.trusted


def test_r6_the_venues_own_expiry_of_close_position_stops_needs_no_cancel():
    scene = at_rest(guarded())
    scene.see(scene.venue.fill(own(scene, Role.TP).ctx_id))
    assert isinstance(scene.rest(), Converged)
    assert cancels(scene) == []


def test_r7_after_a_manual_close_the_ladder_is_cancelled_first():
    scene = at_rest(guarded(ladder(), sized=True))
    scene.see(scene.venue.trade_by_hand(SELL, D("0.010"), D(60000)))
    assert said(scene.step()) == (
        "CLEANUP",
        [("cancel", "DCA/1"), ("cancel", "TP/0"), ("cancel", "SL/0")],
    )
    scene.confirm()
    assert scene.step() == Converged()
    assert scene.venue.open_orders() == scene.venue.open_algos() == []


def test_r8_a_manual_add_changes_the_protection_and_consumes_no_step():
    scene = at_rest(guarded(ladder(), sized=True))
    scene.see(scene.venue.trade_by_hand(BUY, D("0.010"), D(59000)))
    assert scene.step().family is Family.PROTECT
    scene.confirm()
    scene.rest()
    assert armed(scene) == [("57000.0", "0.020")]
    instrument = scene.account.instruments["BTCUSDT"]
    progress = position_view(scene.account, scene.state, PositionMode.ONE_WAY, instrument).dca
    assert progress[1].filled == 0
    assert progress[1].open


def test_r9_a_manual_order_is_visible_and_never_touched():
    scene = at_rest(guarded())
    manual = scene.venue.place(Ask(client_id="web_1", side=SELL, quantity=D("0.003"), price=D(61500)))
    scene.see(manual)
    assert manual[0].order_id in scene.state.orders
    scene.see(scene.venue.trade_by_hand(SELL, D("0.010"), D(60000)))
    scene.rest()
    assert "web_1" not in {r.ctx_id for r in scene.requests}
    assert "web_1" in {o.client_id for o in scene.venue.open_orders()}


@pytest.mark.parametrize("role", [Role.SL, Role.TP])
def test_r10_a_protective_order_that_the_user_cancels_is_placed_again(role):
    scene = at_rest(guarded())
    scene.see(scene.venue.cancel(own(scene, role).ctx_id))
    assert said(scene.step()) == ("PROTECT", [("place", f"{role}/0")])
    scene.confirm()
    assert scene.step() == Converged()


def test_r10_the_policy_may_pause_the_slot_after_two_cancels_in_ten_minutes():
    scene = at_rest(guarded(retry_cancelled=False))
    scene.see(scene.venue.cancel(own(scene, Role.SL).ctx_id))
    scene.rest()
    assert own(scene, Role.SL)
    scene.see(scene.venue.cancel(own(scene, Role.SL).ctx_id))
    assert not isinstance(scene.step(), Act)
    scene.fold(OperatorCommand(action=OperatorAction.ACK, who="me", scope=scene.key))
    assert said(scene.step()) == ("PROTECT", [("place", "SL/0")])


def test_r10_our_own_cancels_are_nobody_elses():
    scene = at_rest(guarded(retry_cancelled=False))
    for trigger in ("58000", "58500", "57000"):
        scene.want(guarded(trigger=trigger, retry_cancelled=False))
        scene.rest()
    assert scene.state.manual_cancels == ()


@pytest.mark.parametrize(
    "made_by_the_venue",
    [
        {"client_id": "autoclose-1"},
        {"client_id": "adl_autoclose"},
        {"client_id": "settlement_autoclose-7"},
        {"client_id": "x", "status": OrderStatus.NEW_ADL},
        {"client_id": "x", "status": OrderStatus.NEW_INSURANCE},
    ],
)
def test_r15_a_liquidation_or_adl_closes_exposure_until_a_human_has_looked(made_by_the_venue):
    scene = at_rest(guarded(), "0.020")
    status = made_by_the_venue.get("status", OrderStatus.FILLED)
    at = 70_000
    forced = order(
        status, order_id=5, client_id=made_by_the_venue["client_id"], at=at, quantity="0.010", filled="0.010"
    )
    scene.fold(forced, evidence.position("0.010", at=at))
    scene.venue.now = ms(80_000)
    scene.want(guarded(ladder()))
    assert said(scene.step()) == ("PROTECT", [("amend", "TP/0")])
    scene.fold(
        order(
            order_id=own(scene, Role.TP).order_id,
            client_id=own(scene, Role.TP).ctx_id,
            at=80_001,
            price="60900.0",
            quantity="0.010",
            reduce_only=True,
            execution="AMENDMENT",
        )
    )
    scene.tick(300)
    assert scene.step() == Converged(("blocked exposure: liquidation_seen",))
    scene.fold(evidence.position("0.012", at=90_000))
    assert [b.effect for b in scene.state.blocks] == ["liquidation_seen"]
    scene.fold(OperatorCommand(action=OperatorAction.ACK, who="me", scope=scene.key))
    assert scene.state.blocks == ()


def test_r16_funding_changes_the_balance_alone():
    scene = at_rest(guarded(ladder()))
    row = position_row("0.010")
    funding = replace(evidence.wallet(9_999, at=70_000, reason="FUNDING_FEE"), positions=(row,))
    scene.fold(funding)
    assert scene.account.balances["USDT"].wallet == 9_999
    assert scene.step() == Converged()


def test_r17_a_transfer_changes_balances_and_a_leverage_change_its_symbol():
    scene = at_rest(guarded())
    scene.fold(evidence.wallet(5, at=70_000, reason="WITHDRAW"))
    scene.fold(ConfigReport(at=ms(70_001), symbol="BTCUSDT", leverage=20))
    assert scene.account.balances["USDT"].wallet == 5
    assert scene.account.leverages == {"BTCUSDT": 20}
    assert scene.step() == Converged()


def test_r17_another_position_mode_shuts_a_gate_and_opens_it_again():
    scene = at_rest(guarded())
    scene.want(guarded(ladder()))
    scene.fold(AccountModeSnapshot(position_mode=PositionMode.HEDGE, received_at=ms(70_000)))
    assert "account_mode_mismatch" in scene.account.gates
    assert not isinstance(scene.step(), Act)
    scene.fold(AccountModeSnapshot(position_mode=PositionMode.ONE_WAY, received_at=ms(71_000)))
    assert "account_mode_mismatch" not in scene.account.gates
    assert scene.step().family is Family.EXPOSURE


@pytest.mark.parametrize("arrival", list(permutations(range(3))))
def test_r18_early_confirmations_in_any_order_with_the_answer(arrival):
    scene = long_of(guarded())
    scene.step()
    sl, tp = scene.waiting
    deeds = [lambda: scene.report(sl), lambda: scene.accept(sl), lambda: scene.confirm(tp)]
    if arrival.index(1) < arrival.index(0):
        deeds = [lambda: scene.report(sl), lambda: scene.accept(sl), lambda: scene.confirm(tp)]
    for n in arrival:
        deeds[n]()
    scene.tick(300)
    assert scene.state.pendings == {}
    assert scene.step() == Converged()


def test_r19_a_late_acceptance_after_the_fill_changes_nothing():
    scene = at_rest(guarded())
    scene.want(guarded(ladder()))
    scene.step()
    dca = scene.waiting[0]
    scene.report(dca)
    scene.see(scene.venue.fill(dca.ctx_id))
    before = scene.account
    scene.accept(dca)
    assert scene.account is before


def test_r21_a_stop_that_is_rejected_at_its_trigger_is_replaced_at_once():
    scene = at_rest(guarded())
    sl = own(scene, Role.SL)
    row = scene.venue.algos[sl.ctx_id]
    scene.fold(replace(row, status=AlgoStatus.TRIGGERING, at=row.at + 1))
    scene.venue.algos[sl.ctx_id] = rejected = replace(
        row, status=AlgoStatus.REJECTED, at=row.at + 2, failure="Margin is insufficient"
    )
    scene.fold(rejected)
    decision = scene.step()
    assert decision.reason == "stop_missing"
    assert said(decision) == ("PROTECT", [("place", "SL/0")])


def test_r21_the_legacy_trigger_reject_costs_trust():
    scene = at_rest(guarded())
    tp = own(scene, Role.TP)
    scene.fold(TriggerRejected(symbol="BTCUSDT", order_id=tp.order_id, reason="x", at=ms(70_000)))
    assert scene.step() == Recover(("trigger_rejected",))


def test_r22_an_oversize_order_in_one_way_mode_flips_into_a_protected_short():
    scene = at_rest(guarded(ladder()))
    scene.see(scene.venue.trade_by_hand(SELL, D("0.025"), D(60000)))
    assert isinstance(scene.rest(), Converged)
    assert scene.state.direction is Direction.SHORT
    assert [(a.side, a.close_position) for a in scene.venue.open_algos()] == [(BUY, True)]
    assert [(o.side, o.quantity) for o in scene.venue.open_orders()] == [(BUY, D("0.015"))]


def test_r27_partial_exits_by_hand_shrink_the_protection():
    scene = at_rest(guarded(sized=True))
    scene.see(scene.venue.trade_by_hand(SELL, D("0.004"), D(60000)))
    assert isinstance(scene.rest(), Converged)
    assert armed(scene) == [("57000.0", "0.006")]
    assert [o.quantity for o in scene.venue.open_orders()] == [D("0.006")]
