"""The owner: the one writer of an account's state, and the loop from evidence to orders.

Everything that becomes known enters through `on_event`: it is folded at once and recorded (O-1), the scopes
it touched are marked, and they are planned either right away (a position lacks its stop, B-1) or when their
burst has gone quiet. A pass is `decide`, a record, and the executor; passes of a scope repeat until there is
nothing to do, which must come soon (I-23).

Ingestion is never delayed by planning, writing or reading; while the account hydrates, events are buffered
and replayed in arrival order behind the snapshots (5.1).
"""

import asyncio
from collections.abc import Callable
from decimal import Decimal

import msgspec

from backstay.core.account import fold, scope_of
from backstay.core.confirmations import next_deadline
from backstay.core.decisions import Act, Decision, Plan, Recover, Wait
from backstay.core.engine import Engine, decide
from backstay.core.events import (
    AccountReport,
    AlgoReport,
    AnswerReceived,
    AnyEvent,
    Effect,
    FillNotice,
    Ignored,
    OrderReport,
    PriceReached,
    RunStarted,
    RunStopped,
    StreamChanged,
    StreamState,
    TimePassed,
    TrustLost,
)
from backstay.core.flatten import TRUST_DEADLINE
from backstay.core.records import Body, Decided, Noted
from backstay.core.scope import burst_end
from backstay.core.slots import Watch
from backstay.core.state import AccountState, ScopeState
from backstay.core.types import MS, SECOND, PositionMode, PositionSide, Product, Scope, TimeNs
from backstay.runtime.executor import Executor
from backstay.runtime.ports import Clock, Entropy, Journal, Lease, Venue
from backstay.runtime.recoverer import Recoverer

PASSES_MAX = 40
"""A scope that is still acting after so many passes without rest has a defect: it is stopped (I-23)."""
MAX_UNPROTECTED = 5 * SECOND
"""A position naked for longer raises an alarm (I-37)."""
ALARM_EVERY = 60 * SECOND
STRIKES_MAX = 2
FILTER_REFUSALS = frozenset({Effect.FILTER, Effect.MIN_NOTIONAL})
TIMER_TICK = MS
FOREVER: TimeNs = 1 << 62


class Stats(msgspec.Struct):
    """Figures of this run, for people; no decision reads them."""

    started_at: TimeNs = 0
    events: int = 0
    dropped: int = 0
    """Events that were no news (duplicates, stale reports)."""
    passes: int = 0
    last_event_at: TimeNs = 0
    naked_ms: list[float] = []
    """Closed naked windows, as the runtime saw them: from the position's evidence to the ARMED stop."""
    unprotected_alarms: int = 0
    recoveries: int = 0


