"""What a factor is, and the small arithmetic that all of them share.

A formula is written once, over `Value`: a column of floats, or one float. The few operations that differ
between the two come as `Ops` (`COLUMN` or `SINGLE`); they and the operators + - * / give the same bits on one
number and on a million. A formula uses nothing else: no exponentials, no sums, no `~`.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import msgspec
import numpy as np

from backstay.signals.bars import Floats

type Value = Any
"""A column of floats, or a float."""
type Flag = Any
"""A column of truth values, or one. Joined by & and |."""
type Inputs = Mapping[str, Value]
type Columns = Mapping[str, Floats]
type Row = Mapping[str, float]


class Ops(Protocol):
    """What a formula may do besides arithmetic and comparison. Unknown (NaN) stays unknown."""

    def where(self, condition: Flag, yes: Value, no: Value) -> Value: ...
    def above(self, value: Value, least: float) -> Value:
        """At least `least`."""
        ...

    def below(self, value: Value, most: float) -> Value:
        """At most `most`."""
        ...

    def sign(self, value: Value) -> Value: ...


class _Column:
    where = staticmethod(np.where)
    above = staticmethod(np.maximum)
    below = staticmethod(np.minimum)
    sign = staticmethod(np.sign)


class _Single:
    @staticmethod
    def where(condition: Flag, yes: Value, no: Value) -> Value:
        return yes if condition else no

    @staticmethod
    def above(value: Value, least: float) -> Value:
        return least if value < least else value

    @staticmethod
    def below(value: Value, most: float) -> Value:
        return most if value > most else value

    @staticmethod
    def sign(value: Value) -> Value:
        return 1.0 if value > 0 else -1.0 if value < 0 else value


COLUMN: Ops = _Column()
SINGLE: Ops = _Single()


class Marks(NamedTuple):
    """A factor's answer."""

    score: Value
    """-1 (all for a SHORT) to 1 (all for a LONG); 0: no opinion."""
    confidence: Value
    """0 to 1: how much the score is worth here."""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """`policy.Scales` as floats, once per policy."""

    cross: float
    slope: float
    rsi: float
    rsi_exhausted: float
    macd: float
    breakout: float
    atr_min: float
    atr_max: float
    chop: float
    volume: float
    spread_max: float
    unknown_spread: float
    funding_normal: float
    funding_extreme: float


class Factor(msgspec.Struct, frozen=True):
    name: str
    inputs: tuple[str, ...]
    """Names of the features that the formula reads, all of them logged with the score."""
    evaluate: Callable[[Inputs, Figures, Ops], Marks]
    sentence: Callable[[Row, Figures], str]
    """The same in words for one bar; only called where its inputs are known as far as they can be."""


def clip(value: Value, ops: Ops) -> Value:
    """To the range -1 to 1."""
    return ops.below(ops.above(value, -1.0), 1.0)


def share(value: Value, ops: Ops) -> Value:
    """To the range 0 to 1."""
    return ops.below(ops.above(value, 0.0), 1.0)


def ratio(top: Value, bottom: Value, ops: Ops) -> Value:
    """top / bottom, NaN where the bottom is not positive."""
    positive = bottom > 0
    return ops.where(positive, top / ops.where(positive, bottom, 1.0), np.nan)


def unknown(value: Value) -> Flag:
    """NaN is the only value that differs from itself."""
    return value != value  # noqa: PLR0124 (the test for NaN that works on both kinds)


def settled(score: Value, confidence: Value, ops: Ops) -> Marks:
    """Bounded, and nothing at all where either is not known. Adding 0.0 makes -0.0 an ordinary zero."""
    known = (score == score) & (confidence == confidence)  # noqa: PLR0124 (as in `unknown`)
    return Marks(
        ops.where(known, clip(score, ops), 0.0) + 0.0, ops.where(known, share(confidence, ops), 0.0) + 0.0
    )


def side(value: float, up: str, down: str, flat: str) -> str:
    """The word for a sign."""
    return up if value > 0 else down if value < 0 else flat
