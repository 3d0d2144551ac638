"""The spot position that follows from trades (O-7), whatever order they are told in.

Reports are lost and read later, so a trade may be told after later ones. Where a sale leaves nothing the
order matters: the latest trades are kept, and put in the venue's order again when an earlier one is told.
"""

from bisect import bisect_left
from decimal import Decimal
from typing import NamedTuple

from backstay.core.lots import NONE, SINCE_MOST, Trade
from backstay.core.state import ScopeState
from backstay.core.types import ZERO, Side

type Step = tuple[int, Decimal, Decimal]
"""(trade id, what it brought or took, price)"""


class Held(NamedTuple):
    """A position on its way through trades; `since` and `base` as in `Lots`."""

    quantity: Decimal
    entry: Decimal
    since: tuple[Step, ...]
    base: tuple[Decimal, Decimal]


def held(s: ScopeState) -> Held:
    """What is known before a trade."""
    lots = s.lots or NONE
    return Held(s.position.quantity, s.position.entry_price, lots.since, lots.base)


def moved(before: Held, trade: Trade, received: Decimal, step: Decimal) -> Held:
    """What is held after a trade; `received` is what a BUY brought, `step` the venue's."""
    quantity, entry, since, base = before
    new = trade.trade_id, received if trade.side is Side.BUY else -trade.quantity, trade.price
    if not since:
        base = quantity, entry
    if not since or new > since[-1]:
        quantity, entry = _after(quantity, entry, new, step)
        since = (*since, new)
    else:
        at = bisect_left(since, new)
        since = (*since[:at], new, *since[at:])
        quantity, entry = base
        for each in since:
            quantity, entry = _after(quantity, entry, each, step)
    if len(since) > SINCE_MOST:
        base, since = _after(*base, since[0], step), since[1:]
    return Held(quantity, entry, since, base)


def settled(now: Held, read_to: int, step: Decimal) -> Held:
    """Without the trades up to `read_to`: nothing from before them is told any more."""
    since, base = now.since, now.base
    if not since or since[0][0] > read_to:
        return now
    while since and since[0][0] <= read_to:
        base, since = _after(*base, since[0], step), since[1:]
    return now._replace(since=since, base=base)


def _after(quantity: Decimal, entry: Decimal, trade: Step, step: Decimal) -> tuple[Decimal, Decimal]:
    """(quantity, average price) after a trade. More sold than we know of: that was never ours to count. What
    a sale leaves below one step can never be sold: it is dust, and no position.
    """
    _, change, price = trade
    total = quantity + change
    if change < 0:
        return (total, entry) if total > 0 and total >= step else (ZERO, ZERO)
    return total, (quantity * entry + change * price) / total if total else ZERO
