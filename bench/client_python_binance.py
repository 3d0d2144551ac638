"""python-binance as a client: a fill leads to a stop (`venue.py`) or to the SELL of what was bought
(`spot_venue.py`), over REST or over its WS API.

The decision is the least that a careful user would write: a typed price on the tick, and the request.
"""

import argparse
import asyncio
import os
from decimal import ROUND_UP, Decimal

from binance import AsyncClient, BinanceSocketManager

TICK = Decimal("0.1")


TARGET, CENT = Decimal("1.005"), Decimal("0.01")


async def connected(options: argparse.Namespace) -> AsyncClient:
    base = f"127.0.0.1:{options.port}"
    AsyncClient.API_URL = f"http://{base}/api"
    AsyncClient.FUTURES_URL = f"http://{base}/fapi"
    BinanceSocketManager.FSTREAM_URL = f"ws://{base}/"
    client = await AsyncClient.create("k" * 64, "s" * 64)
    client.ws_future._url = f"ws://{base}/ws-fapi/v1"  # noqa: SLF001 (it has no public switch)
    client.ws_api._url = f"ws://{base}/ws-api/v3"  # noqa: SLF001 (it has no public switch)
    return client


async def stops(client: AsyncClient, manager: BinanceSocketManager, via: str) -> None:
    async with manager.futures_user_socket() as stream:
        while True:
            message = await stream.recv()
            if message.get("e") != "ORDER_TRADE_UPDATE" or message["o"]["X"] != "FILLED":
                continue
            order = message["o"]
            trigger = (Decimal(order["L"]) * Decimal("0.99") / TICK).to_integral_value(ROUND_UP) * TICK
            request = {
                "algoType": "CONDITIONAL",
                "symbol": order["s"],
                "side": "SELL",
                "type": "STOP_MARKET",
                "triggerPrice": str(trigger),
                "closePosition": "true",
                "workingType": "MARK_PRICE",
                "newOrderRespType": "ACK",
                "clientAlgoId": f"pb-{order['t']:026d}",
            }
            if via == "rest":
                await client.futures_create_algo_order(**request)
            else:
                await client._ws_futures_api_request("algoOrder.place", signed=True, params=request)  # noqa: SLF001 (no public method for it)


async def sells(client: AsyncClient, manager: BinanceSocketManager, via: str) -> None:
    async with manager.user_socket() as stream:
        while True:
            message = await stream.recv()
            order = message.get("event", message)
            if order.get("e") != "executionReport" or order["X"] != "FILLED" or order["S"] != "BUY":
                continue
            price = (Decimal(order["L"]) * TARGET / CENT).to_integral_value(ROUND_UP) * CENT
            request = {
                "symbol": order["s"],
                "side": "SELL",
                "type": "LIMIT",
                "timeInForce": "GTC",
                "quantity": order["z"],
                "price": str(price),
                "newOrderRespType": "ACK",
                "newClientOrderId": f"pb-{order['t']:026d}",
            }
            await (client.create_order(**request) if via == "rest" else client.ws_create_order(**request))


async def main(options: argparse.Namespace) -> None:
    client = await connected(options)
    # The default queue of 100 loses a burst; this one is given every chance.
    manager = BinanceSocketManager(client, max_queue_size=1_000_000)
    await (sells if options.spot else stops)(client, manager, options.via)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--via", choices=["rest", "ws"], default="rest")
    parser.add_argument("--spot", action="store_true")
    parser.add_argument("--uvloop", action="store_true")
    parser.add_argument("--core", type=int, default=-1)
    chosen = parser.parse_args()
    if chosen.core >= 0:
        os.sched_setaffinity(0, {chosen.core})
    if chosen.uvloop:
        import uvloop

        uvloop.run(main(chosen))
    else:
        asyncio.run(main(chosen))
