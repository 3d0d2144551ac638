"""The algo service: conditional orders from placement to hand-over (`binance-usdm.md` section 3)."""

from decimal import Decimal
from typing import Any

from backstay.simulator import aftermath, checks, events, execution, filters, matching, responses, trading
from backstay.simulator import requests as rq
from backstay.simulator.accounts import Account
from backstay.simulator.algo_orders import KINDS, AlgoOrder
from backstay.simulator.errors import Refusal, refusal
from backstay.simulator.market import Market
from backstay.simulator.numbers import MS, ZERO, fixed
from backstay.simulator.orders import Order
from backstay.simulator.world import World

Json = dict[str, Any]
_MARKET_KINDS = ("STOP_MARKET", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET")
_WORKING = ("CONTRACT_PRICE", "MARK_PRICE")
_LEAST_RATE, _MOST_RATE = Decimal("0.1"), Decimal(20)


def working_price(market: Market, working_type: str) -> Decimal:
    return market.mark if working_type == "MARK_PRICE" else market.last


def place(world: World, account: Account, params: rq.Params, *, origin: str = "api") -> Json:
    """POST algoOrder. No margin check: that comes with the trigger."""
    algo = read(world, account, params)
    algo.origin = origin
    _may_place(world, account, algo)
    algo.id = world.algo_id()
    algo.create_time = algo.update_time = world.now_ms
    world.algos.add(algo)
    algo.remember(world.now)
    answer = responses.algo_ack(algo)
    world.emit(account.name, events.algo_update(world, algo))
    if algo.gtd:
        world.at(algo.gtd * MS, "algo_gtd", algo.id)
    if algo.trailing:
        follow(world, algo, algo.extreme)
    return answer


def read(world: World, account: Account, params: rq.Params) -> AlgoOrder:
    """The conditional order that a request describes; parameters and filters only."""
    if rq.required(params, "algoType") != "CONDITIONAL":
        raise refusal(-1130, "algoType")
    spec = rq.symbol(world, params)
    side = rq.choice(params, "side", rq.SIDES, -1117)
    kind = rq.choice(params, "type", KINDS, -1116)
    position_side = rq.position_side(params, hedge=account.hedge)
    close = rq.flag(params, "closePosition") or False
    reduce_only = False if close else rq.reduce_only(params, hedge=account.hedge)
    client_id = rq.client_id(params, "clientAlgoId")
    rq.choice(params, "newOrderRespType", ("ACK", "RESULT"), -1136, default="ACK")
    algo = AlgoOrder(
        account=account.name,
        symbol=spec.symbol,
        side=side,
        position_side=position_side,
        kind=kind,
        tif=rq.choice(params, "timeInForce", rq.TIFS, -1115, default="GTC"),
        client_id=client_id or world.random_id(),
    )
    algo.reduce_only = reduce_only or (account.hedge and algo.buys == (position_side == "SHORT"))
    algo.working_type = rq.choice(params, "workingType", _WORKING, -4031, default="CONTRACT_PRICE")
    algo.price_protect = rq.flag(params, "priceProtect") or False
    stp = world.settings.default_stp
    algo.stp = rq.choice(params, "selfTradePreventionMode", rq.STP_MODES, -5039, default=stp)
    algo.gtd = trading.good_till(world, params, algo.tif)
    if close:
        _read_close(account, algo, params)
    else:
        algo.qty = rq.required_decimal(params, "quantity")
        filters.qty_ok(spec, algo.qty, market=kind in _MARKET_KINDS)
    _read_prices(world, account, algo, params)
    return algo


def _read_close(account: Account, algo: AlgoOrder, params: rq.Params) -> None:
    """closePosition=true: market stops only, no quantity, no reduceOnly; it echoes f=GTE_GTC, R=true, q=0."""
    if algo.type not in {"STOP_MARKET", "TAKE_PROFIT_MARKET"}:
        raise refusal(-4136, algo.type, "true")
    if params.get("quantity") is not None:
        raise refusal(-4137)
    if params.get("reduceOnly") is not None:
        raise refusal(-4138)
    if account.hedge and algo.buys == (algo.position_side == "LONG"):
        raise refusal(-4136, algo.type, "true")
    algo.close_position = algo.reduce_only = True
    algo.tif = "GTE_GTC"


def _read_prices(world: World, account: Account, algo: AlgoOrder, params: rq.Params) -> None:
    spec, market = world.specs[algo.symbol], world.markets[algo.symbol]
    now = working_price(market, algo.working_type)
    if algo.trailing:
        _read_trailing(algo, params, market, now)
        if not algo.reduce_only:
            filters.notional_ok(spec, algo.qty * now)
        return
    algo.trigger = rq.required_decimal(params, "triggerPrice")
    filters.trigger_ok(spec, algo.trigger, market.mark)
    if algo.type in {"STOP", "TAKE_PROFIT"}:
        mode = params.get("priceMatch")
        if mode not in {None, "NONE"}:
            if mode not in rq.PRICE_MATCHES:
                raise refusal(-5037)
            rq.forbid(params, "price")
            algo.price_match = mode or "NONE"
        else:
            algo.price = rq.required_decimal(params, "price")
            filters.price_ok(spec, algo.price)
            filters.limit_against_trigger_ok(spec, buys=algo.buys, price=algo.price, trigger=algo.trigger)
    elif params.get("priceMatch") not in {None, "NONE"}:
        raise refusal(-5038)
    if not algo.reduce_only:
        filters.notional_ok(spec, algo.qty * (algo.price or algo.trigger))


def _read_trailing(algo: AlgoOrder, params: rq.Params, market: Market, now: Decimal) -> None:
    rate = rq.required_decimal(params, "callbackRate")
    if not _LEAST_RATE <= rate <= _MOST_RATE:
        raise refusal(-1130, "callbackRate")
    activate = rq.decimal(params, "activatePrice")
    if activate is None:
        activate = rq.decimal(params, "activationPrice")
    wrong_side = activate is not None and (
        activate <= 0 or (activate >= market.last if algo.buys else activate <= market.last)
    )
    if wrong_side:
        raise refusal(-4135)
    algo.callback_rate, algo.activate_price, algo.extreme = rate, activate, now


def _may_place(world: World, account: Account, algo: AlgoOrder) -> None:
    """State-dependent refusals: status, duplicates, the 200 limit, -4509, -4117, -4130, -2021."""
    spec, market = world.specs[algo.symbol], world.markets[algo.symbol]
    filters.status_ok(spec, world.status(algo.symbol), opens=not algo.reduce_only)
    if world.algos.client_id_open(account.name, algo.client_id):
        raise refusal(-4116)
    if sum(1 for _ in world.algos.open_of(account.name)) >= world.settings.max_algo_orders:
        raise refusal(-4045)
    if algo.close_position:
        if not aftermath.has_position(account, algo):
            raise refusal(-4509)
        _one_close_position(world, algo)
    elif (
        algo.reduce_only
        and world.settings.algo_reduce_only_needs_position
        and not aftermath.has_position(account, algo)
    ):
        raise refusal(-2022)
    if not algo.trailing:
        price = working_price(market, algo.working_type)
        if matching.triggers(algo.type, algo.buys, price, algo.trigger):
            raise refusal(-2021)


def _one_close_position(world: World, algo: AlgoOrder) -> None:
    for other in world.algos.live_in(algo.symbol):
        if (
            other.close_position
            and other.account == algo.account
            and other.type == algo.type
            and other.side == algo.side
            and other.position_side == algo.position_side
        ):
            if other.status == "NEW":
                raise refusal(-4130)
            if other.status == "TRIGGERING":
                raise refusal(-4117)


def cancel(world: World, account: Account, params: rq.Params) -> Json:
    """DELETE algoOrder, by algoId or clientAlgoId, without symbol. -2011 once triggered or ended."""
    algo_id, client_id = rq.which_order(params, "algoId", "clientAlgoId")
    algo = world.algos.find(account.name, algo_id, client_id)
    if algo is None or algo.status != "NEW":
        raise refusal(-2011)
    aftermath.close_algo(world, algo, "CANCELED")
    return responses.algo_cancelled(algo)


def cancel_all(world: World, account: Account, params: rq.Params) -> Json:
    """DELETE algoOpenOrders of a symbol."""
    spec = rq.symbol(world, params)
    for algo in list(world.algos.open_of(account.name, spec.symbol)):
        aftermath.close_algo(world, algo, "CANCELED")
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


def on_price(world: World, symbol: str, working_type: str) -> None:
    """The working price has changed: move trailing extremes, fire what is due, oldest first."""
    price = working_price(world.markets[symbol], working_type)
    if not world.algos.may_fire(symbol, working_type, price):
        return
    for algo in world.algos.waiting_in(symbol):
        if algo.status != "NEW" or algo.working_type != working_type:
            continue
        if algo.trailing:
            if follow(world, algo, price):
                fire(world, algo)
        elif matching.triggers(algo.type, algo.buys, price, algo.trigger):
            fire(world, algo)


def follow(world: World, algo: AlgoOrder, price: Decimal) -> bool:
    """Move a trailing order's extreme, tell of its activation once, and say whether it fires."""
    algo.extreme = min(algo.extreme, price) if algo.buys else max(algo.extreme, price)
    limit, rate = algo.activate_price, algo.callback_rate or ZERO
    active = limit is None or (algo.extreme <= limit if algo.buys else algo.extreme >= limit)
    if active and not algo.activated:
        algo.activated = True
        algo.update_time = world.now_ms
        algo.remember(world.now)
        world.emit(algo.account, events.algo_update(world, algo))
    return active and matching.trailing_fires(algo.buys, algo.extreme, limit, rate, price)


def fire(world: World, algo: AlgoOrder) -> None:
    """The trigger: TRIGGERING, then the child order (after the configured latency)."""
    algo.status = "TRIGGERING"
    algo.trigger_time = algo.update_time = world.now_ms
    world.algos.changed(algo)
    algo.remember(world.now)
    world.emit(algo.account, events.algo_update(world, algo))
    if algo.symbol in world.faults.stuck_symbols or world.chance(world.faults.stuck_probability):
        return
    if world.settings.trigger_latency_ns:
        world.at(world.now + world.settings.trigger_latency_ns, "child", algo.id)
    else:
        hand_over(world, algo)


def hand_over(world: World, algo: AlgoOrder) -> None:
    """Place the child in the regular store under the conditional order's client id, or reject with `rm`."""
    account = world.accounts[algo.account]
    try:
        child = _child(world, account, algo)
    except Refusal as e:
        aftermath.close_algo(world, algo, "REJECTED", e.msg)
        return
    execution.accept(world, child)
    trading.start(world, child)
    algo.actual_id, algo.actual_type = child.id, child.type
    if world.settings.child_fill_before_triggered:
        trading.meet_book(world, child)
        _triggered(world, algo, child)
        aftermath.settle(world, account, algo.symbol, reduced=False)
    else:
        _triggered(world, algo, child)
        trading.meet_book(world, child)


def _triggered(world: World, algo: AlgoOrder, child: Order) -> None:
    algo.status = "TRIGGERED"
    algo.actual_qty, algo.actual_avg = child.executed, child.average
    algo.update_time = world.now_ms
    world.algos.changed(algo)
    algo.remember(world.now)
    world.emit(algo.account, events.algo_update(world, algo))


def _child(world: World, account: Account, algo: AlgoOrder) -> Order:
    """The regular order that a trigger makes; refused as any order would be."""
    spec, market = world.specs[algo.symbol], world.markets[algo.symbol]
    reason = world.faults.trigger_reject.get(algo.symbol) or world.faults.trigger_reject.get("*")
    if reason is not None:
        raise Refusal(-2010, reason)
    if world.chance(world.faults.trigger_reject_probability):
        raise Refusal(-2010, "Order rejected by the matching engine.")
    if algo.price_protect:
        apart = abs(market.mark - market.last) / market.mark
        if apart > spec.trigger_protect:
            shown = f"{fixed(apart, 4)} > {fixed(spec.trigger_protect, 4)}"
            raise Refusal(-2010, f"Price protection: mark and last price differ too much ({shown}).")
    limit_kind = algo.type in {"STOP", "TAKE_PROFIT"}
    qty = algo.qty
    if algo.close_position:
        qty = abs(account.position(algo.symbol, algo.position_side).amount)
    child = Order(
        account=algo.account,
        symbol=algo.symbol,
        side=algo.side,
        position_side=algo.position_side,
        kind="LIMIT" if limit_kind else "MARKET",
        tif=algo.tif if limit_kind else "GTC",
        qty=qty,
        price=algo.price,
        client_id=algo.client_id,
    )
    if limit_kind and algo.price_match != "NONE":
        child.price = trading.matched_price(world, spec, algo.price_match, buys=algo.buys)
    child.algo_id, child.origin = algo.id, "algo"
    child.reduce_only, child.close_position = algo.reduce_only, algo.close_position
    child.stp, child.gtd, child.price_match = algo.stp, algo.gtd, algo.price_match
    child.working_type, child.price_protect = algo.working_type, algo.price_protect
    child.knocks_out = child.type == "MARKET"
    if limit_kind:
        filters.percent_price_ok(spec, buys=child.buys, price=child.price, mark=market.mark)
    else:
        filters.best_price_ok(spec, market, buys=child.buys)
    checks.may_place(world, account, child)
    trading.refuse_by_time_in_force(world, child)
    return child


def _seen(world: World, algo: AlgoOrder) -> AlgoOrder | None:
    cutoff = world.lag("algo")
    row = algo if cutoff is None else algo.seen(cutoff)
    if row is None or row.status in {"NEW", "TRIGGERING", "TRIGGERED"}:
        return row
    days = (world.now_ms - row.update_time) // 86_400_000
    gone = row.status in {"CANCELED", "EXPIRED", "REJECTED"}
    keep = world.settings.keep_canceled_days if gone else world.settings.keep_days
    return None if days >= keep else row


def open_orders(world: World, account: Account, params: rq.Params) -> list[Json]:
    """GET openAlgoOrders: a bare list of those that wait; a triggering one has left it."""
    spec = rq.optional_symbol(world, params)
    if world.lag("algo") is None:
        rows = list(world.algos.open_of(account.name, spec.symbol if spec else None))
    else:
        seen = (_seen(world, a) for a in world.algos.all_of(account.name))
        rows = [a for a in seen if a and a.status == "NEW" and spec in {None, world.specs[a.symbol]}]
    algo_id = rq.integer(params, "algoId")
    rows = [a for a in rows if algo_id is None or a.id == algo_id]
    return [responses.algo_open_row(a) for a in sorted(rows, key=lambda a: a.id)]


def all_orders(world: World, account: Account, params: rq.Params) -> list[Json]:
    """GET allAlgoOrders: symbol mandatory, window below 7 days."""
    spec = rq.symbol(world, params)
    most = rq.limit(params, 500, 1000)
    from_id = rq.integer(params, "algoId")
    start, end = rq.window(params, world.now_ms, 7)
    seen = (_seen(world, a) for a in world.algos.all_of(account.name))
    rows = [a for a in seen if a is not None and a.symbol == spec.symbol]
    if from_id is not None:
        rows = [a for a in rows if a.id >= from_id][:most]
    else:
        first = start if start is not None else end - 7 * 86_400_000
        rows = [a for a in rows if first <= a.create_time <= end]
        rows = rows[:most] if start is not None else rows[-most:]
    return [responses.algo_history_row(a) for a in rows]


def query(world: World, account: Account, params: rq.Params) -> Json:
    """GET algoOrder. -2013 when unknown (and at times for an order that exists: a measured flaw)."""
    algo_id, client_id = rq.which_order(params, "algoId", "clientAlgoId")
    algo = world.algos.find(account.name, algo_id, client_id)
    row = None if algo is None else _seen(world, algo)
    if row is None or world.chance(world.faults.algo_query_miss):
        raise refusal(-2013)
    return responses.algo_single(row)
