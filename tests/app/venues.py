"""A simulated venue on real sockets, on a thread of its own, for code that blocks."""

import asyncio
import json
import threading
import time
import urllib.request
from contextlib import contextmanager
from decimal import Decimal

import msgspec

from backstay.app.exchange import API_KEY, API_SECRET
from backstay.simulator.engine import Engine
from backstay.simulator.feeds.base import open_feed
from backstay.simulator.feeds.grid import Grid
from backstay.simulator.server.auth import Credentials
from backstay.simulator.server.handler import SimulatedBinance
from backstay.simulator.server.serve import serve
from backstay.simulator.server.settings import ServerSettings
from backstay.simulator.settings import EngineSettings
from backstay.simulator.specs import default_specs

SYMBOLS = ("BTCUSDT", "ETHUSDT")


class Venue:
    def __init__(self, served):
        self.rest = served.url
        self.ws = served.ws_url
        self.control = f"{served.control_url}/sim/v1"

    def config(self, **run):
        """A configuration for mode DEMO with this venue's hosts, as a dictionary."""
        return {
            "run": {"mode": "DEMO", "enable_trading": True, **run},
            "endpoints": {
                "usdm": {
                    "rest": self.rest,
                    "public_stream": f"{self.ws}/public",
                    "market_stream": f"{self.ws}/market",
                    "private_stream": f"{self.ws}/private",
                    "ws_api": f"{self.ws}/ws-fapi/v1",
                }
            },
            "managers": [{"strategy": "position_manager", "symbols": ["BTCUSDT"]}],
            "dashboard": {"enabled": False},
        }

    def order(self, symbol, side, quantity, **more):
        """The account's owner trades by hand, at market or, with a `price`, by a limit order."""
        body = {"do": "order", "symbol": symbol, "side": side, "quantity": quantity, **more}
        return self.post("human", body | {"type": "LIMIT" if "price" in more else "MARKET"})["result"]

    def post(self, path, body):
        request = urllib.request.Request(f"{self.control}/{path}", data=json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def truth(self):
        with urllib.request.urlopen(f"{self.control}/truth", timeout=10) as answer:
            return json.load(answer)


@contextmanager
def venue(*, hedge=False, **credentials):
    """`credentials`: changes to the key's rights, such as `futures=False`."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def call(coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(20)

    served = call(_open(hedge, credentials))
    try:
        yield Venue(served)
    finally:
        call(served.close())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()


async def _open(hedge, credentials):
    start = time.time_ns()
    specs = [s for s in default_specs() if s.symbol in SYMBOLS]
    grids = {s.symbol: Grid(s.tick, s.step) for s in specs}
    feed = open_feed("synthetic", seed=5, symbols=SYMBOLS, start_ns=start, grids=grids, rate=Decimal(20))
    engine = Engine(feed, specs, start_ns=start, seed=5, settings=EngineSettings())
    engine.open_account("main", hedge=hedge)
    key = msgspec.structs.replace(Credentials.hmac(API_KEY, API_SECRET), **credentials)
    handler = SimulatedBinance(
        engine, {API_KEY: key}, start_ns=start, seed=5, settings=ServerSettings.for_sockets()
    )
    return await serve(handler)
