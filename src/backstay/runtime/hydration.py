"""Hydration: the reads of a recovery, in the order that makes their merge sound (exchange-state 5.1).

The stream is open and buffered before the first read is sent. Snapshots replace what they cover; what they
leave in doubt is asked for by custom id on the order's own surface. What all that *means* is decided in
`backstay.core.recovery`; here are only the reads, and the one deadline that keeps them from hanging.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence

from msgspec.structs import replace

from backstay.core.account import fold
from backstay.core.events import (
    AlgosSnapshot,
    AnyEvent,
    BalancesSnapshot,
    FillsSnapshot,
    OrderQueried,
    OrdersSnapshot,
    PositionsSnapshot,
)
from backstay.core.outcomes import VenueUnavailable
from backstay.core.recovery import in_doubt, window_end
from backstay.core.state import AccountState
from backstay.core.types import SECOND, Product, Role, Scope, Subject, Surface
from backstay.runtime.ports import Venue
from backstay.runtime.trades import Since, nobody, read_trades

UNKNOWN_GRACE_S = 0.5
"""Private evidence often comes before a read could; wait this long before asking (8.2)."""
READS_DEADLINE_S = 20.0
ACCOUNT_DEADLINE_S = 60.0
"""All reads of one scope, of the whole account: while the venue makes us wait for our turn, too."""
ONE_BY_ONE = {Product.USDM: 20, Product.SPOT: 8}
"""So many doubts are asked for one by one at each attempt: a query weighs 1 of 2,400 units a minute on
futures, and 4 of 6,000 on spot.
"""
RECENT = 6 * 24 * 3600 * SECOND
"""The venue lists the orders of seven days."""

WHOLE_ACCOUNT: tuple[Subject, ...] = (
    Subject.POSITIONS,
    Subject.REGULAR_ORDERS,
    Subject.ALGO_ORDERS,
    Subject.BALANCES,
    Subject.FILTERS,
    Subject.ACCOUNT_MODE,
)
ONE_SYMBOL: tuple[Subject, ...] = (
    Subject.POSITIONS,
    Subject.REGULAR_ORDERS,
    Subject.ALGO_ORDERS,
    Subject.FILLS,
)
BOTH_SURFACES: tuple[Subject, ...] = (Subject.REGULAR_ORDERS, Subject.ALGO_ORDERS)


@contextlib.asynccontextmanager
async def _deadline(seconds: float) -> AsyncIterator[None]:
    """Reads that take longer have failed."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise VenueUnavailable(f"the reads took more than {seconds:g} s") from None


async def read_account(
    venue: Venue, *, filters: bool, trades: Sequence[Since] = (), told: Callable[[AnyEvent], None] = nobody
) -> list[AnyEvent]:
    """Everything that trust in the whole account needs. Raises VenueUnavailable.

    `told` hears each answer about orders, positions, trades and balances at once, while the others are still
    awaited.
    """

    async def at_once[T: AnyEvent](read: Awaitable[T]) -> T:
        answer = await read
        told(answer)
        return answer

    async with _deadline(ACCOUNT_DEADLINE_S):
        mode = await venue.read_account_mode()
        events: list[AnyEvent] = [mode]
        if filters:
            events.append(await venue.read_instruments())
        # Orders before positions: a fill in between is in the positions, and marks their rows as older.
        orders, algos = await asyncio.gather(
            at_once(venue.read_orders(None)), at_once(venue.read_algos(None))
        )
        # And before trades: what an order reports to have filled is among them then.
        fills = await read_trades(venue, trades, told)
        positions, balances = await asyncio.gather(
            at_once(venue.read_positions(None)), at_once(venue.read_balances())
        )
    return [*events, positions, orders, algos, *fills, balances]


async def read_symbol(venue: Venue, symbol: str, *, trades: Sequence[Since]) -> list[AnyEvent]:
    """What trust in one symbol needs. Raises VenueUnavailable."""
    async with _deadline(READS_DEADLINE_S):
        orders, algos = await asyncio.gather(venue.read_orders(symbol), venue.read_algos(symbol))
        fills = await read_trades(venue, trades)
        positions = await venue.read_positions(symbol)
    return [positions, orders, algos, *fills]


