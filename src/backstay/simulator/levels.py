"""Where a market has to move for anything to happen to what rests in it.

A host that replays bars asks this to go through a bar in the right order, and to leave out bars in which no
resting order, no trigger and no liquidation can be reached.
"""

from decimal import Decimal
from typing import NamedTuple

from backstay.simulator import margin
from backstay.simulator.numbers import ZERO
from backstay.simulator.world import World


class Levels(NamedTuple):
    """Trade prices that set something off."""

    falling: tuple[Decimal, ...] = ()
    """A trade at one of these prices, or below, does."""
    rising: tuple[Decimal, ...] = ()
    """A trade at one of these prices, or above, does."""
    restless: bool = False
    """Every move matters: an order trails the market."""


QUIET = Levels()


def levels(world: World, symbol: str) -> Levels:
    """Of everything that rests in `symbol`, for the fill model `through` and marks that follow the trades."""
    falling: list[Decimal] = []
    rising: list[Decimal] = []
    restless = False
    tick = world.specs[symbol].tick
    for order in world.orders.open_in(symbol):
        if order.buys:
            falling.append(order.price - tick)
        else:
            rising.append(order.price + tick)
    for algo in world.algos.waiting_in(symbol):
        if algo.trailing:
            restless = True
        else:
            (rising if algo.rising else falling).append(algo.trigger)
    for account in world.accounts.values():
        for position in account.held_in(symbol):
            price = margin.liquidation_of(world, account, position)
            if price > ZERO:
                (falling if position.amount > 0 else rising).append(price)
    return Levels(tuple(falling), tuple(rising), restless)
