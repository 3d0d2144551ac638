"""Reading an order from a request: which parameters each type needs, and which it must not carry."""

from decimal import Decimal

from backstay.simulator.errors import Refusal
from backstay.simulator.numbers import ZERO
from backstay.simulator.spot import filters
from backstay.simulator.spot import requests as rq
from backstay.simulator.spot.accounts import SpotAccount
from backstay.simulator.spot.errors import CLOSED, DUPLICATE, refusal, rejected
from backstay.simulator.spot.orders import LIMITS, STOPS, SpotOrder
from backstay.simulator.spot.specs import ORDER_TYPES, SpotSpec
from backstay.simulator.spot.world import SpotWorld

PEGS = ("pegPriceType", "pegOffsetType", "pegOffsetValue")


def read(world: SpotWorld, account: SpotAccount, params: rq.Params, *, sized: bool = True) -> SpotOrder:
    """The order that a request describes; nothing is changed. `sized=False`: the list sizes it later."""
    spec = rq.symbol(world, params)
    side = rq.choice(params, "side", rq.SIDES, -1117)
    kind = rq.choice(params, "type", ORDER_TYPES, -1116)
    if kind not in spec.order_types:
        raise rejected(f"{kind} orders are not supported for this symbol.")
    if any(params.get(name) is not None for name in PEGS):
        raise rejected("Pegged orders are not supported for this symbol.")
    client = rq.client_id(params, "newClientOrderId") or world.random_id()
    order = SpotOrder(account=account.name, symbol=spec.symbol, side=side, kind=kind, client_id=client)
    _time_in_force(params, order)
    if sized:
        _size(spec, params, order)
    _prices(spec, params, order)
    _iceberg(spec, params, order)
    order.strategy_id = rq.integer(params, "strategyId")
    order.strategy_type = rq.integer(params, "strategyType")
    if order.strategy_type is not None and order.strategy_type < 1_000_000:
        raise refusal(-1134)
    default = "FULL" if kind in {"MARKET", "LIMIT"} else "ACK"
    order.resp = rq.choice(params, "newOrderRespType", rq.RESPONSES, -1130, default=default)
    order.stp = rq.choice(params, "selfTradePreventionMode", rq.STP, -1130, default=spec.default_stp)
    if order.stp not in spec.stp_modes:
        raise rejected(f"Self-trade prevention mode {order.stp}: not supported for this symbol.")
    return order


def _time_in_force(params: rq.Params, order: SpotOrder) -> None:
    if order.type in {"LIMIT", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"}:
        order.tif = rq.choice(params, "timeInForce", rq.TIFS, -1115)
    else:
        rq.forbid(params, "timeInForce")


def _size(spec: SpotSpec, params: rq.Params, order: SpotOrder) -> None:
    quote = rq.positive(params, "quoteOrderQty", "quoteOrderQty")
    if quote is None:
        order.qty = rq.needed(params, "quantity", "quantity")
        return
    if order.type != "MARKET":
        raise refusal(-1106, "quoteOrderQty")
    rq.forbid(params, "quantity")
    if not spec.quote_order_qty:
        raise rejected("Quote order qty market orders are not supported for this symbol.")
    order.quote_qty = quote


def _prices(spec: SpotSpec, params: rq.Params, order: SpotOrder) -> None:
    if order.type in LIMITS:
        order.price = rq.needed(params, "price", "price")
    else:
        rq.forbid(params, "price")
    if order.type not in STOPS:
        rq.forbid(params, "stopPrice", "trailingDelta")
        return
    stop = rq.positive(params, "stopPrice", "stopPrice")
    trailing = rq.integer(params, "trailingDelta")
    if stop is None and trailing is None:
        raise Refusal(-1102, "Param 'stopPrice' or 'trailingDelta' must be sent, but both were empty/null!")
    if trailing is not None:
        if not spec.trailing_stop:
            raise rejected("Trailing stop orders are not supported for this symbol.")
        if trailing <= 0:
            raise refusal(-1130, "trailingDelta")
        order.trailing = trailing
    order.stop_price = stop or ZERO


def _iceberg(spec: SpotSpec, params: rq.Params, order: SpotOrder) -> None:
    size: Decimal | None = rq.decimal(params, "icebergQty")
    if not size:
        return
    if order.type not in LIMITS:
        raise refusal(-1106, "icebergQty")
    if order.tif != "GTC":
        raise refusal(-1160, "icebergQty", "timeInForce")
    if not spec.iceberg:
        raise rejected("Iceberg orders are not supported for this symbol.")
    if size > order.qty:
        raise rejected("IcebergQty exceeds QTY.")
    order.iceberg = size


def may_place(world: SpotWorld, account: SpotAccount, order: SpotOrder) -> None:
    """What the symbol, the account and the filters say: -2010, -1013."""
    if account.name in world.faults.restricted or "*" in world.faults.restricted:
        raise rejected("This account may not place or cancel orders.")
    if world.status(order.symbol) != "TRADING":
        raise rejected(CLOSED)
    filters.check(world, account, order)
    if world.orders.client_id_open(account.name, order.client_id):
        raise rejected(DUPLICATE)
