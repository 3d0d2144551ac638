"""Trend: distance of two averages, slope of the slow one, and that distance on the higher interval.

Score: 0.4 cross + 0.3 slope + 0.3 higher, each in ranges (ATR) and bounded. Confidence: the share of the
three that agree with the majority: 1 when all point one way, a third when one stands alone against one.
"""

from backstay.signals.factors.base import Factor, Figures, Inputs, Marks, Ops, Row, clip, ratio, settled, side

INPUTS = (
    "ema_fast",
    "ema_slow",
    "ema_slow_before",
    "slope_bars",
    "atr",
    "higher_ema_fast",
    "higher_ema_slow",
    "higher_atr",
)


def evaluate(x: Inputs, f: Figures, ops: Ops) -> Marks:
    cross = clip(ratio(x["ema_fast"] - x["ema_slow"], f.cross * x["atr"], ops), ops)
    rise = (x["ema_slow"] - x["ema_slow_before"]) / x["slope_bars"]
    slope = clip(ratio(rise, f.slope * x["atr"], ops), ops)
    higher = clip(ratio(x["higher_ema_fast"] - x["higher_ema_slow"], f.cross * x["higher_atr"], ops), ops)
    score = 0.4 * cross + 0.3 * slope + 0.3 * higher
    agreement = abs(ops.sign(cross) + ops.sign(slope) + ops.sign(higher)) / 3.0
    return settled(score, agreement, ops)


def sentence(x: Row, f: Figures) -> str:
    here = side(x["ema_fast"] - x["ema_slow"], "above", "below", "on")
    slow = side(x["ema_slow"] - x["ema_slow_before"], "rises", "falls", "is flat")
    above = side(x["higher_ema_fast"] - x["higher_ema_slow"], "up", "down", "flat")
    return f"the fast average is {here} the slow one, which {slow}; the higher interval points {above}"


TREND = Factor("trend", INPUTS, evaluate, sentence)
