"""Deliberately broken variants of what guards spot holdings, each with the observers that have to notice."""

from decimal import Decimal

from backstay.core import joining, lists
from backstay.core.lot_book import Book
from backstay.core.placement import place
from backstay.strategies.position_manager import spot

from tests.simulation.mutants import keeps_its_alarms_to_itself, replace
from tests.simulation.spot_mutants import MUTANTS, fault, mutant

__all__ = ["MUTANTS"]
"""Those of every product."""


def refused_keys(setup):
    return (fault("keys_revoked", setup.duration_ms // 4, 40_000),)


@mutant("naked", scenario="spot_guard")
def guards_a_holding_by_its_take_profit_alone(patch):
    original = spot._composed

    def composed(view, stop, target, refused):
        return original(view, stop if target is None else None, target, refused)

    patch.setattr(spot, "_composed", composed)


@mutant("naked", scenario="spot_guard", plan=refused_keys)
def tells_nobody_of_a_naked_holding(patch):
    keeps_its_alarms_to_itself(patch)


@mutant("one_unit", scenario="spot_guard", seeds=range(2, 42))
def guards_what_was_added_by_a_list_of_its_own(patch):
    original = lists.change

    def change(s, slot, working, generation, repair_delay, now):
        standing = [c for held in working.values() for c in held if c.key == slot.key]
        covered = sum((c.slot.quantity or Decimal(0) for c in standing), Decimal(0))
        more = (slot.quantity or Decimal(0)) - covered
        if not standing or more <= 0 or slot.leg is None:
            return original(s, slot, working, generation, repair_delay, now)
        return place(
            s, replace(slot, quantity=more, leg=replace(slot.leg, quantity=more)), generation, "added"
        )

    patch.setattr(lists, "change", change)


@mutant("within", scenario="spot_guard")
def offers_the_commission_too(patch):
    original = Book._bought
    patch.setattr(Book, "_bought", lambda self, trade, base: original(self, trade, "nothing"))


@mutant("converges", "naked", scenario="spot_guard")
def does_not_cover_what_was_added(patch):
    original = joining.equal

    def equal(slot, ctx, row):
        return original(replace(slot, quantity=ctx.slot.quantity), ctx, row)

    patch.setattr(joining, "equal", equal)


@mutant("converges", scenario="spot_guard")
def forgets_the_take_profit(patch):
    patch.setattr(spot, "_target", lambda view, policy, f, quantity: None)
