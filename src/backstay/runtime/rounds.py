"""Rounds: at rest, once in a while, the account is read and held against what is known.

A stream can stay open and say nothing, and on an account that only rests nothing of ours would ever notice
(decision 0030). A round changes nothing: what it reads is compared and thrown away. Only what two rounds in a
row show alike, with nothing heard in between, means that the stream is deaf; then the stream is replaced and
the account read as after every gap.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from backstay.core.engine import Engine
from backstay.core.events import AnyEvent, StreamChanged, StreamState
from backstay.core.outcomes import VenueUnavailable
from backstay.core.state import AccountState
from backstay.core.types import SECOND
from backstay.core.unheard import Unheard, settled_at, unheard
from backstay.runtime.hydration import read_round
from backstay.runtime.ports import Clock, Venue
from backstay.runtime.trades import traded, unread_of

TRADES_A_ROUND = 10
"""Symbols of spot whose trades one round reads: each weighs 20 (binance-spot.md), and all have their turn."""
AGAIN_S = 5.0
"""Between two rounds that are to agree: reads may lag behind events by seconds (binance.md)."""


class Host(Protocol):
    """What rounds need of the owner."""

    clock: Clock
    engine: Engine

    @property
    def account(self) -> AccountState: ...

    @property
    def live(self) -> bool: ...

    def on_event(self, event: AnyEvent) -> None: ...

    def fail(self, error: Exception) -> None: ...


class Rounds:
    """Reads every `every_s` seconds while the stream is up; `spot` has balances in place of positions."""

    def __init__(
        self, owner: Host, venue: Venue, *, every_s: float, spot: bool, tell: Callable[[str], None]
    ) -> None:
        self._owner = owner
        self._venue = venue
        self._every_s = every_s
        self._spot = spot
        self._tell = tell
        self._task: asyncio.Task[None] | None = None
        self._turn = 0
        self._blamed: Unheard = {}
        """What the stream was replaced for last: where that stands afterwards, another one helps no more."""

    def start(self) -> None:
        """Begin; call it once the account is guarded."""
        if self._every_s:
            self._task = asyncio.get_running_loop().create_task(self._walk(), name="rounds")

    async def stop(self) -> None:
        self.abandon()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    def abandon(self) -> None:
        """Stop where we stand."""
        if self._task is not None:
            self._task.cancel()

    async def _walk(self) -> None:
        try:
            while True:
                await asyncio.sleep(self._pause_s())
                await self._round()
        except Exception as error:  # noqa: BLE001 - a watch that dies silently would be taken for one that sees nothing
            self._owner.fail(error)

    def _pause_s(self) -> float:
        """Until the next round: where the last one left out a scope that had heard something lately, it comes
        as soon as reads may tell of it.
        """
        owner = self._owner
        rest_s = (settled_at(owner.account, owner.engine) - owner.clock.now_ns()) / SECOND
        return min(self._every_s, max(rest_s, AGAIN_S)) if rest_s > 0 else self._every_s

    async def _round(self) -> None:
        symbols = self._next_symbols()
        first = await self._look(symbols)
        if not first:
            self._blamed = {}
            return
        await asyncio.sleep(AGAIN_S)
        second = await self._look(symbols)
        found = {key: words for key, words in second.items() if first.get(key) == words}
        if not found:
            return
        told = "; ".join(f"{key}: {words}" for key, words in found.items())
        if found.items() <= self._blamed.items():
            self._tell(f"the exchange shows what no event told, on a new stream too: {told}")
            return
        self._blamed = found
        detail = f"a read shows what no event told: {told}"
        self._owner.on_event(StreamChanged(state=StreamState.DEAF, detail=detail))

    def _next_symbols(self) -> Sequence[str]:
        """Those of spot whose trades this round reads."""
        known = traded(self._owner.account, self._owner.engine)
        if not known:
            return ()
        begin = self._turn % len(known)
        self._turn = begin + TRADES_A_ROUND
        return [*known, *known][begin : begin + min(TRADES_A_ROUND, len(known))]

    async def _look(self, symbols: Sequence[str]) -> Unheard:
        """What differs; nothing while that cannot be known."""
        owner = self._owner
        if not (owner.live and owner.account.connected):
            return {}
        before = owner.account
        begin = [unread_of(before, symbol, self._venue.venue_now_ns()) for symbol in symbols]
        try:
            read = await read_round(self._venue, spot=self._spot, trades=begin)
        except VenueUnavailable as error:
            self._tell(f"a round could not read the account: {error}")
            return {}
        if owner.account is not before or not owner.live:
            return {}  # something was heard meanwhile: the stream speaks, or is being looked after
        return unheard(before, owner.engine, *read, owner.clock.now_ns())
