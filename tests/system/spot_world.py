"""A spot system on virtual time: guard, ledger, gateway, simulated Spot exchange, and a hand that buys.

`play_spot(script, ...)` runs `async script(world)` and then holds the run against the promises: every fill is
a lot, one SELL per lot, none of them cancelled by us, nothing sold twice, the profit, the replay the same.
"""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

from backstay.app.entropy import SeededEntropy
from backstay.app.guard import Guard, GuardConfig, open_guard
from backstay.app.guard import World as GuardWorld
from backstay.app.ledger_paths import SPOT_LEDGER
from backstay.app.paper import ACCOUNT, SPOT_ENDPOINTS, PaperSpotExchange
from backstay.app.spot_auditor import SpotAuditor
from backstay.core.engine import Engine, Manager
from backstay.core.lots import Lots, every
from backstay.core.types import SECOND, Direction, Mode, PositionMode, PositionSide, Product, Scope
from backstay.ledger.memory_disk import MemoryDisk
from backstay.ledger.writers import InlineWriter
from backstay.runtime.virtual_time import LoopClock, run_virtual
from backstay.simulator.feeds.ticks import Trade
from backstay.simulator.spot.specs import spot_spec
from backstay.strategies.swing.policy import SellWhen, SwingPolicy
from backstay.strategies.swing.wanted import Swing

from tests.system.judging import same_again
from tests.system.stand_ins import START, HeldLease

D = Decimal
SYMBOL = "TRUMPUSDC"
PREFIX = "bs-"
SPECS = {SYMBOL: spot_spec(SYMBOL, "0.0001", "0.01", "1.2345", min_notional=D(1))}
"""The pair of the worked case: tick 0.0001, step 0.01."""


class StillSpot:
    """A market that does not move by itself."""

    start_ns = START
    symbols = (SYMBOL,)

    def ticks(self):
        yield Trade(START, SYMBOL, D("1.2345"), D(1), False, 1)


