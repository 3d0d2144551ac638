"""How much of a position the orders that rest leave to be reduced (R-9)."""

from decimal import Decimal

from backstay.core.orders import is_open
from backstay.core.state import ScopeState
from backstay.core.types import Side


def has_room(s: ScopeState, side: Side, quantity: Decimal) -> bool:
    """What rests on `side`, whoever placed it, leaves `quantity` of the position."""
    rests = (r.quantity - r.filled for r in s.orders.values() if r.side is side and is_open(r))
    return sum(rests, quantity) <= abs(s.position.quantity)
