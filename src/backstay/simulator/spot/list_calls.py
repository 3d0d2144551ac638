"""Placing and cancelling order lists: OCO, OTO, OTOCO, OPO, OPOCO (`binance-spot.md` section 4)."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from backstay.simulator.errors import Refusal
from backstay.simulator.spot import (
    events,
    execution,
    filters,
    lists,
    order_calls,
    reading,
    responses,
    trading,
)
from backstay.simulator.spot import requests as rq
from backstay.simulator.spot.accounts import SpotAccount
from backstay.simulator.spot.errors import (
    BAD_PRICES,
    DUPLICATE,
    NO_FUNDS,
    UNKNOWN_ORDER,
    filtered,
    refusal,
    rejected,
)
from backstay.simulator.spot.orders import OrderList, SpotOrder
from backstay.simulator.spot.world import SpotWorld

Json = dict[str, Any]
_FIELDS = {
    "Type": "type",
    "Side": "side",
    "Price": "price",
    "Quantity": "quantity",
    "StopPrice": "stopPrice",
    "TrailingDelta": "trailingDelta",
    "TimeInForce": "timeInForce",
    "ClientOrderId": "newClientOrderId",
    "IcebergQty": "icebergQty",
    "StrategyId": "strategyId",
    "StrategyType": "strategyType",
    "PegPriceType": "pegPriceType",
    "PegOffsetType": "pegOffsetType",
    "PegOffsetValue": "pegOffsetValue",
}
_PROFIT = ("LIMIT_MAKER", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT")
_LOSS = ("STOP_LOSS", "STOP_LOSS_LIMIT")


def _leg(
    world: SpotWorld,
    account: SpotAccount,
    params: rq.Params,
    prefix: str,
    fixed: dict[str, str] | None = None,
    *,
    sized: bool = True,
) -> SpotOrder:
    """One leg, from the parameters that begin with `prefix`; `fixed` are those that its list decides."""
    if params.get(prefix + "Type") is None:
        raise refusal(-1102, prefix + "Type")
    own = {plain: params[prefix + name] for name, plain in _FIELDS.items() if prefix + name in params}
    shared = {k: params[k] for k in ("symbol", "selfTradePreventionMode") if k in params}
    return reading.read(world, account, own | shared | (fixed or {}), sized=sized)


def _check_pair(world: SpotWorld, above: SpotOrder, below: SpotOrder) -> None:
    """The types and the side on which each leg stands (-1158 ... -1199), then the prices (-2010)."""
    buys = above.buys
    for leg, is_above in ((above, True), (below, False)):
        if leg.type not in _PROFIT + _LOSS:
            raise refusal(-1158)
        if leg.type == "LIMIT_MAKER" and is_above == buys:
            raise refusal(-1165 if buys else -1166)
        if leg.type in _LOSS and is_above != buys:
            raise refusal(-1196 if buys else -1197)
        if leg.type in _PROFIT[1:] and is_above == buys:
            raise refusal(-1198 if buys else -1199)
    if not above.is_algo and not below.is_algo:
        raise refusal(-1168)
    if _level(above) and _level(below) and _level(above) <= _level(below):
        raise rejected(BAD_PRICES)


def _against_market(world: SpotWorld, above: SpotOrder, below: SpotOrder) -> None:
    """Above the last price the one, below it the other; a trail without a price stands anywhere."""
    last = world.markets[above.symbol].last
    high, low = _level(above), _level(below)
    if (high and high <= last) or (low and low >= last):
        raise rejected(BAD_PRICES)


def _level(leg: SpotOrder) -> Decimal:
    return leg.stop_price if leg.is_algo else leg.price


def _open(
    world: SpotWorld, account: SpotAccount, params: rq.Params, legs: Sequence[SpotOrder], kind: str
) -> OrderList:
    """Check what holds for every list; the list, not stored yet."""
    spec = rq.symbol(world, params)
    allowed = {"OCO": spec.oco, "OTO": spec.oto}[kind]
    if not allowed:
        raise rejected(f"{kind} orders are not supported for this symbol.")
    client = rq.client_id(params, "listClientOrderId") or world.random_id()
    if any(g.client_id == client and not g.done for g in world.orders.lists_of(account.name)):
        raise rejected(DUPLICATE)
    names = [leg.client_id for leg in legs]
    if len(set(names)) != len(names):
        raise rejected(DUPLICATE)
    filters.check_lists(world, account, spec)
    for leg in legs:
        if leg.qty:
            reading.may_place(world, account, leg)
    mine = list(world.orders.open_of(account.name, spec.symbol))
    if len(mine) + len(legs) > spec.max_orders:
        raise filtered("MAX_NUM_ORDERS")
    algos = sum(1 for o in [*mine, *legs] if o.is_algo)
    if algos > spec.max_algo_orders:
        raise filtered("MAX_NUM_ALGO_ORDERS")
    return OrderList(0, account.name, spec.symbol, kind, client, list(legs))


def _store(world: SpotWorld, group: OrderList, origin: str) -> None:
    """Number the list, accept its legs and tell of them, then EXEC_STARTED."""
    group.id = world.list_id()
    group.at = world.now
    world.orders.lists[group.id] = group
    for leg in group.legs:
        leg.list_id = group.id
        leg.origin = origin
        leg.pending = group.working is not None and leg is not group.working
        execution.accept(world, leg)
    world.emit(group.account, events.list_status(world, group, "EXEC_STARTED", "EXECUTING"))


def _answer(world: SpotWorld, params: rq.Params, row: Json, reports: list[Json]) -> Json:
    if rq.choice(params, "newOrderRespType", rq.RESPONSES, -1130, default="RESULT") == "ACK":
        return row
    return row | {"orderReports": reports}


def oco(world: SpotWorld, account: SpotAccount, params: rq.Params, *, origin: str = "api") -> Json:
    """POST orderList/oco."""
    shared = {"side": rq.required(params, "side"), "quantity": rq.required(params, "quantity")}
    above = _leg(world, account, params, "above", shared)
    below = _leg(world, account, params, "below", shared)
    return _place_pair(world, account, params, above, below, origin)


def _place_pair(
    world: SpotWorld,
    account: SpotAccount,
    params: rq.Params,
    above: SpotOrder,
    below: SpotOrder,
    origin: str,
) -> Json:
    _check_pair(world, above, below)
    group = _open(world, account, params, (above, below), "OCO")
    _against_market(world, above, below)
    for leg in group.legs:
        if leg.type == "LIMIT_MAKER":
            trading.may_enter(world, leg)
    holder = max(group.legs, key=lambda leg: execution.need(world, leg))
    wanted = execution.need(world, holder)
    if wanted > account.free(execution.asset_of(world, holder)):
        raise rejected(NO_FUNDS)
    _store(world, group, origin)
    execution.hold(world, holder, wanted)
    for leg in group.legs:
        trading.begin(world, leg)
    world.tell_balances(account)
    row = responses.list_row(group)
    return _answer(world, params, row, [responses.report(world, leg) for leg in group.legs])


def old_oco(world: SpotWorld, account: SpotAccount, params: rq.Params) -> Json:
    """POST order/oco (deprecated): a LIMIT_MAKER and a STOP_LOSS(_LIMIT), told apart by the side."""
    side = rq.choice(params, "side", rq.SIDES, -1117)
    stops = "STOP_LOSS_LIMIT" if "stopLimitPrice" in params else "STOP_LOSS"
    limit = {"Type": "LIMIT_MAKER", "Price": rq.required(params, "price")}
    stop = {"Type": stops, "StopPrice": rq.required(params, "stopPrice")}
    if stops == "STOP_LOSS_LIMIT":
        stop["Price"] = params["stopLimitPrice"]
        stop["TimeInForce"] = rq.required(params, "stopLimitTimeInForce")
    for given, leg in (("limitClientOrderId", limit), ("stopClientOrderId", stop)):
        if given in params:
            leg["ClientOrderId"] = params[given]
    above, below = (limit, stop) if side == "SELL" else (stop, limit)
    full = dict(params)
    full |= {f"above{k}": v for k, v in above.items()} | {f"below{k}": v for k, v in below.items()}
    return oco(world, account, full)


def _working(world: SpotWorld, account: SpotAccount, params: rq.Params) -> SpotOrder:
    leg = _leg(world, account, params, "working")
    if leg.type not in {"LIMIT", "LIMIT_MAKER"}:
        raise refusal(-1116)
    return leg


def _place_after(
    world: SpotWorld,
    account: SpotAccount,
    params: rq.Params,
    working: SpotOrder,
    pending: Sequence[SpotOrder],
    *,
    sizes: bool,
    origin: str,
) -> Json:
    """A working order and what waits for it. The answer shows the pending legs as PENDING_NEW in any case."""
    group = _open(world, account, params, (working, *pending), "OTO")
    trading.may_enter(world, working)
    group.working, group.sizes_pending = working, sizes
    _store(world, group, origin)
    waiting = [responses.report(world, leg) for leg in group.pending]
    row = responses.list_row(group)
    trading.enter(world, working)
    world.tell_balances(account)
    return _answer(world, params, row, [responses.report(world, working), *waiting])


def _pending_pair(
    world: SpotWorld, account: SpotAccount, params: rq.Params, *, sized: bool, side: str
) -> list[SpotOrder]:
    shared = {"side": side}
    if sized:
        shared["quantity"] = rq.required(params, "pendingQuantity")
    above = _leg(world, account, params, "pendingAbove", shared, sized=sized)
    if params.get("pendingBelowType") is None:
        return [above]
    below = _leg(world, account, params, "pendingBelow", shared, sized=sized)
    _check_pair(world, above, below)
    return [above, below]


def oto(world: SpotWorld, account: SpotAccount, params: rq.Params, *, origin: str = "api") -> Json:
    """POST orderList/oto."""
    working = _working(world, account, params)
    pending = _leg(world, account, params, "pending")
    return _place_after(world, account, params, working, [pending], sizes=False, origin=origin)


def otoco(world: SpotWorld, account: SpotAccount, params: rq.Params, *, origin: str = "api") -> Json:
    """POST orderList/otoco."""
    working = _working(world, account, params)
    pair = _pending_pair(world, account, params, sized=True, side=rq.required(params, "pendingSide"))
    return _place_after(world, account, params, working, pair, sizes=False, origin=origin)


def _opo_working(world: SpotWorld, account: SpotAccount, params: rq.Params) -> SpotOrder:
    working = _working(world, account, params)
    if not world.specs[working.symbol].opo:
        raise rejected("OPO orders are not supported for this symbol.")
    if not working.buys or params.get("pendingSide", "SELL") != "SELL":
        raise refusal(-1222)
    rq.forbid(params, "pendingQuantity")
    return working


def opo(world: SpotWorld, account: SpotAccount, params: rq.Params) -> Json:
    """POST orderList/opo: the pending sell is sized by what the working buy receives."""
    working = _opo_working(world, account, params)
    pending = _leg(world, account, params, "pending", {"side": "SELL"}, sized=False)
    return _place_after(world, account, params, working, [pending], sizes=True, origin="api")


def opoco(world: SpotWorld, account: SpotAccount, params: rq.Params) -> Json:
    """POST orderList/opoco."""
    working = _opo_working(world, account, params)
    pair = _pending_pair(world, account, params, sized=False, side="SELL")
    return _place_after(world, account, params, working, pair, sizes=True, origin="api")


def cancel(world: SpotWorld, account: SpotAccount, params: rq.Params) -> Json:
    """DELETE orderList. -2011 when the list is unknown or over."""
    spec = rq.symbol(world, params)
    number, client = rq.which(params, "orderListId", "listClientOrderId")
    for group in world.orders.lists_of(account.name):
        named = group.id == number if number is not None else group.client_id == client
        if named and group.symbol == spec.symbol and not group.done:
            cancel_id = rq.client_id(params, "newClientOrderId") or world.random_id()
            lists.cancel(world, group, cancel_id)
            world.tell_balances(account)
            return order_calls.cancelled_list(world, group, cancel_id)
    raise Refusal(-2011, UNKNOWN_ORDER)
