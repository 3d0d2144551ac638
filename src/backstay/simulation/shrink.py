"""Shrinking: of everything that went wrong and everything that people did, what is needed for the failure."""

import time
from collections.abc import Callable, Sequence

import msgspec
from msgspec.structs import replace

from backstay.simulation.case import Case, Outcome
from backstay.simulation.play import play

RUNS_MAX = 400
SECONDS_MAX = 120.0
"""A run of a slow scenario takes seconds, and the run that is under way is always played to its end."""


class Shrunk(msgspec.Struct, frozen=True):
    """The smallest case found that breaks the same promise, and what it took."""

    case: Case
    outcome: Outcome
    runs: int
    bound: str = ""
    """The bound that ended it, in words: a smaller case may exist. Empty: nothing more can be left out."""


def shrink(
    case: Case,
    *,
    runs_max: int = RUNS_MAX,
    seconds_max: float = SECONDS_MAX,
    run: Callable[[Case], Outcome] = play,
    now: Callable[[], float] = time.monotonic,
) -> Shrunk | None:
    """Reduce a failing case; None when it does not fail. The same observer must complain at every step.

    After `runs_max` runs, or once `seconds_max` have passed by `now` (in s), the smallest case so far is it.
    """
    began = now()
    outcome = run(case)
    if not outcome.violations:
        return None
    observer = outcome.violations[0].observer
    spent = 1
    bound = ""

    def fails(candidate: Case) -> bool:
        nonlocal spent, outcome, bound
        if bound or spent >= runs_max:
            bound = bound or f"{runs_max} runs"
            return False
        if now() - began >= seconds_max:
            bound = f"{seconds_max:g} s"
            return False
        spent += 1
        found = run(candidate)
        if not any(v.observer == observer for v in found.violations):
            return False
        outcome = found
        return True

    for _ in range(2):
        before = case
        case = _fewer_faults(case, fails)
        case = _fewer_acts(case, fails)
        if case == before:
            break
    return Shrunk(case, outcome, spent, bound)


def _fewer_faults(case: Case, fails: Callable[[Case], bool]) -> Case:
    kept = _fewer(case.faults, lambda some: fails(replace(case, faults=tuple(some))))
    return replace(case, faults=tuple(kept))


def _fewer_acts(case: Case, fails: Callable[[Case], bool]) -> Case:
    kept = _fewer(case.acts, lambda some: fails(replace(case, acts=tuple(some))))
    return replace(case, acts=tuple(kept))


def _fewer[T](items: Sequence[T], fails: Callable[[Sequence[T]], bool]) -> Sequence[T]:
    """Delta debugging: leave out halves, then quarters, then single ones, while it still fails."""
    kept = list(items)
    size = max(len(kept) // 2, 1)
    while kept:
        at, left_out = 0, False
        while at < len(kept):
            candidate = kept[:at] + kept[at + size :]
            if len(candidate) < len(kept) and fails(candidate):
                kept, left_out = candidate, True
            else:
                at += size
        if size == 1 and not left_out:
            break
        size = max(size // 2, 1)
    return kept
