"""Accepting, filling, cancelling, expiring orders; each with its frames in the documented order."""

from decimal import Decimal

from backstay.simulator import events
from backstay.simulator.accounts import Account, OwnTrade, Position
from backstay.simulator.numbers import ZERO, cents
from backstay.simulator.orders import Order
from backstay.simulator.world import World


def accept(world: World, order: Order) -> None:
    """Give the order its id, store it, tell of it with NEW."""
    order.id = world.order_id()
    order.time = order.update_time = world.now_ms
    world.orders.add(order)
    order.remember(world.now)
    world.emit(order.account, events.order_update(world, order, "NEW"))


def end(world: World, order: Order, status: str, execution_type: str, reason: str = "0") -> None:
    """The order leaves the book unfilled or partly filled: CANCELED, EXPIRED, EXPIRED_IN_MATCH."""
    order.status = status
    order.update_time = world.now_ms
    world.orders.closed(order)
    order.remember(world.now)
    world.emit(order.account, events.order_update(world, order, execution_type, reason=reason))


def cancel(world: World, order: Order) -> None:
    end(world, order, "CANCELED", "CANCELED")


def expire(world: World, order: Order, reason: str) -> None:
    end(world, order, "EXPIRED", "EXPIRED", reason)


def knocked_by_stp(world: World, order: Order) -> None:
    end(world, order, "EXPIRED_IN_MATCH", "EXPIRED", "1")


def fill(
    world: World,
    order: Order,
    price: Decimal,
    qty: Decimal,
    *,
    maker: bool,
    fee: Decimal | None = None,
    calculated: bool = False,
) -> None:
    """One trade of an order: position, wallet, userTrades, then its group of frames with equal T.

    `fee` overrides the commission (liquidation, ADL); `calculated` marks those as x=CALCULATED.
    """
    account = world.accounts[order.account]
    spec = world.specs[order.symbol]
    asset = spec.margin_asset
    if fee is None:
        rate = world.settings.maker_rate if maker else world.settings.taker_rate
        fee = cents(price * qty * rate)
    position = account.position(order.symbol, order.position_side)
    realised = book_position(world, account, position, order.buys, qty, price, fee)
    order.executed += qty
    order.cum_quote += price * qty
    order.status = "FILLED" if order.executed >= order.qty else "PARTIALLY_FILLED"
    order.update_time = world.now_ms
    if order.status == "FILLED":
        world.orders.closed(order)
    order.remember(world.now)
    trade_id = world.markets[order.symbol].next_trade_id()
    kind = "INSURANCE_CLEAR" if calculated else "COMMISSION"
    if realised:
        world.pay(account, asset, realised, "REALIZED_PNL", symbol=order.symbol, trade_id=str(trade_id))
    if fee:
        world.pay(account, asset, -fee, kind, symbol=order.symbol, trade_id=str(trade_id))
    account.trades.append(
        OwnTrade(
            trade_id,
            world.now,
            order.id,
            order.client_id,
            order.symbol,
            order.side,
            order.position_side,
            price,
            qty,
            fee,
            asset,
            realised,
            maker,
        )
    )
    trade = events.Execution(trade_id, price, qty, maker, fee, asset, realised)
    _tell(world, account, order, position, trade, calculated)


def _tell(
    world: World,
    account: Account,
    order: Order,
    position: Position,
    trade: events.Execution,
    calculated: bool,
) -> None:
    update = events.account_update(world, account, "ORDER", assets=(trade.fee_asset,), positions=(position,))
    order_frame = events.order_update(world, order, "CALCULATED" if calculated else "TRADE", trade=trade)
    if calculated:
        group = [order_frame, update]
    elif world.settings.account_update_last:
        group = [events.trade_lite(world, order, trade), order_frame, update]
    else:
        group = [events.trade_lite(world, order, trade), update, order_frame]
    for frame in group:
        world.emit(account.name, frame)


def book_position(
    world: World,
    account: Account,
    position: Position,
    buys: bool,
    qty: Decimal,
    price: Decimal,
    fee: Decimal,
) -> Decimal:
    """Apply a trade to a position: reduce, then open with the rest (a flip does both). Realised profit."""
    sign = 1 if buys else -1
    setup = account.setup(position.symbol)
    realised = ZERO
    left = qty
    if position.amount * sign < 0:
        closing = min(left, abs(position.amount))
        realised, _released = position.close(closing, price)
        left -= closing
    if left:
        margin = cents(left * price / setup.leverage) if setup.isolated else ZERO
        position.open(left, price, sign, margin)
        position.open_fees += fee * left / qty
    touch(world, account, position)
    return realised


def touch(world: World, account: Account, position: Position) -> None:
    """A position has changed: stamp it, remember it, and have its risk looked at again."""
    position.update_time = world.now_ms
    position.remember(world.now)
    account.update_time = world.now_ms
    account.safe.clear()
