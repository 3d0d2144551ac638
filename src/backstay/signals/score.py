"""The composite score: `sum(weight * score * confidence)` over the factors, vetoes, and what follows.

One formula serves a whole series and a single bar, so a backtest over columns and a live bar agree to the
last bit, and so does a score that is computed again from its logged inputs.
"""

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from math import isnan, nan

import msgspec
import numpy as np

from backstay.core.scored import FactorScore, Signal, SignalKind, SignalScored, Target
from backstay.core.types import Product, TimeNs
from backstay.signals.bars import Bar, BarRefused, Floats, Ints, Series, exact, judge
from backstay.signals.factors.base import (
    COLUMN,
    SINGLE,
    Columns,
    Factor,
    Figures,
    Flag,
    Inputs,
    Marks,
    Ops,
    Row,
    Value,
    unknown,
)
from backstay.signals.factors.every import FACTORS
from backstay.signals.factors.liquidity import too_wide
from backstay.signals.factors.volatility import chops, in_bounds
from backstay.signals.indicators import FEATURES, FeatureStream, features, warm_up
from backstay.signals.news import QUIET, Outlook
from backstay.signals.policy import BracketRule, ScorePolicy

VETOES = ("warming_up", "news_window", "spread", "volatility", "chop")
"""What forbids a trade whatever the score, in the order of `Scores.vetoes`."""
OUTER = ("funding_rate", "spread", "news_pressure", "news_belief", "news_damping", "news_blocked")
"""Inputs that do not come from bars."""
FINE = Decimal("0.000001")
_FROM_BARS = frozenset(FEATURES)


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What is known besides bars when a bar closes; NaN: not known."""

    funding_rate: float = nan
    """Of the latest period, as a fraction."""
    spread: float = nan
    """Best ask over best bid, as a share of the middle price."""
    news: Outlook = QUIET


ALONE = Surroundings()


class Scores(msgspec.Struct, frozen=True):
    """Composite scores: columns with one row per bar, or the figures of one bar."""

    score: Value
    marks: tuple[Marks, ...]
    """Per factor, confidences after damping."""
    contributions: tuple[Value, ...]
    vetoes: tuple[Flag, ...]
    """In the order of `VETOES`."""

    def row(self, i: int) -> "Scores":
        """One bar of columns."""
        return Scores(
            float(self.score[i]),
            tuple(Marks(float(m.score[i]), float(m.confidence[i])) for m in self.marks),
            tuple(float(p[i]) for p in self.contributions),
            tuple(bool(v[i]) for v in self.vetoes),
        )


class _Prepared(msgspec.Struct, frozen=True):
    """What a policy means for one symbol, as floats."""

    figures: Figures
    gate: float
    weights: tuple[float, ...]
    needed: int
    """Bars until the indicators are warm."""


@lru_cache(maxsize=4096)
def _prepared(policy: ScorePolicy, symbol: str) -> _Prepared:
    gate, weights = policy.of(symbol)
    scales = {name: float(getattr(policy.scales, name)) for name in Figures.__struct_fields__}
    return _Prepared(
        Figures(**scales),
        float(gate),
        tuple(float(weight) for _, weight in weights.items()),
        warm_up(policy.interval, policy.higher, policy.periods),
    )


def compose(x: Inputs, policy: ScorePolicy, symbol: str, ops: Ops = COLUMN) -> Scores:
    """Scores of `x`, which holds `FEATURES`, `OUTER`, `slope_bars` and `bars_seen`: columns, or one bar's."""
    prepared = _prepared(policy, symbol)
    figures = prepared.figures
    total: Value = 0.0
    marks: list[Marks] = []
    parts: list[Value] = []
    for factor, weight in zip(FACTORS, prepared.weights, strict=True):
        score, confidence = factor.evaluate(x, figures, ops)
        confidence = confidence * x["news_damping"]
        part = weight * score * confidence + 0.0
        total = total + part
        marks.append(Marks(score, confidence))
        parts.append(part)
    cold = x["bars_seen"] < prepared.needed
    for name in FEATURES:
        cold = cold | unknown(x[name])
    vetoes = (
        cold,
        x["news_blocked"] > 0,
        too_wide(x, figures),
        ops.where(in_bounds(x, figures, ops), False, True),
        chops(x, figures),
    )
    return Scores(total, tuple(marks), tuple(parts), vetoes)


