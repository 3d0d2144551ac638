"""A scope that is first heard of: what it may be believed follows from what is known of the account."""

import pytest
from msgspec.structs import replace

from backstay.core.account import fold
from backstay.core.account_scopes import scope_state
from backstay.core.contexts import Phase
from backstay.core.events import (
    GateChanged,
    OperatorAction,
    OperatorCommand,
    PriceReached,
    RecoveryStarted,
    RequestDropped,
    StreamChanged,
    StreamState,
)
from backstay.core.scored import SignalKind
from backstay.core.slots import EXIT, SlotKey
from backstay.core.state import AccountState, Block
from backstay.core.types import Action, PositionMode, Product, Role, Trust
from backstay.testing import evidence
from backstay.testing.evidence import folded, hydrated, ms, position_row, run, state
from backstay.testing.market import scored, signal

from tests.core.scenes import account_with, asked
from tests.core.wishes import D

ETH = evidence.scope(symbol="ETHUSDT")


def first_heard(account):
    s = scope_state(account, ETH)
    return s.trust, s.reasons, s.handling


def test_5_1_in_a_trusted_account_it_is_trusted():
    assert first_heard(hydrated(position_row("0.010"))) == (Trust.TRUSTED, (), ())


def test_5_1_before_the_first_read_it_is_not_and_the_start_is_the_reason():
    account = folded(AccountState(), [run(), StreamChanged(state=StreamState.CONNECTED)])
    assert first_heard(account) == (Trust.UNHYDRATED, ("startup",), ())


def test_5_1_during_the_first_reads_these_read_it_too():
    connected = StreamChanged(state=StreamState.CONNECTED)
    account = folded(AccountState(), [run(), connected, RecoveryStarted()])
    assert first_heard(account) == (Trust.RECOVERING, (), ("startup",))
    again = folded(hydrated(position_row("0.010")), [RecoveryStarted()])
    assert again.hydrated and again.hydrating
    assert first_heard(again) == (Trust.RECOVERING, (), ("startup",))


def test_4_1_1_while_the_stream_is_away_it_is_not_trusted():
    account = fold(hydrated(position_row("0.010")), StreamChanged(state=StreamState.DISCONNECTED), ms(1))
    assert account.hydrated and not account.connected
    assert first_heard(account)[0] is not Trust.TRUSTED


def test_4_1_1_after_a_gap_that_nothing_has_read_yet_it_is_read_as_well():
    lost = [StreamChanged(state=state) for state in (StreamState.DISCONNECTED, StreamState.CONNECTED)]
    account = folded(hydrated(position_row("0.010")), lost, at=1)
    trust, reasons, _ = first_heard(account)
    assert trust is Trust.RECOVERY_REQUIRED
    assert reasons == (account.gap,) != ("",)


def test_a_command_for_lots_of_a_scope_that_nobody_knows_makes_none():
    account = hydrated(position_row("0.010"))
    nobody = replace(ETH, product=Product.SPOT)
    for action in (OperatorAction.FORGET, OperatorAction.CLOSE):
        told = OperatorCommand(action=action, who="me", scope=nobody, lot=7)
        assert fold(account, told, ms(1)) is account


def test_s3_the_latest_price_is_remembered_whether_or_not_it_is_the_best():
    account = hydrated(position_row("0.010"))
    for price in (61000, 60500):
        account = fold(account, PriceReached(symbol="BTCUSDT", price=D(price), at=ms(1)), ms(1))
        assert state(account).last_mark == price
    assert state(account).best_price == 61000


def test_a_score_before_the_first_read_goes_by_the_mode_that_the_run_expects():
    account = folded(AccountState(), [run(position_mode=PositionMode.HEDGE)])
    assert account.position_mode is None
    account = fold(account, scored(signal(SignalKind.LONG, at=1)), ms(1))
    assert sorted(k.position_side.value for k in account.scopes) == ["LONG", "SHORT"]
    nothing = fold(AccountState(), scored(signal(SignalKind.LONG, at=1)), ms(1))
    assert [k.position_side.value for k in nothing.scopes] == ["BOTH"]


