"""Volatility and regime: does the market go somewhere, and does it move neither too little nor too much?

Score: the signed efficiency of the latest bars, net move over path walked: near 0 in a chop, 1 on a straight
way up. Confidence: how far the present range exceeds half of the usual one (expansion counts, contraction
does not), and nothing where the range as a share of price is out of bounds.
"""

from backstay.signals.factors.base import Factor, Figures, Flag, Inputs, Marks, Ops, Row, ratio, settled, side

INPUTS = ("move", "path", "atr", "atr_slow", "close")


def evaluate(x: Inputs, f: Figures, ops: Ops) -> Marks:
    # A price that stood still has walked no path: that is the perfect chop, not an unknown.
    efficiency = ops.where(x["path"] == 0, 0.0, ratio(x["move"], x["path"], ops))
    expansion = ratio(x["atr"], x["atr_slow"], ops)
    return settled(efficiency, ops.where(in_bounds(x, f, ops), expansion - 0.5, 0.0), ops)


def in_bounds(x: Inputs, f: Figures, ops: Ops) -> Flag:
    """The range as a share of price lies between its limits; False where it is not known."""
    size = ratio(x["atr"], x["close"], ops)
    return (size >= f.atr_min) & (size <= f.atr_max)


def chops(x: Inputs, f: Figures) -> Flag:
    """The latest bars went nowhere: |net move| is a small part of the path."""
    return abs(x["move"]) < f.chop * x["path"]


def sentence(x: Row, f: Figures) -> str:
    path = x["path"]
    efficiency = x["move"] / path if path else 0.0
    way = side(x["move"], "up", "down", "nowhere")
    grows = x["atr"] / x["atr_slow"] if x["atr_slow"] else 0.0
    size = x["atr"] / x["close"]
    return (
        f"{abs(efficiency):.0%} of the path led {way}; the range is {size:.2%} of the price, "
        f"{grows:.2f} times the usual one"
    )


VOLATILITY = Factor("volatility", INPUTS, evaluate, sentence)
