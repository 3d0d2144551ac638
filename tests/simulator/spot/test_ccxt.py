"""ccxt and ccxt.pro, unmodified, against the Spot side: only the URLs of `binance` are set."""

import asyncio
from contextlib import asynccontextmanager

import ccxt
import ccxt.pro
import pytest

from tests.simulator.clients.hosted import KEY, SECRET
from tests.simulator.clients.test_ccxt import _point
from tests.simulator.server.asyncs import run
from tests.simulator.spot.hosted import spot_venue

SYMBOL = "BTC/USDT"


@asynccontextmanager
async def exchange():
    async with spot_venue() as served:
        client = ccxt.pro.binance(
            {
                "apiKey": KEY,
                "secret": SECRET,
                "enableRateLimit": False,
                "newUpdates": True,
                "options": {
                    "defaultType": "spot",
                    "fetchMarkets": {"types": ["spot"]},
                    "warnOnFetchOpenOrdersWithoutSymbol": False,
                },
            }
        )
        _point(client.urls["api"], served.url, served.ws_url)
        try:
            await client.load_markets()
            yield served, client
        finally:
            await client.close()


@run
async def test_markets_carry_the_filters():
    async with exchange() as (_, client):
        market = client.market(SYMBOL)
        assert market["spot"]
        assert (market["precision"]["price"], market["precision"]["amount"]) == (0.01, 0.00001)
        assert market["limits"]["cost"]["min"] == 5
        assert (await client.fetch_ticker(SYMBOL))["last"] > 0
        book = await client.fetch_order_book(SYMBOL, 5)
        assert book["bids"][0][0] < book["asks"][0][0]
        assert len(await client.fetch_ohlcv(SYMBOL, "1m", limit=3)) >= 1


@run
async def test_orders_balance_and_trades():
    async with exchange() as (_, client):
        last = (await client.fetch_ticker(SYMBOL))["last"]
        order = await client.create_order(SYMBOL, "limit", "buy", 0.01, last * 0.95)
        assert order["status"] == "open"
        assert [o["id"] for o in await client.fetch_open_orders(SYMBOL)] == [order["id"]]
        edited = await client.edit_order(order["id"], SYMBOL, "limit", "buy", 0.01, last * 0.94)
        assert edited["price"] == pytest.approx(last * 0.94, abs=0.01)
        assert (await client.cancel_order(edited["id"], SYMBOL))["status"] == "canceled"
        with pytest.raises(ccxt.OrderNotFound):
            await client.cancel_order(edited["id"], SYMBOL)
        bought = await client.create_order(SYMBOL, "market", "buy", 0.02)
        assert bought["filled"] == 0.02
        assert bought["fee"]["currency"] == "BTC"
        trades = await client.fetch_my_trades(SYMBOL)
        assert sum(t["amount"] for t in trades) == pytest.approx(0.02)
        balance = await client.fetch_balance()
        assert balance["BTC"]["free"] == pytest.approx(1.01998)
        with pytest.raises(ccxt.InsufficientFunds):
            await client.create_order(SYMBOL, "limit", "buy", 100, last * 0.99)
        with pytest.raises(ccxt.OrderImmediatelyFillable):
            await client.create_order(SYMBOL, "limit", "buy", 0.01, last * 1.05, {"postOnly": True})
        stop = await client.create_order(SYMBOL, "market", "sell", 0.02, None, {"stopLossPrice": last * 0.9})
        assert (await client.fetch_order(stop["id"], SYMBOL))["triggerPrice"] == pytest.approx(
            last * 0.9, abs=0.01
        )
        fees = await client.fetch_trading_fee(SYMBOL)
        assert fees["maker"] == 0.001


@run
async def test_private_streams():
    async with exchange() as (_, client):
        orders = asyncio.ensure_future(client.watch_orders())
        balance = asyncio.ensure_future(client.watch_balance())
        async with asyncio.timeout(15):
            while not any(c.subscriptions for url, c in client.clients.items() if "ws-api" in url):
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.3)
            await client.create_order(SYMBOL, "market", "buy", 0.01, None, {"clientOrderId": "entry-7"})
            while True:
                found = {o["clientOrderId"]: o for o in await orders}
                if found.get("entry-7", {}).get("status") == "closed":
                    break
                orders = asyncio.ensure_future(client.watch_orders())
            assert (await balance)["USDT"]["total"] < 100_000


@run
async def test_market_streams():
    async with exchange() as (_, client), asyncio.timeout(20):
        assert (await client.watch_trades(SYMBOL))[0]["price"] > 0
        quotes = await client.watch_bids_asks([SYMBOL])
        assert quotes[SYMBOL]["bid"] < quotes[SYMBOL]["ask"]
        assert (await client.watch_ohlcv(SYMBOL, "1m"))[0][4] > 0
        book = await client.watch_order_book(SYMBOL)
        assert book["bids"][0][0] < book["asks"][0][0]


@run
async def test_the_websocket_api():
    async with exchange() as (_, client):
        last = (await client.fetch_ticker(SYMBOL))["last"]
        order = await client.create_order_ws(SYMBOL, "limit", "buy", 0.01, last * 0.95)
        assert order["status"] == "open"
        assert (await client.fetch_order_ws(order["id"], SYMBOL))["id"] == order["id"]
        assert len(await client.fetch_open_orders_ws(SYMBOL)) == 1
        assert (await client.cancel_order_ws(order["id"], SYMBOL))["status"] == "canceled"
        assert await client.fetch_my_trades_ws(SYMBOL) == []
