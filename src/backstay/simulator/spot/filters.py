"""Spot's filters: -1013 "Filter failure: <NAME>" (`binance-spot.md` section 9)."""

from decimal import Decimal

from backstay.simulator.numbers import ZERO, on_grid
from backstay.simulator.spot.accounts import SpotAccount
from backstay.simulator.spot.errors import filtered
from backstay.simulator.spot.orders import SpotOrder
from backstay.simulator.spot.specs import SpotSpec
from backstay.simulator.spot.world import SpotWorld


def check(world: SpotWorld, account: SpotAccount, order: SpotOrder) -> None:
    """Every filter that a new order must pass, in the order of exchangeInfo."""
    spec = world.specs[order.symbol]
    for price in (order.price, order.stop_price):
        if price:
            _price(spec, price)
    _percent(world, spec, order)
    _lots(spec, order)
    _notional(world, spec, order)
    _trailing(spec, order)
    _counts(world, account, spec, order)
    if spec.max_position is not None and order.buys:
        held = account.free(spec.base) + account.locked(spec.base)
        coming = sum((o.left for o in world.orders.open_of(account.name, spec.symbol) if o.buys), ZERO)
        if held + coming + order.qty > spec.max_position:
            raise filtered("MAX_POSITION")


def _price(spec: SpotSpec, price: Decimal) -> None:
    low = spec.min_price and price < spec.min_price
    high = spec.max_price and price > spec.max_price
    if low or high or (spec.tick and not on_grid(price, spec.tick)):
        raise filtered("PRICE_FILTER")


def _percent(world: SpotWorld, spec: SpotSpec, order: SpotOrder) -> None:
    reference = world.markets[spec.symbol].reference(world.now)
    up, down = spec.bid if order.buys else spec.ask
    for price in (order.price, order.stop_price):
        if price and not reference * down <= price <= reference * up:
            raise filtered("PERCENT_PRICE_BY_SIDE")
        if price and spec.percent_price is not None:
            highest, lowest = spec.percent_price
            if not reference * lowest <= price <= reference * highest:
                raise filtered("PERCENT_PRICE")


def _lots(spec: SpotSpec, order: SpotOrder) -> None:
    for qty in (order.qty, order.iceberg):
        if qty and (not spec.min_qty <= qty <= spec.max_qty or not on_grid(qty, spec.step)):
            raise filtered("LOT_SIZE")
    if order.type == "MARKET" and order.qty:
        off = spec.market_step and not on_grid(order.qty, spec.market_step)
        if not spec.market_min_qty <= order.qty <= spec.market_max_qty or off:
            raise filtered("MARKET_LOT_SIZE")
    if order.iceberg and -(-order.qty // order.iceberg) > spec.iceberg_parts:
        raise filtered("ICEBERG_PARTS")


def notional_of(world: SpotWorld, order: SpotOrder) -> Decimal:
    """What NOTIONAL measures: price * quantity, with the reference price for a kind without a limit."""
    if order.quote_qty:
        return order.quote_qty
    if order.is_limit:
        return order.price * order.qty
    market = world.markets[order.symbol]
    return order.qty * (order.stop_price or market.reference(world.now))


def _notional(world: SpotWorld, spec: SpotSpec, order: SpotOrder) -> None:
    value = notional_of(world, order)
    market = not order.is_limit
    if value < spec.min_notional and (not market or spec.apply_min_to_market):
        raise filtered("NOTIONAL")
    if value > spec.max_notional and (not market or spec.apply_max_to_market):
        raise filtered("NOTIONAL")
    if spec.old_min_notional is not None and value < spec.old_min_notional:
        raise filtered("MIN_NOTIONAL")


def _trailing(spec: SpotSpec, order: SpotOrder) -> None:
    if not order.trailing:
        return
    above = order.buys == order.type.startswith("STOP")
    low, high = spec.trailing[:2] if above else spec.trailing[2:]
    if not low <= order.trailing <= high:
        raise filtered("TRAILING_DELTA")


def _counts(world: SpotWorld, account: SpotAccount, spec: SpotSpec, order: SpotOrder) -> None:
    if order.type == "MARKET":
        return
    mine = list(world.orders.open_of(account.name, spec.symbol))
    if len(mine) >= spec.max_orders:
        raise filtered("MAX_NUM_ORDERS")
    if order.is_algo and sum(1 for o in mine if o.is_algo) >= spec.max_algo_orders:
        raise filtered("MAX_NUM_ALGO_ORDERS")
    if order.iceberg and sum(1 for o in mine if o.iceberg) >= spec.max_iceberg_orders:
        raise filtered("MAX_NUM_ICEBERG_ORDERS")


def check_lists(world: SpotWorld, account: SpotAccount, spec: SpotSpec) -> None:
    """MAX_NUM_ORDER_LISTS of a symbol, before a new list."""
    lists = world.orders.lists_of(account.name)
    if sum(1 for found in lists if not found.done and found.symbol == spec.symbol) >= spec.max_lists:
        raise filtered("MAX_NUM_ORDER_LISTS")
