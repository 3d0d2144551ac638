"""Liquidity and volume: was the bar traded, and may one trade into it?

Score: the bar's direction (body over range) times its volume above the usual one, up to `scales.volume`
times. Confidence: falls from 1 at no spread to 0 at `scales.spread_max`; while no spread is known it is
`scales.unknown_spread`. Whether an order meets the venue's minimum notional and step is not a matter of
opinion: that is checked exactly where it is sized.
"""

from backstay.signals.factors.base import (
    Factor,
    Figures,
    Flag,
    Inputs,
    Marks,
    Ops,
    Row,
    ratio,
    settled,
    share,
    unknown,
)

INPUTS = ("open", "high", "low", "close", "volume", "volume_mean", "spread")


def evaluate(x: Inputs, f: Figures, ops: Ops) -> Marks:
    height = x["high"] - x["low"]
    body = ops.where(height > 0, ratio(x["close"] - x["open"], height, ops), 0.0)
    surplus = ratio(x["volume"], x["volume_mean"], ops) - 1.0
    score = body * share(surplus / (f.volume - 1.0), ops)
    spread = x["spread"]
    confidence = ops.where(unknown(spread), f.unknown_spread, 1.0 - spread / f.spread_max)
    return settled(score, ops.where(x["volume"] > 0, confidence, 0.0), ops)


def too_wide(x: Inputs, f: Figures) -> Flag:
    """The spread is known and beyond its limit."""
    return x["spread"] > f.spread_max


def sentence(x: Row, f: Figures) -> str:
    if not x["volume"]:
        return "nothing was traded in this bar"
    usual = x["volume"] / x["volume_mean"] if x["volume_mean"] else 0.0
    spread = "not known" if unknown(x["spread"]) else f"{x['spread']:.3%}"
    return f"{usual:.2f} times the usual volume was traded; the spread is {spread}"


LIQUIDITY = Factor("liquidity", INPUTS, evaluate, sentence)
