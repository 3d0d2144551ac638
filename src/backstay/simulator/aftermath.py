"""What follows when a position has changed or an order has ended: reduce-only orders, GTE stops, FINISHED."""

from backstay.simulator import events, execution
from backstay.simulator.accounts import Account
from backstay.simulator.algo_orders import AlgoOrder
from backstay.simulator.numbers import ZERO
from backstay.simulator.orders import Order
from backstay.simulator.world import World


def settle(world: World, account: Account, symbol: str, *, reduced: bool) -> None:
    """Bring the account's orders of a symbol in line. `reduced`: a position has become smaller or turned."""
    mine = [a for a in world.algos.live_in(symbol) if a.account == account.name]
    for algo in mine:
        if algo.status == "TRIGGERED":
            _finish(world, algo)
    if reduced:
        for side in ("LONG", "SHORT") if account.hedge else ("BOTH",):
            _fit_reducers(world, account, symbol, side)
    for algo in mine:
        if algo.status == "NEW" and algo.close_position and not has_position(account, algo):
            close_algo(world, algo, "EXPIRED")


def has_position(account: Account, algo: AlgoOrder) -> bool:
    """Whether the position exists that a closePosition order would close."""
    row = account.positions.get((algo.symbol, algo.position_side))
    if row is None or not row.amount:
        return False
    return row.amount < 0 if algo.buys else row.amount > 0


def close_algo(world: World, algo: AlgoOrder, status: str, reason: str = "") -> None:
    """End a conditional order with a status and tell of it."""
    algo.status = status
    algo.reason = reason
    algo.update_time = world.now_ms
    world.algos.changed(algo)
    algo.remember(world.now)
    world.emit(algo.account, events.algo_update(world, algo))


def _finish(world: World, algo: AlgoOrder) -> None:
    child = world.orders.by_id.get(algo.actual_id or 0)
    if child is None or child.open:
        return
    algo.actual_qty = child.executed
    algo.actual_avg = child.average
    close_algo(world, algo, "FINISHED")


def reducers(world: World, account: Account, symbol: str, side: str) -> list[Order]:
    """Open orders that can only reduce a position, nearest to the market first, then oldest."""
    rows = [
        o
        for o in world.orders.open_of(account.name, symbol)
        if o.position_side == side and o.reduces(account.hedge)
    ]
    return sorted(rows, key=lambda o: (-o.price if o.buys else o.price, o.time, o.id))


def _fit_reducers(world: World, account: Account, symbol: str, side: str) -> None:
    """Reduce-only orders must not be able to turn the position: shrink or expire (er 4) what is too much."""
    row = account.positions.get((symbol, side))
    amount = row.amount if row else ZERO
    room = abs(amount)
    for order in reducers(world, account, symbol, side):
        fits = amount < 0 if order.buys else amount > 0
        if not fits or room <= 0:
            execution.expire(world, order, "4")
        elif order.left > room:
            order.qty = order.executed + room
            order.update_time = world.now_ms
            order.modify_id = ""
            order.remember(world.now)
            room = ZERO
            world.emit(order.account, events.order_update(world, order, "AMENDMENT"))
        else:
            room -= order.left
