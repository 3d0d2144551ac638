"""Spot's balances: when they are read, and when they are read again.

The stream tells what there is after every change; a read is for when that is lost. Reads are served from a
copy that may lag behind the stream by some seconds: made at once, they tell of what there was.
"""

import asyncio
from collections.abc import Awaitable, Callable

from backstay.binance.net.outcomes import VenueUnavailable
from backstay.core.events import AccountReport, AnyEvent, BalancesSnapshot, Ignored
from backstay.core.types import SECOND, TimeNs

_MOVED = ("balanceUpdate", "externalLockUpdate")
"""Events that state a change and no balance."""
_WINDOWS = 12
"""So often the balances' silence is waited for before they are read all the same."""


class SpotBalances:
    """`lag_s`: reads may lag so far behind the stream. What is read by itself goes to `on_event`."""

    def __init__(
        self,
        read: Callable[[], Awaitable[BalancesSnapshot]],
        lag_s: float,
        on_event: Callable[[AnyEvent], None],
        log: Callable[[str], None],
    ) -> None:
        self._read = read
        self._lag_s = lag_s
        self._on_event = on_event
        self._log = log
        self._moves = 0
        """Counts what the stream has told of balances."""
        self._moved_at: TimeNs = 0
        """When the last of it happened."""
        self._rereading: asyncio.Task[None] | None = None

    def close(self) -> None:
        if self._rereading is not None:
            self._rereading.cancel()

    async def read(self) -> BalancesSnapshot:
        """A read; another one follows by itself where this one lags behind the stream.

        Raises VenueUnavailable.
        """
        found = await self._read()
        if found.updated_at < self._moved_at and found.requested_at < self._moved_at + self._lag_s * SECOND:
            self._reread_later()
        return found

    def heard(self, event: AnyEvent) -> None:
        """An event of the stream. Of a deposit, a transfer or a lock of another product it names a change;
        what there is comes with a later one, which may be lost.
        """
        if type(event) is AccountReport:
            self._moves += 1
            self._moved_at = event.at
        elif type(event) is Ignored and event.kind.startswith(_MOVED):
            self._moves += 1
            self._reread_later()

    def _reread_later(self) -> None:
        if self._rereading is None or self._rereading.done():
            self._rereading = asyncio.get_running_loop().create_task(self._reread())

    async def _reread(self) -> None:
        """Read once nothing more has been told for as long as reads lag."""
        for _ in range(_WINDOWS):
            moves = self._moves
            await asyncio.sleep(self._lag_s)
            if moves == self._moves:
                break
        try:
            self._on_event(await self._read())
        except VenueUnavailable as failure:
            self._log(f"balances could not be read again ({failure})")
