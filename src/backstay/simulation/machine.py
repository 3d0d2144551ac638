"""The machine under one process: a disk, a wire and a clock that can fail, and a power switch.

Every touch of the outside world is a boundary with a name: a write, a sync, a request, a frame. A process can
be killed right before or right after any of them; from then on nothing that it does reaches the world.
"""

import asyncio
import contextlib
import contextvars
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from backstay.app.memory import MemoryNetwork, MemorySocket, MemoryTransport
from backstay.binance.net.transport import HttpReply, OnClosed, OnMessage
from backstay.ledger.memory_disk import MemoryDisk
from backstay.runtime.virtual_time import LoopClock

PROCESS: contextvars.ContextVar["Machine | None"] = contextvars.ContextVar("process", default=None)


SUBSCRIBE = "userDataStream.subscribe"
"""Spot's private events come on the connection on which this was asked."""


class Killed(BaseException):
    """The process ended here."""


class Livelock(SystemExit):
    """The run goes round and round: at one instant, or through the same boundaries again and again."""


BOUNDARIES_MAX = 15_000
"""Some ten times what a run of this kind has."""


class Trap(msgspec.Struct):
    """What happens at the `nth` boundary from now whose name begins with `name` (`exact`: is `name`)."""

    when: str
    """"before" or "after"."""
    name: str
    nth: int
    spring: Callable[["Machine", str], None]
    exact: bool = False

    def fits(self, when: str, boundary: str) -> bool:
        """Whether this is the boundary; counts it if it is one of those."""
        if when != self.when or not (boundary == self.name if self.exact else boundary.startswith(self.name)):
            return False
        self.nth -= 1
        return not self.nth


def deadly(*, power: bool) -> Callable[["Machine", str], None]:
    """What springs where a process is to die; with `power`, what was not synced is gone."""

    def spring(machine: "Machine", what: str) -> None:
        machine.die(what, power=power)
        raise Killed

    return spring


class Machine:
    """One process's life: it runs until a boundary, or the world, kills it."""

    def __init__(self, number: int, clock: LoopClock, on_death: Callable[["Machine", str], None]) -> None:
        self.number = number
        self.dead = False
        self.boundaries = 0
        self.offset_ns = 0
        self.context = contextvars.copy_context()
        self.context.run(PROCESS.set, self)
        self._clock = clock
        self._on_death = on_death
        self.drift_ppm = 0
        self.drift_from = 0
        self._traps: list[Trap] = []
        self.killed_with_power = False
        self.census: dict[tuple[str, str], int] | None = None
        """How often each boundary was reached, where somebody wants to know."""

    def set_trap(self, trap: Trap) -> None:
        self._traps.append(trap)

    def disarm(self) -> None:
        self._traps.clear()

    def reach(self, when: str, boundary: str) -> None:
        """A boundary. Raises Killed when the process is dead, or dies of this one."""
        if self.dead:
            raise Killed
        self.boundaries += 1
        if self.boundaries > BOUNDARIES_MAX:
            raise Livelock
        if self.census is not None:
            self.census[when, boundary] = self.census.get((when, boundary), 0) + 1
        for trap in self._traps:
            if trap.fits(when, boundary):
                self._traps = [t for t in self._traps if t is not trap]
                trap.spring(self, f"{when} {boundary}")
                return

    @property
    def is_watched(self) -> bool:
        return bool(self._traps) or self.census is not None

    def passed(self, boundary: str) -> None:
        """After a boundary that the process has gone on from by itself."""
        if not self.dead:
            with contextlib.suppress(Killed):
                self.reach("after", boundary)

    def die(self, why: str, *, power: bool = False) -> None:
        """Dead from now on; the world buries it."""
        if self.dead:
            return
        self.dead = True
        self.killed_with_power = power
        self._on_death(self, why)

    def now_ns(self) -> int:
        """The machine's own idea of the time (the `Clock` port)."""
        now = self._clock.now_ns() + self.offset_ns
        return now + (now - self.drift_from) * self.drift_ppm // 1_000_000 if self.drift_ppm else now

    def cancel_tasks(self) -> None:
        """End everything that the process had under way, oldest first."""
        tasks = [t for t in asyncio.all_tasks() if t.get_context().get(PROCESS) is self]
        for task in sorted(tasks, key=lambda t: (len(t.get_name()), t.get_name())):
            task.cancel()


