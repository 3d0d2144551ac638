"""A bounded slice of the seeded simulation: all faults, every observer, the same every time."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from backstay.cli.main import execute
from backstay.simulation.case import draw_case
from backstay.simulation.corpus import read_corpus
from backstay.simulation.observers.base import Violation
from backstay.simulation.play import play
from backstay.simulation.run import jobs_of, jobs_of_corpus
from backstay.simulation.run import simulate as run
from backstay.simulation.setup import CRASHES, LIST_CRASHES, SCENARIOS, SPOT_CRASHES
from backstay.simulation.shrink import shrink
from backstay.simulation.story import tell

from tests.simulation.mutants import takes_any_order_for_the_wanted_one

CORPUS = Path(__file__).with_name("corpus.json")
STRIDE = 60
LONG = "BACKSTAY_LONG" in os.environ
SECONDS_MAX = {"mixed": 60, "spot": 60}
"""A busy machine plays fewer of them rather than hold everybody up."""
PRODUCTS = ["mixed", "spot", "spot_guard", "joint", "scored"]
"""A scenario of each stage that a run may be played on."""
SEVERAL = (0, 24)
"""Seeds with several symbols, 24 on every stage: what the order of a set decides shows there."""
OTHERS = [name for name in SCENARIOS if name not in {*SECONDS_MAX, CRASHES, SPOT_CRASHES, LIST_CRASHES}]
"""Without those whose every third seed test_crash_points.py plays."""


def simulated(capsys, *options: str) -> tuple[int, dict]:
    code = execute(["simulate", "--json", *options])
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("scenario", list(SECONDS_MAX))
def test_no_promise_breaks_over_a_slice_of_seeds_with_every_kind_of_fault(slice_of_seeds, scenario):
    began, kinds = time.monotonic(), set()
    for first in range(slice_of_seeds.start, slice_of_seeds.stop, STRIDE):
        seeds = range(first, min(first + STRIDE, slice_of_seeds.stop))
        report = run(jobs_of(seeds, scenario, 1.0))
        again = f"backstay simulate --seeds {seeds.start}:{seeds.stop} --scenario {scenario}"
        assert report.violations == 0, (again, report.failing_seeds, report.observers)
        kinds.update(report.faults)
        if (
            time.monotonic() - began > SECONDS_MAX[scenario]
            and slice_of_seeds.stop - slice_of_seeds.start <= 300
        ):
            break
    print(f"seeds {slice_of_seeds.start}:{seeds.stop}")
    assert len(kinds) >= 20


@pytest.mark.parametrize("scenario", OTHERS)
def test_no_promise_breaks_in_any_scenario(capsys, scenario):
    _, report = simulated(capsys, "--seeds", "0:12" if LONG else "0:4", "--scenario", scenario)
    assert report["violations"] == 0, (report["failing_seeds"], report["observers"])


@pytest.mark.parametrize("scenario", ["mixed", "spot", "spot_guard", "scored"])
def test_without_faults_nothing_is_ever_wrong(capsys, scenario):
    seeds = "0:40" if LONG else "0:12"
    _, report = simulated(capsys, "--seeds", seeds, "--fault-rate", "0", "--scenario", scenario)
    assert (report["violations"], report["faults_injected"]) == (0, 0), report["failing_seeds"]


@pytest.mark.timeout(900)
def test_what_failed_once_does_not_fail_again():
    report = run(jobs_of_corpus(read_corpus(CORPUS)))
    assert report.violations == 0, (report.failing_seeds, report.observers)
    assert report.runs >= 13


@pytest.mark.timeout(600)
def test_a_seed_tells_the_same_story_in_every_process():
    code = (
        "from backstay.simulation.case import draw_case\n"
        "from backstay.simulation.play import play\n"
        f"for scenario in {PRODUCTS}:\n"
        f"    print(scenario, *(play(draw_case(s, scenario, 2.0)).digest for s in {SEVERAL}))\n"
    )
    told = set()
    for salt in ("1", "2", "3"):
        env = {**os.environ, "PYTHONHASHSEED": salt, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=env, timeout=200
        )
        assert done.returncode == 0, done.stderr
        assert len(done.stdout.splitlines()) == len(PRODUCTS)
        told.add(done.stdout)
    assert len(told) == 1, told


@pytest.mark.parametrize("scenario", PRODUCTS)
def test_telling_a_story_changes_nothing(scenario):
    case = draw_case(3, scenario, 1.0)
    silent, told = play(case), play(case, tell=True)
    assert silent.digest == told.digest
    assert told.story and not silent.story


def test_a_failing_case_is_reduced_to_the_faults_that_matter():
    case = draw_case(86, "mixed", 1.0)
    assert len(case.faults) > 5
    needed = case.faults[2]

    def fails_with_one(candidate):
        outcome = play(msgspec.structs.replace(candidate, acts=(), faults=()))
        if needed in candidate.faults and candidate.acts:
            outcome.violations = [Violation("x", 1, "y")]
        return outcome

    found = shrink(case, run=fails_with_one)
    assert found.case.faults == (needed,)
    assert len(found.case.acts) == 1
    assert found.bound == ""
    assert any("every promise held" in line for line in tell(found.case))


def always_broken(case):
    outcome = play(msgspec.structs.replace(case, acts=(), faults=()))
    outcome.violations = [Violation("x", 1, "y")]
    return outcome


@pytest.mark.parametrize(
    ("bounds", "runs", "said"),
    [({"runs_max": 4}, 4, "4 runs"), ({"seconds_max": 5}, 3, "5 s")],
)
def test_a_reduction_ends_at_its_bound_and_says_so(bounds, runs, said):
    case = draw_case(86, "mixed", 1.0)
    seconds = iter(range(0, 1000, 2))
    found = shrink(case, run=always_broken, now=lambda: next(seconds), **bounds)
    assert (found.runs, found.bound) == (runs, said)
    assert len(found.case.faults) < len(case.faults)


def test_a_failing_seed_and_its_promise_are_told_at_once(capsys, monkeypatch):
    heard = []

    def reduced(case, **_):
        heard.append(capsys.readouterr())

    monkeypatch.setattr("backstay.simulation.shrink.shrink", reduced)
    takes_any_order_for_the_wanted_one(monkeypatch)
    options = ("--seeds", "0:4", "--fault-rate", "0", "--jobs", "1")
    code, report = simulated(capsys, *options)
    assert code == 1
    failed = report["failing_seeds"]
    assert failed and report["broken_by"].keys() == report["observers"].keys()
    assert {s for seeds in report["broken_by"].values() for s in seeds} == set(failed)
    assert {k: len(v) for k, v in report["broken_by"].items()} == report["observers"]

    assert execute(["simulate", *options]) == 1
    (before,) = heard
    for seed in failed:
        broke = [name for name, seeds in report["broken_by"].items() if seed in seeds]
        (line,) = [text for text in before.err.splitlines() if f" seed {seed} broke " in text]
        assert all(name in line for name in broke)
    assert f"seed {failed[0]} is being reduced" in before.err
    for name, seeds in report["broken_by"].items():
        (row,) = [text for text in before.out.splitlines() if text.startswith(f"{name} ")]
        assert ", ".join(str(s) for s in seeds[:5]) in row


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--seeds", "5:5"), "5:5"),
        (("--seeds", "a:b"), "A:B"),
        (("--scenario", "sunny"), "mixed"),
        (("--fault-rate", "-1"), "--fault-rate"),
        (("--jobs", "-2"), "--jobs"),
        (("--corpus", "nowhere.json"), "nowhere.json"),
        (("--plan", "nowhere.json"), "nowhere.json"),
    ],
)
def test_bad_input_is_one_clear_error(capsys, options, says):
    assert execute(["simulate", *options]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[{"kind": "locusts", "at_ms": 1}]', "locusts"),
        ("{", "plan.json"),
        ('[{"seed": 1}]', "kind"),
        ('[{"kind": "crash", "at_ms": 1}]', "'boundary'"),
        ('[{"kind": "cut", "at_ms": 1}]', "'surface'"),
        ('[{"kind": "cut", "at_ms": 1, "args": {"surface": "moon"}}]', "moon"),
        ('[{"kind": "throttled", "at_ms": 1, "args": {"retry_after": "soon"}}]', "soon"),
        ('[{"kind": "disk_error", "at_ms": 1, "args": {"verb": "read"}}]', "one of write, sync"),
        ('[{"kind": "clock_drift", "at_ms": 1, "args": {"ppm": "fast"}}]', "fast"),
        ('[{"kind": "unplugged", "at_ms": -1}]', "-1"),
    ],
)
def test_a_plan_with_an_unknown_or_impossible_fault_names_it(capsys, tmp_path, text, says):
    plan = tmp_path / "plan.json"
    plan.write_text(text)
    assert execute(["simulate", "--seeds", "1", "--plan", str(plan)]) == 2
    assert says in capsys.readouterr().err


def test_an_unreadable_corpus_is_a_usage_error(capsys, tmp_path):
    corpus = tmp_path / "corpus.json"
    corpus.write_text('[{"seed": "x"}]')
    assert execute(["simulate", "--corpus", str(corpus)]) == 2
    assert "corpus.json" in capsys.readouterr().err
