"""Answers that describe orders, trades and lists (`binance-spot.md` sections 2 to 5)."""

from typing import Any

from backstay.simulator.numbers import Stamp, money
from backstay.simulator.spot.accounts import SpotTrade
from backstay.simulator.spot.orders import OrderList, SpotOrder
from backstay.simulator.spot.world import SpotWorld

Json = dict[str, Any]


def ack(world: SpotWorld, order: SpotOrder) -> Json:
    return {
        "symbol": order.symbol,
        "orderId": order.id,
        "orderListId": order.list_id,
        "clientOrderId": order.client_id,
        "transactTime": world.stamp,
    }


def _core(order: SpotOrder) -> Json:
    return {
        "price": money(order.price),
        "origQty": money(order.qty),
        "executedQty": money(order.executed),
        "origQuoteOrderQty": money(order.quote_qty),
        "cummulativeQuoteQty": money(order.cum_quote),
        "status": order.status,
        "timeInForce": order.tif,
        "type": order.type,
        "side": order.side,
    }


def _extras(order: SpotOrder) -> Json:
    """The members that only some orders carry."""
    more: Json = {}
    if order.trailing:
        more["trailingDelta"] = order.trailing
        more["trailingTime"] = Stamp(order.trailing_at) if order.trailing_at else -1
    if order.strategy_id is not None:
        more["strategyId"] = order.strategy_id
    if order.strategy_type is not None:
        more["strategyType"] = order.strategy_type
    if order.prevented_match >= 0:
        more["preventedMatchId"] = order.prevented_match
        more["preventedQuantity"] = money(order.prevented)
    if order.reason != "NONE":
        more["expiryReason"] = order.reason
    return more


def working_time(order: SpotOrder) -> int:
    return Stamp(order.working_at) if order.working_at else -1


def placed(world: SpotWorld, order: SpotOrder, trades: list[SpotTrade]) -> Json:
    """The answer of a placement, as long as `newOrderRespType` asks for."""
    row = ack(world, order)
    if order.resp == "ACK":
        return row
    row |= _core(order) | {"workingTime": working_time(order)}
    if order.stop_price:
        row["stopPrice"] = money(order.stop_price)
    if order.iceberg:
        row["icebergQty"] = money(order.iceberg)
    if order.resp == "FULL":
        row["fills"] = [
            {
                "price": money(t.price),
                "qty": money(t.qty),
                "commission": money(t.fee),
                "commissionAsset": t.fee_asset,
                "tradeId": t.id,
            }
            for t in trades
        ]
    return row | {"selfTradePreventionMode": order.stp} | _extras(order)


def report(world: SpotWorld, order: SpotOrder) -> Json:
    """An order inside the answer of an order list."""
    row = ack(world, order) | _core(order) | {"workingTime": working_time(order)}
    if order.stop_price:
        row["stopPrice"] = money(order.stop_price)
    if order.iceberg:
        row["icebergQty"] = money(order.iceberg)
    return row | {"selfTradePreventionMode": order.stp} | _extras(order)


def cancelled(world: SpotWorld, order: SpotOrder, cancel_id: str) -> Json:
    """The answer of a cancel: the order's own id in `origClientOrderId`, the cancel's in `clientOrderId`."""
    row: Json = {
        "symbol": order.symbol,
        "origClientOrderId": order.client_id,
        "orderId": order.id,
        "orderListId": order.list_id,
        "clientOrderId": cancel_id,
        "transactTime": world.stamp,
    }
    row |= _core(order)
    if order.stop_price:
        row["stopPrice"] = money(order.stop_price)
    return row | {"selfTradePreventionMode": order.stp} | _extras(order)


def queried(order: SpotOrder) -> Json:
    """The object of `GET order`, `openOrders`, `allOrders`."""
    head = {
        "symbol": order.symbol,
        "orderId": order.id,
        "orderListId": order.list_id,
        "clientOrderId": order.client_id,
    }
    tail = {
        "stopPrice": money(order.stop_price),
        "icebergQty": money(order.iceberg),
        "time": Stamp(order.time),
        "updateTime": Stamp(order.update),
        "isWorking": not order.waiting and not order.pending,
        "workingTime": working_time(order),
        "selfTradePreventionMode": order.stp,
    }
    return head | _core(order) | tail | _extras(order)


def trade_row(trade: SpotTrade) -> Json:
    return {
        "symbol": trade.symbol,
        "id": trade.id,
        "orderId": trade.order_id,
        "orderListId": trade.list_id,
        "price": money(trade.price),
        "qty": money(trade.qty),
        "quoteQty": money(trade.price * trade.qty),
        "commission": money(trade.fee),
        "commissionAsset": trade.fee_asset,
        "time": Stamp(trade.at),
        "isBuyer": trade.buys,
        "isMaker": trade.maker,
        "isBestMatch": True,
    }


def list_row(group: OrderList) -> Json:
    """A list as the queries show it."""
    return {
        "orderListId": group.id,
        "contingencyType": group.kind,
        "listStatusType": "ALL_DONE" if group.done else "EXEC_STARTED",
        "listOrderStatus": "ALL_DONE" if group.done else "EXECUTING",
        "listClientOrderId": group.client_id,
        "transactionTime": Stamp(group.at),
        "symbol": group.symbol,
        "orders": [
            {"symbol": leg.symbol, "orderId": leg.id, "clientOrderId": leg.client_id} for leg in group.legs
        ],
    }
