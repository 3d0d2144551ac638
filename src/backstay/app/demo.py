"""The demo: the whole product on the embedded exchange, beside a scripted human, through incidents.

Nothing in it is staged for the guard: it talks to the venue by the wire, the human trades by the venue's
control side, faults come from the venue's fault plan, and what is reported at the end was seen by an auditor
that hears only the venue. `--speed max` lets two hours pass in seconds, on a virtual clock.
"""

import asyncio
import contextlib
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path

import msgspec

from backstay.app.audit import write_files
from backstay.app.auditor import Auditor, percentiles
from backstay.app.demo_options import FULL_SPEED, DemoOptions
from backstay.app.demo_scored import ScoredStory
from backstay.app.demo_spot import SpotStory
from backstay.app.entropy import SeededEntropy
from backstay.app.guard import Guard, GuardConfig, World, open_guard
from backstay.app.incidents import PATIENCE_S, Incident, incidents
from backstay.app.ledger_paths import LEDGER
from backstay.app.paper import ACCOUNT, ENDPOINTS, PaperExchange
from backstay.core.engine import Engine, Manager
from backstay.core.names import counted
from backstay.core.types import MS, SECOND, Mode, PositionMode, TimeNs
from backstay.ledger.disk import FileDisk
from backstay.ledger.verify import verify
from backstay.ledger.writers import InlineWriter
from backstay.runtime.virtual_time import LoopClock, run_virtual
from backstay.simulator.feeds.base import Feed, open_feed
from backstay.simulator.human import actions, resolve
from backstay.strategies.position_manager.policy import (
    BreakEvenPolicy,
    DcaPolicy,
    PositionPolicy,
    SizeUnit,
    StopPolicy,
    TakeProfitLevel,
    TakeProfitPolicy,
)
from backstay.strategies.position_manager.wanted import PositionManager

ID_PREFIX = "bs-"
SYNTHETIC_START = 1_767_571_200 * SECOND
"""2026-01-05 00:00 UTC: synthetic markets begin here, so that a seed tells the same story every time."""
ENDLESS_S = 365 * 86_400
SETTLE_S = 30
"""After the human has stopped: time in which everything must come to rest."""
INTERRUPTED_SETTLE_S = 3
NAKED_MAX_MS = 5_000
"""Outside of incidents no position may stand without a stop for longer (I-37)."""

DEMO_POLICY = PositionPolicy(
    stop_loss=StopPolicy(distance=Decimal("0.01")),
    take_profit=TakeProfitPolicy(
        levels=(
            TakeProfitLevel(distance=Decimal("0.004"), share=Decimal("0.5")),
            TakeProfitLevel(distance=Decimal("0.008"), share=Decimal("0.5")),
        )
    ),
    break_even=BreakEvenPolicy(trigger=Decimal("0.003"), offset=Decimal("0.0002")),
    dca=DcaPolicy(
        steps=3,
        first_deviation=Decimal("0.0015"),
        deviation_multiplier=Decimal("1.5"),
        first_size=Decimal("0.5"),
        size_unit=SizeUnit.BASE_FRACTION,
        size_multiplier=Decimal("1.2"),
    ),
)
"""Distances small enough for something to happen within minutes."""


class DemoSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What the auditor saw; the document of `demo --headless --json`."""

    positions_opened: int
    positions_guarded: int
    stops_placed: int
    naked_ms: dict[str, float]
    naked_ms_in_incidents: dict[str, float]
    unprotected_now: int
    duplicates: int
    foreign_touched: int
    incidents: int
    incidents_survived: int
    ledger_verified: bool
    ledger_records: int
    events: int
    by_hand: dict[str, int]
    """What the scripted owner did, by kind, as far as the venue took it."""
    lots: int
    """Fills of spot BUYs by hand."""
    lots_completed: int
    lots_waiting: int
    min_net_profit_pct: float | None
    """Of all completed lots, from the exchange's own trades; None: none was completed."""
    scored_entries: int
    """Entries of the scored symbol, which nobody trades by hand."""
    scored_closed: int
    scored_why: str
    """Why the latest of them was made."""
    scored_why_seq: int
    """The record that `ledger why` tells its story from; 0: there was none."""
    promises_held: bool
    broken: list[str]
    seed: int
    venue_s: int
    wall_s: float


