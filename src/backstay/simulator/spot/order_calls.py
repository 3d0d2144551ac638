"""Placing, testing, cancelling, replacing, amending single orders (`binance-spot.md` sections 2 and 3)."""

from typing import Any

from backstay.simulator.errors import Refusal
from backstay.simulator.numbers import ZERO, money, on_grid
from backstay.simulator.spot import events, execution, filters, lists, reading, responses, trading
from backstay.simulator.spot import requests as rq
from backstay.simulator.spot.accounts import Amendment, SpotAccount
from backstay.simulator.spot.errors import NO_CHANGE, UNKNOWN_ORDER, filtered, refusal
from backstay.simulator.spot.orders import SpotOrder
from backstay.simulator.spot.world import SpotWorld

Json = dict[str, Any]


def place(world: SpotWorld, account: SpotAccount, params: rq.Params, *, origin: str = "api") -> Json:
    """POST order."""
    order = reading.read(world, account, params)
    return _submit(world, account, order, origin)


def _submit(world: SpotWorld, account: SpotAccount, order: SpotOrder, origin: str = "api") -> Json:
    reading.may_place(world, account, order)
    trading.may_enter(world, order)
    trading.size_by_quote(world, order)
    order.origin = origin
    before = len(account.trades)
    execution.accept(world, order)
    trading.enter(world, order)
    world.tell_balances(account)
    mine = [t for t in account.trades[before:] if t.order_id == order.id]
    return responses.placed(world, order, mine)


def place_test(world: SpotWorld, account: SpotAccount, params: rq.Params) -> Json:
    """POST order/test: all that is checked before the matching engine, and nothing is placed.

    With `computeCommissionRates`: the rates that the order would pay.
    """
    order = reading.read(world, account, params)
    reading.may_place(world, account, order)
    if (params.get("computeCommissionRates") or "").lower() != "true":
        return {}
    maker, taker = account.rates(order.symbol)
    none = {"maker": money(ZERO), "taker": money(ZERO)}
    return {
        "standardCommissionForOrder": {"maker": money(maker), "taker": money(taker)},
        "specialCommissionForOrder": none,
        "taxCommissionForOrder": none,
        "discount": discount(world, account),
    }


def discount(world: SpotWorld, account: SpotAccount) -> Json:
    return {
        "enabledForAccount": account.burns_bnb,
        "enabledForSymbol": True,
        "discountAsset": "BNB",
        "discount": money(world.settings.discount),
    }


def _wanted(
    world: SpotWorld, account: SpotAccount, params: rq.Params, id_name: str, client_name: str
) -> SpotOrder:
    """The open order that a cancel or amendment means. -2011, -2039."""
    spec = rq.symbol(world, params)
    number, client = rq.which(params, id_name, client_name)
    order = world.orders.find(account.name, spec.symbol, number, client)
    if order is None:
        raise Refusal(-2011, UNKNOWN_ORDER)
    if number is not None and client is not None and order.client_id != client:
        raise refusal(-2039)
    if not order.open:
        raise Refusal(-2011, UNKNOWN_ORDER)
    return order


def cancel(world: SpotWorld, account: SpotAccount, params: rq.Params) -> Json:
    """DELETE order; a leg takes its whole list with it."""
    order = _wanted(world, account, params, "orderId", "origClientOrderId")
    limits = rq.choice(params, "cancelRestrictions", ("ONLY_NEW", "ONLY_PARTIALLY_FILLED"), -1145, default="")
    if limits and order.status != limits.removeprefix("ONLY_"):
        raise Refusal(-2011, "Order was not canceled due to cancel restrictions.")
    cancel_id = rq.client_id(params, "newClientOrderId") or world.random_id()
    group = world.orders.list_of(order)
    if group is not None:
        lists.cancel(world, group, cancel_id)
    else:
        execution.end(world, order, "CANCELED", "CANCELED", cancel_id=cancel_id)
    world.tell_balances(account)
    if group is None:
        return responses.cancelled(world, order, cancel_id)
    return cancelled_list(world, group, cancel_id)


def cancelled_list(world: SpotWorld, group: Any, cancel_id: str) -> Json:
    """The answer of a cancel that ended a list."""
    reports = [responses.cancelled(world, leg, cancel_id) for leg in group.legs]
    return responses.list_row(group) | {"transactionTime": world.stamp, "orderReports": reports}


def cancel_all(world: SpotWorld, account: SpotAccount, params: rq.Params) -> list[Json]:
    """DELETE openOrders of a symbol. -2011 when nothing is open (measured)."""
    spec = rq.symbol(world, params)
    mine = list(world.orders.open_of(account.name, spec.symbol))
    if not mine:
        raise Refusal(-2011, UNKNOWN_ORDER)
    rows: list[Json] = []
    for order in mine:
        if not order.open:
            continue
        cancel_id = world.random_id()
        group = world.orders.list_of(order)
        if group is not None:
            lists.cancel(world, group, cancel_id)
            rows.append(cancelled_list(world, group, cancel_id))
        else:
            execution.end(world, order, "CANCELED", "CANCELED", cancel_id=cancel_id)
            rows.append(responses.cancelled(world, order, cancel_id))
    world.tell_balances(account)
    return rows


def _error(refused: Refusal) -> Json:
    return {"code": refused.code, "msg": refused.msg}


