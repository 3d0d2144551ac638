"""The alarm while the account is read: a position without its stop is told of, taken in or not (I-37, X-2).

During a hydration nothing is folded and nothing planned, for a minute and more when the venue is slow, and
for as long as it takes when reads fail. What was heard and read so far is kept here, with the time of its
arrival; once a second it is folded over the account, for the alarm alone. No decision follows from it.

At a start the ledger's word for a stop is no evidence: it may have ended while nobody looked. Until a read or
an event tells of it, the position counts as bare since the start.
"""

import asyncio
from collections import deque
from typing import Protocol

from msgspec.structs import replace

from backstay.core.account import fold
from backstay.core.cover import naked_since
from backstay.core.engine import Engine, decide
from backstay.core.events import (
    AlgoReport,
    AlgosSnapshot,
    AnyEvent,
    BalancesSnapshot,
    FillsSnapshot,
    OrderReport,
    OrdersSnapshot,
    PositionsSnapshot,
)
from backstay.core.state import AccountState, ScopeState
from backstay.core.types import Role, Scope, TimeNs
from backstay.runtime.naked import NakedWatch
from backstay.runtime.ports import Clock

EVERY_S = 1.0
"""Between two looks: a hydration that is over before the first costs nothing."""
KEPT = 2_000
"""Of events the latest so many."""
TELLING = (OrdersSnapshot, AlgosSnapshot, PositionsSnapshot, FillsSnapshot, BalancesSnapshot)
"""The reads that tell of positions and stops; on spot trades and balances do, and not positions."""


class Host(Protocol):
    """What the lookout needs of the owner."""

    clock: Clock
    engine: Engine
    failed: asyncio.Future[Exception]

    @property
    def account(self) -> AccountState: ...

    def fail(self, error: Exception) -> None: ...


class Lookout:
    """Open from the beginning of a hydration until one has ended well, with the stream up all the while: what
    a gap in it made worthless for the account (R-11) may still be the latest that was heard of a stop.
    """

    def __init__(self, owner: Host, naked: NakedWatch) -> None:
        self._owner = owner
        self._naked = naked
        self._events: deque[tuple[TimeNs, AnyEvent]] = deque(maxlen=KEPT)
        self._reads: dict[type | str, tuple[TimeNs, AnyEvent]] = {}
        """The latest of each kind; of trades, of each symbol."""
        self._since: dict[Scope, TimeNs] = {}
        """Scopes that the last look found bare, since when."""
        self._opened_at: TimeNs = 0
        self._told: set[str] = set()
        """Custom ids of the orders that a read or an event has told of."""
        self._timer: asyncio.TimerHandle | None = None

    def open(self) -> None:
        """A hydration begins, or another attempt at one: what the last one heard still counts."""
        if self._timer is None:
            self._opened_at = self._owner.clock.now_ns()
            self._again()

    def hear(self, event: AnyEvent) -> None:
        """An event arrived that waits for the replay."""
        self._events.append((self._owner.clock.now_ns(), event))
        if isinstance(event, (OrderReport, AlgoReport)):
            self._told.add(event.client_id)

    def read(self, event: AnyEvent) -> None:
        """A read was answered; all of them are taken in together, when the last one is."""
        if isinstance(event, TELLING):
            kind = event.symbol if isinstance(event, FillsSnapshot) else type(event)
            self._reads[kind] = (self._owner.clock.now_ns(), event)
        if isinstance(event, (OrdersSnapshot, AlgosSnapshot)):
            self._told.update(row.client_id for row in event.rows)

    def close(self) -> None:
        """Everything has been taken in, or nobody is left to tell."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._events.clear()
        self._reads.clear()
        self._since.clear()
        self._told.clear()

    def look(self) -> None:
        """Raise the alarms that are due."""
        account = self._owner.account
        for at, event in sorted((*self._reads.values(), *self._events), key=lambda heard: heard[0]):
            account = fold(account, event, at)
        now = self._owner.clock.now_ns()
        since, self._since = self._since, {}
        for key, believed in account.scopes.items():
            known = believed if account.hydrated else self._proven(believed)
            if not known.naked_since:
                continue
            # Another attempt's read tells of the same position later: it has been bare since the first.
            self._since[key] = began = min(known.naked_since, since.get(key, known.naked_since))
            s = replace(known, naked_since=began)
            plan = decide(account, key, self._owner.engine, now)
            if self._naked.due(key, s, wanted=plan.protects) is not None:
                self._naked.alarm(key, s, now, plan.decision, account.gates)

    def _proven(self, s: ScopeState) -> ScopeState:
        """The scope without the stops that nothing but the ledger tells of."""
        contexts = {n: c for n, c in s.contexts.items() if c.role is not Role.SL or n in self._told}
        since = naked_since(s, contexts, s.position, self._opened_at)
        return replace(s, contexts=contexts, naked_since=since)

    def _again(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(EVERY_S, self._ring)

    def _ring(self) -> None:
        if self._owner.failed.done():
            return
        self._again()
        try:
            self.look()
        except Exception as error:  # noqa: BLE001 - an alarm that breaks must not be taken for silence
            self._owner.fail(error)
