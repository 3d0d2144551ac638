"""Single subjects that are read again: what the venue has said does not fit what we know of them.

Filters, when it refuses an order that they allow; balances, when it refuses a sale of coins that they show;
the account's mode, while it is another one than is configured. No scope loses trust for it: what is known
stays what is planned from, until the read tells.
"""

import asyncio
from collections.abc import Awaitable
from typing import Protocol

from backstay.core.events import AnswerReceived, AnyEvent, Effect, TrustLost
from backstay.core.outcomes import VenueUnavailable
from backstay.core.refused_sales import is_contradicted
from backstay.core.state import AccountState
from backstay.core.types import SECOND
from backstay.runtime.ports import Clock, Venue

FILTER_REFUSALS = frozenset({Effect.FILTER, Effect.MIN_NOTIONAL})
FILTERS_EVERY = 60 * SECOND
READ_AGAIN_S = 10.0
"""Positions and balances, and on spot orders and trades, are served from copies that may lag: what nobody
told of is looked for so much later, at once they would tell what we know already.
"""
MODE_EVERY_S = 15.0
"""In another mode than configured nothing is sent; that the account is back in it, only a read tells."""


class Host(Protocol):
    """What a read needs of the owner."""

    clock: Clock

    @property
    def account(self) -> AccountState: ...

    def apply(self, event: AnyEvent, cause: int = 0) -> int: ...

    def plan_all(self) -> None: ...

    def fail(self, error: Exception) -> None: ...


class Rereads:
    """One read of a subject at a time."""

    def __init__(self, owner: Host, venue: Venue) -> None:
        self._owner = owner
        self._venue = venue
        self._filters: asyncio.Task[None] | None = None
        self._filters_read_at = -FILTERS_EVERY
        self._balances: asyncio.Task[None] | None = None
        self._mode: asyncio.Task[None] | None = None

    @property
    def tasks(self) -> tuple[asyncio.Task[None], ...]:
        tasks = self._filters, self._balances, self._mode
        return tuple(task for task in tasks if task is not None)

    def answered(self, e: AnswerReceived) -> None:
        """An answer, already folded."""
        if e.effect in FILTER_REFUSALS:
            self._filters_doubted()
        elif is_contradicted(self._owner.account, e):
            self._balances_doubted()

    def _filters_doubted(self) -> None:
        """An order that our filters allow was refused by a filter: read them anew, once a minute (8.1)."""
        now = self._owner.clock.now_ns()
        if self._filters is not None or now < self._filters_read_at + FILTERS_EVERY:
            return
        self._filters_read_at = now
        self._filters = asyncio.get_running_loop().create_task(self._read_filters())

    async def _read_filters(self) -> None:
        try:
            await self._take_in(self._venue.read_instruments())
        finally:
            self._filters = None

    def _balances_doubted(self) -> None:
        """The venue has fewer coins than we know of: their way out was not told."""
        if self._balances is None:
            self._balances = asyncio.get_running_loop().create_task(self._read_balances())

    async def _read_balances(self) -> None:
        try:
            await asyncio.sleep(READ_AGAIN_S)
            await self._take_in(self._venue.read_balances())
        finally:
            self._balances = None

    async def _take_in(self, read: Awaitable[AnyEvent]) -> None:
        try:
            self._owner.apply(await read)
        except VenueUnavailable:
            return  # the next refusal asks for it again
        except Exception as error:  # noqa: BLE001 - a read that dies silently would hide a defect
            self._owner.fail(error)
            return
        self._owner.plan_all()

    def watch_mode(self) -> None:
        """The account's mode does not fit: read it until it does. The venue tells nobody of a change."""
        if self._mode is None and "account_mode_mismatch" in self._owner.account.gates:
            self._mode = asyncio.get_running_loop().create_task(self._until_the_mode_fits())

    async def _until_the_mode_fits(self) -> None:
        owner = self._owner
        try:
            while "account_mode_mismatch" in owner.account.gates:
                await asyncio.sleep(MODE_EVERY_S)
                try:
                    owner.apply(await self._venue.read_account_mode())
                except VenueUnavailable:
                    continue  # it is asked for again all the same
            # What was reported meanwhile was understood in the wrong mode (4.1.1).
            owner.apply(TrustLost(reason="account_mode"))
        except Exception as error:  # noqa: BLE001 - a watch that dies silently would leave everything undone
            owner.fail(error)
        finally:
            self._mode = None
        owner.plan_all()
