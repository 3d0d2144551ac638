"""Every fixture of this folder, by the core and by the wire; and that a bad one is told what is wrong."""

import json

import msgspec
import pytest

from tests.conformance.case import FOLDER, FixtureError, load
from tests.conformance.runner import run

FILES = sorted(FOLDER.glob("*.json"))
CASES = {path.stem: load(path) for path in FILES}
REFUSALS = (
    *("-5027", "-2011", "-2013", "-2019", "-2027", "-4164", "-4023", "-1111", "-4120", "-2021", "-2022"),
    *("-4509", "-4130", "-4116", "-4118", "-2025", "-4045", "-4061", "-1106", "-5022", "-5026", "-5028"),
    *("-1008", "-1003", "418", "-2015", "-2023", "-4400", "-1007", "-1006", "503", "-1000", "unclassified"),
)
"""Of each row of 8.1 that an order can meet, at least one code. -1021 is R-25; the rest share a row."""
GOOD = {"id": "R-1", "title": "a good one", "steps": [{"wait_ms": 1}]}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("way", ["core", "wire"])
def test_the_case_holds(name, way):
    case = CASES[name]
    why_not = case.not_by_core if way == "core" else case.not_by_wire
    if why_not:
        pytest.skip(why_not)
    run(case, way)


@pytest.mark.parametrize("race", [f"R-{n}" for n in range(1, 30)])
def test_every_race_has_a_case(race):
    assert race in {case.id for case in CASES.values()}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_every_row_of_the_classifier_has_a_case(refusal):
    assert {f"8.1 {refusal}", f"8.2 {refusal}"} & {case.id for case in CASES.values()}


def test_no_case_is_left_out_of_both_ways():
    assert not [name for name, case in CASES.items() if case.not_by_core and case.not_by_wire]


@pytest.mark.parametrize("way", ["core", "wire"])
@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"resting": {}}, "resting is"),
        ({"asked": []}, "asked is"),
        ({"asked": [{"place": "SL/0", "triggerPrice": "57001"}, {"place": "TP/0"}]}, "asked is"),
        ({"trust": "UNHYDRATED"}, "trust is"),
        ({"pending": []}, "pending is"),
        ({"gates": ["venue_halt"]}, "gates is"),
    ],
)
def test_a_case_that_does_not_hold_is_told(wrong, told, way):
    given = {"position": {"pa": "0.010", "ep": "60000"}}
    steps = [{"wait_ms": 300}, {"confirm": ["SL/0"]}, {"expect": wrong}]
    case = msgspec.convert({**GOOD, "given": given, "steps": steps}, type(next(iter(CASES.values()))))
    with pytest.raises(AssertionError, match=rf"R-1 by the {way}, step 3: {told}"):
        run(case, way)


@pytest.mark.parametrize("way", ["core", "wire"])
@pytest.mark.parametrize(
    ("forbidden", "told"),
    [
        ("reads", "forbidden reads"),
        ("distrust", "trust was lost"),
        ({"place": "SL/0"}, "asked for all the same"),
    ],
)
def test_a_forbidden_trace_is_told(forbidden, told, way):
    given = {"position": {"pa": "0.010", "ep": "60000"}, "orders": "resting"}
    gone = {"e": "ALGO_UPDATE", "o": {"X": "CANCELED"}}
    steps = [{"frame": gone, "of": "SL/0"}, {"stream": "lost"}, {"stream": "back"}, {"wait_ms": 3000}]
    words = {**GOOD, "given": given, "steps": steps, "forbid": [forbidden]}
    case = msgspec.convert(words, type(next(iter(CASES.values()))))
    with pytest.raises(AssertionError, match=told):
        run(case, way)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"step": []}, "unknown field `step`"),
        ({"steps": [{}]}, r"exactly one of .* says none"),
        ({"steps": [{"wait_ms": 5, "rest": True}]}, "exactly one of"),
        ({"steps": [{"answer": "accepted"}]}, "`answer` and `to` go together"),
        ({"steps": [{"rest": True, "of": "SL/0"}]}, "`of` goes with a frame"),
        ({"steps": [{"confirm": ["STOP"]}]}, "'STOP' names no order"),
        ({"steps": [{"stream": "gone"}]}, r"steps\[0\].stream"),
        ({"expect": {"resting": {"mine": {}}}}, "'mine' names no order"),
        ({"expect": {"asked": [{"price": "1"}]}}, "is no request"),
        ({"policy": {"stop_loss": {"distance": "5"}}}, "stop_loss.distance is 5"),
        ({"forbid": ["reading"]}, r"forbid\[0\]|Invalid"),
    ],
)
def test_a_bad_fixture_is_told_what_and_where(change, told, tmp_path):
    path = tmp_path / "bad.json"
    path.write_text(json.dumps({**GOOD, **change}))
    with pytest.raises(FixtureError, match=rf"(?s)bad\.json: .*{told}.*README"):
        load(path)


def test_a_fixture_that_is_no_json_is_told(tmp_path):
    path = tmp_path / "bad.json"
    path.write_text('{"id": "R-1",')
    with pytest.raises(FixtureError, match=r"bad\.json: "):
        load(path)
