"""A bounded slice of the seeded simulation: all faults, every observer, the same every time."""

import json

from backstay.cli.main import execute


def simulated(capsys, *options: str) -> tuple[int, dict]:
    code = execute(["simulate", "--json", *options])
    return code, json.loads(capsys.readouterr().out)


def test_no_promise_breaks_over_a_slice_of_seeds_with_every_kind_of_fault(capsys):
    code, report = simulated(capsys, "--seeds", "0:40")
    assert report["violations"] == 0, report["failing_seeds"]
    assert code == 0
    assert report["runs"] == 40
    assert len(report["faults"]) >= 20


def test_without_faults_nothing_is_ever_wrong(capsys):
    _, report = simulated(capsys, "--seeds", "0:20", "--fault-rate", "0")
    assert (report["violations"], report["faults_injected"]) == (0, 0)


def test_an_empty_range_of_seeds_is_a_usage_error(capsys):
    assert execute(["simulate", "--seeds", "5:5"]) == 2
    assert "5:5" in capsys.readouterr().err
