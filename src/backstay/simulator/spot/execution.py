"""Accepting, locking, filling, ending orders: one step each, with its executionReport."""

from decimal import Decimal

from backstay.simulator.numbers import ZERO
from backstay.simulator.spot import commission, events
from backstay.simulator.spot.accounts import SpotAccount, SpotTrade
from backstay.simulator.spot.orders import SpotOrder
from backstay.simulator.spot.world import SpotWorld


def need(world: SpotWorld, order: SpotOrder) -> Decimal:
    """What an open order must hold: base for a sell, quote for a buy; a MARKET buy pays as it goes.

    A stop that buys at market holds its trigger price times the quantity (model).
    """
    if not order.buys:
        return order.left
    if order.is_limit:
        return order.left * order.price
    if order.is_algo:
        return order.left * (order.stop_price or world.markets[order.symbol].last)
    return ZERO


def asset_of(world: SpotWorld, order: SpotOrder) -> str:
    spec = world.specs[order.symbol]
    return spec.quote if order.buys else spec.base


def accept(world: SpotWorld, order: SpotOrder, *, tell: bool = True) -> None:
    """Give the order its id, store it, tell of it with NEW."""
    order.id = world.order_id()
    order.time = order.update = world.now
    if order.resting:
        order.working_at = world.now
    if order.pending:
        order.status = "PENDING_NEW"
    order.lock_asset = asset_of(world, order)
    world.orders.add(order)
    order.remember(world.now)
    if tell:
        announce(world, order)


def announce(world: SpotWorld, order: SpotOrder) -> None:
    """x=NEW: a new order, an activated leg, a triggered stop (model)."""
    world.accounts[order.account].touched.setdefault(order.lock_asset)
    world.emit(order.account, events.execution_report(world, order, "NEW"))


def hold(world: SpotWorld, order: SpotOrder, amount: Decimal) -> None:
    """Make the order hold exactly `amount`; the difference moves between free and locked."""
    change = amount - order.lock
    if change:
        account = world.accounts[order.account]
        account.move(order.lock_asset, world.now, free=-change, locked=change)
        order.lock = amount


def _pay(world: SpotWorld, account: SpotAccount, order: SpotOrder, amount: Decimal) -> None:
    """Take `amount` from what the order holds, the rest from the free balance."""
    held = min(order.lock, amount)
    order.lock -= held
    account.move(order.lock_asset, world.now, free=held - amount, locked=-held)


def fill(world: SpotWorld, order: SpotOrder, price: Decimal, qty: Decimal, *, maker: bool) -> None:
    """One trade: both balances, the commission, the own trade, its TRADE report."""
    account = world.accounts[order.account]
    spec = world.specs[order.symbol]
    _pay(world, account, order, price * qty if order.buys else qty)
    if order.buys:
        account.move(spec.base, world.now, free=qty)
    else:
        account.move(spec.quote, world.now, free=price * qty)
    fee, asset = commission.of_trade(world, account, order, price, qty, maker=maker)
    if account.burns_bnb:
        account.touched[commission.BNB] = None
    if fee:
        account.move(asset, world.now, free=-fee)
    order.executed += qty
    order.cum_quote += price * qty
    order.status = "PARTIALLY_FILLED" if order.left > 0 else "FILLED"
    order.update = world.now
    if order.status == "FILLED":
        hold(world, order, ZERO)
        world.orders.closed(order)
    elif order.is_limit:
        hold(world, order, need(world, order))
    order.remember(world.now)
    group = world.orders.list_of(order)
    if group is not None and order is group.working and order.buys:
        group.received += qty - (fee if asset == spec.base else ZERO)
    trade = events.Execution(world.markets[order.symbol].next_trade_id(), price, qty, fee, asset, maker)
    account.trades.append(
        SpotTrade(
            trade.trade_id,
            world.now,
            order.id,
            order.list_id,
            order.client_id,
            order.symbol,
            order.buys,
            price,
            qty,
            fee,
            asset,
            maker,
        )
    )
    world.emit(account.name, events.execution_report(world, order, "TRADE", trade=trade))


def end(
    world: SpotWorld,
    order: SpotOrder,
    status: str,
    kind: str,
    *,
    reason: str = "NONE",
    cancel_id: str | None = None,
    stopped: events.Stopped | None = None,
    reject: str = "NONE",
) -> None:
    """The order leaves: CANCELED (`cancel_id` goes to `c`, its own id to `C`), EXPIRED, EXPIRED_IN_MATCH."""
    order.status = status
    order.reason = reason
    order.update = world.now
    hold(world, order, ZERO)
    world.accounts[order.account].touched.setdefault(order.lock_asset)
    world.orders.closed(order)
    order.remember(world.now)
    original = order.client_id if cancel_id is not None else ""
    world.emit(
        order.account,
        events.execution_report(
            world, order, kind, new_id=cancel_id, original=original, stopped=stopped, reject=reject
        ),
    )


def expire(world: SpotWorld, order: SpotOrder, reason: str) -> None:
    end(world, order, "EXPIRED", "EXPIRED", reason=reason)
