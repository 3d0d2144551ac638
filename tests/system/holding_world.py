"""The spot system of `spot_world` with a position manager: a holding under take-profit and stop.

`check_holding(script, ...)` runs the script and then holds the run against the promises: the ledger is whole,
its replay gives the living state, and no order of somebody else was touched.
"""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

from backstay.core.contexts import OrderContext
from backstay.core.engine import Engine, Manager
from backstay.core.events import OperatorAction, OperatorCommand
from backstay.core.state import ScopeState
from backstay.core.types import Direction, Product, Role
from backstay.strategies.position_manager.policy import (
    PositionPolicy,
    StopKind,
    StopPolicy,
    TakeProfitLevel,
    TakeProfitPolicy,
)
from backstay.strategies.position_manager.wanted import PositionManager

from tests.system.spot_world import PREFIX, SYMBOL, SpotSystem, run_system
from tests.system.stand_ins import Killed, SteppedDisk, SteppedTransport, Steps

D = Decimal


def holding_policy(**changed: Any) -> PositionPolicy:
    """A stop 5 % below and a target 2 % above the average, both on."""
    stop = StopPolicy(kind=StopKind.FIXED_QTY, distance=D("0.05"), close_position_fallback=False)
    profit = TakeProfitPolicy(levels=(TakeProfitLevel(distance=D("0.02")),))
    fields = {"stop_loss": stop, "take_profit": profit, **changed}
    return PositionPolicy(symbols=(SYMBOL,), sides=(Direction.LONG,), **fields)


class HoldingSystem(SpotSystem):
    """One spot guard with a position manager; every touch of the outside world is counted."""

    policy: Any
    kill_at: int | None = None
    """The next process that starts ends at its n-th touch."""

    def transport(self) -> Any:
        self.disk = SteppedDisk.of(self.disk)
        self.disk.steps = Steps(self.kill_at)
        return SteppedTransport(self.exchange.transport(), self.disk.steps, lambda _: None)

    @property
    def steps(self) -> Steps:
        return self.disk.steps

    def kill(self) -> None:
        self.steps.dead = True
        super().kill()

    def reported(self, _: Any, context: dict[str, Any]) -> None:
        """What the loop reports, other than the end of a killed process."""
        if not isinstance(context.get("exception"), Killed):
            super().reported(_, context)

    async def watched(self) -> None:
        """Start the process again whenever it has died, as a supervisor does."""
        while True:
            await asyncio.sleep(0.01)
            if self.steps.dead:
                self.kill()
                await asyncio.sleep(0.3)
                self.kill_at = None
                await self.start()

    def engine(self) -> Engine:
        sides = frozenset({Direction.LONG})
        one = Manager(PositionManager(), self.policy, frozenset({SYMBOL}), sides, Product.SPOT)
        return Engine((one,))

    @property
    def scope(self) -> ScopeState:
        return self.running.owner.account.scopes[self.key]

    @property
    def held(self) -> Decimal:
        s = self.running.owner.account.scopes.get(self.key)
        return s.position.quantity if s is not None else D(0)

    def working(self) -> dict[str, OrderContext]:
        """Our orders that rest, as the guard knows them, by role."""
        found = [c for c in self.scope.contexts.values() if c.is_resting]
        assert len({c.key for c in found}) == len(found), f"twice in one slot: {found}"
        return {str(c.role): c for c in found}

    def listed(self) -> list[dict[str, Any]]:
        """Living order lists, as the exchange knows them."""
        return [g for g in self.truth()["order_lists"] if g["listOrderStatus"] == "EXECUTING"]

    def offered(self) -> list[tuple[str, Decimal]]:
        """(type, quantity left) of our open orders, as the exchange knows them."""
        return sorted((o["type"], D(o["origQty"]) - D(o["executedQty"])) for o in self.sells())

    def has_pair(self, quantity: str) -> bool:
        """One list of both legs of this size rests, and the guard knows it."""
        want = [("LIMIT_MAKER", D(quantity)), ("STOP_LOSS", D(quantity))]
        return self.offered() == want and set(self.working()) == {Role.TP, Role.SL} and self.quiet

    @property
    def quiet(self) -> bool:
        return self.scope.trusted and not self.scope.pendings

    def faults(self, effect: Any, endpoint: str = "", **match: Any) -> None:
        """One bad answer of `endpoint`; without one, a fault that lasts until `heal`."""
        match = {"endpoint": endpoint, "times": 1, **match} if endpoint else match
        rule = {"match": match, "effect": effect}
        self.exchange.control("POST", "/sim/v1/faults", {"rules": [rule], "replace": False})

    def heal(self) -> None:
        self.exchange.control("DELETE", "/sim/v1/faults")

    def command(self, action: OperatorAction, *, whole_account: bool = False) -> None:
        """The operator's word, as it comes from the control socket."""
        scope = None if whole_account else self.key
        self.running.owner.command(OperatorCommand(action=action, who="tester", scope=scope, reason="enough"))

    def audit(self) -> None:
        self.replayed()
        strangers = [o for o in self.truth()["orders"] if not o["clientOrderId"].startswith(PREFIX)]
        assert all(o["status"] != "CANCELED" for o in strangers)


type Script = Callable[[HoldingSystem], Awaitable[None]]


def check_holding(script: Script, *, started: bool = True, **changed: Any) -> HoldingSystem:
    """Run `script` in a fresh system, hold the run against the promises, and return the system."""
    policy = holding_policy(**changed)
    return run_system(script, lambda clock: HoldingSystem(clock, policy=policy), started=started)
