"""Funding and crowding: an extreme funding rate says that one side is crowded, and speaks against that side.

Score: 0 up to `funding_normal`, then linearly to -1 (longs pay) or 1 (shorts pay) at `funding_extreme`.
Confidence: 1 where a rate is known, 0 where none is.
"""

from backstay.signals.factors.base import Factor, Figures, Inputs, Marks, Ops, Row, settled, unknown

INPUTS = ("funding_rate",)


def evaluate(x: Inputs, f: Figures, ops: Ops) -> Marks:
    rate = x["funding_rate"]
    normal, extreme = f.funding_normal, f.funding_extreme
    crowded = ops.above(abs(rate) - normal, 0.0) / (extreme - normal)
    return settled(-ops.sign(rate) * crowded, ops.where(unknown(rate), 0.0, 1.0), ops)


def sentence(x: Row, f: Figures) -> str:
    rate = x["funding_rate"]
    if unknown(rate):
        return "the funding rate is not known"
    if abs(rate) <= f.funding_normal:
        return f"funding is an ordinary {rate:.4%}"
    return f"funding is {rate:.4%}: {'longs' if rate > 0 else 'shorts'} are crowded and pay for it"


FUNDING = Factor("funding", INPUTS, evaluate, sentence)
