"""What the venue refuses for the account's state: duplicates, counts, reduce-only rules, margin, caps."""

from decimal import Decimal

from backstay.simulator import filters, margin
from backstay.simulator.accounts import Account
from backstay.simulator.errors import refusal
from backstay.simulator.numbers import ZERO, cents
from backstay.simulator.orders import Order
from backstay.simulator.world import World


def position_amount(account: Account, order: Order) -> Decimal:
    row = account.positions.get((order.symbol, order.position_side))
    return row.amount if row else ZERO


def opening_qty(account: Account, order: Order) -> Decimal:
    """The part of an order that would make a position larger or new."""
    if order.reduces(account.hedge):
        return ZERO
    amount = position_amount(account, order)
    against = amount < 0 if order.buys else amount > 0
    return max(ZERO, order.qty - abs(amount)) if against else order.qty


def margin_price(world: World, order: Order) -> Decimal:
    """The price at which an order's margin is reckoned."""
    if order.type != "MARKET":
        return order.price
    market = world.markets[order.symbol]
    return market.ask * world.settings.market_margin_pad if order.buys else market.bid


def may_place(world: World, account: Account, order: Order) -> None:
    """All state-dependent refusals of a new order, in the order in which they are tested."""
    spec = world.specs[order.symbol]
    opening = opening_qty(account, order)
    filters.status_ok(spec, world.status(order.symbol), opens=opening > 0)
    if opening > 0:
        filters.position_control_ok(spec, buys=order.buys)
        code = world.faults.restricted.get(account.name) or world.faults.restricted.get("*")
        if code is not None:
            raise refusal(code)
    if world.orders.client_id_open(account.name, order.client_id):
        raise refusal(-4116)
    if order.type == "LIMIT":
        count = sum(1 for _ in world.orders.open_of(account.name, order.symbol))
        if count >= spec.max_orders:
            raise refusal(-2025)
    if order.reduces(account.hedge):
        _may_reduce(world, account, order)
    else:
        afford(world, account, order, order.qty * margin_price(world, order))


def _may_reduce(world: World, account: Account, order: Order) -> None:
    """-2022 without an opposite position or with its size already covered; -2024, -4118 (section 11)."""
    amount = position_amount(account, order)
    against = amount < 0 if order.buys else amount > 0
    if not against:
        raise refusal(-2022)
    size = abs(amount)
    same_side = [
        o
        for o in world.orders.open_of(account.name, order.symbol)
        if o.position_side == order.position_side and o.buys == order.buys
    ]
    covered = sum((o.left for o in same_side if o.reduces(account.hedge)), ZERO)
    if covered >= size and not order.knocks_out:
        raise refusal(-2022)
    if account.hedge:
        if order.qty + (ZERO if order.knocks_out else covered) > size:
            raise refusal(-2024)
        return
    stacked = sum((o.left for o in same_side if not o.reduces(hedge=False)), ZERO)
    if stacked and stacked + order.qty > size:
        extra = (order.position_side, order.buys, order.qty * margin_price(world, order))
        more = margin.order_margin(world, account, order.symbol, extra=extra)
        more -= margin.order_margin(world, account, order.symbol)
        if more > margin.for_symbol(world, account, order.symbol).available:
            raise refusal(-4118)


def afford(
    world: World, account: Account, order: Order, notional: Decimal, *, without: Order | None = None
) -> None:
    """-2027 beyond the position cap at this leverage; -2019 when the order margin does not fit."""
    symbol, side = order.symbol, order.position_side
    held, worst = margin.exposure(world, account, symbol, side, extra=(order.buys, notional), without=without)
    _same, before = margin.exposure(world, account, symbol, side)
    if worst <= before:
        return
    setup = account.setup(symbol)
    if worst > held and worst > world.specs[symbol].cap_at(setup.leverage):
        raise refusal(-2027)
    needed = cents((worst - before) / setup.leverage)
    if needed > margin.for_symbol(world, account, symbol).available:
        raise refusal(-2019)
