"""Evidence, its order and its duplicates, one rule at a time (F-1 to F-5, O-1 to O-10, T-1 to T-4)."""

from decimal import Decimal

import pytest

from backstay.core import confirmations
from backstay.core.account import fold
from backstay.core.contexts import Phase
from backstay.core.decisions import Act, Converged, Recover, Wait
from backstay.core.events import (
    FillRow,
    FillsSnapshot,
    RecoveryEnded,
    RecoveryStarted,
    TimePassed,
    TrustLost,
)
from backstay.core.types import (
    Action,
    AlgoStatus,
    ExecutionType,
    OrderStatus,
    PositionSide,
    Role,
    Side,
    Trust,
)
from backstay.testing import evidence
from backstay.testing.evidence import algo, hydrated, ms, order, position, position_row, state
from backstay.testing.scene import Scene

from tests.core.scenes import account_with, asked
from tests.core.wishes import BUY, D, entry, guarded, ladder

NEW, PARTIAL, FILLED = OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED
CANCELED = OrderStatus.CANCELED


# --- forbidden traces ---------------------------------------------------------------------------


def test_f1_no_healthy_private_event_asks_for_a_read():
    scene = Scene(guarded(ladder()))
    scene.see(scene.venue.trade_by_hand(BUY, D("0.010"), D(60000)))
    assert isinstance(scene.rest(), Converged)
    tp = next(r.client_id for r in scene.venue.open_orders() if r.reduce_only)
    for events in (
        scene.venue.fill(tp, D("0.004")),
        scene.venue.trade_by_hand(BUY, D("0.005"), D(59000)),
        scene.venue.trade_by_hand(Side.SELL, D("0.005"), D(61000)),
    ):
        for event in events:
            scene.fold(event)
            assert not isinstance(scene.plan().decision, Recover)
        scene.tick(300)
        scene.rest()
    assert scene.state.trust_epoch == 0


def test_f2_a_late_acceptance_leaves_a_confirmed_row_as_it_is():
    request = asked()
    account = fold(account_with(request), order(order_id=5), ms(10))
    after = fold(account, evidence.accepted(request, 5), ms(20))
    assert after is account
    assert state(after).contexts["o1"].phase is Phase.LIVE


def test_f3_a_confirmed_order_never_leads_back_into_recovery():
    request = asked()
    account = evidence.folded(account_with(request), [evidence.accepted(request, 5), order(order_id=5)])
    late = fold(account, TimePassed(scope=evidence.scope()), ms(600_000))
    assert state(late).trusted
    assert confirmations.next_deadline(state(late)) is None


def test_f4_a_pending_confirmation_is_never_followed_by_a_second_place():
    scene = Scene(guarded())
    scene.see(scene.venue.trade_by_hand(BUY, D("0.010"), D(60000)))
    scene.step()
    assert {r.key.role for r in scene.requests} == {Role.SL, Role.TP}
    for _ in range(6):
        scene.step()
        scene.tick(700)
    places = [r.key for r in scene.requests if r.action is Action.PLACE]
    assert len(places) == len(set(places))


def test_f5_fill_evidence_alone_shows_no_resting_order():
    request = asked(entry(), "own")
    account = fold(account_with(request), evidence.trade_lite(5, "own", BUY, "0.001", at=10), ms(10))
    s = state(account)
    assert s.orders == {}
    assert not s.contexts["own"].is_resting
    assert "own" in s.pendings


# --- order and duplicates -----------------------------------------------------------------------


def test_o1_an_event_is_in_the_state_before_anything_is_planned():
    scene = Scene(guarded())
    for event in scene.venue.trade_by_hand(BUY, D("0.010"), D(60000)):
        scene.fold(event)
    assert scene.state.position.quantity == D("0.010")