# --- market data that was away ----------------------------------------------------------------------------


def scored_position(symbol="BTCUSDT", *, held="0.010", plan=True):
    """An account with a position that follows a score (or not), and one of another symbol."""
    account = hydrated(position_row(held), position_row(3, symbol="ETHUSDT"))
    for name in (symbol, "ETHUSDT") if plan else ():
        account = fold(account, scored(signal(at=1), name), ms(1))
    return account


def stale(symbol="", *, active):
    return GateChanged(gate=f"stale_data {symbol}".rstrip(), active=active, reason="no bars for 90 s")


def blocked(account, *told):
    """The symbols whose exposure waits for a person after this."""
    account = folded(account, told, at=2)
    return sorted(k.symbol for k, s in account.scopes.items() if s.blocks)


def test_a_scored_position_whose_market_data_went_away_is_for_a_person_to_look_at():
    account = scored_position()
    assert blocked(account, stale(active=True)) == ["BTCUSDT", "ETHUSDT"]
    assert blocked(account, stale("BTCUSDT", active=True)) == ["BTCUSDT"]
    back = stale("BTCUSDT", active=True), stale("BTCUSDT", active=False)
    assert blocked(account, *back) == ["BTCUSDT"], "also when the data is back"


def test_flat_scopes_and_positions_without_a_score_are_not():
    assert blocked(scored_position(held="0"), stale("BTCUSDT", active=True)) == []
    assert blocked(scored_position(plan=False), stale(active=True)) == []


def test_another_gate_concerns_no_position_and_a_gate_that_is_open_is_no_news():
    account = scored_position()
    assert blocked(account, GateChanged(gate="rate_limited", active=True, reason="-1003")) == []
    assert blocked(account, stale(active=False)) == []
    assert fold(account, stale(active=False), ms(3)) is account
    away = folded(account, [stale(active=True)], at=2)
    assert fold(away, stale(active=True), ms(3)) is away


@pytest.mark.parametrize("known", ["pending", "context"])
def test_t1_a_drop_of_a_request_that_is_half_known_is_news(known):
    request = asked()
    account = account_with(request)
    s = state(account)
    s = replace(s, contexts={}) if known == "pending" else replace(s, pendings={})
    account = replace(account, scopes={**account.scopes, s.scope: s})
    dropped = RequestDropped(scope=s.scope, ctx_id="o1", action=Action.PLACE, reason="premise")
    after = state(fold(account, dropped, ms(1)))
    assert after.pendings == {}
    assert all(c.phase is Phase.ABSENT for c in after.contexts.values())


def test_i30_a_kill_that_is_said_again_tries_again_what_was_refused_without_an_end():
    account = hydrated(position_row("0.010"))
    kill = OperatorCommand(action=OperatorAction.KILL, who="me")
    account = fold(account, kill, ms(1))
    s = state(account)
    blocks = tuple(
        Block(key=key, effect="filter", since=ms(1), until=until)
        for key, until in ((EXIT, 0), (EXIT, ms(60_000)), (SlotKey(Role.TP, 0), 0))
    )
    account = replace(account, scopes={**account.scopes, s.scope: replace(s, blocks=blocks)})
    again = fold(account, kill, ms(2))
    assert state(again).blocks == blocks[1:]
    assert state(again).flatten_since == ms(1)
    assert fold(again, kill, ms(3)) is again


def test_what_was_opened_while_market_data_was_away_is_for_a_person_when_they_are_back():
    account = folded(hydrated(position_row(0)), [stale(active=True)], at=2)
    account = fold(account, evidence.position("0.010", at=3), ms(3))
    account = fold(account, scored(signal(at=4)), ms(4))
    assert blocked(account) == []
    assert blocked(account, stale(active=False)) == ["BTCUSDT"]


def test_what_a_person_has_looked_at_is_not_asked_for_again_by_the_same_gate():
    account = folded(scored_position(), [stale(active=True)], at=2)
    account = fold(account, OperatorCommand(action=OperatorAction.ACK, who="me"), ms(3))
    assert blocked(account) == []
    assert blocked(account, stale(active=True)) == []
