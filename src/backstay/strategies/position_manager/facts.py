"""Facts of a view that need a word of explanation before they are used."""

from collections.abc import Mapping
from decimal import Decimal

from backstay.core.types import ZERO, TimeNs
from backstay.core.view import PositionView, StepProgress


def taken(view: PositionView) -> Mapping[int, StepProgress]:
    """Progress of the take-profit levels by their step (from 0)."""
    return view.take_profit


def last_increase_at(view: PositionView) -> TimeNs:
    """Venue time of the latest fill that increased the position; its opening when the view tells none."""
    return view.last_increase_at or view.opened_at


def base_quantity(view: PositionView) -> Decimal:
    """The position without its ladder: what was entered and not added by DCA fills.

    Profits already taken count as still there, so that the sizes of a ladder do not shrink with them.
    """
    added = sum((p.filled for p in view.dca.values()), ZERO)
    sold = sum((p.filled for p in taken(view).values()), ZERO)
    return max(view.quantity - added + sold, ZERO)


def settled(price: Decimal, tick: Decimal) -> Decimal:
    """A price that follows from a stated average, without the noise of that statement.

    The venue states averages to some ten decimals; what their rounding adds is far below a ten-thousandth of
    a tick, but would carry a price that belongs on the grid to the next tick (7.3: 60073.5, not 60073.6).
    """
    return price.quantize(tick.scaleb(-4))
