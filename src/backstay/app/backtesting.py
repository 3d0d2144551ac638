"""The backtest host: the live owner, planner and executor on virtual time, over recorded bars.

Only the market, the clock and the journal differ from a live run. Bars in which nothing can happen are left
out: no score that changes anything, no level that is reached, nobody who wants to be woken. Leaving them out
changes no decision (a test compares both ways), it only makes idle months cheap.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from time import perf_counter

import msgspec
import numpy as np

from backstay import __version__
from backstay.app.backtest_setup import Always, Numbers, Opening, Outcome, Setup, check
from backstay.app.entropy import SeededEntropy
from backstay.app.guard import describe
from backstay.backtest.bars import Bars
from backstay.backtest.exchange import ACCOUNT, open_exchange
from backstay.backtest.lane import LEGS, Edges, Lane
from backstay.backtest.results import Results, attribution, curve
from backstay.backtest.scoring import Scoring, plain_ranges, slippage
from backstay.backtest.trades import Books, Meaning
from backstay.backtest.venue import BarVenue
from backstay.core.account_market import entering
from backstay.core.engine import Manager
from backstay.core.events import RequestsRegistered, RunStarted
from backstay.core.records import Body, Decided
from backstay.core.scored import SignalKind, SignalScored
from backstay.core.slots import WatchSide
from backstay.core.state import ScopeState
from backstay.core.types import SECOND, ZERO, Direction, Mode, PositionMode, Role, Side, TimeNs
from backstay.ledger.codec import encode_body
from backstay.ledger.replay import DecisionsDigest
from backstay.runtime.owner import Owner
from backstay.runtime.ports import Journal
from backstay.runtime.virtual_time import LoopClock, run_virtual
from backstay.simulator.errors import Refusal
from backstay.simulator.feeds.marks import FUNDING_EVERY
from backstay.simulator.levels import Levels
from backstay.strategies.scored.policy import ScoredPolicy

ID_PREFIX = "bs-"


def backtest(setup: Setup, journal: Journal | None = None) -> Outcome:
    """Run to the end of the bars. `journal`: where the records go, for a replay; None: nowhere.

    Raises ValueError for a symbol that no manager has or that has no bars, and what broke the owner.
    """
    check(setup)
    start = min(int(b.open_time[0]) for b in setup.bars) - SECOND

    async def main(clock: LoopClock) -> Outcome:
        return await _Run(setup, clock, journal if journal is not None else Numbers(), start).run()

    return run_virtual(main, start_ns=start)


class _Owner(Owner):
    """The live owner, which also tells when it wants to be asked again."""

    def wakes_at(self) -> TimeNs | None:
        return self._timers.next_at()

    def watched(self, symbol: str) -> Levels:
        watches = [w for held in self._marks.watches(symbol) for w in held]
        return Levels(
            tuple(w.price for w in watches if w.side is WatchSide.AT_OR_BELOW),
            tuple(w.price for w in watches if w.side is WatchSide.AT_OR_ABOVE),
        )


class _Run:
    """One run. Everything happens on the virtual loop."""

    def __init__(self, setup: Setup, clock: LoopClock, journal: Journal, start: TimeNs) -> None:
        self._setup = setup
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._began = perf_counter()
        self._exchange = open_exchange(
            setup.bars,
            start=start,
            seed=setup.seed,
            balance=setup.balance,
            leverage=setup.leverage,
            position_mode=setup.position_mode,
        )
        self._scorings: dict[str, Scoring] = {}
        self._lanes = {b.symbol: self._lane(b) for b in setup.bars}
        self._next: dict[str, int] = dict.fromkeys(self._lanes, 0)
        self._openings = sorted(setup.openings, key=lambda o: o.at)
        self._books = Books()
        self._digest = DecisionsDigest()
        self._records = self._decisions = 0
        self._events: list[SignalScored] = []
        self._meaning: dict[str, Meaning] = {}
        self._owner = _Owner(
            clock=clock,
            entropy=SeededEntropy(setup.seed),
            journal=journal,
            engine=setup.engine,
            lease=Always(),
            on_record=self._recorded,
        )
        self._watched_books: frozenset[str] = frozenset()
        self._owner.books.subscribe = self._watch_books
        self._venue = BarVenue(
            self._exchange,
            ACCOUNT,
            now_ns=clock.now_ns,
            on_event=self._owner.on_event,
            on_mark=self._owner.on_mark,
            position_mode=setup.position_mode,
            latency=setup.latency,
            fee_symbol=setup.bars[0].symbol,
        )

    # --- the whole ----------------------------------------------------------------------------------

    async def run(self) -> Outcome:
        await self._owner.start(self._started(), self._venue)
        while (at := self._soonest()) is not None:
            await self._step(at)
        await self._until(max(b.end(len(b) - 1) for b in self._setup.bars))
        await self._owner.stop("the data ended")
        if self._owner.failed.done():
            raise self._owner.failed.result()
        return self._outcome()

    def _started(self) -> RunStarted:
        setup = self._setup
        return RunStarted(
            account=ACCOUNT,
            mode=Mode.PAPER,
            environment="backtest",
            position_mode=setup.position_mode,
            id_prefix=ID_PREFIX,
            writer=1,
            armed=True,
            managers=describe(setup.engine),
            limits=msgspec.json.encode(setup.engine.limits).decode(),
            version=__version__,
        )

    async def _until(self, at: TimeNs) -> None:
        delay = at - self._clock.now_ns()
        if delay > 0:
            await asyncio.sleep(delay / SECOND)
        if self._owner.failed.done():
            raise self._owner.failed.result()

    # --- which bar is next --------------------------------------------------------------------------

    def _soonest(self) -> TimeNs | None:
        """When the next bar opens in which something can happen; None: there is none."""
        times = []
        for symbol, lane in self._lanes.items():
            i = self._next[symbol]
            if not self._setup.every_bar:
                i = self._next[symbol] = lane.next(i, self._levels(symbol), wake_at=self._wake_at(symbol))
            if i < len(lane.bars):
                times.append(int(lane.bars.open_time[i]))
        return min(times, default=None)

    def _levels(self, symbol: str) -> Levels:
        venue, ours = self._exchange.levels(symbol), self._owner.watched(symbol)
        return Levels(
            venue.falling + ours.falling,
            venue.rising + ours.rising,
            venue.restless or self._restless(symbol),
        )

    def _restless(self, symbol: str) -> bool:
        """Every bar matters: the account is read, an entry is planned, or two positions share margin."""
        scopes = self._owner.account.scopes
        held = sum(bool(s.position.quantity) for s in scopes.values())
        mine = [s for key, s in scopes.items() if key.symbol == symbol]
        return held > 1 or any(not s.trusted for s in scopes.values()) or any(map(_has_plan, mine))

    def _wake_at(self, symbol: str) -> TimeNs | None:
        """A timer of the owner, an opening by hand, or funding that a position will pay."""
        due = [t for t in (self._owner.wakes_at(),) if t is not None]
        due += [o.at for o in self._openings if o.symbol == symbol][:1]
        if any(s.position.quantity for key, s in self._owner.account.scopes.items() if key.symbol == symbol):
            # Funding is charged on the price that the bar before leaves.
            due.append((self._clock.now_ns() // FUNDING_EVERY + 1) * FUNDING_EVERY - 1)
        return min(due, default=None)

    # --- one bar ------------------------------------------------------------------------------------

    async def _step(self, at: TimeNs) -> None:
        """Every symbol whose bar opens at `at` and was chosen goes through it, corner by corner."""
        active = {
            symbol: i
            for symbol, i in self._next.items()
            if i < len(self._lanes[symbol].bars) and int(self._lanes[symbol].bars.open_time[i]) == at
        }
        for symbol, i in active.items():
            self._next[symbol] = i + 1
            self._lanes[symbol].stepped += 1
        await self._until(at)
        for symbol, i in active.items():
            self._open(symbol, i, at)
        # Every symbol has its own part of the time, whoever else is stepped: nobody's idle bars change it.
        part = self._lanes[next(iter(active))].bars.interval // LEGS // len(self._lanes)
        for corner in range(LEGS - 1):
            for turn, symbol in enumerate(self._lanes):
                if symbol in active:
                    begin = at + part * (corner * len(self._lanes) + turn)
                    await self._walk(symbol, active[symbol], corner, begin, part)

    def _open(self, symbol: str, i: int, at: TimeNs) -> None:
        lane = self._lanes[symbol]
        self._set_funding(symbol, at)
        self._trade(lane, i, int(lane.bars.open[i]), at)
        scoring = self._scorings.get(symbol)
        row = scoring.row(i - 1) if scoring is not None and i else None
        scopes = [s for key, s in self._owner.account.scopes.items() if key.symbol == symbol]
        told = any(map(_has_plan, scopes)) or self._setup.every_bar or (i and lane.is_news(i - 1))
        if scoring is not None and row is not None and told:
            self._loop.call_later(self._setup.latency.score / SECOND, self._score, scoring.event(row))
        self._owner.books.heard(symbol, lane.book(i, at))
        while self._openings and self._openings[0].symbol == symbol and self._openings[0].at <= at:
            self._by_hand(self._openings.pop(0), at)

    def _score(self, event: SignalScored) -> None:
        self._events.append(event)
        self._owner.on_event(event)

    def _watch_books(self, symbols: Sequence[str]) -> None:
        """The owner asks for exactly these: one that is new is told as soon as a stream could bring it."""
        for symbol in set(symbols) - self._watched_books:
            self._loop.call_later(self._setup.latency.event / SECOND, self._show_book, symbol)
        self._watched_books = frozenset(symbols)

    def _show_book(self, symbol: str) -> None:
        lane, here = self._lanes[symbol], max(self._next[symbol] - 1, 0)
        self._owner.books.heard(symbol, lane.book(here, self._clock.now_ns()))

    def _by_hand(self, opening: Opening, at: TimeNs) -> None:
        action = {
            "do": "order",
            "symbol": opening.symbol,
            "side": opening.side.value,
            "type": "MARKET",
            "quantity": str(opening.quantity),
        }
        if self._setup.position_mode is PositionMode.HEDGE:
            action["positionSide"] = (Direction.LONG if opening.side is Side.BUY else Direction.SHORT).value
        try:
            self._exchange.human(ACCOUNT, action, at)
        except Refusal as refusal:
            when = datetime.fromtimestamp(at // SECOND, UTC).isoformat()
            raise ValueError(f"the position opened by hand at {when} was refused: {refusal}") from None
        self._venue.pump()

    def _set_funding(self, symbol: str, at: TimeNs) -> None:
        funding = self._setup.funding.get(symbol)
        if funding is not None:
            self._exchange.set_funding_rate(symbol, funding.after(at - 1)[0])

    async def _walk(self, symbol: str, i: int, corner: int, begin: TimeNs, span: TimeNs) -> None:
        """From where the price is to the next corner, resting at every level in between."""
        lane = self._lanes[symbol]
        halts = 0
        while True:
            halts += 1
            # The way is halved at every halt, so that each leaves time for what it sets off.
            await self._until(begin + span - (span >> halts))
            target = lane.corners(i, down_first=self._down_first(lane, i))[corner]
            if target == lane.here and halts > 1:
                return
            ticks = self._edges(lane).next(lane.here, target)
            self._trade(lane, i, ticks, self._clock.now_ns())
            if ticks == target:
                return

    def _trade(self, lane: Lane, i: int, ticks: int, at: TimeNs) -> None:
        price = lane.trade(i, ticks, at)
        self._venue.pump()
        self._venue.told(lane.symbol, price, at)

    def _edges(self, lane: Lane) -> Edges:
        venue, ours = self._exchange.levels(lane.symbol), self._owner.watched(lane.symbol)
        return Edges.of(Levels(venue.falling + ours.falling, venue.rising + ours.rising), lane.bars.grid.tick)

    def _down_first(self, lane: Lane, i: int) -> bool:
        """The low comes before the high where that is worse: for a long position, or one about to be."""
        for key, s in self._owner.account.scopes.items():
            if key.symbol != lane.symbol:
                continue
            if s.position.quantity:
                return s.position.direction is Direction.LONG
            for ctx in s.contexts.values():
                if ctx.role is Role.ENTRY and not ctx.is_terminal:
                    return ctx.slot.side is Side.BUY
        return lane.nearer_low(i)

    # --- what comes out -----------------------------------------------------------------------------

    def _recorded(self, seq: int, at: TimeNs, body: Body) -> None:
        self._records += 1
        if isinstance(body, Decided):
            self._decisions += 1
            self._digest.add(encode_body(body))
        elif isinstance(body, RequestsRegistered):
            for request in body.requests:
                if request.context is not None:
                    plan = self._owner.account.scopes[request.scope].entry_signal
                    self._meaning[request.ctx_id] = Meaning(request.key.role, plan)
        self._books.take(at, body, self._meaning)

    def _outcome(self) -> Outcome:
        setup, books = self._setup, self._books
        bars = list(setup.bars)
        wall = perf_counter() - self._began
        steps = curve(bars, books, setup.balance)
        left = books.close()
        end = books.wallet[-1][1] if books.wallet else setup.balance
        count = sum(len(b) for b in bars)
        results = Results(
            bars=count,
            bars_stepped=sum(lane.stepped for lane in self._lanes.values()),
            bars_per_s=round(count / wall),
            wall_s=round(wall, 3),
            trades=len(books.trades),
            wins=sum(t.net > 0 for t in books.trades),
            net_pnl=sum((t.net for t in books.trades), ZERO),
            realized=sum((t.realized for t in books.trades), ZERO),
            fees=books.fees,
            funding=books.funding,
            max_drawdown=round(float(steps.drawdown.max()), 6),
            exposure=round(float((steps.exposed > 0).mean()), 6),
            start_balance=setup.balance,
            end_balance=end,
            open_positions=len(left),
            records=self._records,
            decisions=self._decisions,
            decisions_digest=self._digest.hexdigest(),
            attribution=attribution(books.trades),
        )
        return Outcome(results, (*books.trades, *left), steps, tuple(self._events), books.defects)

    # --- before the start ---------------------------------------------------------------------------

    def _lane(self, bars: Bars) -> Lane:
        """The scores of all bars at once, when a scored trader has the symbol; the slippage in any case."""
        policy = _scored_policy(self._setup.engine.managers, bars.symbol)
        if policy is None:
            news, ranges = np.empty(0, dtype=np.int64), plain_ranges(bars)
        else:
            scoring = Scoring(bars, policy.score, self._setup.funding.get(bars.symbol))
            self._scorings[bars.symbol] = scoring
            news = scoring.news(every=policy.exit.escalation is not None)
            ranges = scoring.ranges()
        return Lane(bars, self._exchange, slippage=slippage(ranges, bars, self._setup.alpha), news=news)


def _scored_policy(managers: Sequence[Manager], symbol: str) -> ScoredPolicy | None:
    found = (m.policy for m in managers if symbol in m.symbols and isinstance(m.policy, ScoredPolicy))
    return next(found, None)


def _has_plan(s: ScopeState) -> bool:
    """An entry may be made or may go on: every score counts, and a rule of it may read the order book."""
    if s.position.quantity:
        return entering(s)
    return s.entry_signal is not None and s.entry_signal.kind is not SignalKind.NONE
