"""Missing protection that nothing will repair: for a person to look at (`backstay.core.reviews`)."""

from collections.abc import Sequence
from decimal import Decimal

from backstay.core.blocks import blocked
from backstay.core.filters import TOO_SMALL
from backstay.core.placement import held_back
from backstay.core.slots import Slot, Unplaceable
from backstay.core.state import ScopeState
from backstay.core.types import Role, TimeNs


def unrepaired(
    s: ScopeState,
    slots: Sequence[Slot],
    unplaceable: Sequence[Unplaceable],
    now: TimeNs,
    retry_cancelled: bool,
    sellable: Decimal | None,
) -> str:
    """Why a naked position at rest gets no stop although one is wanted; empty: it is not for a person.

    `retry_cancelled`, `sellable`: as in `joining.Field`.
    """
    if not s.naked_since or s.lots is not None:
        return ""
    for missing in unplaceable:
        # What is left of a holding on spot and too small to be sold is dust, not a position in danger.
        if missing.key.role is Role.SL and (sellable is None or missing.reason not in TOO_SMALL):
            return f"its stop is missing, and cannot be placed ({missing.reason})"
    for slot in slots:
        if slot.key.role is not Role.SL:
            continue
        if held_back(s, slot, (), 0, retry_cancelled, now):
            return "its stop was cancelled by somebody else, and is not replaced"
        if blocked(s, slot, now, for_good=True):
            return "its stop is missing, and refused"
    return ""
