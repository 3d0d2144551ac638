"""A whole simulated Spot venue on real sockets for the clients of others."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

from backstay.simulator.feeds.base import open_feed
from backstay.simulator.feeds.grid import Grid
from backstay.simulator.server.auth import Credentials
from backstay.simulator.server.handler import SimulatedBinance
from backstay.simulator.server.product import SPOT
from backstay.simulator.server.serve import Served, serve
from backstay.simulator.server.settings import ServerSettings
from backstay.simulator.spot.engine import SpotEngine
from backstay.simulator.spot.specs import default_spot_specs

from tests.simulator.clients.hosted import KEY, SECRET

SYMBOLS = ("BTCUSDT", "ETHUSDT")


@asynccontextmanager
async def spot_venue(**more: Credentials) -> AsyncIterator[Served]:
    """The account `main` holds 100,000 USDT and 1 BTC, and pays its commissions in what it receives."""
    start = time.time_ns()
    specs = [s for s in default_spot_specs() if s.symbol in SYMBOLS]
    grids = {s.symbol: Grid(s.tick, s.step) for s in specs}
    feed = open_feed("synthetic", seed=11, symbols=SYMBOLS, start_ns=start, grids=grids, rate=Decimal(20))
    engine = SpotEngine(feed, specs, start_ns=start, seed=11)
    engine.open_account("main", balances={"USDT": Decimal(100_000), "BTC": Decimal(1)})
    handler = SimulatedBinance(
        engine,
        {KEY: Credentials.hmac(KEY, SECRET)} | more,
        start_ns=start,
        seed=11,
        settings=ServerSettings.spot_for_sockets(),
        product=SPOT,
    )
    served = await serve(handler)
    try:
        yield served
        if served.pump.failure is not None:
            raise served.pump.failure
    finally:
        await served.close()
