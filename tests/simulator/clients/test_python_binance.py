"""python-binance, unmodified, as a judge: only its base URLs are set, as for any other host."""

import asyncio
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
from binance.exceptions import BinanceAPIException
from binance.ws.reconnecting_websocket import ReconnectingWebsocket

from binance import AsyncClient, BinanceSocketManager

from tests.simulator.clients.hosted import KEY, SECRET, venue
from tests.simulator.server.asyncs import run

USER_EVENTS = ("ORDER_TRADE_UPDATE", "ALGO_UPDATE", "ACCOUNT_UPDATE", "TRADE_LITE")


@asynccontextmanager
async def connected(monkeypatch):
    async with venue() as served:
        monkeypatch.setattr(AsyncClient, "API_URL", f"{served.url}/api")
        monkeypatch.setattr(AsyncClient, "FUTURES_URL", f"{served.url}/fapi")
        monkeypatch.setattr(BinanceSocketManager, "FSTREAM_URL", f"{served.ws_url}/")
        monkeypatch.setattr(AsyncClient, "WS_FUTURES_URL", f"{served.ws_url}/ws-fapi/v1")
        # How long its readers wait before they look whether they shall end: makes closing quick, no more.
        monkeypatch.setattr(ReconnectingWebsocket, "TIMEOUT", 1)
        client = await AsyncClient.create(KEY, SECRET)
        try:
            yield served, client
        finally:
            await client.ws_future.close()
            await client.close_connection()


async def price_of(client, symbol="BTCUSDT") -> Decimal:
    return Decimal((await client.futures_mark_price(symbol=symbol))["markPrice"])


def tick(price: Decimal) -> str:
    return str(price.quantize(Decimal("0.1")))


async def event(stream, *kinds, **where):
    """The next private event of one of these kinds whose order fields are as given."""
    async with asyncio.timeout(10):
        while True:
            frame = await stream.recv()
            assert frame.get("e") != "error", frame
            order = frame.get("o", {})
            if frame["e"] in kinds and all(order.get(k) == v for k, v in where.items()):
                return frame


@run
async def test_market_data_and_exchange_info(monkeypatch):
    async with connected(monkeypatch) as (_, client):
        info = await client.futures_exchange_info()
        symbols = {s["symbol"]: s for s in info["symbols"]}
        assert {"BTCUSDT", "ETHUSDT"} <= set(symbols)
        kinds = {f["filterType"] for f in symbols["BTCUSDT"]["filters"]}
        assert {"PRICE_FILTER", "LOT_SIZE", "MARKET_LOT_SIZE", "MIN_NOTIONAL", "PERCENT_PRICE"} <= kinds
        assert {r["rateLimitType"] for r in info["rateLimits"]} == {"REQUEST_WEIGHT", "ORDERS"}
        book = await client.futures_order_book(symbol="BTCUSDT", limit=5)
        assert Decimal(book["bids"][0][0]) < Decimal(book["asks"][0][0])
        ticker = await client.futures_orderbook_ticker(symbol="BTCUSDT")
        assert Decimal(ticker["bidPrice"]) < Decimal(ticker["askPrice"])
        assert Decimal((await client.futures_symbol_ticker(symbol="BTCUSDT"))["price"]) > 0
        assert len(await client.futures_klines(symbol="BTCUSDT", interval="1m", limit=2)) >= 1
        brackets = await client.futures_leverage_bracket(symbol="BTCUSDT")
        assert brackets[0]["brackets"][0]["initialLeverage"] == 125


@run
async def test_a_limit_order_is_placed_amended_queried_and_cancelled(monkeypatch):
    async with connected(monkeypatch) as (_, client):
        low = await price_of(client) * Decimal("0.95")
        placed = await client.futures_create_order(
            symbol="BTCUSDT", side="BUY", type="LIMIT", timeInForce="GTC", quantity="0.010", price=tick(low)
        )
        assert placed["status"] == "NEW"
        assert "avgPrice" not in placed
        assert "cumQuote" not in placed
        number = placed["orderId"]
        amended = await client.futures_modify_order(
            symbol="BTCUSDT", side="BUY", orderId=number, quantity="0.011", price=tick(low - 10)
        )
        assert amended["orderId"] == number
        assert Decimal(amended["origQty"]) == Decimal("0.011")
        queried = await client.futures_get_order(symbol="BTCUSDT", orderId=number)
        assert Decimal(queried["price"]) == Decimal(tick(low - 10))
        assert "avgPrice" in queried
        assert [o["orderId"] for o in await client.futures_get_open_orders(symbol="BTCUSDT")] == [number]
        assert await client.futures_get_open_algo_orders() == []
        cancelled = await client.futures_cancel_order(symbol="BTCUSDT", orderId=number)
        assert cancelled["status"] == "CANCELED"
        with pytest.raises(BinanceAPIException) as caught:
            await client.futures_cancel_order(symbol="BTCUSDT", orderId=number)
        assert caught.value.code == -2011
        assert (await client.futures_get_all_orders(symbol="BTCUSDT"))[-1]["status"] == "CANCELED"


