"""A whole system on virtual time: guard, ledger, gateway, simulated venue, and a market that a test moves.

`play(script, ...)` runs `async script(world)` and then holds the run against the promises that every run
keeps: nothing twice, nothing foreign touched, the ledger verified, its replay the same state and decisions.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from backstay.app.auditor import Auditor
from backstay.app.entropy import SeededEntropy
from backstay.app.guard import Guard, GuardConfig, open_guard
from backstay.app.guard import World as GuardWorld
from backstay.app.host import GuardHost
from backstay.app.ledger_paths import LEDGER
from backstay.app.paper import ACCOUNT, ENDPOINTS, PaperExchange
from backstay.core.engine import Engine, Manager
from backstay.core.events import OperatorAction, OperatorCommand
from backstay.core.records import Record
from backstay.core.risk import NO_LIMITS, RiskLimits
from backstay.core.state import ScopeState
from backstay.core.types import SECOND, Mode, PositionMode, PositionSide, Product, Scope
from backstay.core.wanted import AnyStrategy
from backstay.ledger.reader import chunks
from backstay.ledger.writers import InlineWriter
from backstay.runtime.virtual_time import LoopClock, run_virtual
from backstay.simulator.server.settings import ServerSettings
from backstay.simulator.settings import EngineSettings
from backstay.strategies.position_manager.policy import (
    DcaPolicy,
    PositionPolicy,
    StopKind,
    StopPolicy,
    TakeProfitLevel,
    TakeProfitPolicy,
)
from backstay.strategies.position_manager.wanted import PositionManager

from tests.system.judging import Judge
from tests.system.stand_ins import (
    BTC,
    START,
    D,
    HeldLease,
    Killed,
    SteppedDisk,
    SteppedTransport,
    Steps,
    StillFeed,
)
from tests.system.venue_side import PREFIX, VenueSide


class World(VenueSide, Judge):
    """One guard (restarted at will) against one venue. Use it inside `play`."""

    def __init__(
        self,
        clock: LoopClock,
        *,
        policy: PositionPolicy,
        mode: Mode = Mode.PAPER,
        armed: bool = True,
        hedge: bool = False,
        account_hedge: bool | None = None,
        seed: int = 1,
        symbols: tuple[str, ...] = (BTC,),
        managed: tuple[str, ...] | None = None,
        limits: RiskLimits = NO_LIMITS,
        settings: ServerSettings | None = None,
        engine_settings: EngineSettings | None = None,
        sync_delay_s: float = 0.0005,
        feed: Any = None,
        specs: Any = None,
        strategy: AnyStrategy | None = None,
        look_every: float = 0.0,
    ) -> None:
        self.look_every = look_every
        self.strategy = strategy if strategy is not None else PositionManager()
        self.clock = clock
        self.policy = policy
        self.mode = mode
        self.armed = armed
        self.hedge = hedge
        self.seed = seed
        self.symbols = symbols
        self.managed = symbols if managed is None else managed
        self.limits = limits
        self.sync_delay_s = sync_delay_s
        self.exchange = PaperExchange(
            feed or StillFeed(symbols),
            start_ns=START,
            seed=seed,
            time_ns=clock.now_ns,
            specs=specs,
            hedge=hedge if account_hedge is None else account_hedge,
            settings=settings,
            engine_settings=engine_settings,
        )
        self.auditor = Auditor(lambda name: name.startswith(PREFIX))
        self.exchange.listen(self.auditor.event)
        self.disk = SteppedDisk()
        self.lease = HeldLease()
        self.guard: Guard | None = None
        self.gateway_log: list[str] = []
        self.loop_errors: list[dict[str, Any]] = []
        self.sends: list[tuple[bytes, int, int]] = []
        """(bytes, records appended, records durable) of everything that was sent, at that moment."""
        self.starts = 0
        self.quiet_ns = 0
        """What the next process is told of how long nobody can have sent anything."""
        self.expect_broken_ledger = False

    # --- the process --------------------------------------------------------------------------------

    @property
    def owner(self):
        return self.running.owner

    @property
    def running(self) -> Guard:
        if self.guard is None:
            raise AssertionError("no guard runs")
        return self.guard

    def engine(self) -> Engine:
        policy = msgspec.structs.replace(self.policy, symbols=self.managed)
        manager = Manager(self.strategy, policy, frozenset(self.managed), frozenset(policy.sides))
        return Engine((manager,), self.limits)

    def build(self, *, kill_at: int | None = None, environment: str = "paper") -> Guard:
        """A guard on this world's disk, not started yet."""
        self.starts += 1
        steps = Steps(kill_at)
        self.disk.steps = steps

        def sent(data: bytes) -> None:
            journal = self.guard.journal if self.guard is not None else None
            if journal is not None:
                self.sends.append((data, journal.seq, journal.durable_seq))

        self.guard = open_guard(
            GuardConfig(
                account=ACCOUNT,
                mode=self.mode,
                environment=environment,
                position_mode=PositionMode.HEDGE if self.hedge else PositionMode.ONE_WAY,
                engine=self.engine(),
                armed=self.armed,
                id_prefix=PREFIX,
                endpoints=ENDPOINTS,
                fee_symbol=self.symbols[0],
                look_every=self.look_every,
            ),
            GuardWorld(
                transport=SteppedTransport(self.exchange.transport(), steps, sent),
                signer=self.exchange.signer(),
                clock=self.clock,
                entropy=SeededEntropy(f"{self.seed}/{self.starts}"),
                disk=self.disk,
                writer=InlineWriter(delay_s=self.sync_delay_s),
                lease=self.lease,
                quiet_ns=self.quiet_ns,
                log=self.gateway_log.append,
            ),
        )
        return self.guard

    async def start(self, **options: Any) -> Guard:
        guard = self.build(**options)
        await guard.start()
        return guard

    @property
    def steps(self) -> Steps:
        return self.disk.steps

    def kill(self, *, power: bool = False) -> None:
        """`kill -9`; with `power`, the machine goes down: what was not synced is gone."""
        self.steps.dead = True
        guard, self.guard = self.guard, None
        if guard is not None:
            guard.kill()
        self.disk = SteppedDisk.of(self.disk.crash() if power else self.disk)

    async def restart(self, *, away_s: float = 1.0, power: bool = False, quiet: bool = False) -> Guard:
        """`quiet`: the lock told the new process since when the old one is gone."""
        self.kill(power=power)
        await asyncio.sleep(away_s)
        self.quiet_ns = int(away_s * SECOND) if quiet else 0
        return await self.start()

    # --- time ---------------------------------------------------------------------------------------

    async def settle(self, seconds: float = 2.0) -> None:
        await asyncio.sleep(seconds)
        self.raise_failures()

    def raise_failures(self) -> None:
        if self.guard is not None and self.guard.owner.failed.done() and not self.expect_broken_ledger:
            raise self.guard.owner.failed.result()
        for context in self.loop_errors:
            raise AssertionError(f"the loop reported {context}") from context.get("exception")

    async def until(
        self, holds: Callable[[], bool], what: str, *, within_s: float = 60.0, every_s: float = 0.05
    ) -> float:
        """Wait until `holds()`; returns after how many seconds."""
        began = self.clock.now_ns()
        while not holds():
            if self.clock.now_ns() - began > within_s * SECOND:
                raise AssertionError(f"not within {within_s} s: {what}; {self.describe()}")
            await asyncio.sleep(every_s)
            self.raise_failures()
        return (self.clock.now_ns() - began) / SECOND

    def is_ready(self) -> bool:
        return self.owner.ready.is_set()

    async def trusted(self, *, within_s: float = 60.0) -> float:
        def calm() -> bool:
            account = self.owner.account
            return account.hydrated and all(s.trusted and not s.pendings for s in account.scopes.values())

        return await self.until(calm, "every scope trusted, nothing pending", within_s=within_s)

    async def quiet(self, seconds: float = 60.0) -> None:
        """I-22: a steady minute issues no mutation."""
        before = self.received()
        await self.settle(seconds)
        assert not self.mutations(before), self.mutations(before)

    # --- what the guard believes ----------------------------------------------------------------------

    def scope(self, side: str = "", symbol: str = BTC) -> ScopeState:
        return self.owner.account.scopes[Scope(Product.USDM, symbol, PositionSide(side or "BOTH"))]

    def key(self, side: str = "", symbol: str = BTC) -> Scope:
        return Scope(Product.USDM, symbol, PositionSide(side or "BOTH"))

    def command(self, action: OperatorAction, scope: Scope | None = None, reason: str = "test") -> None:
        event = OperatorCommand(action=action, who="tester", scope=scope, reason=reason)
        GuardHost(self.running).command(event)

    def records(self) -> list[Record]:
        if self.guard is not None and self.guard.journal.failure is None:
            self.guard.journal.durable_now()
        return [record for chunk in chunks(self.disk, LEDGER) for record in chunk]

    def bodies[T](self, kind: type[T]) -> list[T]:
        return [r.body for r in self.records() if isinstance(r.body, kind)]

    def describe(self) -> str:
        if self.guard is None:
            return "no guard"
        lines = []
        for key, s in self.owner.account.scopes.items():
            alive = [c for c in s.contexts.values() if not c.is_terminal]
            ctxs = [(c.ctx_id[3:8], str(c.key), str(c.phase)) for c in alive]
            lines.append(
                f"{key} {s.trust} {s.reasons} qty {s.position.quantity} pend {list(s.pendings)} "
                f"blocks {[(str(b.key), b.effect) for b in s.blocks]} {ctxs} last {self.owner.last.get(key)}"
            )
        return "\n".join([*lines, f"gates {self.owner.account.gates}", *self.resting()])

    def has_a_sound_ledger(self) -> bool:
        return self.guard is not None and not self.expect_broken_ledger

    async def end(self) -> None:
        """Stop whatever runs, and leave no task behind."""
        if self.guard is not None and not self.steps.dead:
            await self.guard.stop("the test is over")
        self.exchange.close()


