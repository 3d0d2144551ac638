"""Runs of the scored trader as a reader would want to see them: what really happens in them."""

from collections import Counter

import pytest

from backstay.simulation.case import draw_case
from backstay.simulation.faults import Fault
from backstay.simulation.play import play
from backstay.simulation.scored_plans import ENTRY_BOUNDARIES

from tests.simulation.mutants import replace


def told(case):
    outcome = play(case, tell=True)
    assert not outcome.violations, outcome.violations
    return [text for _, text in outcome.story]


def count(lines, *words):
    return sum(all(word in line for word in words) for line in lines)


def test_entries_are_made_and_end_at_stops_at_targets_and_by_signal_or_time():
    seen = Counter()
    for seed in (0, 1, 3, 5, 6, 7):
        lines = told(draw_case(seed, "scored", 0.0))
        seen["entries"] += count(lines, "request POST /fapi/v1/order", "'quantity'") - count(
            lines, "request POST /fapi/v1/order", "'reduceOnly': 'true'"
        )
        seen["stops"] += count(lines, "ALGO_UPDATE /FINISHED", "STOP_MARKET")
        seen["targets"] += count(lines, "ALGO_UPDATE /FINISHED", "TAKE_PROFIT_MARKET")
        seen["exits"] += count(lines, "request POST /fapi/v1/order", "'reduceOnly': 'true'")
    assert seen["entries"] >= 20, seen
    assert min(seen["stops"], seen["targets"], seen["exits"]) >= 1, seen


@pytest.mark.parametrize("boundary", ENTRY_BOUNDARIES)
def test_a_death_between_an_entry_and_its_protection_leaves_nothing_bare(boundary):
    case = draw_case(0, "scored", 0.0)
    args = {"when": "after", "nth": 1, "power": True, "away_ms": 400}
    faults = tuple(
        Fault(kind="crash_at_entry", at_ms=at, args={"boundary": boundary, **args})
        for at in (5_000, 90_000, 200_000)
    )
    outcome = play(replace(case, faults=faults))
    assert not outcome.violations, outcome.violations
    assert len(outcome.crashes) >= 2
