"""A process may die at every boundary between it and the world, and the next one puts everything right."""

import os

import pytest

from backstay.simulation import world
from backstay.simulation.case import draw_case
from backstay.simulation.crash_points import POINTS
from backstay.simulation.play import play
from backstay.simulation.run import jobs_of, simulate
from backstay.simulation.setup import CRASHES, LIST_CRASHES, SPOT_CRASHES
from backstay.simulation.spot_points import LIST_POINTS, SPOT_POINTS

SITUATIONS = 20
TRIES = 100
SLICE = 46


LISTS = {CRASHES: POINTS, SPOT_CRASHES: SPOT_POINTS, LIST_CRASHES: LIST_POINTS}


def every_point():
    for scenario, points in LISTS.items():
        for number, point in enumerate(points):
            yield pytest.param(scenario, points, number, id=f"{scenario}: {point.name}")


def test_the_list_is_long_and_names_each_point_once():
    assert len({p.name for p in POINTS}) == len(POINTS) >= 100
    assert len({p.name for p in SPOT_POINTS}) == len(SPOT_POINTS) >= 80
    assert len({p.name for p in LIST_POINTS}) == len(LIST_POINTS) >= 40


@pytest.mark.parametrize(
    ("scenario", "points"),
    [("mixed", POINTS), ("network", POINTS), ("spot", SPOT_POINTS), ("spot_network", SPOT_POINTS)],
)
def test_no_run_crosses_a_boundary_that_is_not_in_the_list(monkeypatch, scenario, points):
    crossed = {}
    make = world.World._machine

    def counting(self):
        machine = make(self)
        machine.census = crossed
        return machine

    monkeypatch.setattr(world.World, "_machine", counting)
    for seed in range(12):
        play(draw_case(seed, scenario, 2.0))
    names = {f"{when} {boundary}" for when, boundary in crossed}
    assert len(names) > 60
    known = {p.name for p in points}
    assert names <= known, names - known


def test_every_third_point_is_survived():
    """Each run of the suite takes the same third of the list; all of it, twenty times over, is a long run."""
    report = simulate(jobs_of(range(0, len(POINTS), 3), CRASHES, 1.0))
    assert report.violations == 0, (report.failing_seeds, report.observers)
    assert len(report.aimed_at) > SLICE * 0.6


@pytest.mark.parametrize(("scenario", "points"), [(SPOT_CRASHES, SPOT_POINTS), (LIST_CRASHES, LIST_POINTS)])
def test_every_third_point_of_spot_is_survived(scenario, points):
    seeds = range(0, len(points), 3)
    report = simulate(jobs_of(seeds, scenario, 1.0))
    assert report.violations == 0, (report.failing_seeds, report.observers)
    assert len(report.aimed_at) > len(seeds) * 0.6


@pytest.mark.skipif("BACKSTAY_LONG" not in os.environ, reason="minutes of simulation: set BACKSTAY_LONG=1")
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("scenario", "points", "point"), list(every_point()))
def test_a_point_is_survived_in_twenty_situations(scenario, points, point):
    hits = 0
    for turn in range(TRIES):
        outcome = play(draw_case(point + turn * len(points), scenario, 1.0))
        assert not outcome.violations, (outcome.seed, outcome.violations)
        hits += len(outcome.hits)
        if hits >= SITUATIONS:
            return
    pytest.fail(f"{points[point].name} was deadly {hits} times in {TRIES} runs")
