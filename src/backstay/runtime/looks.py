"""Looks at single orders: a stop was sent, the position is naked, and nothing has reported the stop (X-3)."""

import asyncio
from typing import Protocol

from backstay.core.events import AnyEvent
from backstay.core.lost_stop import LOOK_TIME
from backstay.core.outcomes import VenueUnavailable
from backstay.core.state import AccountState
from backstay.core.types import SECOND, Scope
from backstay.runtime.ports import Venue

LOOKS_KEPT = 64


class Host(Protocol):
    """What a look needs of the owner."""

    @property
    def account(self) -> AccountState: ...

    def on_event(self, event: AnyEvent) -> None: ...

    def fail(self, error: Exception) -> None: ...


class Looks:
    """Asks for an order by its id, once."""

    def __init__(self, owner: Host, venue: Venue) -> None:
        self._owner = owner
        self._venue = venue
        self._tasks: dict[str, asyncio.Task[None]] = {}
        """By custom id, the latest ones."""

    @property
    def tasks(self) -> tuple[asyncio.Task[None], ...]:
        return tuple(self._tasks.values())

    def look(self, key: Scope, names: tuple[str, ...]) -> None:
        """Ask for these orders before they are bridged; an answer is evidence like any other."""
        for name in names:
            if name in self._tasks:
                continue
            while len(self._tasks) >= LOOKS_KEPT:
                del self._tasks[next(iter(self._tasks))]
            self._tasks[name] = asyncio.get_running_loop().create_task(self._look(key, name))

    async def _look(self, key: Scope, name: str) -> None:
        owner = self._owner
        ctx = owner.account.scopes[key].contexts[name]
        try:
            async with asyncio.timeout(LOOK_TIME / SECOND):
                answer = await self._venue.query_order(key.symbol, name, ctx.surface)
        except (TimeoutError, VenueUnavailable):
            return  # the planner waits no longer than this for the answer
        except Exception as error:  # noqa: BLE001 - a look that dies silently would hide a defect
            owner.fail(error)
            return
        owner.on_event(answer)
