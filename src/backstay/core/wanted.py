"""A strategy's whole answer for one scope: what should exist, when to ask again, and what to know.

The planner sees this and no policy; the strategy sees a `PositionView` and no orders.
"""

from typing import Any, Protocol

import msgspec

from backstay.core.slots import Slot, Watch
from backstay.core.types import TimeNs
from backstay.core.view import PositionView

DEFECT = "strategy defect: "
"""An `unknown` that begins so is a fault of the strategy's code, and people are told of it."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything that a strategy has to say about a scope right now.

    The fields after `notes` carry what the planner must know of a policy, so that it needs no policy.
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
    exit_reason: str = ""
    """Why there is an EXIT slot, for the record of the trade. Stable words; empty: it is not told."""
    bridge: bool = True
    """Move a close_position stop under a temporary fixed_qty stop (7.4)."""
    repair_delay: TimeNs = 0
    """A take-profit may wait this long for further partial fills before it is amended (7.5)."""
    retry_cancelled: bool = True
    """A protective order that somebody else cancelled is placed again; False: pause the slot after two
    such cancels within ten minutes (R-10)."""
    accept_external_stop: bool = False
    """A close-position stop of somebody else counts as the stop (-4130)."""
    book: bool = False
    """The top of the order book is wanted as evidence (`BookSeen`), now and while this stays so."""
    allow_waived: bool = False
    """A TP waived for a filter reason counts as confirmed protection (6.1)."""


NOTHING = Wanted()


class AnyStrategy(Protocol):
    """A strategy as the engine calls it; `backstay.strategies.interface` has the typed form."""

    @property
    def name(self) -> str: ...

    def wanted(self, view: PositionView, policy: Any, now: TimeNs) -> Wanted: ...
