"""Orders meet the market: what a new order takes, what rests, what a trade or a quote fills or triggers."""

from decimal import Decimal

from backstay.simulator import matching
from backstay.simulator.fills import slipped, split, sweep
from backstay.simulator.numbers import ZERO, cut, floor_to
from backstay.simulator.spot import execution, lists, prevention
from backstay.simulator.spot.errors import NO_FUNDS, WOULD_TAKE, WOULD_TRIGGER, rejected
from backstay.simulator.spot.market import SpotMarket
from backstay.simulator.spot.orders import SpotOrder
from backstay.simulator.spot.world import SpotWorld

type Parts = list[tuple[Decimal, Decimal]]


def may_enter(world: SpotWorld, order: SpotOrder, *, funds: Decimal | None = None) -> None:
    """-2010 where the book or the balance forbids the order now. `funds`: free balance to reckon with."""
    market = world.markets[order.symbol]
    if order.type == "LIMIT_MAKER" and matching.crosses(order.buys, order.price, market.bid, market.ask):
        raise rejected(WOULD_TAKE)
    if order.waiting and not order.trailing and _fires(order, market.last):
        raise rejected(WOULD_TRIGGER)
    account = world.accounts[order.account]
    free = account.free(execution.asset_of(world, order)) if funds is None else funds
    if _price_of(world, order) > free:
        raise rejected(NO_FUNDS)


def _price_of(world: SpotWorld, order: SpotOrder) -> Decimal:
    """What placing the order takes from the free balance."""
    if order.type != "MARKET":
        return execution.need(world, order)
    parts, _ = _takes(world, order)
    if order.buys:
        return sum((p * q for p, q in parts), ZERO)
    return sum((q for _, q in parts), ZERO) if order.quote_qty else order.qty


def size_by_quote(world: SpotWorld, order: SpotOrder) -> None:
    """Give an order by quote amount the quantity that the amount pays for now."""
    if order.quote_qty:
        order.qty = sum((q for _, q in _takes(world, order)[0]), ZERO)


def enter(world: SpotWorld, order: SpotOrder) -> None:
    """An accepted order starts to live: it locks, takes what it can, rests, waits or expires.

    The caller tells the balances (`SpotWorld.tell_balances`) when its whole action is over.
    """
    if order.type != "MARKET":
        execution.hold(world, order, execution.need(world, order))
    if not order.waiting:
        meet_book(world, order)
    else:
        _start_trail(world, order, world.markets[order.symbol].last)


def awaken(world: SpotWorld, order: SpotOrder) -> None:
    """What the list of a changed order has still to do: pending legs enter, a pair locks once."""
    legs = lists.after(world, order)
    if not legs:
        return
    holder = max(legs, key=lambda leg: execution.need(world, leg))
    wanted = execution.need(world, holder)
    account = world.accounts[order.account]
    if not wanted or wanted > account.free(holder.lock_asset):
        for leg in legs:
            execution.end(world, leg, "EXPIRED", "EXPIRED", reason="REJECTED", reject="INSUFFICIENT_BALANCES")
        _finish(world, order)
        return
    for leg in legs:
        execution.announce(world, leg)
    execution.hold(world, holder, wanted)
    for leg in legs:
        if leg.open:
            begin(world, leg)


def begin(world: SpotWorld, leg: SpotOrder) -> None:
    market = world.markets[leg.symbol]
    if leg.waiting:
        _start_trail(world, leg, market.last)
        if not leg.trailing and _fires(leg, market.last):
            trigger(world, leg)
    elif leg.type == "LIMIT_MAKER" and matching.crosses(leg.buys, leg.price, market.bid, market.ask):
        execution.end(world, leg, "EXPIRED", "EXPIRED", reason="REJECTED", reject="WOULD_MATCH_IMMEDIATELY")
        awaken(world, leg)
    else:
        meet_book(world, leg)


