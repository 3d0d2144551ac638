"""All factors, in the order in which their contributions are summed."""

from backstay.signals.factors.base import Factor
from backstay.signals.factors.funding import FUNDING
from backstay.signals.factors.liquidity import LIQUIDITY
from backstay.signals.factors.momentum import MOMENTUM
from backstay.signals.factors.news import NEWS
from backstay.signals.factors.trend import TREND
from backstay.signals.factors.volatility import VOLATILITY
from backstay.signals.policy import FACTOR_NAMES

FACTORS: tuple[Factor, ...] = (TREND, MOMENTUM, VOLATILITY, LIQUIDITY, FUNDING, NEWS)

if tuple(f.name for f in FACTORS) != FACTOR_NAMES:
    raise AssertionError("the factors and their names in the policy differ")