def test_o2_notice_report_and_read_of_one_trade_are_one_fill():
    notice = evidence.trade_lite(5, "web", BUY, "0.010", at=10)
    report = order(FILLED, order_id=5, client_id="web", side=BUY, at=10, last_qty="0.010", last_price=60000)
    row = FillRow(
        symbol="BTCUSDT",
        position_side=PositionSide.BOTH,
        order_id=5,
        trade_id=report.trade_id,
        side=BUY,
        price=D(60000),
        quantity=D("0.010"),
        at=ms(10),
    )
    read = FillsSnapshot(symbol="BTCUSDT", rows=(row,), requested_at=ms(20), received_at=ms(20))
    account = evidence.folded(hydrated(position_row("0.010")), [notice, report], at=11)
    again = evidence.folded(account, [read, notice, report], at=12)
    assert again is account
    assert state(again).fill_at == ms(10)


def test_o2_a_fill_that_only_a_read_shows_gets_its_deadline():
    """Without one the scope would wait for the position for ever."""
    row = FillRow(
        symbol="BTCUSDT",
        position_side=PositionSide.BOTH,
        order_id=5,
        trade_id=9,
        side=BUY,
        price=D(60000),
        quantity=D("0.010"),
        at=ms(500),
    )
    read = FillsSnapshot(symbol="BTCUSDT", rows=(row,), requested_at=ms(600), received_at=ms(600))
    account = fold(hydrated(position_row("0.010")), read, ms(600))
    assert confirmations.next_deadline(state(account)) == ms(1600)
    assert "unmatched_fill" in state(fold(account, TimePassed(scope=evidence.scope()), ms(1600))).reasons


@pytest.mark.parametrize(
    ("known", "news", "advances"),
    [
        (order(NEW, at=5), order(PARTIAL, at=5, filled="0.004"), True),
        (order(PARTIAL, at=9, filled="0.004"), order(PARTIAL, at=5, filled="0.006"), True),
        (order(PARTIAL, at=5, filled="0.006"), order(PARTIAL, at=9, filled="0.004"), False),
        (order(NEW, at=5), order(NEW, at=6), True),
        (order(NEW, at=6), order(NEW, at=5), False),
        (order(PARTIAL, at=6, filled="0.004"), order(CANCELED, at=6, filled="0.004"), True),
        (order(CANCELED, at=6), order(NEW, at=9), False),
        (order(FILLED, at=6), order(CANCELED, at=9), False),
        (order(CANCELED, at=6), order(OrderStatus.EXPIRED, at=9), False),
        (order(CANCELED, at=6), order(PARTIAL, at=9, filled="0.004"), False),
        (order(FILLED, at=6), order(CANCELED, at=9, filled="0.010"), False),
        (order(CANCELED, at=9, filled="0.004"), order(CANCELED, at=9, filled="0.005"), True),
        (order(NEW, at=6), order(NEW, at=6, price=61000, execution=ExecutionType.AMENDMENT), True),
        (order(NEW, at=7), order(NEW, at=6, price=61000, execution=ExecutionType.AMENDMENT), False),
    ],
)
def test_o3_a_regular_row_advances_by_fill_then_time_then_status(known, news, advances):
    account = fold(hydrated(), known, ms(1))
    after = fold(account, news, ms(2))
    assert (after is not account) is advances
    assert state(after).orders[1] == (news if advances else known)


@pytest.mark.parametrize(
    ("known", "news", "advances"),
    [
        (algo(AlgoStatus.NEW, at=9), algo(AlgoStatus.TRIGGERING, at=5), True),
        (algo(AlgoStatus.TRIGGERING, at=5), algo(AlgoStatus.TRIGGERED, at=5), True),
        (algo(AlgoStatus.TRIGGERED, at=5), algo(AlgoStatus.FINISHED, at=5), True),
        (algo(AlgoStatus.TRIGGERED, at=5), algo(AlgoStatus.TRIGGERING, at=9), False),
        (algo(AlgoStatus.FINISHED, at=5), algo(AlgoStatus.CANCELED, at=9), False),
        (algo(AlgoStatus.NEW, at=5), algo(AlgoStatus.NEW, at=6), True),
        (algo(AlgoStatus.NEW, at=6), algo(AlgoStatus.NEW, at=5), False),
        (algo(AlgoStatus.NEW, at=5), algo(AlgoStatus.NEW, at=5, activated=True), True),
    ],
)
def test_o4_an_algo_row_advances_by_status_then_time(known, news, advances):
    account = fold(hydrated(), known, ms(1))
    after = fold(account, news, ms(2))
    assert (after is not account) is advances
    assert state(after).algos[1] == (news if advances else known)


