"""When a resting order fills against the market, and what a new one may do at once. Pure.

Orders meet the market of the feed, not each other: the feed's trades and quotes say what the world did.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Protocol

from backstay.simulator.numbers import ZERO


class Resting(Protocol):
    """What matching needs of an order."""

    @property
    def buys(self) -> bool: ...
    @property
    def price(self) -> Decimal: ...
    @property
    def left(self) -> Decimal: ...
    @property
    def queue(self) -> Decimal: ...


def crosses(buys: bool, price: Decimal, bid: Decimal, ask: Decimal) -> bool:
    """Whether a limit order at `price` would take at once."""
    return price >= ask if buys else price <= bid


def hit_by_trade(
    order: Resting, price: Decimal, room: Decimal, *, buyer_maker: bool, model: str
) -> tuple[Decimal, Decimal]:
    """(fill, new queue) of a resting order when the market trades at `price`.

    `room` is how much of the trade is still to be handed out at this price. Traded through: all of it.
    At the price itself: queue lets what stood before go first; touch fills all; through fills nothing.
    """
    own = order.price
    if own > price if order.buys else own < price:
        return order.left, ZERO
    if own != price or model == "through":
        return ZERO, order.queue
    if model == "touch":
        return order.left, ZERO
    if order.buys != buyer_maker:
        return ZERO, order.queue
    if order.queue >= room:
        return ZERO, order.queue - room
    return min(order.left, room - order.queue), ZERO


def hit_by_quote(order: Resting, bid: Decimal, ask: Decimal) -> bool:
    """Whether the book has moved onto or through a resting order, which then must have filled."""
    return order.price >= ask if order.buys else order.price <= bid


def own_conflicts[T: Resting](buys: bool, worst: Decimal | None, resting: Iterable[T]) -> list[T]:
    """Own resting orders of the other side that a taker reaching `worst` would meet, best price first."""
    met = [
        o
        for o in resting
        if o.buys != buys and (worst is None or (o.price <= worst if buys else o.price >= worst))
    ]
    return sorted(met, key=lambda o: o.price, reverse=not buys)


def triggers(kind: str, buys: bool, price: Decimal, trigger: Decimal) -> bool:
    """The trigger table of STOP and TAKE_PROFIT kinds (`binance-usdm.md` section 3)."""
    rising = buys == kind.startswith("STOP")
    return price >= trigger if rising else price <= trigger


def trailing_fires(
    buys: bool, extreme: Decimal, activate: Decimal | None, rate: Decimal, price: Decimal
) -> bool:
    """BUY: low <= activate and price >= low * (1 + rate); SELL mirrored. `rate` in percent."""
    if activate is not None and (extreme > activate if buys else extreme < activate):
        return False
    share = rate / 100
    return price >= extreme * (1 + share) if buys else price <= extreme * (1 - share)
