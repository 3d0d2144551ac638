"""One run of both products in one process: a guard of USD-M and a guard of spot under one lock.

Two worlds, each with its venue, its people, its faults and its observers, share the machine: whatever kills
one guard kills both, and they start again together, futures first, as a session does (`app/session.py`).
"""

import asyncio
from typing import Any

from msgspec.structs import replace

from backstay.app.host import GuardHost
from backstay.app.joint import JointHost
from backstay.core.events import OperatorAction, OperatorCommand
from backstay.runtime.virtual_time import LoopClock
from backstay.simulation.case import Case, Outcome
from backstay.simulation.machine import Killed, Machine
from backstay.simulation.observers.base import Observer
from backstay.simulation.observers.every import SPOT
from backstay.simulation.process import Process, Word
from backstay.simulation.spot_world import SpotWorld
from backstay.simulation.world import World


def _half(case: Case, product: str) -> Case:
    acts = tuple(a for a in case.acts if a.product == product)
    return replace(case, acts=acts, faults=tuple(f for f in case.faults if f.product == product))


class SpotHalf(SpotWorld):
    """Follows the machine that the other half starts."""

    leader: "JointWorld | None" = None
    _shared: Machine | None = None

    def tell(self, words: str) -> None:
        super().tell(f"spot: {words}")

    def _machine(self) -> Machine:
        return self._shared if self._shared is not None else super()._machine()

    async def boot(self) -> None:
        """The other half starts both."""

    async def follow(self, machine: Machine) -> None:
        """Start the guard of spot on a machine whose guard of USD-M is ready."""
        self._shared = machine
        await super().boot()

    def start_later(self, delay_s: float) -> None:
        """The other half starts both."""

    def stop_in_order(self, process: Process) -> None:
        if self.leader is not None and self.leader.process is not None:
            self.leader.stop_in_order(self.leader.process)

    def say_command(self, event: OperatorCommand) -> Word:
        if event.scope is None and self.leader is not None:
            return self.leader.say_command(event)
        return super().say_command(event)


class JointWorld(World):
    """Plays one case of both products. Made inside the loop."""

    def __init__(
        self, case: Case, clock: LoopClock, *, observers: tuple[type[Observer], ...], tell: bool = False
    ) -> None:
        super().__init__(_half(case, "usdm"), clock, observers=observers, tell=tell)
        self.spot = SpotHalf(_half(case, "spot"), clock, observers=SPOT, tell=tell)
        self.spot.leader = self
        self.spot.crashes = self.crashes
        self.spot.hits = self.hits

    async def boot(self) -> None:
        await super().boot()
        process = self.process
        if process is not None and process.ready and not process.machine.dead:
            await self.spot.follow(process.machine)

    def bury(self, machine: Machine) -> None:
        self.away_s = max(self.away_s, 0.1)
        super().bury(machine)
        if self.spot.process is not None and self.spot.process.machine is machine:
            self.spot.bury(machine)

    def stop_in_order(self, process: Process) -> None:
        """Both are stopped; whoever is not done when the first is dies with it."""
        other = self.spot.process
        if other is not None and not other.machine.dead:
            stop = other.guard.stop("restart")
            task = asyncio.get_running_loop().create_task(stop, context=other.machine.context)
            task.add_done_callback(_look)
        super().stop_in_order(process)

    def say_command(self, event: OperatorCommand) -> Word:
        """What means everything is said to both guards."""
        other = self.spot.process
        if event.scope is not None or other is None or not other.ready or other.machine.dead:
            return super().say_command(event)
        process = self.process
        if process is None or not process.ready or process.machine.dead:
            return Word.LOST
        self.tell(f"operator: {event.action.value} everything, of both products")
        hosts = [GuardHost(p.guard) for p in (process, other)]
        for host in hosts:
            host.guard.listeners.remove(host.news.record)
        try:
            process.machine.context.run(JointHost(hosts).command, event)
        except Killed:
            return process.word
        if event.action is OperatorAction.ACK:
            self.watch.acks.append("")
        if event.action in {OperatorAction.PAUSE, OperatorAction.RESUME}:
            self.spot.watch.paused = event.action is OperatorAction.PAUSE
        return process.word

    async def run(self) -> None:
        await asyncio.gather(super().run(), self.spot.run())

    def outcome(self) -> Outcome:
        mine, other = super().outcome(), self.spot.outcome()
        return replace(
            mine,
            violations=sorted([*mine.violations, *other.violations], key=lambda v: v.at_ms),
            events=mine.events + other.events,
            private_events=mine.private_events + other.private_events,
            requests=mine.requests + other.requests,
            faults={k: mine.faults.get(k, 0) + other.faults.get(k, 0) for k in mine.faults | other.faults},
            recovery_ms=mine.recovery_ms + other.recovery_ms,
            digest=mine.digest + other.digest,
            story=sorted([*mine.story, *other.story], key=lambda line: line[0]),
        )


def _look(done: "asyncio.Task[Any]") -> None:
    """A stop that the machine's death cut short has nothing to tell."""
    if not done.cancelled():
        done.exception()
