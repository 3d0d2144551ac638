"""Scored signals and book tops: what the market side tells the core, as evidence.

A score is made of bars outside of the core (`backstay.signals`) and recorded with everything it followed
from, so that a replay needs no bars and a reader sees why. Figures are exact decimals of the very floats that
were computed: `float` of each is that float again.
"""

from decimal import Decimal
from enum import StrEnum

import msgspec

from backstay.core.account_settings import AccountSettingUpdated
from backstay.core.types import Direction, Product, Side, TimeNs


class SignalKind(StrEnum):
    LONG = "LONG"
    SHORT = "SHORT"
    NONE = "NONE"
    """No trade, for the reason given."""

    @property
    def direction(self) -> Direction | None:
        return None if self is SignalKind.NONE else Direction(self.value)


class Target(msgspec.Struct, frozen=True, array_like=True):
    """One take-profit of a plan."""

    distance: Decimal
    """From the entry, as a fraction of it, in the position's favour."""
    share: Decimal
    """Part of the position."""


class Signal(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a strategy acts upon: direction, strength, and the plan that the position will need."""

    kind: SignalKind
    score: Decimal
    """-1 to 1."""
    at: TimeNs
    """Close of the bar that it was scored on: nothing later is in it."""
    valid_until: TimeNs
    price: Decimal
    """Close of that bar."""
    stop_distance: Decimal
    """From the entry, as a fraction of it, against the position."""
    targets: tuple[Target, ...]
    """Nearest first; the shares sum to one."""
    reason: str
    """Why a trade, or why none."""


class FactorScore(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One row of the explanation."""

    name: str
    weight: Decimal
    score: Decimal
    confidence: Decimal
    """After damping by news."""
    contribution: Decimal
    """weight * score * confidence, as summed."""
    sentence: str
    inputs: dict[str, Decimal | None]
    """What the factor's formula read; None: not known."""


class SignalScored(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="SignalScored"
):
    """A bar was scored: the signal, and the whole explanation, also of a decision not to trade."""

    symbol: str
    signal: Signal
    gate: Decimal
    factors: tuple[FactorScore, ...]
    vetoes: tuple[str, ...] = ()
    """Why no trade is considered whatever the score; empty: nothing forbids one."""
    bars: int = 0
    """How many bars the indicators had seen."""
    news: str = ""
    """Name of the scheduled window that forbids entries."""
    product: Product = Product.USDM


class Level(msgspec.Struct, frozen=True, array_like=True):
    price: Decimal
    quantity: Decimal


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """The visible top of an order book, best level first on both sides."""

    at: TimeNs
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]

    def facing(self, side: Side) -> tuple[Level, ...]:
        """The levels that an order of `side` would trade with."""
        return self.asks if side is Side.BUY else self.bids

    @property
    def spread(self) -> Decimal | None:
        """As a share of the middle price; None: one side is empty."""
        if not self.bids or not self.asks:
            return None
        bid, ask = self.bids[0].price, self.asks[0].price
        return (ask - bid) * 2 / (ask + bid)


class BookSeen(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="BookSeen"
):
    """The top of a book, recorded because a strategy asked for it (`Wanted.book`), and only then."""

    symbol: str
    book: Book
    product: Product = Product.USDM


TraderEvent = SignalScored | BookSeen | AccountSettingUpdated
"""What a trader that enters by itself adds to the evidence. A plain union: that of all events flattens it."""
