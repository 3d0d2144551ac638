"""Every environment variable of the time before `config.yaml` works, and an error in one names it."""

from decimal import Decimal
from pathlib import Path

import pytest

from backstay.app import older_names
from backstay.app.config import load_settings
from backstay.app.errors import ConfigError
from backstay.app.strategies import BUILT_IN
from backstay.core.types import SECOND, Mode, Product

HOUR = 3600 * SECOND
SWING = "managers:\n  - {strategy: swing, product: spot, symbols: [BTCUSDC], profit: 1%, age_alert: 5h}\n"
GUARD = "managers:\n  - {strategy: position_manager, symbols: [BTCUSDT]}\n"
WORKS = {
    "EXECUTION_MODE": ("PAPER", lambda s: s.mode, Mode.PAPER),
    "LOG_LEVEL": ("DEBUG", lambda s: s.logs.level, "DEBUG"),
    "LOG_PATH": ("data/logs/trading.log", lambda s: s.logs.file, Path("data/logs/trading.log")),
    "ERROR_LOG_PATH": ("data/logs/error.log", lambda s: s.logs.error_file, Path("data/logs/error.log")),
    "LOG_ROTATION_SIZE_MB": ("50", lambda s: s.logs.rotate_mb, 50),
    "LOG_BACKUP_COUNT": ("3", lambda s: s.logs.keep, 3),
    "BINANCE_API_URL": ("https://x.test/api", lambda s: s.spot_environment.spot.rest, "https://x.test"),
    "BINANCE_STREAM_URL": (
        "wss://x.test:9443/ws",
        lambda s: s.spot_environment.spot.stream,
        "wss://x.test:9443",
    ),
    "WEBSOCKET_RECONNECT_TIMEOUT": ("600", lambda s: s.spot.timings().give_up, 600.0),
    "WEBSOCKET_INITIAL_RETRY_DELAY": ("2", lambda s: s.spot.timings().first_delay, 2.0),
    "WEBSOCKET_RECONNECT_DELAY": ("60", lambda s: s.spot.timings().longest_delay, 60.0),
    "WEBSOCKET_MAX_RETRIES": ("3", lambda s: s.spot.timings().first_attempts, 3),
    "MAX_RECONNECTION_ATTEMPTS": ("7", lambda s: s.spot.timings().attempts, 7),
    "WEBSOCKET_PING_INTERVAL": ("30", lambda s: s.spot.timings().probe, 30.0),
    "WEBSOCKET_PING_TIMEOUT": ("10", lambda s: s.spot.timings().probe_answer, 10.0),
    "REST_API_REFRESH_RATE": ("2", lambda s: s.spot.timings().poll, 2.0),
    "MAX_ORDER_PROCESSING_TIME": ("0.5", lambda s: s.pace.order_processing, 0.5),
    "MAX_PRICE_UPDATE_LATENCY": ("100ms", lambda s: s.pace.price_latency, 0.1),
    "MAX_STATE_RECOVERY_TIME": ("1.0", lambda s: s.pace.state_recovery, 1.0),
    "CONCURRENT_UPDATES_THRESHOLD": ("100", lambda s: s.pace.updates_per_second, 100),
    "DB_PATH": ("data/trading.db", lambda s: s.store.url, "data/trading.db"),
    "TRADING_SYMBOL": ("TRUMPUSDC", lambda s: s.symbols_of(Product.SPOT), ("TRUMPUSDC",)),
    "MIN_PROFIT_PERCENTAGE": ("0.3", lambda s: s.policies[0].policy.profit, Decimal("0.003")),
    "MAX_SELL_VALUE_USDC": ("100", lambda s: s.policies[0].policy.max_sell_value, Decimal(100)),
    "POSITION_AGE_ALERT_HOURS": ("12", lambda s: s.policies[0].policy.age_alert, 12 * HOUR),
}
WRONG = {
    "EXECUTION_MODE": "LVE",
    "LOG_LEVEL": "LOUD",
    "LOG_ROTATION_SIZE_MB": "0",
    "LOG_BACKUP_COUNT": "many",
    "BINANCE_API_URL": "ftp://x.test",
    "BINANCE_STREAM_URL": "https://x.test",
    "WEBSOCKET_RECONNECT_TIMEOUT": "soon",
    "WEBSOCKET_INITIAL_RETRY_DELAY": "0",
    "WEBSOCKET_RECONNECT_DELAY": "-1",
    "WEBSOCKET_MAX_RETRIES": "0",
    "MAX_RECONNECTION_ATTEMPTS": "-1",
    "WEBSOCKET_PING_INTERVAL": "0",
    "WEBSOCKET_PING_TIMEOUT": "ten",
    "REST_API_REFRESH_RATE": "-5",
    "MAX_ORDER_PROCESSING_TIME": "fast",
    "MAX_PRICE_UPDATE_LATENCY": "0",
    "MAX_STATE_RECOVERY_TIME": "-1",
    "CONCURRENT_UPDATES_THRESHOLD": "0",
    "DB_PATH": "mysql://x/y",
    "TRADING_SYMBOL": "trump/usdc",
    "MIN_PROFIT_PERCENTAGE": "-0.3",
    "MAX_SELL_VALUE_USDC": "0",
    "POSITION_AGE_ALERT_HOURS": "old",
}


