"""The build and its proof: no real account is traded by rules that the conformance suite has not seen."""

import shutil

import pytest

from backstay.app import build as module
from backstay.app.build import PACKAGE, STAMP, build, is_proven, sources
from backstay.app.config import load_settings
from backstay.app.errors import RefusedError
from backstay.app.session import may_run

KEYS = {
    f"BINANCE_{kind}_API_{part}": "x" * 64
    for kind in ("DEMO", "TESTNET", "LIVE")
    for part in ("KEY", "SECRET")
}
SWITCHES = "enable_trading: true, live_confirm: YES_I_UNDERSTAND"
HERE = "endpoints: {usdm: {rest: 'http://127.0.0.1:9080'}}"
MANAGERS = "managers: [{strategy: position_manager, symbols: [BTCUSDT]}]"


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """The package's sources in another place, where they may be changed."""
    for path in (*sources(), STAMP):
        copy = tmp_path / path.relative_to(PACKAGE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    monkeypatch.setattr(module, "PACKAGE", tmp_path)
    monkeypatch.setattr(module, "STAMP", tmp_path / STAMP.name)
    build.cache_clear()
    yield tmp_path
    build.cache_clear()


def changed(path, old, new):
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new))
    build.cache_clear()


def settings(folder, mode, *more):
    text = "\n".join((f"run: {{mode: {mode}, {SWITCHES}}}", MANAGERS, *more))
    (folder / "config.yaml").write_text(text)
    return load_settings(folder / "config.yaml", environ=KEYS)


def test_6_4_the_conformance_suite_has_passed_for_this_build():
    assert is_proven(), "tools/write_conformance.py runs the suite and writes it down"


def test_6_4_another_rule_is_another_build(copied):
    assert is_proven()
    changed(copied / "core" / "orders.py", b"\n", b"\r\n")
    assert is_proven(), "line ends are no rules"
    changed(copied / "core" / "planner.py", b"return", b"return ")
    assert not is_proven()


@pytest.mark.parametrize("stamp", [None, "", "what?\n", "\xff"])
def test_6_4_a_stamp_that_says_nothing_proves_nothing(copied, stamp):
    if stamp is None:
        module.STAMP.unlink()
    else:
        module.STAMP.write_text(stamp, encoding="latin-1")
    assert not is_proven()


@pytest.mark.parametrize("mode", ["DEMO", "TESTNET", "LIVE"])
def test_6_4_no_real_account_is_traded_by_an_unproven_build(copied, tmp_path, mode):
    assert settings(tmp_path, mode).armed
    changed(copied / "strategies" / "interface.py", b"\n", b"\n\n")
    with pytest.raises(RefusedError, match="conformance suite has not passed"):
        may_run(settings(tmp_path, mode))
    assert settings(tmp_path, mode, HERE).armed is (mode != "LIVE"), "on a simulated exchange it may be tried"


@pytest.mark.parametrize("mode", ["PAPER", "DRY_RUN_PRIVATE"])
def test_6_4_what_sends_nothing_real_needs_no_proof_and_looks_for_none(copied, tmp_path, mode):
    module.STAMP.write_text("0" * 64)
    assert settings(tmp_path, mode).locks == ()
    assert build.cache_info().misses == 0, "a start does not read all sources for it"
