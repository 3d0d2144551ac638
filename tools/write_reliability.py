#!/usr/bin/env python3
"""Plays many seeds, crash situations and broken variants, and writes docs/reliability.md from what it saw."""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backstay.simulation.report import Restart

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reliability.md"


def main() -> None:
    """Everything is played, however long it takes; a page with a violation is written like any other."""
    from backstay.simulation.report import Figures, page
    from backstay.simulation.run import jobs_of, parse_seeds, simulate
    from backstay.simulation.setup import SCENARIOS
    from backstay.simulation.situations import LISTS, play_situations

    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--seeds", default="0:10000", help="of the scenario mixed")
    asked.add_argument("--others", type=int, default=500, help="seeds of each other scenario")
    asked.add_argument("--situations", type=int, default=20, help="in which each crash point is to be deadly")
    asked.add_argument("--jobs", type=int, default=0, help="processes; 0: one for each core")
    given = asked.parse_args()
    workers = given.jobs or os.cpu_count() or 1
    mixed = simulate(jobs_of(parse_seeds(given.seeds), "mixed", 1.0), workers=workers)
    others = {
        name: simulate(jobs_of(range(given.others), name, 1.0), workers=workers)
        for name in SCENARIOS
        if name not in {"mixed", *LISTS}
    }
    crashes = {name: play_situations(name, given.situations, workers=workers) for name in LISTS}
    figures = Figures(given.seeds, mixed, others, crashes, mutants(), restarts())
    PAGE.write_text(page(figures), encoding="utf-8")
    print(f"written: {PAGE.name}; {figures.violations} violations")
    sys.exit(1 if figures.violations else 0)


def restarts() -> "dict[str, Restart]":
    """The restarts of `bench/restart.py`."""
    sys.path.insert(0, str(ROOT))
    from bench.restart import CASES, measured

    return {name: measured(*case) for name, *case in CASES}


def mutants() -> dict[str, str]:
    """Each broken variant, and the observer that noticed it (empty: none did)."""
    sys.path.insert(0, str(ROOT))
    from multiprocessing import get_context

    from tests.simulation.scored_mutants import MUTANTS

    with get_context("fork").Pool(os.cpu_count(), maxtasksperchild=1) as pool:
        return dict(pool.map(_noticed, range(len(MUTANTS)), chunksize=1))


def _noticed(index: int) -> tuple[str, str]:
    import pytest

    from backstay.simulation.play import play

    from tests.simulation.mutants import case_of
    from tests.simulation.scored_mutants import MUTANTS

    mutant = MUTANTS[index]
    with pytest.MonkeyPatch.context() as patch:
        mutant.apply(patch)
        for seed in mutant.seeds:
            seen = {v.observer for v in play(case_of(mutant, seed)).violations} & mutant.noticed_by
            if seen:
                return mutant.name, ", ".join(sorted(seen))
    return mutant.name, ""


if __name__ == "__main__":
    main()
