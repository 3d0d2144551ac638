"""Deterministic refusals: what they block, until when, and that they cost no trust (8.1, I-28, I-29)."""

import pytest

from backstay.core.blocks import blocked, cancel_held, holds
from backstay.core.decisions import Act, Converged, Recover, Wait
from backstay.core.events import (
    AnswerClass,
    ConfigReport,
    Effect,
    InstrumentsSnapshot,
    MarginCall,
    OperatorAction,
    OperatorCommand,
)
from backstay.core.rejections import MAX_REPEATS, RISK_COOLDOWN, TREATMENTS, hold_for, treatment
from backstay.core.slots import SlotKey
from backstay.core.types import MS, SECOND, OrderType, Role
from backstay.strategies.position_manager.policy import TakeProfitKind
from backstay.strategies.position_manager.wanted import PositionManager
from backstay.testing import builders, evidence
from backstay.testing.evidence import ms

from tests.core.scenes import armed, at_rest, external, long_of, own, said
from tests.core.wishes import BUY, SELL, D, guarded, ladder, stop, target, want

DOUBTFUL = {
    Effect.REDUCE_ONLY: ("reduce_only_contradiction",),
    Effect.NO_POSITION: ("reduce_only_contradiction",),
    Effect.CLOSE_POSITION_EXISTS: ("close_position_exists",),
    Effect.DUPLICATE_ID: ("duplicate_id",),
    Effect.POSITION_SIDE: ("account_mode",),
}
"""The refusals that contradict what we hold as true: only these cost trust, and 8.1 says so."""
LASTING = [e for e in Effect if not treatment(e, exposing=True).passes and e not in DOUBTFUL]


def refused(effect, *, role=Role.SL, **fields):
    """A scene in which the first request of `role` was refused with `effect`."""
    scene = at_rest(guarded()) if role is Role.DCA else long_of(guarded())
    if role is Role.DCA:
        scene.want(guarded(ladder()))
    scene.step()
    asked = next(r for r in scene.waiting if r.key.role is role)
    rest = [r for r in scene.waiting if r is not asked]
    if rest:
        scene.confirm(*rest)
    scene.refuse(asked, effect, **fields)
    return scene


@pytest.mark.parametrize("effect", [e for e in Effect if e not in DOUBTFUL])
def test_i28_a_deterministic_refusal_changes_no_trust(effect):
    scene = refused(effect)
    assert scene.state.trusted
    assert scene.state.reasons == ()


@pytest.mark.parametrize(("effect", "reasons"), DOUBTFUL.items())
def test_8_1_a_refusal_that_contradicts_the_state_is_looked_up(effect, reasons):
    scene = refused(effect)
    assert scene.step() == Recover(reasons)


@pytest.mark.parametrize("effect", [Effect.REDUCE_ONLY, Effect.NO_POSITION])
def test_8_1_a_reduce_only_refusal_of_a_flat_scope_is_benign(effect):
    scene = long_of(guarded())
    scene.step()
    sl, tp = scene.waiting
    scene.confirm(tp)
    scene.see(scene.venue.trade_by_hand(SELL, D("0.010"), D(60000)))
    scene.refuse(sl, effect)
    assert scene.state.trusted
    assert scene.state.blocks == ()


@pytest.mark.parametrize("effect", LASTING)
@pytest.mark.parametrize("role", [Role.SL, Role.TP, Role.DCA])
def test_i29_the_same_refusal_is_provoked_three_times_at_most(effect, role):
    scene = refused(effect, role=role)
    keys, asked = {SlotKey(role, 1 if role is Role.DCA else 0)}, 1
    for _ in range(400):
        scene.tick(1_000)
        if not isinstance(scene.step(), Act):
            continue
        again = [r for r in scene.waiting if r.key in keys]
        for request in list(scene.waiting):
            if request in again:
                asked += 1
                scene.refuse(request, effect)
            else:
                scene.confirm(request)
    assert asked <= MAX_REPEATS