type Script = Callable[[World], Awaitable[None]]


def play(
    script: Script, *, policy: PositionPolicy | None = None, started: bool = True, **options: Any
) -> World:
    """Run `script` in a fresh world, hold the run against the promises, and return the world."""
    worlds: list[World] = []

    def main(clock: LoopClock):
        async def go() -> None:
            loop = asyncio.get_running_loop()
            world = World(clock, policy=policy or PLAIN, **options)
            worlds.append(world)

            def report(_loop, context) -> None:
                if not isinstance(context.get("exception"), Killed):
                    world.loop_errors.append(context)

            loop.set_exception_handler(report)
            world.exchange.start()
            if started:
                await world.start()
            try:
                await script(world)
                world.raise_failures()
                world.audit()
            finally:
                await world.end()
            await asyncio.sleep(0.01)
            left = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
            assert not left, f"tasks left behind: {left}"
            world.raise_failures()

        return go()

    run_virtual(main, start_ns=START)
    return worlds[0]


def policy(
    kind: StopKind = StopKind.CLOSE_POSITION,
    *,
    distance: str = "0.05",
    profits: tuple[tuple[str, str], ...] = (("0.015", "1"),),
    ladder: bool = False,
    stop: Mapping[str, Any] | None = None,
    take: Mapping[str, Any] | None = None,
    dca: Mapping[str, Any] | None = None,
    **more: Any,
) -> PositionPolicy:
    """The example of exchange-state 7.3 unless told otherwise: SL 5 %, TP 1.5 %, ladder 1 %, 1.5, 1.5."""
    levels = tuple(TakeProfitLevel(distance=D(d), share=D(s)) for d, s in profits)
    steps: dict[str, Any] = {
        "steps": 3,
        "first_deviation": D("0.01"),
        "deviation_multiplier": D("1.5"),
        "first_size": D("0.010"),
        "size_multiplier": D("1.5"),
        **(dca or {}),
    }
    return PositionPolicy(
        stop_loss=StopPolicy(kind=kind, distance=D(distance), **(stop or {})),
        take_profit=TakeProfitPolicy(levels=levels, **(take or {})),
        dca=DcaPolicy(**steps) if ladder or dca else None,
        **more,
    )


PLAIN = policy()
