"""The start: what fails for a passing reason is tried again, for as long as is allowed, and told each time.

A guard that gives up at the first 500 leaves positions alone until somebody looks. Refused keys and a ban are
no passing reasons: repeating them makes things worse.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import msgspec

from backstay.core.outcomes import VenueUnavailable
from backstay.core.records import Noted
from backstay.runtime.ports import Venue
from backstay.runtime.recoverer import Recoverer

SECOND_MS = 1000


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long a start goes on trying, in seconds."""

    total_s: float = 600.0
    """No further attempt begins later than this after the first; 0: there is only one."""
    first_s: float = 1.0
    """Pause after the first failure; it doubles from there..."""
    longest_s: float = 30.0
    """... to here. The venue's own Retry-After counts if it is longer."""


class Delay(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt failed: what was tried, why it failed, when it is tried again."""

    what: str
    reason: str
    attempt: int
    wait_s: float
    left_s: float
    """Until nothing more is tried."""

    def noted(self) -> Noted:
        """As a record for people."""
        return Noted(
            "start_delayed",
            {
                "what": self.what,
                "reason": self.reason,
                "attempt": self.attempt,
                "next_attempt_in_ms": round(self.wait_s * SECOND_MS),
                "gives_up_in_ms": round(self.left_s * SECOND_MS),
            },
        )


async def patiently[T](
    attempt: Callable[[], Awaitable[T]],
    what: str,
    *,
    patience: Patience,
    jitter: Callable[[], float],
    tell: Callable[[Delay], object],
) -> T:
    """The result of `attempt`, repeated while it fails for a passing reason.

    Raises the VenueUnavailable that is fatal, or the last one when the patience is over.
    """
    loop = asyncio.get_running_loop()
    began, pause_s, number = loop.time(), patience.first_s, 1
    while True:
        try:
            return await attempt()
        except VenueUnavailable as failure:
            wait_s = max(pause_s * (1 + 0.25 * jitter()), failure.retry_after_ms / SECOND_MS)
            left_s = began + patience.total_s - loop.time()
            if failure.fatal or wait_s > left_s:
                raise
            tell(Delay(what=what, reason=str(failure), attempt=number, wait_s=wait_s, left_s=left_s))
        await asyncio.sleep(wait_s)
        pause_s, number = min(2 * pause_s, patience.longest_s), number + 1


async def take_over(
    venue: Venue,
    recoverer: Recoverer,
    patience: Patience,
    jitter: Callable[[], float],
    note: Callable[[Noted], object],
) -> None:
    """Connect and hydrate; a further attempt goes on where the one before failed. Raises VenueUnavailable."""
    opened = False

    async def attempt() -> None:
        nonlocal opened
        if not opened:
            await venue.open()
            opened = True
        await recoverer.first()

    what = "connecting and reading the account"
    await patiently(attempt, what, patience=patience, jitter=jitter, tell=lambda delay: note(delay.noted()))


async def unless_failed(work: Coroutine[Any, Any, None], failed: asyncio.Future[Exception]) -> None:
    """Do `work`, but no longer than there is a ledger: a start that can record nothing alarms nobody either.

    Raises what `failed` was set to, and what `work` raises.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait((task, failed), return_when=asyncio.FIRST_COMPLETED)
        if failed.done():
            raise failed.result()
        await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