@pytest.mark.parametrize("effect", [e for e in Effect if treatment(e, exposing=False).passes])
def test_a_condition_that_passes_is_tried_again_for_as_long_as_it_lasts(effect):
    """A venue that is busy for a minute must not leave a position without its stop for good."""
    scene = refused(effect)
    asked = 1
    for _ in range(400):
        scene.tick(1_000)
        if isinstance(scene.step(), Act):
            for request in list(scene.waiting):
                asked += 1
                scene.refuse(request, effect)
    assert asked > MAX_REPEATS
    assert asked < 420


def test_i29_a_changed_premise_allows_another_try():
    scene = refused(Effect.FILTER)
    scene.tick(3_600_000)
    assert isinstance(scene.step(), Converged)
    scene.see(scene.venue.trade_by_hand(BUY, D("0.005"), D(60000)))
    assert any(i.key.role is Role.SL for i in scene.step().intents)


def test_i29_another_request_is_not_blocked():
    scene = refused(Effect.FILTER)
    scene.want(guarded(trigger="57500"))
    assert any(i.key.role is Role.SL for i in scene.step().intents)


def test_i29_a_refusal_heard_twice_counts_once():
    scene = refused(Effect.PRICE_BAND)
    scene.refuse(scene.requests[0], Effect.PRICE_BAND)
    assert [b.count for b in scene.state.blocks] == [1]


def test_i29_a_refused_amendment_holds_the_amendment_not_what_rests():
    scene = at_rest(guarded())
    scene.want(guarded(price="61000"))
    for n in range(MAX_REPEATS):
        assert said(scene.step()) == ("PROTECT", [("amend", "TP/0")])
        scene.refuse(scene.waiting[0], Effect.TIME_IN_FORCE)
        assert isinstance(scene.step(), Wait if n < MAX_REPEATS - 1 else Converged)
        scene.tick(1_100)
    assert isinstance(scene.step(), Converged)
    scene.want(guarded(price="61500"))
    assert said(scene.step()) == ("PROTECT", [("amend", "TP/0")])


def test_8_1_an_order_that_cannot_be_amended_is_cancelled_and_placed():
    scene = at_rest(guarded())
    scene.want(guarded(price="61000"))
    scene.step()
    scene.refuse(scene.waiting[0], Effect.NOT_AMENDABLE)
    assert said(scene.step()) == ("PROTECT", [("cancel", "TP/0")])
    scene.confirm()
    assert said(scene.step()) == ("PROTECT", [("place", "TP/0")])
    scene.confirm()
    assert scene.step().__class__ is Converged


def test_8_1_a_refused_cancel_waits_and_blocks_no_placement():
    scene = at_rest(guarded(ladder()))
    scene.want(guarded())
    scene.step()
    dca = own(scene, Role.DCA, 1)
    scene.refuse(scene.waiting[0], Effect.RATE_LIMITED, answer=AnswerClass.LIMIT, retry_after_ms=30_000)
    assert cancel_held(scene.state, dca, scene.now)
    assert isinstance(scene.step(), Wait)
    assert not blocked(scene.state, dca.slot, scene.now)
    scene.tick(30_001)
    assert said(scene.step()) == ("CLEANUP", [("cancel", "DCA/1")])


def test_8_1_retry_after_is_honoured():
    scene = refused(Effect.RATE_LIMITED, answer=AnswerClass.LIMIT, retry_after_ms=45_000)
    assert scene.step() == Wait("blocked rate_limited", scene.state.blocks[0].since + 45_000 * MS)


# --- exposure -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "effect", [Effect.MARGIN, Effect.POSITION_LIMIT, Effect.REDUCE_ONLY_REGIME, Effect.LIQUIDATION]
)
def test_8_1_a_refusal_for_risk_closes_exposure_of_the_scope_for_a_minute(effect):
    scene = refused(effect, role=Role.DCA)
    assert scene.step() == Wait(f"blocked {effect}", scene.state.blocks[0].since + RISK_COOLDOWN)
    scene.want(guarded(ladder(2, "58500")))
    assert isinstance(scene.step(), Wait)
    scene.want(guarded(price="61000"))
    assert said(scene.step()) == ("PROTECT", [("amend", "TP/0")])


