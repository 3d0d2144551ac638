"""Account settings are evidence: while one is not as it should be, exposure in its symbol waits."""

import pytest

from backstay.core.account import fold
from backstay.core.account_settings import AccountSettingUpdated, SettingOutcome
from backstay.core.risk import NO_LIMITS, exposure_refusal
from backstay.core.scored import SignalKind
from backstay.testing import evidence
from backstay.testing.evidence import hydrated, ms, position_row
from backstay.testing.market import scored, signal

from tests.core.wishes import HEDGE

KEY = evidence.scope()
DONE = (SettingOutcome.APPLIED, SettingOutcome.UNCHANGED)


def told(outcome, setting="leverage", value="7", symbol="BTCUSDT", reason=""):
    return AccountSettingUpdated(setting=setting, value=value, outcome=outcome, symbol=symbol, reason=reason)


@pytest.mark.parametrize("outcome", list(SettingOutcome))
@pytest.mark.parametrize(
    ("setting", "value", "symbol"),
    [("leverage", "7", "BTCUSDT"), ("margin_type", "ISOLATED", "BTCUSDT"), ("position_mode", "HEDGE", "")],
)
def test_exposure_waits_while_a_setting_is_not_as_it_should_be(outcome, setting, value, symbol):
    event = told(outcome, setting, value, symbol, "a position is open")
    account = fold(hydrated(position_row(0)), event, ms(1))
    refusal = exposure_refusal(account, KEY, NO_LIMITS, ms(2))
    if outcome in DONE:
        assert refusal == ""
    else:
        name = f"{setting} {symbol}".rstrip()
        assert refusal == f"account_setting {name}: {name} is not {value}: a position is open"


def test_a_leverage_of_another_symbol_holds_up_nobody_else():
    account = fold(hydrated(position_row(0)), told(SettingOutcome.REFUSED, symbol="ETHUSDT"), ms(1))
    assert exposure_refusal(account, KEY, NO_LIMITS, ms(2)) == ""


def test_a_leverage_that_was_set_is_known_and_one_that_was_refused_is_not():
    account = hydrated(position_row(0))
    refused = fold(account, told(SettingOutcome.REFUSED), ms(1))
    assert refused.leverages == account.leverages
    assert fold(refused, told(SettingOutcome.APPLIED), ms(2)).leverages == {"BTCUSDT": 7}
    other = fold(account, told(SettingOutcome.APPLIED, "margin_type", "ISOLATED"), ms(1))
    assert other.leverages == account.leverages


def test_a_setting_opens_its_door_once_it_is_done():
    account = fold(hydrated(position_row(0)), told(SettingOutcome.WAITS, reason="an order rests"), ms(1))
    assert exposure_refusal(account, KEY, NO_LIMITS, ms(2)).startswith("account_setting leverage BTCUSDT")
    account = fold(account, told(SettingOutcome.UNCHANGED), ms(3))
    assert exposure_refusal(account, KEY, NO_LIMITS, ms(4)) == ""


def test_i2_a_setting_told_twice_is_told_once():
    event = told(SettingOutcome.WAITS, reason="an order rests")
    account = fold(hydrated(position_row(0)), event, ms(1))
    assert account.settings == {"leverage BTCUSDT": "7 waits an order rests"}
    assert fold(account, event, ms(2)) is account
    assert fold(account, told(SettingOutcome.WAITS, reason="a position is open"), ms(2)) is not account


def test_a_signal_is_the_plan_of_the_side_that_it_points_to():
    account = hydrated(position_row(0), position_mode=HEDGE)
    account = fold(account, scored(signal(SignalKind.SHORT, at=1)), ms(1))
    plans = {key.position_side.value: s.entry_signal for key, s in account.scopes.items()}
    assert plans["LONG"] is None
    assert plans["SHORT"].kind is SignalKind.SHORT
    one_way = fold(hydrated(position_row(0)), scored(signal(SignalKind.SHORT, at=1)), ms(1))
    assert one_way.scopes[KEY].entry_signal.kind is SignalKind.SHORT


def test_an_older_signal_is_no_news():
    account = fold(hydrated(position_row(0)), scored(signal(at=5)), ms(5))
    assert fold(account, scored(signal(SignalKind.SHORT, at=5)), ms(6)) is account
    assert fold(account, scored(signal(SignalKind.SHORT, at=4)), ms(6)) is account
    assert fold(account, scored(signal(SignalKind.SHORT, at=6)), ms(6)) is not account


def test_settings_of_several_symbols_are_kept_side_by_side():
    account = hydrated(position_row(0))
    for symbol, value in (("BTCUSDT", "7"), ("ETHUSDT", "3")):
        account = fold(account, told(SettingOutcome.APPLIED, value=value, symbol=symbol), ms(1))
    assert account.leverages == {"BTCUSDT": 7, "ETHUSDT": 3}
    assert account.settings == {"leverage BTCUSDT": "7 applied", "leverage ETHUSDT": "3 applied"}
