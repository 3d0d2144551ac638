"""What the factors look at, from TA-Lib: over a whole series at once, or bar by bar.

Both forms give the same figures bit for bit, from the same first bar on (a test compares them over recorded
months). The stream form holds TA-Lib's own stream handles: a bar costs the same however long the history is.
A recursive indicator forgets its first bar only slowly; `warm_up` says when that no longer matters.

TA-Lib's global settings (unstable periods, compatibility) are never changed here.
"""

from collections import deque
from collections.abc import Callable, Mapping
from math import ceil, log, nan
from typing import Any

import numpy as np
import talib
from talib import stream

from backstay.core.types import TimeNs
from backstay.signals.bars import Bar, Floats, Ints, Series
from backstay.signals.policy import Periods
from backstay.signals.resample import Resampler, resample

BAR_FEATURES = (
    "open",
    "high",
    "low",
    "close",
    "volume",
    "ema_fast",
    "ema_slow",
    "ema_slow_before",
    "atr",
    "atr_slow",
    "rsi",
    "macd_histogram",
    "channel_high",
    "channel_low",
    "move",
    "path",
    "volume_mean",
)
HIGHER_FEATURES = ("higher_ema_fast", "higher_ema_slow", "higher_atr")
FEATURES = BAR_FEATURES + HIGHER_FEATURES
"""Names of everything that bars tell; NaN where the history does not suffice."""

type Features = Mapping[str, Floats]
"""One column per feature, one row per bar; a single bar is a column of one row."""

FORGOTTEN = 1e-12
"""Weight of the first bar, relative, at which a recursive indicator counts as warm."""


# --- a whole series -----------------------------------------------------------------------------


def features(bars: Series, interval: TimeNs, higher: TimeNs, periods: Periods) -> dict[str, Floats]:
    """All features of every bar, each as known at that bar's close. `bars` have no gap."""
    whole, known = resample(bars, interval, higher)
    found = _base(bars, periods)
    for name, column in _higher(whole, periods).items():
        found[name] = _at(column, known)
    return found


def _base(bars: Series, p: Periods) -> dict[str, Floats]:
    close, high, low = bars.close, bars.high, bars.low
    ema_slow = _over(talib.EMA, p.ema_slow, close, timeperiod=p.ema_slow)
    macd = _nothing(close)
    if len(close):
        macd = talib.MACD(close, fastperiod=p.macd_fast, slowperiod=p.macd_slow, signalperiod=p.macd_signal)[
            2
        ]
    steps = np.abs(close[1:] - close[:-1])
    path = _nothing(close)
    path[1:] = _over(talib.SUM, p.efficiency, steps, timeperiod=p.efficiency)
    return {
        "open": bars.open,
        "high": high,
        "low": low,
        "close": close,
        "volume": bars.volume,
        "ema_fast": _over(talib.EMA, p.ema_fast, close, timeperiod=p.ema_fast),
        "ema_slow": ema_slow,
        "ema_slow_before": _shifted(ema_slow, p.slope),
        "atr": _over(talib.ATR, p.atr + 1, high, low, close, timeperiod=p.atr),
        "atr_slow": _over(talib.ATR, p.atr_slow + 1, high, low, close, timeperiod=p.atr_slow),
        "rsi": _over(talib.RSI, p.rsi + 1, close, timeperiod=p.rsi),
        "macd_histogram": macd,
        "channel_high": _shifted(_over(talib.MAX, p.channel, high, timeperiod=p.channel), 1),
        "channel_low": _shifted(_over(talib.MIN, p.channel, low, timeperiod=p.channel), 1),
        "move": close - _shifted(close, p.efficiency),
        "path": path,
        "volume_mean": _over(talib.SMA, p.volume, bars.volume, timeperiod=p.volume),
    }


def _higher(bars: Series, p: Periods) -> dict[str, Floats]:
    return {
        "higher_ema_fast": _over(talib.EMA, p.higher_ema_fast, bars.close, timeperiod=p.higher_ema_fast),
        "higher_ema_slow": _over(talib.EMA, p.higher_ema_slow, bars.close, timeperiod=p.higher_ema_slow),
        "higher_atr": _over(talib.ATR, p.atr + 1, bars.high, bars.low, bars.close, timeperiod=p.atr),
    }


def _over(function: Callable[..., Floats], least: int, *columns: Floats, **settings: int) -> Floats:
    """A TA-Lib function over columns, NaN where they are too short for a single value."""
    if len(columns[0]) < least:
        return _nothing(columns[0])
    return function(*(np.ascontiguousarray(c) for c in columns), **settings)


def _nothing(like: Floats) -> Floats:
    return np.full(len(like), nan)


def _shifted(column: Floats, by: int) -> Floats:
    """The value of `by` bars ago."""
    out = _nothing(column)
    out[by:] = column[: max(len(column) - by, 0)]
    return out


def _at(column: Floats, index: Ints) -> Floats:
    if not len(column):
        return np.full(len(index), nan)
    return np.where(index >= 0, column[np.maximum(index, 0)], nan)


# --- bar by bar ---------------------------------------------------------------------------------


