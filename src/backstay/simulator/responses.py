"""Wire shapes of orders, trades, conditional orders: one function a shape, as `binance-usdm.md` has them."""

from decimal import Decimal
from typing import Any

from backstay.simulator.accounts import Income, OwnTrade
from backstay.simulator.algo_orders import AlgoOrder
from backstay.simulator.numbers import MS, ZERO, fixed, money, plain
from backstay.simulator.orders import Order
from backstay.simulator.specs import SymbolSpec

Json = dict[str, Any]


def average(spec: SymbolSpec, order: Order) -> str:
    """Average price with at least the symbol's decimals."""
    short = plain(order.average.quantize(Decimal("0.00000001")))
    if len(short.partition(".")[2]) <= spec.price_places:
        return fixed(order.average, spec.price_places)
    return short


def order_ack(spec: SymbolSpec, order: Order) -> Json:
    """Answer of place, modify and cancel since mid-2026: no avgPrice, no cumQuote, but cumQty."""
    executed = spec.qty_text(order.executed)
    body: Json = {
        "orderId": order.id,
        "symbol": order.symbol,
        "status": order.status,
        "clientOrderId": order.client_id,
        "price": spec.price_text(order.price),
        "origQty": spec.qty_text(order.qty),
        "executedQty": executed,
        "cumQty": executed,
        "timeInForce": order.tif,
        "type": order.type,
        "reduceOnly": order.reduce_only,
        "closePosition": order.close_position,
        "side": order.side,
        "positionSide": order.position_side,
        "stopPrice": spec.price_text(order.stop_price),
        "workingType": order.working_type,
        "priceProtect": order.price_protect,
        "origType": order.orig_type,
        "priceMatch": order.price_match,
        "selfTradePreventionMode": order.stp,
        "goodTillDate": order.gtd,
        "updateTime": order.update_time,
    }
    return _with_trailing(body, order)


def _with_trailing(body: Json, order: Order) -> Json:
    if order.callback_rate is not None:
        body["activatePrice"] = plain(order.activate_price or ZERO)
        body["priceRate"] = plain(order.callback_rate)
    return body


def order_row(spec: SymbolSpec, order: Order, *, listing: bool = False) -> Json:
    """A queried order: with avgPrice, cumQuote and time; allOrders adds pair and cumBase."""
    body: Json = {
        "orderId": order.id,
        "symbol": order.symbol,
        "status": order.status,
        "clientOrderId": order.client_id,
        "price": spec.price_text(order.price),
        "avgPrice": average(spec, order),
        "origQty": spec.qty_text(order.qty),
        "executedQty": spec.qty_text(order.executed),
        "cumQuote": fixed(order.cum_quote, spec.price_places + spec.qty_places),
        "timeInForce": order.tif,
        "type": order.type,
        "reduceOnly": order.reduce_only,
        "closePosition": order.close_position,
        "side": order.side,
        "positionSide": order.position_side,
        "stopPrice": spec.price_text(order.stop_price),
        "workingType": order.working_type,
        "priceProtect": order.price_protect,
        "origType": order.orig_type,
        "priceMatch": order.price_match,
        "selfTradePreventionMode": order.stp,
        "goodTillDate": order.gtd,
        "time": order.time,
        "updateTime": order.update_time,
    }
    if listing:
        body["pair"] = order.symbol
        body["cumBase"] = plain(order.executed)
    return _with_trailing(body, order)


def algo_ack(algo: AlgoOrder) -> Json:
    """Answer of a conditional placement: algoStatus and orderType, not status and type."""
    body: Json = {
        "algoId": algo.id,
        "clientAlgoId": algo.client_id,
        "algoType": "CONDITIONAL",
        "orderType": algo.type,
        "symbol": algo.symbol,
        "side": algo.side,
        "positionSide": algo.position_side,
        "timeInForce": algo.tif,
        "quantity": plain(algo.qty),
        "algoStatus": algo.status,
        "triggerPrice": plain(algo.trigger),
        "price": plain(algo.price),
        "icebergQuantity": None,
        "selfTradePreventionMode": algo.stp,
        "workingType": algo.working_type,
        "priceMatch": algo.price_match,
        "closePosition": algo.close_position,
        "priceProtect": algo.price_protect,
        "reduceOnly": algo.reduce_only,
    }
    if algo.callback_rate is not None:
        body["activatePrice"] = plain(algo.activate_price or ZERO)
        body["callbackRate"] = plain(algo.callback_rate)
    body |= {
        "createTime": algo.create_time,
        "updateTime": algo.update_time,
        "triggerTime": algo.trigger_time,
        "goodTillDate": algo.gtd,
    }
    return body


def _actual_id(algo: AlgoOrder) -> str:
    return "" if algo.actual_id is None else str(algo.actual_id)


def algo_open_row(algo: AlgoOrder) -> Json:
    """openAlgoOrders."""
    return algo_ack(algo) | {
        "actualOrderId": _actual_id(algo),
        "actualQty": plain(algo.actual_qty),
        "isActivated": algo.activated,
    }


def algo_history_row(algo: AlgoOrder) -> Json:
    """allAlgoOrders; the tp/sl fields exist and stay empty."""
    return algo_ack(algo) | {
        "actualOrderId": _actual_id(algo),
        "actualPrice": plain(algo.actual_avg),
        "tpTriggerPrice": "0",
        "tpPrice": "0",
        "slTriggerPrice": "0",
        "slPrice": "0",
        "tpOrderType": "",
    }


def algo_single(algo: AlgoOrder) -> Json:
    """The single query."""
    return algo_ack(algo) | {
        "actualOrderId": _actual_id(algo),
        "actualPrice": plain(algo.actual_avg),
        "actualType": algo.actual_type,
        "actualQty": plain(algo.actual_qty),
    }


def algo_cancelled(algo: AlgoOrder) -> Json:
    """The code is a JSON string here, and only here."""
    return {"algoId": algo.id, "clientAlgoId": algo.client_id, "code": "200", "msg": "success"}


def trade_row(spec: SymbolSpec, trade: OwnTrade) -> Json:
    quote = trade.price * trade.qty
    return {
        "buyer": trade.side == "BUY",
        "commission": money(trade.fee),
        "commissionAsset": trade.fee_asset,
        "id": trade.id,
        "maker": trade.maker,
        "orderId": trade.order_id,
        "price": spec.price_text(trade.price),
        "qty": spec.qty_text(trade.qty),
        "quoteQty": plain(quote),
        "baseQty": plain(trade.qty),
        "marginAsset": spec.margin_asset,
        "realizedPnl": money(trade.realised),
        "side": trade.side,
        "positionSide": trade.position_side,
        "symbol": trade.symbol,
        "pair": trade.symbol,
        "time": trade.at // MS,
    }


def income_row(row: Income) -> Json:
    return {
        "symbol": row.symbol,
        "incomeType": row.kind,
        "income": money(row.amount),
        "asset": row.asset,
        "time": row.at,
        "info": row.info,
        "tranId": row.tran_id,
        "tradeId": row.trade_id,
    }
