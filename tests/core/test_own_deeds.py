"""What we did and what we were told: requests of several scopes, commands, prices, a new run."""

import pytest
from msgspec.structs import replace

from backstay.core.account import fold, fold_in_place
from backstay.core.contexts import Phase
from backstay.core.events import (
    Effect,
    GateChanged,
    OperatorAction,
    OperatorCommand,
    PriceReached,
    RecoveryEnded,
    RecoveryStarted,
    RequestDropped,
    RequestsRegistered,
    TimePassed,
    TrustLost,
)
from backstay.core.state import AccountState, pack, unpack
from backstay.core.types import Action, Mode, OrderStatus, PositionMode, PositionSide, Subject, Trust
from backstay.testing import evidence
from backstay.testing.evidence import hydrated, ms, position, position_row, scope, state

from tests.core.scenes import account_with, asked
from tests.core.wishes import D

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
ETH = scope(symbol="ETHUSDT")


def two_symbols():
    return hydrated(position_row("0.010"), position_row(3, symbol="ETHUSDT"))


def told(action, key=None, **fields):
    return OperatorCommand(action=action, who="me", scope=key, **fields)


# --- requests ------------------------------------------------------------------------------------------


def test_t1_requests_of_several_scopes_are_registered_each_in_its_own():
    one, two = asked(name="o1"), asked(name="o2")
    two = replace(two, scope=ETH, context=replace(two.context, scope=ETH))
    event = RequestsRegistered(requests=(one, two))
    account = fold(two_symbols(), event, ms(1))
    assert set(state(account).contexts) == {"o1"}
    assert set(account.scopes[ETH].contexts) == set(account.scopes[ETH].pendings) == {"o2"}
    assert fold(account, event, ms(2)) is account


def test_i2_a_cancel_that_is_registered_twice_is_one():
    account = account_with(asked())
    account = evidence.folded(account, [evidence.accepted(asked(), 1), evidence.order(order_id=1)])
    cancel = evidence.registered(evidence.request(asked().context, Action.CANCEL))
    once = fold(account, cancel, ms(5))
    assert set(state(once).pendings) == {"o1"}
    assert fold(once, cancel, ms(6)) is once


def test_i38_our_own_cancel_folded_in_place_is_no_hand_of_somebody_else():
    place = asked()
    cancel = evidence.request(place.context, Action.CANCEL)
    deeds = [
        evidence.registered(place),
        evidence.sent(place, at=1),
        evidence.accepted(place, 1),
        evidence.order(at=2),
        evidence.registered(cancel),
        evidence.sent(cancel, at=3),
        evidence.accepted(cancel, 1),
        evidence.order(OrderStatus.CANCELED, at=4),
    ]
    pure = hydrated(position_row("0.010"))
    owned = unpack(pack(pure))
    for n, event in enumerate(deeds):
        pure, owned = fold(pure, event, ms(n)), fold_in_place(owned, event, ms(n))
        assert pack(owned) == pack(pure)
    assert not state(owned).manual_cancels and not state(owned).pendings


def test_t1_a_request_that_was_dropped_is_absent_for_certain_and_frees_its_slot():
    account = fold(hydrated(position_row("0.010")), evidence.registered(asked()), ms(1))
    drop = RequestDropped(scope=scope(), ctx_id="o1", action=Action.PLACE, reason="position changed")
    account = fold(account, drop, ms(2))
    assert state(account).contexts["o1"].phase is Phase.ABSENT
    assert state(account).contexts["o1"].updated_at == ms(2)
    assert state(account).pendings == {}
    assert fold(account, drop, ms(3)) is account


def test_t1_a_dropped_cancel_leaves_its_order_as_it_is():
    account = account_with(asked())
    account = evidence.folded(account, [evidence.order(order_id=1)])
    account = fold(account, evidence.registered(evidence.request(asked().context, Action.CANCEL)), ms(1))
    drop = RequestDropped(scope=scope(), ctx_id="o1", action=Action.CANCEL, reason="trust lost")
    account = fold(account, drop, ms(2))
    assert state(account).contexts["o1"].phase is Phase.LIVE
    assert state(account).pendings == {}


def test_a_drop_of_what_nobody_registered_is_no_news():
    account = hydrated(position_row("0.010"))
    drop = RequestDropped(scope=scope(), ctx_id="o9", action=Action.PLACE, reason="x")
    assert fold(account, drop, ms(2)) is account


@pytest.mark.parametrize("effect", [Effect.BANNED, Effect.KEYS])
def test_8_1_a_halting_refusal_tells_its_code_and_text(effect):
    account = fold(account_with(asked()), evidence.refused(asked(), effect, code=-2015, message="no"), ms(3))
    assert account.gates["venue_halt"].reason == "-2015 no"
    assert account.gates["venue_halt"].since == ms(3)


