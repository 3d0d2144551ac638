"""What a kill has to show in the end: the venue, read again, holds nothing of what was meant.

Also the one place where orders are cancelled that are not ours, and only because the operator asked for it
by name: `kill --all-orders`. The planner never touches them (I-19).
"""

import asyncio

import msgspec

from backstay.app.guard import Guard
from backstay.binance.net.venue import BinanceVenue
from backstay.core.account_scopes import scope_of
from backstay.core.events import AlgoReport, OrderReport
from backstay.core.names import position_name
from backstay.core.outcomes import VenueUnavailable
from backstay.core.records import Noted
from backstay.core.types import Surface

GONE = frozenset({-2011, -2013})
"""Codes of an order that is not there any more."""


class Left(msgspec.Struct, frozen=True):
    """What the venue still shows."""

    positions: tuple[str, ...] = ()
    """Names, as `positions list` has them."""
    strangers: tuple[str, ...] = ()
    """Open orders that are not ours: symbol and number."""


async def left_at_venue(guard: Guard) -> Left:
    """Read positions and orders anew. Raises VenueUnavailable."""
    venue, account = guard.venue, guard.owner.account
    if not isinstance(venue, BinanceVenue):
        return Left()
    seen, strangers = await asyncio.gather(venue.read_positions(None), _strangers(guard, venue, ""))
    names = []
    for row in seen.rows:
        if row.quantity:
            key = scope_of(seen.product, row.symbol, row.position_side)
            s = account.scopes.get(key)
            names.append(position_name(key, s.epoch if s is not None else 0))
    return Left(tuple(sorted(names)), tuple(f"{row.symbol} {_number(row)}" for row in strangers))


async def cancel_strangers(guard: Guard, symbol: str = "") -> int:
    """Cancel every open order of `symbol` (or of all) that is not ours; returns how many there were.

    Raises VenueUnavailable for the first that is neither cancelled nor gone; the others are cancelled all
    the same.
    """
    venue = guard.venue
    if not isinstance(venue, BinanceVenue):
        return 0
    found = await _strangers(guard, venue, symbol)
    done = await asyncio.gather(*(_cancel(venue, row) for row in found), return_exceptions=True)
    failed = [answer for answer in done if isinstance(answer, BaseException)]
    detail: dict[str, str | int] = {"cancelled": len(found) - len(failed), "failed": len(failed)}
    guard.tell(Noted("strangers_cancelled", detail))
    if failed:
        raise failed[0]
    return len(found)


async def _strangers(guard: Guard, venue: BinanceVenue, symbol: str) -> list[OrderReport | AlgoReport]:
    orders, algos = await asyncio.gather(venue.read_orders(symbol or None), venue.read_algos(symbol or None))
    ours = {name for s in guard.owner.account.scopes.values() for name in s.contexts}
    rows: list[OrderReport | AlgoReport] = [*orders.rows, *algos.rows]
    return [row for row in rows if row.client_id not in ours and row.status.value in _OPEN]


_OPEN = frozenset({"NEW", "PARTIALLY_FILLED"})


def _number(row: OrderReport | AlgoReport) -> int:
    return row.algo_id if isinstance(row, AlgoReport) else row.order_id


async def _cancel(venue: BinanceVenue, row: OrderReport | AlgoReport) -> None:
    surface = Surface.ALGO if isinstance(row, AlgoReport) else Surface.REGULAR
    try:
        await venue.cancel_by_number(row.symbol, _number(row), surface)
    except VenueUnavailable as failure:
        if failure.code not in GONE:
            raise
