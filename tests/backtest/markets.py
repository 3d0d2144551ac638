"""Made-up bars: a market of trends and ranges drawn from a seed, or bars written out by hand."""

from collections.abc import Sequence
from decimal import Decimal

import numpy as np

from backstay.backtest.bars import Bars
from backstay.core.types import SECOND
from backstay.signals.bars import Series
from backstay.simulator.feeds.grid import Grid

MINUTE = 60 * SECOND
T0 = 1_767_225_600 * SECOND
"""2026-01-01, a whole day."""
GRID = Grid(Decimal("0.10"), Decimal("0.001"))


def made(rows: Sequence[tuple[int, int, int, int]], symbol: str = "BTCUSDT", start: int = T0) -> Bars:
    """Bars of a minute from (open, high, low, close) in ticks of 0.1, each of ten coins."""
    columns = [np.array(c, dtype=np.int64) for c in zip(*rows, strict=True)]
    times = start + MINUTE * np.arange(len(rows), dtype=np.int64)
    prices = [c / 10.0 for c in columns]
    series = Series(times, *prices, np.full(len(rows), 10.0))
    return Bars(symbol, GRID, MINUTE, times, *columns, series)


def moody(count: int, seed: int, symbol: str = "BTCUSDT", price: int = 600_000) -> Bars:
    """Trends, ranges and bursts of range, so that there is something to score."""
    dice = np.random.default_rng(seed)
    rows, drift, wild = [], 0.0, 1.0
    for i in range(count):
        if i % 180 == 0:
            drift = float(dice.choice([-90.0, -40.0, 0.0, 40.0, 90.0]))
            wild = float(dice.uniform(0.5, 2.0))
        after = max(1000, price + round(drift + dice.normal(0, 150 * wild)))
        high = max(price, after) + round(abs(dice.normal(0, 90 * wild)))
        low = min(price, after) - round(abs(dice.normal(0, 90 * wild)))
        rows.append((price, high, low, after))
        price = after
    return made(rows, symbol)
