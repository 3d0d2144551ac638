"""Whether a fault that somebody wrote down can be: its kind, its times, its arguments."""

from collections.abc import Iterator, Mapping
from random import Random
from typing import Any

from backstay.simulation.errors import SimulationError
from backstay.simulation.faults import Fault, Kind, nothing
from backstay.simulation.plans import CHOICES, KINDS
from backstay.simulation.scored_plans import EVERY_KIND, MARKET
from backstay.simulation.scored_setup import draw_scored_setup
from backstay.simulation.setup import draw_setup
from backstay.simulation.spot_plans import AWKWARD
from backstay.simulation.spot_plans import KINDS as SPOT_KINDS
from backstay.simulation.spot_setup import draw_spot_setup
from backstay.simulator.server.faults import FaultPlan, FaultPlanError

SPOT_CHOICES = {name: known for name, known in CHOICES.items() if name != "leg"} | {
    "do": (*CHOICES["do"], *AWKWARD)
}


def check(fault: Fault, where: str) -> None:
    """Raises SimulationError for an unknown kind, and for times and arguments that it cannot have."""
    if fault.kind not in EVERY_KIND:
        raise SimulationError(f"{where}: unknown fault {fault.kind!r}; known: {', '.join(EVERY_KIND)}")
    if fault.at_ms < 0 or fault.for_ms < 0:
        raise SimulationError(f"{where}: at_ms {fault.at_ms}, for_ms {fault.for_ms}: no time is below 0")
    wrong = [_wrong(fault, *made) for made in _products(fault)]
    if all(wrong):
        raise SimulationError(f"{where}: {wrong[0]}")


def _products(fault: Fault) -> Iterator[tuple[Kind, Any, Mapping[str, tuple[str, ...]]]]:
    """The kind as each product knows it, with a setup to draw its arguments for and their choices."""
    if fault.kind in KINDS:
        yield KINDS[fault.kind], draw_setup(0, "mixed"), CHOICES
    if fault.kind in MARKET:
        yield MARKET[fault.kind], draw_scored_setup(0, "scored"), CHOICES
    if fault.kind in SPOT_KINDS:
        yield SPOT_KINDS[fault.kind], draw_spot_setup(0, "spot"), SPOT_CHOICES


def _wrong(fault: Fault, kind: Kind, setup: Any, choices: Mapping[str, tuple[str, ...]]) -> str:
    """What is wrong with the arguments; empty: nothing is."""
    args = fault.args
    try:
        FaultPlan.of(list(kind.rules(fault)), fault.kind)
    except KeyError as missing:
        return f"{fault.kind} needs the argument {missing}"
    except FaultPlanError as wrong:
        return str(wrong)
    if kind.rules is not nothing:
        return ""
    for name, like in kind.draw(Random(0), setup).items():
        if name not in args:
            return f"{fault.kind} needs the argument {name!r}, such as {like!r}"
        known = choices.get(name, (args[name],))
        if not isinstance(args[name], type(like)) or args[name] not in known:
            words = f"one of {', '.join(known)}" if name in choices else f"of the kind of {like!r}"
            return f"{fault.kind}: {name} {args[name]!r} is not {words}"
    return ""
