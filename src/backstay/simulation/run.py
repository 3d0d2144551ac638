"""Many seeds: which promises held, how often what was done to the system, and the first seed that failed."""

import os
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from signal import SIG_DFL, SIGINT, signal

import msgspec

from backstay.simulation.case import Case, Outcome, draw_case
from backstay.simulation.corpus import Entry
from backstay.simulation.errors import SimulationError
from backstay.simulation.faults import Fault
from backstay.simulation.play import play
from backstay.simulation.setup import scenario

SEEDS_MAX = 10_000_000


class Job(msgspec.Struct, frozen=True):
    """One run to be made: drawn from its seed, or with given faults."""

    seed: int
    scenario: str
    rate: float
    faults: tuple[Fault, ...] | None = None

    def make(self) -> Case:
        """Raises SimulationError."""
        case = draw_case(self.seed, self.scenario, self.rate)
        return case if self.faults is None else msgspec.structs.replace(case, faults=self.faults)


class Report(msgspec.Struct, kw_only=True):
    """What `simulate` tells."""

    runs: int = 0
    violations: int = 0
    failing_seeds: list[int] = []
    events: int = 0
    """Messages of the venue that reached a process."""
    private_events: int = 0
    requests: int = 0
    faults_injected: int = 0
    faults: dict[str, int] = {}
    crash_points: int = 0
    """Different boundaries at which a process was killed."""
    crash_situations: int = 0
    """Times that one was."""
    crashes: dict[str, int] = {}
    """The boundaries, and how often a process died at each."""
    aimed_at: dict[str, int] = {}
    """The same for the deaths of the enumerated list alone (scenario `crashes`)."""
    boundaries: int = 0
    observers: dict[str, int] = {}
    """Runs in which a promise was broken, by observer."""
    broken_by: dict[str, list[int]] = {}
    """The seeds of these runs, by observer."""
    wall_s: float = 0.0
    cpu_s: float = 0.0
    naked_ms: dict[str, float] = {}
    recovery_ms: dict[str, float] = {}
    """From the start of a process to its being ready."""
    seconds_per_run: float = 0.0
    """Processor time."""


def parse_seeds(text: str) -> range:
    """`A:B` (B not included), or one seed. Raises SimulationError."""
    first, colon, last = text.partition(":")
    try:
        begin = int(first)
        end = int(last) if colon else begin + 1
    except ValueError:
        raise SimulationError(f"--seeds: {text!r} is not a range; write A:B, such as 0:1000") from None
    if begin < 0 or end <= begin:
        raise SimulationError(f"--seeds: {text!r} is empty; write A:B with 0 <= A < B, such as 0:1000")
    if end - begin > SEEDS_MAX:
        raise SimulationError(f"--seeds: {end - begin} seeds are more than {SEEDS_MAX}")
    return range(begin, end)


def jobs_of(seeds: Iterable[int], name: str, rate: float) -> list[Job]:
    """Raises SimulationError for an unknown scenario or a rate that is none."""
    scenario(name)
    if not 0 <= rate <= 20:
        raise SimulationError(f"--fault-rate: {rate:g} is not a rate; write 0 (no faults) to 20")
    return [Job(seed, name, rate) for seed in seeds]


def jobs_of_corpus(entries: Iterable[Entry]) -> list[Job]:
    """The kept runs, each with the faults that it failed under."""
    return [Job(e.seed, e.scenario, e.fault_rate, e.faults) for e in entries]


def outcomes(jobs: list[Job], workers: int) -> Iterator[tuple[Job, tuple[Outcome, float]]]:
    """Each job's outcome and its processor time, in order; `workers` processes share the work."""
    if workers <= 1 or len(jobs) < 2 * workers:
        yield from ((job, _one(job)) for job in jobs)
        return
    # A process that Ctrl-C reaches goes at once, not when its seeds are played.
    with ProcessPoolExecutor(workers, initializer=signal, initargs=(SIGINT, SIG_DFL)) as pool:
        size = max(1, min(50, len(jobs) // (workers * 4)))
        yield from zip(jobs, pool.map(_one, jobs, chunksize=size), strict=True)


def _one(job: Job) -> tuple[Outcome, float]:
    began = time.process_time()
    outcome = play(job.make())
    return outcome, time.process_time() - began


class Tally:
    """Outcomes, as they are added up to a report."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._sums = Report()
        self._faults: Counter[str] = Counter()
        self._crashes: Counter[str] = Counter()
        self._broken: dict[str, list[int]] = defaultdict(list)
        self._naked: list[int] = []
        self._recoveries: list[int] = []
        self.aimed_at: Counter[str] = Counter()

    def add(self, outcome: Outcome, cpu_s: float) -> None:
        sums = self._sums
        sums.cpu_s += cpu_s
        sums.runs += 1
        sums.events += outcome.events
        sums.private_events += outcome.private_events
        sums.requests += outcome.requests
        sums.boundaries += outcome.boundaries
        sums.violations += len(outcome.violations)
        self._faults.update(outcome.faults)
        self._crashes.update(outcome.crashes)
        self.aimed_at.update(outcome.hits)
        self._naked.extend(outcome.naked_ms)
        self._recoveries.extend(outcome.recovery_ms)
        if outcome.violations:
            sums.failing_seeds.append(outcome.seed)
            for observer in outcome.broken:
                self._broken[observer].append(outcome.seed)

    def report(self) -> Report:
        sums, broken = self._sums, dict(sorted(self._broken.items()))
        return msgspec.structs.replace(
            sums,
            faults=dict(sorted(self._faults.items())),
            faults_injected=self._faults.total(),
            crashes=dict(sorted(self._crashes.items())),
            aimed_at=dict(sorted(self.aimed_at.items())),
            crash_points=len(self._crashes),
            crash_situations=self._crashes.total(),
            broken_by=broken,
            observers={observer: len(seeds) for observer, seeds in broken.items()},
            naked_ms=_percentiles(self._naked),
            recovery_ms=_percentiles(self._recoveries),
            wall_s=round(time.perf_counter() - self._began, 2),
            cpu_s=round(sums.cpu_s, 2),
            seconds_per_run=round(sums.cpu_s / max(sums.runs, 1), 3),
        )


def simulate(
    jobs: list[Job], *, workers: int = 0, on_outcome: Callable[[Job, Outcome], None] | None = None
) -> Report:
    """Run everything; a run that fails never stops the others. `workers` 0: as many as there are cores.

    `on_outcome` hears each outcome, in order, while others are still being played.
    """
    tally = Tally()
    for job, (outcome, cpu_s) in outcomes(jobs, workers or os.cpu_count() or 1):
        tally.add(outcome, cpu_s)
        if on_outcome is not None:
            on_outcome(job, outcome)
    return tally.report()


def _percentiles(lengths: list[int]) -> dict[str, float]:
    ordered = sorted(lengths)
    if not ordered:
        return {"p50": 0.0, "p99": 0.0, "max": 0.0}

    def at(share: float) -> float:
        return float(ordered[min(len(ordered) - 1, int(share * len(ordered)))])

    return {"p50": at(0.5), "p99": at(0.99), "max": float(ordered[-1])}
