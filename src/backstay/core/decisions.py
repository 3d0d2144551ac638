"""What one pass decides: at most one action family, its intents, and the reason."""

from decimal import Decimal

import msgspec

from backstay.core.contexts import Premise
from backstay.core.slots import Slot, SlotKey, Watch
from backstay.core.types import Action, Family, Scope, Surface, TimeNs


class Intent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One mutation that the planner asks for. It carries no custom id: dice are not core's.

    place: `slot` and `generation`. amend: `slot` and `target`. cancel: `target`.
    """

    action: Action
    key: SlotKey
    premise: Premise
    slot: Slot | None = None
    generation: int = 0
    target: str = ""
    """Custom id of the app-owned order to amend or cancel."""
    surface: Surface = Surface.REGULAR
    new_total: Decimal | None = None
    """amend: the order's new total quantity (executed + wanted remainder)."""
    reason: str = ""
    blind: bool = False
    """The one place that may leave while its scope is in recovery: a close-position stop in the stead of an
    accepted one that cannot be found; the venue itself refuses a second one (X-3)."""
    protects: tuple[Slot, ...] = ()
    """Place of an exposure order: the protection that its fill will need, to be pre-armed."""


class Act(msgspec.Struct, frozen=True, tag="act", omit_defaults=True, gc=False):
    family: Family
    intents: tuple[Intent, ...]
    reason: str


class Wait(msgspec.Struct, frozen=True, tag="wait", omit_defaults=True, gc=False):
    """Nothing to do yet. `until` is a wake-up time, or None when only evidence can end the wait."""

    reason: str
    until: TimeNs | None = None
    look: tuple[str, ...] = ()
    """Custom ids of stops that nothing has reported in time: each is to be asked for once, meanwhile."""


class Recover(msgspec.Struct, frozen=True, tag="recover", omit_defaults=True, gc=False):
    reasons: tuple[str, ...]
    until: TimeNs | None = None
    """Not before this time (backoff); None: now."""


class Converged(msgspec.Struct, frozen=True, tag="converged", omit_defaults=True, gc=False):
    notes: tuple[str, ...] = ()
    """Steps skipped, suspended or waived, with their reasons."""


type Decision = Act | Wait | Recover | Converged


class Approved(msgspec.Struct, frozen=True, gc=False):
    """An intent that passed the gate. The executor accepts nothing else."""

    scope: Scope
    family: Family
    intent: Intent


class Refused(msgspec.Struct, frozen=True, gc=False):
    """An intent that the gate stopped, the gate's name and its reason."""

    scope: Scope
    family: Family
    intent: Intent
    gate: str
    reason: str


class Plan(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The whole answer of `decide` for one scope: the decision, what passed the gate, what to watch."""

    scope: Scope
    decision: Decision
    approved: tuple[Approved, ...] = ()
    refused: tuple[Refused, ...] = ()
    watches: tuple[Watch, ...] = ()
    wake_at: TimeNs | None = None
    """Local time at which the scope wants another pass although no evidence comes."""
    book: bool = False
    """The strategy wants to see the order book (`Wanted.book`)."""
    protects: bool = True
    """A stop is wanted for the position that is held; without one nobody is alarmed (I-37)."""
