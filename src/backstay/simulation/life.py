"""The processes of a run: one machine after another on one disk, how they start, stop, fail and die."""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from typing import Any

from backstay.app.entropy import SeededEntropy
from backstay.app.guard import GuardConfig, open_guard
from backstay.app.guard import World as GuardWorld
from backstay.app.host import GuardHost
from backstay.core.events import OperatorAction, OperatorCommand
from backstay.core.outcomes import VenueUnavailable
from backstay.core.records import Body, Noted
from backstay.core.types import MS, Scope
from backstay.ledger.errors import LedgerError
from backstay.ledger.writers import InlineWriter
from backstay.runtime.virtual_time import LoopClock
from backstay.simulation.case import Case
from backstay.simulation.machine import CrashDisk, Killed, Machine, Wire
from backstay.simulation.mishaps import Mishaps
from backstay.simulation.observers.base import Observer, Watch
from backstay.simulation.process import Lease, Process, Word, silent

RETRY_S = 3.0


class Life(ABC):
    """What lives in a world, one life after another; the world says what is guarded, and hears it."""

    case: Case
    setup: Any
    exchange: Any
    watch: Watch
    observers: list[Observer]
    mishaps: Mishaps
    told_story: bool

    def __init__(self, clock: LoopClock) -> None:
        self.clock = clock
        self.crashes: list[str] = []
        self.hits: list[str] = []
        """Boundaries of the enumerated list at which a process was killed on purpose."""
        self.recovery_ms: list[int] = []
        """From the start of a process to its being ready."""
        self.boundaries = 0
        self.process: Process | None = None
        self.other: Process | None = None
        self.away_s = 1.0
        self.next_start: asyncio.TimerHandle | None = None
        self._sender: Machine | None = None
        self._starts = 0
        self._boots: set[asyncio.Task[None]] = set()
        self._stop_starts = False
        self._disk = CrashDisk(self._machine())

    # --- what the world adds ------------------------------------------------------------------------

    @abstractmethod
    def config(self) -> GuardConfig:
        """What the guard is configured to be."""

    @abstractmethod
    def tell(self, words: str) -> None:
        """A line of the story, if anybody listens."""

    @abstractmethod
    def _on_send(self, machine: Machine, surface: str, data: bytes) -> None: ...

    @abstractmethod
    def _on_hear(self, machine: Machine, surface: str, data: bytes) -> None: ...

    @abstractmethod
    def _on_lost(self, machine: Machine, surface: str) -> None: ...

    # --- starts and ends ----------------------------------------------------------------------------

    def _machine(self) -> Machine:
        self._starts += 1
        return Machine(self._starts, self.clock, self._died)

    def _died(self, machine: Machine, why: str) -> None:
        self.tell(f"process {machine.number} is killed {why}")
        self.crashes.append(why)
        asyncio.get_running_loop().call_soon(self.bury, machine)

    def bury(self, machine: Machine) -> None:
        """What is left of a dead process goes; the next one is started after a while."""
        self.boundaries += machine.boundaries
        self._sender = None
        for process in (self.process, self.other):
            if process is not None and process.machine is machine:
                process.guard.kill()
        machine.cancel_tasks()
        for observer in self.observers:
            observer.died(machine)
        if self.other is not None and self.other.machine is machine:
            self.other = None
        if self.process is None or self.process.machine is not machine:
            return
        self.process = None
        self.watch.machine, self.watch.ready_ms = None, 0
        if machine.killed_with_power:
            dice = self.mishaps.dice
            left = self._disk.crash(dice.randrange if dice.randrange(2) else None)
            self._disk = CrashDisk.of(left, machine)
        self.start_later(self.away_s)

    def start_later(self, delay_s: float) -> None:
        """Start the next process, unless one is about to be started."""
        if self._stop_starts or self.next_start is not None:
            return
        self.next_start = asyncio.get_running_loop().call_later(delay_s, self._start_now)

    def _start_now(self) -> None:
        self.next_start = None
        if not self._stop_starts and self.process is None:
            task = asyncio.get_running_loop().create_task(self.boot())
            self._boots.add(task)
            task.add_done_callback(self._boots.discard)

    def make(self, machine: Machine, disk: CrashDisk, lease: Lease) -> Process:
        """A guard on a machine, not started. Raises LedgerError and OSError."""
        wire = Wire(
            self.exchange.network,
            machine,
            on_send=self._on_send,
            on_hear=self._on_hear,
            on_lost=self._on_lost,
        )
        config = self.config()
        world = GuardWorld(
            transport=wire,
            signer=self.exchange.signer(),
            clock=machine,
            entropy=SeededEntropy(f"{self.case.seed}/{machine.number}"),
            disk=disk,
            writer=InlineWriter(delay_s=self.setup.sync_ms / 1000),
            lease=lease,
            log=(lambda text: self.tell(f"process {machine.number}: {text}")) if self.told_story else silent,
        )
        guard = machine.context.run(open_guard, config, world)
        guard.listeners.append(lambda _seq, _at, body: self._recorded(machine, body))
        return Process(machine, guard, disk, wire, lease)

    def _recorded(self, machine: Machine, body: Body) -> None:
        watch = self.watch
        if isinstance(body, Noted) and body.what == "unprotected":
            # By true time: the machine's own clock may be off.
            watch.alarms.setdefault(str(body.scope), []).append(watch.now_ms())

    async def boot(self) -> None:
        """Start a process on the disk as it is; when the venue cannot be reached, try again later."""
        machine = self._machine()
        self._disk = CrashDisk.of(self._disk, machine)
        self.mishaps.prepare(machine, self._disk)
        self.tell(f"process {machine.number} starts")
        self.watch.stream_lost(machine)
        try:
            process = self.process = self.make(machine, self._disk, Lease())
        except Killed:
            self.start_later(self.away_s)
            return
        except (LedgerError, OSError) as error:
            if not self.mishaps.disk_is_ill:
                self.watch.report("alive", f"the ledger cannot be opened: {error}")
                self._stop_starts = True
                return
            machine.dead = True
            self.start_later(RETRY_S)
            return
        self.watch.machine = machine
        self.watch.forget()
        await self.start(process)

    def start_second(self, *, takes_over: bool) -> None:
        """A second process on a copy of the disk: it takes the lease over, or waits for it in vain."""
        first = self.process
        if first is None:
            return
        machine = self._machine()
        disk = CrashDisk.of(self._disk, machine)
        first.lease.mine = not takes_over
        self.tell(f"process {machine.number} starts beside process {first.machine.number}")
        second = self.make(machine, disk, Lease(mine=takes_over))
        self.other = second
        if takes_over:
            self.process, self.other, self._disk = second, first, disk
            self.watch.machine, self.watch.ready_ms = machine, 0
            self.watch.forget()
        task = asyncio.get_running_loop().create_task(self.start(second))
        self._boots.add(task)
        task.add_done_callback(self._boots.discard)

    async def start(self, process: Process) -> None:
        """Start a made guard, inside its machine."""
        machine = process.machine
        loop = asyncio.get_running_loop()
        began = self.clock.now_ns()
        task = loop.create_task(process.guard.start(), context=machine.context)
        await asyncio.wait([task])
        if machine.dead:
            if not task.cancelled():
                task.exception()
            return
        error = task.exception() if not task.cancelled() else None
        if error is None:
            process.ready = True
            self.recovery_ms.append((self.clock.now_ns() - began) // MS)
            if self.process is process:
                self.watch.ready_ms = self.watch.now_ms()
                self.tell(f"process {machine.number} is ready")
            process.guard.owner.failed.add_done_callback(lambda future: self.failed(process, future.result()))
            return
        if not isinstance(error, VenueUnavailable):
            self.failed(process, error)
            return
        self.tell(f"process {machine.number} could not start: {error}")
        self.away_s = RETRY_S
        machine.die("because it could not start")
        self.crashes.pop()

    def stop_in_order(self, process: Process) -> None:
        """The operator ends a process; it is buried, and the next one started, when it has stopped."""
        machine = process.machine
        self.tell(f"operator: process {machine.number} is to stop")
        loop = asyncio.get_running_loop()
        task = loop.create_task(process.guard.stop("restart"), context=machine.context)

        def stopped(done: asyncio.Task[None]) -> None:
            if machine.dead or done.cancelled():
                return
            error = done.exception()
            if error is not None:
                self.failed(process, error)
                return
            machine.die("having stopped in good order")
            self.crashes.pop()

        task.add_done_callback(stopped)

    def failed(self, process: Process, error: BaseException) -> None:
        """The guard gave up by itself: expected of a disk that failed, a defect otherwise."""
        if process.machine.dead:
            return
        if not self.is_expected(error):
            self.watch.report("alive", f"process {process.machine.number} failed: {error!r}")
        self.away_s = RETRY_S
        process.machine.die(f"because of {type(error).__name__}")
        self.crashes.pop()

    def is_expected(self, error: BaseException) -> bool:
        """The guard may give up for this."""
        return isinstance(error, (LedgerError, OSError)) and self.mishaps.disk_was_ill

    # --- the operator's word ------------------------------------------------------------------------

    def command(self, action: OperatorAction, scope: Scope | None = None) -> Word:
        """An operator's word to the running process."""
        event = OperatorCommand(action=action, who="operator", scope=scope, reason="simulation")
        return self.say_command(event)

    def say_command(self, event: OperatorCommand) -> Word:
        """The same, of any command."""
        process = self.process
        if process is None or not process.ready or process.machine.dead:
            return Word.LOST
        self.tell(f"operator: {event.action.value} {event.scope or 'everything'} {event.lot or ''}".rstrip())
        host = GuardHost(process.guard)
        process.guard.listeners.remove(host.news.record)
        with contextlib.suppress(Killed):
            process.machine.context.run(host.command, event)
        return process.word
