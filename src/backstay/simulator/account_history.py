"""Queries of what has happened on an account: fills, income, forced orders, isolated-margin moves."""

from typing import Any

from backstay.simulator import requests as rq
from backstay.simulator import responses
from backstay.simulator.accounts import Account
from backstay.simulator.errors import refusal
from backstay.simulator.numbers import MS
from backstay.simulator.world import World

Json = dict[str, Any]


def user_trades(world: World, account: Account, params: rq.Params) -> list[Json]:
    """GET userTrades: the *oldest* `limit` of the window; fromId not with times (-1128)."""
    spec = rq.symbol(world, params)
    most = rq.limit(params, 500, 1000)
    from_id, order_id = rq.integer(params, "fromId"), rq.integer(params, "orderId")
    if from_id is not None and (params.get("startTime") or params.get("endTime")):
        raise refusal(-1128)
    start, end = rq.window(params, world.now_ms, 7)
    if start is None and from_id is None and order_id is None:
        start = end - 7 * 86_400_000
    cutoff = world.lag("trades")
    out: list[Json] = []
    for trade in account.trades:
        at = trade.at // MS
        if (
            trade.symbol == spec.symbol
            and (order_id is None or trade.order_id == order_id)
            and (from_id is None or trade.id >= from_id)
            and (start is None or at >= start)
            and at <= end
            and (cutoff is None or trade.at <= cutoff)
        ):
            out.append(responses.trade_row(world.specs[trade.symbol], trade))
            if len(out) == most:
                break
    return out


def income(world: World, account: Account, params: rq.Params) -> list[Json]:
    """GET income: the last 7 days unless times are given; oldest first."""
    spec = rq.optional_symbol(world, params)
    kind = rq.text(params, "incomeType")
    most = rq.limit(params, 100, 1000)
    start, end = rq.window(params, world.now_ms, 93)
    first = start if start is not None else end - 7 * 86_400_000
    rows = [
        row
        for row in account.income
        if first <= row.at <= end
        and (spec is None or row.symbol == spec.symbol)
        and (kind is None or row.kind == kind)
    ]
    return [responses.income_row(row) for row in rows[:most]]


def force_orders(world: World, account: Account, params: rq.Params) -> list[Json]:
    """GET forceOrders: own liquidations and ADL, newest first."""
    spec = rq.optional_symbol(world, params)
    wanted = rq.text(params, "autoCloseType")
    if wanted not in {None, "LIQUIDATION", "ADL"}:
        raise refusal(-1130, "autoCloseType")
    most = rq.limit(params, 50, 100)
    start, end = rq.window(params, world.now_ms, 7)
    out = []
    for order_id in reversed(account.forced):
        order = world.orders.by_id[order_id]
        kind = "ADL" if order.client_id.startswith("adl") else "LIQUIDATION"
        fits = (spec is None or order.symbol == spec.symbol) and wanted in {None, kind}
        if fits and (start or 0) <= order.time <= end:
            out.append(responses.order_row(world.specs[order.symbol], order))
    return out[:most]


def margin_history(world: World, account: Account, params: rq.Params) -> list[Json]:
    spec = rq.symbol(world, params)
    kind = rq.integer(params, "type")
    most = rq.limit(params, 500, 500)
    start, end = rq.window(params, world.now_ms, 30, code=-4165)
    rows = [
        r
        for r in account.margin_moves
        if r["symbol"] == spec.symbol
        and (kind is None or r["type"] == kind)
        and (start or 0) <= r["time"] <= end
    ]
    return rows[-most:]
