"""Desired slots: the orders that should exist in a scope right now.

A strategy returns slots, the planner compares them with what rests at the venue. A slot says what
is wanted, never how it gets there; it carries no id and no state.
"""

from decimal import Decimal
from enum import StrEnum

import msgspec

from backstay.core.types import (
    CONDITIONAL,
    OrderType,
    Product,
    Role,
    Side,
    Surface,
    TimeInForce,
    WorkingType,
)

# Looked up once: every evidence of an order of ours asks where it lives.
USDM, ALGO, REGULAR = Product.USDM, Surface.ALGO, Surface.REGULAR
BRIDGE_STEP = 1
"""Step of the temporary `fixed_qty` stop under which a `close_position` stop (step 0) is moved."""


class SlotKey(msgspec.Struct, frozen=True, array_like=True, cache_hash=True, gc=False, order=True):
    """The logical place that an order fills inside a scope."""

    role: Role
    step: int = 0

    def __str__(self) -> str:
        return f"{self.role}/{self.step}"


MAIN_STOP, BRIDGE, EXIT = SlotKey(Role.SL), SlotKey(Role.SL, BRIDGE_STEP), SlotKey(Role.EXIT)


class Slot(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, cache_hash=True, gc=False):
    """One order that should exist.

    Prices are in quote currency, quantities in base units, both on the instrument's grid once
    `conform` has passed them. `quantity` is what should *remain* to be executed, None for
    `close_position`.
    """

    key: SlotKey
    side: Side
    kind: OrderType
    price: Decimal | None = None
    trigger: Decimal | None = None
    quantity: Decimal | None = None
    reduce_only: bool = False
    close_position: bool = False
    working_type: WorkingType = WorkingType.MARK_PRICE
    tif: TimeInForce = TimeInForce.GTC
    callback_rate: Decimal | None = None
    """Trailing distance in percent, as the venue counts it."""
    activate_price: Decimal | None = None
    price_protect: bool = False
    hands_off: bool = False
    """Once placed, never amended and never cancelled by us."""
    total: Decimal | None = None
    """What the slot is to have executed over all of its orders, of which `quantity` is a slice; None: one
    order is all there is."""
    tolerance: Decimal = Decimal(0)
    """Relative size difference below which a resting order counts as converged (trailing stops)."""
    lots: tuple[int, ...] = ()
    """Spot: the lots (trade ids of the BUYs) that this SELL sells; its key's step is the first of them."""
    leg: "Slot | None" = None
    """Spot: the other leg of an OCO list; both are placed by one request and end together."""

    @property
    def one_lot(self) -> int:
        """The lot that this order sells alone and for good; negative: one that is not bought yet (see
        `backstay.core.next_sale`); 0: none, or several.
        """
        return self.lots[0] if len(self.lots) == 1 and self.hands_off else 0


def surface_of(product: Product, kind: OrderType) -> Surface:
    """Where an order of this kind lives: only USD-M has a surface of its own for conditional orders."""
    return ALGO if kind in CONDITIONAL and product is USDM else REGULAR


class Unplaceable(msgspec.Struct, frozen=True):
    """A slot that the venue's filters would refuse, and why."""

    key: SlotKey
    reason: str
    detail: str = ""


class WatchSide(StrEnum):
    AT_OR_ABOVE = "at_or_above"
    AT_OR_BELOW = "at_or_below"


class Watch(msgspec.Struct, frozen=True):
    """A price at which the strategy wants to be asked again.

    Prices are not evidence until one of them crosses a watch: then it is recorded, folded, and the
    scope is planned. So a quiet market costs nothing, and a replay needs no tick archive.
    """

    side: WatchSide
    price: Decimal

    def crossed(self, price: Decimal) -> bool:
        return price >= self.price if self.side is WatchSide.AT_OR_ABOVE else price <= self.price
