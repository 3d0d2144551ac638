"""The offers of all lots of a symbol in the order in which they come due, kept up to date lot by lot.

A function of the lots and the rules alone: whatever two states of the lots follow each other, the index goes
from one to the other by what differs between them. So a fill costs the lots that it changed, not all of them,
and an answer depends on no history (a test holds every index against one made from nothing).
"""

from bisect import bisect_left, insort
from decimal import Decimal

from backstay.core.lots import NONE, Lot, Lots, diff, every
from backstay.core.types import TimeNs
from backstay.strategies.swing.offers import Offer, Rules, offer

REBUILT = 512
"""More changed lots than this, and everything is sorted anew."""
REMEMBERED = 64
"""Symbols (with their rules) whose index is kept."""


class Index:
    """Sorted views of one symbol's open lots; `follow` brings them to another state."""

    __slots__ = ("_lots", "_rules", "ages", "due", "offers", "unsellable")

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._lots = NONE
        self.offers: dict[int, Offer] = {}
        """By lot."""
        self.due: list[tuple[Decimal, int]] = []
        """(target, lot) of what can be sold, cheapest target first."""
        self.unsellable: list[int] = []
        """Lots that cannot be sold, oldest first."""
        self.ages: list[tuple[TimeNs, int]] = []
        """(bought at, lot), oldest first."""

    def follow(self, lots: Lots) -> None:
        if lots is self._lots or lots.buckets is self._lots.buckets:
            self._lots = lots
            return
        changes = list(diff(self._lots, lots))
        self._lots = lots
        if len(changes) > REBUILT:
            self._rebuild(lots)
            return
        for old, new in changes:
            if old is not None:
                self._remove(old)
            if new is not None:
                self._add(new)

    def _add(self, lot: Lot) -> None:
        made = self.offers[lot.trade_id] = offer(lot, self._rules)
        insort(self.ages, (lot.at, lot.trade_id))
        if made.reason:
            insort(self.unsellable, lot.trade_id)
        else:
            insort(self.due, (made.target, lot.trade_id))

    def _remove(self, lot: Lot) -> None:
        made = self.offers.pop(lot.trade_id)
        del self.ages[bisect_left(self.ages, (lot.at, lot.trade_id))]
        if made.reason:
            del self.unsellable[bisect_left(self.unsellable, lot.trade_id)]
        else:
            del self.due[bisect_left(self.due, (made.target, lot.trade_id))]

    def _rebuild(self, lots: Lots) -> None:
        self.offers = {lot.trade_id: offer(lot, self._rules) for lot in every(lots)}
        self.due = sorted((x.target, x.trade_id) for x in self.offers.values() if not x.reason)
        self.unsellable = sorted(x.trade_id for x in self.offers.values() if x.reason)
        self.ages = sorted((lot.at, lot.trade_id) for lot in every(lots))


_INDEXES: dict[Rules, Index] = {}


def index(lots: Lots, rules: Rules) -> Index:
    """The index of these lots. Pure: what is remembered only saves the sorting."""
    found = _INDEXES.get(rules)
    if found is None:
        if len(_INDEXES) >= REMEMBERED:
            _INDEXES.clear()
        found = _INDEXES[rules] = Index(rules)
    found.follow(lots)
    return found
