"""Quiescence, caps and sides: what holds over many passes (I-22 to I-27, I-37)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from backstay.core.decisions import Act, Recover, Refused
from backstay.core.events import Effect, PriceReached
from backstay.core.limits import CorrelationGroup
from backstay.core.placement import place
from backstay.core.risk import RiskLimits, gate, refused_since, worst_notional
from backstay.core.types import (
    Family,
    OrderType,
    PositionMode,
    PositionSide,
    Role,
)
from backstay.strategies.position_manager.policy import Basis, StopKind
from backstay.strategies.position_manager.wanted import PositionManager
from backstay.testing import builders, evidence
from backstay.testing.builders import slot
from backstay.testing.evidence import hydrated, ms, position_row, state
from backstay.testing.histories import histories
from backstay.testing.market import book, scored, signal
from backstay.testing.scene import Scene

from tests.core.scenes import armed, at_rest, own, said
from tests.core.wishes import BUY, LONG, SELL, D, entry, guarded, ladder, stop, target, want

# --- quiescence ---------------------------------------------------------------------------------

KINDS = [k for k in StopKind if k is not StopKind.TRAILING]


@pytest.mark.parametrize("kind", KINDS)
def test_i22_an_equal_slot_is_never_touched_and_a_steady_state_sends_nothing(kind):
    policy = builders.policy(
        dca=builders.dca(), stop_loss=builders.stop(kind=kind, basis=Basis.AVERAGE, trail_as="fixed_qty")
    )
    scene = at_rest(policy, strategy=PositionManager())
    sent = len(scene.requests)
    for n in range(20):
        scene.tick(60_000)
        scene.fold(evidence.wallet(1000 + n, at=n * 60_000.0))
        assert not isinstance(scene.step(), Act)
    assert len(scene.requests) == sent


@settings(max_examples=30)
@given(histories(PositionMode.ONE_WAY, max_deeds=6), st.booleans())
def test_i23_without_new_evidence_a_scope_comes_to_rest(history, sized):
    """At most slots + 3 passes."""
    scene = Scene(guarded(ladder(), sized=sized))
    for burst in history:
        scene.fold(*burst)
    scene.venue.now = ms(60_000)
    slots = 4
    passes = 0
    while isinstance(scene.step(), Act):
        passes += 1
        assert passes < slots + 3


@settings(max_examples=30)
@given(histories(PositionMode.ONE_WAY, max_deeds=6), st.booleans())
def test_i23_with_every_request_confirmed_a_scope_converges(history, sized):
    scene = Scene(guarded(ladder(price="50000"), sized=sized))
    deeds = [e for burst in history for e in burst]
    scene.fold(*deeds)
    scene.venue.now = ms(60_000)
    for report in deeds:
        known = scene.venue.algos if hasattr(report, "algo_id") else scene.venue.orders
        if hasattr(report, "status"):
            known[report.client_id] = report
    for row in deeds:
        for p in getattr(row, "positions", ()):
            scene.venue.positions[PositionSide.BOTH] = (p.quantity, p.entry_price)
    decision = scene.rest() if scene.key in scene.account.scopes else None
    assert not isinstance(decision, (Act, Recover))


# --- caps ---------------------------------------------------------------------------------------


def test_i24_resting_take_profits_never_exceed_the_position():
    def split(view):
        if not view.quantity:
            return want()
        half = view.quantity / 2
        return want(stop(), target(half, "60900", step=0), target(half, "61800", step=1))

    scene = at_rest(split, "0.010")
    for side, size in ((BUY, "0.010"), (SELL, "0.012"), (BUY, "0.030"), (SELL, "0.004")):
        scene.see(scene.venue.trade_by_hand(side, D(size), D(60000)))
        while isinstance(scene.step(), Act):
            scene.confirm()
            resting = sum(r.quantity - r.filled for r in scene.venue.open_orders())
            assert resting <= scene.venue.held()


def test_i24_a_level_grows_only_once_the_other_one_has_shrunk():
    scene = at_rest(want(stop(), target("0.002"), target("0.008", "61800", step=1)))
    scene.want(want(stop(), target("0.008"), target("0.002", "61800", step=1)))
    assert said(scene.step()) == ("PROTECT", [("amend", "TP/1")])
    scene.confirm()
    assert said(scene.step()) == ("PROTECT", [("amend", "TP/0")])
    scene.confirm()
    assert [r.quantity for r in scene.venue.open_orders()] == [D("0.008"), D("0.002")]


def test_i24_a_take_profit_that_has_become_too_large_goes_when_its_successor_is_refused_for_good():
    def taken(view):
        if not view.quantity:
            return want()
        kind, sized = OrderType.TAKE_PROFIT_MARKET, view.quantity
        return want(stop(), slot(Role.TP, kind, SELL, trigger="60900", quantity=sized, reduce_only=True))

    scene = at_rest(taken, "0.010")
    scene.see(scene.venue.trade_by_hand(SELL, D("0.008"), D(60000)))
    assert said(scene.step()) == ("PROTECT", [("place", "TP/0")])
    scene.refuse(scene.waiting[0], Effect.WOULD_TRIGGER)
    assert said(scene.step()) == ("PROTECT", [("cancel", "TP/0")])
    scene.confirm()
    assert armed(scene) == [("57000.0", "0")]
    assert not isinstance(scene.step(), Act)


def test_i24_a_sized_take_profit_stays_when_one_for_the_whole_position_is_refused():
    def taking(**much):
        return want(stop(), slot(Role.TP, OrderType.TAKE_PROFIT_MARKET, SELL, trigger="60900", **much))

    whole, sized = taking(close_position=True), taking(quantity="0.010", reduce_only=True)
    scene = at_rest(want(stop()), "0.010")
    scene.want(whole)
    assert said(scene.step()) == ("PROTECT", [("place", "TP/0")])
    scene.refuse(scene.waiting[0], Effect.WOULD_TRIGGER)
    scene.want(sized)
    assert said(scene.step()) == ("PROTECT", [("place", "TP/0")])
    scene.confirm()
    scene.want(whole)
    assert not isinstance(scene.step(), Act)
    assert [r.quantity for r in scene.venue.open_algos() if not r.close_position] == [D("0.010")]


def test_i25_caps_hold_with_everything_that_rests_or_is_under_way():
    limits = RiskLimits(max_notional=D(1_500))
    scene = at_rest(guarded(), limits=limits)
    scene.want(guarded(ladder(1), ladder(2, "58500")))
    plan = scene.plan()
    assert [r.gate for r in plan.refused] == ["max_notional"]
    assert len(plan.approved) == 1
    scene.step()
    assert worst_notional(scene.account, scene.state) == D("0.010") * 60000 + D("0.010") * D("59400")
    scene.confirm()
    assert scene.plan().approved == ()


def test_i25_an_amendment_counts_with_what_it_adds():
    scene = at_rest(guarded(ladder()), limits=RiskLimits(max_notional=D(1_500)))
    scene.want(guarded(ladder(quantity="0.012")))
    assert len(scene.plan().approved) == 1
    scene.want(guarded(ladder(quantity="0.020")))
    assert [r.gate for r in scene.plan().refused] == ["max_notional"]
    scene.want(guarded(ladder(quantity="0.012")))
    scene.step()
    assert worst_notional(scene.account, scene.state) == 600 + D("0.012") * D("59400")
    scene.confirm()
    assert worst_notional(scene.account, scene.state) == 600 + D("0.012") * D("59400")


@pytest.mark.parametrize("amended", [False, True])
def test_i25_what_was_approved_is_judged_again_by_what_is_held_when_it_leaves(amended):
    limits = RiskLimits(max_notional=D(1_500))
    scene = at_rest(guarded(ladder()) if amended else guarded(), limits=limits)
    scene.want(guarded(ladder(quantity="0.012")))
    (item,) = scene.plan().approved
    scene.step()
    (asked,) = scene.waiting
    assert refused_since(scene.account, item, asked.ctx_id, limits, scene.now) == ""

    room = 1_500 - worst_notional(scene.account, scene.state)
    for more, told in ((room, ""), (room + 1, "max_notional: 1501.0000 would exceed 1500")):
        row = position_row(1, str(more), symbol="ETHUSDT")
        opened = replace(evidence.position(1, at=900_000), positions=(row,))
        account = evidence.folded(scene.account, [opened])
        assert refused_since(account, item, asked.ctx_id, limits, scene.now) == told


BTC, ETH = "BTCUSDT", "ETHUSDT"
NOW = ms(1_000)
AT_MARKET = slot(Role.ENTRY, OrderType.MARKET, BUY, quantity="0.010")
CAP = RiskLimits(max_notional=D(1_000))
BY_SYMBOL = RiskLimits(max_symbol_notional=D(1_000))
BY_GROUP = RiskLimits(groups=(CorrelationGroup(name="all", symbols=(BTC, ETH), max_notional=D(1_000)),))


def judged(account, wanted, limits, symbol=ETH):
    """The gate's answer to an entry in a flat scope."""
    s = account.scopes[evidence.scope(symbol=symbol)]
    (verdict,) = gate(
        Act(Family.EXPOSURE, (place(s, wanted, 1, "missing"),), "test"), account, s, limits, NOW
    )
    return f"{verdict.gate}: {verdict.reason}" if isinstance(verdict, Refused) else ""


