"""python-binance, unmodified, against the Spot side: only its base URLs are set."""

import asyncio
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
from binance.exceptions import BinanceAPIException
from binance.ws.reconnecting_websocket import ReconnectingWebsocket

from binance import AsyncClient, BinanceSocketManager

from tests.simulator.clients.hosted import KEY, SECRET
from tests.simulator.server.asyncs import run
from tests.simulator.spot.hosted import spot_venue


@asynccontextmanager
async def connected(monkeypatch):
    async with spot_venue() as served:
        monkeypatch.setattr(AsyncClient, "API_URL", f"{served.url}/api")
        monkeypatch.setattr(AsyncClient, "WS_API_URL", f"{served.ws_url}/ws-api/v3")
        monkeypatch.setattr(BinanceSocketManager, "STREAM_URL", f"{served.ws_url}/")
        # How long its readers wait before they look whether they shall end: makes closing quick, no more.
        monkeypatch.setattr(ReconnectingWebsocket, "TIMEOUT", 1)
        client = await AsyncClient.create(KEY, SECRET)
        try:
            yield served, client
        finally:
            await client.close_connection()


async def price_of(client):
    return Decimal((await client.get_symbol_ticker(symbol="BTCUSDT"))["price"])


def tick(price):
    return str(price.quantize(Decimal("0.01")))


@run
async def test_market_data_and_exchange_info(monkeypatch):
    async with connected(monkeypatch) as (_, client):
        info = await client.get_exchange_info()
        assert {s["symbol"] for s in info["symbols"]} == {"BTCUSDT", "ETHUSDT"}
        symbol = await client.get_symbol_info("BTCUSDT")
        assert {"PRICE_FILTER", "LOT_SIZE", "NOTIONAL"} <= {f["filterType"] for f in symbol["filters"]}
        book = await client.get_order_book(symbol="BTCUSDT", limit=5)
        assert Decimal(book["bids"][0][0]) < Decimal(book["asks"][0][0])
        assert len(await client.get_klines(symbol="BTCUSDT", interval="1m", limit=2)) >= 1
        assert Decimal((await client.get_orderbook_ticker(symbol="BTCUSDT"))["bidPrice"]) > 0
        assert len(await client.get_all_tickers()) == 2
        assert (await client.get_ticker(symbol="BTCUSDT"))["symbol"] == "BTCUSDT"
        assert (await client.get_avg_price(symbol="BTCUSDT"))["mins"] == 5
        assert isinstance(await client.get_recent_trades(symbol="BTCUSDT"), list)
        assert isinstance(await client.get_aggregate_trades(symbol="BTCUSDT"), list)


@run
async def test_orders_over_rest(monkeypatch):
    async with connected(monkeypatch) as (_, client):
        price = await price_of(client)
        low = tick(price * Decimal("0.95"))
        assert (
            await client.create_test_order(
                symbol="BTCUSDT", side="BUY", type="LIMIT", timeInForce="GTC", quantity="0.01", price=low
            )
            == {}
        )
        order = await client.order_limit_buy(symbol="BTCUSDT", quantity="0.01", price=low)
        assert order["status"] == "NEW"
        fetched = await client.get_order(symbol="BTCUSDT", orderId=order["orderId"])
        assert fetched["price"] == order["price"]
        assert len(await client.get_open_orders(symbol="BTCUSDT")) == 1
        gone = await client.cancel_order(symbol="BTCUSDT", orderId=order["orderId"])
        assert gone["status"] == "CANCELED"
        with pytest.raises(BinanceAPIException) as caught:
            await client.cancel_order(symbol="BTCUSDT", orderId=order["orderId"])
        assert caught.value.code == -2011
        bought = await client.order_market_buy(symbol="BTCUSDT", quoteOrderQty="500")
        assert bought["status"] == "FILLED"
        trades = await client.get_my_trades(symbol="BTCUSDT", orderId=bought["orderId"])
        assert sum(Decimal(t["qty"]) for t in trades) == Decimal(bought["executedQty"])
        balance = await client.get_asset_balance("BTC")
        assert 1 < Decimal(balance["free"]) < 1 + Decimal(bought["executedQty"])
        with pytest.raises(BinanceAPIException, match="Filter failure: LOT_SIZE"):
            await client.order_market_sell(symbol="BTCUSDT", quantity="0.000001")


@run
async def test_an_oco_protects_a_holding(monkeypatch):
    async with connected(monkeypatch) as (_, client):
        price = await price_of(client)
        group = await client.create_oco_order(
            symbol="BTCUSDT",
            side="SELL",
            quantity="0.5",
            aboveType="LIMIT_MAKER",
            abovePrice=tick(price * Decimal("1.05")),
            belowType="STOP_LOSS",
            belowStopPrice=tick(price * Decimal("0.95")),
        )
        assert group["listOrderStatus"] == "EXECUTING"
        assert (await client.get_asset_balance("BTC"))["locked"] == "0.50000000"


@run
async def test_user_socket_and_orders_over_the_websocket_api(monkeypatch):
    async with connected(monkeypatch) as (served, client):
        sockets = BinanceSocketManager(client)
        async with sockets.user_socket() as stream, asyncio.timeout(15):
            price = await price_of(client)
            order = await client.ws_create_order(
                symbol="BTCUSDT",
                side="BUY",
                type="LIMIT",
                timeInForce="GTC",
                quantity="0.01",
                price=tick(price * Decimal("0.95")),
                newClientOrderId="mine",
            )
            report = await stream.recv()
            assert (report["e"], report["c"], report["X"]) == ("executionReport", "mine", "NEW")
            assert (await stream.recv())["e"] == "outboundAccountPosition"
            found = await client.ws_get_order(symbol="BTCUSDT", orderId=order["orderId"])
            assert found["clientOrderId"] == "mine"
            await client.ws_cancel_order(symbol="BTCUSDT", orderId=order["orderId"])
            cancel = await stream.recv()
            assert (cancel["X"], cancel["C"]) == ("CANCELED", "mine")
            served.venue.engine.human(
                "main", {"do": "deposit", "asset": "ETH", "amount": 2}, served.pump.now()
            )
            while (event := await stream.recv())["e"] != "balanceUpdate":
                assert event["e"] != "error"
            assert event["d"] == "2.00000000"


@run
async def test_market_sockets(monkeypatch):
    async with connected(monkeypatch) as (_, client):
        sockets = BinanceSocketManager(client)
        async with asyncio.timeout(15):
            async with sockets.trade_socket("BTCUSDT") as stream:
                assert (await stream.recv())["e"] == "trade"
            async with sockets.kline_socket("BTCUSDT") as stream:
                assert (await stream.recv())["k"]["i"] == "1m"
            async with sockets.multiplex_socket(["btcusdt@bookTicker", "ethusdt@bookTicker"]) as stream:
                assert "@bookTicker" in (await stream.recv())["stream"]
