"""The words every other file uses: sides, states, families, scopes.

Values are the field's standard terms. Where the venue's spelling is the standard term it is kept
(``STOP_MARKET``); where it is not, `backstay.binance.wire` translates and nobody else knows.
"""

from decimal import Decimal
from enum import StrEnum

import msgspec

type TimeNs = int
"""Nanoseconds since the Unix epoch, UTC."""

MS = 1_000_000
SECOND = 1_000_000_000
ZERO = Decimal(0)


class Product(StrEnum):
    USDM = "usdm"
    SPOT = "spot"


class Side(StrEnum):
    BUY = "BUY"
    SELL = "SELL"

    @property
    def opposite(self) -> "Side":
        return Side.SELL if self is Side.BUY else Side.BUY


class Direction(StrEnum):
    """What we manage: the sign of a position, whatever the venue calls its side."""

    LONG = "LONG"
    SHORT = "SHORT"

    @property
    def opposite(self) -> "Direction":
        return Direction.SHORT if self is Direction.LONG else Direction.LONG

    @property
    def opening(self) -> Side:
        return Side.BUY if self is Direction.LONG else Side.SELL

    @property
    def closing(self) -> Side:
        return Side.SELL if self is Direction.LONG else Side.BUY


class PositionSide(StrEnum):
    """The venue's position side: BOTH in one-way mode, LONG or SHORT in hedge mode."""

    BOTH = "BOTH"
    LONG = "LONG"
    SHORT = "SHORT"


class PositionMode(StrEnum):
    ONE_WAY = "one_way"
    HEDGE = "hedge"


class OrderType(StrEnum):
    LIMIT = "LIMIT"
    MARKET = "MARKET"
    STOP = "STOP"
    STOP_MARKET = "STOP_MARKET"
    TAKE_PROFIT = "TAKE_PROFIT"
    TAKE_PROFIT_MARKET = "TAKE_PROFIT_MARKET"
    TRAILING_STOP_MARKET = "TRAILING_STOP_MARKET"
    LIQUIDATION = "LIQUIDATION"


CONDITIONAL = frozenset(
    {
        OrderType.STOP,
        OrderType.STOP_MARKET,
        OrderType.TAKE_PROFIT,
        OrderType.TAKE_PROFIT_MARKET,
        OrderType.TRAILING_STOP_MARKET,
    }
)
"""Types that live on the algo surface (USD-M, since 2025-12-09)."""


class TimeInForce(StrEnum):
    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"
    GTX = "GTX"
    GTD = "GTD"
    GTE_GTC = "GTE_GTC"
    RPI = "RPI"


IMMEDIATE = frozenset({TimeInForce.IOC, TimeInForce.FOK})
"""An order that never rests."""


class WorkingType(StrEnum):
    CONTRACT_PRICE = "CONTRACT_PRICE"
    MARK_PRICE = "MARK_PRICE"


class OrderStatus(StrEnum):
    """Status of a regular order as the venue says it."""

    PENDING_NEW = "PENDING_NEW"
    """Spot: a leg of an order list that waits for its working leg."""
    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    EXPIRED_IN_MATCH = "EXPIRED_IN_MATCH"
    NEW_INSURANCE = "NEW_INSURANCE"
    NEW_ADL = "NEW_ADL"


class ExecutionType(StrEnum):
    """Why a regular order was reported. SNAPSHOT: read, not pushed."""

    NEW = "NEW"
    TRADE = "TRADE"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    AMENDMENT = "AMENDMENT"
    CALCULATED = "CALCULATED"
    REJECTED = "REJECTED"
    TRADE_PREVENTION = "TRADE_PREVENTION"
    """Spot: self-trade prevention took a match away."""
    SNAPSHOT = "SNAPSHOT"


class AlgoStatus(StrEnum):
    """Status of a conditional order as the venue says it."""

    NEW = "NEW"
    TRIGGERING = "TRIGGERING"
    TRIGGERED = "TRIGGERED"
    FINISHED = "FINISHED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"


class Surface(StrEnum):
    """Where an order lives at the venue; ids are unique only within one surface."""

    REGULAR = "regular"
    ALGO = "algo"


class Role(StrEnum):
    ENTRY = "ENTRY"
    DCA = "DCA"
    TP = "TP"
    SL = "SL"
    EXIT = "EXIT"


EXPOSING = frozenset({Role.ENTRY, Role.DCA})
"""Roles that can increase exposure."""


class Family(StrEnum):
    """The only kind of work that one pass may do."""

    RECOVER = "RECOVER"
    FLATTEN = "FLATTEN"
    CLEANUP = "CLEANUP"
    PROTECT = "PROTECT"
    EXPOSURE = "EXPOSURE"
    NOOP = "NOOP"
    WAIT = "WAIT"


class Action(StrEnum):
    PLACE = "place"
    AMEND = "amend"
    CANCEL = "cancel"


class Mode(StrEnum):
    """EXECUTION_MODE. Only PAPER, DEMO, TESTNET and LIVE may send a mutation."""

    PAPER = "PAPER"
    DRY_RUN_PRIVATE = "DRY_RUN_PRIVATE"
    DEMO = "DEMO"
    TESTNET = "TESTNET"
    LIVE = "LIVE"


class Subject(StrEnum):
    """One separately trusted part of the account state."""

    POSITIONS = "positions"
    REGULAR_ORDERS = "regular_orders"
    ALGO_ORDERS = "algo_orders"
    FILLS = "fills"
    BALANCES = "balances"
    FILTERS = "filters"
    ACCOUNT_MODE = "account_mode"
    CONTEXTS = "contexts"


class Trust(StrEnum):
    """Trust state of a scope; the transitions stand in `backstay.core.recovery`."""

    UNHYDRATED = "UNHYDRATED"
    TRUSTED = "TRUSTED"
    RECOVERY_REQUIRED = "RECOVERY_REQUIRED"
    RECOVERING = "RECOVERING"
    MANUAL_REVIEW = "MANUAL_REVIEW"


class Scope(msgspec.Struct, frozen=True, array_like=True, cache_hash=True, gc=False, order=True):
    """The unit of planning, trust and recovery: one product, symbol and position side."""

    product: Product
    symbol: str
    position_side: PositionSide

    def __str__(self) -> str:
        return f"{self.product}:{self.symbol}:{self.position_side}"


def parse_scope(text: str) -> Scope:
    """Read ``usdm:BTCUSDT:LONG``; the product and the side may be left out (usdm, BOTH).

    Raises ValueError with the expected form.
    """
    parts = text.split(":")
    try:
        if len(parts) == 1:
            return Scope(Product.USDM, parts[0], PositionSide.BOTH)
        if len(parts) == 2:
            return Scope(Product.USDM, parts[0], PositionSide(parts[1]))
        product, symbol, side = parts
        return Scope(Product(product), symbol, PositionSide(side))
    except ValueError:
        raise ValueError(f"{text!r} is not a scope; write SYMBOL, SYMBOL:LONG or usdm:SYMBOL:BOTH") from None
