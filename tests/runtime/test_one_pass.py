"""I-12: one pass at a time for a scope, whatever arrives while it runs, and nothing that arrives is lost."""

from typing import Any

from backstay.core.engine import Engine, Manager
from backstay.core.types import Direction
from backstay.runtime.virtual_time import run_virtual
from backstay.strategies.position_manager.policy import PositionPolicy, StopKind, StopPolicy
from backstay.strategies.position_manager.wanted import PositionManager

from tests.conformance.by_wire import ByWire
from tests.conformance.case import Case
from tests.conformance.desk import Desk
from tests.conformance.rows import SYMBOL
from tests.conformance.runner import START_NS

POLICY = PositionPolicy(stop_loss=StopPolicy(kind=StopKind.FIXED_QTY))


class Interrupted:
    """The position manager, and while it is asked for the first time a frame arrives."""

    name = "interrupted"

    def __init__(self) -> None:
        self.deep = self.deepest = self.interruptions = 0
        self.interrupt: Any = None

    def wanted(self, view, policy, now):
        self.deep += 1
        self.deepest = max(self.deepest, self.deep)
        if self.interrupt is not None and view.quantity:
            interrupt, self.interrupt = self.interrupt, None
            self.interruptions += 1
            interrupt()
        wanted = PositionManager().wanted(view, policy, now)
        self.deep -= 1
        return wanted


def test_i12_a_scope_has_one_pass_at_a_time_and_loses_no_wake_up():
    strategy = Interrupted()
    case = Case(id="I-12", title="a frame arrives inside a pass", steps=())

    def main(clock):
        async def go():
            desk = Desk(case, clock.now_ns)
            manager = Manager(strategy, POLICY, frozenset({SYMBOL}), frozenset(Direction))
            way = ByWire(desk, Engine((manager,)), clock)
            await way.start()

            def grows() -> None:
                way.push(desk.frame({"e": "ACCOUNT_UPDATE", "T": 1, "E": 1, "a": {"P": [_row("0.020")]}}))

            strategy.interrupt = grows
            way.push(desk.frame({"e": "ACCOUNT_UPDATE", "a": {"P": [_row("0.010")]}}))
            await way.wait(1_000)
            await way.stop()
            return desk

        return go()

    desk = run_virtual(main, start_ns=START_NS)
    assert strategy.interruptions == 1
    assert strategy.deepest == 1
    stops = [a.params["quantity"] for a in desk.asked if a.order.slot == "SL/0"]
    assert stops[-1] == "0.02", "the growth that came inside the pass was forgotten"


def _row(quantity: str) -> dict[str, str]:
    return {"pa": quantity, "ep": "60000"}