class _Line:
    """One TA-Lib stream; collects history until the handle can be opened."""

    def __init__(self, opener: Callable[..., Any], least: int, **settings: int) -> None:
        self._opener = opener
        self._least = least
        self._settings = settings
        self._history: list[tuple[float, ...]] = []
        self._handle: Any = None

    def push(self, *values: float) -> Any:
        """The indicator's value at this bar, None while the history does not suffice."""
        if self._handle is not None:
            return self._handle.update(*values)
        self._history.append(values)
        if len(self._history) < self._least:
            return None
        columns = (np.array(c, dtype=np.float64) for c in zip(*self._history, strict=True))
        self._handle = self._opener(*columns, **self._settings)
        self._history.clear()
        return self._handle.value

    def number(self, *values: float) -> float:
        found = self.push(*values)
        return nan if found is None else float(found)


class _Before:
    """The value of a fixed number of bars ago."""

    def __init__(self, by: int) -> None:
        self._held: deque[float] = deque([nan] * by, maxlen=by)

    def push(self, value: float) -> float:
        before = self._held[0]
        self._held.append(value)
        return before


class FeatureStream:
    """The features of one symbol, bar by bar. Bars have been judged and follow each other without a gap.

    After a gap that cannot be repaired, or a restart, a new one is fed with `warm_up` bars.
    """

    def __init__(self, interval: TimeNs, higher: TimeNs, periods: Periods) -> None:
        p = periods
        self._resampler = Resampler(interval, higher)
        self._ema_fast = _Line(stream.EMA, p.ema_fast, timeperiod=p.ema_fast)
        self._ema_slow = _Line(stream.EMA, p.ema_slow, timeperiod=p.ema_slow)
        self._ema_slow_before = _Before(p.slope)
        self._atr = _Line(stream.ATR, p.atr + 1, timeperiod=p.atr)
        self._atr_slow = _Line(stream.ATR, p.atr_slow + 1, timeperiod=p.atr_slow)
        self._rsi = _Line(stream.RSI, p.rsi + 1, timeperiod=p.rsi)
        self._macd = _Line(
            stream.MACD,
            p.macd_slow + p.macd_signal - 1,
            fastperiod=p.macd_fast,
            slowperiod=p.macd_slow,
            signalperiod=p.macd_signal,
        )
        self._max = _Line(stream.MAX, p.channel, timeperiod=p.channel)
        self._min = _Line(stream.MIN, p.channel, timeperiod=p.channel)
        self._max_before, self._min_before = _Before(1), _Before(1)
        self._close_before, self._last_close = _Before(p.efficiency), nan
        self._path = _Line(stream.SUM, p.efficiency, timeperiod=p.efficiency)
        self._volume = _Line(stream.SMA, p.volume, timeperiod=p.volume)
        self._higher_lines = (
            _Line(stream.EMA, p.higher_ema_fast, timeperiod=p.higher_ema_fast),
            _Line(stream.EMA, p.higher_ema_slow, timeperiod=p.higher_ema_slow),
            _Line(stream.ATR, p.atr + 1, timeperiod=p.atr),
        )
        self._higher = (nan, nan, nan)

    def push(self, bar: Bar) -> dict[str, float]:
        """All features as known at the close of `bar`."""
        close, high, low = bar.close, bar.high, bar.low
        whole = self._resampler.push(bar)
        if whole is not None:
            fast, slow, atr = self._higher_lines
            self._higher = (
                fast.number(whole.close),
                slow.number(whole.close),
                atr.number(whole.high, whole.low, whole.close),
            )
        ema_slow = self._ema_slow.number(close)
        macd = self._macd.push(close)
        path = (
            nan if self._last_close != self._last_close else self._path.number(abs(close - self._last_close))
        )
        self._last_close = close
        return {
            "open": bar.open,
            "high": high,
            "low": low,
            "close": close,
            "volume": bar.volume,
            "ema_fast": self._ema_fast.number(close),
            "ema_slow": ema_slow,
            "ema_slow_before": self._ema_slow_before.push(ema_slow),
            "atr": self._atr.number(high, low, close),
            "atr_slow": self._atr_slow.number(high, low, close),
            "rsi": self._rsi.number(close),
            "macd_histogram": nan if macd is None else float(macd[2]),
            "channel_high": self._max_before.push(self._max.number(high)),
            "channel_low": self._min_before.push(self._min.number(low)),
            "move": close - self._close_before.push(close),
            "path": path,
            "volume_mean": self._volume.number(bar.volume),
            "higher_ema_fast": self._higher[0],
            "higher_ema_slow": self._higher[1],
            "higher_atr": self._higher[2],
        }


# --- how much history ---------------------------------------------------------------------------


def warm_up(interval: TimeNs, higher: TimeNs, periods: Periods) -> int:
    """How many bars of `interval` it takes until the first of them no longer matters.

    An exponential average of n bars keeps (1 - 2/(n+1))^k of what is k bars old, one after Wilder (RSI, ATR)
    (1 - 1/n)^k; the history is long enough when that is below `FORGOTTEN`. The MACD's signal line smooths
    what is smoothed already, so both lengths are added.
    """
    p = periods

    def forgets(alpha: float) -> int:
        return ceil(log(FORGOTTEN) / log(1 - alpha)) if alpha < 1 else 1

    def ema(n: int) -> int:
        return n + forgets(2 / (n + 1))

    def wilder(n: int) -> int:
        return n + 1 + forgets(1 / n)

    above = max(ema(p.higher_ema_slow), wilder(p.atr)) + 1
    base = max(
        ema(p.ema_slow) + p.slope,
        wilder(p.atr_slow),
        wilder(p.rsi),
        ema(p.macd_slow) + ema(p.macd_signal),
        p.channel + 1,
        p.efficiency + 1,
        p.volume,
    )
    return max(base, above * (higher // interval))