class SpotSystem:
    """One spot guard, restarted at will, against one Spot exchange."""

    look_every = 0.0

    def __init__(
        self, clock: LoopClock, *, policy: SwingPolicy, burns_bnb: bool = False, sync_delay_s: float = 0.0005
    ) -> None:
        self.clock = clock
        self.policy = policy
        self.exchange = PaperSpotExchange(
            StillSpot(), start_ns=START, seed=1, time_ns=clock.now_ns, specs=SPECS, burns_bnb=burns_bnb
        )
        self.auditor = SpotAuditor(PREFIX)
        self.exchange.listen(self.auditor.event)
        self.disk = MemoryDisk()
        self.sync_delay_s = sync_delay_s
        """What a group commit takes."""
        self.guard: Guard | None = None
        self.starts = 0
        self.loop_errors: list[dict[str, Any]] = []

    def engine(self) -> Engine:
        symbols = frozenset({SYMBOL})
        one = Manager(Swing(), self.policy, symbols, frozenset({Direction.LONG}), Product.SPOT, by_lot=True)
        return Engine((one,))

    async def start(self) -> None:
        self.starts += 1
        self.guard = open_guard(
            GuardConfig(
                account=ACCOUNT,
                mode=Mode.PAPER,
                environment="paper",
                position_mode=PositionMode.ONE_WAY,
                engine=self.engine(),
                armed=True,
                id_prefix=PREFIX,
                endpoints=SPOT_ENDPOINTS,
                fee_symbol=SYMBOL,
                look_every=self.look_every,
            ),
            GuardWorld(
                transport=self.transport(),
                signer=self.exchange.signer(),
                clock=self.clock,
                entropy=SeededEntropy(f"1/{self.starts}"),
                disk=self.disk,
                writer=InlineWriter(delay_s=self.sync_delay_s),
                lease=HeldLease(),
                log=lambda _: None,
            ),
        )
        guard = self.guard
        guard.listeners.append(lambda *_: self.auditor.follow(guard.owner.account))
        await guard.start()

    def transport(self) -> Any:
        return self.exchange.transport()

    def kill(self, *, power: bool = False) -> None:
        """`kill -9`; with `power`, the machine goes down: what was not synced is gone."""
        guard, self.guard = self.guard, None
        if guard is not None:
            guard.kill()
        if power:
            self.disk = self.disk.crash()

    @property
    def running(self) -> Guard:
        if self.guard is None:
            raise AssertionError("no guard runs")
        return self.guard

    # --- the other party ----------------------------------------------------------------------------

    def price(self, price: str) -> None:
        self.exchange.control("POST", "/sim/v1/price", {"symbol": SYMBOL, "price": price})

    def hand(self, do: str, **action: Any) -> Any:
        body = {"do": do, "symbol": SYMBOL, **action}
        return self.exchange.control("POST", "/sim/v1/human", body)["result"]

    def buy(self, *parts: str, price: str = "1.2345") -> None:
        """One limit BUY by hand that is filled in these parts."""
        # From above, so that the bid stands at the price and the order rests.
        self.price(str(D(price) + D("0.0001")))
        self.price(price)
        self.hand("in_parts", price=price, parts=",".join(parts))

    def truth(self) -> dict[str, Any]:
        return self.exchange.control("GET", "/sim/v1/truth")

    def sells(self) -> list[dict[str, Any]]:
        """Open SELLs of ours, as the exchange knows them."""
        return [
            o
            for o in self.truth()["orders"]
            if o["status"] in {"NEW", "PARTIALLY_FILLED"} and o["clientOrderId"].startswith(PREFIX)
        ]

    # --- what the guard believes --------------------------------------------------------------------

    @property
    def key(self) -> Scope:
        return Scope(Product.SPOT, SYMBOL, PositionSide.BOTH)

    @property
    def lots(self) -> Lots:
        lots = self.running.owner.account.scopes[self.key].lots
        if lots is None:
            raise AssertionError("there are no lots")
        return lots

    def open_lots(self) -> list[Any]:
        return sorted(every(self.lots), key=lambda lot: lot.trade_id)

    async def settle(self, seconds: float = 2.0) -> None:
        await asyncio.sleep(seconds)
        self.raise_failures()

    def reported(self, _: Any, context: dict[str, Any]) -> None:
        """What the loop reports."""
        self.loop_errors.append(context)

    def raise_failures(self) -> None:
        if self.guard is not None and self.guard.owner.failed.done():
            raise self.guard.owner.failed.result()
        for context in self.loop_errors:
            raise AssertionError(f"the loop reported {context}") from context.get("exception")

    async def until(self, holds: Callable[[], bool], what: str, within_s: float = 60.0) -> None:
        began = self.clock.now_ns()
        while not holds():
            if self.clock.now_ns() - began > within_s * SECOND:
                s = self.running.owner.account.scopes.get(self.key)
                raise AssertionError(f"not within {within_s} s: {what}; {s and s.lots}")
            await asyncio.sleep(0.05)
            self.raise_failures()

    def audit(self) -> None:
        """The promises of every run."""
        self.auditor.read_requests(self.exchange.requests())
        account = self.running.owner.account
        assert self.auditor.broken(account, self.policy) == []
        self.replayed()

    def replayed(self) -> None:
        self.running.journal.durable_now()
        same_again(self.disk, SPOT_LEDGER, self.engine(), self.running.owner.account)


type Script = Callable[[SpotSystem], Awaitable[None]]


def play_spot(
    script: Script, *, sell_when: SellWhen = SellWhen.FILL, sync_delay_s: float = 0.0005, **options: Any
) -> SpotSystem:
    """Run `script` in a fresh system, hold the run against the promises, and return the system."""
    policy = SwingPolicy(symbols=(SYMBOL,), sell_when=sell_when, **options)
    return run_system(script, lambda clock: SpotSystem(clock, policy=policy, sync_delay_s=sync_delay_s))


def run_system[S: SpotSystem](
    script: Callable[[S], Awaitable[None]], make: Callable[[LoopClock], S], *, started: bool = True
) -> S:
    """Run `script` in what `make` made, on virtual time; audit it, and see that nothing is left behind."""
    systems: list[S] = []

    def main(clock: LoopClock):
        async def go() -> None:
            system = make(clock)
            systems.append(system)
            asyncio.get_running_loop().set_exception_handler(system.reported)
            system.exchange.start()
            if started:
                await system.start()
            try:
                await script(system)
                await system.settle()
                system.audit()
            finally:
                if system.guard is not None:
                    await system.guard.stop("the test is over")
                system.exchange.close()
            await asyncio.sleep(0.01)
            left = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
            assert not left, f"tasks left behind: {left}"

        return go()

    run_virtual(main, start_ns=START)
    return systems[0]
