"""Momentum: RSI's distance from 50, the MACD histogram, and how far a breakout went beyond its channel.

Score: 0.4 RSI + 0.3 MACD + 0.3 breakout. Confidence falls from 1 to 0 as RSI goes from its exhaustion limit
to 100 (or 0): a move that has run so far is not believed to go on.
"""

from backstay.signals.factors.base import Factor, Figures, Inputs, Marks, Ops, Row, clip, ratio, settled, side

INPUTS = ("rsi", "macd_histogram", "close", "channel_high", "channel_low", "atr")


def evaluate(x: Inputs, f: Figures, ops: Ops) -> Marks:
    away = x["rsi"] - 50.0
    rsi = clip(away / f.rsi, ops)
    macd = clip(ratio(x["macd_histogram"], f.macd * x["atr"], ops), ops)
    above = ops.above(x["close"] - x["channel_high"], 0.0)
    below = ops.above(x["channel_low"] - x["close"], 0.0)
    breakout = clip(ratio(above - below, f.breakout * x["atr"], ops), ops)
    limit = f.rsi_exhausted
    confidence = 1.0 - ops.above(abs(away) - limit, 0.0) / (50.0 - limit)
    return settled(0.4 * rsi + 0.3 * macd + 0.3 * breakout, confidence, ops)


def sentence(x: Row, f: Figures) -> str:
    histogram = side(x["macd_histogram"], "positive", "negative", "zero")
    if x["close"] > x["channel_high"]:
        where = "above its channel"
    elif x["close"] < x["channel_low"]:
        where = "below its channel"
    else:
        where = "within its channel"
    spent = ", exhausted" if abs(x["rsi"] - 50.0) > f.rsi_exhausted else ""
    return f"RSI is {x['rsi']:.1f}{spent}, the MACD histogram {histogram}, the price {where}"


MOMENTUM = Factor("momentum", INPUTS, evaluate, sentence)