def _finish(world: SpotWorld, order: SpotOrder) -> None:
    group = world.orders.list_of(order)
    if group is not None:
        lists.finish(world, group)


def _takes(world: SpotWorld, order: SpotOrder) -> tuple[Parts, bool]:
    """What the order would take from the book now, and whether the price-range rule cut it short."""
    market = world.markets[order.symbol]
    limit = order.price if order.is_limit else None
    bound = _range_bound(world, market, order)
    ruled = bound is not None and (limit is None or (bound < limit if order.buys else bound > limit))
    edge = bound if ruled else limit
    want = order.left
    levels = market.depth(upward=order.buys).levels(world.settings.depth_levels)
    if order.quote_qty:
        want = floor_to(market.rules.max_qty, market.rules.step)
    parts = sweep(levels, want, buys=order.buys, limit=edge, skip=market.taken[order.buys])
    share = world.faults.slippage
    tick = market.rules.tick
    parts = [(slipped(p, share, buys=order.buys, tick=tick, limit=limit), q) for p, q in parts]
    if order.quote_qty:
        parts = _within(parts, order.quote_qty, market.rules.step)
    full = sum((q for _, q in parts), ZERO) >= want
    if order.tif == "FOK" and not full:
        return [], False
    return parts, ruled and not full and not order.quote_qty


def _within(parts: Parts, budget: Decimal, step: Decimal) -> Parts:
    """The parts that a quote amount pays for, whole steps."""
    out: Parts = []
    for price, qty in parts:
        bought = min(qty, floor_to(budget / price, step))
        if bought > 0:
            out.append((price, bought))
            budget -= price * bought
        if bought < qty:
            break
    return out


def _range_bound(world: SpotWorld, market: SpotMarket, order: SpotOrder) -> Decimal | None:
    rule, reference = market.rules.price_range, market.rules.reference_price
    if rule is None or reference is None:
        return None
    return reference * (rule[0] if order.buys else rule[1])


def meet_book(world: SpotWorld, order: SpotOrder) -> None:
    """Let an order take what it can, then rest or expire; its list follows."""
    market = world.markets[order.symbol]
    parts, ruled = _takes(world, order)
    if order.is_algo and order.buys and not order.is_limit:
        account = world.accounts[order.account]
        parts = _within(parts, order.lock + account.free(order.lock_asset), market.rules.step)
    works = bool(parts)
    if works:
        lists.seize(world, order)
    parts, stopped = prevention.prevent(world, order, parts, awaken)
    total = sum((q for _, q in parts), ZERO)
    for price, qty in split(parts, _largest(world, order.symbol, total), market.rules.step):
        execution.fill(world, order, price, qty, maker=False)
    market.taken[order.buys] += total
    if works:
        lists.part(world, order)
    if order.open:
        _rest(world, order, market, ruled=ruled, stopped=stopped)
    awaken(world, order)


def _rest(world: SpotWorld, order: SpotOrder, market: SpotMarket, *, ruled: bool, stopped: bool) -> None:
    """What happens to the part that did not fill at once."""
    if stopped:
        return
    if ruled:
        execution.expire(world, order, "EXECUTION_RULE_PRICE_RANGE_EXCEEDED")
    elif not order.is_limit:
        execution.expire(world, order, "INSUFFICIENT_LIQUIDITY")
    elif order.tif == "IOC":
        execution.expire(world, order, "UNFILLED_IOC_QUANTITY_EXPIRED")
    elif order.tif == "FOK":
        execution.expire(world, order, "UNFILLED_FOK_ORDER_EXPIRED")
    else:
        ahead = market.depth(upward=not order.buys).at(order.price)
        order.queue = ZERO if order.executed else cut(ahead * world.settings.queue_share, 8)
        execution.hold(world, order, execution.need(world, order) if _holds(world, order) else order.lock)


