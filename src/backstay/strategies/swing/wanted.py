"""The swing strategy's whole answer for a spot scope: the SELLs that are due now, and nothing else.

A SELL that rests is not wanted again: it is hands off, and the planner leaves it alone. So an answer names
only lots without an order, at most `BATCH` of them, the nearest targets first; the next pass names the next.
"""

from bisect import bisect_right
from decimal import Decimal
from itertools import islice

from backstay.core.lots import Mark
from backstay.core.slots import Slot, Watch, WatchSide
from backstay.core.types import ZERO, TimeNs
from backstay.core.view import LotsView, PositionView
from backstay.strategies.by_lot import (
    BATCH,
    FULL,
    NAMED_MOST,
    awaited,
    closing,
    few,
    held,
    room,
    sell_slot,
    taken,
)
from backstay.strategies.interface import Wanted
from backstay.strategies.swing.index import Index, index
from backstay.strategies.swing.merging import merged
from backstay.strategies.swing.offers import rules_of
from backstay.strategies.swing.policy import SellWhen, SwingPolicy

NO_LOT = 1 << 63
"""Above every trade id."""


class Swing:
    """`backstay.strategies.interface.Strategy` over `SwingPolicy`; it has no state."""

    name = "swing"

    def wanted(self, view: PositionView, policy: SwingPolicy, now: TimeNs) -> Wanted:
        return wanted(view, policy, now)


def wanted(view: PositionView, policy: SwingPolicy, now: TimeNs) -> Wanted:
    """What should be placed in the view's scope at `now` (ns)."""
    facts = view.lots
    if facts is None:
        return Wanted(unknown="swing sells lots, which only spot has")
    if not view.instrument.tick or not view.instrument.step:
        return Wanted(unknown=f"the filters of {view.instrument.symbol} are not known")
    rules = rules_of(view, policy)
    offers = index(facts.lots, rules)
    notes: list[str] = []
    slots = closing(facts, view.instrument.step)
    watches = awaited(view, slots)
    hold = held(view, facts)
    if hold:
        notes.append(hold)
    else:
        due, nearest = _due(view, facts, policy, offers, notes)
        slots.extend(due)
        watches += nearest
        if policy.merge_unsellable:
            groups, lowest = merged(facts, offers, rules, _reached(view, policy), taken(facts))
            slots.extend(groups)
            if lowest is not None:
                watches += (Watch(WatchSide.AT_OR_ABOVE, lowest),)
    notes.extend(_unsellable(facts, offers))
    notes.extend(_flagged(facts))
    old, wake_at = _aged(offers, policy, now)
    notes.extend(old)
    if facts.lots.unserved:
        notes.append(UNSERVED)
    return Wanted(slots=tuple(slots), watches=watches, wake_at=wake_at, notes=tuple(notes))


UNSERVED = (
    "the venue no longer served all trades since the last one that is known: lots may be missing; compare "
    "with the exchange, then acknowledge"
)


def _reached(view: PositionView, policy: SwingPolicy) -> Decimal | None:
    """Targets up to here are due; None: all are."""
    if policy.sell_when is SellWhen.FILL:
        return None
    return view.mark if view.mark is not None else ZERO


def _due(
    view: PositionView, facts: LotsView, policy: SwingPolicy, offers: Index, notes: list[str]
) -> tuple[list[Slot], tuple[Watch, ...]]:
    """The SELLs of the nearest targets that are due, and the price at which the next one is."""
    space = room(view, facts, policy.max_resting)
    reached = _reached(view, policy)
    busy = taken(facts)
    slots: list[Slot] = []
    for target, name in offers.due:
        if name in busy:
            continue
        if reached is not None and target > reached:
            return slots, (Watch(WatchSide.AT_OR_ABOVE, target),)
        if len(slots) >= space:
            if space < BATCH:
                notes.append(FULL)
            break
        slots.append(sell_slot((name,), target, offers.offers[name].quantity))
    return slots, ()


def _unsellable(facts: LotsView, offers: Index) -> list[str]:
    """The lots that cannot be sold, with the reason."""
    free = (name for name in offers.unsellable if name not in facts.selling)
    named = [
        f"lot {name}: unsellable ({offers.offers[name].reason})" for name in islice(free, NAMED_MOST + 1)
    ]
    return few(named, "and further unsellable lots")


def _flagged(facts: LotsView) -> list[str]:
    words = {
        Mark.CANCELLED: "its SELL was cancelled by its owner; acknowledge to place it again",
        Mark.EXPIRED: "the venue ended its SELL; acknowledge to place it again",
        Mark.CLOSING: "is being closed",
    }
    named = [f"lot {name}: {words[flag.mark]}" for name, flag in sorted(facts.lots.flags.items())]
    return few(named, "and further flagged lots")


def _aged(offers: Index, policy: SwingPolicy, now: TimeNs) -> tuple[list[str], TimeNs | None]:
    """Lots that have waited for too long, and when the next one will have."""
    if policy.age_alert is None:
        return [], None
    ages = offers.ages
    old = bisect_right(ages, (now - policy.age_alert, NO_LOT))
    wake_at = ages[old][0] + policy.age_alert if old < len(ages) else None
    named = [f"lot {name}: old" for _, name in ages[: min(old, NAMED_MOST + 1)]]
    return few(named, "and further old lots"), wake_at
