"""A WebSocket that is kept open: reconnected with backoff, and replaced before the venue's 24 hours are over.

What a connection needs before it counts (a listen key, a logon, subscriptions) is its owner's `connect`.
A planned replacement opens the new connection while the old one still works; the old one lingers for
`overlap`, so that nothing on its way is lost.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from enum import StrEnum

from backstay.binance.net.timings import Timings
from backstay.binance.net.transport import Entropy, OnClosed, Socket, TransportError


class Up(StrEnum):
    FIRST = "first"
    AGAIN = "again"
    """After a gap."""
    OVERLAP = "overlap"
    """A planned replacement, without a gap."""


class CannotConnect(Exception):
    """An attempt failed and a later one may succeed; `retry_after_s` is the least pause before it."""

    def __init__(self, message: str, *, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class _Link:
    """One attempt and the connection that came of it."""

    __slots__ = ("dead", "line", "reason", "socket")

    def __init__(self, line: "Line") -> None:
        self.line = line
        self.socket: Socket | None = None
        self.dead = False
        self.reason = ""

    def on_closed(self, reason: str) -> None:
        self.dead = True
        self.reason = reason
        self.line.link_closed(self)


type Connect = Callable[[OnClosed], Awaitable[Socket]]
"""Open one connection and make it useful; raises CannotConnect or TransportError. The argument is to be
called when that connection closes."""


class Line:
    """Owner of at most one current connection and one lingering predecessor."""

    def __init__(
        self,
        connect: Connect,
        *,
        entropy: Entropy,
        on_up: Callable[[Up], None],
        on_down: Callable[[str], None],
        log: Callable[[str], None],
        name: str,
        timings: Timings,
        overlap: float | None = None,
    ) -> None:
        """`overlap`: how long a predecessor lingers, if not `timings.overlap`."""
        self._connect = connect
        self._entropy = entropy
        self._on_up = on_up
        self._on_down = on_down
        self._log = log
        self.name = name
        self._timings = timings
        self._overlap = timings.overlap if overlap is None else overlap
        self._current: _Link | None = None
        self._lingering: _Link | None = None
        self._task: asyncio.Task[None] | None = None
        self._rotation: asyncio.TimerHandle | None = None
        self._farewell: asyncio.TimerHandle | None = None
        self._closing = False
        self._failures = 0
        self._woken = asyncio.Event()
        self._up_since = 0.0
        self.losses = 0
        """Connections that ended otherwise than by a planned replacement or by `close`."""

    @property
    def socket(self) -> Socket | None:
        """The connection to write on, or None while there is none."""
        link = self._current
        return link.socket if link is not None else None

    @property
    def is_up(self) -> bool:
        return self._current is not None

    async def open(self) -> None:
        """Connect for the first time. Raises what `connect` raises; then the line is not kept either.

        Where attempts are made already, in the background, they are left to it.
        """
        if self._closing:
            raise CannotConnect(f"{self.name}: already closed")
        if self._current is None and self._task is None:
            self._adopt(await self._attempt())

    def start(self) -> None:
        """Connect in the background, and go on trying."""
        if self._current is None:
            self._reconnect(Up.FIRST)

    def drop(self, reason: str) -> None:
        """Give the current connection up, tell it, and reconnect at once."""
        link, self._current = self._current, None
        if link is not None and link.socket is not None:
            link.socket.close()
            self._went_down(reason)
        self._release_lingering()
        self._reconnect(Up.AGAIN)

    def replace(self) -> None:
        """Open a new connection beside the current one and move over to it (the planned reconnect)."""
        if self._current is not None and self._task is None:
            self._reconnect(Up.OVERLAP)

    def wake(self) -> None:
        """What stood in the way is gone: a pause between attempts ends here, and the backoff begins anew."""
        self._failures = 0
        self._woken.set()

    async def wait_up(self) -> None:
        """Return when a connection attempt that is under way has ended (well or for good)."""
        task = self._task
        if task is not None:
            await asyncio.wait([task])

    async def close(self) -> None:
        self._closing = True
        if self._rotation is not None:
            self._rotation.cancel()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        link, self._current = self._current, None
        self._release_lingering()
        if link is not None and link.socket is not None:
            link.socket.close()

    def link_closed(self, link: _Link) -> None:
        """A connection of ours has ended."""
        if link is self._lingering:
            self._lingering = None
        elif link is self._current:
            self._current = None
            if not self._closing:
                self._went_down(link.reason)
                self._reconnect(Up.AGAIN)

    async def _attempt(self) -> _Link:
        link = _Link(self)
        socket = await self._connect(link.on_closed)
        if link.dead:
            raise CannotConnect(f"{self.name}: closed while opening ({link.reason})")
        link.socket = socket
        return link

    def _adopt(self, link: _Link, how: Up = Up.FIRST) -> None:
        loop = asyncio.get_running_loop()
        before, self._current = self._current, link
        if before is not None and before.socket is not None:
            self._release_lingering()
            self._lingering = before
            self._farewell = loop.call_later(self._overlap, self._release_lingering)
        if self._rotation is not None:
            self._rotation.cancel()
        life_s = self._timings.connection_life * (1 - 0.02 * self._entropy.jitter())
        self._rotation = loop.call_later(life_s, self.replace)
        if how is Up.OVERLAP and before is None:
            how = Up.AGAIN  # the old connection died while the new one was being opened
        self._up_since = loop.time()
        self._log(f"{self.name}: up ({how})")
        self._on_up(how)

    def _went_down(self, reason: str) -> None:
        lived_s = asyncio.get_running_loop().time() - self._up_since
        self._failures = 0 if lived_s >= self._timings.stable else self._failures + 1
        self.losses += 1
        self._log(f"{self.name}: down ({reason})")
        self._on_down(reason)

    def _reconnect(self, how: Up) -> None:
        if self._closing or self._task is not None:
            return  # an attempt that is under way serves both reasons
        self._task = asyncio.get_running_loop().create_task(
            self._keep_trying(how), name=f"{self.name} connect"
        )
        self._task.add_done_callback(self._attempts_ended)

    def _attempts_ended(self, task: asyncio.Task[None]) -> None:
        if self._task is not task:
            return
        self._task = None
        if task.cancelled() or self._closing:
            return
        defect = task.exception()
        if defect is not None:
            self._failures += 1
            task.get_loop().call_exception_handler(
                {"message": f"{self.name}: connecting", "exception": defect}
            )
        if self._current is None:
            self._reconnect(Up.AGAIN)  # it closed again while the attempt was ending

    async def _keep_trying(self, how: Up) -> None:
        least_s = 0.0
        while not self._closing:
            await self._pause(least_s)
            try:
                link = await self._attempt()
            except (CannotConnect, TransportError) as failure:
                self._log(f"{self.name}: cannot connect ({failure})")
                self._failures += 1
                least_s = failure.retry_after_s if isinstance(failure, CannotConnect) else 0.0
            else:
                self._adopt(link, how)
                return

    async def _pause(self, least_s: float) -> None:
        """Backoff: none at first, then doubling, less up to half of it by chance."""
        delay_s = 0.0
        if self._failures:
            delay_s = min(
                self._timings.first_delay * 2.0 ** min(self._failures - 1, 10), self._timings.longest_delay
            )
        delay_s = max(delay_s * (1.0 - 0.5 * self._entropy.jitter()), least_s)
        if delay_s > 0:
            self._woken.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay_s):
                    await self._woken.wait()

    def _release_lingering(self) -> None:
        if self._farewell is not None:
            self._farewell.cancel()
            self._farewell = None
        link, self._lingering = self._lingering, None
        if link is not None and link.socket is not None:
            link.socket.close()
