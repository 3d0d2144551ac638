"""Fill and slippage models: the book behind the best quote, sweeping it, queue position. Pure.

The venue's book is not recorded, so what stands behind the best quote is a model: levels at even distances,
their sizes drawn from a hash of the level's own price, so that a level keeps its size while the market moves.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal

import msgspec

from backstay.simulator.numbers import ZERO, floor_to


class Depth(msgspec.Struct, frozen=True):
    """One side of a book as a model: best price and quantity, spacing and average size behind it."""

    best: Decimal
    best_qty: Decimal
    upward: bool
    """True for asks (prices grow away from the best)."""
    spacing: Decimal
    qty: Decimal
    step: Decimal
    salt: int

    def levels(self, count: int) -> Iterator[tuple[Decimal, Decimal]]:
        """(price, quantity) from the best outwards, at most `count`, all above zero."""
        yield self.best, self.best_qty
        index = int(self.best // self.spacing)
        if not self.upward and index * self.spacing == self.best:
            index -= 1
        elif self.upward:
            index += 1
        for _ in range(count - 1):
            price = index * self.spacing
            if price <= 0:
                return
            yield price, self.size(index)
            index += 1 if self.upward else -1

    def size(self, index: int) -> Decimal:
        """Quantity at level number `index`: 0.4 to 1.9 of the average, fixed by the level and the seed."""
        mixed = (index * 2_654_435_761 + self.salt * 40_503 + self.upward) & 0xFFFFFFFF
        mixed ^= mixed >> 15
        share = 4 + mixed % 16
        return max(self.step, floor_to(self.qty * share / 10, self.step))

    def at(self, price: Decimal) -> Decimal:
        """What a new order at `price` finds before it: zero when it improves the best."""
        if price == self.best:
            return self.best_qty
        if (price < self.best) if self.upward else (price > self.best):
            return ZERO
        return self.size(int(price // self.spacing))


def sweep(
    levels: Iterable[tuple[Decimal, Decimal]],
    qty: Decimal,
    *,
    buys: bool,
    limit: Decimal | None,
    skip: Decimal = ZERO,
) -> list[tuple[Decimal, Decimal]]:
    """The (price, quantity) pairs that a taker of `qty` gets, never beyond `limit`.

    `skip` is what earlier takers have already eaten of the best side since its last update.
    """
    out: list[tuple[Decimal, Decimal]] = []
    left = qty
    for price, size in levels:
        if left <= 0 or (limit is not None and (price > limit if buys else price < limit)):
            break
        if skip >= size:
            skip -= size
            continue
        part = min(left, size - skip)
        skip = ZERO
        out.append((price, part))
        left -= part
    return out


def slipped(price: Decimal, share: Decimal, *, buys: bool, tick: Decimal, limit: Decimal | None) -> Decimal:
    """The price made worse by `share`, on the tick grid, never worse than `limit`."""
    if not share:
        return price
    ticks = (price * share / tick).to_integral_value() * tick
    worse = price + ticks if buys else max(tick, price - ticks)
    if limit is None:
        return worse
    return min(worse, max(limit, price)) if buys else max(worse, min(limit, price))


def split(
    parts: list[tuple[Decimal, Decimal]], largest: Decimal | None, step: Decimal
) -> list[tuple[Decimal, Decimal]]:
    """The same fills in pieces of at most `largest`."""
    if largest is None:
        return parts
    piece = max(step, floor_to(largest, step))
    out: list[tuple[Decimal, Decimal]] = []
    for price, qty in parts:
        left = qty
        while left > piece:
            out.append((price, piece))
            left -= piece
        out.append((price, left))
    return out
