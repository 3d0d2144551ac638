"""Funding and crowding: an extreme funding rate says that one side is crowded, and speaks against that side.

Score: 0 up to `funding_normal`, then linearly to -1 (longs pay) or 1 (shorts pay) at `funding_extreme`.
Confidence: 1 where a rate is known, 0 where none is.
"""

import numpy as np

from backstay.signals.factors.base import Columns, Factor, Marks, Row, settled
from backstay.signals.policy import Scales

INPUTS = ("funding_rate",)


def evaluate(x: Columns, scales: Scales) -> Marks:
    rate = x["funding_rate"]
    normal, extreme = float(scales.funding_normal), float(scales.funding_extreme)
    crowded = np.maximum(np.abs(rate) - normal, 0.0) / (extreme - normal)
    return settled(-np.sign(rate) * crowded, np.ones_like(rate))


def sentence(x: Row, scales: Scales) -> str:
    rate = x["funding_rate"]
    if np.isnan(rate):
        return "the funding rate is not known"
    if abs(rate) <= float(scales.funding_normal):
        return f"funding is an ordinary {rate:.4%}"
    return f"funding is {rate:.4%}: {'longs' if rate > 0 else 'shorts'} are crowded and pay for it"


FUNDING = Factor("funding", INPUTS, evaluate, sentence)
