"""The page of figures: what was played, what was done to the system, what held."""

from collections.abc import Iterator, Mapping

import msgspec

from backstay.simulation.crash_points import Point
from backstay.simulation.observers.every import EVERYBODY
from backstay.simulation.run import Report
from backstay.simulation.scored_plans import EVERY_KIND
from backstay.simulation.setup import CRASHES, LIST_CRASHES, SPOT_CRASHES
from backstay.simulation.situations import LISTS

SITUATIONS_WANTED = 20


class Restart(msgspec.Struct, frozen=True):
    """A restart of a large account, until everything is trusted."""

    orders: int
    records: int
    reads: int
    venue_s: float
    cpu_s: float


class Figures(msgspec.Struct, frozen=True):
    """Everything that the page is made of."""

    seeds: str
    mixed: Report
    others: Mapping[str, Report]
    crashes: Mapping[str, Report]
    """By scenario that kills the process at the points of a list."""
    mutants: Mapping[str, str]
    """Broken variants, and the observers that noticed each."""
    restarts: Mapping[str, "Restart"] = {}
    """What `bench/restart.py` measured."""

    @property
    def named(self) -> dict[str, Report]:
        """By scenario."""
        return {"mixed": self.mixed, **self.others, **self.crashes}

    @property
    def reports(self) -> tuple[Report, ...]:
        return tuple(self.named.values())

    @property
    def violations(self) -> int:
        return sum(r.violations for r in self.reports)


def page(f: Figures) -> str:
    """The whole page, in Markdown."""
    return "\n".join(
        [
            *_head(f),
            *_runs(f),
            *_times(f),
            *_restarts(f),
            *_promises(f),
            *_faults(f),
            *_points(f),
            *_mutants(f),
            "",
        ]
    )


def _head(f: Figures) -> Iterator[str]:
    yield "# Reliability"
    yield ""
    yield (
        "The real runtime, codec, ledger and planner, on virtual time, against the simulated exchange, with\n"
        "faults drawn from a seed, and observers that watch promises from outside. Everything below was\n"
        "written by `tools/write_reliability.py`; every figure can be had again by it, a single run by\n"
        "`backstay simulate --seeds N --scenario NAME`."
    )
    yield ""
    runs = sum(r.runs for r in f.reports)
    yield f"**{runs} runs, {f.violations} violations.**"
    for name, report in f.named.items():
        if report.failing_seeds:
            shown = ", ".join(str(s) for s in report.failing_seeds[:20])
            yield f"Failing seeds of `{name}`: {shown}."
    yield ""


def _table(*columns: str) -> list[str]:
    return ["| " + " | ".join(columns) + " |", "|---" + "|---:" * (len(columns) - 1) + "|"]


def _runs(f: Figures) -> Iterator[str]:
    yield "## Runs"
    yield ""
    yield (
        "A message is a private event, an answer or a price that reached the process. A run covers one to\n"
        "two and a half minutes of trading by hand under faults (`scored`: five to eight, `spot_outage`:\n"
        "half an hour at most), and some minutes to come to rest."
    )
    yield ""
    yield from _table(
        "scenario", "runs", "violations", "messages", "private events", "faults", "deaths", "s/run"
    )
    for name, r in f.named.items():
        cells = (r.runs, r.violations, r.events, r.private_events, r.faults_injected, r.crash_situations)
        yield f"| {name} | " + " | ".join(str(c) for c in cells) + f" | {r.seconds_per_run:.2f} |"
    yield ""


def _times(f: Figures) -> Iterator[str]:
    yield "## Times"
    yield ""
    yield (
        "In venue time, faults included: a position without a stop for its full size waits for the network,\n"
        "the venue or a human as long as these were away. Recovery: from a process's start to being ready."
    )
    yield ""
    yield from _table("scenario", "naked p50 ms", "naked p99 ms", "recovery p50 ms", "recovery p99 ms")
    for name, r in f.named.items():
        cells = (r.naked_ms["p50"], r.naked_ms["p99"], r.recovery_ms["p50"], r.recovery_ms["p99"])
        yield f"| {name} | " + " | ".join(f"{c:.0f}" for c in cells) + " |"
    yield ""


def _restarts(f: Figures) -> Iterator[str]:
    yield "## A restart with 50 symbols and 500 open orders"
    yield ""
    yield (
        "Until every scope is trusted (`bench/restart.py`). The processor time is that of the guard and of\n"
        "the simulated exchange together; what may be read is 10 and 2 for each symbol, 110. A process that\n"
        "starts within seconds of a crash waits until what its predecessor may have sent cannot arrive any\n"
        "more, and reads again then."
    )
    yield ""
    yield from _table("restart", "orders", "records in the ledger", "reads", "venue s", "core s")
    for name, r in f.restarts.items():
        yield f"| {name} | {r.orders} | {r.records} | {r.reads} | {r.venue_s:.2f} | {r.cpu_s:.2f} |"
    yield ""


def _promises(f: Figures) -> Iterator[str]:
    yield "## Promises"
    yield ""
    yield from _table("observer: what it watches", "runs that broke it", "broken variants noticed")
    for observer in EVERYBODY:
        broken = sum(r.observers.get(observer.name, 0) for r in f.reports)
        noticed = sum(observer.name in by.split(", ") for by in f.mutants.values())
        yield f"| {observer.name}: {observer.words} | {broken} | {noticed} |"
    yield ""


def _faults(f: Figures) -> Iterator[str]:
    yield "## Faults"
    yield ""
    yield from _table("kind: what happens", "injected")
    for name, kind in EVERY_KIND.items():
        injected = sum(r.faults.get(name, 0) for r in f.reports)
        yield f"| {name}: {kind.words} | {injected} |"
    yield ""


def _points(f: Figures) -> Iterator[str]:
    yield "## Crash points"
    yield ""
    yield "A situation counts only when the process did die at that very point."
    yield ""
    for scenario, words in (
        (CRASHES, "USD-M"),
        (SPOT_CRASHES, "Spot"),
        (LIST_CRASHES, "Order lists of spot"),
    ):
        yield from _deaths(words, LISTS[scenario], f.crashes[scenario])


def _deaths(product: str, points: tuple[Point, ...], report: Report) -> Iterator[str]:
    situations = [report.aimed_at.get(p.name, 0) for p in points]
    enough = sum(n >= SITUATIONS_WANTED for n in situations)
    yield f"### {product}"
    yield ""
    yield (
        f"{len(points)} points, {sum(situations)} situations; {enough} points were deadly in at least "
        f"{SITUATIONS_WANTED} of them."
    )
    yield ""
    yield from _table("point", "situations")
    for point, count in zip(points, situations, strict=True):
        yield f"| {point.name} | {count} |"
    yield ""


def _mutants(f: Figures) -> Iterator[str]:
    seen = sum(bool(by) for by in f.mutants.values())
    yield "## The observers see"
    yield ""
    yield f"{len(f.mutants)} deliberately broken variants of the product, {seen} noticed."
    yield ""
    yield from ("| variant | noticed by |", "|---|---|")
    for name, by in f.mutants.items():
        yield f"| {name.replace('_', ' ')} | {by or 'nobody'} |"
