"""ccxt and ccxt.pro, unmodified, as judges: only the URLs of `binanceusdm` are set."""

import asyncio
from contextlib import asynccontextmanager

import ccxt
import ccxt.pro
import pytest

from tests.simulator.clients.hosted import KEY, SECRET, venue
from tests.simulator.server.asyncs import run

SYMBOL = "BTC/USDT:USDT"


@asynccontextmanager
async def exchange():
    async with venue() as served:
        client = ccxt.pro.binanceusdm(
            {
                "apiKey": KEY,
                "secret": SECRET,
                "enableRateLimit": False,
                "newUpdates": True,
                "options": {
                    "fetchCurrencies": False,
                    "watchTrades": {"name": "aggTrade"},
                    "warnOnFetchOpenOrdersWithoutSymbol": False,
                },
            }
        )
        client.has["fetchCurrencies"] = False
        _point(client.urls["api"], served.url, served.ws_url)
        try:
            await client.load_markets()
            yield served, client
        finally:
            await client.close()


def _point(urls: dict, http: str, ws: str) -> None:
    for name, value in urls.items():
        if isinstance(value, dict):
            _point(value, http, ws)
        elif isinstance(value, str):
            scheme, _, rest = value.partition("://")
            _, slash, path = rest.partition("/")
            urls[name] = (ws if scheme.startswith("ws") else http) + slash + path


@run
async def test_markets_carry_the_filters():
    async with exchange() as (_, client):
        market = client.market(SYMBOL)
        assert market["linear"]
        assert market["precision"]["price"] == 0.1
        assert market["precision"]["amount"] == 0.001
        ticker = await client.fetch_ticker(SYMBOL)
        assert ticker["last"] > 0
        book = await client.fetch_order_book(SYMBOL, 5)
        assert book["bids"][0][0] < book["asks"][0][0]
        assert len(await client.fetch_ohlcv(SYMBOL, "1m", limit=3)) >= 1


@run
async def test_a_limit_order_is_placed_amended_queried_and_cancelled():
    async with exchange() as (_, client):
        last = (await client.fetch_ticker(SYMBOL))["last"]
        order = await client.create_order(SYMBOL, "limit", "buy", 0.01, last * 0.95)
        assert order["status"] == "open"
        edited = await client.edit_order(order["id"], SYMBOL, "limit", "buy", 0.012, last * 0.94)
        assert edited["id"] == order["id"]
        assert edited["amount"] == 0.012
        fetched = await client.fetch_order(order["id"], SYMBOL)
        assert fetched["price"] == pytest.approx(last * 0.94, abs=0.1)
        assert [o["id"] for o in await client.fetch_open_orders(SYMBOL)] == [order["id"]]
        assert (await client.cancel_order(order["id"], SYMBOL))["status"] == "canceled"
        with pytest.raises(ccxt.OrderNotFound):
            await client.cancel_order(order["id"], SYMBOL)


@run
async def test_conditional_orders_positions_and_balance():
    async with exchange() as (_, client):
        assert (await client.fetch_balance())["USDT"]["total"] == 100_000
        await client.set_leverage(7, SYMBOL)
        await client.set_margin_mode("isolated", SYMBOL)
        last = (await client.fetch_ticker(SYMBOL))["last"]
        bought = await client.create_order(SYMBOL, "market", "buy", 0.02)
        assert bought["filled"] == 0.02
        stop = await client.create_order(
            SYMBOL, "market", "sell", 0.02, None, {"stopLossPrice": last * 0.9, "reduceOnly": True}
        )
        params = {"trigger": True}
        opened = await client.fetch_open_orders(SYMBOL, params=params)
        assert [o["id"] for o in opened] == [stop["id"]]
        assert opened[0]["triggerPrice"] == pytest.approx(last * 0.9, abs=0.1)
        assert await client.fetch_open_orders(SYMBOL) == []
        assert (await client.fetch_order(stop["id"], SYMBOL, params))["id"] == stop["id"]
        await client.cancel_order(stop["id"], SYMBOL, params)
        assert await client.fetch_open_orders(SYMBOL, params=params) == []
        position = (await client.fetch_positions([SYMBOL]))[0]
        assert (position["side"], position["contracts"]) == ("long", 0.02)
        assert position["marginMode"] == "isolated"
        assert len(await client.fetch_my_trades(SYMBOL)) >= 1
        await client.create_order(SYMBOL, "market", "sell", 0.02, None, {"reduceOnly": True})
        assert [p for p in await client.fetch_positions([SYMBOL]) if p["contracts"]] == []


@run
async def test_private_streams():
    async with exchange() as (_, client):
        orders = asyncio.ensure_future(client.watch_orders())
        positions = asyncio.ensure_future(client.watch_positions())
        balance = asyncio.ensure_future(client.watch_balance())
        async with asyncio.timeout(15):
            while not any("listenKey" in url and c.connection for url, c in client.clients.items()):
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.2)
            await client.create_order(SYMBOL, "market", "buy", 0.01, None, {"clientOrderId": "entry-7"})
            while True:
                found = {o["clientOrderId"]: o for o in await orders}
                if found.get("entry-7", {}).get("status") == "closed":
                    break
                orders = asyncio.ensure_future(client.watch_orders())
            assert (await positions)[0]["contracts"] == 0.01
            assert (await balance)["USDT"]["total"] < 100_000


@run
async def test_market_streams():
    async with exchange() as (_, client):
        async with asyncio.timeout(20):
            assert (await client.watch_trades(SYMBOL))[0]["price"] > 0
            assert (await client.watch_mark_price(SYMBOL))["markPrice"] > 0
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
        edited = await client.edit_order_ws(order["id"], SYMBOL, "limit", "buy", 0.01, last * 0.94)
        assert edited["price"] == pytest.approx(last * 0.94, abs=0.1)
        assert (await client.fetch_order_ws(order["id"], SYMBOL))["id"] == order["id"]
        assert (await client.cancel_order_ws(order["id"], SYMBOL))["status"] == "canceled"
        stop = await client.create_order_ws(
            SYMBOL, "market", "sell", 0.01, None, {"stopLossPrice": last * 0.9, "reduceOnly": True}
        )
        assert stop["id"]
        await client.cancel_order_ws(stop["id"], SYMBOL, {"trigger": True})
        assert (await client.fetch_balance_ws({"method": "v2/account.balance"}))["USDT"]["total"] == 100_000