def load(folder, text, environ):
    (folder / "config.yaml").write_text(text)
    return load_settings(folder / "config.yaml", environ=environ)


def test_every_older_name_has_its_case():
    assert set(WORKS) == {*older_names.CONCERNS, *older_names.SWING}
    assert set(WORKS) - set(WRONG) == {"LOG_PATH", "ERROR_LOG_PATH"}, "any text may be the path of a log"


@pytest.mark.parametrize("name", sorted(WORKS))
def test_an_older_name_works(tmp_path, name):
    value, read, expected = WORKS[name]
    settings = load(tmp_path, SWING, {name: value})
    assert read(settings) == expected
    assert not [text for text in settings.warnings if text.startswith(name)]


@pytest.mark.parametrize("name", sorted(WRONG))
def test_a_value_that_cannot_be_is_told_by_the_older_name(tmp_path, name):
    with pytest.raises(ConfigError, match=name) as refused:
        load(tmp_path, SWING, {name: WRONG[name]})
    assert refused.value.exit_code == 2


def test_an_old_env_file_alone_is_a_swing_manager(tmp_path):
    (tmp_path / ".env").write_text(
        "TRADING_SYMBOL=TRUMPUSDC\nMIN_PROFIT_PERCENTAGE=0.3\nMAX_SELL_VALUE_USDC=100\n"
        "POSITION_AGE_ALERT_HOURS=10\nEXECUTION_MODE=TESTNET\n"
    )
    (manager,) = load(tmp_path, "", {}).policies
    assert (manager.strategy, manager.product) == ("swing", Product.SPOT)
    expected = BUILT_IN["swing"].policy(
        symbols=("TRUMPUSDC",), profit=Decimal("0.003"), max_sell_value=Decimal(100), age_alert=10 * HOUR
    )
    assert manager.policy == expected


def test_the_variables_go_over_the_one_swing_manager_of_the_file_and_leave_the_others(tmp_path):
    text = SWING + GUARD.partition("\n")[2]
    settings = load(tmp_path, text, {"TRADING_SYMBOL": "ETHUSDC,SOLUSDC", "MIN_PROFIT_PERCENTAGE": "0.5%"})
    swing, guard = settings.policies
    assert swing.policy.symbols == ("ETHUSDC", "SOLUSDC")
    assert (swing.policy.profit, swing.policy.age_alert) == (Decimal("0.005"), 5 * HOUR)
    assert guard.policy.symbols == ("BTCUSDT",)


def test_a_symbol_for_two_swing_managers_is_refused(tmp_path):
    text = SWING + "  - {strategy: swing, product: spot, symbols: [ETHUSDC]}\n"
    with pytest.raises(ConfigError, match="TRADING_SYMBOL: 2 managers"):
        load(tmp_path, text, {"TRADING_SYMBOL": "TRUMPUSDC"})
    both = load(tmp_path, text, {"MIN_PROFIT_PERCENTAGE": "2"}).policies
    assert [m.policy.profit for m in both] == [Decimal("0.02")] * 2


@pytest.mark.parametrize("text", [GUARD, "managers: []\n"])
@pytest.mark.parametrize("name", sorted(older_names.SWING))
def test_nothing_is_added_to_managers_that_are_written_without_swing(tmp_path, text, name):
    plain, settings = load(tmp_path, text, {}), load(tmp_path, text, {name: WORKS[name][0]})
    assert settings.policies == plain.policies
    assert [w for w in settings.warnings if w.startswith(f"{name} is set and has no effect")]


def test_values_without_a_symbol_and_without_managers_are_told(tmp_path):
    settings = load(tmp_path, "", {"MIN_PROFIT_PERCENTAGE": "0.3"})
    assert any("TRADING_SYMBOL names no symbol" in w for w in settings.warnings)


def test_a_profit_that_looks_like_a_fraction_is_told(tmp_path):
    settings = load(tmp_path, SWING, {"MIN_PROFIT_PERCENTAGE": "0.003"})
    assert settings.policies[0].policy.profit == Decimal("0.00003")
    (told,) = [w for w in settings.warnings if w.startswith("MIN_PROFIT_PERCENTAGE")]
    assert told == "MIN_PROFIT_PERCENTAGE counts percent: 0.003 is 0.003 %, not 0.300 %"
