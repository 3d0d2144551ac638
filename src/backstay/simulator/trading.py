"""Regular orders from acceptance to rest: reading a request, meeting the book at once, queueing."""

from decimal import Decimal

from backstay.simulator import aftermath, checks, execution, filters, matching
from backstay.simulator import requests as rq
from backstay.simulator.accounts import Account
from backstay.simulator.algo_orders import KINDS
from backstay.simulator.errors import refusal
from backstay.simulator.fills import slipped, split, sweep
from backstay.simulator.market import Market
from backstay.simulator.numbers import MS, ZERO, cut, floor_to
from backstay.simulator.orders import Order
from backstay.simulator.specs import SymbolSpec
from backstay.simulator.world import World

_GTD_LEAST_MS = 600_000
_GTD_MOST_MS = 253_402_300_799_000


def good_till(world: World, params: rq.Params, tif: str) -> int:
    """goodTillDate in ms, cut to seconds; only with GTD, then mandatory. -5040 out of range."""
    value = rq.integer(params, "goodTillDate")
    if tif != "GTD":
        if value:
            raise refusal(-1106, "goodtilldate")
        return 0
    if value is None:
        raise refusal(-1102, "goodTillDate")
    if not world.now_ms + _GTD_LEAST_MS < value < _GTD_MOST_MS:
        raise refusal(-5040)
    return value // 1000 * 1000


def matched_price(world: World, spec: SymbolSpec, name: str, *, buys: bool) -> Decimal:
    """The price that a priceMatch mode stands for now; -5041 where the book has no such level."""
    mode, _, depth = name.partition("_")
    upward = buys == (mode == "OPPONENT")
    levels = list(world.markets[spec.symbol].depth(upward).levels(int(depth or 1)))
    if len(levels) < int(depth or 1):
        raise refusal(-5041)
    return levels[-1][0]


def price_and_match(world: World, spec: SymbolSpec, params: rq.Params, *, buys: bool) -> tuple[Decimal, str]:
    """(price, priceMatch) of a limit kind: one of the two must be given, not both."""
    mode = rq.text(params, "priceMatch")
    if mode is None or mode == "NONE":
        return rq.required_decimal(params, "price"), "NONE"
    if mode not in rq.PRICE_MATCHES:
        raise refusal(-5037)
    if params.get("price") is not None:
        raise refusal(-1106, "price")
    return matched_price(world, spec, mode, buys=buys), mode


def read(world: World, account: Account, params: rq.Params) -> Order:
    """The order that a request describes, filters checked, nothing changed."""
    spec = rq.symbol(world, params)
    side = rq.choice(params, "side", rq.SIDES, -1117)
    kind = rq.required(params, "type")
    if kind in KINDS:
        raise refusal(-4120)
    if kind not in {"LIMIT", "MARKET"}:
        raise refusal(-1116)
    if (params.get("closePosition") or "").lower() == "true":
        raise refusal(-4136, kind, "true")
    position_side = rq.position_side(params, hedge=account.hedge)
    reduce_only = rq.reduce_only(params, hedge=account.hedge)
    client_id = rq.client_id(params, "newClientOrderId")
    rq.choice(params, "newOrderRespType", ("ACK", "RESULT"), -1136, default="ACK")
    stp = rq.choice(
        params, "selfTradePreventionMode", rq.STP_MODES, -5039, default=world.settings.default_stp
    )
    market = world.markets[spec.symbol]
    buys = side == "BUY"
    price, match, tif = ZERO, "NONE", "GTC"
    if kind == "LIMIT":
        tif = rq.choice(params, "timeInForce", rq.TIFS, -1115)
        price, match = price_and_match(world, spec, params, buys=buys)
        filters.price_ok(spec, price)
    else:
        rq.forbid(params, "timeInForce", "price")
        if params.get("priceMatch") not in {None, "NONE"}:
            raise refusal(-5038)
    gtd = good_till(world, params, tif)
    qty = rq.required_decimal(params, "quantity")
    filters.qty_ok(spec, qty, market=kind == "MARKET")
    order = Order(
        account=account.name,
        symbol=spec.symbol,
        side=side,
        position_side=position_side,
        kind=kind,
        tif=tif,
        qty=qty,
        price=price,
        client_id=client_id or world.random_id(),
    )
    order.reduce_only = reduce_only or (account.hedge and order.reduces(hedge=True))
    order.price_match, order.stp, order.gtd = match, stp, gtd
    _check_prices(spec, market, account, order)
    return order


def _check_prices(spec: SymbolSpec, market: Market, account: Account, order: Order) -> None:
    if order.type == "LIMIT":
        filters.percent_price_ok(spec, buys=order.buys, price=order.price, mark=market.mark)
    else:
        filters.best_price_ok(spec, market, buys=order.buys)
    if not order.reduces(account.hedge):
        basis = order.price if order.type == "LIMIT" else market.mark
        filters.notional_ok(spec, order.qty * basis)


def refuse_by_time_in_force(world: World, order: Order) -> None:
    """-5022 for a post-only order that would take, -5021 for a FOK that cannot fill at once."""
    market = world.markets[order.symbol]
    if order.tif in {"GTX", "RPI"} and not world.settings.gtx_expires:
        if matching.crosses(order.buys, order.price, market.bid, market.ask):
            raise refusal(-5022)
    elif order.tif == "FOK":
        parts = _takes(world, order, market)
        if sum((qty for _, qty in parts), ZERO) < order.qty:
            raise refusal(-5021)


