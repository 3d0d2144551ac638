"""Self-trade prevention: a taker meets own resting orders (`binance-spot.md` section 10)."""

from collections.abc import Callable
from decimal import Decimal

from backstay.simulator import matching
from backstay.simulator.numbers import ZERO
from backstay.simulator.spot import events, execution
from backstay.simulator.spot.accounts import Prevented
from backstay.simulator.spot.orders import SpotOrder
from backstay.simulator.spot.world import SpotWorld

type Parts = list[tuple[Decimal, Decimal]]


def prevent(
    world: SpotWorld, order: SpotOrder, parts: Parts, follow: Callable[[SpotWorld, SpotOrder], None]
) -> tuple[Parts, bool]:
    """(parts still taken, whether the taker has ended). `follow` tells the list of an ended maker."""
    if not parts or order.stp == "NONE":
        return parts, False
    own = [o for o in world.orders.open_of(order.account, order.symbol) if o.resting and o is not order]
    met = matching.own_conflicts(order.buys, parts[-1][0], own)
    if not met:
        return parts, False
    if order.stp == "EXPIRE_MAKER":
        for maker in met:
            _knock(world, maker, order, maker.left, maker.price)
            follow(world, maker)
        return parts, False
    maker = met[0]
    before = [(p, q) for p, q in parts if (p < maker.price if order.buys else p > maker.price)]
    if order.stp == "DECREMENT":
        return _decrement(world, order, met, parts, len(before), follow)
    _take(world, order, before)
    _finish_taker(world, order, maker, order.left)
    if order.stp == "EXPIRE_BOTH":
        _knock(world, maker, order, maker.left, maker.price)
        follow(world, maker)
    return [], True


def _decrement(
    world: SpotWorld,
    order: SpotOrder,
    met: list[SpotOrder],
    parts: Parts,
    count: int,
    follow: Callable[[SpotWorld, SpotOrder], None],
) -> tuple[Parts, bool]:
    """Both sides lose what would have matched; what is left of the taker goes on as before."""
    _take(world, order, parts[:count])
    for maker in met:
        if not order.open or order.left <= 0:
            break
        size = min(order.left, maker.left)
        price = maker.price
        number = _record(world, order, maker, price, size, size)
        _reduce(world, maker, order, size, price, number)
        follow(world, maker)
        _reduce(world, order, maker, size, price, number)
    rest: Parts = []
    left = order.left if order.open else ZERO
    for price, qty in parts[count:]:
        if left > 0:
            rest.append((price, min(left, qty)))
            left -= qty
    return rest, not order.open


def _take(world: SpotWorld, order: SpotOrder, parts: Parts) -> None:
    for price, qty in parts:
        execution.fill(world, order, price, qty, maker=False)
        world.markets[order.symbol].taken[order.buys] += qty


def _reduce(
    world: SpotWorld, order: SpotOrder, other: SpotOrder, size: Decimal, price: Decimal, number: int
) -> None:
    order.prevented += size
    order.prevented_match = number
    stopped = events.Stopped(number, size, other, price)
    if order.left <= 0:
        execution.end(world, order, "EXPIRED_IN_MATCH", "TRADE_PREVENTION", stopped=stopped)
        return
    order.update = world.now
    if order.lock:
        execution.hold(world, order, execution.need(world, order))
    order.remember(world.now)
    world.emit(order.account, events.execution_report(world, order, "TRADE_PREVENTION", stopped=stopped))


def _knock(world: SpotWorld, maker: SpotOrder, taker: SpotOrder, size: Decimal, price: Decimal) -> None:
    number = _record(world, taker, maker, price, ZERO, size)
    maker.prevented_match = number
    stopped = events.Stopped(number, size, taker, price)
    execution.end(world, maker, "EXPIRED_IN_MATCH", "TRADE_PREVENTION", stopped=stopped)


def _finish_taker(world: SpotWorld, order: SpotOrder, maker: SpotOrder, size: Decimal) -> None:
    if not order.open:
        return
    number = _record(world, order, maker, maker.price, size, ZERO)
    order.prevented_match = number
    stopped = events.Stopped(number, size, maker, maker.price)
    execution.end(world, order, "EXPIRED_IN_MATCH", "TRADE_PREVENTION", stopped=stopped)


def _record(
    world: SpotWorld,
    taker: SpotOrder,
    maker: SpotOrder,
    price: Decimal,
    taker_qty: Decimal,
    maker_qty: Decimal,
) -> int:
    number = world.prevented_id()
    row = Prevented(
        number, world.now, taker.symbol, taker.id, maker.id, taker.stp, price, taker_qty, maker_qty
    )
    world.accounts[taker.account].prevented.append(row)
    return number
