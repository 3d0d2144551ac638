"""Liquidity and volume: was the bar traded, and may one trade into it?

Score: the bar's direction (body over range) times its volume above the usual one, up to `scales.volume`
times. Confidence: falls from 1 at no spread to 0 at `scales.spread_max`; while no spread is known it is
`scales.unknown_spread`. Whether an order meets the venue's minimum notional and step is not a matter of
opinion: that is checked exactly where it is sized.
"""

import numpy as np

from backstay.signals.bars import Bools
from backstay.signals.factors.base import Columns, Factor, Marks, Row, ratio, settled, share
from backstay.signals.policy import Scales

INPUTS = ("open", "high", "low", "close", "volume", "volume_mean", "spread")


def evaluate(x: Columns, scales: Scales) -> Marks:
    height = x["high"] - x["low"]
    body = np.where(height > 0, ratio(x["close"] - x["open"], height), 0.0)
    surplus = ratio(x["volume"], x["volume_mean"]) - 1.0
    score = body * share(surplus / (float(scales.volume) - 1.0))
    spread = x["spread"]
    confidence = np.where(
        np.isnan(spread), float(scales.unknown_spread), 1.0 - spread / float(scales.spread_max)
    )
    return settled(score, np.where(x["volume"] > 0, confidence, 0.0))


def too_wide(x: Columns, scales: Scales) -> Bools:
    """The spread is known and beyond its limit."""
    return x["spread"] > float(scales.spread_max)


def sentence(x: Row, scales: Scales) -> str:
    if not x["volume"]:
        return "nothing was traded in this bar"
    usual = x["volume"] / x["volume_mean"] if x["volume_mean"] else 0.0
    spread = "not known" if np.isnan(x["spread"]) else f"{x['spread']:.3%}"
    return f"{usual:.2f} times the usual volume was traded; the spread is {spread}"


LIQUIDITY = Factor("liquidity", INPUTS, evaluate, sentence)
