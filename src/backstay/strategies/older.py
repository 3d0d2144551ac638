"""Strategies of an older shape (`should_place_sell_order`, `calculate_sell_price` ...), over spot lots.

Such a class was written to be told of things one after another and to remember them. Here it is made anew
for every answer and told everything that the view knows, in a fixed order: the order updates, the latest
price, then one question for each lot that has no SELL. So what it remembers lasts for one answer, and the
answer follows from the facts alone: a restart and a replay come to the same.
"""

import inspect
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import msgspec

from backstay.core.contexts import OrderContext
from backstay.core.lots import Lot, every
from backstay.core.slots import Watch, WatchSide
from backstay.core.types import SECOND, ZERO, Product, Side, TimeNs
from backstay.core.view import PositionView
from backstay.strategies.by_lot import free, missing, sells
from backstay.strategies.interface import UserPolicy, Wanted

ASKED_AGAIN: TimeNs = 60 * SECOND
"""A lot that is not sold yet is asked about at least so often."""
PRICE_STEP = Decimal("0.001")
"""And whenever the price has moved by this fraction."""


class OlderPolicy(UserPolicy, frozen=True, kw_only=True):
    """What is configured for a class that brings no policy of its own."""

    profit: Decimal = Decimal("0.003")
    """For the class to read (`config.profit`), as a fraction."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """An order as the older shape knows it. Quantities in base units, prices in quote currency."""

    id: int
    """Of a BUY: the trade that made the lot, a whole or a partial fill. Of a SELL: the lot that it sells."""
    binance_order_id: int
    client_order_id: str = ""
    symbol: str
    side: Side
    price: Decimal
    quantity: Decimal
    """Of a BUY: what there is to sell, less a commission in the base asset."""
    status: str
    """`FILLED` for a BUY; `NEW` or `PARTIALLY_FILLED` for a SELL that is under way or rests."""
    created_at: TimeNs
    fill_price: Decimal = ZERO
    fill_quantity: Decimal = ZERO
    fill_time: TimeNs = 0
    parent_order_id: int = 0
    """Of a BUY: the order that the trade belongs to; of a SELL: the trade whose lot it sells."""


class Older:
    """`UserStrategy` over a class of the older shape. Only `calculate_sell_price` must be there.

    `make(config)` or `make()` gives an instance. Questions may take ``(order)`` or ``(order, price)``, where
    `price` is the latest price, or None before the first one is known.
    """

    products = (Product.SPOT,)
    by_lot = True

    def __init__(self, make: Callable[..., Any]) -> None:
        self.policy: type[msgspec.Struct] = getattr(make, "policy", OlderPolicy)
        self._make = make
        self._takes_config = _positional(make) > 0
        # Looked up once, on the class: `self` counts there.
        names = ("should_place_sell_order", "calculate_sell_price")
        found = [getattr(make, name, None) for name in names]
        self._takes_price = tuple(x is not None and _positional(x) > 2 for x in found)

    def wanted(self, view: PositionView, policy: Any, now: TimeNs) -> Wanted:
        if missing(view):
            return Wanted(unknown=missing(view))
        lots = free(view)
        if not lots:
            return sells(view, ())
        older = self._make(policy) if self._takes_config else self._make()
        _tell(older, view)
        offers, watches = _asked(older, lots, view, self._takes_price)
        return sells(view, offers, watches=watches, wake_at=now + ASKED_AGAIN)


def is_older(kind: type) -> bool:
    """Whether a class has the older shape and not today's."""
    return not hasattr(kind, "wanted") and hasattr(kind, "calculate_sell_price")


def _positional(function: Callable[..., Any]) -> int:
    """How many positional arguments it takes, `self` not counted."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.kind in kinds for p in inspect.signature(function).parameters.values())


def _tell(older: Any, view: PositionView) -> None:
    """The updates that the view stands for."""
    on_order = getattr(older, "on_order_update", None)
    if on_order is not None:
        for order in orders(view):
            on_order(order)
    on_price = getattr(older, "on_price_update", None)
    if on_price is not None and view.mark is not None:
        on_price(view.instrument.symbol, view.mark)


def _asked(
    older: Any, lots: list[Lot], view: PositionView, takes_price: tuple[bool, ...]
) -> tuple[list[tuple[Lot, Decimal]], tuple[Watch, ...]]:
    """What is to be sold now at which price, and the prices at which to ask again."""
    should = getattr(older, "should_place_sell_order", None)
    offers: list[tuple[Lot, Decimal]] = []
    above: list[Decimal] = []
    symbol, mark = view.instrument.symbol, view.mark
    for lot in lots:
        order = buy(symbol, lot)
        known = (order, mark)
        price = _decimal(older.calculate_sell_price(*(known if takes_price[1] else known[:1])))
        if should is None or should(*(known if takes_price[0] else known[:1])):
            offers.append((lot, price))
        elif mark is None or price > mark:
            above.append(price)
    if len(offers) == len(lots):
        return offers, ()
    if mark is None:
        return offers, (Watch(WatchSide.AT_OR_ABOVE, ZERO),)
    up, down = mark * (1 + PRICE_STEP), mark * (1 - PRICE_STEP)
    return offers, (
        Watch(WatchSide.AT_OR_ABOVE, min([up, *above])),
        Watch(WatchSide.AT_OR_BELOW, down),
    )


def _decimal(value: object) -> Decimal:
    if isinstance(value, Decimal) and value.is_finite() and value > 0:
        return value
    raise TypeError(f"calculate_sell_price returned {value!r}; it must be a Decimal above 0")


def orders(view: PositionView) -> Iterator[Order]:
    """The BUYs of the open lots by age, then the SELLs that are under way or rest, by lot."""
    facts = view.lots
    if facts is None:
        return
    for lot in sorted(every(facts.lots), key=lambda x: (x.at, x.trade_id)):
        yield buy(view.instrument.symbol, lot)
    for name, ctx in sorted(facts.selling.items()):
        yield sell(view.instrument.symbol, name, ctx)


def buy(symbol: str, lot: Lot) -> Order:
    return Order(
        id=lot.trade_id,
        binance_order_id=lot.order_id,
        symbol=symbol,
        side=Side.BUY,
        price=lot.price,
        quantity=lot.left,
        status="FILLED",
        created_at=lot.at,
        fill_price=lot.price,
        fill_quantity=lot.quantity,
        fill_time=lot.at,
        parent_order_id=lot.order_id,
    )


def sell(symbol: str, name: int, ctx: OrderContext) -> Order:
    return Order(
        id=name,
        binance_order_id=ctx.order_id,
        client_order_id=ctx.ctx_id,
        symbol=symbol,
        side=Side.SELL,
        price=ctx.slot.price or ZERO,
        quantity=ctx.slot.quantity or ZERO,
        status="PARTIALLY_FILLED" if ctx.filled else "NEW",
        created_at=ctx.created_at,
        fill_quantity=ctx.filled,
        parent_order_id=name,
    )
