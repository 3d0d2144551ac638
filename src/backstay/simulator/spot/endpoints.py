"""Which function answers which endpoint. Sessions, subscriptions and limits belong to the protocol."""

from collections.abc import Callable
from typing import Any

from backstay.simulator.spot import list_calls, market_calls, order_calls, queries
from backstay.simulator.spot.accounts import SpotAccount
from backstay.simulator.spot.requests import Params
from backstay.simulator.spot.world import SpotWorld

Public = Callable[[SpotWorld, Params], Any]
Private = Callable[[SpotWorld, SpotAccount, Params], Any]

PUBLIC: dict[str, Public] = {
    "GET /api/v3/ping": market_calls.ping,
    "GET /api/v3/time": market_calls.time,
    "GET /api/v3/exchangeInfo": market_calls.exchange_info,
    "GET /api/v3/executionRules": market_calls.execution_rules,
    "GET /api/v3/referencePrice": market_calls.reference_price,
    "GET /api/v3/depth": market_calls.depth,
    "GET /api/v3/trades": market_calls.trades,
    "GET /api/v3/historicalTrades": market_calls.trades,
    "GET /api/v3/aggTrades": market_calls.agg_trades,
    "GET /api/v3/klines": market_calls.klines,
    "GET /api/v3/uiKlines": market_calls.klines,
    "GET /api/v3/avgPrice": market_calls.avg_price,
    "GET /api/v3/ticker/24hr": market_calls.ticker_day,
    "GET /api/v3/ticker/tradingDay": market_calls.rolling,
    "GET /api/v3/ticker": market_calls.rolling,
    "GET /api/v3/ticker/price": market_calls.ticker_price,
    "GET /api/v3/ticker/bookTicker": market_calls.ticker_book,
}

PRIVATE: dict[str, Private] = {
    "POST /api/v3/order": order_calls.place,
    "POST /api/v3/order/test": order_calls.place_test,
    "GET /api/v3/order": queries.order,
    "DELETE /api/v3/order": order_calls.cancel,
    "DELETE /api/v3/openOrders": order_calls.cancel_all,
    "POST /api/v3/order/cancelReplace": order_calls.cancel_replace,
    "PUT /api/v3/order/amend/keepPriority": order_calls.amend,
    "GET /api/v3/order/amendments": queries.amendments,
    "GET /api/v3/openOrders": queries.open_orders,
    "GET /api/v3/allOrders": queries.all_orders,
    "POST /api/v3/orderList/oco": list_calls.oco,
    "POST /api/v3/orderList/oto": list_calls.oto,
    "POST /api/v3/orderList/otoco": list_calls.otoco,
    "POST /api/v3/orderList/opo": list_calls.opo,
    "POST /api/v3/orderList/opoco": list_calls.opoco,
    "POST /api/v3/order/oco": list_calls.old_oco,
    "DELETE /api/v3/orderList": list_calls.cancel,
    "GET /api/v3/orderList": queries.order_list,
    "GET /api/v3/openOrderList": queries.open_lists,
    "GET /api/v3/allOrderList": queries.all_lists,
    "GET /api/v3/account": queries.account_info,
    "GET /api/v3/account/commission": queries.commission,
    "GET /sapi/v1/asset/tradeFee": queries.trade_fee,
    "GET /api/v3/myTrades": queries.my_trades,
    "GET /api/v3/myPreventedMatches": queries.prevented_matches,
    "GET /api/v3/myAllocations": queries.allocations,
    "GET /api/v3/myFilters": queries.my_filters,
}
