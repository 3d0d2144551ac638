"""Order lists while they live: shared locks of a pair, the leg that works, the legs that wait.

A pair (OCO, or the pending half of an OTOCO) holds its balance once: whichever leg begins to work takes it
over, and the other expires.
"""

from backstay.simulator.numbers import ZERO, floor_to
from backstay.simulator.spot import events, execution
from backstay.simulator.spot.orders import OrderList, SpotOrder
from backstay.simulator.spot.world import SpotWorld


def seize(world: SpotWorld, order: SpotOrder) -> None:
    """The leg begins to work: what its pair holds is its own from now on."""
    group = world.orders.list_of(order)
    other = group.pair_of(order) if group else None
    if other is not None and other.open and other.lock:
        order.lock, other.lock = order.lock + other.lock, ZERO
        if order.waiting or order.is_limit:
            execution.hold(world, order, execution.need(world, order))


def part(world: SpotWorld, order: SpotOrder) -> None:
    """The leg has worked: its pair expires."""
    group = world.orders.list_of(order)
    other = group.pair_of(order) if group else None
    if other is not None and other.open:
        execution.expire(world, other, "OCO_TRIGGER")


def after(world: SpotWorld, order: SpotOrder) -> list[SpotOrder]:
    """What follows for the list when one of its orders has changed; the legs that must now enter the book."""
    group = world.orders.list_of(order)
    if group is None or group.done:
        return []
    if order is group.working:
        if order.status == "FILLED":
            return _awaken(world, group)
        if not order.open:
            for leg in group.pending:
                if leg.open:
                    execution.expire(world, leg, "OTO_PHASE_ONE_EXPIRED")
    elif not order.open and order.status != "FILLED":
        # a leg that was taken away (self-trade prevention, refusal) leaves no half of a pair behind
        for leg in group.legs:
            if leg.open and leg is not order and not order.executed:
                execution.expire(world, leg, "EXCHANGE_CANCELED")
    finish(world, group)
    return []


def _awaken(world: SpotWorld, group: OrderList) -> list[SpotOrder]:
    """The working order is full: its pending legs, no longer pending, sized where the list says so."""
    legs = [leg for leg in group.pending if leg.pending]
    if group.sizes_pending:
        step = world.specs[group.symbol].step
        for leg in legs:
            leg.qty = floor_to(group.received, step)
    for leg in legs:
        leg.pending = False
        leg.status = "NEW"
        leg.update = world.now
        if leg.resting:
            leg.working_at = world.now
        leg.remember(world.now)
        world.orders.changed(leg)
    return legs


def finish(world: SpotWorld, group: OrderList) -> None:
    """listStatus ALL_DONE once no leg is open."""
    if group.done or any(leg.open for leg in group.legs):
        return
    group.done = True
    world.emit(group.account, events.list_status(world, group, "ALL_DONE", "ALL_DONE"))


def cancel(world: SpotWorld, group: OrderList, cancel_id: str) -> None:
    """Cancel every open leg, then ALL_DONE."""
    for leg in group.legs:
        if leg.open:
            execution.end(world, leg, "CANCELED", "CANCELED", cancel_id=cancel_id)
    finish(world, group)
