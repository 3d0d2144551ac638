"""A process may die at every boundary between it and the world, and the next one puts everything right."""

import os

import msgspec
import pytest

from backstay.simulation import situations, world
from backstay.simulation.case import draw_case
from backstay.simulation.crash_points import POINTS
from backstay.simulation.play import play
from backstay.simulation.run import jobs_of, simulate
from backstay.simulation.setup import CRASHES, LIST_CRASHES, SPOT_CRASHES
from backstay.simulation.situations import LISTS, TRIES, play_situations, seeds_of
from backstay.simulation.spot_points import LIST_POINTS, SPOT_POINTS

SITUATIONS = 20
SLICE = 46


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


def test_points_that_are_seldom_crossed_are_given_more_seeds(monkeypatch):
    names = [p.name for p in POINTS]
    often, seldom, never = names[0], names[1], names[2]
    played = []
    calm = play(draw_case(0, "mixed", 0.0))

    def fake(jobs, _workers):
        for job in jobs:
            played.append(job.seed)
            turn, number = divmod(job.seed, len(POINTS))
            deadly = number > 2 or names[number] == often or (names[number] == seldom and turn % 3 == 2)
            yield job, (msgspec.structs.replace(calm, seed=job.seed, hits=[names[number]] * deadly), 0.0)

    monkeypatch.setattr(situations, "outcomes", fake)
    report = play_situations(CRASHES, 20)
    assert (report.aimed_at[often], report.aimed_at[seldom], report.aimed_at.get(never, 0)) == (20, 20, 0)
    assert len(played) == len(set(played)) == report.runs
    assert [sum(seed % len(POINTS) == n for seed in played) for n in range(4)] == [20, 60, TRIES, 20]


@pytest.mark.skipif("BACKSTAY_LONG" not in os.environ, reason="minutes of simulation: set BACKSTAY_LONG=1")
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("scenario", "points", "point"), list(every_point()))
def test_a_point_is_survived_in_twenty_situations(scenario, points, point):
    hits = 0
    for seed in seeds_of(point, points, range(TRIES)):
        outcome = play(draw_case(seed, scenario, 1.0))
        assert not outcome.violations, (outcome.seed, outcome.violations)
        hits += len(outcome.hits)
        if hits >= SITUATIONS:
            return
    pytest.fail(f"{points[point].name} was deadly {hits} times in {TRIES} runs")
