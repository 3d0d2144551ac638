"""A run as data, and what comes of one."""

import msgspec
from msgspec.structs import replace

from backstay.simulation.acts import Act, draw_acts
from backstay.simulation.crash_points import draw_crash
from backstay.simulation.faults import Fault
from backstay.simulation.observers.base import Violation
from backstay.simulation.plans import draw_faults
from backstay.simulation.scored_acts import draw_scored_acts
from backstay.simulation.scored_plans import draw_scored_faults
from backstay.simulation.scored_setup import draw_scored_setup
from backstay.simulation.setup import CRASHES, LIST_CRASHES, SPOT_CRASHES, draw_setup
from backstay.simulation.setup import scenario as named
from backstay.simulation.spot_acts import draw_spot_acts
from backstay.simulation.spot_plans import draw_spot_faults
from backstay.simulation.spot_points import LIST_POINTS, SPOT_POINTS, draw_spot_crash
from backstay.simulation.spot_setup import draw_spot_setup


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

    @property
    def broken(self) -> tuple[str, ...]:
        """The observers whose promise broke, the first one first."""
        return tuple(dict.fromkeys(v.observer for v in self.violations))


def draw_case(seed: int, scenario: str, rate: float) -> Case:
    """The case of a seed. Raises SimulationError."""
    if named(scenario).product == "spot":
        return _spot_case(seed, scenario, rate)
    if named(scenario).product == "joint":
        return _joint_case(seed, scenario, rate)
    if named(scenario).product == "scored":
        return _scored_case(seed, scenario, rate)
    setup = draw_setup(seed, scenario)
    return Case(
        seed=seed,
        scenario=scenario,
        acts=draw_acts(seed, scenario, setup),
        faults=(draw_crash(seed, setup) if scenario == CRASHES else draw_faults(seed, scenario, rate, setup)),
    )


def _spot_case(seed: int, scenario: str, rate: float) -> Case:
    setup = draw_spot_setup(seed, scenario)
    points = {SPOT_CRASHES: SPOT_POINTS, LIST_CRASHES: LIST_POINTS}.get(scenario)
    if points is None:
        faults = draw_spot_faults(seed, scenario, rate, setup)
    else:
        faults = draw_spot_crash(seed, setup, points)
    return Case(seed=seed, scenario=scenario, acts=draw_spot_acts(seed, scenario, setup), faults=faults)


def _scored_case(seed: int, scenario: str, rate: float) -> Case:
    setup = draw_scored_setup(seed, scenario)
    acts = draw_scored_acts(seed, scenario, setup)
    return Case(
        seed=seed, scenario=scenario, acts=acts, faults=draw_scored_faults(seed, scenario, rate, setup)
    )


def _joint_case(seed: int, scenario: str, rate: float) -> Case:
    """Each product with its people and half of the faults."""
    usdm, spot = draw_setup(seed, scenario), draw_spot_setup(seed, scenario)
    hands = (replace(a, product="spot") for a in draw_spot_acts(seed, scenario, spot))
    faults = draw_spot_faults(seed, scenario, rate / 2, spot)
    theirs = (replace(f, product="spot") for f in faults)
    return Case(
        seed=seed,
        scenario=scenario,
        acts=tuple(sorted((*draw_acts(seed, scenario, usdm), *hands), key=lambda a: a.at_ms)),
        faults=tuple(sorted((*draw_faults(seed, scenario, rate / 2, usdm), *theirs), key=lambda f: f.at_ms)),
    )