def test_8_1_a_margin_refusal_is_released_by_a_changed_balance():
    scene = refused(Effect.MARGIN, role=Role.DCA)
    scene.fold(evidence.wallet(20_000, at=90_000))
    scene.tick(300)
    assert said(scene.step()) == ("EXPOSURE", [("place", "DCA/1")])


def test_8_1_a_margin_refusal_after_a_changed_balance_is_released_by_the_next_one():
    scene = refused(Effect.MARGIN, role=Role.DCA)
    scene.fold(evidence.wallet(20_000, at=90_000))
    scene.tick(300)
    scene.step()
    scene.refuse(scene.waiting[-1], Effect.MARGIN)
    scene.tick(300)
    assert isinstance(scene.step(), Wait)
    scene.fold(evidence.wallet(30_000, at=190_000))
    scene.tick(300)
    assert said(scene.step()) == ("EXPOSURE", [("place", "DCA/1")])


def test_8_1_a_margin_refusal_is_released_by_a_read_of_another_balance():
    scene = refused(Effect.MARGIN, role=Role.DCA)
    scene.fold(evidence.balances_read(20_000, at=90_000))
    scene.tick(300)
    assert said(scene.step()) == ("EXPOSURE", [("place", "DCA/1")])


def test_8_1_a_margin_refusal_is_released_by_a_changed_position():
    scene = refused(Effect.MARGIN, role=Role.DCA)
    scene.see(scene.venue.trade_by_hand(SELL, D("0.002"), D(60000)))
    assert scene.state.blocks == ()


def test_8_1_a_position_limit_is_released_by_another_leverage():
    scene = refused(Effect.POSITION_LIMIT, role=Role.DCA)
    scene.fold(ConfigReport(at=ms(90_000), symbol="BTCUSDT", leverage=5))
    assert scene.account.leverages == {"BTCUSDT": 5}
    assert said(scene.step()) == ("EXPOSURE", [("place", "DCA/1")])


def test_8_1_a_filter_refusal_is_released_by_new_filters():
    scene = refused(Effect.FILTER)
    rules = builders.instrument(step="0.01")
    scene.fold(InstrumentsSnapshot(instruments=(rules,), received_at=ms(90_000)))
    assert scene.state.blocks == ()


def test_8_1_margin_does_not_silence_protection():
    scene = refused(Effect.MARGIN, role=Role.SL)
    assert isinstance(scene.step(), Wait)
    scene.tick(61_000)
    assert said(scene.step()) == ("PROTECT", [("place", "SL/0")])


def test_8_1_a_throttled_protective_request_is_repeated_at_once():
    scene = refused(Effect.THROTTLED, answer=AnswerClass.RETRY)
    scene.venue.tick(1)
    assert isinstance(scene.step(), Act)


def test_8_1_a_throttled_exposure_backs_off():
    waits = [hold_for(treatment(Effect.THROTTLED, exposing=True), n) for n in (1, 2, 3, 4)]
    assert waits == [SECOND, 2 * SECOND, 4 * SECOND, 4 * SECOND]


@pytest.mark.parametrize("effect", [Effect.BANNED, Effect.KEYS])
def test_8_1_a_ban_or_wrong_keys_halt_the_account(effect):
    scene = refused(effect, code=-2015, message="Invalid API-key")
    assert "venue_halt" in scene.account.gates
    scene.tick(3_600_000)
    plan = scene.plan()
    assert plan.approved == ()
    assert {r.gate for r in plan.refused} <= {"venue_halt"}
    scene.fold(OperatorCommand(action=OperatorAction.RESUME, who="me"))
    assert "venue_halt" not in scene.account.gates


