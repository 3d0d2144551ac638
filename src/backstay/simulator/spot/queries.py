"""What an account may ask: orders, lists, trades, balances, rates (`binance-spot.md` sections 2, 4, 5)."""

from typing import Any

from backstay.simulator.errors import Refusal, refusal
from backstay.simulator.numbers import DAY, ZERO, Stamp, money, plain
from backstay.simulator.spot import order_calls, responses, specs
from backstay.simulator.spot import requests as rq
from backstay.simulator.spot.accounts import SpotAccount
from backstay.simulator.spot.errors import refusal as spot_refusal
from backstay.simulator.spot.orders import SpotOrder
from backstay.simulator.spot.world import SpotWorld

Json = dict[str, Any]


def _seen(world: SpotWorld, order: SpotOrder) -> SpotOrder | None:
    """The order as queries show it: late, where a fault makes them lag."""
    at = world.lag("orders")
    return order if at is None else order.seen(at)


def order(world: SpotWorld, account: SpotAccount, params: rq.Params) -> Json:
    """GET order. -2013 unknown, -2039 ids that do not belong together, -2026 archived."""
    spec = rq.symbol(world, params)
    number, client = rq.which(params, "orderId", "origClientOrderId")
    found = world.orders.find(account.name, spec.symbol, number, client)
    shown = _seen(world, found) if found else None
    if found is None or shown is None:
        raise refusal(-2013)
    if number is not None and client is not None and found.client_id != client:
        raise spot_refusal(-2039)
    if _archived(world, found):
        raise spot_refusal(-2026)
    return responses.queried(shown)


def _archived(world: SpotWorld, found: SpotOrder) -> bool:
    old = found.update < world.now - world.settings.archive_days * DAY
    return old and not found.open and not found.executed


def open_orders(world: SpotWorld, account: SpotAccount, params: rq.Params) -> list[Json]:
    name = rq.text(params, "symbol")
    spec = world.spec(name) if name else None
    if world.lag("orders") is None:
        mine = list(world.orders.open_of(account.name, spec.symbol if spec else None))
    else:
        mine = [o for o in world.orders.all_of(account.name) if spec is None or o.symbol == spec.symbol]
    shown = (_seen(world, found) for found in mine)
    return [responses.queried(o) for o in sorted((o for o in shown if o and o.open), key=lambda o: o.id)]


def all_orders(world: SpotWorld, account: SpotAccount, params: rq.Params) -> list[Json]:
    """GET allOrders: from an id on, of a time window (24 h at most), or the latest."""
    spec = rq.symbol(world, params)
    first = rq.integer(params, "orderId")
    start, end = rq.window(params, 24)
    most = rq.limit(params, 500, 1000)
    rows = [o for o in world.orders.all_of(account.name) if o.symbol == spec.symbol]
    rows = [o for o in rows if not _archived(world, o)]
    if first is not None:
        rows = [o for o in rows if o.id >= first]
    if start is not None:
        rows = [o for o in rows if o.time >= start]
    if end is not None:
        rows = [o for o in rows if o.time <= end]
    rows.sort(key=lambda o: o.id)
    forward = first is not None or start is not None
    rows = rows[:most] if forward else rows[-most:]
    return [responses.queried(o) for o in (_seen(world, row) for row in rows) if o is not None]


def amendments(world: SpotWorld, account: SpotAccount, params: rq.Params) -> list[Json]:
    spec = rq.symbol(world, params)
    number = int(rq.required(params, "orderId")) if rq.integer(params, "orderId") is not None else -1
    first = rq.integer(params, "fromExecutionId") or 0
    most = rq.limit(params, 500, 1000)
    return [
        {
            "symbol": a.symbol,
            "orderId": a.order_id,
            "executionId": a.execution_id,
            "origClientOrderId": a.old_client,
            "newClientOrderId": a.new_client,
            "origQty": money(a.old_qty),
            "newQty": money(a.new_qty),
            "time": Stamp(a.at),
        }
        for a in account.amendments
        if a.symbol == spec.symbol and a.order_id == number and a.execution_id >= first
    ][:most]


def my_trades(world: SpotWorld, account: SpotAccount, params: rq.Params) -> list[Json]:
    """GET myTrades in the documented combinations; ids from `fromId` on, else the latest. -1128."""
    spec = rq.symbol(world, params)
    number, first = rq.integer(params, "orderId"), rq.integer(params, "fromId")
    start, end = rq.window(params, 24)
    most = rq.limit(params, 500, 1000)
    if (start is not None or end is not None) and (number is not None or first is not None):
        raise refusal(-1128)
    at = world.lag("trades")
    rows = [t for t in account.trades if t.symbol == spec.symbol and (at is None or t.at <= at)]
    if number is not None:
        rows = [t for t in rows if t.order_id == number]
    if first is not None:
        rows = [t for t in rows if t.id >= first]
    if start is not None:
        rows = [t for t in rows if t.at >= start]
    if end is not None:
        rows = [t for t in rows if t.at <= end]
    rows = rows[:most] if first is not None or start is not None else rows[-most:]
    return [responses.trade_row(t) for t in rows]


