"""An empty folder to work in, and the keys of a simulated venue."""

import pytest

from backstay.app.exchange import API_KEY, API_SECRET


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("EXECUTION_MODE", "BINANCE_API_KEY", "BINANCE_API_SECRET"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def keys(monkeypatch):
    monkeypatch.setenv("BINANCE_DEMO_API_KEY", API_KEY)
    monkeypatch.setenv("BINANCE_DEMO_API_SECRET", API_SECRET)