def cancel_replace(world: SpotWorld, account: SpotAccount, params: rq.Params) -> Json:
    """POST order/cancelReplace. Filters come before anything happens; both halves are told in any outcome."""
    mode = rq.choice(params, "cancelReplaceMode", ("STOP_ON_FAILURE", "ALLOW_FAILURE"), -1130)
    rq.choice(params, "orderRateLimitExceededMode", ("DO_NOTHING", "CANCEL_ONLY"), -1130, default="")
    rq.which(params, "cancelOrderId", "cancelOrigClientOrderId")
    fresh = reading.read(world, account, params)
    filters.check(world, account, fresh)
    cancel_params = {
        name: params[given]
        for name, given in (
            ("symbol", "symbol"),
            ("orderId", "cancelOrderId"),
            ("origClientOrderId", "cancelOrigClientOrderId"),
            ("newClientOrderId", "cancelNewClientOrderId"),
            ("cancelRestrictions", "cancelRestrictions"),
        )
        if given in params
    }
    body: Json = {
        "cancelResult": "FAILURE",
        "newOrderResult": "NOT_ATTEMPTED",
        "cancelResponse": None,
        "newOrderResponse": None,
    }
    cancelled = placed = False
    try:
        body["cancelResponse"] = cancel(world, account, cancel_params)
        body["cancelResult"], cancelled = "SUCCESS", True
    except Refusal as refused:
        body["cancelResponse"] = _error(refused)
    if cancelled or mode == "ALLOW_FAILURE":
        try:
            body["newOrderResponse"] = _submit(world, account, fresh)
            body["newOrderResult"], placed = "SUCCESS", True
        except Refusal as refused:
            body["newOrderResult"], body["newOrderResponse"] = "FAILURE", _error(refused)
    if cancelled and placed:
        return body
    if cancelled or placed:
        raise Refusal(-2021, "Order cancel-replace partially failed.", 409, body)
    raise Refusal(-2022, "Order cancel-replace failed.", 400, body)


def _amendable(world: SpotWorld, params: rq.Params, order: SpotOrder) -> None:
    spec = world.specs[order.symbol]
    if not spec.amend:
        raise Refusal(-2038, "Order amend is not supported for this symbol.")
    if order.amends >= spec.max_amends:
        raise Refusal(-2038, "The requested action exceeded the maximum number of amendments of the order.")
    size = rq.needed(params, "newQty", "quantity")
    if size == order.qty:
        raise Refusal(-2038, NO_CHANGE)
    if size > order.qty:
        raise Refusal(-2038, "Order amend (quantity increase) is not supported.")
    if size < spec.min_qty or not on_grid(size, spec.step):
        raise filtered("LOT_SIZE")
    if order.is_limit and size * order.price < spec.min_notional:
        raise filtered("NOTIONAL")


def amend(world: SpotWorld, account: SpotAccount, params: rq.Params) -> Json:
    """PUT order/amend/keepPriority: a smaller quantity, the same place in the queue. -2038.

    A quantity at or below what has been filled makes the order expire (inferred).
    """
    order = _wanted(world, account, params, "orderId", "origClientOrderId")
    _amendable(world, params, order)
    size = rq.needed(params, "newQty", "quantity")
    old_client, old_qty = order.client_id, order.qty
    order.client_id = rq.client_id(params, "newClientOrderId") or world.random_id()
    if order.client_id != old_client:
        world.orders.renamed(order)
    order.amends += 1
    order.update = world.now
    group = world.orders.list_of(order)
    if size <= order.executed + order.prevented:
        execution.expire(world, order, "EXCHANGE_CANCELED")
        trading.awaken(world, order)
    else:
        order.qty = size
        if order.lock:
            execution.hold(world, order, min(order.lock, _kept(world, order)))
        order.remember(world.now)
        report = events.execution_report(world, order, "REPLACED", original=old_client)
        world.emit(account.name, report)
        if group is not None and order.client_id != old_client:
            world.emit(account.name, events.list_status(world, group, "UPDATED", "EXECUTING"))
    number = world.execution_id()
    account.amendments.append(
        Amendment(world.now, order.id, number, order.symbol, old_client, order.client_id, old_qty, order.qty)
    )
    world.tell_balances(account)
    answer: Json = {
        "transactTime": world.stamp,
        "executionId": number,
        "amendedOrder": _amended(order, old_client),
    }
    if group is not None:
        row = responses.list_row(group)
        answer["listStatus"] = {k: row[k] for k in ("orderListId", "contingencyType", "listOrderStatus")} | {
            "listClientOrderId": group.client_id,
            "symbol": group.symbol,
            "orders": row["orders"],
        }
    return answer


def _kept(world: SpotWorld, order: SpotOrder) -> Any:
    """What the order, or its pair, must go on holding."""
    group = world.orders.list_of(order)
    other = group.pair_of(order) if group else None
    own = execution.need(world, order)
    return max(own, execution.need(world, other)) if other is not None and other.open else own


def _amended(order: SpotOrder, old_client: str) -> Json:
    return {
        "symbol": order.symbol,
        "orderId": order.id,
        "orderListId": order.list_id,
        "origClientOrderId": old_client,
        "clientOrderId": order.client_id,
        "price": money(order.price),
        "qty": money(order.qty),
        "executedQty": money(order.executed),
        "preventedQty": money(order.prevented),
        "quoteOrderQty": money(order.quote_qty),
        "cumulativeQuoteQty": money(order.cum_quote),
        "status": order.status,
        "timeInForce": order.tif,
        "type": order.type,
        "side": order.side,
        "workingTime": responses.working_time(order),
        "selfTradePreventionMode": order.stp,
    }