def test_8_1_a_breached_stop_is_told_to_the_strategy_and_not_repeated():
    seen = []

    def policy(view):
        seen.append(view.stop_refused)
        return want(stop(), target(view.quantity)) if view.quantity else want()

    scene = long_of(policy)
    scene.step()
    sl, tp = scene.waiting
    scene.confirm(tp)
    scene.refuse(sl, Effect.WOULD_TRIGGER)
    assert not isinstance(scene.step(), Act)
    assert seen[-1] == "would_trigger"


def test_8_1_a_stop_that_exists_already_is_found_by_the_read_and_kept_as_external():
    scene = long_of(guarded())
    scene.step()
    sl, tp = scene.waiting

    external(scene)
    scene.confirm(sl, tp)
    assert scene.state.reasons == ("close_position_exists",)
    scene.recover()
    scene.rest()
    assert armed(scene) == [("55000", "0"), ("57000.0", "0.010")]


def test_every_effect_of_the_table_is_an_effect_and_every_hold_is_a_time():
    for effect in TREATMENTS:
        for count in range(1, 6):
            for exposing in (True, False):
                wait = hold_for(treatment(effect, exposing=exposing), count)
                assert wait is None or wait >= 0


# --- what closes exposure until a human has looked ------------------------------------------------


def test_a_margin_call_closes_exposure():
    scene = at_rest(guarded())
    scene.fold(MarginCall(at=ms(9_000), positions=(evidence.position_row("0.010"),)))
    scene.want(guarded(ladder()))
    assert scene.step() == Converged(("blocked exposure: margin_call",))
    scene.fold(OperatorCommand(action=OperatorAction.ACK, who="me"))
    assert said(scene.step()) == ("EXPOSURE", [("place", "DCA/1")])


def test_a_block_without_an_end_holds_only_for_the_position_that_it_arose_with():
    scene = refused(Effect.FILTER)
    (block,) = scene.state.blocks
    assert holds(block, scene.state, scene.now + 10**15)
    assert block.until == 0
    assert block.position == D("0.010")


@pytest.mark.parametrize("later", [0, 1])
def test_8_1_a_refused_level_of_the_take_profit_is_replaced_beside_one_that_was_taken(later):
    halves = builders.take_profit(("0.01", "0.5"), ("0.02", "0.5"), kind=TakeProfitKind.MARKET)
    scene = long_of(builders.policy(take_profit=halves), strategy=PositionManager())
    scene.step()
    sl, *levels = scene.waiting
    refused = levels.pop(1 - later)
    scene.confirm(sl, *levels)
    scene.refuse(refused, Effect.WOULD_TRIGGER)
    assert said(scene.step()) == ("PROTECT", [("place", str(refused.key))])
    (again,) = scene.waiting
    assert (again.context.slot.kind, again.context.slot.quantity) == (OrderType.LIMIT, D("0.005"))
    scene.confirm()
    assert isinstance(scene.step(), Converged)


def test_8_1_a_limit_in_place_of_a_take_profit_that_would_trigger_is_asked_for_again_when_it_was_refused():
    profits = builders.take_profit(kind=TakeProfitKind.MARKET)
    scene = long_of(builders.policy(take_profit=profits), strategy=PositionManager())
    scene.step()
    sl, tp = scene.waiting
    scene.confirm(sl)
    scene.refuse(tp, Effect.WOULD_TRIGGER)
    for _ in range(2):
        assert said(scene.step()) == ("PROTECT", [("place", "TP/0")])
        (instead,) = scene.waiting
        assert instead.context.slot.kind is OrderType.LIMIT
        scene.refuse(instead, Effect.SYMBOL_CLOSED)
        assert not isinstance(scene.step(), Act)
        scene.tick(60_000)
    assert isinstance(scene.step(), Act)
    scene.confirm()
    assert isinstance(scene.rest(), Converged)
    assert [r.price for r in scene.venue.open_orders()] == [D("60900.0")]