class CrashDisk(MemoryDisk):
    """A memory disk whose every write, sync and replacement is a boundary of the machine."""

    def __init__(self, machine: Machine) -> None:
        super().__init__()
        self.machine = machine

    @classmethod
    def of(cls, other: MemoryDisk, machine: Machine) -> "CrashDisk":
        """The disk as another process finds it."""
        made = cls(machine)
        made._files = other.copy()._files  # noqa: SLF001 - the same kind of disk, seen by another process
        return made

    def open_append(self, path: str) -> Any:
        return _CrashFile(super().open_append(path), _short(path), self.machine)

    def open_fixed(self, path: str, size: int) -> Any:
        return _CrashFile(super().open_fixed(path, size), _short(path), self.machine)

    def replace(self, path: str, data: bytes) -> None:
        name = f"disk replace {_short(path)}"
        self.machine.reach("before", name)
        super().replace(path, data)
        self.machine.reach("after", name)

    def platter(self) -> tuple[bytearray, ...]:
        """What a power cut at this moment would leave, file by file."""
        return tuple(content.kept for content in self._files.values())


class _CrashFile:
    """Either kind of open file, with its boundaries."""

    def __init__(self, inner: Any, name: str, machine: Machine) -> None:
        self._inner = inner
        self._name = name
        self._machine = machine
        self.block = inner.block

    def write(self, data: bytes) -> None:
        self._step("write", self._inner.write, data)

    def put(self, offset: int, data: bytes) -> None:
        self._step("put", self._inner.put, offset, data)

    def sync(self) -> None:
        self._step("sync", self._inner.sync)

    def truncate(self, size: int) -> None:
        self._step("truncate", self._inner.truncate, size)

    def size(self) -> int:
        return int(self._inner.size())

    def close(self) -> None:
        self._inner.close()

    def _step(self, verb: str, call: Callable[..., None], *args: Any) -> None:
        name = f"disk {verb} {self._name}"
        self._machine.reach("before", name)
        call(*args)
        self._machine.reach("after", name)


def _short(path: str) -> str:
    name = path.rpartition("/")[2]
    if name.endswith(".snap"):
        return "*.snap"
    return "*.torn" if ".torn-" in name else name