def with_entry_under_way(*told):
    """Two flat symbols; in the first an order at market has left, and nothing is known of it yet."""
    asked = evidence.request(evidence.context(AT_MARKET, "o1"))
    return evidence.folded(
        hydrated(position_row(0), position_row(0, symbol=ETH)), [*told, evidence.registered(asked)]
    )


@pytest.mark.parametrize(
    "told",
    [
        [scored(signal(price=60000))],
        [PriceReached(symbol=BTC, price=D(60000), at=ms(0))],
        [book("59990", "60000")],
        [scored(signal(price=50000, at=1)), book("59990", "60000", at=2)],
        [book("49990", "50000", at=1), scored(signal(price=60000, at=2))],
    ],
    ids=["signal", "mark", "book", "newer book", "newer signal"],
)
def test_i25_an_order_at_market_under_way_counts_at_the_price_that_was_told_last(told):
    account = with_entry_under_way(*told)
    assert worst_notional(account, account.scopes[evidence.scope()]) == 600
    for limits, cap in ((CAP, "max_notional: "), (BY_GROUP, "correlation: all: ")):
        assert judged(account, entry("4000", "0.100"), limits) == ""
        assert judged(account, entry("4000", "0.101"), limits) == f"{cap}1004.000 would exceed 1000"
    again = judged(account, AT_MARKET, BY_SYMBOL, BTC)
    assert again == "max_symbol_notional: 1200.000 would exceed 1000"


