"""A whole simulated venue on real sockets for the clients of others: synthetic market, one funded account."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

from backstay.simulator.engine import Engine
from backstay.simulator.feeds.base import open_feed
from backstay.simulator.feeds.grid import Grid
from backstay.simulator.server.auth import Credentials
from backstay.simulator.server.handler import SimulatedBinance
from backstay.simulator.server.serve import Served, serve
from backstay.simulator.server.settings import ServerSettings
from backstay.simulator.settings import EngineSettings
from backstay.simulator.specs import default_specs

KEY = "A1b2" * 16
SECRET = "Z9y8" * 16
SYMBOLS = ("BTCUSDT", "ETHUSDT")


@asynccontextmanager
async def venue(**more: Credentials) -> AsyncIterator[Served]:
    """`more`: further credentials by API key. The account `main` holds 100,000 USDT, one-way, no position."""
    start = time.time_ns()
    specs = [s for s in default_specs() if s.symbol in SYMBOLS]
    grids = {s.symbol: Grid(s.tick, s.step) for s in specs}
    feed = open_feed("synthetic", seed=11, symbols=SYMBOLS, start_ns=start, grids=grids, rate=Decimal(20))
    engine = Engine(feed, specs, start_ns=start, seed=11, settings=EngineSettings())
    engine.open_account("main", balance=Decimal(100_000))
    handler = SimulatedBinance(
        engine,
        {KEY: Credentials.hmac(KEY, SECRET)} | more,
        start_ns=start,
        seed=11,
        settings=ServerSettings.for_sockets(),
    )
    served = await serve(handler)
    try:
        await _first_price(served)
        yield served
        if served.pump.failure is not None:
            raise served.pump.failure
    finally:
        await served.close()


async def _first_price(served: Served) -> None:
    """Wait until the market has spoken once for every symbol."""
    async with asyncio.timeout(5):
        while True:
            try:
                for symbol in SYMBOLS:
                    served.venue.engine.call(
                        None, "GET /fapi/v1/premiumIndex", {"symbol": symbol}, served.pump.now()
                    )
            except LookupError:
                await asyncio.sleep(0.01)
            else:
                return