class Wire(MemoryTransport):
    """The in-memory transport of one process: boundaries, and two ears of the world.

    `on_send` is called with the bytes right before they leave, `on_hear` with what is delivered before the
    process sees it, `on_lost` when a connection ends. A half-open connection is given up after `quiet_s`, as
    pings over real sockets would find out.
    """

    def __init__(
        self,
        network: MemoryNetwork,
        machine: Machine,
        *,
        on_send: Callable[[Machine, str, bytes], None],
        on_hear: Callable[[Machine, str, bytes], None],
        on_lost: Callable[[Machine, str], None],
    ) -> None:
        super().__init__(network)
        self._machine = machine
        self._on_send = on_send
        self._on_hear = on_hear
        self._on_lost = on_lost
        self.open: list[tuple[str, MemorySocket, float]] = []
        """(surface, socket, quiet_s) of what was opened and not known to be closed."""

    async def http(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float
    ) -> HttpReply:
        name = f"http {method} {_path(url)}"
        machine = self._machine
        machine.reach("before", name)
        self._on_send(machine, name, url.encode() + b" " + body)
        try:
            reply = await super().http(method, url, headers, body, timeout_s)
        except Exception:
            machine.reach("before", f"failure of {name}")
            raise
        machine.reach("before", f"answer to {name}")
        query = url.partition("?")[2]
        self._on_hear(machine, f"{name}?{query}" if reply.status == 200 else f"refused {name}", reply.body)
        if machine.is_watched:
            asyncio.get_running_loop().call_soon(machine.passed, f"answer to {name}")
        return reply

    async def websocket(
        self,
        url: str,
        on_message: OnMessage,
        on_closed: OnClosed,
        *,
        timeout_s: float = 10.0,
        quiet_s: float = 0.0,
    ) -> Any:
        surface = _surface(url)
        machine = self._machine
        machine.reach("before", f"handshake {surface}")
        mine: list[MemorySocket] = []
        named = [surface]
        asked: dict[str, str] = {}

        def heard(data: bytes) -> None:
            about = asked.get(_word(data, b'"id":"'), "") if surface == "ws_api" else ""
            about = about or (_word(data, b'"e":"') if named[0] != "ws_api" else "")
            name = f"frame in {named[0]} {about}".rstrip()
            if machine.dead:
                return
            machine.reach("before", name)
            self._on_hear(machine, named[0], data)
            machine.context.run(on_message, data)
            machine.reach("after", name)

        def closed(reason: str) -> None:
            self.open = [o for o in self.open if not mine or o[1] is not mine[0]]
            if not machine.dead:
                self._on_lost(machine, named[0])
                machine.context.run(on_closed, reason)

        socket = await super().websocket(url, heard, closed, timeout_s=timeout_s, quiet_s=quiet_s)
        mine.append(socket)
        self.open.append((surface, socket, quiet_s))
        machine.reach("after", f"handshake {surface}")

        def subscribed() -> None:
            """Spot: what comes on this connection of the WebSocket API is the account's events."""
            named[0] = "private"
            self.open = [("private", *o[1:]) if o[1] is socket else o for o in self.open]

        return _WireSocket(socket, named, machine, self._on_send, asked, subscribed)

    def give_up(self, conns: set[int]) -> None:
        """These connections have been half open for as long as pings take to notice."""
        for _, socket, _ in list(self.open):
            if socket.conn in conns and socket.is_open:
                socket.end("no answer to pings")


class _WireSocket:
    def __init__(
        self,
        inner: MemorySocket,
        named: list[str],
        machine: Machine,
        on_send: Callable[[Machine, str, bytes], None],
        asked: dict[str, str],
        subscribed: Callable[[], None],
    ) -> None:
        self._subscribed = subscribed
        self._asked = asked
        """Methods of requests that are not answered yet, by their id."""
        self._inner = inner
        self._named = named
        """The surface that this connection is of, as its one member."""
        self._machine = machine
        self._on_send = on_send

    @property
    def is_open(self) -> bool:
        return self._inner.is_open

    def send(self, data: bytes) -> None:
        method = _word(data, b'"method":"')
        surface = self._named[0]
        if surface != "market":
            self._asked[_word(data, b'"id":"')] = method
        name = f"frame out {surface} {method}".rstrip()
        self._machine.reach("before", name)
        if self._inner.is_open:
            self._on_send(self._machine, surface, data)
        self._inner.send(data)
        if method.startswith(SUBSCRIBE):
            self._subscribed()
        self._machine.reach("after", name)

    def close(self) -> None:
        if not self._machine.dead:
            self._inner.close()


def _word(data: bytes, mark: bytes) -> str:
    """The text right behind `mark`, up to its quote; nothing where there is none."""
    begin = data.find(mark)
    if begin < 0:
        return ""
    begin += len(mark)
    return data[begin : data.index(b'"', begin)].decode()


def _path(url: str) -> str:
    return "/" + url.partition("://")[2].partition("/")[2].partition("?")[0]


def _surface(url: str) -> str:
    first = _path(url).split("/")[1]
    return _SURFACES.get(first, first)


_SURFACES = {"ws-fapi": "ws_api", "ws-api": "ws_api", "ws": "market", "stream": "market"}
