"""The story of a run, for a person: what the world was like, what happened, where the promise broke."""

from collections.abc import Iterator

from backstay.core.names import counted
from backstay.simulation.case import Case, Outcome
from backstay.simulation.play import play
from backstay.simulation.scored_plans import EVERY_KIND
from backstay.simulation.scored_setup import draw_scored_setup
from backstay.simulation.setup import draw_setup, scenario
from backstay.simulation.spot_setup import draw_spot_setup

LINES_BEFORE = 60
LINES_AFTER = 6


def tell(case: Case, *, everything: bool = False) -> Iterator[str]:
    """Lines of the story; around the first broken promise alone unless `everything`."""
    outcome = play(case, tell=True)
    yield from _head(case, outcome)
    broken = [(v.at_ms, f"*** {v.observer}: {v.text}") for v in outcome.violations]
    lines = sorted([*outcome.story, *broken], key=lambda line: line[0])
    first = next((i for i, (_, text) in enumerate(lines) if text.startswith("***")), None)
    begin, end = 0, len(lines)
    if first is not None and not everything:
        begin, end = max(0, first - LINES_BEFORE), first + LINES_AFTER
    if begin:
        yield f"  ... {begin} lines before"
    for at, text in lines[begin:end]:
        yield f"{at / 1000:9.3f} s  {text}"
    if end < len(lines):
        yield f"  ... {len(lines) - end} lines after"


def _words(case: Case) -> tuple[str, ...]:
    """What the world was like."""
    product = scenario(case.scenario).product
    if product == "scored":
        return draw_scored_setup(case.seed, case.scenario).words()
    spot = draw_spot_setup(case.seed, case.scenario).words() if product != "usdm" else ()
    if product == "spot":
        return spot
    setup = draw_setup(case.seed, case.scenario)
    policy = setup.policy
    ladder = f", a ladder of {policy.dca.steps}" if policy.dca is not None else ""
    take = policy.take_profit
    takes = f"{len(take.levels)} take-profit(s) of kind {take.kind}" if take.enabled else "no take-profit"
    mode = "hedge" if setup.hedge else "one-way"
    stop = f"stop {policy.stop_loss.kind} at {policy.stop_loss.distance}, {takes}{ladder}"
    return f"{mode} mode, {', '.join(setup.symbols)}", stop, *spot


def _head(case: Case, outcome: Outcome) -> Iterator[str]:
    words = _words(case)
    yield f"seed {case.seed}, scenario {case.scenario}: {words[0]}"
    yield from words[1:]
    yield f"{counted(len(case.acts), 'act')} of people, {counted(len(case.faults), 'fault')}:"
    for fault in case.faults:
        yield f"  at {fault.at_ms / 1000:.3f} s: {EVERY_KIND[fault.kind].words} ({fault.kind} {fault.args})"
    for violation in outcome.violations:
        yield f"broken at {violation.at_ms / 1000:.3f} s by {violation.observer}: {violation.text}"
    if not outcome.violations:
        yield "every promise held"