def _takes(world: World, order: Order, market: Market) -> list[tuple[Decimal, Decimal]]:
    """What an order would take from the book right now."""
    spec = market.spec
    if order.type == "MARKET":
        limit = filters.take_limit(spec, market.mark, buys=order.buys)
    else:
        limit = order.price
    want = order.left
    if order.reduces(world.accounts[order.account].hedge):
        amount = checks.position_amount(world.accounts[order.account], order)
        against = amount < 0 if order.buys else amount > 0
        want = min(want, abs(amount)) if against else ZERO
    levels = market.depth(upward=order.buys).levels(world.settings.depth_levels)
    parts = sweep(levels, want, buys=order.buys, limit=limit, skip=market.taken[order.buys])
    share = world.faults.slippage
    if share:
        parts = [(slipped(p, share, buys=order.buys, tick=spec.tick, limit=limit), q) for p, q in parts]
    return parts


def largest_fill(world: World, symbol: str, qty: Decimal) -> Decimal | None:
    """How large one trade may be by the faults in force; None: no limit."""
    most = world.faults.max_fill_qty
    cap = most.get(symbol, most.get("*"))
    if world.chance(world.faults.partial_probability):
        half = max(world.specs[symbol].step, floor_to(qty / 2, world.specs[symbol].step))
        cap = half if cap is None else min(cap, half)
    return cap


def start(world: World, order: Order) -> None:
    """Everything timed about an accepted order."""
    if order.gtd:
        world.at(order.gtd * MS, "gtd", order.id)


def meet_book(world: World, order: Order) -> None:
    """Let a new (or moved) order take what it can, then rest or expire; the account is settled after it."""
    account = world.accounts[order.account]
    market = world.markets[order.symbol]
    if order.tif in {"GTX", "RPI"} and matching.crosses(order.buys, order.price, market.bid, market.ask):
        execution.expire(world, order, "0")
        return
    parts = _takes(world, order, market)
    parts, stopped = _prevent_self_trade(world, order, parts)
    total = sum((qty for _, qty in parts), ZERO)
    before = checks.position_amount(account, order)
    for price, qty in split(parts, largest_fill(world, order.symbol, total), market.spec.step):
        execution.fill(world, order, price, qty, maker=False)
    market.taken[order.buys] += total
    if order.open:
        _rest(world, account, order, market, stopped=stopped)
    after = checks.position_amount(account, order)
    reduced = before != after and (abs(after) < abs(before) or before * after < 0)
    aftermath.settle(world, account, order.symbol, reduced=reduced)


def _rest(world: World, account: Account, order: Order, market: Market, *, stopped: bool) -> None:
    """What happens to the part that did not fill at once."""
    gone = order.reduces(account.hedge) and not checks.position_amount(account, order)
    if stopped:
        if order.tif == "IOC" or order.type == "MARKET":
            execution.end(world, order, "EXPIRED_IN_MATCH", "EXPIRED", "3")
        else:
            execution.knocked_by_stp(world, order)
    elif gone:
        execution.expire(world, order, "4")
    elif order.type == "MARKET" or order.tif in {"IOC", "FOK"}:
        execution.expire(world, order, "2")
    else:
        queue_up(world, order, market)


def queue_up(world: World, order: Order, market: Market) -> None:
    """Stand behind what the book shows at the order's price."""
    ahead = market.depth(upward=not order.buys).at(order.price)
    order.queue = cut(ahead * world.settings.queue_share, market.spec.qty_places)
    if order.executed:
        order.queue = ZERO


def _prevent_self_trade(
    world: World, order: Order, parts: list[tuple[Decimal, Decimal]]
) -> tuple[list[tuple[Decimal, Decimal]], bool]:
    """Self-trade prevention against own resting orders within reach; returns (parts left, taker stops)."""
    if not parts or order.stp == "NONE":
        return parts, False
    own = world.orders.open_of(order.account, order.symbol)
    met = matching.own_conflicts(order.buys, parts[-1][0], own)
    if not met:
        return parts, False
    if order.stp in {"EXPIRE_MAKER", "EXPIRE_BOTH"}:
        for other in met if order.stp == "EXPIRE_MAKER" else met[:1]:
            execution.knocked_by_stp(world, other)
    if order.stp == "EXPIRE_MAKER":
        return parts, False
    edge = met[0].price
    return [(p, q) for p, q in parts if (p < edge if order.buys else p > edge)], True


def on_trade(world: World, symbol: str, price: Decimal, qty: Decimal, *, buyer_maker: bool) -> None:
    """The market has traded: fill the resting orders that it reached."""
    if not world.orders.touched(symbol, price, price):
        return
    room, model = qty, world.settings.fill_model
    for order in list(world.orders.open_in(symbol)):
        if not order.open:
            continue
        got, order.queue = matching.hit_by_trade(order, price, room, buyer_maker=buyer_maker, model=model)
        if got:
            room -= min(room, got) if order.price == price else ZERO
            fill_resting(world, order, got)


def on_quote(world: World, symbol: str, bid: Decimal, ask: Decimal) -> None:
    """The book has moved: whatever it has crossed has filled."""
    if not world.orders.touched(symbol, ask, bid):
        return
    for order in list(world.orders.open_in(symbol)):
        if order.open and matching.hit_by_quote(order, bid, ask):
            fill_resting(world, order, order.left)


def fill_resting(world: World, order: Order, qty: Decimal) -> None:
    """Fill a resting order as maker at its own price, within the faults' largest fill and its position."""
    account = world.accounts[order.account]
    before = checks.position_amount(account, order)
    cap = largest_fill(world, order.symbol, qty)
    if cap is not None:
        qty = min(qty, max(cap, world.specs[order.symbol].step))
    if order.reduces(account.hedge):
        qty = min(qty, abs(before))
    if qty > 0:
        execution.fill(world, order, order.price, qty, maker=True)
    after = checks.position_amount(account, order)
    reduced = abs(after) < abs(before) or before * after < 0
    aftermath.settle(world, account, order.symbol, reduced=reduced)
