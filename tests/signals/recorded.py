"""Recorded bars for the tests of signals: a slice of the month in the shared data, or bars made by a walk."""

from functools import cache

import numpy as np
import polars as pl
import pytest

from backstay.signals.bars import Bar, Series
from backstay.signals.policy import MINUTE
from backstay.signals.resample import resample

from tests.tidy.source import ROOT

KLINES = ROOT.parent / "shared" / "data" / "klines_1m"


@cache
def minutes(symbol: str = "BTCUSDT", name: str = "") -> Series:
    path = KLINES / (name or f"usdm_{symbol}_1m_20250504_20250602.parquet")
    if not path.exists():
        pytest.skip(f"recorded data is absent: {path.name}")
    table = pl.read_parquet(path)
    columns = (table[name].to_numpy() for name in ("open", "high", "low", "close", "volume"))
    return Series(table["open_time"].to_numpy() * 1_000_000, *columns)


@cache
def five_minutes(symbol: str = "BTCUSDT") -> Series:
    return resample(minutes(symbol), MINUTE, 5 * MINUTE)[0]


def walk(count: int, seed: int = 0, interval: int = MINUTE, start: int = 0) -> list[Bar]:
    """A made-up market, on the grid of the interval."""
    dice = np.random.default_rng(seed)
    bars, price = [], 100.0
    for i in range(count):
        after = round(max(price * (1 + dice.normal(0, 0.002)), 1.0), 2)
        high = round(max(price, after) + abs(dice.normal(0, 0.05)), 2)
        low = round(min(price, after) - abs(dice.normal(0, 0.05)), 2)
        bars.append(
            Bar(start + i * interval, price, high, low, after, round(float(dice.gamma(2, 5)) + 0.1, 3))
        )
        price = after
    return bars