def test_a_timer_of_a_scope_that_nobody_knows_changes_nothing():
    account = hydrated()
    assert fold(account, TimePassed(scope=ETH), ms(1)) is account


# --- prices --------------------------------------------------------------------------------------------


def reached(price, symbol="BTCUSDT"):
    return PriceReached(symbol=symbol, price=D(price), at=ms(1))


@pytest.mark.parametrize(
    ("quantity", "prices", "best"),
    [("0.010", (61000, 62000, 60500), 62000), ("-0.010", (59000, 58000, 59500), 58000)],
)
def test_s3_the_best_price_follows_the_favourable_side_only(quantity, prices, best):
    account = hydrated(position_row(quantity))
    for price in prices:
        account = fold(account, reached(price), ms(1))
    assert state(account).best_price == best
    assert account.marks == {"BTCUSDT": prices[-1]}


def test_the_same_price_again_is_no_news_and_a_flat_scope_remembers_none():
    account = fold(hydrated(position_row("0.010")), reached(61000), ms(1))
    assert fold(account, reached(61000), ms(2)) is account
    account = fold(account, position(0, at=9_000), ms(9_000))
    assert state(fold(account, reached(62000), ms(9_001))).best_price is None


def test_prices_of_two_symbols_are_kept_side_by_side():
    account = fold(two_symbols(), reached(61000), ms(1))
    account = fold(account, reached(3100, "ETHUSDT"), ms(1))
    assert account.marks == {"BTCUSDT": 61000, "ETHUSDT": 3100}
    assert (state(account).best_price, account.scopes[ETH].best_price) == (61000, 3100)


# --- recoveries ----------------------------------------------------------------------------------------

READ = (Subject.POSITIONS,)


def test_5_1_a_recovery_of_one_scope_touches_no_other_and_hydrates_no_account():
    account = fold(two_symbols(), TrustLost(reason="clock"), ms(1))
    account = replace(account, hydrated=False)
    account = fold(account, RecoveryStarted(scopes=(ETH,)), ms(2))
    assert not account.hydrating
    assert account.scopes[ETH].trust is Trust.RECOVERING
    assert state(account).trust is Trust.RECOVERY_REQUIRED
    account = fold(account, RecoveryEnded(subjects=READ, scopes=(ETH,)), ms(3))
    assert account.scopes[ETH].trusted
    assert not account.hydrated
    assert state(account).trust is Trust.RECOVERY_REQUIRED


@pytest.mark.parametrize(
    ("fields", "hydrates"),
    [({}, True), ({"failure": "no answer"}, False), ({"subjects": (Subject.BALANCES,)}, False)],
)
def test_5_1_only_a_whole_and_successful_read_of_the_positions_hydrates(fields, hydrates):
    account = fold(replace(two_symbols(), hydrated=False), RecoveryStarted(), ms(2))
    assert account.hydrating
    account = fold(account, RecoveryEnded(**{"subjects": READ, **fields}), ms(3))
    assert not account.hydrating
    assert account.hydrated is hydrates


def test_5_1_a_recovery_in_the_account_does_not_end_one_of_the_whole_account():
    account = fold(two_symbols(), RecoveryStarted(), ms(2))
    account = fold(account, RecoveryEnded(subjects=READ, scopes=(ETH,)), ms(3))
    assert account.hydrating


def test_4_1_1_trust_may_be_lost_for_one_scope_or_for_all():
    one = fold(two_symbols(), TrustLost(reason="operator", scopes=(ETH,)), ms(1))
    assert [s.trusted for s in one.scopes.values()] == [True, False]
    every = fold(two_symbols(), TrustLost(reason="clock"), ms(1))
    assert [s.reasons for s in every.scopes.values()] == [("clock",)] * 2


# --- the operator --------------------------------------------------------------------------------------


def test_a_pause_names_who_or_why_and_ends_where_it_began():
    account = fold(two_symbols(), told(OperatorAction.PAUSE), ms(1))
    assert account.gates["operator_pause"].reason == "paused by me"
    one = fold(two_symbols(), told(OperatorAction.PAUSE, ETH, reason="holidays"), ms(1))
    (name,) = one.gates
    assert name == f"operator_pause {ETH}"
    assert one.gates[name].reason == "holidays"
    assert fold(one, told(OperatorAction.RESUME), ms(2)).gates.keys() == {name}
    assert fold(one, told(OperatorAction.RESUME, ETH), ms(2)).gates == {}


def test_a_resume_of_everything_opens_the_doors_of_the_account():
    account = two_symbols()
    for gate in ("operator_pause", "kill_switch", "venue_halt", "rate_limited"):
        account = fold(account, GateChanged(gate=gate, active=True), ms(1))
    account = fold(account, told(OperatorAction.RESUME), ms(2))
    assert set(account.gates) == {"rate_limited"}
    assert fold(account, told(OperatorAction.RESUME), ms(3)) is account


