"""The spot position that follows from trades (O-7), whatever order they are told in.

Reports are lost and read later, so a trade may be told after later ones. What it says of the present position
depends on where it lies: before the sale that ended the position before, between two positions, or within.
"""

from decimal import Decimal
from typing import NamedTuple

from backstay.core.lots import NONE, Trade
from backstay.core.state import ScopeState
from backstay.core.types import ZERO, Side


class Held(NamedTuple):
    """A position on its way through trades; `flat_to`, `rest` and `began` as in `Lots`."""

    quantity: Decimal
    entry: Decimal
    flat_to: int
    rest: Decimal
    began: int


def held(s: ScopeState) -> Held:
    """What is known before a trade."""
    lots = s.lots or NONE
    return Held(s.position.quantity, s.position.entry_price, lots.flat_to, lots.rest, lots.began)


def moved(before: Held, trade: Trade, received: Decimal, step: Decimal) -> Held:
    """What is held after a trade; `received` is what a BUY brought. More sold than we know of: that was never
    ours to count. What a sale leaves below one step can never be sold: it is dust, and no position.
    """
    buys, name = trade.side is Side.BUY, trade.trade_id
    if name < before.flat_to:
        return _earlier(before, received if buys else -trade.quantity, trade.price, step)
    if buys:
        began = min(name, before.began) if before.quantity else name
        return _added(before, received, trade.price)._replace(began=began)
    if name < before.began:
        return before  # sold when nothing was held
    left = before.quantity - trade.quantity
    if _beyond_dust(left, step):
        return before._replace(quantity=left)
    return Held(ZERO, ZERO, name, left, before.began)


def _earlier(before: Held, change: Decimal, price: Decimal, step: Decimal) -> Held:
    """A trade from before the sale that left nothing: it counts as far as that sale would have left more."""
    rest = before.rest + change
    more = _beyond_dust(rest, step) - _beyond_dust(before.rest, step)
    if more > 0:
        return _added(before, more, price)._replace(rest=rest)
    quantity = _beyond_dust(before.quantity + more, step)
    return before._replace(quantity=quantity, entry=before.entry if quantity else ZERO, rest=rest)


def _added(before: Held, received: Decimal, price: Decimal) -> Held:
    total = before.quantity + received
    entry = (before.quantity * before.entry + received * price) / total if total else ZERO
    return before._replace(quantity=total, entry=entry)


def _beyond_dust(quantity: Decimal, step: Decimal) -> Decimal:
    return quantity if quantity > 0 and quantity >= step else ZERO
