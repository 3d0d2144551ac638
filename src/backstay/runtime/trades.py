"""Which trades a recovery has to read: on spot, where inventory follows from trades alone, and on USD-M,
where they tell in their order what a gap hid.

Every spot symbol that is managed by name or has a scope is read from the trade after the last one that is
known for certain; a symbol that has never been read is followed from now on.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from backstay.core.engine import Engine
from backstay.core.events import AnyEvent, FillsSnapshot
from backstay.core.lots import NONE
from backstay.core.state import AccountState
from backstay.core.types import MS, SECOND, Mode, PositionSide, Product, Scope, TimeNs
from backstay.runtime.ports import Venue

OVERLAP = 60 * SECOND
"""Where no trade is known yet, the read begins so much before the last one was asked for: what that one
showed may have been seconds old (binance.md). But not before the first one.
"""
LOOKBACK, REACH = 60 * SECOND, 24 * 3600 * SECOND
"""USD-M: so far back trades are read at least, and at most."""
GRACE = SECOND
"""So much, where a state of an older version does not tell when the first one was."""


class Since(NamedTuple):
    """Where the read of one symbol's trades begins."""

    symbol: str
    at: TimeNs
    from_id: int
    known: int = 0
    """The last known trade, where the venue must still show it; 0: it need not."""


def traded(account: AccountState, engine: Engine) -> list[str]:
    """Every spot symbol whose trades are followed, in order."""
    symbols = {key.symbol for key in account.scopes if key.product is Product.SPOT}
    for manager in engine.managers:
        if manager.product is Product.SPOT:
            symbols |= manager.symbols
    return sorted(symbols)


def unread(account: AccountState, engine: Engine, now: TimeNs) -> list[Since]:
    """Where to begin in every spot symbol; `now` is venue time."""
    return [unread_of(account, symbol, now) for symbol in traded(account, engine)]


def unread_of(account: AccountState, symbol: str, now: TimeNs) -> Since:
    s = account.scopes.get(Scope(Product.SPOT, symbol, PositionSide.BOTH))
    lots = NONE if s is None or s.lots is None else s.lots
    if lots.read_to:
        # From the last known trade itself: where the venue still has it, nothing behind it is missing. The
        # exchange of PAPER begins anew with each process, and nothing is traded there between two.
        paper = account.run is not None and account.run.mode is Mode.PAPER
        return Since(symbol, lots.read_at, lots.read_to + paper, 0 if paper else lots.read_to)
    # What was bought before a symbol was followed is not ours to sell. Times of trades are milliseconds.
    first = lots.followed_at // MS * MS or lots.read_at - GRACE
    return Since(symbol, max(lots.read_at - OVERLAP, first) if lots.read_at else now, 0)


def untold_of(account: AccountState, symbol: str, now: TimeNs) -> Since:
    """USD-M: from the last fill that is known on either side. What is told of later trades alone would pass
    for a part of a position that has ended before them.
    """
    known = [s.fill_at for key, s in account.scopes.items() if key.symbol == symbol and s.fill_at]
    return Since(symbol, max(min([now - LOOKBACK, *known]), now - REACH), 0)


def nobody(_event: AnyEvent) -> None:
    """Nobody waits for single answers."""


async def read_trades(
    venue: Venue, begin: Iterable[Since], told: Callable[[AnyEvent], None] = nobody
) -> Sequence[FillsSnapshot]:
    """One read per symbol, in turn: they are heavy. Raises VenueUnavailable.

    A venue that no longer shows the last known trade may lack later ones too: its answer is not complete.
    `told` hears each answer at once, while the others are still awaited.
    """
    found = []
    for x in begin:
        read = await venue.read_fills(x.symbol, x.at, x.from_id)
        if x.known and all(row.trade_id != x.known for row in read.rows):
            read = replace(read, complete=False)
        told(read)
        found.append(read)
    return found
