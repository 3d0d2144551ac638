"""What every strategy offers: one pure question, answered completely.

The engine asks `wanted` whenever evidence or a timer touched a scope. The answer follows from the
arguments alone; a strategy keeps no state, so a restart needs no resume logic.
"""

from typing import Protocol

from backstay.core.slots import Slot
from backstay.core.types import TimeNs
from backstay.core.view import PositionView
from backstay.core.wanted import Wanted

__all__ = ["Policy", "Strategy", "Wanted", "desired"]


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
