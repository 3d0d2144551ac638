"""Recovery at run time: when to read, what to read, and how its outcome is folded.

One recovery of the whole account at a time; scoped ones beside each other. A reason that only the whole
account can clear turns a scope's wish into an account-wide recovery. Reads are the only thing done here:
no mutation leaves while a scope is in recovery (I-13), and no read is ever made because of a healthy
private event (I-14).
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol

from backstay.core.account_scopes import of_symbol
from backstay.core.decisions import Recover
from backstay.core.engine import Engine
from backstay.core.events import (
    AnswerReceived,
    AnyEvent,
    RecoveryEnded,
    RecoveryStarted,
    StreamChanged,
    StreamState,
)
from backstay.core.outcomes import VenueUnavailable
from backstay.core.recovery import BACKOFF, in_doubt, in_vain_until, is_wide, orders_doubted
from backstay.core.state import AccountState, ScopeState
from backstay.core.types import SECOND, Product, Scope, Trust
from backstay.runtime.hydration import (
    BOTH_SURFACES,
    ONE_SYMBOL,
    UNKNOWN_GRACE_S,
    WHOLE_ACCOUNT,
    ask_doubts,
    preview,
    read_account,
    read_orders_of,
    read_symbol,
)
from backstay.runtime.lookout import Lookout
from backstay.runtime.looks import Looks
from backstay.runtime.ports import Clock, Entropy, Venue
from backstay.runtime.rereads import READ_AGAIN_S, Rereads
from backstay.runtime.stats import Stats
from backstay.runtime.trades import read_trades, unread, unread_of, untold_of


class Host(Protocol):
    """What recovery needs of the owner."""

    clock: Clock
    engine: Engine
    stats: Stats
    lookout: Lookout

    @property
    def account(self) -> AccountState: ...

    def apply(self, event: AnyEvent, cause: int = 0) -> int: ...

    def on_event(self, event: AnyEvent) -> None: ...

    def begin_buffering(self) -> None: ...

    def replay_buffer(self) -> None: ...

    def run_passes(self, key: Scope, cause: int = 0) -> None: ...

    def plan_all(self) -> None: ...

    def fail(self, error: Exception) -> None: ...


STRIKES_MAX = 2
"""So many confirmations in a row that only a read brought: the private stream is deaf."""
MANY_SCOPES = 8
"""From about so many on the whole account weighs less than its scopes one by one (binance-usdm.md 1)."""
JITTER = 0.25
"""Backoffs are stretched by up to this fraction, so that scopes do not read in step."""


class Recoverer:
    """Runs recoveries for one owner."""

    def __init__(self, owner: Host, *, venue: Venue, entropy: Entropy) -> None:
        self._owner = owner
        self._venue = venue
        self._entropy = entropy
        self._running: dict[Scope | None, asyncio.Task[None]] = {}
        self._failed = 0
        """Account-wide recoveries in a row that could not read."""
        self._delayed: dict[Scope | None, asyncio.Task[None]] = {}
        """Those of them that wait for their time."""
        self._again: asyncio.Task[None] | None = None
        self._looks = Looks(owner, venue)
        self._rereads = Rereads(owner, venue)
        self.last_failure: VenueUnavailable | None = None

    async def stop(self) -> None:
        self.abandon()
        await asyncio.gather(*self._tasks(), return_exceptions=True)

    def abandon(self) -> None:
        """Let go of every read."""
        self._owner.lookout.close()
        for task in self._tasks():
            task.cancel()

    def _tasks(self) -> tuple[asyncio.Task[None], ...]:
        again = (self._again,) if self._again is not None else ()
        return (*self._running.values(), *self._looks.tasks, *self._rereads.tasks, *again)

    def request(self, key: Scope, decision: Recover) -> None:
        """A pass found that the scope needs recovery; start it when its backoff is over."""
        wide = is_wide(decision.reasons) or self._many()
        target = None if wide else key
        until = decision.until or 0
        if wide and not is_wide(decision.reasons):
            until = max(until, in_vain_until(self._doubted()))
        wait_ns = max(until - self._owner.clock.now_ns(), 0)
        waits = target in self._delayed and not wait_ns
        if (target in self._running or None in self._running) and not waits:
            return
        if wide and not self._owner.account.connected:
            return  # there is nothing to read for until the stream is back; CONNECTED starts it
        if waits:
            self._delayed[target].cancel()  # what is wanted now does not wait for another backoff
        delay = wait_ns / SECOND * (1 + JITTER * self._entropy.jitter())
        self._start(target, delay)

    def _many(self) -> bool:
        """So many scopes are in doubt, as right after a crash, that reading all at once costs less."""
        return len(self._doubted()) > MANY_SCOPES

    def _doubted(self) -> list[ScopeState]:
        return [s for s in self._owner.account.scopes.values() if s.trust is Trust.RECOVERY_REQUIRED]

    def stream_changed(self, event: StreamChanged) -> None:
        """The stream came back: hydrate at once. While it is away there is nothing to read for; a deaf one is
        replaced.
        """
        if event.state is StreamState.DEAF:
            self._running[None] = asyncio.get_running_loop().create_task(self._reopen())
        if event.state is not StreamState.CONNECTED:
            return
        if None in self._delayed:
            self._delayed[None].cancel()  # it waited for a scope's backoff
        elif None in self._running:
            return
        self._start(None, 0)

    def _start(self, target: Scope | None, delay: float) -> None:
        task = asyncio.get_running_loop().create_task(self._recover(target, delay))
        self._running[target] = task

    async def _recover(self, target: Scope | None, delay: float) -> None:
        try:
            if delay:
                await self._wait(target, delay)
            if target is None:
                # The stream may have gone during the wait: what is read without it earns no trust.
                if self._owner.account.connected:
                    doubted = self._orders_doubted()
                    failed = await (self._look_up(doubted) if doubted else self._hydrate(first=False))
                    self._failed = self._failed + 1 if failed else 0
            else:
                await self._one(target)
        except Exception as error:  # noqa: BLE001 - a recovery that dies silently would leave the scope blind
            self._owner.fail(error)
        finally:
            if self._running.get(target) is asyncio.current_task():
                del self._running[target]
        # Only now may a pass ask for the next recovery of this target.
        if target is None:
            self._owner.plan_all()
            self._again_if_unread()
        else:
            # The reads covered the symbol: they may have told of the other leg what the stream did not.
            for key in of_symbol(self._owner.account, target.symbol):
                self._owner.run_passes(key)

    def _again_if_unread(self) -> None:
        """Where no scope asks for what a failed read left unread, it is read again all the same (R-11)."""
        account = self._owner.account
        asked = any(s.trust is Trust.RECOVERY_REQUIRED for s in account.scopes.values())
        if account.gap and account.connected and not asked and None not in self._running:
            self._start(None, BACKOFF[min(self._failed, len(BACKOFF) - 1)] / SECOND)

    async def _wait(self, target: Scope | None, delay: float) -> None:
        task = self._running[target]
        self._delayed[target] = task
        try:
            await asyncio.sleep(delay)
        finally:
            if self._delayed.get(target) is task:
                del self._delayed[target]

    def answered(self, e: AnswerReceived) -> None:
        """An answer, already folded: it may contradict what we know."""
        self._rereads.answered(e)

    def look(self, key: Scope, names: tuple[str, ...]) -> None:
        """A stop was sent and nothing has reported it: ask for it by its id, once, before it is bridged."""
        self._looks.look(key, names)

    # --- the whole account ----------------------------------------------------------------------

    async def first(self) -> None:
        """The hydration of a start; every scope is planned before it returns (I-33).

        Raises VenueUnavailable; then it may be tried again, and everything is still being buffered.
        """
        owner = self._owner
        if not owner.account.connected:
            halt = self._venue.halt()
            raise VenueUnavailable(halt or "the private stream is down", fatal=bool(halt))
        if await self._hydrate(first=True):
            raise self.last_failure or VenueUnavailable("the account could not be read")
        owner.plan_all()

    async def _hydrate(self, *, first: bool) -> str:
        """Read everything: at startup, after a gap, when the account itself is in doubt.

        Returns the failure, or nothing. At the start a failure ends no recovery: it has not begun to count.
        """
        owner = self._owner
        owner.begin_buffering()
        owner.stats.recoveries += 1
        owner.apply(RecoveryStarted())
        failure = await self._read(None, filters=first or not owner.account.instruments)
        if failure and first:
            return failure
        owner.apply(RecoveryEnded(subjects=WHOLE_ACCOUNT, failure=failure))
        owner.replay_buffer()
        if not failure and not owner.account.gap:
            owner.lookout.close()
        self.deaf()
        spot = bool(unread(owner.account, owner.engine, self._venue.venue_now_ns()))
        if not failure and (spot or not first):
            if self._again is not None:
                self._again.cancel()
            self._again = asyncio.get_running_loop().create_task(self._read_again(spot=spot))
        return failure

    async def _read_again(self, *, spot: bool) -> None:
        """What a gap hid is looked for once more: nothing else would ever tell of what happened in it."""
        owner = self._owner
        await asyncio.sleep(READ_AGAIN_S)
        if not owner.account.connected or None in self._running:
            return  # a recovery reads them, and comes back here
        try:
            if spot:
                begin = unread(owner.account, owner.engine, self._venue.venue_now_ns())
                owner.apply(await self._venue.read_orders(None))
                for event in await read_trades(self._venue, begin):
                    owner.apply(event)
                owner.apply(await self._venue.read_balances())
            else:
                owner.apply(await self._venue.read_positions(None))
        except VenueUnavailable as error:
            self.last_failure = error
            return
        except Exception as error:  # noqa: BLE001 - a read that dies silently would hide a defect
            owner.fail(error)
            return
        owner.plan_all()

    def _orders_doubted(self) -> tuple[Scope, ...]:
        """Every scope to recover, if what became of own orders is all that is left to learn of them."""
        doubted = self._doubted()
        if self._owner.account.gap or not all(
            orders_doubted(s) and s.scope.product is Product.USDM for s in doubted
        ):
            return ()
        return tuple(s.scope for s in doubted)

    async def _look_up(self, keys: tuple[Scope, ...]) -> str:
        """Read the orders of scopes whose other subjects are trusted. Returns the failure, or nothing."""
        owner = self._owner
        owner.stats.recoveries += 1
        owner.apply(RecoveryStarted(scopes=keys))
        failure = await self._fold(read_orders_of(self._venue, keys), keys)
        owner.apply(RecoveryEnded(subjects=BOTH_SURFACES, scopes=keys, failure=failure))
        self.deaf()
        return failure

    # --- one scope ------------------------------------------------------------------------------

    async def _one(self, key: Scope) -> None:
        owner = self._owner
        s = owner.account.scopes[key]
        if in_doubt(s) and not s.attempts and not s.naked_since:
            await asyncio.sleep(UNKNOWN_GRACE_S)
            s = owner.account.scopes[key]
        if s.trust is not Trust.RECOVERY_REQUIRED or is_wide(s.reasons):
            return
        owner.stats.recoveries += 1
        owner.apply(RecoveryStarted(scopes=(key,)))
        failure = await self._read(key, filters=False)
        owner.apply(RecoveryEnded(subjects=ONE_SYMBOL, scopes=(key,), failure=failure))
        self.deaf()

    async def _read(self, key: Scope | None, *, filters: bool) -> str:
        """Read the whole account, or one scope. Returns the failure, or nothing."""
        owner = self._owner
        now = self._venue.venue_now_ns()
        if key is None:
            begin = unread(owner.account, owner.engine, now)
            reads = read_account(self._venue, filters=filters, trades=begin, told=owner.lookout.read)
            return await self._fold(reads, ())
        begins = unread_of if key.product is Product.SPOT else untold_of
        trades = [begins(owner.account, key.symbol, now)]
        return await self._fold(read_symbol(self._venue, key.symbol, trades=trades), (key,))

    async def _fold(self, reads: Coroutine[Any, Any, list[AnyEvent]], keys: tuple[Scope, ...]) -> str:
        """Await the reads and what they leave to ask for of `keys` (none: of all), then fold all of it."""
        owner = self._owner
        try:
            events = await reads
            seen = preview(owner.account, events, owner.clock.now_ns)
            answers = await ask_doubts(self._venue, seen, keys or tuple(seen.scopes))
        except VenueUnavailable as error:
            self.last_failure = error
            return str(error) or type(error).__name__
        for event in (*events, *answers):
            owner.apply(event)
        self._rereads.watch_mode()
        return ""

    def silence_counted(self) -> None:
        """A timer may have counted a strike; a running hydration looks at its own end."""
        if None not in self._running:
            self.deaf()

    def deaf(self) -> None:
        """Two mutations in a row whose effect only a read could show, or one directly after a reconnect: the
        stream is deaf (4.1.2).
        """
        account = self._owner.account
        if account.deaf_strikes < STRIKES_MAX or not account.connected:
            return
        self._owner.on_event(StreamChanged(state=StreamState.DEAF, detail="nothing is heard of what is sent"))

    async def _reopen(self) -> None:
        """Nothing is read while the stream is being replaced; then the passes ask for what they need."""
        try:
            await self._venue.reconnect_private()
        except VenueUnavailable as failure:
            self.last_failure = failure  # attempts go on; CONNECTED will start the hydration
        finally:
            self._running.pop(None, None)
        self._owner.plan_all()
