"""What the scripted strategies of these tests want."""

from decimal import Decimal

from backstay.core.slots import Slot
from backstay.core.types import Direction, OrderType, PositionMode, Role, Side
from backstay.core.wanted import Wanted
from backstay.testing.builders import slot

D = Decimal
BUY, SELL = Side.BUY, Side.SELL
LONG, SHORT = Direction.LONG, Direction.SHORT
ONE_WAY, HEDGE = PositionMode.ONE_WAY, PositionMode.HEDGE
STOP_MARKET = OrderType.STOP_MARKET


def stop(trigger="57000", side=SELL, **more) -> Slot:
    """A close-position stop; a `quantity` makes it a sized one."""
    sized = more.get("quantity") is not None
    more.setdefault("close_position", not sized)
    more.setdefault("reduce_only", sized)
    return slot(Role.SL, STOP_MARKET, side, trigger=trigger, **more)


def target(quantity="0.010", price="60900", side=SELL, step=0, **more) -> Slot:
    more.setdefault("reduce_only", True)
    return slot(Role.TP, side=side, quantity=quantity, price=price, step=step, **more)


def ladder(step=1, price="59400", quantity="0.010", side=BUY) -> Slot:
    return slot(Role.DCA, side=side, quantity=quantity, price=price, step=step)


def entry(price="60000", quantity="0.010", side=BUY) -> Slot:
    return slot(Role.ENTRY, side=side, quantity=quantity, price=price)


def want(*slots, **more) -> Wanted:
    return Wanted(slots=slots, **more)


def guarded(*further, trigger="57000", price="60900", sized=False, **more):
    """A stop and a take-profit of the whole position on either side, and `further` slots while LONG."""

    def wanted(view) -> Wanted:
        if view.direction is None:
            return want(**more)
        closing = view.direction.closing
        below, above = (trigger, price) if view.direction is LONG else (price, trigger)
        if view.direction is SHORT:
            below, above = "63000", "59000"
        one_way = view.position_mode is ONE_WAY
        size = view.quantity if sized else None
        guard = stop(below, closing, quantity=size, reduce_only=sized and one_way)
        exit_at = target(view.quantity, above, closing, reduce_only=one_way)
        return want(guard, exit_at, *(further if view.direction is LONG else ()), **more)

    return wanted
