"""`simulate`: the whole system under seeded faults. A seed that fails does so again, exactly."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from backstay.cli.common import JobsOption, JsonOption, console, show_json
from backstay.cli.exits import Exit, complain

if TYPE_CHECKING:
    from backstay.simulation.case import Case, Outcome
    from backstay.simulation.run import Job, Report

SEEDS_SHOWN = 5


def simulate(
    *,
    seeds: Annotated[str, Parameter(help="A:B (B not included), or one seed.")] = "0:100",
    scenario: Annotated[
        str, Parameter(help="What may happen; an unknown name lists the known ones.")
    ] = "mixed",
    fault_rate: Annotated[float, Parameter(help="0: no faults; 1: about five a minute of venue time.")] = 1.0,
    corpus: Annotated[Path | None, Parameter(help="Run the seeds of this file instead.")] = None,
    plan: Annotated[Path | None, Parameter(help="Run the seeds with the faults of this file.")] = None,
    story: Annotated[
        bool, Parameter(negative=(), help="Tell the run of the first seed, whether or not it fails.")
    ] = False,
    shrink: Annotated[
        bool,
        Parameter(help="Reduce the first failing run to what matters, for two minutes at most, and tell it."),
    ] = True,
    jobs: JobsOption = 0,
    json: JsonOption = False,
) -> int:
    """Run the real guard against the simulated exchange, on virtual time, with faults drawn from a seed."""
    from backstay.simulation.run import simulate as run

    todo = _jobs(seeds, scenario, fault_rate, corpus, plan)
    if story:
        _tell(todo[0].make(), everything=True)
    failed: list[Job] = []

    def heard(job: "Job", outcome: "Outcome") -> None:
        if outcome.violations:
            failed.append(job)
            first = outcome.violations[0]
            complain(f"seed {job.seed} broke {', '.join(outcome.broken)}: {first.text}")

    report = run(todo, workers=jobs, on_outcome=heard)
    if json:
        show_json(_document(report))
    else:
        _table(report)
    if not failed:
        return Exit.DONE
    first = failed[0]
    complain(
        f"{len(failed)} of {report.runs} seeds failed, the first is {first.seed}; again: "
        f"backstay simulate {_again(first, corpus, plan)}"
    )
    if shrink and not json:
        _shrunk(first.make())
    return Exit.DEFECT


def _again(job: "Job", corpus: Path | None, plan: Path | None) -> str:
    """The options that play this run once more."""
    if corpus is not None:
        return f"--corpus {corpus}"
    given = f" --plan {plan}" if plan is not None else ""
    return f"--seeds {job.seed} --scenario {job.scenario} --fault-rate {job.rate:g}{given}"


def _jobs(seeds: str, scenario: str, rate: float, corpus: Path | None, plan: Path | None) -> "list[Job]":
    """Raises SimulationError."""
    import msgspec

    from backstay.simulation.corpus import read_corpus, read_plan
    from backstay.simulation.errors import SimulationError
    from backstay.simulation.run import jobs_of, jobs_of_corpus, parse_seeds

    if corpus is not None:
        entries = read_corpus(corpus)
        if not entries:
            raise SimulationError(f"{corpus} holds no seed")
        return jobs_of_corpus(entries)
    todo = jobs_of(parse_seeds(seeds), scenario, rate)
    if plan is None:
        return todo
    faults = read_plan(plan)
    return [msgspec.structs.replace(job, faults=faults) for job in todo]


def _document(report: "Report") -> dict[str, object]:
    import msgspec

    document: dict[str, object] = msgspec.to_builtins(report)
    return document


def _table(report: "Report") -> None:
    from rich.table import Table

    from backstay.core.names import counted
    from backstay.simulation.observers.every import EVERYBODY

    table = Table(box=None, pad_edge=False)
    table.add_column("promise")
    table.add_column("seeds that broke it", justify="right")
    table.add_column("which")
    table.add_column("")
    for observer in EVERYBODY:
        seeds = report.broken_by.get(observer.name, [])
        table.add_row(observer.name, str(len(seeds)), _few(seeds), observer.words)
    out = console()
    out.print(table)
    faults = ", ".join(f"{k} {n}" for k, n in report.faults.items()) or "none"
    out.print(f"runs {report.runs}, private events {report.events}, requests {report.requests}", markup=False)
    out.print(f"faults {report.faults_injected}: {faults}", markup=False)
    situations = counted(report.crash_situations, "time")
    killed = f"killed {situations} at {counted(report.crash_points, 'boundary', 'boundaries')}"
    out.print(killed, markup=False)
    naked = report.naked_ms
    out.print(
        f"without a stop: p50 {naked['p50']:g} ms, p99 {naked['p99']:g} ms, max {naked['max']:g} ms, "
        "faults included"
    )
    out.print(f"{report.wall_s:g} s, {report.seconds_per_run:g} s a run")


def _few(seeds: list[int]) -> str:
    """The first seeds, and how many there are besides."""
    more = f" and {len(seeds) - SEEDS_SHOWN} more" if len(seeds) > SEEDS_SHOWN else ""
    return ", ".join(str(seed) for seed in seeds[:SEEDS_SHOWN]) + more


def _shrunk(case: "Case") -> None:
    import msgspec

    from backstay.core.names import counted
    from backstay.simulation.shrink import RUNS_MAX, SECONDS_MAX, shrink

    complain(
        f"seed {case.seed} is being reduced to what matters, which ends after {RUNS_MAX} runs or "
        f"{SECONDS_MAX:g} s at the latest (--no-shrink: not at all)"
    )
    found = shrink(case)
    if found is None:
        complain("the seed did not fail again alone: that is a defect of the simulation itself")
        return
    ended = f"; ended by the bound of {found.bound}, less may do" if found.bound else ""
    complain(
        f"reduced in {counted(found.runs, 'run')} from {counted(len(case.faults), 'fault')} to "
        f"{len(found.case.faults)}{ended}:"
    )
    print(msgspec.json.encode(found.case.faults).decode())
    _tell(found.case, everything=False)


def _tell(case: "Case", *, everything: bool) -> None:
    from backstay.simulation.story import tell

    for line in tell(case, everything=everything):
        print(line)