def test_i25_an_order_at_market_is_refused_where_a_cap_needs_a_price_and_none_is_known():
    reason = "an order at market has no price to be counted with"
    flat = hydrated(position_row(0), position_row(0, symbol=ETH))
    for limits, cap in (
        (CAP, "max_notional"),
        (BY_SYMBOL, "max_symbol_notional"),
        (BY_GROUP, "correlation: all"),
    ):
        assert judged(flat, AT_MARKET, limits) == f"{cap}: {reason}"
    assert judged(flat, AT_MARKET, RiskLimits(max_open_positions=1)) == ""
    account = with_entry_under_way()
    assert judged(account, entry("1", "0.001"), CAP) == f"max_notional: {reason}"
    assert judged(account, entry("1", "0.001"), BY_SYMBOL) == ""  # it is in another symbol


def test_i25_open_positions_are_capped_for_entries_alone():
    limits = RiskLimits(max_open_positions=1)
    account = hydrated(position_row(3, symbol="ETHUSDT"), position_row(0))
    s = state(account)
    act = Act(Family.EXPOSURE, (place(s, entry(), 1, "missing"),), "step_due")
    assert gate(act, account, s, limits, ms(1))[0].gate == "max_open_positions"


def test_i26_in_one_way_mode_the_exchange_side_stays_both():
    scene = at_rest(guarded())
    assert {r.scope.position_side for r in scene.requests} == {PositionSide.BOTH}
    assert {r.context.direction for r in scene.requests} == {LONG}
    scene.see(scene.venue.trade_by_hand(SELL, D("0.020"), D(60000)))
    scene.rest()
    assert {r.scope.position_side for r in scene.requests} == {PositionSide.BOTH}
    assert {r.context.direction.value for r in scene.requests if r.context} == {"LONG", "SHORT"}


def test_i27_in_hedge_mode_each_side_is_planned_alone():
    scene = Scene(guarded(ladder()), mode=PositionMode.HEDGE)
    scene.see(scene.venue.trade_by_hand(BUY, D("0.010"), D(60000), PositionSide.LONG))
    scene.rest()
    short = evidence.scope(PositionSide.SHORT)
    before = scene.account.scopes[scene.key]
    scene.see(scene.venue.trade_by_hand(SELL, D("0.010"), D(60000), PositionSide.SHORT))
    assert replace(scene.account.scopes[scene.key]) == before
    intents = scene.plan(short).decision.intents
    assert {i.slot.side for i in intents} == {BUY}
    assert not any(i.slot.reduce_only for i in intents)


def test_i37_the_time_without_a_stop_is_measured_from_the_position_to_the_armed_stop():
    scene = Scene(guarded())
    scene.fold(*scene.venue.trade_by_hand(BUY, D("0.010"), D(60000)))
    since = scene.state.naked_since
    assert since == scene.now
    scene.step()
    scene.venue.tick(40)
    for request in list(scene.waiting):
        scene.accept(request)
    assert scene.state.naked_since == since
    for request in scene.requests:
        scene.report(request)
    assert scene.state.naked_since == 0
    scene.see(scene.venue.cancel(own(scene, Role.SL).ctx_id))
    assert scene.state.naked_since > since
    scene.see(scene.venue.trade_by_hand(SELL, D("0.010"), D(60000)))
    assert scene.state.naked_since == 0
