"""How scores are made: periods, scales, weights, the gate. Configured by the operator, checked when made.

Figures are exact decimals here, because they are configuration; they become floats where they meet bars.
Imports neither NumPy nor TA-Lib, so that reading a configuration stays light.
"""

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from backstay.core.types import SECOND, ZERO, TimeNs

MINUTE = 60 * SECOND
FACTOR_NAMES = ("trend", "momentum", "volatility", "liquidity", "funding", "news")


class Weights(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What each factor counts in the composite score, as a share; 0 leaves it out."""

    trend: Decimal = Decimal("0.30")
    """Moving averages, their slope, the higher interval."""
    momentum: Decimal = Decimal("0.25")
    """RSI, MACD and breakouts."""
    volatility: Decimal = Decimal("0.15")
    """How straight the market moves, and how much."""
    liquidity: Decimal = Decimal("0.15")
    """Volume behind the bar, and the spread."""
    funding: Decimal = Decimal("0.10")
    """Which side is crowded and pays for it."""
    news: Decimal = Decimal("0.05")
    """Headlines, when there is a feed."""

    def __post_init__(self) -> None:
        for name, weight in self.items():
            if not 0 <= weight <= 1:
                raise ValueError(f"weights.{name} is {weight}; write a share from 0 to 1")

    def items(self) -> Iterator[tuple[str, Decimal]]:
        return ((name, getattr(self, name)) for name in FACTOR_NAMES)

    @property
    def reach(self) -> Decimal:
        """The highest score that these weights allow."""
        return sum((weight for _, weight in self.items()), ZERO)


class Override(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What holds for one symbol instead."""

    symbol: str
    """The symbol."""
    gate: Decimal | None = None
    """Its gate; left out: the common one."""
    weights: Weights | None = None
    """Its weights; left out: the common ones."""


class Periods(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Lengths of the indicators, in bars."""

    ema_fast: int = 21
    """The fast average of the trend."""
    ema_slow: int = 55
    """The slow one."""
    higher_ema_fast: int = 10
    """The fast average of the higher interval, in its bars."""
    higher_ema_slow: int = 30
    """The slow one; it decides how long the warm-up is."""
    slope: int = 5
    """Over how many bars the slow average's slope is taken."""
    rsi: int = 14
    """RSI."""
    macd_fast: int = 12
    """MACD's fast average."""
    macd_slow: int = 26
    """MACD's slow average."""
    macd_signal: int = 9
    """MACD's signal line."""
    channel: int = 20
    """Bars whose highest high and lowest low a breakout must pass."""
    atr: int = 14
    """The present range (ATR), the unit of the scales below."""
    atr_slow: int = 56
    """The usual range that the present one is compared with."""
    efficiency: int = 20
    """Bars whose net move is compared with their path."""
    volume: int = 30
    """Bars that say what volume is usual."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value, least = getattr(self, name), 1 if name == "slope" else 2
            if not least <= value <= 1000:
                raise ValueError(f"periods.{name} is {value}; write {least} to 1000")
        for fast, slow in (
            ("ema_fast", "ema_slow"),
            ("higher_ema_fast", "higher_ema_slow"),
            ("macd_fast", "macd_slow"),
            ("atr", "atr_slow"),
        ):
            if getattr(self, fast) >= getattr(self, slow):
                raise ValueError(f"periods.{fast} must be below periods.{slow}")


class Scales(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the factors saturate, and what they do not like. Ranges (ATR) are of the base interval."""

    cross: Decimal = Decimal(2)
    """Distance of the two averages, in ranges, at which the trend is as strong as it gets."""
    slope: Decimal = Decimal("0.25")
    """Rise of the slow average per bar, in ranges, likewise."""
    rsi: Decimal = Decimal(20)
    """Distance of RSI from 50, likewise."""
    rsi_exhausted: Decimal = Decimal(35)
    """Distance of RSI from 50 beyond which momentum is not believed."""
    macd: Decimal = Decimal("0.5")
    """MACD histogram, in ranges."""
    breakout: Decimal = Decimal(1)
    """Distance beyond the channel, in ranges."""
    atr_min: Decimal = Decimal("0.0002")
    """Range as a share of price below which nothing moves enough to trade."""
    atr_max: Decimal = Decimal("0.05")
    """And above which everything moves too much."""
    chop: Decimal = Decimal("0.15")
    """Efficiency (net move / path) below which the market only chops; no signal then."""
    volume: Decimal = Decimal(3)
    """Volume, as a multiple of the usual one, at which a breakout counts fully."""
    spread_max: Decimal = Decimal("0.001")
    """Spread as a share of price at which liquidity counts for nothing; no signal beyond it."""
    unknown_spread: Decimal = Decimal("0.5")
    """Confidence of the liquidity factor while no spread is known."""
    funding_normal: Decimal = Decimal("0.0001")
    """Funding rate per period up to which nobody is crowded."""
    funding_extreme: Decimal = Decimal("0.001")
    """Funding rate per period at which the crowd counts fully against its side."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if getattr(self, name) <= 0:
                raise ValueError(f"scales.{name} is {getattr(self, name)}; write a positive number")
        pairs = (("atr_min", "atr_max"), ("funding_normal", "funding_extreme"), ("rsi", "rsi_exhausted"))
        for low, high in pairs:
            if getattr(self, low) >= getattr(self, high):
                raise ValueError(f"scales.{low} must be below scales.{high}")
        if self.unknown_spread > 1 or self.chop >= 1:
            raise ValueError("scales.unknown_spread and scales.chop are shares: write a number up to 1")
        if self.rsi_exhausted >= 50:
            raise ValueError("scales.rsi_exhausted is a distance from 50: write a number below 50")
        if self.volume <= 1:
            raise ValueError(f"scales.volume is {self.volume}; write a multiple above 1")


class BracketRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far the stop and the targets of a signal lie, in ranges of the moment."""

    stop: Decimal = Decimal(2)
    """Distance of the stop, in ranges."""
    targets: tuple[Decimal, ...] = (Decimal(3),)
    """Nearest first; the position is split evenly over them."""
    stop_min: Decimal = Decimal("0.002")
    """Least distance of the stop as a share of price."""
    stop_max: Decimal = Decimal("0.05")
    """Largest distance of the stop; the targets keep their proportion to it."""

    def __post_init__(self) -> None:
        if self.stop <= 0 or not self.targets or any(t <= 0 for t in self.targets):
            raise ValueError("bracket: the stop and every target are positive multiples of the range")
        if list(self.targets) != sorted(set(self.targets)):
            raise ValueError("bracket.targets: write each target once, the nearest first")
        if not 0 < self.stop_min < self.stop_max < 1:
            raise ValueError("bracket: stop_min must be below stop_max, both shares between 0 and 1")


class ScorePolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, cache_hash=True):
    """Everything that a score follows from, besides the market."""

    interval: TimeNs = 5 * MINUTE
    """Length of the bars that are scored."""
    higher: TimeNs = 30 * MINUTE
    """Length of the bars that the trend is compared with; a multiple of `interval`."""
    gate: Decimal = Decimal("0.35")
    """Least size of the composite score that makes a signal."""
    weights: Weights = Weights()
    overrides: tuple[Override, ...] = ()
    """What holds for single symbols."""
    periods: Periods = Periods()
    scales: Scales = Scales()
    bracket: BracketRule = BracketRule()
    valid_for: TimeNs = 5 * MINUTE
    """How long after its bar's close a signal may be acted upon."""

    def __post_init__(self) -> None:
        if self.interval <= 0 or self.higher <= self.interval or self.higher % self.interval:
            raise ValueError("higher must be a multiple of interval, such as 1h over 5m")
        if self.valid_for <= 0:
            raise ValueError(f"valid_for is {self.valid_for} ns; write a positive duration such as 5m")
        named = [o.symbol for o in self.overrides]
        if len(set(named)) != len(named):
            raise ValueError("overrides: a symbol stands there twice")
        for where, gate, weights in (
            ("", self.gate, self.weights),
            *((f"overrides {o.symbol}: ", *self.of(o.symbol)) for o in self.overrides),
        ):
            if not 0 < gate <= 1:
                raise ValueError(f"{where}gate is {gate}; write a score above 0, at most 1")
            if weights.reach < gate:
                raise ValueError(
                    f"{where}the weights sum to {weights.reach} and can never reach the gate {gate}: "
                    "raise a weight or lower the gate"
                )

    def of(self, symbol: str) -> tuple[Decimal, Weights]:
        """The gate and the weights that hold for `symbol`."""
        for o in self.overrides:
            if o.symbol == symbol:
                gate = self.gate if o.gate is None else o.gate
                return gate, self.weights if o.weights is None else o.weights
        return self.gate, self.weights


def parse_weights(values: object) -> Weights:
    """Weights from what a weight file holds: factor names and shares.

    Raises ValueError for anything but a mapping of known factors to numbers that were written as text or
    whole numbers.
    """
    if not isinstance(values, dict):
        raise ValueError(f"a weight file holds factor names and shares, not {values!r}")  # noqa: TRY004 (shown to users)
    found: dict[str, Decimal] = {}
    for name, value in values.items():
        if name not in FACTOR_NAMES:
            raise ValueError(f"{name!r} is not a factor; known are {', '.join(FACTOR_NAMES)}")
        try:
            found[name] = Decimal(str(value))
        except ArithmeticError:
            raise ValueError(f"the weight of {name} is {value!r}; write a share such as 0.3") from None
        if not found[name].is_finite():
            raise ValueError(f"the weight of {name} is {value!r}; write a share such as 0.3")
    return Weights(**{**dict.fromkeys(FACTOR_NAMES, ZERO), **found})
