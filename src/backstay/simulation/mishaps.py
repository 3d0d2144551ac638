"""Carries out faults: rules go to the venue, the rest is done to the machine or the cable."""

import asyncio
import errno
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any

from backstay.core.types import MS
from backstay.simulation.acts import Act
from backstay.simulation.faults import Fault
from backstay.simulation.machine import CrashDisk, Machine, Trap, deadly

if TYPE_CHECKING:
    from backstay.simulation.process import Process
    from backstay.simulation.world import World

QUIET_S = 40.0
"""A half-open connection is noticed after twice the time that pings wait (`binance.net.timings`)."""
AFTERMATH_MS = 3_000


class Mishaps:
    """What went wrong and still does, in one run."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.dice = Random(f"{world.case.seed}/mishaps")
        self.disk_is_ill = False
        self.disk_was_ill = False
        self._ill: Fault | None = None
        self._offset_ms = 0
        self._drift = (0, 0)
        self._standing: list[Trap] = []
        """Deaths that wait for their boundary, in whichever process reaches it."""
        self._usual: dict[tuple[str, str], dict[str, Any]] = {}
        """Modes that the owner has changed, and what changes them back."""
        self._handles: list[asyncio.TimerHandle] = []

    def happen(self, fault: Fault) -> None:
        """A fault's moment has come."""
        world = self._world
        kind = world.kinds[fault.kind]
        world.tell(f"fault: {kind.words} {fault.args} for {fault.for_ms} ms")
        now = world.watch.now_ms()
        world.watch.troubles.append((now, now + fault.for_ms + AFTERMATH_MS))
        rules = kind.rules(fault)
        if rules:
            try:
                world.control("POST", "/sim/v1/faults", {"rules": list(rules)})
            except ValueError as refused:
                world.tell(f"the venue refuses this fault: {refused}")
        if fault.kind in {"half_open", "silent", "cut"} or "surface" in fault.args:
            self._later(QUIET_S, self._notice_half_open)
        perform = getattr(self, f"_{fault.kind}", None)
        if perform is not None:
            perform(fault)

    def heal(self) -> None:
        """All faults end now."""
        world = self._world
        for handle in self._handles:
            handle.cancel()
        self._handles.clear()
        world.control("DELETE", "/sim/v1/faults")
        if world.exchange.network.is_unplugged:
            world.exchange.network.plug()
        self._cure()
        self._set_offset(0)
        self._set_drift(0)
        self._standing.clear()
        for what, symbol in list(self._usual):
            self._change_back(what, symbol)
        if world.process is not None:
            world.process.machine.disarm()
        if world.other is not None:
            world.other.machine.die("as the second process")
            world.crashes.pop()
        self._notice_half_open()
        world.watch.faults_over_ms = world.watch.now_ms()
        world.tell("the faults are over")
        # What no event told is found by the next rounds; without them the stream ends once, as it does.
        if not world.look_every and any(world.kinds[f.kind].blind for f in world.case.faults):
            cut = {"match": {"at_ms": 0}, "effect": {"cut": {"surface": world.events_come_by}}}
            world.control("POST", "/sim/v1/faults", {"rules": [cut]})
        if world.process is None:
            world.start_later(0.1)

    def prepare(self, machine: Machine, disk: CrashDisk) -> None:
        """A new process finds the machine as it is."""
        machine.offset_ns = self._offset_ms * MS
        self._apply_drift(machine)
        for trap in self._standing:
            machine.set_trap(trap)
        if self._ill is not None:
            self._infect(disk, self._ill)

    def _later(self, delay_s: float, call: object, *args: object) -> None:
        loop = asyncio.get_running_loop()
        self._handles.append(loop.call_later(delay_s, call, *args))  # type: ignore[arg-type]  # any callable will do

    def _notice_half_open(self) -> None:
        """Pings find out about connections that are half open."""
        world = self._world
        dead = {c.id for c in world.exchange.venue.world._connections() if c.dead}  # noqa: SLF001 - no other way to see the venue's half
        for process in (world.process, world.other):
            if process is not None:
                process.wire.give_up(dead)

    # --- the machine ------------------------------------------------------------------------------------

    def _crash(self, fault: Fault) -> None:
        world, args = self._world, fault.args
        exact = args.get("exact", False)

        def spring(machine: Machine, what: str) -> None:
            world.away_s = args["away_ms"] / 1000
            if exact:
                self._standing.remove(trap)
                world.hits.append(what)
            deadly(power=args["power"])(machine, what)

        trap = Trap(args["when"], args["boundary"], args["nth"], spring, exact)
        if exact:
            self._standing.append(trap)
        if world.process is not None:
            world.process.machine.set_trap(trap)

    _crash_at_entry = _crash

    def _restart(self, fault: Fault) -> None:
        """Stopped in good order: what a stop writes and reads can be interrupted as well."""
        world = self._world
        if world.process is not None and world.process.ready:
            world.away_s = fault.args["away_ms"] / 1000
            world.stop_in_order(world.process)

    def _by_hand(self, fault: Fault) -> None:
        """The owner acts while the process is at a boundary."""
        world, args = self._world, fault.args
        fields = {k: args[k] for k in ("do", "symbol", "leg")}
        act = Act(at_ms=fault.at_ms, amount=Decimal(args["amount"]), **fields)

        def spring(machine: Machine, what: str) -> None:
            world.tell(f"the owner acts {what}")
            world.act(act)

        if world.process is not None:
            world.process.machine.set_trap(Trap(args["when"], args["boundary"], args["nth"], spring))

    def _mode_changed(self, fault: Fault) -> None:
        """Back when the time is over; what positions or orders forbid is tried again each second."""
        what, symbol = fault.args["what"], fault.args["symbol"]
        hedge = self._world.setup.hedge
        other: dict[str, dict[str, Any]] = {
            "position_mode": {"dualSidePosition": not hedge},
            "multi_assets": {"multiAssetsMargin": True},
            "margin_type": {"symbol": symbol, "marginType": "ISOLATED"},
        }
        usual: dict[str, dict[str, Any]] = {
            "position_mode": {"dualSidePosition": hedge},
            "multi_assets": {"multiAssetsMargin": False},
            "margin_type": {"symbol": symbol, "marginType": "CROSSED"},
        }
        if self._changed(what, other[what]):
            self._usual[what, symbol] = usual[what]
            self._later(fault.for_ms / 1000, self._change_back, what, symbol)

    def _changed(self, what: str, values: dict[str, Any]) -> bool:
        try:
            self._world.control("POST", "/sim/v1/human", {"do": what, **values})
        except ValueError as refused:
            self._world.tell(f"by hand: {what} was refused ({refused})")
            return False
        self._world.tell(f"by hand: {what} {values}")
        return True

    def _change_back(self, what: str, symbol: str) -> None:
        values = self._usual.get((what, symbol))
        if values is None:
            return
        if self._changed(what, values):
            self._usual.pop((what, symbol))
        else:
            self._later(1.0, self._change_back, what, symbol)

    def _clock_drift(self, fault: Fault) -> None:
        self._set_drift(fault.args["ppm"])
        self._later(fault.for_ms / 1000, self._set_drift, 0)

    def _set_drift(self, ppm: int) -> None:
        """A clock that is set right again was wrong by what it had gathered."""
        self._drift = (ppm, self._world.clock.now_ns())
        if self._world.process is not None:
            self._apply_drift(self._world.process.machine)

    def _apply_drift(self, machine: Machine) -> None:
        machine.drift_ppm, machine.drift_from = self._drift

    def _local_clock(self, fault: Fault) -> None:
        self._set_offset(self._offset_ms + fault.args["ms"])
        self._later(fault.for_ms / 1000, self._set_offset, 0)

    def _set_offset(self, ms: int) -> None:
        self._offset_ms = ms
        if self._world.process is not None:
            self._world.process.machine.offset_ns = ms * MS

    def _disk_full(self, fault: Fault) -> None:
        self._ail(fault)

    def _disk_error(self, fault: Fault) -> None:
        self._ail(fault)

    def _ail(self, fault: Fault) -> None:
        self._ill = fault
        self.disk_is_ill = self.disk_was_ill = True
        process = self._world.process
        if process is not None:
            self._infect(process.disk, fault)
        self._later(fault.for_ms / 1000, self._cure)

    @staticmethod
    def _infect(disk: CrashDisk, fault: Fault) -> None:
        if fault.kind == "disk_full":
            disk.room = fault.args["room"]
            return
        error = OSError(errno.EIO, "Input/output error")
        if fault.args["verb"] == "write":
            disk.fail_write = error
        else:
            disk.fail_sync = error

    def _cure(self) -> None:
        self._ill, self.disk_is_ill = None, False
        process = self._world.process
        if process is not None:
            process.disk.room = process.disk.fail_write = process.disk.fail_sync = None

    # --- the cable, the venue's rules -------------------------------------------------------------------

    def _unplugged(self, fault: Fault) -> None:
        network = self._world.exchange.network
        if not network.is_unplugged:
            network.unplug()
            self._later(fault.for_ms / 1000, network.plug)

    def _filters_changed(self, fault: Fault) -> None:
        world, symbol = self._world, fault.args["symbol"]
        if symbol in world.watch.filters_changed:
            return
        world.watch.filters_changed.add(symbol)
        pump = world.exchange.network.pump
        spec = world.exchange.engine.specs[symbol]
        world.exchange.engine.change_spec(symbol, pump.now(), tick=spec.tick * 10)

    # --- two processes ----------------------------------------------------------------------------------

    def _two_processes(self, fault: Fault) -> None:
        """Another process on a copy of the disk. It holds the lease from now on, or never does."""
        world = self._world
        first = world.process
        if first is None or not first.ready or first.machine.dead or world.other is not None:
            return
        world.start_second(takes_over=fault.args["takes_over"])
        self._later(fault.for_ms / 1000, self._end_second)

    def _end_second(self) -> None:
        world = self._world
        other: Process | None = world.other
        if other is not None and not other.machine.dead:
            other.machine.die("as the second process")
            world.crashes.pop()
