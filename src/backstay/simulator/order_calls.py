"""Regular orders: place, cancel, modify, batches, countdown, queries (`binance-usdm.md` section 2)."""

import json
from decimal import Decimal
from typing import Any

from backstay.simulator import aftermath, checks, events, execution, filters, matching, responses, trading
from backstay.simulator import requests as rq
from backstay.simulator.accounts import Account
from backstay.simulator.errors import Refusal, refusal
from backstay.simulator.numbers import MS, plain
from backstay.simulator.orders import Order
from backstay.simulator.world import World

Json = dict[str, Any]


def place(
    world: World, account: Account, params: rq.Params, *, origin: str = "api", knocks_out: bool = False
) -> Json:
    """POST order. ACK tells of the acceptance, RESULT of the state after meeting the book."""
    order = trading.read(world, account, params)
    order.origin, order.knocks_out = origin, knocks_out
    checks.may_place(world, account, order)
    trading.refuse_by_time_in_force(world, order)
    spec = world.specs[order.symbol]
    execution.accept(world, order)
    trading.start(world, order)
    answer = responses.order_ack(spec, order)
    trading.meet_book(world, order)
    if params.get("newOrderRespType") == "RESULT":
        answer = responses.order_ack(spec, order)
    return answer


def place_test(world: World, account: Account, params: rq.Params) -> Json:
    """POST order/test: every check, no order."""
    order = trading.read(world, account, params)
    checks.may_place(world, account, order)
    trading.refuse_by_time_in_force(world, order)
    order.time = order.update_time = world.now_ms
    return responses.order_ack(world.specs[order.symbol], order)


def cancel(world: World, account: Account, params: rq.Params) -> Json:
    """DELETE order. -2011 when it is not open."""
    spec = rq.symbol(world, params)
    order_id, client_id = rq.which_order(params, "orderId", "origClientOrderId")
    order = world.orders.find(account.name, spec.symbol, order_id, client_id)
    if order is None or not order.open:
        raise refusal(-2011)
    execution.cancel(world, order)
    aftermath.settle(world, account, spec.symbol, reduced=False)
    return responses.order_ack(spec, order)


def cancel_all(world: World, account: Account, params: rq.Params) -> Json:
    """DELETE allOpenOrders of a symbol: a plain code, no list; conditional orders stay."""
    spec = rq.symbol(world, params)
    for order in list(world.orders.open_of(account.name, spec.symbol)):
        execution.cancel(world, order)
    aftermath.settle(world, account, spec.symbol, reduced=False)
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


def modify(world: World, account: Account, params: rq.Params) -> Json:
    """PUT order: keeps both ids, loses the queue; a filter violation leaves the order untouched."""
    spec = rq.symbol(world, params)
    side = rq.choice(params, "side", rq.SIDES, -1117)
    order_id, client_id = rq.which_order(params, "orderId", "origClientOrderId")
    order = world.orders.find(account.name, spec.symbol, order_id, client_id)
    if order is None or not order.open:
        raise refusal(-2013)
    if order.type != "LIMIT":
        raise refusal(-5025)
    if side != order.side:
        raise refusal(-1117)
    if world.status(spec.symbol) != "TRADING":
        raise refusal(-5024)
    if order.amends >= spec.max_modifies:
        raise refusal(-5026)
    if order.amends and world.now - order.modified_at < world.faults.pending_modify_ns:
        raise refusal(-5043)
    hint = rq.flag(params, "reduceOnly")
    if hint and not order.reduce_only:
        raise refusal(-5047)
    qty = rq.required_decimal(params, "quantity")
    price, match = trading.price_and_match(world, spec, params, buys=order.buys)
    modify_id = rq.integer(params, "modifyId")
    filters.qty_ok(spec, qty, market=False)
    filters.price_ok(spec, price)
    mark = world.markets[spec.symbol].mark
    filters.percent_price_ok(spec, buys=order.buys, price=price, mark=mark)
    if not (hint or (order.reduces(account.hedge) and account.hedge)):
        filters.notional_ok(spec, qty * price, code=-5029)
    if qty == order.qty and price == order.price:
        raise refusal(-5027)
    _amend(world, account, order, qty, price, match, "" if modify_id is None else str(modify_id))
    answer = responses.order_ack(spec, order)
    if modify_id is not None:
        answer["modifyId"] = modify_id
    return answer


def _amend(
    world: World, account: Account, order: Order, qty: Decimal, price: Decimal, match: str, modify_id: str
) -> None:
    market = world.markets[order.symbol]
    would_take = matching.crosses(order.buys, price, market.bid, market.ask)
    if (order.executed and qty <= order.executed) or (order.tif in {"GTX", "RPI"} and would_take):
        execution.cancel(world, order)
        aftermath.settle(world, account, order.symbol, reduced=False)
        return
    if not order.reduces(account.hedge):
        checks.afford(world, account, order, (qty - order.executed) * price, without=order)
    order.amends += 1
    account.amendments.append(
        {
            "amendmentId": world.tran_id(),
            "symbol": order.symbol,
            "pair": order.symbol,
            "orderId": order.id,
            "clientOrderId": order.client_id,
            "time": world.now_ms,
            "amendment": {
                "price": {"before": plain(order.price), "after": plain(price)},
                "origQty": {"before": plain(order.qty), "after": plain(qty)},
                "count": order.amends,
                "modifyId": modify_id or None,
            },
        }
    )
    order.qty, order.price, order.price_match = qty, price, match
    order.modify_id, order.modified_at, order.update_time = modify_id, world.now, world.now_ms
    world.orders.moved(order)
    order.remember(world.now)
    world.emit(order.account, events.order_update(world, order, "AMENDMENT"))
    trading.meet_book(world, order)