_NO_WATCHES: dict[Scope, tuple[Watch, ...]] = {}


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
    ) -> None:
        self.account = account if account is not None else AccountState()
        self.engine = engine
        self.stats = Stats()
        self.clock = clock
        self.ready = asyncio.Event()
        self.failed: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        self.last: dict[Scope, Decision] = {}
        self._journal = journal
        self._entropy = entropy
        self._lease = lease
        self._on_record = on_record
        self._venue: Venue | None = None
        self._executor: Executor | None = None
        self._recoverer: Recoverer | None = None
        self._buffer: list[AnyEvent] | None = None
        self._timers: dict[Scope, tuple[TimeNs, asyncio.TimerHandle]] = {}
        self._watches: dict[str, dict[Scope, tuple[Watch, ...]]] = {}
        self._subscribed: frozenset[str] = frozenset()
        self.marks: dict[str, Decimal] = {}
        """Latest mark prices, for screens; decisions read only what is recorded."""
        self._planning: set[Scope] = set()
        self._loop = asyncio.get_running_loop()
        self._settling = False
        self._due: dict[Scope, TimeNs] = {}
        """When scopes that this read touched want to be woken."""
        self._unprotected: set[Scope] = set()
        """Scopes that hold a position for which no stop is wanted."""
        self._alarms: dict[Scope, tuple[TimeNs, TimeNs]] = {}
        """Per scope: (the naked window that was alarmed, when the next alarm is due)."""
        self._stopped = False

    # --- life ---------------------------------------------------------------------------------------

    async def start(self, run: RunStarted, venue: Venue) -> None:
        """Take the account over: record the run, connect, hydrate, plan every scope, announce readiness.

        Raises VenueUnavailable when the venue cannot be reached or refuses the keys, and what the journal
        raises when the run cannot be recorded.
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
            self._buffer = []
            await venue.open()
            await self._recoverer.first()
            if not self.account.hydrated:
                raise self._recoverer.last_failure or RuntimeError("hydration ended without a snapshot")
            self.note(Noted("ready", {"scopes": len(self.account.scopes)}))
        except _LedgerGone:
            # The caller is told what is wrong with the ledger, not that it is gone.
            raise self.failed.result() from None
        self.ready.set()

    async def stop(self, reason: str) -> None:
        """Stop planning, let registered requests leave, close the connections. Resting orders stay."""
        self._stopped = True
        for _, handle in self._timers.values():
            handle.cancel()
        self._timers.clear()
        if self._recoverer is not None:
            await self._recoverer.stop()
        if self._executor is not None:
            await self._executor.drain()
        if self._venue is not None:
            await self._venue.close()
        if not self.failed.done():
            self._record(RunStopped(reason=reason), self.clock.now_ns(), 0)
            await self._journal.durable()

    def abandon(self) -> None:
        """Stop where we stand, as a killed process does: nothing is waited for, sent or written."""
        self._stopped = True
        for _, handle in self._timers.values():
            handle.cancel()
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

    # --- evidence -----------------------------------------------------------------------------------

    def on_event(self, event: AnyEvent) -> None:
        """Take in one event of the venue, on the socket's own call stack."""
        if self._stopped:
            return
        stats = self.stats
        stats.events += 1
        stats.last_event_at = self.clock.now_ns()
        try:
            if self._buffer is not None:
                self._hold(event)
            else:
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

    def _hold(self, event: AnyEvent) -> None:
        """Hydrating: keep the event for the replay. A new gap makes what was buffered worthless (R-11)."""
        if self._buffer is None:
            return
        if isinstance(event, AnswerReceived):
            self._ingest(event)
        elif isinstance(event, StreamChanged) and event.state is not StreamState.OVERLAP:
            if event.state is not StreamState.CONNECTED:
                self._buffer.clear()
            self._ingest(event)
        else:
            self._buffer.append(event)

    def recovering(self) -> None:
        """A recovery begins (counted for people)."""
        self.stats.recoveries += 1

    def begin_buffering(self) -> None:
        if self._buffer is None:
            self._buffer = []

    def replay_buffer(self) -> None:
        """Fold what arrived during the reads, in arrival order, and go live."""
        held, self._buffer = self._buffer or [], None
        for event in held:
            self.apply(event)

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
        for key in self._affected(event, before, after):
            self._evidence(key, before.scopes.get(key), seq)
        if after.gates is not before.gates:
            # A door that opens is no evidence of any scope, and yet each may have waited for it.
            self._loop.call_soon(self.plan_all)
        if self._recoverer is None:
            return
        if isinstance(event, StreamChanged) and self.account.hydrated:
            self._recoverer.stream_changed(event)
        elif isinstance(event, AnswerReceived) and event.effect in FILTER_REFUSALS:
            self._recoverer.filters_doubted()

    def _settle(self) -> None:
        """What can wait until the socket's read is over: to set the timers, to wake the writer.

        A fill comes as several frames of one read; nothing that only follows it may stand in its way.
        """
        self._settling = False
        if self._stopped:
            return
        if self._due:
            due, self._due = self._due, {}
            for key, at in due.items():
                self._set_timer(key, at)
        self._kick()

    def apply(self, event: AnyEvent, cause: int = 0) -> int:
        """Fold and record one event; returns its seq, or 0 when it changed nothing and is not kept."""
        now = self.clock.now_ns()
        before = self.account
        after = fold(before, event, now)
        if after is before:
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

    def _kick(self) -> None:
        try:
            self._journal.kick()
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing is written any more
            self.fail(error)

    def note(self, body: Noted, cause: int = 0) -> None:
        """Record a fact for people."""
        self._record(body, self.clock.now_ns(), cause)

    def _affected(self, event: AnyEvent, before: AccountState, after: AccountState) -> list[Scope]:
        if isinstance(event, (OrderReport, AlgoReport)):
            return [scope_of(event.product, event.symbol, event.position_side)]
        if isinstance(event, AccountReport) and len(event.positions) == 1:
            row = event.positions[0]
            return [scope_of(event.product, row.symbol, row.position_side)]
        if isinstance(event, AnswerReceived) and after.gates is before.gates:
            return [event.scope]
        if isinstance(event, FillNotice) and after.position_mode is PositionMode.ONE_WAY:
            return [scope_of(event.product, event.symbol, PositionSide.BOTH)]
        if isinstance(event, Ignored):
            return []
        if after.gates is not before.gates or after.instruments is not before.instruments:
            return list(after.scopes)
        old = before.scopes
        return [key for key, s in after.scopes.items() if old.get(key) is not s]

    def _evidence(self, key: Scope, before: ScopeState | None, seq: int) -> None:
        """A scope learnt something: plan now or when its burst is over."""
        s = self.account.scopes.get(key)
        if s is None or s is before:
            return
        naked_before = before.naked_since if before is not None else 0
        if s.naked_since != naked_before:
            self._naked_changed(key, s, naked_before)
        grew = before is None or s.position.quantity != before.position.quantity
        if s.naked_since or grew or self.clock.now_ns() >= burst_end(s):
            self.run_passes(key, seq)
        else:
            self._arm_timer(key, burst_end(s))

    def _naked_changed(self, key: Scope, s: ScopeState, since: TimeNs) -> None:
        """Measure every naked window; alarm on the long ones (I-37)."""
        if s.naked_since or not since or self.engine.manager(key) is None:
            return
        if not s.position.quantity:
            return
        took = (self.clock.now_ns() - since) / MS
        self.stats.naked_ms.append(took)
        self.note(Noted("protected", {"naked_us": int(took * 1000)}, key))

    # --- passes -------------------------------------------------------------------------------------

    def touch(self, key: Scope) -> None:
        """Plan this scope again soon: something about it changed outside an event."""
        if not self._stopped:
            self._loop.call_soon(self.run_passes, key, 0)

    def run_passes(self, key: Scope, cause: int = 0) -> None:
        """Plan one scope until it rests."""
        executor = self._executor
        if self._stopped or executor is None or self._buffer is not None or key in self._planning:
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
            self._follow(key, plan)

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
        """Record a decision that acts or that differs from the last; `now` is the time it was made for."""
        if not isinstance(plan.decision, Act) and self.last.get(key) == plan.decision:
            return 0
        if isinstance(plan.decision, Wait) and plan.decision.reason == "burst":
            return 0
        if isinstance(plan.decision, Act) and not plan.approved and self.last.get(key) == plan.decision:
            return 0
        self.last[key] = plan.decision
        return self._record(Decided.of(plan), now, cause)

    def _follow(self, key: Scope, plan: Plan) -> None:
        """Arrange what comes next: a recovery, a timer, the prices to watch."""
        s = self.account.scopes.get(key)
        if s is None:
            return
        decision = plan.decision
        if isinstance(decision, Recover) and self._recoverer is not None:
            self._recoverer.request(key, decision)
        due = [t for t in (next_deadline(s), plan.wake_at) if t is not None]
        if isinstance(decision, Wait) and decision.until is not None:
            due.append(decision.until)
        if s.flatten_since and not s.trusted and self.clock.now_ns() < s.flatten_since + TRUST_DEADLINE:
            due.append(s.flatten_since + TRUST_DEADLINE)
        if s.naked_since:
            if plan.protects:
                self._unprotected.discard(key)
                due.append(self._alarm_at(key, s))
            else:
                self._unprotected.add(key)
        if due:
            self._arm_timer(key, min(due))
        held = s.position.quantity and self.engine.manager(key) is not None
        watches = plan.watches if held else None
        if watches != self._watches.get(key.symbol, _NO_WATCHES).get(key):
            self._watch(key, watches)

    def _arm_timer(self, key: Scope, at: TimeNs) -> None:
        """Wake the scope at `at`, unless it is woken earlier: at once, or when the read is over."""
        if not self._settling:
            self._set_timer(key, at)
        elif at < self._due.get(key, FOREVER):
            self._due[key] = at

    def _set_timer(self, key: Scope, at: TimeNs) -> None:
        now = self.clock.now_ns()
        armed = self._timers.get(key)
        if armed is not None:
            if now < armed[0] <= at:
                return
            armed[1].cancel()
        # At least a tick of real time: a deadline that stays in the past may not starve the loop.
        delay = max(at - now, TIMER_TICK) / SECOND
        handle = self._loop.call_later(delay, self._wake, key)
        self._timers[key] = (max(at, now), handle)

    def _wake(self, key: Scope) -> None:
        self._timers.pop(key, None)
        s = self.account.scopes.get(key)
        if s is None or self._stopped:
            return
        now = self.clock.now_ns()
        deadline = next_deadline(s)
        try:
            seq = self.apply(TimePassed(scope=key)) if deadline is not None and deadline <= now else 0
            if s.naked_since and now >= self._alarm_at(key, s):
                self._alarm(key, s, now)
        except _LedgerGone:
            return
        self.run_passes(key, seq)
        self._kick()

    def _alarm_at(self, key: Scope, s: ScopeState) -> TimeNs:
        """When this naked window is (again) to be told of: after 5 s, 10 s, 20 s ..., then every minute."""
        since, at = self._alarms.get(key, (0, 0))
        return at if since == s.naked_since else s.naked_since + MAX_UNPROTECTED

    def _alarm(self, key: Scope, s: ScopeState, now: TimeNs) -> None:
        if key in self._unprotected:
            return
        self.stats.unprotected_alarms += 1
        naked_ms = (now - s.naked_since) // MS
        self._alarms[key] = (s.naked_since, now + min(now - s.naked_since, ALARM_EVERY))
        self.note(Noted("unprotected", {"naked_ms": naked_ms, "reason": repr(self.last.get(key))}, key))

    # --- prices -------------------------------------------------------------------------------------

    def _watch(self, key: Scope, watches: tuple[Watch, ...] | None) -> None:
        """Follow the symbol's mark price while a managed position is open; None: it is not."""
        by_scope = self._watches.setdefault(key.symbol, {})
        if watches is None:
            by_scope.pop(key, None)
        else:
            by_scope[key] = watches
        if not by_scope:
            del self._watches[key.symbol]
        wanted = frozenset(self._watches)
        if wanted != self._subscribed and self._venue is not None:
            self._subscribed = wanted
            self._venue.watch_marks(sorted(wanted))

    def on_mark(self, symbol: str, price: Decimal, at: TimeNs) -> None:
        """A mark price. It becomes evidence only where a strategy asked for it."""
        self.marks[symbol] = price
        by_scope = self._watches.get(symbol)
        if by_scope is None or self._stopped or self._buffer is not None:
            return
        crossed = [key for key, watches in by_scope.items() if any(w.crossed(price) for w in watches)]
        if not crossed:
            return
        try:
            seq = self.apply(PriceReached(symbol=symbol, price=price, at=at, product=Product.USDM))
        except _LedgerGone:
            return
        if seq:
            for key in crossed:
                self.run_passes(key, seq)
            self._kick()

    # --- commands and recovery ----------------------------------------------------------------------

    def command(self, event: AnyEvent) -> int:
        """An operator's word: folded, recorded, and acted upon at once. 0: it changed nothing."""
        try:
            seq = self.apply(event)
        except _LedgerGone:
            return 0
        for key in list(self.account.scopes):
            self.run_passes(key, seq)
        self._kick()
        return seq

    def plan_all(self) -> None:
        """Plan every scope, those with an open position first."""
        scopes = self.account.scopes
        for key in sorted(scopes, key=lambda k: (not scopes[k].position.quantity, k)):
            self.run_passes(key)
        self._kick()

    @property
    def deaf(self) -> bool:
        return self.account.deaf_strikes >= STRIKES_MAX
