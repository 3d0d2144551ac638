"""Fills that no report told of are read, so that every trade has its fees and its exact result.

Positions and orders are right without them (O-2), so nothing waits for these reads: they follow a while
later, when the venue's copies have caught up, and for those symbols alone whose fills do not add up to their
position, in which something traded during a gap, or, after a restart, in which something traded lately.
"""

import asyncio
import contextlib
from collections.abc import Callable
from decimal import Decimal

import msgspec

from backstay.binance.net.venue import BinanceVenue
from backstay.core.account_scopes import scope_of
from backstay.core.events import OrderReport, RecoveryEnded, RunStarted, StreamChanged, StreamState
from backstay.core.outcomes import VenueUnavailable
from backstay.core.records import Body
from backstay.core.state import ScopeState
from backstay.core.types import SECOND, ZERO, Product, Scope, Side, TimeNs
from backstay.ledger.journal import Journal
from backstay.runtime.owner import Owner

AFTER_S = 10.0
"""Trades are served from copies that may lag."""
AGAIN_S = 30.0
OVERLAP = 600 * SECOND
"""Read so much more than since the last known fill: one before it may have been missed."""
REACH = 24 * 3600 * SECOND
"""No read begins longer ago, and what has not traded for so long is not read at a start."""
IDS_KEPT = 1_000


class _Traded(msgspec.Struct, frozen=True):
    """What changes when something trades."""

    epoch: int
    quantity: Decimal
    filled: Decimal
    since: TimeNs
    """Venue time of the last fill that is known."""

    @classmethod
    def of(cls, s: ScopeState) -> "_Traded":
        filled = sum((c.filled for c in s.contexts.values()), ZERO)
        return cls(s.epoch, s.position.quantity, filled, s.fill_at or s.position.at)

    def differs(self, other: "_Traded") -> bool:
        return (self.epoch, self.quantity, self.filled) != (other.epoch, other.quantity, other.filled)


NOTHING = _Traded(0, ZERO, ZERO, 0)


class MissedFills:
    """Listens to the ledger of one account (`record`), and reads what was not told."""

    def __init__(
        self, owner: Owner, venue: BinanceVenue, journal: Journal, *, tell: Callable[[str], None]
    ) -> None:
        self._owner = owner
        self._venue = venue
        self._journal = journal
        self._tell = tell
        self._before: dict[Scope, _Traded] | None = None
        """As it was when the gap began; None: there is none."""
        self._starts = False
        """A process has begun: what the one before it had still to read is not known."""
        self._new = False
        """The ledger has just begun: what the account holds at the first read is not its story."""
        self._net: dict[Scope, Decimal] = {}
        """What the fills that were told add up to."""
        self._odd: dict[Scope, Decimal] = {}
        """Positions that did not agree with them at the last look."""
        self._seen: dict[int, None] = {}
        """Trades that were told; a report may come twice."""
        self._due: dict[str, tuple[float, TimeNs]] = {}
        """Symbols to be read: not before when (by the loop's clock), and since when."""
        self._task: asyncio.Task[None] | None = None

    def record(self, _seq: int, at: TimeNs, body: Body) -> None:
        """A reader of the ledger."""
        kind = type(body)
        if kind is OrderReport:
            self._filled(body)  # type: ignore[arg-type]  # its type has just been looked at
        elif isinstance(body, RecoveryEnded):
            if not body.failure and not body.scopes:
                self._compare(at)
        elif isinstance(body, RunStarted):
            self._new = body.writer == 1
            self._starts = not self._new
            self._before = self._now()
            self._net = {key: traded.quantity for key, traded in self._before.items()}
        elif isinstance(body, StreamChanged) and body.state is not StreamState.CONNECTED:
            self._before = self._now() if self._before is None else self._before

    @property
    def waits(self) -> bool:
        """Something is to be read, or to be looked at once more."""
        return bool(self._due or self._odd)

    def start(self) -> None:
        """Look now and then."""
        self._task = asyncio.get_running_loop().create_task(self._watch(), name="missed fills")

    def abandon(self) -> None:
        """Let go of everything, as a killed process does."""
        if self._task is not None:
            self._task.cancel()

    async def stop(self) -> None:
        self.abandon()
        if self._task is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    # --- what was told ------------------------------------------------------------------------------

    def _filled(self, r: OrderReport) -> None:
        if not r.trade_id or not r.last_qty or r.product is not Product.USDM or r.trade_id in self._seen:
            return
        self._seen[r.trade_id] = None
        while len(self._seen) > IDS_KEPT:
            del self._seen[next(iter(self._seen))]
        key = scope_of(r.product, r.symbol, r.position_side)
        signed = r.last_qty if r.side is Side.BUY else -r.last_qty
        self._net[key] = self._net.get(key, ZERO) + signed

    def _now(self) -> dict[Scope, _Traded]:
        scopes = self._owner.account.scopes
        return {key: _Traded.of(s) for key, s in scopes.items() if key.product is Product.USDM}

    def _compare(self, at: TimeNs) -> None:
        """The account is read: which symbols have traded meanwhile?"""
        before, after = self._before, self._now()
        if before is None:
            return
        starts, self._starts = self._starts, False
        self._before = None if self._owner.account.connected else before
        if self._new:
            self._new = False
            self._net = {key: traded.quantity for key, traded in after.items()}
            return
        for key, traded in after.items():
            known = before.get(key, NOTHING)
            if (starts and traded.since > at - REACH) or traded.differs(known):
                self._wish(key, known.since, at)

    def _look(self) -> None:
        """Fills and position of a scope that disagree at two looks in a row: one of them was not told."""
        odd: dict[Scope, Decimal] = {}
        for key, traded in self._now().items():
            if traded.quantity == self._net.get(key, ZERO):
                continue
            if self._odd.get(key) == traded.quantity:
                self._wish(key, traded.since, self._venue.venue_now_ns())
            else:
                odd[key] = traded.quantity
        self._odd = odd

    def _wish(self, key: Scope, since: TimeNs, at: TimeNs) -> None:
        self._net[key] = self._owner.account.scopes[key].position.quantity
        self._later(key.symbol, max(since - OVERLAP, at - REACH), AFTER_S)

    def _later(self, symbol: str, since: TimeNs, wait_s: float) -> None:
        _, known = self._due.get(symbol, (0.0, since))
        self._due[symbol] = (asyncio.get_running_loop().time() + wait_s, min(known, since))

    # --- what is read -------------------------------------------------------------------------------

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while True:
                await asyncio.sleep(AFTER_S)
                self._look()
                for symbol, (ready_at, since) in tuple(self._due.items()):
                    if loop.time() >= ready_at:
                        await self._read(symbol, since)
        except Exception as error:  # noqa: BLE001 - a watch that dies silently would leave trades incomplete
            self._owner.fail(error)

    async def _read(self, symbol: str, since: TimeNs) -> None:
        _, begin = self._due.pop(symbol)
        try:
            fills = await self._venue.read_fills(symbol, since)
        except VenueUnavailable as failure:
            self._tell(f"fills of {symbol} could not be read: {failure}")
            self._later(symbol, begin, AGAIN_S)
            return
        if not self._owner.live:
            # Kept for the replay behind a read, it would be lost with the next gap.
            self._later(symbol, begin, AGAIN_S)
            return
        if not fills.rows:
            return
        before = self._owner.account
        self._owner.on_event(fills)
        if self._owner.account is before:  # the fold learnt nothing; who reads the ledger does
            self._owner.note(fills)
            self._journal.kick()