@run
async def test_conditional_orders_live_on_their_own_surface(monkeypatch):
    async with connected(monkeypatch) as (_, client):
        price = await price_of(client)
        await client.futures_create_order(symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.020")
        stop = await client.futures_create_algo_order(
            algoType="CONDITIONAL",
            symbol="BTCUSDT",
            side="SELL",
            type="STOP_MARKET",
            triggerPrice=tick(price * Decimal("0.9")),
            quantity="0.020",
            reduceOnly="true",
            clientAlgoId="stop-1",
        )
        assert (stop["algoStatus"], stop["orderType"], stop["clientAlgoId"]) == (
            "NEW",
            "STOP_MARKET",
            "stop-1",
        )
        # The library itself routes conditional types of its old call to the new surface.
        other = await client.futures_create_order(
            symbol="BTCUSDT",
            side="SELL",
            type="TAKE_PROFIT_MARKET",
            stopPrice=tick(price * Decimal("1.1")),
            closePosition="true",
        )
        assert other["closePosition"] is True
        listed = await client.futures_get_open_algo_orders(symbol="BTCUSDT")
        assert {o["algoId"] for o in listed} == {stop["algoId"], other["algoId"]}
        assert await client.futures_get_open_orders(symbol="BTCUSDT") == []
        one = await client.futures_get_algo_order(algoId=stop["algoId"])
        assert one["triggerPrice"] == stop["triggerPrice"]
        gone = await client.futures_cancel_algo_order(clientAlgoId="stop-1")
        assert (gone["code"], gone["msg"]) == ("200", "success")
        await client.futures_cancel_all_algo_open_orders(symbol="BTCUSDT")
        assert await client.futures_get_open_algo_orders(symbol="BTCUSDT") == []
        history = await client.futures_get_all_algo_orders(symbol="BTCUSDT")
        assert {o["algoStatus"] for o in history} == {"CANCELED"}


@run
async def test_account_positions_and_settings(monkeypatch):
    async with connected(monkeypatch) as (_, client):
        balances = {b["asset"]: Decimal(b["balance"]) for b in await client.futures_account_balance()}
        assert balances["USDT"] == 100_000
        assert (await client.futures_change_leverage(symbol="BTCUSDT", leverage=10))["leverage"] == 10
        await client.futures_change_margin_type(symbol="BTCUSDT", marginType="ISOLATED")
        with pytest.raises(BinanceAPIException) as caught:
            await client.futures_change_margin_type(symbol="BTCUSDT", marginType="ISOLATED")
        assert caught.value.code == -4046
        assert (await client.futures_get_position_mode())["dualSidePosition"] is False
        await client.futures_create_order(symbol="BTCUSDT", side="SELL", type="MARKET", quantity="0.005")
        rows = await client.futures_position_information(symbol="BTCUSDT")
        assert [Decimal(r["positionAmt"]) for r in rows] == [Decimal("-0.005")]
        account = await client.futures_account()
        assert Decimal(account["totalWalletBalance"]) < 100_000
        config = await client.futures_symbol_config(symbol="BTCUSDT")
        assert (config[0]["marginType"], config[0]["leverage"]) == ("ISOLATED", 10)
        trades = await client.futures_account_trades(symbol="BTCUSDT")
        assert sum(Decimal(t["qty"]) for t in trades) == Decimal("0.005")
        assert (await client.futures_commission_rate(symbol="BTCUSDT"))["takerCommissionRate"] == "0.0005"
        assert {r["incomeType"] for r in await client.futures_income_history()} >= {"COMMISSION"}


@run
async def test_the_private_stream_tells_a_fill_and_a_triggered_stop(monkeypatch):
    async with connected(monkeypatch) as (served, client):
        async with BinanceSocketManager(client).futures_user_socket() as stream:
            await client.futures_create_order(
                symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.010", newClientOrderId="entry-1"
            )
            filled = await event(stream, "ORDER_TRADE_UPDATE", c="entry-1", X="FILLED")
            assert Decimal(filled["o"]["z"]) == Decimal("0.010")
            price = Decimal(filled["o"]["ap"])
            stop = await client.futures_create_algo_order(
                algoType="CONDITIONAL",
                symbol="BTCUSDT",
                side="SELL",
                type="STOP_MARKET",
                triggerPrice=tick(price * Decimal("0.98")),
                closePosition="true",
                clientAlgoId="stop-2",
            )
            placed = await event(stream, "ALGO_UPDATE", caid="stop-2", X="NEW")
            assert placed["o"]["aid"] == stop["algoId"]
            served.venue.engine.set_price(
                "BTCUSDT", (price * Decimal("0.97")).quantize(Decimal("0.1")), served.pump.now()
            )
            frames = [await event(stream, *USER_EVENTS)]
            while frames[-1].get("o", {}).get("X") != "FINISHED":
                frames.append(await event(stream, *USER_EVENTS))
            child = next(f["o"] for f in frames if f["e"] == "ORDER_TRADE_UPDATE" and f["o"]["X"] == "FILLED")
            assert child["c"] == "stop-2"
            assert child["i"] != stop["algoId"]
            assert frames[-1]["o"]["ai"] == str(child["i"])
            assert {f["a"]["m"] for f in frames if f["e"] == "ACCOUNT_UPDATE"} == {"ORDER"}
            walk = [f["o"]["X"] for f in frames if f["e"] == "ALGO_UPDATE"]
            assert walk == ["TRIGGERING", "TRIGGERED", "FINISHED"]
        assert await client.futures_position_information(symbol="BTCUSDT") == []


@run
async def test_market_streams_on_their_routes(monkeypatch):
    async with connected(monkeypatch) as (_, client):
        manager = BinanceSocketManager(client)
        async with (
            manager.symbol_mark_price_socket("BTCUSDT") as mark,
            manager.individual_symbol_ticker_futures_socket("BTCUSDT"),
            manager.symbol_ticker_futures_socket("BTCUSDT") as book,
            manager.futures_multiplex_socket(["btcusdt@aggTrade", "ethusdt@markPrice@1s"]) as many,
        ):
            frame = await asyncio.wait_for(mark.recv(), 10)
            assert frame["stream"] == "btcusdt@markPrice@1s"
            assert Decimal(frame["data"]["p"]) > 0
            quote = (await asyncio.wait_for(book.recv(), 10))["data"]
            assert (quote["e"], quote["s"]) == ("bookTicker", "BTCUSDT")
            awaited = {"btcusdt@aggTrade", "ethusdt@markPrice@1s"}
            async with asyncio.timeout(10):
                while awaited:
                    awaited.discard((await many.recv())["stream"])


@run
async def test_the_websocket_api(monkeypatch):
    async with connected(monkeypatch) as (_, client):
        price = await price_of(client)
        low = price * Decimal("0.95")
        placed = await client.ws_futures_create_order(
            symbol="BTCUSDT", side="BUY", type="LIMIT", timeInForce="GTC", quantity="0.010", price=tick(low)
        )
        number = placed["orderId"]
        assert placed["status"] == "NEW"
        amended = await client.ws_futures_edit_order(
            symbol="BTCUSDT", side="BUY", orderId=number, quantity="0.010", price=tick(low - 5)
        )
        assert Decimal(amended["price"]) == Decimal(tick(low - 5))
        assert (await client.ws_futures_get_order(symbol="BTCUSDT", orderId=number))["status"] == "NEW"
        assert (await client.ws_futures_cancel_order(symbol="BTCUSDT", orderId=number))[
            "status"
        ] == "CANCELED"
        await client.ws_futures_create_order(symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.010")
        algo = await client.ws_futures_create_order(
            symbol="BTCUSDT",
            side="SELL",
            type="STOP_MARKET",
            stopPrice=tick(price * Decimal("0.9")),
            quantity="0.010",
            reduceOnly="true",
        )
        assert algo["algoStatus"] == "NEW"
        assert (await client.ws_futures_cancel_algo_order(algoId=algo["algoId"]))["code"] == "200"
        rows = await client.ws_futures_v2_account_position(symbol="BTCUSDT")
        assert Decimal(rows[0]["positionAmt"]) == Decimal("0.010")
        assert Decimal((await client.ws_futures_v2_account_status())["totalWalletBalance"]) < 100_000
        assert {b["asset"] for b in await client.ws_futures_v2_account_balance()} >= {"USDT"}
        assert (await client.ws_futures_get_order_book(symbol="BTCUSDT"))["bids"]
        with pytest.raises(BinanceAPIException, match="-2011"):
            await client.ws_futures_cancel_order(symbol="BTCUSDT", orderId=number)
