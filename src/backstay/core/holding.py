"""The spot position that follows from trades (O-7), whatever order they are told in.

Reports are lost and read later, so a trade may be told after later ones. What it says of the present position
depends on where it lies: before the sale that ended the position before, between two positions, or within.
"""

from decimal import Decimal
from typing import NamedTuple

from backstay.core.lots import ENDS_MOST, NONE, Trade
from backstay.core.state import ScopeState
from backstay.core.types import ZERO, Side

type Ends = tuple[tuple[int, Decimal], ...]


class Held(NamedTuple):
    """A position on its way through trades; `ends` and `began` as in `Lots`."""

    quantity: Decimal
    entry: Decimal
    ends: Ends
    began: int


def held(s: ScopeState) -> Held:
    """What is known before a trade."""
    lots = s.lots or NONE
    return Held(s.position.quantity, s.position.entry_price, lots.ends, lots.began)


def still_open(ends: Ends, read_to: int) -> Ends:
    """The ends that a trade may yet be told from before of: up to `read_to` every trade is known."""
    return ends if not ends or ends[0][0] > read_to else tuple(x for x in ends if x[0] > read_to)


def moved(before: Held, trade: Trade, received: Decimal, step: Decimal) -> Held:
    """What is held after a trade; `received` is what a BUY brought. More sold than we know of: that was never
    ours to count. What a sale leaves below one step can never be sold: it is dust, and no position.
    """
    buys, name = trade.side is Side.BUY, trade.trade_id
    if before.ends and name < before.ends[-1][0]:
        return _earlier(before, name, received if buys else -trade.quantity, trade.price, step)
    if buys:
        began = min(name, before.began) if before.quantity else name
        return _added(before, received, trade.price)._replace(began=began)
    if name < before.began:
        return before  # sold when nothing was held
    left = before.quantity - trade.quantity
    if _beyond_dust(left, step):
        return before._replace(quantity=left)
    return Held(ZERO, ZERO, (*before.ends, (name, left))[-ENDS_MOST:], before.began)


def _earlier(before: Held, name: int, change: Decimal, price: Decimal, step: Decimal) -> Held:
    """A trade from before a sale that left nothing: it counts as far as that sale, and each that ended a
    position after it, would have left more.
    """
    ends = []
    for end, rest in before.ends:
        after = rest
        if end > name:
            after = rest + change
            change = _beyond_dust(after, step) - _beyond_dust(rest, step)
        ends.append((end, after))
    now = before._replace(ends=tuple(ends))
    if change > 0:
        return _added(now, change, price)
    quantity = _beyond_dust(now.quantity + change, step)
    return now._replace(quantity=quantity, entry=now.entry if quantity else ZERO)


def _added(before: Held, received: Decimal, price: Decimal) -> Held:
    total = before.quantity + received
    entry = (before.quantity * before.entry + received * price) / total if total else ZERO
    return before._replace(quantity=total, entry=entry)


def _beyond_dust(quantity: Decimal, step: Decimal) -> Decimal:
    return quantity if quantity > 0 and quantity >= step else ZERO