def account_info(world: SpotWorld, account: SpotAccount, params: rq.Params) -> Json:
    """GET account. Its update time is that of the last change in it: a copy that lags has an earlier one."""
    omit = rq.flag(params, "omitZeroBalances") or False
    maker, taker = account.maker, account.taker
    at = world.lag("balances")
    rows, update = [], 0
    for asset, row in account.balances.items():
        shown = row if at is None else row.seen(at)
        if shown is None:
            continue
        update = max(update, shown.update)
        if shown.free or shown.locked or not omit:
            rows.append({"asset": asset, "free": money(shown.free), "locked": money(shown.locked)})
    able = account.name not in world.faults.restricted and "*" not in world.faults.restricted
    return {
        "makerCommission": int(maker * 10_000),
        "takerCommission": int(taker * 10_000),
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": {
            "maker": money(maker),
            "taker": money(taker),
            "buyer": money(ZERO),
            "seller": money(ZERO),
        },
        "canTrade": able,
        "canWithdraw": True,
        "canDeposit": True,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": Stamp(update),
        "accountType": "SPOT",
        "balances": rows,
        "permissions": ["SPOT"],
        "uid": account.uid,
    }


def commission(world: SpotWorld, account: SpotAccount, params: rq.Params) -> Json:
    """GET account/commission."""
    spec = rq.symbol(world, params)
    maker, taker = account.rates(spec.symbol)
    none = {name: money(ZERO) for name in ("maker", "taker", "buyer", "seller")}
    return {
        "symbol": spec.symbol,
        "standardCommission": none | {"maker": money(maker), "taker": money(taker)},
        "specialCommission": none,
        "taxCommission": none,
        "discount": order_calls.discount(world, account),
    }


def trade_fee(world: SpotWorld, account: SpotAccount, params: rq.Params) -> list[Json]:
    """The wallet's tradeFee, where clients look for the rates of one pair or of all."""
    name = rq.text(params, "symbol")
    rows = []
    for symbol in world.specs if name is None else [world.spec(name).symbol]:
        maker, taker = account.rates(symbol)
        rows.append({"symbol": symbol, "makerCommission": plain(maker), "takerCommission": plain(taker)})
    return rows


def prevented_matches(world: SpotWorld, account: SpotAccount, params: rq.Params) -> list[Json]:
    spec = rq.symbol(world, params)
    number, match = rq.integer(params, "orderId"), rq.integer(params, "preventedMatchId")
    if number is None and match is None:
        raise Refusal(-1102, "Param 'preventedMatchId' or 'orderId' must be sent, but both were empty/null!")
    first = rq.integer(params, "fromPreventedMatchId") or 0
    most = rq.limit(params, 500, 1000)
    rows: list[Json] = []
    for p in account.prevented:
        named = match == p.id or number in {p.taker_id, p.maker_id}
        if p.symbol != spec.symbol or not named or p.id < first:
            continue
        row: Json = {
            "symbol": p.symbol,
            "preventedMatchId": p.id,
            "takerOrderId": p.taker_id,
            "makerSymbol": p.symbol,
            "makerOrderId": p.maker_id,
            "tradeGroupId": 1,
            "selfTradePreventionMode": p.stp,
            "price": money(p.price),
        }
        if p.taker_qty:
            row["takerPreventedQuantity"] = money(p.taker_qty)
        if p.maker_qty:
            row["makerPreventedQuantity"] = money(p.maker_qty)
        rows.append(row | {"transactTime": Stamp(p.at)})
    return rows[:most]


def my_filters(world: SpotWorld, account: SpotAccount, params: rq.Params) -> Json:
    """GET myFilters: no account of this venue has limits of its own on exchange or assets."""
    spec = rq.symbol(world, params)
    return {"exchangeFilters": [], "symbolFilters": specs.symbol_filters(spec), "assetFilters": []}


def allocations(world: SpotWorld, account: SpotAccount, params: rq.Params) -> list[Json]:
    """GET myAllocations: smart order routing does not exist here, so nothing was ever allocated."""
    rq.symbol(world, params)
    return []


def order_list(world: SpotWorld, account: SpotAccount, params: rq.Params) -> Json:
    """GET orderList by `orderListId` or `origClientOrderId`.."""
    number, client = rq.which(params, "orderListId", "origClientOrderId")
    for group in world.orders.lists_of(account.name):
        if group.id == number or (number is None and group.client_id == client):
            return responses.list_row(group)
    raise Refusal(-2013, "Order list does not exist.")


def open_lists(world: SpotWorld, account: SpotAccount, params: rq.Params) -> list[Json]:
    return [responses.list_row(g) for g in world.orders.lists_of(account.name) if not g.done]


def all_lists(world: SpotWorld, account: SpotAccount, params: rq.Params) -> list[Json]:
    first = rq.integer(params, "fromId")
    start, end = rq.window(params, 24)
    most = rq.limit(params, 500, 1000)
    rows = [
        g
        for g in world.orders.lists_of(account.name)
        if (first is None or g.id >= first)
        and (start is None or g.at >= start)
        and (end is None or g.at <= end)
    ]
    forward = first is not None or start is not None
    return [responses.list_row(g) for g in (rows[:most] if forward else rows[-most:])]
