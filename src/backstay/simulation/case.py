"""A run as data, and what comes of one."""

import msgspec

from backstay.simulation.acts import Act, draw_acts
from backstay.simulation.crash_points import draw_crash
from backstay.simulation.faults import Fault
from backstay.simulation.observers.base import Violation
from backstay.simulation.plans import draw_faults
from backstay.simulation.setup import CRASHES, draw_setup


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A run, as data."""

    seed: int
    scenario: str
    acts: tuple[Act, ...]
    faults: tuple[Fault, ...]


class Outcome(msgspec.Struct, kw_only=True):
    """What came of a run."""

    seed: int
    scenario: str
    violations: list[Violation]
    events: int
    """Messages of the venue that reached a process: private events, answers, prices."""
    private_events: int
    """Private events that the venue made."""
    requests: int
    faults: dict[str, int]
    crashes: list[str]
    """The boundaries at which a process died."""
    hits: list[str]
    """Those among them that the case had aimed at."""
    boundaries: int
    naked_ms: list[int]
    recovery_ms: list[int]
    """From the start of a process to its being ready."""
    digest: str
    story: list[tuple[int, str]]


def draw_case(seed: int, scenario: str, rate: float) -> Case:
    """The case of a seed. Raises SimulationError."""
    setup = draw_setup(seed, scenario)
    return Case(
        seed=seed,
        scenario=scenario,
        acts=draw_acts(seed, scenario, setup),
        faults=(draw_crash(seed, setup) if scenario == CRASHES else draw_faults(seed, scenario, rate, setup)),
    )
