"""What a factor is, and the small arithmetic that all of them share."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec
import numpy as np

from backstay.signals.bars import Floats
from backstay.signals.policy import Scales

type Columns = Mapping[str, Floats]
type Row = Mapping[str, float]


class Marks(NamedTuple):
    """A factor's answer, one row per bar."""

    score: Floats
    """-1 (all for a SHORT) to 1 (all for a LONG); 0: no opinion."""
    confidence: Floats
    """0 to 1: how much the score is worth here."""


class Factor(msgspec.Struct, frozen=True):
    name: str
    inputs: tuple[str, ...]
    """Names of the features that the formula reads, all of them logged with the score."""
    evaluate: Callable[[Columns, Scales], Marks]
    sentence: Callable[[Row, Scales], str]
    """The same in words for one bar; only called where its inputs are known as far as they can be."""


def clip(column: Floats) -> Floats:
    """To the range -1 to 1."""
    return np.minimum(np.maximum(column, -1.0), 1.0)


def share(column: Floats) -> Floats:
    """To the range 0 to 1."""
    return np.minimum(np.maximum(column, 0.0), 1.0)


def ratio(top: Floats, bottom: Floats) -> Floats:
    """top / bottom, NaN where the bottom is not positive."""
    positive = bottom > 0
    return np.where(positive, top / np.where(positive, bottom, 1.0), np.nan)


def settled(score: Floats, confidence: Floats) -> Marks:
    """Bounded, and nothing at all where either is not known."""
    known = ~(np.isnan(score) | np.isnan(confidence))
    return Marks(np.where(known, clip(score), 0.0), np.where(known, share(confidence), 0.0))


def side(value: float, up: str, down: str, flat: str) -> str:
    """The word for a sign."""
    return up if value > 0 else down if value < 0 else flat
