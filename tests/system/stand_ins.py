"""Stand-ins for what a process stands on, each a real part with one thing added: a market that stays, a disk
and a network that can be counted and cut off, a lease that can be taken away.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from backstay.core.types import SECOND
from backstay.ledger.memory_disk import MemoryDisk
from backstay.simulator.feeds.ticks import Trade
from backstay.simulator.specs import default_specs

D = Decimal
START = 1_767_571_200 * SECOND
BTC = "BTCUSDT"
ETH = "ETHUSDT"
PRICES = {BTC: D(60000), ETH: D(3000)}
HOURLY = tuple(replace(spec, funding_hours=1) for spec in default_specs())
"""Markets that charge funding each hour, as some of the venue's do: eight hours are eight times as long."""


class StillFeed:
    """A market that does not move by itself: one trade of every symbol, then silence."""

    start_ns = START

    def __init__(self, symbols: tuple[str, ...]) -> None:
        self.symbols = symbols

    def ticks(self):
        # The seller hits the bid a tick below, then the buyer lifts the ask: bid and ask stand around.
        for i, symbol in enumerate(self.symbols):
            yield Trade(START + i, symbol, PRICES[symbol], D(1), False, i)


class Killed(BaseException):
    """The process ends here: nothing that it does from now on reaches the world."""


class Steps:
    """Counts every touch of the outside world by one process, and kills the process at the n-th."""

    def __init__(self, kill_at: int | None = None) -> None:
        self.kill_at = kill_at
        self.count = 0
        self.log: list[str] = []
        self.dead = False

    def __call__(self, what: str) -> None:
        if self.dead:
            raise Killed
        self.count += 1
        self.log.append(what)
        if self.count == self.kill_at:
            self.dead = True
            raise Killed


class SteppedDisk(MemoryDisk):
    """A memory disk whose every write and sync is a step; keeps what was durable at each sync."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = Steps()
        self.journal: Callable[[], int] = lambda: 0

    def is_cut(self) -> bool:
        self.steps("disk")
        return super().is_cut()

    @classmethod
    def of(cls, other: MemoryDisk) -> "SteppedDisk":
        made = cls()
        made._files = other.copy()._files
        return made


class SteppedTransport:
    """The in-memory transport, counted: every request, every frame, every message that comes in."""

    def __init__(self, inner: Any, steps: Steps, on_send: Callable[[bytes], None]) -> None:
        self._inner = inner
        self._steps = steps
        self._on_send = on_send

    async def http(self, method, url, headers, body, timeout_s):
        self._steps(f"http {method}")
        self._on_send(f"{method} {url}".encode() + b" " + body)
        reply = await self._inner.http(method, url, headers, body, timeout_s)
        self._steps("http answer")
        return reply

    async def websocket(self, url, on_message, on_closed, **limits):
        self._steps("handshake")
        steps = self._steps

        def heard(data: bytes) -> None:
            steps("frame in")
            on_message(data)

        def closed(reason: str) -> None:
            if not steps.dead:
                on_closed(reason)

        socket = await self._inner.websocket(url, heard, closed, **limits)
        return _SteppedSocket(socket, steps, self._on_send)

    def abort(self) -> None:
        self._inner.abort()

    async def close(self) -> None:
        await self._inner.close()


class _SteppedSocket:
    def __init__(self, inner: Any, steps: Steps, on_send: Callable[[bytes], None]) -> None:
        self._inner = inner
        self._steps = steps
        self._on_send = on_send

    @property
    def is_open(self) -> bool:
        return self._inner.is_open

    def send(self, data: bytes) -> None:
        self._steps("frame out")
        self._on_send(data)
        self._inner.send(data)

    def close(self) -> None:
        self._inner.close()


class HeldLease:
    """A lease that a test may take away."""

    def __init__(self) -> None:
        self.mine = True

    def held(self) -> bool:
        return self.mine
