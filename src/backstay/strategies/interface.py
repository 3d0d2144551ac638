"""What every strategy offers: one pure question, answered completely.

The engine asks `wanted` whenever evidence or a timer touched a scope. The answer follows from the
arguments alone; a strategy keeps no state, so a restart needs no resume logic.

`docs/writing-a-strategy.md` shows how to write one of your own. What a user's class may have besides
`wanted` stands in `UserStrategy`.
"""

from typing import Any, ClassVar, Protocol

import msgspec

from backstay.core.events import AlgoReport, OrderReport, PriceReached
from backstay.core.slots import Slot
from backstay.core.types import Product, TimeNs
from backstay.core.view import PositionView
from backstay.core.wanted import Wanted

__all__ = ["Policy", "Strategy", "UserPolicy", "UserStrategy", "Wanted", "desired"]


class Policy(Protocol):
    """A frozen msgspec Struct: compared by value, hashable, written into the ledger as JSON."""

    def check(self) -> tuple[str, ...]:
        """Warnings about settings that are legal but do not fit together; empty when all is well."""
        ...


class Strategy[P: Policy](Protocol):
    """A pure function from facts and a policy to desired orders."""

    @property
    def name(self) -> str:
        """As in the configuration (`position_manager`)."""
        ...

    def wanted(self, view: PositionView, policy: P, now: TimeNs) -> Wanted:
        """What should exist in the view's scope. Total: never raises for any view that can occur.

        `now` is venue time in ns. Same arguments, same answer.
        """
        ...


def desired[P: Policy](strategy: Strategy[P], view: PositionView, policy: P, now: TimeNs) -> tuple[Slot, ...]:
    """The desired slots alone."""
    return strategy.wanted(view, policy, now).slots


# --- strategies of users ----------------------------------------------------------------------------


class UserPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, cache_hash=True):
    """Base of a user's policy: its fields are the keys under `managers:`, with their defaults.

    A field is a `Decimal` (a fraction, written 5% or 0.05), a `TimeNs` (a duration, written 10h), a bool, an
    int, a str, an Enum, another frozen Struct, a tuple of these, or one of these ``| None``.
    `__post_init__` raises ValueError for values that make no sense; the message reaches the operator.
    """

    absolute: ClassVar[tuple[str, ...]] = ()
    """Decimal fields that count prices, quantities or factors; all others are fractions."""

    symbols: tuple[str, ...] = ()

    def check(self) -> tuple[str, ...]:
        """Warnings about settings that are legal but do not fit together; empty when all is well."""
        return ()


class UserStrategy(Protocol):
    """All that the host knows of a user's class. `policy` and `wanted` are needed, the rest may be left out.

    The class is made without arguments. `wanted` and `validate` run inside `decide`: no clock, no dice, no
    I/O, no memory. The two hooks run on a thread of their own, on another instance, after the ledger has the
    record; they may be slow and may talk to others, and nothing that they do reaches `wanted`.
    """

    policy: type[msgspec.Struct]
    """A frozen Struct with a field `symbols`; best a subclass of `UserPolicy`."""
    products: tuple[Product, ...]
    """Where it can run, the usual one first. Left out: USD-M; with `by_lot`: spot."""
    by_lot: bool
    """It sells spot lots, each by its own order (`backstay.strategies.by_lot`). Left out: it does not."""

    def wanted(self, view: PositionView, policy: Any, now: TimeNs) -> Wanted:
        """As `Strategy.wanted`."""
        ...

    def validate(self, slot: Slot, view: PositionView, policy: Any) -> str:
        """A rule of the user's own: why this slot may not exist; empty: it may."""
        ...

    def on_price(self, event: PriceReached) -> None:
        """A price was recorded: one that a watch of some answer asked for (docs/decisions, 0011)."""
        ...

    def on_order(self, event: OrderReport | AlgoReport) -> None:
        """The venue reported an order in a scope of the strategy, whoever placed it."""
        ...