class AlwaysHeld:
    """One process, one account, in memory: nobody else can own it."""

    def held(self) -> bool:
        return True


class Demo:
    """Directs one demo on the running loop. `state` may be read at any time by a screen."""

    def __init__(self, options: DemoOptions, clock: LoopClock, feed: Feed, *, policy: PositionPolicy) -> None:
        self.options = options
        self.clock = clock
        self.feed = feed
        self.policy = policy
        self.symbols = feed.symbols
        self.start_ns = clock.now_ns()
        duration_s = options.duration_s if options.duration_s is not None else ENDLESS_S
        self.end_ns = self.start_ns + int(duration_s * SECOND)
        self.story: list[tuple[TimeNs, str]] = []
        """What happened, in plain words, for the screen."""
        self.scored = ScoredStory(feed, seed=options.seed, live=options.feed == "live", tell=self.tell)
        self.exchange = PaperExchange(
            self.scored.feed,
            start_ns=self.start_ns,
            seed=options.seed,
            time_ns=clock.now_ns,
            hedge=options.hedge,
            engine_settings=self.scored.engine_settings,
        )
        self.auditor = Auditor(lambda name: name.startswith(ID_PREFIX))
        self.exchange.listen(self.auditor.event)
        self.disk = FileDisk(Path(options.data_dir))
        self.guard: Guard | None = None
        self.met = 0
        self.survived = 0
        self.disturbed: list[tuple[int, int]] = []
        """Venue ms during which an incident was going on."""
        self._starts = 0
        self._events_before = 0
        self._by_hand: Counter[str] = Counter()
        self.listeners: list[Callable[[Guard], None]] = []
        self.spot = SpotStory(options, clock, self.end_ns, AlwaysHeld(), self.tell)

    # --- the guard ----------------------------------------------------------------------------------

    async def open(self) -> Guard:
        """Start, or start again after a crash, the guard on its ledger."""
        self._starts += 1
        mode = PositionMode.HEDGE if self.options.hedge else PositionMode.ONE_WAY
        manager = Manager(PositionManager(), self.policy, frozenset(self.symbols))
        guard = open_guard(
            GuardConfig(
                account=ACCOUNT,
                mode=Mode.PAPER,
                environment="paper",
                position_mode=mode,
                engine=Engine((manager, *self.scored.managers)),
                armed=True,
                id_prefix=ID_PREFIX,
                endpoints=ENDPOINTS,
                fee_symbol=self.symbols[0],
            ),
            World(
                transport=self.exchange.transport(),
                signer=self.exchange.signer(),
                clock=self.clock,
                entropy=SeededEntropy(f"{self.options.seed}/{self._starts}"),
                disk=self.disk,
                writer=InlineWriter(delay_s=0.0005),
                lease=AlwaysHeld(),
                log=lambda text: self.tell(f"gateway: {text}"),
            ),
        )
        if self.guard is not None:
            self._events_before += self.guard.owner.stats.events
        self.guard = guard
        guard.listeners.append(self.scored.listen(guard.owner))
        await guard.start()
        for listener in self.listeners:
            listener(guard)
        return guard

    def tell(self, words: str) -> None:
        self.story.append((self.clock.now_ns(), words))
        del self.story[:-500]

    # --- the run ------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Play the whole story. Raises what the guard fails with."""
        self.exchange.start()
        await self.open()
        await self.spot.start()
        self.tell("the guard is up")
        parts = [asyncio.create_task(self._human()), asyncio.create_task(self._incidents())]
        try:
            await self._until(self.end_ns, parts)
        except asyncio.CancelledError:
            self.tell("interrupted")
        finally:
            for part in parts:
                part.cancel()
            await asyncio.gather(*parts, return_exceptions=True)
            await self.spot.rest()
        if self.exchange.network.is_unplugged:
            self.exchange.network.plug()
        await asyncio.sleep(SETTLE_S if self.clock.now_ns() >= self.end_ns else INTERRUPTED_SETTLE_S)
        self.auditor.finish(self.clock.now_ns() // MS)
        if self.guard is not None:
            await self.guard.stop("the demo is over")
        await self.spot.stop()
        self.exchange.close()

    async def _until(self, at: TimeNs, parts: list[asyncio.Task[None]]) -> None:
        while self.clock.now_ns() < at:
            await asyncio.sleep(min(1.0, max(0.0, (at - self.clock.now_ns()) / SECOND)))
            for part in parts:
                if part.done() and part.exception() is not None:
                    await part
            if self.guard is not None and self.guard.owner.failed.done():
                raise self.guard.owner.failed.result()
            self.spot.raise_failures()

    async def _human(self) -> None:
        """The account's owner, trading by hand."""
        duration = self.end_ns - self.start_ns - 60 * SECOND
        for action in actions(
            self.options.seed, self.symbols, self.start_ns + 5 * SECOND, duration, hedge=self.options.hedge
        ):
            await self._sleep_until(action.at)
            body = resolve(action, self.exchange.control("GET", "/sim/v1/truth"))
            if body is None:
                continue
            try:
                self.exchange.control("POST", "/sim/v1/human", body)
            except ValueError as refused:
                self.tell(f"the owner {action.words}: refused ({refused})")
            else:
                self._by_hand[f"{action.kind} {action.leg.lower()}"] += 1
                self.tell(f"the owner {action.words}")

    async def _incidents(self) -> None:
        for at, incident in incidents(self.options.seed, self.start_ns, self.end_ns - self.start_ns):
            await self._sleep_until(at)
            self.tell(f"incident: {incident.words}")
            began = self.clock.now_ns() // MS
            self.met += 1
            await self._happen(incident)
            if await self._recovered():
                self.survived += 1
                self.tell(f"survived: {incident.words}")
            else:
                self.tell(f"NOT survived within {PATIENCE_S} s: {incident.words}")
            self.disturbed.append((began, self.clock.now_ns() // MS))

    async def _happen(self, incident: Incident) -> None:
        if incident.faults:
            self.exchange.control("POST", "/sim/v1/faults", {"rules": list(incident.faults)})
            await asyncio.sleep(20)
        if incident.unplugged_s:
            self.exchange.network.unplug()
            await asyncio.sleep(incident.unplugged_s)
            self.exchange.network.plug()
        if incident.kills and self.guard is not None:
            self.guard.kill()
            await asyncio.sleep(2)
            await self.open()

    async def _recovered(self) -> bool:
        """Every scope trusted and no position without a stop, and so for a second."""
        good = 0
        for _ in range(PATIENCE_S * 4):
            await asyncio.sleep(0.25)
            account = self.guard.owner.account if self.guard is not None else None
            calm = account is not None and all(s.trusted for s in account.scopes.values())
            good = good + 1 if calm and not self.auditor.unprotected_now else 0
            if good >= 4:
                return True
        return False

    async def _sleep_until(self, at: TimeNs) -> None:
        delay = (at - self.clock.now_ns()) / SECOND
        if delay > 0:
            await asyncio.sleep(delay)

    # --- what came of it ----------------------------------------------------------------------------

    def summary(self, wall_s: float) -> DemoSummary:
        """The figures, and the promises that did not hold (none, it is to be hoped)."""
        audit = self.auditor
        audit.read_requests(self.exchange.requests())
        checked = verify(self.disk, LEDGER)
        quiet = [w for w in audit.windows if not self._in_incident(w.from_ms, w.from_ms + w.ms)]
        inside = [w for w in audit.windows if self._in_incident(w.from_ms, w.from_ms + w.ms)]
        broken = [
            *(f"duplicate: {text}" for text in audit.duplicates[:5]),
            *(f"touched what is not ours: {text}" for text in audit.foreign_touched[:5]),
            *(f"{w.symbol} {w.side} was bare for {w.ms} ms" for w in quiet if w.ms > NAKED_MAX_MS),
        ]
        if audit.unprotected_now:
            broken.append(f"{counted(audit.unprotected_now, 'position is', 'positions are')} unprotected now")
        if self.survived < self.met:
            broken.append(f"{self.met - self.survived} incidents were not survived")
        if not checked.ok:
            broken.append(f"the ledger does not verify: {checked.detail}")
        broken.extend(self.spot.broken())
        return DemoSummary(
            positions_opened=audit.positions_opened,
            positions_guarded=audit.positions_guarded,
            stops_placed=audit.stops_placed,
            naked_ms=percentiles(quiet),
            naked_ms_in_incidents=percentiles(inside),
            unprotected_now=audit.unprotected_now,
            duplicates=len(audit.duplicates),
            foreign_touched=len(audit.foreign_touched),
            incidents=self.met,
            incidents_survived=self.survived,
            ledger_verified=checked.ok,
            ledger_records=checked.records,
            events=self._events_before + (self.guard.owner.stats.events if self.guard is not None else 0),
            by_hand=dict(sorted(self._by_hand.items())),
            lots=len(self.spot.auditor.lots),
            lots_completed=self.spot.auditor.completed,
            lots_waiting=self.spot.auditor.waiting,
            min_net_profit_pct=self.spot.min_net_profit_pct(),
            scored_entries=self.scored.entries,
            scored_closed=self.scored.closed,
            scored_why=self.scored.why,
            scored_why_seq=self.scored.why_seq,
            promises_held=not broken,
            broken=broken,
            seed=self.options.seed,
            venue_s=(self.clock.now_ns() - self.start_ns) // SECOND,
            wall_s=round(wall_s, 2),
        )

    def _in_incident(self, from_ms: int, to_ms: int) -> bool:
        return any(from_ms <= end and to_ms >= begin for begin, end in self.disturbed)


def demo_feed(options: DemoOptions) -> Feed:
    """The market of the demo. Raises FeedError."""
    if options.feed == "synthetic":
        return open_feed("synthetic", seed=options.seed, symbols=options.symbols, start_ns=SYNTHETIC_START)
    return open_feed(options.feed, seed=options.seed)


type Close = Callable[[], Awaitable[None]]
type Attach = Callable[[Demo], Awaitable[Close]]
"""Opens a screen on a running demo and tells how to close it."""


async def run_demo(options: DemoOptions, clock: LoopClock, feed: Feed, attach: Attach | None) -> DemoSummary:
    """Play one demo on the running loop; an interrupt ends it early, and properly."""
    began = time.perf_counter()
    with contextlib.ExitStack() as stack:
        kept = bool(options.data_dir)
        if not kept:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="backstay-demo-"))
            options = msgspec.structs.replace(options, data_dir=folder)
        demo = Demo(options, clock, feed, policy=DEMO_POLICY)
        close = await attach(demo) if attach is not None else None
        try:
            await demo.run()
        finally:
            if close is not None:
                await close()
        if kept:
            write_files(Path(options.data_dir) / "logs", demo.disk)
        return demo.summary(time.perf_counter() - began)


def play(options: DemoOptions, attach: Attach | None = None) -> DemoSummary:
    """Play one demo on an event loop of its own, at the asked speed. Blocks until it is over.

    Raises FeedError, and what opening the ledger or a screen raises.
    """
    feed = demo_feed(options)
    speed = None if options.speed == FULL_SPEED else options.speed
    return run_virtual(
        lambda clock: run_demo(options, clock, feed, attach), start_ns=feed.start_ns, speed=speed
    )
