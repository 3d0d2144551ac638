"""The pump: drives a `SimulatedBinance` on an event loop and delivers its outputs when they are due.

It is the whole host of a venue in memory, and the heart of the one on sockets: the other end hands it what
arrives, it hands outputs to `deliver`. Time comes from `time_ns`; waking is `loop.call_at`, so a loop on
virtual time works too.
"""

import asyncio
import heapq
from collections.abc import Callable, Mapping

from backstay.simulator.server.handler import SimulatedBinance
from backstay.simulator.server.outputs import Output
from backstay.simulator.server.settings import SECOND


class Pump:
    """Feed it and it delivers. `deliver` is called from the loop (or at once, from the call that caused it).

    `time_ns`: host time in nanoseconds, the same clock that the venue's `clock` maps from. A callback of
    `deliver` may call the pump again.
    """

    def __init__(
        self,
        venue: SimulatedBinance,
        *,
        time_ns: Callable[[], int],
        loop: asyncio.AbstractEventLoop,
        deliver: Callable[[Output], None],
    ) -> None:
        self.venue = venue
        self._time_ns = time_ns
        self._loop = loop
        self._deliver = deliver
        self._queue: list[tuple[int, int, Output]] = []
        self._sequence = 0
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for: int | None = None
        self._delivering = False
        self._closed = False
        self.failure: Exception | None = None

    def now(self) -> int:
        """Venue time; never behind what the venue has already lived."""
        return max(self.venue.clock.venue(self._time_ns()), self.venue.now)

    def start(self) -> None:
        """Bring the venue to now and arm the first wake-up."""
        self.venue.advance(self.now())
        self._turn()

    def http(
        self,
        conn: int,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
        peer: str,
    ) -> None:
        self.venue.http(conn, method, target, headers, body, self.now(), peer)
        self._turn()

    def ws_open(self, conn: int, target: str, peer: str) -> int:
        status = self.venue.ws_open(conn, target, self.now(), peer)
        self._turn()
        return status

    def ws_message(self, conn: int, data: bytes) -> None:
        self.venue.ws_message(conn, data, self.now())
        self._turn()

    def ws_ping(self, conn: int, data: bytes) -> None:
        self.venue.ws_ping(conn, data, self.now())
        self._turn()

    def ws_pong(self, conn: int, data: bytes) -> None:
        self.venue.ws_pong(conn, data, self.now())
        self._turn()

    def gone(self, conn: int) -> None:
        """The connection has been closed on either side."""
        if not self._closed:
            self.venue.closed(conn, self.now())
            self._turn()

    def control(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        answer = self.venue.control(method, path, body, self.now())
        self._turn()
        return answer

    def close(self) -> None:
        """Stop waking; nothing is delivered any more."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _turn(self) -> None:
        """Collect, deliver what is due, arm the next wake-up. Not re-entrant: an inner call only collects."""
        for output in self.venue.outputs():
            self._sequence += 1
            heapq.heappush(self._queue, (output.due, self._sequence, output))
        if self._delivering or self._closed:
            return
        self._delivering = True
        try:
            while self._queue and self._queue[0][0] <= self.now():
                self._deliver(heapq.heappop(self._queue)[2])
        finally:
            self._delivering = False
        self._arm()

    def _arm(self) -> None:
        moments = [
            m for m in (self._queue[0][0] if self._queue else None, self.venue.next_at()) if m is not None
        ]
        wanted = min(moments, default=None)
        host = None if wanted is None else self.venue.clock.host(wanted)
        if host == self._armed_for and self._timer is not None:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._armed_for = host
        if host is None:
            self._timer = None
            return
        delay = max(0, host - self._time_ns()) / SECOND
        self._timer = self._loop.call_at(self._loop.time() + delay, self._wake)

    def _wake(self) -> None:
        self._timer = None
        if self._closed:
            return
        try:
            self.venue.advance(self.now())
            self._turn()
        except Exception as error:
            # A venue that died silently would look like a quiet market: keep the cause where hosts look.
            self.failure = error
            self.close()
            raise
