"""The cases of the comparison are readable by the venue, short, and each is known by its name."""

import sys
from pathlib import Path

import pytest

from backstay.simulator.server.faults import FaultPlan

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench" / "peers"))

from cases import BY_NAME, CASES, QUICK

CLIENT_ACTS = {"kill", "start", "wait", "asked", "flat"}
ACTS = CLIENT_ACTS | {"faults", "clear", "price", "human", "cancel_stops", "close"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_venue_understands_every_fault(case):
    rules = [*case.before, *(r for act in case.acts if act[0] == "faults" for r in act[1])]
    plan = FaultPlan.of({"rules": rules}, case.name)
    assert len(plan.rules) == len(rules)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_case_is_short_known_and_says_who_reported_it(case):
    waits = sum(act[1] for act in case.acts if act[0] == "wait")
    assert {act[0] for act in case.acts} <= ACTS
    assert case.watch_s + waits <= 60
    assert case.seen


def test_names_are_used_once_and_the_quick_ones_exist():
    assert len(BY_NAME) == len(CASES)
    assert set(QUICK) <= set(BY_NAME)
