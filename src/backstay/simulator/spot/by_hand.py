"""The account's owner acting on the site or in the app: the same rules, other ids, no API."""

from collections.abc import Callable, Mapping
from typing import Any

from backstay.simulator.errors import Refusal
from backstay.simulator.numbers import ZERO, floor_to, number, plain
from backstay.simulator.spot import events, list_calls, order_calls, trading
from backstay.simulator.spot.accounts import SpotAccount
from backstay.simulator.spot.errors import NO_FUNDS
from backstay.simulator.spot.world import SpotWorld

Json = dict[str, Any]
Params = dict[str, str]


def act(world: SpotWorld, account: SpotAccount, action: Mapping[str, Any]) -> Any:
    """Do what `action["do"]` says; the other members are the matching call's parameters, texts or numbers.

    order, in_parts (a limit order at the market's own side that somebody fills at once, part by part: price,
    parts such as "4,6"), oco, cancel (one by id, or all of a symbol), close (symbol, share: sells the free
    base), deposit, withdraw (asset, amount), lock (asset, amount; negative frees), bnb_burn (on).
    Raises `Refusal`.
    """
    name = str(action.get("do"))
    call = _ACTIONS.get(name)
    if call is None:
        raise Refusal(-1130, f"'{name}' is no action of the owner; known are: {', '.join(_ACTIONS)}")
    params = {k: _text(v) for k, v in action.items() if k != "do" and v is not None}
    return call(world, account, params)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _id(world: SpotWorld) -> str:
    """An id as the site, the app, or an order without an id gets."""
    kind = world.rng.randrange(4)
    if kind == 0:
        return world.random_id("ios_", 20)
    return world.random_id() if kind == 1 else world.random_id("web_", 20)


def _order(world: SpotWorld, account: SpotAccount, params: Params) -> Json:
    full = {"newClientOrderId": _id(world), "newOrderRespType": "FULL", **params}
    if full.get("type") in {"LIMIT", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"}:
        full.setdefault("timeInForce", "GTC")
    return order_calls.place(world, account, full, origin="human")


def _in_parts(world: SpotWorld, account: SpotAccount, params: Params) -> Json:
    """A resting order that others trade against now: one own trade for each part."""
    parts = [number(part) for part in params.pop("parts", "").split(",")]
    sizes = [part for part in parts if part is not None and part > 0]
    if len(sizes) != len(parts):
        raise Refusal(-1130, "Data sent for parameter 'parts' is not valid.")
    market = world.market(params.get("symbol", ""))
    buys = params.setdefault("side", "BUY") == "BUY"
    params.setdefault("price", plain(market.bid if buys else market.ask))
    params.setdefault("quantity", plain(sum(sizes, ZERO)))
    placed = _order(world, account, params | {"type": "LIMIT"})
    order = world.orders.find(account.name, market.rules.symbol, int(placed["orderId"]), None)
    for size in sizes:
        if order is not None and order.resting and order.left > 0:
            trading.fill_resting(world, order, min(size, order.left))
    return placed


def _oco(world: SpotWorld, account: SpotAccount, params: Params) -> Json:
    ids = {name: _id(world) for name in ("listClientOrderId", "aboveClientOrderId", "belowClientOrderId")}
    return list_calls.oco(world, account, ids | params, origin="human")


def _cancel(world: SpotWorld, account: SpotAccount, params: Params) -> Any:
    if "clientOrderId" in params:
        params["origClientOrderId"] = params.pop("clientOrderId")
    params.setdefault("newClientOrderId", _id(world))
    if "orderId" in params or "origClientOrderId" in params:
        return order_calls.cancel(world, account, params)
    return order_calls.cancel_all(world, account, params)


def _close(world: SpotWorld, account: SpotAccount, params: Params) -> Json:
    """Sell the free base by market (or `share` of it, 0 to 1)."""
    spec = world.spec(params.get("symbol", ""))
    share = number(params.get("share", "1"))
    if share is None or not ZERO < share <= 1:
        raise Refusal(-1130, "Data sent for parameter 'share' is not valid.")
    size = plain(floor_to(account.free(spec.base) * share, spec.step))
    return _order(world, account, {"symbol": spec.symbol, "side": "SELL", "type": "MARKET", "quantity": size})


def _moved(world: SpotWorld, account: SpotAccount, params: Params, sign: int) -> Json:
    """A deposit or withdrawal: balanceUpdate, then outboundAccountPosition."""
    asset, amount = params.get("asset", "USDT"), number(params.get("amount", ""))
    if amount is None or amount <= 0:
        raise Refusal(-1130, "Data sent for parameter 'amount' is not valid.")
    change = sign * amount
    if account.free(asset) + change < 0:
        raise Refusal(-2010, NO_FUNDS)
    account.move(asset, world.now, free=change)
    world.emit(account.name, events.balance_update(world, asset, change))
    world.tell_balances(account)
    return {"asset": asset, "free": plain(account.free(asset)), "locked": plain(account.locked(asset))}


def _lock(world: SpotWorld, account: SpotAccount, params: Params) -> Json:
    """Another product locks (or frees) a balance: externalLockUpdate."""
    asset, amount = params.get("asset", "USDT"), number(params.get("amount", ""))
    if amount is None or not amount:
        raise Refusal(-1130, "Data sent for parameter 'amount' is not valid.")
    if account.free(asset) < amount or account.outside(asset) + amount < 0:
        raise Refusal(-2010, NO_FUNDS)
    account.move(asset, world.now, free=-amount, locked=amount)
    account.locked_outside[asset] = account.outside(asset) + amount
    world.emit(account.name, events.external_lock(world, asset, amount))
    world.tell_balances(account)
    return {"asset": asset, "free": plain(account.free(asset)), "locked": plain(account.locked(asset))}


def _burn(world: SpotWorld, account: SpotAccount, params: Params) -> Json:
    account.burns_bnb = params.get("on", "true") == "true"
    return {"spotBNBBurn": account.burns_bnb}


_ACTIONS: dict[str, Callable[[SpotWorld, SpotAccount, Params], Any]] = {
    "order": _order,
    "in_parts": _in_parts,
    "oco": _oco,
    "cancel": _cancel,
    "close": _close,
    "deposit": lambda w, a, p: _moved(w, a, p, 1),
    "withdraw": lambda w, a, p: _moved(w, a, p, -1),
    "lock": _lock,
    "bnb_burn": _burn,
}