def _batch(params: rq.Params) -> list[dict[str, str]]:
    """The batchOrders parameter: a JSON list of at most five objects of strings."""
    try:
        rows = json.loads(rq.required(params, "batchOrders"))
    except ValueError:
        raise refusal(-1130, "batchOrders") from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise refusal(-1130, "batchOrders")
    if not 1 <= len(rows) <= 5:
        raise refusal(-4082)
    return [{k: _as_text(v) for k, v in row.items() if v is not None} for row in rows]


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _each(rows: list[dict[str, str]], call: Any) -> list[Json]:
    out: list[Json] = []
    for row in rows:
        try:
            out.append(call(row))
        except Refusal as e:
            out.append({"code": e.code, "msg": e.msg})
    return out


def place_batch(world: World, account: Account, params: rq.Params) -> list[Json]:
    """POST batchOrders: an order or {code, msg} per element, in request order."""
    return _each(_batch(params), lambda row: place(world, account, row))


def modify_batch(world: World, account: Account, params: rq.Params) -> list[Json]:
    return _each(_batch(params), lambda row: modify(world, account, row))


def cancel_batch(world: World, account: Account, params: rq.Params) -> list[Json]:
    """DELETE batchOrders: at most ten ids (-4032)."""
    spec = rq.symbol(world, params)
    lowered = {k.lower(): v for k, v in params.items()}
    by_id = lowered.get("orderidlist")
    raw = by_id or lowered.get("origclientorderidlist")
    if raw is None:
        raise refusal(-1102, "orderIdList")
    try:
        ids = json.loads(raw)
    except ValueError:
        raise refusal(-1130, "orderIdList") from None
    if not isinstance(ids, list) or not ids:
        raise refusal(-1130, "orderIdList")
    if len(ids) > 10:
        raise refusal(-4032)
    name = "orderId" if by_id else "origClientOrderId"
    rows = [{"symbol": spec.symbol, name: str(i)} for i in ids]
    return _each(rows, lambda row: cancel(world, account, row))


def countdown(world: World, account: Account, params: rq.Params) -> Json:
    """countdownCancelAll: the symbol's regular orders go when the time runs out; 0 disarms."""
    spec = rq.symbol(world, params)
    wait = rq.integer(params, "countdownTime")
    if wait is None or wait < 0:
        raise refusal(-1102, "countdownTime")
    account.countdowns.pop(spec.symbol, None)
    if wait:
        due = world.now + wait * MS
        account.countdowns[spec.symbol] = due
        world.at(due, "countdown", (account.name, spec.symbol, due))
    return {"symbol": spec.symbol, "countdownTime": str(wait)}


def _seen(world: World, order: Order) -> Order | None:
    """The order as queries see it now: lagging, and gone when its record has been dropped."""
    cutoff = world.lag("orders")
    row = order if cutoff is None else order.seen(cutoff)
    if row is None or row.open:
        return row
    age_days = (world.now_ms - row.update_time) // 86_400_000
    unfilled = row.status in {"CANCELED", "EXPIRED", "EXPIRED_IN_MATCH"} and not row.executed
    keep = world.settings.keep_canceled_days if unfilled else world.settings.keep_days
    return None if age_days >= keep else row


def query(world: World, account: Account, params: rq.Params, *, only_open: bool = False) -> Json:
    """GET order and GET openOrder. -2013 when there is none (or none open)."""
    spec = rq.symbol(world, params)
    order_id, client_id = rq.which_order(params, "orderId", "origClientOrderId")
    order = world.orders.find(account.name, spec.symbol, order_id, client_id)
    row = None if order is None else _seen(world, order)
    if row is None or (only_open and not row.open):
        raise refusal(-2013)
    return responses.order_row(spec, row)


def open_orders(world: World, account: Account, params: rq.Params) -> list[Json]:
    spec = rq.optional_symbol(world, params)
    if world.lag("orders") is None:
        rows = list(world.orders.open_of(account.name, spec.symbol if spec else None))
    else:
        mine = (_seen(world, o) for o in world.orders.all_of(account.name))
        rows = [o for o in mine if o and o.open and (spec is None or o.symbol == spec.symbol)]
    return [responses.order_row(world.specs[o.symbol], o) for o in sorted(rows, key=lambda o: o.id)]


def all_orders(world: World, account: Account, params: rq.Params) -> list[Json]:
    """GET allOrders: from orderId upwards, or a window below 7 days; without either, the newest `limit`."""
    spec = rq.optional_symbol(world, params)
    most = rq.limit(params, 500, 1000)
    from_id = rq.integer(params, "orderId")
    start, end = rq.window(params, world.now_ms, 7)
    seen = (_seen(world, o) for o in world.orders.all_of(account.name))
    rows = [o for o in seen if o is not None and (spec is None or o.symbol == spec.symbol)]
    if from_id is not None:
        rows = [o for o in rows if o.id >= from_id][:most]
    else:
        first = start if start is not None else end - 7 * 86_400_000
        rows = [o for o in rows if first <= o.time <= end]
        rows = rows[:most] if start is not None else rows[-most:]
    return [responses.order_row(world.specs[o.symbol], o, listing=True) for o in rows]


def amendments(world: World, account: Account, params: rq.Params) -> list[Json]:
    """GET orderAmendment: newest first."""
    spec = rq.symbol(world, params)
    order_id = rq.integer(params, "orderId")
    client_id = params.get("origClientOrderId")
    start, end = rq.window(params, world.now_ms, 90)
    rows = [
        row
        for row in account.amendments
        if row["symbol"] == spec.symbol
        and (order_id is None or row["orderId"] == order_id)
        and (client_id is None or row["clientOrderId"] == client_id)
        and (start or 0) <= row["time"] <= end
    ]
    return rows[::-1][: rq.limit(params, 50, 100)]