def test_a_resume_of_one_scope_ends_its_flattening_but_not_under_the_kill_switch():
    account = fold(two_symbols(), told(OperatorAction.CLOSE), ms(1))
    after = fold(account, told(OperatorAction.RESUME, ETH), ms(2))
    assert [bool(s.flatten_since) for s in after.scopes.values()] == [True, False]
    assert after.scopes[ETH].flatten_reason == ""
    killed = fold(two_symbols(), told(OperatorAction.KILL), ms(1))
    killed = fold(killed, told(OperatorAction.RESUME, ETH), ms(2))
    assert all(s.flatten_since for s in killed.scopes.values())
    over = fold(killed, told(OperatorAction.RESUME), ms(3))
    assert not any(s.flatten_since for s in over.scopes.values())


def test_an_acknowledgement_of_everything_ends_a_halt_of_the_venue_one_of_a_scope_does_not():
    account = fold(two_symbols(), GateChanged(gate="venue_halt", active=True, reason="418"), ms(1))
    assert "venue_halt" in fold(account, told(OperatorAction.ACK, ETH), ms(2)).gates
    assert fold(account, told(OperatorAction.ACK), ms(2)).gates == {}


def test_i30_a_kill_of_the_account_shuts_it_one_of_a_scope_flattens_that_scope():
    every = fold(two_symbols(), told(OperatorAction.KILL, reason="enough"), ms(1))
    assert every.gates["kill_switch"].reason == "enough"
    assert [s.flatten_reason for s in every.scopes.values()] == ["kill: enough"] * 2
    one = fold(two_symbols(), told(OperatorAction.KILL, ETH), ms(1))
    assert one.gates == {}
    assert [s.flatten_since for s in one.scopes.values()] == [0, ms(1)]
    assert fold(every, told(OperatorAction.KILL), ms(2)) is every
    assert fold(two_symbols(), told(OperatorAction.KILL), ms(1)).gates["kill_switch"].reason == "killed by me"


def test_i30_a_close_means_the_position_that_is_there_or_may_be():
    flat = fold(
        two_symbols(), evidence.AccountReport(reason="ORDER", at=ms(9), positions=(position_row(0),)), 9
    )
    account = fold(flat, told(OperatorAction.CLOSE, reason="done"), ms(10))
    assert [s.flatten_reason for s in account.scopes.values()] == ["", "close: done"]
    doubtful = fold(flat, TrustLost(reason="clock"), ms(9))
    doubtful = fold(doubtful, told(OperatorAction.CLOSE), ms(10))
    assert all(s.flatten_since for s in doubtful.scopes.values())
    nobody = scope(symbol="SOLUSDT")
    assert nobody not in fold(flat, told(OperatorAction.CLOSE, nobody), ms(10)).scopes


# --- a new process -------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [{"account": "other"}, {"mode": Mode.DEMO}, {"environment": "demo"}])
def test_6_4_another_account_mode_or_environment_begins_with_nothing(change):
    run = replace(evidence.run(), writer=2, **change)
    assert fold(two_symbols(), run, ms(1)) == AccountState(run=run)


def test_r12_the_same_account_keeps_its_past_and_believes_none_of_it():
    account = two_symbols()
    for gate in (
        "kill_switch",
        f"operator_pause {ETH}",
        "venue_halt",
        "rate_limited",
        "account_mode_mismatch",
    ):
        account = fold(account, GateChanged(gate=gate, active=True), ms(1))
    told = {"leverage BTCUSDT": "7 applied"}
    account = replace(fold(account, reached(61000), ms(1)), deaf_strikes=1, hydrating=True, settings=told)
    account = replace(account, gap="stream_disconnected")
    run = replace(evidence.run(), writer=2, position_mode=PositionMode.ONE_WAY)
    after = fold(account, run, ms(2))
    assert set(after.gates) == {"kill_switch", f"operator_pause {ETH}", "venue_halt"}
    assert after.run == run
    assert {s.trust for s in after.scopes.values()} == {Trust.UNHYDRATED}
    assert (after.connected, after.hydrated, after.hydrating) == (False, False, False)
    assert (after.deaf_strikes, after.marks, after.settings, after.gap) == (0, {}, {}, "")
    assert fold(after, run, ms(3)) is after


def test_gates_carry_their_end_and_close_again_when_it_moves():
    limited = GateChanged(gate="rate_limited", active=True, reason="429", until=ms(50))
    account = fold(hydrated(), limited, ms(1))
    assert account.gates["rate_limited"].until == ms(50)
    assert fold(account, limited, ms(2)) is account
    longer = fold(account, replace(limited, until=ms(90)), ms(3))
    assert longer.gates["rate_limited"].until == ms(90)
    assert fold(longer, GateChanged(gate="rate_limited", active=False), ms(4)).gates == {}
    assert fold(hydrated(), GateChanged(gate="rate_limited", active=False), ms(4)).gates == {}