def kinds(scores: Scores, policy: ScorePolicy, symbol: str) -> Ints:
    """Of columns: 1 for a LONG signal, -1 for a SHORT one, 0 for none, per row."""
    gate = _prepared(policy, symbol).gate
    forbidden = np.logical_or.reduce(scores.vetoes)
    signs = np.where(scores.score >= gate, 1, np.where(scores.score <= -gate, -1, 0))
    return np.where(forbidden, 0, signs)


# --- a whole series -----------------------------------------------------------------------------


def table(
    bars: Series, policy: ScorePolicy, surroundings: Mapping[str, Floats] | None = None
) -> dict[str, Floats]:
    """The columns that `compose` reads, for a whole series without gaps.

    `surroundings` brings columns of `OUTER`, each as known at its bar's close (`bars.as_known`); what is
    left out is not known, and no news.
    """
    count = len(bars)
    x = features(bars, policy.interval, policy.higher, policy.periods)
    for name, value in zip(OUTER, _outer(ALONE), strict=True):
        x[name] = np.full(count, value)
    for name, column in (surroundings or {}).items():
        if name not in OUTER or len(column) != count:
            raise ValueError(
                f"{name}: surroundings are columns of {count} rows, named one of {', '.join(OUTER)}"
            )
        x[name] = column
    x["slope_bars"] = np.full(count, float(policy.periods.slope))
    x["bars_seen"] = np.arange(1, count + 1, dtype=np.float64)
    return x


def event_at(
    i: int,
    bars: Series,
    x: Columns,
    scores: Scores,
    policy: ScorePolicy,
    symbol: str,
    window: str = "",
) -> SignalScored:
    """The event of row `i`, with its explanation; the same that `Scorer` makes of the same bars."""
    at = int(bars.open_time[i]) + policy.interval
    row = {name: float(column[i]) for name, column in x.items()}
    return _event(row, scores.row(i), policy, symbol, at, window)


# --- bar by bar ---------------------------------------------------------------------------------


class Scorer:
    """Scores one symbol bar by bar. It has no clock: a bar's close is the time of its score.

    After a gap it takes nothing more than the missing bars: a `Scorer` never guesses over a hole.
    """

    def __init__(self, symbol: str, policy: ScorePolicy) -> None:
        self.symbol = symbol
        self.policy = policy
        self._stream = FeatureStream(policy.interval, policy.higher, policy.periods)
        self._last: Bar | None = None
        self.bars = 0

    @property
    def last_close(self) -> TimeNs:
        """When the latest bar taken in closed; 0: none was."""
        return self._last.open_time + self.policy.interval if self._last is not None else 0

    def push(self, bar: Bar, around: Surroundings = ALONE) -> SignalScored | BarRefused:
        """The score at the close of `bar`, or why the bar is not taken in (nothing has changed then)."""
        row = self.warm(bar)
        if isinstance(row, BarRefused):
            return row
        row.update(zip(OUTER, _outer(around), strict=True))
        return score_row(
            row, self.policy, self.symbol, bar.open_time + self.policy.interval, around.news.blocked_by
        )

    def warm(self, bar: Bar) -> dict[str, float] | BarRefused:
        """Take a bar in without scoring it: history."""
        refused = judge(bar, self._last, self.policy.interval)
        if refused is not None:
            return refused
        self._last = bar
        self.bars += 1
        row = self._stream.push(bar)
        row["slope_bars"] = float(self.policy.periods.slope)
        row["bars_seen"] = float(self.bars)
        return row


def score_row(
    row: Mapping[str, float], policy: ScorePolicy, symbol: str, at: TimeNs, window: str = ""
) -> SignalScored:
    """The event of one row of inputs, known at `at`."""
    scores = compose(row, policy, symbol, SINGLE)
    return _event(row, scores, policy, symbol, at, window)


