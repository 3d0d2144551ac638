"""A scope that is first heard of: what it may be believed follows from what is known of the account."""

from msgspec.structs import replace

from backstay.core.account import fold
from backstay.core.account_scopes import scope_state
from backstay.core.events import (
    OperatorAction,
    OperatorCommand,
    PriceReached,
    RecoveryStarted,
    StreamChanged,
    StreamState,
)
from backstay.core.scored import SignalKind
from backstay.core.state import AccountState
from backstay.core.types import PositionMode, Product, Trust
from backstay.testing import evidence
from backstay.testing.evidence import folded, hydrated, ms, position_row, run, state
from backstay.testing.market import scored, signal

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
