"""Figures of a run, and its equity bar by bar. Money is exact; the curve is floats, for eyes and ratios."""

from decimal import Decimal

import msgspec
import numpy as np

from backstay.backtest.bars import Bars
from backstay.backtest.trades import Books, Trade
from backstay.core.types import ZERO, TimeNs
from backstay.signals.bars import Floats, Ints


class Curve(msgspec.Struct, frozen=True):
    """Columns with one row for each bar's close."""

    at: Ints
    equity: Floats
    """Wallet and open profit."""
    drawdown: Floats
    """Below the highest equity so far, as a fraction of it."""
    exposed: Floats
    """Share of the equity that the open positions are worth."""


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """What `backstay backtest` prints. Money in quote currency."""

    bars: int
    bars_stepped: int
    """Bars in which something could happen; the others were proved idle and left out."""
    bars_per_s: int
    wall_s: float
    trades: int
    wins: int
    net_pnl: Decimal
    realized: Decimal
    fees: Decimal
    funding: Decimal
    max_drawdown: float
    exposure: float
    """Share of the bars with an open position."""
    start_balance: Decimal
    end_balance: Decimal
    open_positions: int
    records: int
    decisions: int
    decisions_digest: str
    attribution: dict[str, Decimal]
    """Net result of the closed trades by factor, in proportion to its part in the score of the entry."""


def curve(all_bars: list[Bars], books: Books, start: Decimal) -> Curve:
    """Equity at every close that any of the symbols has."""
    at = np.unique(np.concatenate([b.open_time + b.interval for b in all_bars]))
    wallet = _steps([(t, float(v)) for t, v in books.wallet], at, float(start))
    value, worth = np.zeros(len(at)), np.zeros(len(at))
    for bars in all_bars:
        index = np.clip(
            np.searchsorted(bars.open_time + bars.interval, at, side="right") - 1, 0, len(bars) - 1
        )
        close = bars.series.close[index]
        for rows in (held for (symbol, _), held in books.sizes.items() if symbol == bars.symbol):
            size = _steps([(t, float(q)) for t, q, _ in rows], at, 0.0)
            entry = _steps([(t, float(p)) for t, _, p in rows], at, 0.0)
            value += size * (close - entry)
            worth += np.abs(size) * close
    equity = wallet + value
    highest = np.maximum.accumulate(np.maximum(equity, float(start)))
    return Curve(at, equity, 1 - equity / highest, worth / np.maximum(equity, 1e-9))


def attribution(trades: list[Trade]) -> dict[str, Decimal]:
    """How much of the result each factor stands for, also of one that spoke against the entry."""
    found: dict[str, Decimal] = {}
    for trade in trades:
        total = sum((abs(v) for v in trade.factors.values()), ZERO)
        sign = 1 if sum(trade.factors.values(), ZERO) > 0 else -1
        for name, value in trade.factors.items() if total else ():
            found[name] = found.get(name, ZERO) + trade.net * sign * value / total
    return {name: found[name].quantize(Decimal("0.0001")) for name in sorted(found)}


def _steps(rows: list[tuple[TimeNs, float]], at: Ints, first: float) -> Floats:
    """The latest value at each moment; the last one of several at the same time counts."""
    times = np.array([t for t, _ in rows], dtype=np.int64)
    values = np.array([first, *(v for _, v in rows)], dtype=np.float64)
    return values[np.searchsorted(times, at, side="right")]
