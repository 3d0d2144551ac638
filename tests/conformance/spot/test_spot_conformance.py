"""Every fixture of this folder, by the core and by the wire (the README above tells how one reads)."""

from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from backstay.core.engine import Engine, Manager
from backstay.core.types import Direction, Product
from backstay.runtime.virtual_time import run_virtual
from backstay.strategies.position_manager.policy import StopKind
from backstay.strategies.position_manager.wanted import PositionManager

from tests.conformance.case import Case, load
from tests.conformance.rows import SYMBOL
from tests.conformance.runner import START_NS, Run
from tests.conformance.spot.by_core import SpotByCore
from tests.conformance.spot.by_wire import SpotByWire
from tests.conformance.spot.desk import SpotDesk

FOLDER = Path(__file__).resolve().parent
CASES = {path.stem: load(path) for path in sorted(FOLDER.glob("*.json"))}
WAYS = {"core": SpotByCore, "wire": SpotByWire}


def manager(case: Case) -> Manager:
    """The case's policy with the defaults of spot."""
    policy = case.policy
    if policy.stop_loss.kind is StopKind.CLOSE_POSITION:
        stop = replace(policy.stop_loss, kind=StopKind.FIXED_QTY, close_position_fallback=False)
        policy = replace(policy, stop_loss=stop)
    sides = frozenset({Direction.LONG})
    return Manager(PositionManager(), policy, frozenset({SYMBOL}), sides, Product.SPOT)


def check(case: Case, way: str) -> None:
    """Raises AssertionError that names the step and what was otherwise."""

    def main(clock):
        desk = SpotDesk(case, clock.now_ns)
        return Run(case, desk, WAYS[way](desk, Engine((manager(case),)), clock)).go()

    run_virtual(main, start_ns=START_NS)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("way", WAYS)
def test_the_case_holds(name, way):
    check(CASES[name], way)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"resting": {}}, "resting is"),
        ({"resting": {"SL/0": {"quantity": "0.01997"}}}, "resting is"),
        ({"trust": "UNHYDRATED"}, "trust is"),
        ({"pending": ["SL/0"]}, "pending is"),
    ],
)
def test_a_case_that_does_not_hold_is_told(wrong, told, way):
    case = CASES["the_stop_alone"]
    with pytest.raises(AssertionError, match=f"at the end {told}"):
        check(replace(case, expect=msgspec.convert(wrong, type(case.expect))), way)


@pytest.mark.parametrize("way", WAYS)
def test_a_forbidden_trace_is_told(way):
    case = CASES["the_stop_alone"]
    with pytest.raises(AssertionError, match="asked for all the same"):
        check(replace(case, forbid=({"cancel": "SL/0"},)), way)
