"""Lots below the venue's minimum, sold together (`merge_unsellable`)."""

from collections.abc import Collection
from decimal import Decimal

from backstay.core.filters import conform
from backstay.core.lots import get
from backstay.core.slots import Slot
from backstay.core.types import ZERO
from backstay.core.view import LotsView
from backstay.strategies.by_lot import sell_slot
from backstay.strategies.swing.index import Index
from backstay.strategies.swing.offers import TOO_SMALL, Rules

LOTS_MOST = 64
"""Lots in one merged SELL."""


def merged(
    facts: LotsView,
    offers: Index,
    rules: Rules,
    reached: Decimal | None,
    taken: Collection[int],
) -> tuple[list[Slot], Decimal | None]:
    """The merged SELLs that are due, and the lowest price at which another one is.

    The oldest small lots go first. A group is as small as the minimum lets it be and is sold at the highest
    target among its lots, so that each of them nets its profit. `reached` None: every target is due.
    """
    small = [(name, offers.offers[name]) for name in offers.unsellable if name not in taken]
    slots: list[Slot] = []
    lowest: Decimal | None = None
    names: list[int] = []
    total, highest = ZERO, ZERO
    for name, offer in small:
        lot = get(facts.lots, name)
        if lot is None or not lot.left or offer.reason not in TOO_SMALL:
            continue
        names.append(name)
        total += lot.left
        highest = max(highest, offer.target)
        fit = conform(sell_slot(tuple(names), highest, total), rules.instrument, mark=None)
        if not isinstance(fit, Slot) or len(names) > LOTS_MOST:
            if len(names) > LOTS_MOST:
                names, total, highest = [], ZERO, ZERO
            continue
        value = (fit.quantity or ZERO) * highest
        if rules.max_sell_value is None or value <= rules.max_sell_value:
            if reached is None or highest <= reached:
                slots.append(fit)
            else:
                lowest = highest if lowest is None else min(lowest, highest)
        names, total, highest = [], ZERO, ZERO
    return slots, lowest
