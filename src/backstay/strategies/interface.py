"""What every strategy offers: one pure question, answered completely.

The engine asks `wanted` whenever evidence or a timer touched a scope. The answer follows from the
arguments alone; a strategy keeps no state, so a restart needs no resume logic.
"""

from typing import Protocol

import msgspec

from backstay.core.slots import Slot, Watch
from backstay.core.types import TimeNs
from backstay.core.view import PositionView


class Wanted(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything that a strategy has to say about a scope right now.

    The last three fields carry what the planner must know of a policy, so that it needs no policy.
    """

    slots: tuple[Slot, ...] = ()
    """The orders that should exist, most urgent first. What is not here should not rest."""
    watches: tuple[Watch, ...] = ()
    """Mark prices at which to ask again."""
    wake_at: TimeNs | None = None
    """When to ask again even if nothing happens."""
    notes: tuple[str, ...] = ()
    """Steps skipped, suspended, capped or waived, with reasons. Stable words: no figures that move."""
    unknown: str = ""
    """Not empty: the facts do not suffice for an answer, and this is why. The slots are then meaningless,
    and everything that rests must stay as it is."""
    bridge: bool = True
    """Move a close_position stop under a temporary fixed_qty stop (7.4)."""
    repair_delay: TimeNs = 0
    """A take-profit may wait this long for further partial fills before it is amended (7.5)."""
    retry_cancelled: bool = True
    """A protective order that somebody else cancelled is placed again; False: pause the slot after two
    such cancels within ten minutes (R-10)."""


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
