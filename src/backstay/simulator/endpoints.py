"""Which function answers which endpoint. Listen keys, sessions and limits belong to the protocol."""

from collections.abc import Callable
from typing import Any

from backstay.simulator import account_history, conditional, market_calls, order_calls, setup_calls
from backstay.simulator import account_queries as account
from backstay.simulator.accounts import Account
from backstay.simulator.requests import Params
from backstay.simulator.world import World

Public = Callable[[World, Params], Any]
Private = Callable[[World, Account, Params], Any]


def _open_order(world: World, owner: Account, params: Params) -> Any:
    return order_calls.query(world, owner, params, only_open=True)


PUBLIC: dict[str, Public] = {
    "GET /fapi/v1/ping": market_calls.ping,
    "GET /fapi/v1/time": market_calls.time,
    "GET /fapi/v1/exchangeInfo": market_calls.exchange_info,
    "GET /fapi/v1/depth": market_calls.depth,
    "GET /fapi/v1/trades": market_calls.trades,
    "GET /fapi/v1/aggTrades": market_calls.agg_trades,
    "GET /fapi/v1/klines": market_calls.klines,
    "GET /fapi/v1/continuousKlines": market_calls.continuous_klines,
    "GET /fapi/v1/markPriceKlines": market_calls.mark_klines,
    "GET /fapi/v1/indexPriceKlines": market_calls.index_klines,
    "GET /fapi/v1/premiumIndexKlines": market_calls.premium_klines,
    "GET /fapi/v1/premiumIndex": market_calls.premium_index,
    "GET /fapi/v1/fundingRate": market_calls.funding_rate,
    "GET /fapi/v1/fundingInfo": market_calls.funding_info,
    "GET /fapi/v1/ticker/24hr": market_calls.ticker_day,
    "GET /fapi/v1/ticker/price": market_calls.ticker_price,
    "GET /fapi/v2/ticker/price": market_calls.ticker_price,
    "GET /fapi/v1/ticker/bookTicker": market_calls.ticker_book,
    "GET /fapi/v1/openInterest": market_calls.open_interest,
    "GET /fapi/v1/symbolAdlRisk": market_calls.adl_risk,
    "GET /fapi/v1/tradingSchedule": market_calls.trading_schedule,
}

PRIVATE: dict[str, Private] = {
    "POST /fapi/v1/order": order_calls.place,
    "PUT /fapi/v1/order": order_calls.modify,
    "DELETE /fapi/v1/order": order_calls.cancel,
    "GET /fapi/v1/order": order_calls.query,
    "POST /fapi/v1/order/test": order_calls.place_test,
    "GET /fapi/v1/openOrder": _open_order,
    "GET /fapi/v1/openOrders": order_calls.open_orders,
    "GET /fapi/v1/allOrders": order_calls.all_orders,
    "DELETE /fapi/v1/allOpenOrders": order_calls.cancel_all,
    "POST /fapi/v1/batchOrders": order_calls.place_batch,
    "PUT /fapi/v1/batchOrders": order_calls.modify_batch,
    "DELETE /fapi/v1/batchOrders": order_calls.cancel_batch,
    "POST /fapi/v1/countdownCancelAll": order_calls.countdown,
    "GET /fapi/v1/orderAmendment": order_calls.amendments,
    "POST /fapi/v1/algoOrder": conditional.place,
    "DELETE /fapi/v1/algoOrder": conditional.cancel,
    "GET /fapi/v1/algoOrder": conditional.query,
    "GET /fapi/v1/openAlgoOrders": conditional.open_orders,
    "GET /fapi/v1/allAlgoOrders": conditional.all_orders,
    "DELETE /fapi/v1/algoOpenOrders": conditional.cancel_all,
    "GET /fapi/v3/positionRisk": account.position_risk_v3,
    "GET /fapi/v2/positionRisk": account.position_risk_v2,
    "GET /fapi/v1/positionRisk": account.position_risk_v2,
    "GET /fapi/v3/account": account.account_v3,
    "GET /fapi/v2/account": account.account_v2,
    "GET /fapi/v3/balance": account.balance,
    "GET /fapi/v2/balance": account.balance,
    "GET /fapi/v1/accountConfig": account.account_config,
    "GET /fapi/v1/symbolConfig": account.symbol_config,
    "GET /fapi/v1/positionSide/dual": account.position_mode,
    "POST /fapi/v1/positionSide/dual": setup_calls.position_mode,
    "GET /fapi/v1/multiAssetsMargin": account.multi_assets,
    "POST /fapi/v1/multiAssetsMargin": setup_calls.multi_assets,
    "POST /fapi/v1/marginType": setup_calls.margin_type,
    "POST /fapi/v1/leverage": setup_calls.leverage,
    "GET /fapi/v1/leverageBracket": account.leverage_bracket,
    "POST /fapi/v1/positionMargin": setup_calls.position_margin,
    "GET /fapi/v1/positionMargin/history": account_history.margin_history,
    "GET /fapi/v1/userTrades": account_history.user_trades,
    "GET /fapi/v1/income": account_history.income,
    "GET /fapi/v1/commissionRate": account.commission_rate,
    "GET /fapi/v1/rateLimit/order": account.order_limits,
    "GET /fapi/v1/adlQuantile": account.adl,
    "GET /fapi/v1/forceOrders": account_history.force_orders,
    "GET /fapi/v1/feeBurn": account.fee_burn,
    "POST /fapi/v1/feeBurn": setup_calls.fee_burn,
}
