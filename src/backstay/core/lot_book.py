"""The book-keeping of lots: trades in, lots out. Everything touched is copied once per event."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from backstay.core.contexts import OrderContext
from backstay.core.lots import (
    AHEAD_MOST,
    BUCKETS,
    COUNTED_MOST,
    RETIRED_KEPT,
    STRANGERS_MOST,
    Bucket,
    Ended,
    Flag,
    Lot,
    Lots,
    Mark,
    Trade,
)
from backstay.core.types import ZERO, Side, TimeNs

type Owners = Callable[[int], OrderContext | None]
"""Our context of a venue order id; None: somebody else's order."""


class Book:
    """Lots being changed by one event. `done` gives the new value, or the old one when nothing changed."""

    __slots__ = (
        "_ahead",
        "_buckets",
        "_fresh",
        "_own",
        "_was",
        "changed",
        "count",
        "counted",
        "flags",
        "price",
        "price_at",
        "retired",
        "short",
        "strangers",
        "total",
    )

    def __init__(self, lots: Lots) -> None:
        self._was = lots
        self._buckets: dict[int, Bucket] | None = None
        self._own: set[int] = set()
        self._fresh: set[str] = set()
        self._ahead: list[int] | None = None
        self.changed = False
        self.count, self.total = lots.count, lots.total
        self.flags, self.retired = lots.flags, lots.retired
        self.counted, self.short, self.strangers = lots.counted, lots.short, lots.strangers
        self.price, self.price_at = lots.price, lots.price_at

    # --- lots ------------------------------------------------------------------------------------

    def get(self, trade_id: int) -> Lot | None:
        buckets = self._was.buckets if self._buckets is None else self._buckets
        bucket = buckets.get(trade_id % BUCKETS)
        return bucket.get(trade_id) if bucket is not None else None

    def put(self, lot: Lot) -> None:
        """A new lot, or another state of an open one."""
        bucket = self._bucket(lot.trade_id)
        known = bucket.get(lot.trade_id)
        if known is None:
            self.count += 1
            self.total += lot.left
        else:
            self.total += lot.left - known.left
        bucket[lot.trade_id] = lot

    def end(self, lot: Lot, at: TimeNs) -> None:
        """An open lot leaves the inventory; what is left of it is its dust."""
        bucket = self._bucket(lot.trade_id)
        del bucket[lot.trade_id]
        self.count -= 1
        self.total -= lot.left
        flag = self.flags.get(lot.trade_id)
        by_hand = flag is not None and flag.mark is not Mark.EXPIRED
        how = Ended.CLOSED_BY_HAND if by_hand else Ended.COMPLETED
        retired = self._mine("retired")
        retired[lot.trade_id] = replace(lot, ended=how, ended_at=at)
        if len(retired) > RETIRED_KEPT:
            del retired[next(iter(retired))]
        if flag is not None:
            del self._mine("flags")[lot.trade_id]

    def close_out(self, at: TimeNs) -> None:
        """The position that these lots made is sold: each ends, what is left of it is its dust."""
        for name in sorted(self._open_ids()):
            if (lot := self.get(name)) is not None:
                self.end(lot, at)

    def flag(self, trade_id: int, flag: Flag) -> None:
        if self.get(trade_id) is not None and self.flags.get(trade_id) != flag:
            self._mine("flags")[trade_id] = flag

    def unflag(self, keep: Callable[[Flag], bool]) -> None:
        """Leave the flagged lots to their strategy again, except those to `keep`."""
        for name in [k for k, flag in self.flags.items() if not keep(flag)]:
            del self._mine("flags")[name]

    def _mine(self, name: str) -> dict[int, Any]:
        """A dictionary of the lots as a copy that may be changed."""
        self.changed = True
        if name not in self._fresh:
            self._fresh.add(name)
            setattr(self, name, dict(getattr(self, name)))
        found: dict[int, Any] = getattr(self, name)
        return found

    def _bucket(self, trade_id: int) -> Bucket:
        """The lot's bucket, ready to be changed."""
        self.changed = True
        if self._buckets is None:
            self._buckets = dict(self._was.buckets)
        number = trade_id % BUCKETS
        if number not in self._own:
            self._own.add(number)
            self._buckets[number] = dict(self._buckets.get(number, ()))
        return self._buckets[number]

    # --- trades ----------------------------------------------------------------------------------

    def known(self, trade_id: int) -> bool:
        if trade_id <= self._was.read_to:
            return True
        ahead = self._was.ahead if self._ahead is None else self._ahead
        if not ahead or trade_id > ahead[-1]:
            return False
        return ahead[bisect_left(ahead, trade_id)] == trade_id

    def take(self, trade: Trade, base: str, owner: OrderContext | None) -> bool:
        """Fold one trade; False: it was known (O-2). `owner` is our context of its order."""
        if self.known(trade.trade_id):
            return False
        self.changed = True
        if self._ahead is None:
            self._ahead = list(self._was.ahead)
        insort(self._ahead, trade.trade_id)
        counted = self._mine("counted")
        counted[trade.order_id] = counted.get(trade.order_id, ZERO) + trade.quantity
        self.priced(trade.price, trade.at)
        if trade.side is Side.BUY:
            self._bought(trade, base)
        elif owner is not None:
            self.sold(trade, owner)
        else:
            strangers = self._mine("strangers")
            strangers[trade.order_id] = (*strangers.get(trade.order_id, ()), trade)
            if len(strangers) > STRANGERS_MOST:
                del strangers[next(iter(strangers))]
        return True

    def priced(self, price: Decimal, at: TimeNs) -> None:
        """A price of the symbol; an older one than the latest is no news."""
        if at > self.price_at or (at == self.price_at and (self.price is None or price > self.price)):
            self.changed = True
            self.price, self.price_at = price, at

    def _bought(self, trade: Trade, base: str) -> None:
        in_base = trade.commission_asset == base
        self.put(
            Lot(
                trade_id=trade.trade_id,
                order_id=trade.order_id,
                at=trade.at,
                price=trade.price,
                quantity=trade.quantity,
                received=trade.quantity - trade.commission if in_base else trade.quantity,
                commission=trade.commission,
                commission_asset=trade.commission_asset,
                maker=trade.maker,
            )
        )

    def sold(self, trade: Trade, owner: OrderContext) -> None:
        """A SELL of ours reduces the lots it was placed for, one after the other; a SELL that was placed for
        no lot (a position's take-profit, stop or exit) reduces the oldest.
        """
        names = owner.slot.lots or tuple(sorted(self._open_ids()))
        left = trade.quantity
        for position, name in enumerate(names):
            lot = self.get(name)
            if lot is None:
                continue
            last = owner.slot.lots and position == len(names) - 1
            part = left if last else min(left, lot.left)
            if not part:
                continue
            share = part / trade.quantity if part != trade.quantity else None
            fee = trade.commission if share is None else trade.commission * share
            assets = {lot.sell_commission_asset, trade.commission_asset if trade.commission else ""} - {""}
            lot = replace(
                lot,
                sold=lot.sold + part,
                proceeds=lot.proceeds + part * trade.price,
                sell_commission=lot.sell_commission + fee,
                sell_commission_asset="several" if len(assets) > 1 else "".join(assets),
            )
            self.put(lot)
            if not owner.slot.lots and not lot.left:
                self.end(lot, trade.at)
            left -= part
            if not left:
                return

    def _open_ids(self) -> list[int]:
        buckets = self._was.buckets if self._buckets is None else self._buckets
        return [name for bucket in buckets.values() for name in bucket]

    def claim(self, order_id: int, owner: OrderContext) -> None:
        """An order whose trades were taken for somebody else's turns out to be ours."""
        trades = self.strangers.get(order_id)
        if trades is None:
            return
        del self._mine("strangers")[order_id]
        for trade in trades:
            self.sold(trade, owner)

    # --- orders ----------------------------------------------------------------------------------

    def settle(self, order_id: int, filled: Decimal, *, over: bool) -> bool:
        """Compare an order's cumulative fill with its known trades; True: they add up.

        `over`: the order has ended, so that nothing needs to be remembered of it.
        """
        missing = filled - self.counted.get(order_id, ZERO)
        if missing > 0:
            if self.short.get(order_id) != missing:
                self._mine("short")[order_id] = missing
            return False
        if order_id in self.short:
            del self._mine("short")[order_id]
        if over and order_id in self.counted:
            del self._mine("counted")[order_id]
        return True

    def forgive(self) -> None:
        """What is missing now lies before the time that we follow: count it as known."""
        if not self.short:
            return
        counted = self._mine("counted")
        for order_id, missing in self.short.items():
            counted[order_id] = counted.get(order_id, ZERO) + missing
        self._mine("short").clear()

    def forget_orders(self, keep: Iterable[int]) -> None:
        """Everything was read: of the orders that are over, nothing more is to be counted.

        That an order is over may be told later than its trades (a query, a late report), so the latest stay.
        """
        excess = len(self.counted) - COUNTED_MOST
        if excess <= 0:
            return
        kept = set(keep)
        gone = [order_id for order_id in self.counted if order_id not in kept]
        for order_id in gone[:excess]:
            del self._mine("counted")[order_id]

    # --- the result ------------------------------------------------------------------------------

    def done(self, *, read_to: int = 0, read_at: TimeNs = 0, unserved: bool | None = None) -> Lots:
        """The lots after the event; `read_to` and `read_at` are a complete read's."""
        was = self._was
        read_to, read_at = max(read_to, was.read_to), max(read_at, was.read_at)
        unserved = was.unserved if unserved is None else unserved
        moved = read_to != was.read_to or read_at != was.read_at or unserved != was.unserved
        if not self.changed and not moved:
            return was
        ahead = was.ahead
        if self._ahead is not None or read_to != was.read_to:
            known = was.ahead if self._ahead is None else self._ahead
            ahead = tuple(known[bisect_right(known, read_to) :])
        if len(ahead) > AHEAD_MOST and not self.short:
            # So much older than the newest trade, none can be on its way any more: every order adds up.
            read_to = ahead[len(ahead) // 2]
            ahead = ahead[len(ahead) // 2 + 1 :]
        buckets = was.buckets
        if self._buckets is not None:
            buckets = {number: bucket for number, bucket in self._buckets.items() if bucket}
        return replace(
            was,
            buckets=buckets,
            count=self.count,
            total=self.total,
            flags=self.flags,
            retired=self.retired,
            read_to=read_to,
            read_at=read_at,
            followed_at=was.followed_at if was.read_at else read_at,
            ahead=ahead,
            counted=self.counted,
            short=self.short,
            strangers=self.strangers,
            unserved=unserved,
            price=self.price,
            price_at=self.price_at,
        )