def test_o5_position_evidence_older_than_the_watermark_is_dropped():
    account = fold(hydrated(), position("0.020", at=20), ms(20))
    assert fold(account, position("0.010", at=10), ms(21)) is account
    assert state(fold(account, position("0.010", at=21), ms(22))).position.quantity == D("0.010")


def test_o5_several_rows_of_one_match_are_taken_once_each_in_order():
    account = hydrated()
    for size in ("0.004", "0.007", "0.010"):
        account = fold(account, position(size, at=20), ms(20))
    assert state(account).position.quantity == D("0.010")
    assert fold(account, position("0.004", at=20), ms(21)) is account


def test_o7_planning_waits_for_the_position_that_matches_the_latest_fill():
    scene = Scene(guarded())
    notice, moved, report = scene.venue.trade_by_hand(BUY, D("0.010"), D(60000))[1:]
    scene.fold(moved)
    bigger = scene.venue.trade_by_hand(BUY, D("0.005"), D(60000))[1:]
    scene.fold(notice, report, bigger[0], bigger[2])
    scene.tick(300)
    assert scene.step() == Wait("fill_unmatched", scene.state.fill_seen_at + confirmations.PAIR_DEADLINE)
    scene.fold(bigger[1])
    assert isinstance(scene.step(), Act)


def test_o7_a_fill_without_position_evidence_costs_trust_after_its_deadline():
    account = fold(hydrated(), order(FILLED, side=BUY, at=10, last_qty="0.010", last_price=60000), ms(10))
    assert state(fold(account, TimePassed(scope=evidence.scope()), ms(1_009))).trusted
    late = state(fold(account, TimePassed(scope=evidence.scope()), ms(1_010)))
    assert late.reasons == ("unmatched_fill",)
    assert late.trust is Trust.RECOVERY_REQUIRED


def test_o7_a_fill_that_the_read_does_not_match_either_is_asked_for_again():
    """The venue's clock may run ahead of our estimate: the read then claims to be older than the fill."""
    account = fold(hydrated(), order(FILLED, side=BUY, at=3_000, last_qty="0.010", last_price=60000), ms(10))
    key = evidence.scope()
    account = fold(account, TimePassed(scope=key), ms(1_010))
    account = evidence.folded(account, _recovery(evidence.positions_read(at=1_050)), at=1_100)
    assert state(account).trusted
    assert not state(account).matched
    assert confirmations.next_deadline(state(account)) == ms(2_100)
    again = fold(account, TimePassed(scope=key), ms(2_100))
    assert state(again).reasons == ("unmatched_fill",)


def _recovery(*reads):
    started, ended = RecoveryStarted, RecoveryEnded
    key = evidence.scope()
    return [started(scopes=(key,)), *reads, ended(subjects=evidence.EVERYTHING, scopes=(key,))]


def test_o9_a_read_overwrites_no_later_stream_evidence():
    account = evidence.folded(hydrated(), [order(PARTIAL, at=100, filled="0.004"), position("0.004", at=100)])
    stale = order(NEW, at=50, execution=ExecutionType.SNAPSHOT)
    s = state(evidence.folded(account, [evidence.orders_read(stale, at=90)], at=120))
    assert s.orders[1].filled == D("0.004")
    flat = evidence.positions_read(at=90)
    assert state(fold(account, flat, ms(120))).position.quantity == D("0.004")


