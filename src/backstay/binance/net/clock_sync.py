"""Venue time: the local clock plus a measured offset.

The offset is that of the sample with the shortest round trip, its round trip halved. One second ahead of
the venue is already fatal there (-1021), so the offset is measured before anything is signed, again every
five minutes, after each refused timestamp, and where what the venue sends bears quite another time.
"""

import asyncio
from collections.abc import Awaitable, Callable

from backstay.binance.net.outcomes import VenueUnavailable
from backstay.binance.net.timings import Timings
from backstay.binance.net.transport import Clock
from backstay.core.types import SECOND, TimeNs

SAMPLES = 5
GOOD_TRIP = 20_000_000
"""A round trip below 20 ms needs no further samples than three."""
LIMIT = SECOND


class VenueTime:
    """The corrected clock. Its offset is written by `ClockSync` alone."""

    __slots__ = ("_clock", "offset")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.offset: TimeNs = 0
        """Venue time minus local time, ns."""

    def now_ns(self) -> TimeNs:
        return self._clock.now_ns() + self.offset

    def local_ns(self) -> TimeNs:
        return self._clock.now_ns()


class ClockSync:
    """Measures the offset, once or for ever.

    `fetch` reads the venue's time in ns. `on_offset(offset, step)` is told after each measurement: the
    offset, and by how much it differs from the one in use before.
    """

    def __init__(
        self,
        time: VenueTime,
        fetch: Callable[[], Awaitable[TimeNs]],
        *,
        on_offset: Callable[[TimeNs, TimeNs], None],
        log: Callable[[str], None],
        timings: Timings,
    ) -> None:
        self._time = time
        self._fetch = fetch
        self._on_offset = on_offset
        self._log = log
        self._timings = timings
        self._running: asyncio.Task[None] | None = None
        self._periodic: asyncio.Task[None] | None = None
        self.round_trip: TimeNs = 0
        """Round trip of the sample in use, ns: the offset is off by at most half of it."""
        self.measured = False
        self._begun_at = 0.0

    async def measure(self) -> None:
        """Measure now; callers that come meanwhile share the measurement. Raises VenueUnavailable."""
        if self._running is None or self._running.done():
            loop = asyncio.get_running_loop()
            self._begun_at = loop.time()
            self._running = loop.create_task(self._measure(), name="clock offset")
        await asyncio.shield(self._running)

    def is_doubtful(self, at: TimeNs) -> bool:
        """Something that has just come from the venue bears the time `at`: whether to measure for it.

        A clock that is slow by less than the receive window is refused nowhere (R-25). What comes late looks
        the same as a clock that is fast: a measurement tells, and is not repeated for each message.
        """
        if abs(self._time.now_ns() - at) <= LIMIT:
            return False
        return asyncio.get_running_loop().time() - self._begun_at >= self._timings.clock_doubt

    def start(self) -> None:
        """Measure every five minutes from now on."""
        if self._periodic is None:
            self._periodic = asyncio.get_running_loop().create_task(self._repeat(), name="clock refresh")

    async def close(self) -> None:
        tasks = [task for task in (self._periodic, self._running) if task is not None and not task.done()]
        self._periodic = None
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _repeat(self) -> None:
        pause_s = self._timings.clock_refresh
        while True:
            await asyncio.sleep(pause_s)
            try:
                await self.measure()
                pause_s = self._timings.clock_refresh
            except VenueUnavailable as failure:
                self._log(f"clock: could not be measured ({failure})")
                pause_s = max(self._timings.clock_retry, failure.retry_after_ms / 1000)

    async def _measure(self) -> None:
        best: tuple[TimeNs, TimeNs] | None = None
        for taken in range(SAMPLES):
            if best is not None and best[0] <= GOOD_TRIP and taken >= 3:
                break
            sent = self._time.local_ns()
            venue = await self._fetch()
            received = self._time.local_ns()
            trip = received - sent
            # the venue answers in whole ms: on average it read its clock half a millisecond later
            sample = (trip, venue + 500_000 - (sent + trip // 2))
            if trip >= 0 and (best is None or sample[0] < best[0]):  # negative: the local clock was set
                best = sample
        if best is None:
            raise VenueUnavailable("the local clock moved backwards in every sample of the venue's time")
        step = best[1] - self._time.offset
        self.round_trip, self._time.offset = best
        self.measured = True
        self._on_offset(best[1], step)
