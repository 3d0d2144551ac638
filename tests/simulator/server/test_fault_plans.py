"""Fault plans as data: how they are written, and what an unreadable one is told."""

import pytest

from backstay.simulator.server.faults import EFFECTS, FaultPlan, FaultPlanError


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        ({"rule": []}, ["unknown field 'rule'", "rules"]),
        ([{"effect": "dropp"}], ["rule 1", "'dropp'", "'drop'"]),
        ([{"match": {"surfce": "rest"}, "effect": "drop"}], ["'surfce'", "'surface'"]),
        ([{"match": {"surface": "rst"}, "effect": "drop"}], ["'rst'", "'rest'"]),
        ([{"effect": {"delay": {"msec": 5}}}], ["effect delay", "'msec'", "'ms'"]),
        ([{"effect": "delay"}], ["effect delay needs ms"]),
        ([{"effect": {"delay": {"ms": "long"}}}], ["'long' is not a number from 0"]),
        ([{"match": {"nth": 0}, "effect": "drop"}], ["nth", "above 0"]),
        ([{"match": {"probability": 2}, "effect": "drop"}], ["probability", "0 to 1"]),
        ([{}], ["effect is missing"]),
        ([{"match": {"event": "X"}, "effect": "timeout_before"}], ["cannot follow", "request"]),
        (["drop"], ["a mapping is wanted"]),
        ([{"effect": {"drop": {}, "delay": {}}}], ["name or {name"]),
    ],
)
def test_an_unreadable_plan_names_the_place_and_the_nearest_word(plan, words):
    with pytest.raises(FaultPlanError) as caught:
        FaultPlan.of(plan, "plan.yaml")
    for word in ["plan.yaml", *words]:
        assert word in str(caught.value)


def test_yaml_and_json_are_read_alike():
    yaml_text = (
        "rules:\n- match: {surface: rest, nth: [1, 3]}\n  effect: {error: {code: -1001}}\n- effect: -1007\n"
    )
    plan = FaultPlan.parse(yaml_text)
    assert plan.rules[0].match.nth == (1, 3)
    assert plan.rules[0].effect.args == {
        "code": -1001,
        "msg": "Injected fault.",
        "status": 400,
        "executed": False,
    }
    assert plan.rules[1].effect.kind == "-1007"
    json_text = (
        '{"rules": [{"match": {"surface": "rest", "nth": [1, 3]}, "effect": {"error": {"code": -1001}}}, '
        '{"effect": -1007}]}'
    )
    assert FaultPlan.parse(json_text) == plan
    assert FaultPlan.parse("") == FaultPlan()
    with pytest.raises(FaultPlanError, match="neither YAML nor JSON"):
        FaultPlan.parse("rules: [}")


def test_every_effect_can_be_written_in_a_plan():
    arguments = {
        "delay": {"ms": 1},
        "error": {"code": -1},
        "visibility_lag": {"ms": 1},
        "slippage": {"rate": "0.01"},
        "pending_modify": {"ms": 1},
        "clock_skew": {"ms": -5},
    }
    for kind in EFFECTS:
        plan = FaultPlan.of([{"effect": {kind: arguments.get(kind, {})}}])
        assert [rule.effect.kind for rule in plan.rules] == [kind]
