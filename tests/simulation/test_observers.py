"""The observers see: every deliberately broken variant of the product is noticed, and by the right one."""

import os

import pytest

from backstay.simulation.case import draw_case
from backstay.simulation.observers.every import ALL, GUARD, SCORED, SPOT
from backstay.simulation.play import play

from tests.simulation.guard_mutants import forgets_the_take_profit
from tests.simulation.mutants import case_of
from tests.simulation.scored_mutants import MUTANTS

LONG = "BACKSTAY_LONG" in os.environ


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.name)
def test_a_broken_variant_is_noticed(mutant, monkeypatch):
    if mutant.slow and not LONG:
        pytest.skip("seconds of simulation for this one: set BACKSTAY_LONG=1 to run it")
    mutant.apply(monkeypatch)
    others = set()
    for seed in mutant.seeds:
        outcome = play(case_of(mutant, seed))
        seen = {v.observer for v in outcome.violations}
        if seen & mutant.noticed_by:
            return
        others |= seen
    pytest.fail(f"{mutant.name} was not noticed by {set(mutant.noticed_by)} (but by {others or 'nobody'})")


def test_what_a_broken_variant_remembers_goes_with_it(monkeypatch):
    case = draw_case(3, "spot_guard", 1.0)
    with monkeypatch.context() as patch:
        forgets_the_take_profit(patch)
        broken = play(case)
    whole = play(case)
    assert broken.violations
    assert not whole.violations


def test_there_are_enough_broken_variants():
    assert len(MUTANTS) >= 25
    assert sum(not m.slow for m in MUTANTS) >= 25


def test_every_observer_has_caught_a_mutant_of_its_own():
    named = set().union(*(m.noticed_by for m in MUTANTS))
    assert {o.name for o in (*ALL, *SPOT, *GUARD, *SCORED)} == named


def test_names_are_distinct_and_said_in_words():
    for observers in (ALL, SPOT, GUARD, SCORED):
        assert len({o.name for o in observers}) == len(observers)
        assert all(o.words for o in observers)
