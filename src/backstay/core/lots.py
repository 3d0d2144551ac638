"""Lots: what was bought on spot, fill by fill, and what became of each (exchange-state 7.1, 10).

Every BUY trade is one lot, whole or partial fill alike, whoever placed the order; its parent order is known.
A lot holds what the trade really brought: less the commission where that was taken in the base asset. SELLs
that were placed for a lot reduce it; when such a SELL is filled the lot has ended, and what the step left
over is its dust.

Trades are taken from order reports and from trade reads alike (O-2): the venue's trade id makes duplicates
harmless, and the order in which trades arrive does not matter. An order that reports more than its known
trades add up to is `short`: then the inventory is not complete, and nothing is planned on it.

A symbol may hold ten thousand lots. They lie in buckets, so that one trade copies one bucket and no more,
and whoever derives something from all lots derives it bucket by bucket and keeps what did not change.
"""

from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum

import msgspec

from backstay.core.types import ZERO, Side, TimeNs

BUCKETS = 128
RETIRED_KEPT = 256
"""Ended lots remembered: more than can end by one event, since that many orders cannot rest (200)."""
AHEAD_MOST = 256
"""Trade ids remembered one by one above `read_to`."""
COUNTED_MOST = 256
"""Orders whose trades are counted although nothing says that they work: their end may be told later."""
SINCE_MOST = 64
"""Trades that are put in order once more when an earlier one is told."""
STRANGERS_MOST = 64
"""Orders of somebody else whose SELLs are remembered, in case that a context turns out to be theirs."""


class Ended(StrEnum):
    NO = ""
    COMPLETED = "COMPLETED"
    """Its own SELL was filled."""
    CLOSED_BY_HAND = "CLOSED_BY_HAND"
    """The owner closed it, sold it elsewhere, or said that it is gone."""


class Mark(StrEnum):
    """Why a lot is not left to its strategy."""

    CANCELLED = "cancelled"
    """Somebody else cancelled its SELL: it is not placed again until the owner acknowledges."""
    EXPIRED = "expired"
    """The venue ended its SELL unfilled."""
    CLOSING = "closing"
    """The owner asked to close it now."""


class Flag(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    mark: Mark
    since: TimeNs
    price: Decimal | None = None
    """closing: the limit asked for; None: at market."""


class Lot(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, cache_hash=True, gc=False):
    """One BUY trade and its sale. Quantities in base units, prices and proceeds in quote currency."""

    trade_id: int
    order_id: int
    """The BUY order that the trade belongs to."""
    at: TimeNs
    price: Decimal
    quantity: Decimal
    """Bought, before any commission."""
    received: Decimal
    """Less the commission, where it was taken in the base asset: what there is to sell."""
    commission: Decimal = ZERO
    commission_asset: str = ""
    maker: bool = False
    sold: Decimal = ZERO
    proceeds: Decimal = ZERO
    """Quote currency received, before commission."""
    sell_commission: Decimal = ZERO
    sell_commission_asset: str = ""
    """Asset of the sale's commission; "several" when there were two."""
    ended: Ended = Ended.NO
    ended_at: TimeNs = 0

    @property
    def left(self) -> Decimal:
        """Not sold yet; of an ended lot: its dust."""
        return self.received - self.sold


class Trade(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One trade of ours, as order reports and trade reads both tell it."""

    trade_id: int
    order_id: int
    side: Side
    price: Decimal
    quantity: Decimal
    commission: Decimal
    commission_asset: str
    at: TimeNs
    maker: bool


type Bucket = dict[int, Lot]


class Lots(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The lots of one symbol, and how far its trades are known."""

    buckets: dict[int, Bucket] = {}
    """Open lots by ``trade_id % BUCKETS`` and trade id; never changed in place."""
    count: int = 0
    total: Decimal = ZERO
    """What the open lots still hold, together."""
    lacking: Decimal = ZERO
    """What the account did not hold of it before the latest trade (see `coins.uncovered`)."""
    untold: Decimal | None = None
    """The balance that does not show the latest trade, of the same millisecond, yet; None: time tells."""
    since: tuple[tuple[int, Decimal, Decimal], ...] = ()
    """(trade id, what it brought or took, price) of the latest trades above `read_to`, ascending."""
    base: tuple[Decimal, Decimal] = (ZERO, ZERO)
    """(quantity, average price) of the position before the trades `since`, if there are any."""
    flags: dict[int, Flag] = {}
    """Open lots that are not left to the strategy, by trade id."""
    retired: dict[int, Lot] = {}
    """The latest ended lots, oldest first."""
    read_to: int = 0
    """Every trade with this id or a lower one is known, or older than what we follow."""
    read_at: TimeNs = 0
    """Venue time at which the latest complete read was asked for; 0: there was none."""
    followed_at: TimeNs = 0
    """When its first read was asked for; 0: never, or before this was noted."""
    ahead: tuple[int, ...] = ()
    """Known trades above `read_to`, ascending."""
    counted: dict[int, Decimal] = {}
    """Orders under way: what their known trades add up to."""
    short: dict[int, Decimal] = {}
    """Orders that reported more than their known trades, and by how much."""
    strangers: dict[int, tuple[Trade, ...]] = {}
    """SELL trades of orders that no context of ours stands behind."""
    unserved: bool = False
    """The venue no longer served all trades since the last start: some lots may never be known."""
    price: Decimal | None = None
    """Latest price known: of a trade of ours, or recorded because somebody watched for it."""
    price_at: TimeNs = 0


NONE = Lots()


def get(lots: Lots, trade_id: int) -> Lot | None:
    """An open lot."""
    bucket = lots.buckets.get(trade_id % BUCKETS)
    return bucket.get(trade_id) if bucket is not None else None


def every(lots: Lots) -> Iterator[Lot]:
    """All open lots, in no order. For commands and tests: nothing on the way of a fill calls it."""
    for bucket in lots.buckets.values():
        yield from bucket.values()


def changed(before: Lots | None, after: Lots | None) -> Iterator[Lot]:
    """The lots that an event opened, changed or ended; looks only at the buckets that differ."""
    if after is None or after is before:
        return
    was = before or NONE
    yield from (new for _, new in diff(was, after) if new is not None)
    if after.retired is not was.retired:
        yield from (lot for key, lot in after.retired.items() if was.retired.get(key) is not lot)


def diff(before: Lots, after: Lots) -> Iterator[tuple[Lot | None, Lot | None]]:
    """(before, after) of every open lot that differs between two states; None: not open there."""
    old, new = before.buckets, after.buckets
    if old is new:
        return
    for number in new.keys() | old.keys():
        was, has = old.get(number, _EMPTY), new.get(number, _EMPTY)
        if was is has:
            continue
        for name, lot in has.items():
            known = was.get(name)
            if known is not lot:
                yield known, lot
        for name in was.keys() - has.keys():
            yield was[name], None


_EMPTY: Bucket = {}
