"""Every rule of the specification that the product keeps has a test, or a case, that bears its id."""

import json
import re
from functools import cache

import pytest

from tests.tidy.source import ROOT

RULES = {
    "B": 1,  # the one exception from the burst wait
    "C": 2,  # convergence
    "D": 7,  # the DCA ladder
    "F": 5,  # forbidden traces
    "I": 38,  # invariants
    "O": 10,  # ordering of evidence
    "R": 29,  # races
    "S": 5,  # stops
    "T": 4,  # durable order, early confirmations, deadlines
    "X": 4,  # accepted, then not found
}
"""Family -> how many rules it has."""
LATER: dict[str, str] = {}
"""Rules that nothing keeps yet, and why."""
IN_A_NAME = re.compile(r"def test_((?:[bcdfiorstx]\d+_)+)")


def rules() -> list[str]:
    return [f"{family}-{n}" for family, count in RULES.items() for n in range(1, count + 1)]


@cache
def with_a_test() -> set[str]:
    found = set[str]()
    for path in (ROOT / "tests").rglob("test_*.py"):
        for names in IN_A_NAME.findall(path.read_text(encoding="utf-8")):
            found.update(f"{n[0].upper()}-{n[1:]}" for n in names.strip("_").split("_"))
    for path in (ROOT / "tests" / "conformance").glob("*.json"):
        found.add(json.loads(path.read_text(encoding="utf-8"))["id"])
    return found


@pytest.mark.parametrize("rule", rules())
def test_the_rule_has_a_test_with_its_id(rule):
    assert (rule in with_a_test()) is not (rule in LATER), LATER.get(rule, f"no test bears {rule}")


def test_what_is_left_for_later_are_rules_and_has_a_reason():
    assert set(LATER) <= set(rules())
    assert all(LATER.values())