def recomputed(event: SignalScored, policy: ScorePolicy) -> SignalScored:
    """The event again, from its logged inputs alone; equal to `event` when nothing was tampered with."""
    row = dict.fromkeys((*FEATURES, *OUTER), nan)
    for factor in event.factors:
        row.update({n: nan if v is None else float(v) for n, v in factor.inputs.items()})
    row["bars_seen"] = float(event.bars)
    return score_row(row, policy, event.symbol, event.signal.at, event.news)


def _outer(around: Surroundings) -> tuple[float, ...]:
    news = around.news
    return (
        around.funding_rate,
        around.spread,
        news.pressure,
        news.belief,
        news.damping,
        1.0 if news.blocked_by else 0.0,
    )


# --- what follows from a score ------------------------------------------------------------------


def _event(
    row: Mapping[str, float], scores: Scores, policy: ScorePolicy, symbol: str, at: TimeNs, window: str = ""
) -> SignalScored:
    gate, weights = policy.of(symbol)
    prepared = _prepared(policy, symbol)
    vetoes = tuple(name for name, forbids in zip(VETOES, scores.vetoes, strict=True) if forbids)
    kind = SignalKind.NONE
    if not vetoes and abs(scores.score) >= prepared.gate:
        kind = SignalKind.LONG if scores.score > 0 else SignalKind.SHORT
    factors = tuple(
        FactorScore(
            name=factor.name,
            weight=weight,
            score=exact(mark.score),
            confidence=exact(mark.confidence),
            contribution=exact(part),
            sentence=_sentence(factor, row, prepared.figures),
            inputs={name: None if isnan(row[name]) else exact(row[name]) for name in factor.inputs},
        )
        for factor, (_, weight), mark, part in zip(
            FACTORS, weights.items(), scores.marks, scores.contributions, strict=True
        )
    )
    score, price = exact(scores.score), exact(row["close"])
    stop, targets = bracket(price, row["atr"], policy.bracket)
    return SignalScored(
        symbol=symbol,
        signal=Signal(
            kind=kind,
            score=score,
            at=at,
            valid_until=at + policy.valid_for,
            price=price,
            stop_distance=stop,
            targets=targets,
            reason=_reason(kind, score, gate, vetoes, factors, window),
        ),
        gate=gate,
        factors=factors,
        vetoes=vetoes,
        bars=int(row["bars_seen"]),
        news=window,
        product=Product.USDM,
    )


def bracket(price: Decimal, atr: float, rule: BracketRule) -> tuple[Decimal, tuple[Target, ...]]:
    """Distances of the stop and of the targets from the entry, as exact fractions of it.

    A stop beyond its limits is brought to them, and the targets keep their proportion to it. Without a known
    range the stop is the widest one.
    """
    stop = rule.stop_max if isnan(atr) else exact(atr) * rule.stop / price
    stop = min(max(stop, rule.stop_min), rule.stop_max).quantize(FINE)
    count = len(rule.targets)
    even = (1 / Decimal(count)).quantize(FINE)
    shares = [even] * (count - 1) + [1 - even * (count - 1)]
    return stop, tuple(
        Target((stop * multiple / rule.stop).quantize(FINE), share)
        for multiple, share in zip(rule.targets, shares, strict=True)
    )


def _sentence(factor: Factor, row: Row, figures: Figures) -> str:
    missing = [name for name in factor.inputs if name in _FROM_BARS and isnan(row[name])]
    if missing:
        return f"more history is needed for {', '.join(missing)}"
    return factor.sentence(row, figures)


def _reason(
    kind: SignalKind,
    score: Decimal,
    gate: Decimal,
    vetoes: tuple[str, ...],
    factors: tuple[FactorScore, ...],
    window: str,
) -> str:
    figure = f"score {float(score):+.3f}"
    if vetoes:
        named = [f"news_window {window}" if v == "news_window" and window else v for v in vetoes]
        return f"no trade: {', '.join(named)} ({figure})"
    if kind is SignalKind.NONE:
        return f"no trade: {figure} does not pass the gate {gate}"
    strongest = sorted(factors, key=lambda f: -abs(f.contribution))[:3]
    parts = ", ".join(f"{f.name} {float(f.contribution):+.3f}" for f in strongest if f.contribution)
    return f"{kind}: {figure} passes the gate {gate} ({parts})"
