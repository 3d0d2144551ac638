"""The account's owner acting on the site or in the app: the same rules, other ids, no API."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from backstay.simulator import conditional, order_calls, setup_calls
from backstay.simulator.accounts import Account, Position
from backstay.simulator.errors import Refusal
from backstay.simulator.numbers import ZERO, floor_to, number, plain
from backstay.simulator.world import World

Json = dict[str, Any]
Action = Mapping[str, Any]


def act(world: World, account: Account, action: Action) -> Any:
    """Do what `action["do"]` says; the other members are the matching call's parameters, texts or numbers.

    order, algo, modify, cancel (one by id, or all of a symbol), cancel_algo (likewise), close (symbol,
    positionSide, share), leverage, margin_type, position_mode, multi_assets, position_margin, deposit,
    withdraw (asset, amount). Raises `Refusal`.
    """
    name = str(action.get("do"))
    call = _ACTIONS.get(name)
    if call is None:
        raise Refusal(-1130, f"'{name}' is no action of the owner; known are: {', '.join(_ACTIONS)}")
    params = {k: _text(v) for k, v in action.items() if k != "do" and v is not None}
    return call(world, account, params)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _id(world: World) -> str:
    """An id as the site, the app, or an order without an id gets."""
    kind = world.rng.randrange(4)
    if kind == 0:
        return world.random_id("ios_", 20)
    return world.random_id() if kind == 1 else world.random_id("web_", 20)


def _order(world: World, account: Account, params: dict[str, str]) -> Json:
    full = {"newClientOrderId": _id(world), "newOrderRespType": "RESULT", **params}
    if full.get("type") == "LIMIT":
        full.setdefault("timeInForce", "GTC")
    return order_calls.place(world, account, full, origin="human")


def _algo(world: World, account: Account, params: dict[str, str]) -> Json:
    full = {"algoType": "CONDITIONAL", "clientAlgoId": _id(world), **params}
    return conditional.place(world, account, full, origin="human")


def _cancel(world: World, account: Account, params: dict[str, str]) -> Json:
    if "clientOrderId" in params:
        params["origClientOrderId"] = params.pop("clientOrderId")
    if "orderId" in params or "origClientOrderId" in params:
        return order_calls.cancel(world, account, params)
    return order_calls.cancel_all(world, account, params)


def _cancel_algo(world: World, account: Account, params: dict[str, str]) -> Json:
    if "algoId" in params or "clientAlgoId" in params:
        return conditional.cancel(world, account, params)
    return conditional.cancel_all(world, account, params)


def _held(world: World, account: Account, params: dict[str, str]) -> Position:
    spec = world.spec(params.get("symbol", ""))
    side = params.get("positionSide")
    rows = [p for p in account.held_in(spec.symbol) if side is None or p.side == side]
    if len(rows) != 1:
        known = ", ".join(p.side for p in rows) or "none"
        raise Refusal(-2022, f"There must be one position to close in {spec.symbol}; open: {known}.")
    return rows[0]


def _close(world: World, account: Account, params: dict[str, str]) -> Json:
    """A market order for the position (or `share` of it, 0 to 1); it passes resting reduce-only orders."""
    position = _held(world, account, params)
    spec = world.specs[position.symbol]
    size = abs(position.amount)
    share = number(params["share"]) if "share" in params else Decimal(1)
    if share is None or not ZERO < share <= 1:
        raise Refusal(-1130, "Data sent for parameter 'share' is not valid.")
    qty = size if share == 1 else max(spec.step, floor_to(size * share, spec.step))
    request = {
        "symbol": position.symbol,
        "side": "SELL" if position.amount > 0 else "BUY",
        "type": "MARKET",
        "quantity": plain(qty),
        "positionSide": position.side,
        "newClientOrderId": _id(world),
        "newOrderRespType": "RESULT",
    }
    if not account.hedge:
        request["reduceOnly"] = "true"
    return order_calls.place(world, account, request, origin="human", knocks_out=True)


def _money(world: World, account: Account, params: dict[str, str], sign: int) -> Json:
    amount = number(params.get("amount", ""))
    if amount is None or amount <= 0:
        raise Refusal(-4055, "Amount must be positive.")
    asset = params.get("asset", "USDT")
    reason = "DEPOSIT" if sign > 0 else "WITHDRAW"
    setup_calls.transfer(world, account, asset, sign * amount, reason)
    return {"asset": asset, "balance": plain(account.wallet(asset))}


_ACTIONS: dict[str, Callable[[World, Account, dict[str, str]], Any]] = {
    "order": _order,
    "algo": _algo,
    "modify": order_calls.modify,
    "cancel": _cancel,
    "cancel_algo": _cancel_algo,
    "close": _close,
    "leverage": setup_calls.leverage,
    "margin_type": setup_calls.margin_type,
    "position_mode": setup_calls.position_mode,
    "multi_assets": setup_calls.multi_assets,
    "position_margin": setup_calls.position_margin,
    "deposit": lambda w, a, p: _money(w, a, p, 1),
    "withdraw": lambda w, a, p: _money(w, a, p, -1),
}