async def read_round(
    venue: Venue, *, spot: bool, trades: Sequence[Since] = ()
) -> tuple[OrdersSnapshot, AlgosSnapshot, PositionsSnapshot | BalancesSnapshot, Sequence[FillsSnapshot]]:
    """What tells whether all is as known: open orders of both surfaces, and positions or spot's balances and
    trades.

    Raises VenueUnavailable.
    """
    async with _deadline(READS_DEADLINE_S):
        orders, algos = await asyncio.gather(venue.read_orders(None), venue.read_algos(None))
        fills = await read_trades(venue, trades)
        return orders, algos, await (venue.read_balances() if spot else venue.read_positions(None)), fills


async def read_orders_of(venue: Venue, scopes: Iterable[Scope]) -> list[AnyEvent]:
    """Both surfaces, read once for all of these USD-M scopes, and told for their symbols alone: the others
    are trusted, and what a read that lags does not show of them is no evidence. Raises VenueUnavailable.
    """
    symbols = tuple(sorted({key.symbol for key in scopes}))
    async with _deadline(ACCOUNT_DEADLINE_S):
        orders, algos = await asyncio.gather(venue.read_orders(None), venue.read_algos(None))
    return [
        replace(orders, symbols=symbols, rows=tuple(r for r in orders.rows if r.symbol in symbols)),
        replace(algos, symbols=symbols, rows=tuple(r for r in algos.rows if r.symbol in symbols)),
    ]


async def ask_doubts(venue: Venue, account: AccountState, scopes: Iterable[Scope]) -> list[OrderQueried]:
    """Query every own order whose fate the snapshots left open; a triggered one on both surfaces.

    Many at once, as after a crash with many symbols or a burst of lots, are looked up by symbol and surface
    where the venue has such a read, and not while no answer could prove their absence yet: the weight of it
    would blind the account. Only the stop that a naked position may lack is looked for at once (X-3).
    """
    states = [s for key in scopes if (s := account.scopes.get(key)) is not None]
    doubts = [c for s in states for c in in_doubt(s)]
    bare = {s.scope for s in states if s.naked_since}
    many = len(doubts) > min((ONE_BY_ONE[c.scope.product] for c in doubts), default=0)
    now = venue.venue_now_ns() if many else 0
    listed = many and min(c.created_at for c in doubts) > now - RECENT
    asks: dict[tuple[str, Surface], list[str]] = {}
    for ctx in doubts:
        urgent = ctx.scope in bare and ctx.role is Role.SL and not ctx.not_found_at
        if many and ctx.sent_at and now <= window_end(ctx) and not urgent:
            continue
        asks.setdefault((ctx.scope.symbol, ctx.surface), []).append(ctx.ctx_id)
        if ctx.surface is Surface.ALGO and ctx.child_order_id:
            asks.setdefault((ctx.scope.symbol, Surface.REGULAR), []).append(ctx.ctx_id)
    answers: list[OrderQueried] = []
    for (symbol, surface), names in asks.items():
        if listed:
            answers.extend(await venue.query_orders(symbol, names, surface))
        else:
            answers.extend([await venue.query_order(symbol, name, surface) for name in names])
    for answer in tuple(answers):
        # It was triggered unseen: what it filled stands in the regular order that it became (4.3, I-32).
        child = answer.algo is not None and answer.algo.child_order_id
        if child and answer.ctx_id not in asks.get((answer.symbol, Surface.REGULAR), ()):
            answers.append(await venue.query_order(answer.symbol, answer.ctx_id, Surface.REGULAR))
    # What filled first is told first: what a step bought is part of what a take-profit sold after it.
    traded = {x.ctx_id: x.order.at for x in answers if x.order is not None and x.order.filled}
    return sorted(answers, key=lambda x: traded.get(x.ctx_id, 0))


def preview(account: AccountState, events: Iterable[AnyEvent], now: Callable[[], int]) -> AccountState:
    """The account as it would be after `events`: tells which doubts remain, changes nothing."""
    for event in events:
        account = fold(account, event, now())
    return account