def test_o9_a_read_removes_only_rows_whose_evidence_is_older_than_its_request():
    account = evidence.folded(hydrated(), [order(order_id=1, at=50), order(order_id=2, client_id="b", at=95)])
    assert set(state(fold(account, evidence.orders_read(at=90), ms(99))).orders) == {2}
    account = evidence.folded(hydrated(), [algo(algo_id=1, at=50), algo(algo_id=2, client_id="b", at=95)])
    assert set(state(fold(account, evidence.algos_read(at=90), ms(99))).algos) == {2}


def test_o9_a_lagging_position_read_does_not_flatten_a_fresh_position():
    account = fold(hydrated(), position("0.010", at=1_000), ms(1_000))
    account = fold(account, TrustLost(reason="clock"), ms(1_001))
    account = evidence.folded(account, _recovery(evidence.positions_read(at=1_500)), at=1_600)
    assert state(account).position.quantity == D("0.010")
    assert state(account).trust is Trust.RECOVERY_REQUIRED
    account = evidence.folded(account, _recovery(evidence.positions_read(at=5_000)), at=5_100)
    assert state(account).position.quantity == 0
    assert state(account).trusted


def test_o9_a_read_for_one_side_leaves_the_trusted_other_side_in_peace():
    """Both sides of a symbol come in one read; its lag must not strand the side that nobody recovers."""
    both = [position_row("0.010", side=PositionSide.LONG)]
    account = hydrated(*both, position_mode="hedge")
    account = fold(account, position("-0.010", at=1_000, side=PositionSide.SHORT), ms(1_000))
    account = fold(account, evidence.positions_read(*both, at=1_100), ms(1_200))
    short = state(account, evidence.scope(PositionSide.SHORT))
    assert short.trusted
    assert short.reasons == ()
    assert short.position.quantity == D("-0.010")


def test_o9_a_row_missing_from_a_read_made_for_another_scope_is_a_doubt():
    """Never a free slot: a second order would be placed beside the first."""
    account = fold(account_with(asked()), order(at=10), ms(10))
    s = state(fold(account, evidence.orders_read(at=500), ms(600)))
    assert s.contexts["o1"].phase is Phase.UNKNOWN
    assert s.trust is Trust.RECOVERY_REQUIRED
    assert s.reasons == ("row_missing",)


def test_o10_money_is_exact_decimals_all_the_way():
    account = fold(hydrated(), position("0.1", "60000.10", at=5), ms(5))
    account = fold(account, position("0.3", "60000.20", at=6), ms(6))
    row = state(account).position
    assert (str(row.quantity), str(row.entry_price)) == ("0.3", "60000.20")
    assert isinstance(row.quantity, Decimal)


# --- the latest increase ------------------------------------------------------------------------


@pytest.mark.parametrize("position_first", [True, False])
def test_the_latest_increase_is_the_orders_price_whichever_report_comes_first(position_first):
    """The anchor `last_fill` of a ladder must not depend on the order of a burst."""
    fills = [
        order(PARTIAL, side=BUY, at=10, filled="0.004", last_qty="0.004", last_price=60000, quantity="0.010"),
        order(FILLED, side=BUY, at=10, filled="0.010", last_qty="0.006", last_price=60010, quantity="0.010"),
    ]
    opened = [position("0.010", "60006", at=10)]
    burst = opened + fills if position_first else fills + opened
    s = state(evidence.folded(hydrated(), burst, at=11))
    assert s.last_fill_price == 60010
    assert s.last_increase_at == ms(10)


@pytest.mark.parametrize("position_first", [True, False])
def test_a_flip_starts_with_the_price_of_the_order_that_flipped(position_first):
    fill = [order(FILLED, at=10, quantity="0.030", last_qty="0.030", last_price=61000)]
    flipped = [position("-0.020", "61000.5", at=10)]
    burst = flipped + fill if position_first else fill + flipped
    assert state(evidence.folded(hydrated(position_row("0.010")), burst, at=11)).last_fill_price == 61000
