"""The section `spot`: its older names, its defaults, its errors."""

import pytest

from backstay.app import older_names
from backstay.app.config import load_settings
from backstay.app.errors import ConfigError
from backstay.app.spot_settings import SpotSettings
from backstay.binance.net.timings import SPOT


def load(folder, text="", environ=None):
    (folder / "config.yaml").write_text(f"managers: []\n{text}")
    return load_settings(folder / "config.yaml", environ=environ or {})


def test_the_defaults_are_those_of_the_gateway():
    assert SpotSettings().timings() == SPOT
    assert (SPOT.first_delay, SPOT.poll, SPOT.give_up) == (1.0, 5.0, 900.0)


@pytest.mark.parametrize(
    ("name", "value", "field", "expected"),
    [
        ("WEBSOCKET_RECONNECT_TIMEOUT", "600", "give_up", 600.0),
        ("WEBSOCKET_RECONNECT_TIMEOUT", "10m", "give_up", 600.0),
        ("WEBSOCKET_RECONNECT_TIMEOUT", "0", "give_up", 0.0),
        ("WEBSOCKET_INITIAL_RETRY_DELAY", "0.5", "first_delay", 0.5),
        ("WEBSOCKET_RECONNECT_DELAY", "60", "longest_delay", 60.0),
        ("WEBSOCKET_MAX_RETRIES", "3", "first_attempts", 3),
        ("MAX_RECONNECTION_ATTEMPTS", "10", "attempts", 10),
        ("WEBSOCKET_PING_INTERVAL", "30", "probe", 30.0),
        ("WEBSOCKET_PING_TIMEOUT", "10", "probe_answer", 10.0),
        ("REST_API_REFRESH_RATE", "2", "poll", 2.0),
    ],
)
def test_an_older_name_sets_what_it_always_meant(tmp_path, name, value, field, expected):
    settings = load(tmp_path, environ={name: value})
    assert getattr(settings.spot.timings(), field) == expected
    assert not [text for text in settings.warnings if name in text]
    assert older_names.CONCERNS[name][0] == "spot"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WEBSOCKET_RECONNECT_TIMEOUT", "soon"),
        ("WEBSOCKET_INITIAL_RETRY_DELAY", "0"),
        ("WEBSOCKET_MAX_RETRIES", "0"),
        ("MAX_RECONNECTION_ATTEMPTS", "-1"),
        ("REST_API_REFRESH_RATE", "-5"),
    ],
)
def test_a_value_that_cannot_be_is_named_as_the_variable(tmp_path, name, value):
    with pytest.raises(ConfigError, match=f"^{name}: spot."):
        load(tmp_path, environ={name: value})


def test_a_longest_pause_below_the_first_one_is_the_first_one(tmp_path):
    timings = load(tmp_path, "spot: {first_retry: 5s, longest_retry: 2s}").spot.timings()
    assert (timings.first_delay, timings.longest_delay) == (5.0, 5.0)


def test_spots_hosts_by_their_older_names_and_without_the_paths_that_these_carried(tmp_path):
    settings = load(
        tmp_path,
        environ={
            "BINANCE_API_URL": "https://testnet.binance.vision/api",
            "BINANCE_STREAM_URL": "wss://stream.testnet.binance.vision/ws",
        },
    )
    spot = settings.spot_environment.spot
    assert (spot.rest, spot.stream) == (
        "https://testnet.binance.vision",
        "wss://stream.testnet.binance.vision",
    )
    assert any("endpoints.spot.ws_api is not" in text for text in settings.warnings)


def test_other_hosts_of_spot_are_another_environment_of_spot_alone(tmp_path):
    text = "run: {mode: DEMO}\nendpoints: {spot: {rest: 'http://127.0.0.1:9', ws_api: 'ws://127.0.0.1:9'}}"
    settings = load(tmp_path, text)
    assert settings.spot_environment.name == "demo@127.0.0.1:9"
    assert settings.environment.name == "demo"
    assert settings.environment.spot == settings.spot_environment.spot


def test_a_wrong_host_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"endpoints\.spot\.ws_api: 'http"):
        load(tmp_path, "endpoints: {spot: {ws_api: 'http://x'}}")
