"""The owner: the one writer of an account's state, and the loop from evidence to orders.

Everything that becomes known enters through `on_event`: it is folded at once and recorded (O-1), the scopes
it touched are marked, and they are planned either right away (a position lacks its stop, B-1) or when their
burst has gone quiet. A pass is `decide`, a record, and the executor; passes of a scope repeat until there is
nothing to do, which must come soon (I-23).

Ingestion is never delayed by planning, writing or reading; while the account hydrates, events are buffered
and replayed in arrival order behind the snapshots (5.1).
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from backstay.core.account import fold
from backstay.core.confirmations import next_deadline
from backstay.core.decisions import Act, Decision, Plan, Recover, Wait
from backstay.core.engine import Engine, decide
from backstay.core.events import (
    AnswerReceived,
    AnyEvent,
    PriceReached,
    RunStarted,
    RunStopped,
    StreamChanged,
    TimePassed,
    TrustLost,
)
from backstay.core.records import Body, Decided, Noted
from backstay.core.scope import burst_end
from backstay.core.state import AccountState, ScopeState
from backstay.core.types import Product, Scope, TimeNs
from backstay.runtime.affected import affected
from backstay.runtime.books import Books
from backstay.runtime.buffer import Buffer
from backstay.runtime.executor import Executor
from backstay.runtime.foresight import Foresight
from backstay.runtime.lookout import Lookout
from backstay.runtime.marks import Marks
from backstay.runtime.naked import NakedWatch
from backstay.runtime.ports import Clock, Entropy, Journal, Lease, Venue
from backstay.runtime.recoverer import Recoverer
from backstay.runtime.starting import Patience, take_over, unless_failed
from backstay.runtime.stats import Stats
from backstay.runtime.timers import Timers, wake_times

PASSES_MAX = 40
"""A scope that is still acting after so many passes without rest has a defect: it is stopped (I-23)."""
PATIENT = Patience()


class _LedgerGone(Exception):
    """A record could not be kept: the owner has failed already, whatever is under way ends here."""


class Owner:
    """Owns one account. All methods run on the event loop's thread."""

    def __init__(
        self,
        *,
        clock: Clock,
        entropy: Entropy,
        journal: Journal,
        engine: Engine,
        lease: Lease,
        account: AccountState | None = None,
        on_record: Callable[[int, TimeNs, Body], None] | None = None,
        told: Mapping[Scope, ScopeState] | None = None,
    ) -> None:
        self.account = account if account is not None else AccountState()
        self.engine = engine
        self.stats = Stats()
        self.clock = clock
        self.ready = asyncio.Event()
        self.failed: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        self.last: dict[Scope, Decision] = {}
        self._gates: dict[Scope, tuple[str, ...]] = {}
        self._journal = journal
        self._entropy = entropy
        self._lease = lease
        self._on_record = on_record
        self._venue: Venue | None = None
        self._executor: Executor | None = None
        self._recoverer: Recoverer | None = None
        self._timers = Timers(clock, self._wake)
        self._marks = Marks(self._subscribe)
        self.books = Books(self)
        self._naked = NakedWatch(self.stats, self.note, self.account.scopes if told is None else told)
        self.lookout = Lookout(self, self._naked)
        self._buffer = Buffer(self.lookout.hear)
        self._foresight = Foresight(self, engine, entropy)
        self._planning: set[Scope] = set()
        self._loop = asyncio.get_running_loop()
        self._settling = False
        self._stopped = False

    # --- life ---------------------------------------------------------------------------------------

    async def start(self, run: RunStarted, venue: Venue, patience: Patience = PATIENT) -> None:
        """Take the account over: record the run, connect, hydrate, plan every scope, announce readiness.

        Raises VenueUnavailable when the venue refuses the keys, or cannot be reached for longer than
        `patience`, and what the journal raises when the run cannot be recorded.
        """
        self._venue = venue
        self._executor = Executor(
            self,
            clock=self.clock,
            entropy=self._entropy,
            journal=self._journal,
            venue=venue,
            lease=self._lease,
        )
        self._recoverer = Recoverer(self, venue=venue, entropy=self._entropy)
        self.stats.started_at = self.clock.now_ns()
        try:
            self.apply(run)
            self.begin_buffering()
            start = take_over(venue, self._recoverer, patience, self._entropy.jitter, self.note)
            await unless_failed(start, self.failed)
            self.note(Noted("ready", {"scopes": len(self.account.scopes)}))
            self._foresight.begin(run.position_mode)
        except _LedgerGone:
            # The caller is told what is wrong with the ledger, not that it is gone.
            raise self.failed.result() from None
        self.ready.set()

    async def stop(self, reason: str) -> None:
        """Stop planning, let registered requests leave, close the connections. Resting orders stay."""
        self._stopped = True
        self._timers.cancel()
        if self._recoverer is not None:
            await self._recoverer.stop()
        if self._executor is not None:
            await self._executor.drain()
        if self._venue is not None:
            await self._venue.close()
        if not self.failed.done():
            ended = RunStopped(reason=reason)
            with contextlib.suppress(_LedgerGone):  # as at a start, the caller is told what is wrong with it
                if not self.apply(ended):
                    self._record(ended, self.clock.now_ns(), 0)
            await unless_failed(self._journal.durable(), self.failed)

    def abandon(self) -> None:
        """Stop where we stand, as a killed process does: nothing is waited for, sent or written."""
        self._stopped = True
        self._timers.cancel()
        for part in (self._recoverer, self._executor):
            if part is not None:
                part.abandon()

    def fail(self, error: Exception) -> None:
        """Something that must stop the process: a ledger that cannot be written, a broken invariant."""
        self._stopped = True
        if not self.failed.done():
            self.failed.set_result(error)

    @property
    def executor(self) -> Executor:
        if self._executor is None:
            raise RuntimeError("the owner was not started")
        return self._executor

    @property
    def live(self) -> bool:
        """Events are folded as they come."""
        return not (self._buffer.is_open or self._stopped)

    # --- evidence -----------------------------------------------------------------------------------

    def on_event(self, event: AnyEvent) -> None:
        """Take in one event of the venue, on the socket's own call stack."""
        if self._stopped:
            return
        self.stats.events += 1
        self.stats.last_event_at = self.clock.now_ns()
        if not self._foresight.takes(event):
            self.take_in(event)

    def take_in(self, event: AnyEvent) -> None:
        """Fold and plan, or keep for the replay while the account is read."""
        if self._stopped:
            return
        try:
            if not (self._buffer.is_open and self._buffer.keeps(event)):
                self._ingest(event)
        except _LedgerGone:
            return
        except Exception as error:  # noqa: BLE001 - what could not be taken in may not pass unnoticed (4.1.1)
            self._not_ingested(event, error)

    def _not_ingested(self, event: AnyEvent, error: Exception) -> None:
        """An event that broke the fold: nothing is certain any more, all of it is read again."""
        try:
            self.note(Noted("ingest_failed", {"event": type(event).__name__, "error": repr(error)}))
            self.apply(TrustLost(reason="ingest_failed"))
        except _LedgerGone:
            return
        self.plan_all()

    def begin_buffering(self) -> None:
        self._buffer.open()
        self.lookout.open()

    def replay_buffer(self) -> None:
        """Fold what arrived during the reads, in arrival order, and go live."""
        for event in self._buffer.close():
            self.apply(event)

    def keep(self, deed: Callable[[], None]) -> None:
        """Do something that has to be recorded."""
        with contextlib.suppress(_LedgerGone):
            deed()

    def _ingest(self, event: AnyEvent) -> None:
        before = self.account
        seq = self.apply(event)
        after = self.account
        if after is before:
            self.stats.dropped += 1
            return
        if not self._settling:
            self._settling = True
            self._loop.call_soon(self._settle)
        for key in affected(event, before, after):
            self._evidence(key, before.scopes.get(key), seq)
        if after.gates is not before.gates:
            # A door that opens is no evidence of any scope, and yet each may have waited for it.
            self._loop.call_soon(self.plan_all)
        if self._recoverer is None:
            return
        if isinstance(event, StreamChanged) and self.account.hydrated:
            self._recoverer.stream_changed(event)
        elif isinstance(event, AnswerReceived):
            self._recoverer.answered(event)

    def _settle(self) -> None:
        """What can wait until the socket's read is over: a fill comes as several frames of one read, and
        nothing may stand in its way.
        """
        self._settling = False
        if self._stopped:
            return
        self._timers.set_wishes()
        self._kick()

    def apply(self, event: AnyEvent, cause: int = 0) -> int:
        """Fold and record one event; returns its seq, or 0 when it changed nothing and is not kept."""
        now = self.clock.now_ns()
        after = fold(self.account, event, now)
        if after is self.account:
            return 0
        self.account = after
        return self._record(event, now, cause)

    def _record(self, body: Body, now: TimeNs, cause: int) -> int:
        try:
            seq = self._journal.append(body, at=now, cause=cause)
        except Exception as error:
            self.fail(error)
            raise _LedgerGone from error
        if self._on_record is not None:
            self._on_record(seq, now, body)
        return seq

    def _kick(self, *, durable: bool = False) -> None:
        try:
            (self._journal.durable_now if durable else self._journal.kick)()
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing is written any more
            self.fail(error)

    def note(self, body: Body, cause: int = 0) -> None:
        """Record a fact for readers of the ledger, which the fold needs not know."""
        self._record(body, self.clock.now_ns(), cause)

    def _evidence(self, key: Scope, before: ScopeState | None, seq: int) -> None:
        """A scope learnt something: plan now or when its burst is over."""
        s = self.account.scopes.get(key)
        if s is None or (s is before and key.product is not Product.SPOT):
            return
        naked_before = before.naked_since if before is not None else 0
        if s.naked_since != naked_before and self.engine.manager(key) is not None:
            self._naked.ended(key, s, naked_before, self.clock.now_ns())
        grew = before is None or s.position.quantity != before.position.quantity
        if s.naked_since or grew or self.clock.now_ns() >= burst_end(s):
            self.run_passes(key, seq)
        else:
            self._arm_timer(key, burst_end(s))

    # --- passes -------------------------------------------------------------------------------------

    def touch(self, key: Scope) -> None:
        """Plan this scope again soon: something about it changed outside an event."""
        if not self._stopped:
            self._loop.call_soon(self.run_passes, key, 0)

    def run_passes(self, key: Scope, cause: int = 0) -> None:
        """Plan one scope until it rests."""
        executor = self._executor
        if self._stopped or executor is None or self._buffer.is_open or key in self._planning:
            return
        self._planning.add(key)
        try:
            plan = self._passes(key, cause, executor)
        except _LedgerGone:
            return
        except Exception as error:  # noqa: BLE001 - a pass that breaks must not be taken for one that rests
            self.fail(error)
            return
        finally:
            self._planning.discard(key)
        if plan is not None:
            self._follow(key, plan, cause)

    def _passes(self, key: Scope, cause: int, executor: Executor) -> Plan | None:
        """Passes until one leaves nothing to send. None: the scope did not come to rest."""
        for _ in range(PASSES_MAX):
            now = self.clock.now_ns()
            plan = decide(self.account, key, self.engine, now)
            self.stats.passes += 1
            seq = self._decided(key, plan, now, cause)
            if not isinstance(plan.decision, Act) or not plan.approved:
                return plan
            if not executor.execute(plan.approved, seq or cause):
                return plan
        self.fail(RuntimeError(f"{key}: {PASSES_MAX} passes without rest; the scope is stopped"))
        return None

    def _decided(self, key: Scope, plan: Plan, now: TimeNs, cause: int) -> int:
        """Record a decision that acts, differs from the last or is refused by other gates; made for `now`."""
        gates = tuple(x.gate for x in plan.refused) if plan.refused else ()
        same = not plan.approved and (self.last.get(key), self._gates.get(key)) == (plan.decision, gates)
        if same or (isinstance(plan.decision, Wait) and plan.decision.reason == "burst"):
            return 0
        self.last[key], self._gates[key] = plan.decision, gates
        return self._record(Decided.of(plan), now, cause)

    def _follow(self, key: Scope, plan: Plan, cause: int) -> None:
        """Arrange what comes next: a recovery, a timer, the prices to watch."""
        s = self.account.scopes.get(key)
        if s is None:
            return
        self.keep(lambda: self._naked.lives.tell(s, cause))
        decision = plan.decision
        if isinstance(decision, Recover) and self._recoverer is not None:
            self._recoverer.request(key, decision)
        elif isinstance(decision, Wait) and decision.look and self._recoverer is not None:
            self._recoverer.look(key, decision.look)
        due = wake_times(s, plan, self.clock.now_ns())
        if (alarm_at := self._naked.due(key, s, wanted=plan.protects)) is not None:
            due.append(alarm_at)
        if due:
            self._arm_timer(key, min(due))
        if not s.position.quantity or s.lots is not None:
            self._foresight.wish(key)
        held = (s.position.quantity or s.lots is not None) and self.engine.manager(key) is not None
        self._marks.follow(key, plan.watches if held else None)
        self.books.follow(key, wanted=plan.book)

    def _arm_timer(self, key: Scope, at: TimeNs) -> None:
        """Wake the scope at `at`, unless it is woken earlier: at once, or when the read is over."""
        if self._settling:
            self._timers.wish(key, at)
        else:
            self._timers.set(key, at)

    def _wake(self, key: Scope) -> None:
        s = self.account.scopes.get(key)
        if s is None or self._stopped:
            return
        now = self.clock.now_ns()
        deadline = next_deadline(s)
        try:
            seq = self.apply(TimePassed(scope=key)) if deadline is not None and deadline <= now else 0
            self._naked.alarm(key, s, now, self.last.get(key), self.account.gates)
        except _LedgerGone:
            return
        self.run_passes(key, seq)
        if seq and self._recoverer is not None:
            self._recoverer.silence_counted()
        self._kick()

    # --- prices -------------------------------------------------------------------------------------

    @property
    def marks(self) -> Mapping[str, Decimal]:
        """Latest mark prices of symbols with a managed position, for screens."""
        return self._marks.latest

    def _subscribe(self, symbols: Sequence[str]) -> None:
        if self._venue is not None:
            self._venue.watch_marks(symbols)

    def on_mark(self, symbol: str, price: Decimal, at: TimeNs) -> None:
        """A mark price. It becomes evidence only where a strategy asked for it."""
        self._marks.latest[symbol] = price
        if not self.live:
            return
        crossed = self._marks.crossed(symbol, price)
        if not crossed:
            return
        try:
            seq = self.apply(PriceReached(symbol=symbol, price=price, at=at, product=crossed[0].product))
        except _LedgerGone:
            return
        if seq:
            for key in crossed:
                self.run_passes(key, seq)
            self._kick()

    # --- commands and recovery ----------------------------------------------------------------------

    def command(self, event: AnyEvent) -> int:
        """An operator's word: folded, acted upon at once, and on disk on return. 0: it changed nothing."""
        try:
            seq = self.apply(event)
        except _LedgerGone:
            return 0
        for key in list(self.account.scopes):
            self.run_passes(key, seq)
        self._kick(durable=True)
        return seq

    def plan_all(self) -> None:
        """Plan every scope, those with an open position first."""
        scopes = self.account.scopes
        for key in sorted(scopes, key=lambda k: (not scopes[k].position.quantity, k)):
            self.run_passes(key)
        self._kick()
