"""While spot's user data stream is away: read orders, trades and prices by REST; lose patience in the end.

What is read becomes the same events that the stream would have brought, so that people see what happens;
nothing is decided on it before the stream is back and the account was read anew. After `Timings.give_up` the
gateway gives up: whoever runs it stops safely, with everything kept.
"""

import asyncio
from collections.abc import Callable
from decimal import Decimal

from backstay.binance.net.outcomes import StreamLost, VenueUnavailable
from backstay.binance.net.spot_reads import SpotReads
from backstay.binance.net.timings import Timings
from backstay.core.events import AccountReport, AnyEvent, BalanceRow, OrderReport
from backstay.core.types import SECOND, Product, TimeNs

MARGIN = 60 * SECOND
"""Trades are read from this long before the stream was lost: its last events may have been lost with it."""


class Outage:
    """Made by `SpotVenue`; idle while the stream is up."""

    def __init__(
        self,
        reads: SpotReads,
        *,
        now: Callable[[], TimeNs],
        on_event: Callable[[AnyEvent], None],
        on_mark: Callable[[str, Decimal, TimeNs], None],
        on_lost: Callable[[StreamLost], None],
        log: Callable[[str], None],
        timings: Timings,
    ) -> None:
        self._reads = reads
        self._now = now
        self._on_event = on_event
        self._on_mark = on_mark
        self._on_lost = on_lost
        self._log = log
        self._timings = timings
        self.symbols: frozenset[str] = frozenset()
        """Symbols whose prices and trades are wanted."""
        self._task: asyncio.Task[None] | None = None
        self._since: TimeNs = 0
        self._attempts = 0
        self._open: dict[int, OrderReport] = {}
        self._balances: dict[str, BalanceRow] = {}
        self._read_to: dict[str, int] = {}
        self.polls = 0

    @property
    def since(self) -> TimeNs:
        """Venue time since which the stream is away; 0: it is up."""
        return self._since

    def began(self) -> None:
        if self._task is None:
            self._since = self._now()
            self._attempts = 0
            self._task = asyncio.get_running_loop().create_task(self._last(), name="outage")

    def ended(self) -> None:
        task, self._task = self._task, None
        self._since = 0
        self._open.clear()
        self._balances.clear()
        self._read_to.clear()
        if task is not None:
            task.cancel()

    async def close(self) -> None:
        task = self._task
        self.ended()
        if task is not None:
            await asyncio.wait([task])

    def attempt_failed(self) -> None:
        """One more attempt to get the stream back was in vain."""
        if self._task is None:
            return
        self._attempts += 1
        if self._timings.attempts and self._attempts >= self._timings.attempts:
            self._give_up(f"after {self._attempts} attempts")

    async def _last(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            left_s = began + self._timings.give_up - loop.time() if self._timings.give_up else float("inf")
            if left_s <= 0:
                self._give_up(f"for {self._timings.give_up:g} s")
                return
            await asyncio.sleep(min(self._timings.poll, left_s))
            if left_s > self._timings.poll:
                await self._poll()

    def _give_up(self, how_long: str) -> None:
        task, self._task = self._task, None
        self._on_lost(
            StreamLost(
                f"the user data stream could not be brought back {how_long}; everything is saved and orders "
                "stay resting. Check the connection, then start again"
            )
        )
        if task is not None and task is not asyncio.current_task():
            task.cancel()

    # --- polling --------------------------------------------------------------------------------------

    async def _poll(self) -> None:
        try:
            async with asyncio.timeout(max(self._timings.poll, 1.0) * 4):
                changed = await self._orders()
                changed |= await self._accounts()
                for symbol in sorted(changed):
                    await self._trades(symbol)
                for symbol, price in (await self._reads.prices(sorted(self.symbols))).items():
                    self._on_mark(symbol, price, self._now())
        except (VenueUnavailable, TimeoutError) as failure:
            self._log(f"polling while the user data stream is away: {str(failure) or type(failure).__name__}")
        self.polls += 1

    async def _orders(self) -> set[str]:
        """Tell open orders that are new or have changed, and what became of those that are gone."""
        rows = {row.order_id: row for row in (await self._reads.orders(None)).rows}
        before, self._open = self._open, rows
        changed: set[str] = set()
        for number, row in rows.items():
            known = before.get(number)
            if known != row:
                self._on_event(row)
                if known is None or known.filled != row.filled:
                    changed.add(row.symbol)
        for number, known in before.items():
            if number not in rows:
                changed.add(known.symbol)
                ended = await self._reads.order_by_id(known.symbol, number)
                if ended is not None:
                    self._on_event(ended)
        return changed

    async def _accounts(self) -> set[str]:
        """Tell balances that have changed; every symbol may have traded then."""
        read = await self._reads.balances()
        rows = {row.asset: row for row in read.rows}
        before, self._balances = self._balances, rows
        if rows == before:
            return set()
        moved = tuple(row for asset, row in rows.items() if before.get(asset) != row)
        nothing = Decimal(0)
        moved += tuple(
            BalanceRow(asset, nothing, nothing, available=nothing) for asset in before if asset not in rows
        )
        self._on_event(
            AccountReport(reason="polled", at=read.requested_at, balances=moved, product=Product.SPOT)
        )
        return set(self.symbols)

    async def _trades(self, symbol: str) -> None:
        snapshot = await self._reads.fills(symbol, self._since - MARGIN, self._read_to.get(symbol, 0))
        if snapshot.rows:
            self._read_to[symbol] = snapshot.rows[-1].trade_id + 1
            self._on_event(snapshot)
