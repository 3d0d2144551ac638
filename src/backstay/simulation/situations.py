"""Every point of a list of crash points, killed until that was done in enough different situations.

A situation counts when the process did die at the point. Some are crossed in every run, others in one of
four: those are given more seeds, never fewer situations.
"""

import os
from collections.abc import Sequence

from backstay.simulation.crash_points import POINTS, Point
from backstay.simulation.run import Report, Tally, jobs_of, outcomes
from backstay.simulation.setup import CRASHES, LIST_CRASHES, SPOT_CRASHES
from backstay.simulation.spot_points import LIST_POINTS, SPOT_POINTS

LISTS = {CRASHES: POINTS, SPOT_CRASHES: SPOT_POINTS, LIST_CRASHES: LIST_POINTS}
"""By scenario that kills the process at the points of a list."""
TRIES = 100
"""So many seeds of a point at most."""
MORE = 10
"""So many at once for those that have not had enough."""


def seeds_of(point: int, points: Sequence[Point], turns: range) -> list[int]:
    """The seeds that aim at point number `point` of the list."""
    return [point + turn * len(points) for turn in turns]


def play_situations(scenario: str, wanted: int, *, workers: int = 0) -> Report:
    """Play until each point of the scenario's list was deadly `wanted` times, or had `TRIES` seeds."""
    points, tally = LISTS[scenario], Tally()
    turns = range(min(wanted, TRIES))
    lacking = list(range(len(points)))
    while lacking and turns:
        seeds = sorted(seed for number in lacking for seed in seeds_of(number, points, turns))
        for _, (outcome, cpu_s) in outcomes(jobs_of(seeds, scenario, 1.0), workers or os.cpu_count() or 1):
            tally.add(outcome, cpu_s)
        lacking = [number for number in lacking if tally.aimed_at[points[number].name] < wanted]
        turns = range(turns.stop, min(turns.stop + MORE, TRIES))
    return tally.report()
