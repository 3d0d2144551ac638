"""`exchange serve` with both products: two ports, one control side, one clock."""

import asyncio
import json

import aiohttp
import pytest

from backstay.app.errors import ConfigError
from backstay.app.exchange import ExchangeOptions, open_exchange
from backstay.simulator.server.serve import ServeError

BOTH = {"port": 0, "spot_port": 0, "control_port": 0, "products": ("usdm", "spot")}


def served(test, **options):
    """Run `test(exchange, fetch)`; `fetch(url, body)` answers status and decoded JSON."""

    async def main():
        exchange = await open_exchange(ExchangeOptions(**(BOTH | options)))
        try:
            async with aiohttp.ClientSession() as session:

                async def fetch(url, body=None):
                    method = "GET" if body is None else "POST"
                    async with session.request(method, url, json=body) as answer:
                        return answer.status, json.loads(await answer.read())

                await test(exchange, fetch)
        finally:
            await exchange.close()

    asyncio.run(asyncio.wait_for(main(), 30))


def test_each_product_answers_on_its_own_port():
    async def look(exchange, fetch):
        spot = exchange.beside["spot"]
        assert len({*exchange.ports, spot.ports[0]}) == 3
        assert (await fetch(f"{exchange.url}/fapi/v1/ping")) == (200, {})
        status, info = await fetch(f"{spot.url}/api/v3/exchangeInfo")
        assert status == 200
        assert "TRUMPUSDC" in {s["symbol"] for s in info["symbols"]}
        assert (await fetch(f"{spot.url}/fapi/v1/ping"))[0] == 404

    served(look)


def test_one_control_side_serves_both_and_moves_one_clock():
    async def look(exchange, fetch):
        control = f"{exchange.control_url}/sim/v1"
        spot = exchange.beside["spot"]
        assert (await fetch(f"{control}/spot/price", {"symbol": "BTCUSDC", "price": "70000"}))[0] == 200
        assert (await fetch(f"{control}/price", {"symbol": "BTCUSDC", "price": "70000"}))[0] == 400
        buy = {"do": "order", "symbol": "BTCUSDC", "side": "BUY", "type": "MARKET", "quantity": "0.01"}
        status, done = await fetch(f"{control}/spot/human", buy)
        assert (status, done["result"]["status"]) == (200, "FILLED")
        truth = (await fetch(f"{control}/spot/truth"))[1]
        assert truth["fills"][0]["commissionAsset"] == "BTC"
        assert (await fetch(f"{control}/truth"))[1]["positions"] == []
        before = (await fetch(f"{spot.url}/api/v3/time"))[1]["serverTime"]
        await fetch(f"{control}/usdm/clock", {"advance": "2h"})
        assert spot.venue.now // 1_000_000 >= before + 7_200_000
        futures = (await fetch(f"{exchange.url}/fapi/v1/time"))[1]["serverTime"]
        assert abs((await fetch(f"{spot.url}/api/v3/time"))[1]["serverTime"] - futures) < 5_000

    served(look, symbols=("BTCUSDT", "BTCUSDC"))


def test_spot_alone_is_the_first():
    async def look(exchange, fetch):
        assert exchange.venue.product.spot
        assert exchange.beside == {}
        assert (await fetch(f"{exchange.control_url}/sim/v1/spot/truth"))[0] == 200

    served(look, products=("spot",))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"symbols": ("TRUMPUSDC",)}, "none of TRUMPUSDC exists on usdm"),
        ({"symbols": ("BTCUSTD",)}, "has no BTCUSTD"),
        ({"products": ("spot",), "feed": "live"}, "live is the market of USD-M"),
    ],
)
def test_what_cannot_be_served_is_told(options, told):
    with pytest.raises(ConfigError, match=told):
        asyncio.run(open_exchange(ExchangeOptions(**(BOTH | options))))


def test_a_spot_port_that_is_taken_ends_the_start():
    async def look(exchange, fetch):
        taken = exchange.beside["spot"].ports[0]
        with pytest.raises(ServeError, match=f"port {taken}"):
            await open_exchange(ExchangeOptions(**(BOTH | {"spot_port": taken})))
        assert (await fetch(f"{exchange.url}/fapi/v1/ping"))[0] == 200

    served(look)