def _holds(world: SpotWorld, order: SpotOrder) -> bool:
    """Whether an order carries its own lock; the second leg of a pair does not."""
    group = world.orders.list_of(order)
    other = group.pair_of(order) if group else None
    return other is None or not other.open


def _largest(world: SpotWorld, symbol: str, qty: Decimal) -> Decimal | None:
    """The largest fill that faults in force allow; None: no limit."""
    step = world.specs[symbol].step
    most = world.faults.max_fill_qty
    cap = most.get(symbol, most.get("*"))
    if world.chance(world.faults.partial_probability):
        half = max(step, floor_to(qty / 2, step))
        cap = half if cap is None else min(cap, half)
    return cap


def on_trade(world: SpotWorld, symbol: str, price: Decimal, qty: Decimal, *, buyer_maker: bool) -> None:
    """The market has traded: fill the resting orders that it reached, then look at the stops."""
    if world.orders.touched(symbol, price, price):
        room, model = qty, world.settings.fill_model
        for order in world.orders.open_in(symbol):
            if not order.resting:
                continue
            got, order.queue = matching.hit_by_trade(order, price, room, buyer_maker=buyer_maker, model=model)
            if got:
                room -= min(room, got) if order.price == price else ZERO
                fill_resting(world, order, got)
    if world.orders.has_stops(symbol):
        on_last(world, symbol, price)


def on_quote(world: SpotWorld, symbol: str, bid: Decimal, ask: Decimal) -> None:
    """The book has moved: whatever it has crossed has filled."""
    if not world.orders.touched(symbol, ask, bid):
        return
    for order in world.orders.open_in(symbol):
        if order.resting and matching.hit_by_quote(order, bid, ask):
            fill_resting(world, order, order.left)


def fill_resting(world: SpotWorld, order: SpotOrder, qty: Decimal) -> None:
    """Somebody trades `qty` against a resting order, at its price."""
    step = world.specs[order.symbol].step
    cap = _largest(world, order.symbol, qty)
    # what the feed trades need not be a multiple of the step
    qty = floor_to(qty if cap is None else min(qty, max(cap, step)), step)
    if qty <= 0:
        return
    lists.seize(world, order)
    execution.fill(world, order, order.price, qty, maker=True)
    lists.part(world, order)
    awaken(world, order)
    world.tell_balances(world.accounts[order.account])


def on_last(world: SpotWorld, symbol: str, last: Decimal) -> None:
    """The last price has changed: trail, and trigger what it has reached."""
    for order in world.orders.open_in(symbol):
        if not order.open or not order.waiting or order.pending:
            continue
        _start_trail(world, order, last)
        if order.trailing and order.trailing_at and order.extreme is not None:
            order.extreme = min(order.extreme, last) if order.buys else max(order.extreme, last)
        if _fires(order, last):
            trigger(world, order)
            world.tell_balances(world.accounts[order.account])


def _start_trail(world: SpotWorld, order: SpotOrder, last: Decimal) -> None:
    """A trail begins at once, or when its stop price is touched."""
    if not order.trailing or order.trailing_at:
        return
    if not order.stop_price or matching.triggers(order.type, order.buys, last, order.stop_price):
        order.trailing_at = world.now
        order.extreme = last
        order.remember(world.now)


def _fires(order: SpotOrder, last: Decimal) -> bool:
    if not order.trailing:
        return matching.triggers(order.type, order.buys, last, order.stop_price)
    if not order.trailing_at or order.extreme is None:
        return False
    return matching.trailing_fires(order.buys, order.extreme, None, Decimal(order.trailing) / 100, last)


def trigger(world: SpotWorld, order: SpotOrder) -> None:
    """A stop becomes a market or limit order; its pair expires first."""
    lists.seize(world, order)
    order.waiting = False
    order.working_at = order.update = world.now
    world.orders.changed(order)
    order.remember(world.now)
    execution.announce(world, order)
    lists.part(world, order)
    meet_book(world, order)
