"""FLATTEN and the operator's commands: towards flat, never the other way (6, I-30)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from backstay.core.decisions import Act, Converged, Recover, Wait
from backstay.core.events import (
    Effect,
    OperatorAction,
    OperatorCommand,
    RecoveryEnded,
    RecoveryStarted,
    TrustLost,
)
from backstay.core.flatten import TRUST_DEADLINE
from backstay.core.slots import EXIT
from backstay.core.types import (
    MS,
    Action,
    Direction,
    Family,
    OrderStatus,
    OrderType,
    PositionMode,
    PositionSide,
    Role,
)
from backstay.testing import builders, evidence
from backstay.testing.builders import slot
from backstay.testing.scene import Scene

from tests.core.scenes import armed, at_rest, long_of, said
from tests.core.wishes import BUY, SELL, D, guarded, ladder, want

CLOSE, KILL, RESUME, PAUSE = (
    OperatorAction.CLOSE,
    OperatorAction.KILL,
    OperatorAction.RESUME,
    OperatorAction.PAUSE,
)


def say(scene, action, *, whole=False, **fields):
    scope = None if whole else scene.key
    scene.fold(OperatorCommand(action=action, who="me", scope=scope, **fields))


def fill_exit(scene):
    """The venue takes the market order and fills it."""
    asked = next(r for r in scene.waiting if r.key == EXIT)
    scene.confirm(asked)
    scene.see(scene.venue.fill(asked.ctx_id, price=D(60000)))


def test_flatten_cancels_what_exposes_and_the_take_profit_then_closes_and_then_cleans_up():
    scene = at_rest(guarded(ladder(), sized=True))
    say(scene, CLOSE)
    assert said(scene.step()) == ("FLATTEN", [("cancel", "DCA/1"), ("cancel", "TP/0")])
    assert scene.step() == Wait("flatten: cancels are being confirmed")
    scene.confirm()
    decision = scene.step()
    assert said(decision) == ("FLATTEN", [("place", "EXIT/0")])
    assert armed(scene) == [("57000.0", "0.010")]
    assert isinstance(scene.step(), Wait)
    fill_exit(scene)
    assert scene.state.position.quantity == 0
    assert scene.state.flatten_since == 0
    assert said(scene.step()) == ("CLEANUP", [("cancel", "SL/0")])


def test_flatten_does_not_wait_for_the_burst():
    scene = Scene(guarded())
    scene.fold(*scene.venue.trade_by_hand(BUY, D("0.010"), D(60000)))
    say(scene, CLOSE)
    assert scene.step().family is Family.FLATTEN


@pytest.mark.parametrize("mode", list(PositionMode))
def test_the_closing_order_is_reduce_only_where_the_venue_knows_the_word(mode):
    scene = Scene(guarded(), mode=mode)
    side = PositionSide.BOTH if mode is PositionMode.ONE_WAY else PositionSide.LONG
    scene.see(scene.venue.trade_by_hand(BUY, D("0.010"), D(60000), side))
    say(scene, CLOSE)
    slot = scene.step().intents[0].slot
    assert (slot.kind, slot.side, slot.quantity) == (OrderType.MARKET, SELL, D("0.010"))
    assert slot.reduce_only is (mode is PositionMode.ONE_WAY)


def test_flatten_without_trust_waits_two_seconds_and_then_closes_on_the_last_known_position():
    scene = at_rest(guarded())
    scene.fold(TrustLost(reason="clock", scopes=(scene.key,)))
    say(scene, CLOSE)
    assert isinstance(scene.step(), Recover)
    scene.venue.now += TRUST_DEADLINE
    assert said(scene.step()) == ("FLATTEN", [("cancel", "TP/0")])
    assert said(scene.step()) == ("FLATTEN", [("place", "EXIT/0")])
    assert not isinstance(scene.step(), Act)


def test_flatten_sends_one_closing_order_at_a_time():
    scene = at_rest(want())
    say(scene, CLOSE)
    scene.step()
    for _ in range(4):
        assert isinstance(scene.step(), Wait)
        scene.tick(500)
    assert [r.key for r in scene.requests] == [EXIT]


def reported(scene, request, status, **fields):
    """The venue reports the closing order itself, and nothing of the position."""
    at = (scene.now - evidence.ms(0)) / MS
    scene.fold(
        evidence.order(
            status, order_id=900, client_id=request.ctx_id, at=at, kind=OrderType.MARKET, price=0, **fields
        )
    )


@pytest.mark.parametrize("wanted_by", ["operator", "strategy"])
def test_flatten_sends_no_second_order_between_the_first_ones_report_and_its_fill(wanted_by):
    scene = at_rest(guarded())
    if wanted_by == "operator":
        say(scene, CLOSE)
    else:
        leave = slot(Role.EXIT, OrderType.MARKET, SELL, quantity="0.010", reduce_only=True)
        scene.want(want(leave))
    assert said(scene.step()) == ("FLATTEN", [("cancel", "TP/0")])
    scene.confirm()
    assert said(scene.step()) == ("FLATTEN", [("place", "EXIT/0")])
    asked = scene.waiting[0]
    scene.fold(evidence.accepted(asked, 900))
    for status, filled in ((OrderStatus.NEW, "0"), (OrderStatus.PARTIALLY_FILLED, "0.004")):
        reported(scene, asked, status, filled=filled)
        assert isinstance(scene.step(), Wait)
        scene.tick(300)
        assert isinstance(scene.step(), Wait)
    # Nothing more is heard: it is read, and while a read shows it open nothing is sent beside it.
    scene.fold(evidence.position("0.006", at=62_000))
    scene.tick(5_000)
    assert isinstance(scene.step(), Recover)
    row = scene.state.orders[900]
    scene.fold(RecoveryStarted(scopes=(scene.key,)), evidence.orders_read(row, at=68_000))
    scene.fold(RecoveryEnded(subjects=evidence.EVERYTHING, scopes=(scene.key,)))
    scene.tick(300)
    assert scene.state.trusted
    assert scene.step() == Wait("flatten: the closing order is being filled")


def test_flatten_closes_in_parts_what_one_market_order_cannot():
    scene = at_rest(want(), "0.010")
    rules = builders.instrument(market_max_qty="0.004")
    scene.account = replace(scene.account, instruments={"BTCUSDT": rules})
    say(scene, CLOSE)
    sizes = []
    while isinstance(scene.step(), Act):
        sizes.append(str(scene.waiting[-1].context.slot.quantity))
        fill_exit(scene)
    assert sizes == ["0.004", "0.004", "0.002"]
    assert scene.state.position.quantity == 0


def test_i29_a_refused_closing_order_is_not_repeated_in_a_loop():
    scene = at_rest(want())
    say(scene, CLOSE)
    scene.step()
    scene.refuse(scene.waiting[0], Effect.FILTER)
    for _ in range(20):
        assert scene.step() == Wait("flatten: blocked filter")
        scene.tick(1_000)


def test_flatten_needs_no_filters():
    scene = at_rest(want())
    scene.account = replace(scene.account, instruments={})
    say(scene, CLOSE)
    assert said(scene.step()) == ("FLATTEN", [("place", "EXIT/0")])


@settings(max_examples=40)
@given(
    st.sampled_from(Direction),
    st.sampled_from(PositionMode),
    st.booleans(),
    st.sampled_from(["trusted", "lost"]),
    st.lists(st.sampled_from(["confirm", "refuse", "wait", "hand"]), max_size=6),
)
def test_i30_flatten_never_increases_absolute_exposure(direction, mode, sized, trust, deeds):
    scene = Scene(guarded(ladder(), sized=sized), mode=mode)
    side = PositionSide.BOTH if mode is PositionMode.ONE_WAY else PositionSide(direction.value)
    scene.key = evidence.scope(side)
    scene.see(scene.venue.trade_by_hand(direction.opening, D("0.010"), D(60000), side))
    scene.rest()
    if trust == "lost":
        scene.fold(TrustLost(reason="clock", scopes=(scene.key,)))
    say(scene, CLOSE)
    scene.venue.now += TRUST_DEADLINE
    for deed in deeds:
        held = scene.state.position.quantity
        decision = scene.step()
        if isinstance(decision, Act) and decision.family is Family.FLATTEN:
            for intent in decision.intents:
                if intent.action is Action.CANCEL:
                    continue
                assert intent.slot.side is (SELL if held > 0 else BUY)
                assert intent.slot.quantity <= abs(held)
                assert intent.slot.reduce_only is (mode is PositionMode.ONE_WAY)
        if deed == "confirm" and scene.waiting:
            scene.confirm()
        elif deed == "refuse":
            for request in list(scene.waiting):
                scene.refuse(request, Effect.RATE_LIMITED)
        elif deed == "hand" and scene.venue.held(side) * (1 if held > 0 else -1) > D("0.004"):
            scene.see(scene.venue.trade_by_hand(direction.closing, D("0.004"), D(60000), side))
        scene.tick(1_200)


# --- commands -----------------------------------------------------------------------------------


def test_a_close_of_a_flat_scope_does_not_lie_in_wait_for_a_later_position():
    scene = at_rest(guarded())
    scene.see(scene.venue.trade_by_hand(SELL, D("0.010"), D(60000)))
    scene.rest()
    say(scene, CLOSE)
    scene.see(scene.venue.trade_by_hand(BUY, D("0.010"), D(60000)))
    assert scene.step().family is Family.PROTECT


def test_a_close_that_finds_the_position_gone_after_recovery_is_done():
    scene = at_rest(guarded())
    scene.fold(TrustLost(reason="clock", scopes=(scene.key,)))
    say(scene, CLOSE)
    scene.venue.trade_by_hand(SELL, D("0.010"), D(60000))
    scene.tick(5_000)
    scene.recover()
    assert scene.state.trusted
    assert scene.state.flatten_since == 0


def test_a_kill_stays_in_force_after_the_position_is_flat():
    scene = at_rest(guarded())
    say(scene, KILL, whole=True, reason="stop it")
    while isinstance(scene.step(), Act):
        if any(r.key == EXIT for r in scene.waiting):
            fill_exit(scene)
        else:
            scene.confirm()
    assert scene.state.position.quantity == 0
    scene.see(scene.venue.trade_by_hand(BUY, D("0.010"), D(60000)))
    assert scene.step().family is Family.FLATTEN


def test_a_kill_also_takes_a_scope_that_was_not_known_when_it_was_thrown():
    """Its orders are not wanted under the switch; to cancel them alone would leave the position bare."""
    scene = Scene(guarded())
    say(scene, KILL, whole=True)
    scene.see(scene.venue.trade_by_hand(BUY, D("0.010"), D(60000)))
    assert said(scene.step()) == ("FLATTEN", [("place", "EXIT/0")])


def test_resuming_one_scope_leaves_the_doors_of_the_account_shut():
    scene = at_rest(guarded(sized=True))
    say(scene, KILL, whole=True)
    say(scene, RESUME)
    assert "kill_switch" in scene.account.gates
    assert scene.state.flatten_since
    assert scene.step().family is Family.FLATTEN
    say(scene, RESUME, whole=True)
    assert scene.account.gates == {}
    assert scene.state.flatten_since == 0


def test_resuming_ends_a_kill_of_one_scope():
    scene = at_rest(guarded())
    say(scene, KILL)
    assert "kill_switch" not in scene.account.gates
    assert scene.step().family is Family.FLATTEN
    scene.confirm()
    say(scene, RESUME)
    assert scene.state.flatten_since == 0


@pytest.mark.parametrize("whole", [True, False])
def test_a_pause_stops_exposure_and_never_protection(whole):
    scene = at_rest(guarded())
    say(scene, PAUSE, whole=whole, reason="lunch")
    scene.want(guarded(ladder(), price="61000"))
    assert said(scene.step()) == ("PROTECT", [("amend", "TP/0")])
    scene.confirm()
    decision = scene.step()
    assert isinstance(decision, Converged)
    assert "lunch" in decision.notes[-1]
    say(scene, RESUME, whole=whole)
    assert scene.step().family is Family.EXPOSURE


@pytest.mark.parametrize("action", list(OperatorAction))
@pytest.mark.parametrize("whole", [True, False])
def test_i2_a_command_heard_twice_is_heard_once(action, whole):
    scene = at_rest(guarded())
    say(scene, action, whole=whole)
    before = scene.account
    say(scene, action, whole=whole)
    assert scene.account is before or scene.account == before


def test_an_exit_that_the_strategy_wants_flattens():
    scene = at_rest(guarded(ladder()))
    leave = slot(Role.EXIT, OrderType.MARKET, SELL, quantity="0.010", reduce_only=True)
    scene.want(want(leave))
    assert said(scene.step())[0] == "FLATTEN"
    scene.confirm()
    assert said(scene.step()) == ("FLATTEN", [("place", "EXIT/0")])
    fill_exit(scene)
    scene.want(want())
    assert isinstance(scene.rest(), Converged)


def test_i37_a_position_whose_close_is_refused_gets_its_stop_meanwhile():
    leave = slot(Role.EXIT, OrderType.MARKET, SELL, quantity="0.010", reduce_only=True)
    scene = long_of(guarded(leave))
    assert said(scene.step()) == ("FLATTEN", [("place", "EXIT/0")])
    (asked,) = scene.waiting
    scene.refuse(asked, Effect.PRICE_BAND)
    assert said(scene.step()) == ("PROTECT", [("place", "SL/0")])
    scene.confirm()
    assert armed(scene) == [("57000.0", "0")]
    assert isinstance(scene.step(), Wait)


@pytest.mark.parametrize("action", [CLOSE, KILL])
def test_i37_a_position_whose_close_by_the_operator_is_refused_gets_its_stop_meanwhile(action):
    scene = long_of(guarded(ladder()))
    say(scene, action)
    assert said(scene.step()) == ("FLATTEN", [("place", "EXIT/0")])
    (asked,) = scene.waiting
    scene.refuse(asked, Effect.FILTER)
    assert said(scene.step()) == ("PROTECT", [("place", "SL/0")])
    scene.confirm()
    assert armed(scene) == [("57000.0", "0")]
    assert scene.step() == Wait("flatten: blocked filter")


def test_i37_the_stop_follows_the_size_while_the_close_is_refused():
    scene = at_rest(guarded(sized=True))
    say(scene, CLOSE)
    assert said(scene.step()) == ("FLATTEN", [("cancel", "TP/0")])
    scene.confirm()
    scene.step()
    scene.refuse(scene.waiting[0], Effect.FILTER)
    assert scene.step() == Wait("flatten: blocked filter")
    scene.fold(*scene.venue.trade_by_hand(SELL, D("0.004"), D(60000)))
    scene.tick(1_000)
    assert said(scene.step()) == ("FLATTEN", [("place", "EXIT/0")]), "it is another close"
    scene.refuse(scene.waiting[0], Effect.FILTER)
    assert said(scene.step()) == ("PROTECT", [("place", "SL/0")])
    scene.confirm()
    assert said(scene.step()) == ("CLEANUP", [("cancel", "SL/0")])
    scene.confirm()
    (stop,) = scene.venue.open_algos()
    assert stop.quantity == D("0.006")
    assert scene.step() == Wait("flatten: blocked filter")


def test_a_close_that_was_refused_is_tried_again_when_the_operator_says_so_again():
    scene = long_of(guarded(ladder()))
    say(scene, CLOSE)
    scene.step()
    scene.refuse(scene.waiting[0], Effect.FILTER)
    scene.step()
    scene.confirm()
    assert scene.step() == Wait("flatten: blocked filter")
    say(scene, CLOSE)
    assert said(scene.step()) == ("FLATTEN", [("place", "EXIT/0")])
