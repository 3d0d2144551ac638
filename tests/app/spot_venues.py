"""Both simulated products on real sockets, on a thread of their own, for commands, which block."""

import asyncio
import json
import threading
import time
import urllib.request
from contextlib import contextmanager

import yaml

from backstay.app.exchange import API_KEY, API_SECRET, ExchangeOptions, open_exchange
from backstay.app.locks import is_owned
from backstay.app.run import run as run_guards

SWING = {"strategy": "swing", "product": "spot", "symbols": ["BTCUSDT"], "sell_when": "fill"}
POSITIONS = {"strategy": "position_manager", "symbols": ["BTCUSDT"]}
HOLDING = {
    "strategy": "position_manager",
    "product": "spot",
    "symbols": ["BTCUSDT"],
    "stop_loss": {"distance": "4%"},
    "take_profit": {"levels": [{"distance": "4%"}]},
}


def hosts(served):
    """The section `endpoints` of a configuration: where both products are served."""
    spot, ws = served.beside["spot"], served.ws_url
    return {
        "usdm": {
            "rest": served.url,
            "public_stream": f"{ws}/public",
            "market_stream": f"{ws}/market",
            "private_stream": f"{ws}/private",
            "ws_api": f"{ws}/ws-fapi/v1",
        },
        "spot": {"rest": spot.url, "stream": spot.ws_url, "ws_api": f"{spot.ws_url}/ws-api/v3"},
    }


class Venues:
    def __init__(self, served, call, folder):
        self.served, self.call, self.folder = served, call, folder
        self.control = f"{served.control_url}/sim/v1"
        self._pause = threading.Event()

    def document(self, *managers, **more):
        """A configuration for mode DEMO with these hosts."""
        return {
            "run": {"mode": "DEMO", "enable_trading": True},
            "endpoints": hosts(self.served),
            "managers": list(managers),
            "dashboard": {"enabled": False},
            "metrics": {"enabled": False},
            **more,
        }

    def configure(self, *managers, **more):
        (self.folder / "config.yaml").write_text(yaml.safe_dump(self.document(*managers, **more)))

    def by_hand(self, product="spot", **action):
        return self._post(f"{product}/human", {"symbol": "BTCUSDT", **action})["result"]

    def buy(self, *parts):
        """BTCUSDT on spot, in these fills."""
        return self.by_hand(do="in_parts", parts=",".join(parts))

    def price(self, price, product="spot"):
        return self._post(f"{product}/price", {"symbol": "BTCUSDT", "price": price})

    def faults(self, *rules, product="spot"):
        return self._post(f"{product}/faults", {"rules": list(rules)})

    def calm(self, product="spot"):
        request = urllib.request.Request(f"{self.control}/{product}/faults", method="DELETE")
        urllib.request.urlopen(request, timeout=10).close()

    def truth(self, product="spot"):
        with urllib.request.urlopen(f"{self.control}/{product}/truth", timeout=10) as answer:
            return json.load(answer)

    def requests(self, product="spot"):
        with urllib.request.urlopen(f"{self.control}/{product}/requests", timeout=10) as answer:
            return json.load(answer)["requests"]

    def until(self, condition, seconds=10):
        """Wait for what happens on the other thread."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "it did not happen in time"
            self._pause.wait(0.02)

    def resting(self):
        return [o for o in self.truth()["orders"] if o["side"] == "SELL" and o["status"] == "NEW"]

    def _post(self, path, body):
        request = urllib.request.Request(f"{self.control}/{path}", data=json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    @contextmanager
    def running(self, settings):
        """`backstay run` on the other thread."""
        stop, ready = asyncio.Event(), threading.Event()
        task = self.call(_task(run_guards(settings, started=lambda _: ready.set(), stop=stop)))
        assert ready.wait(20), "the run did not start"
        try:
            yield
        finally:
            self.call(_set(stop))
            self.call(_finished(task))
            assert not is_owned(settings)


async def _task(coroutine):
    return asyncio.ensure_future(coroutine)


async def _set(event):
    event.set()


async def _finished(task):
    await task


@contextmanager
def venues(folder, **options):
    """`options`: of `ExchangeOptions`."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def call(coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(20)

    chosen = {"products": ("usdm", "spot"), "symbols": ("BTCUSDT",), "seed": 3, **options}
    served = call(open_exchange(ExchangeOptions(port=0, spot_port=0, control_port=0, **chosen)))
    try:
        yield Venues(served, call, folder)
    finally:
        call(served.close())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()


KEYS = {"BINANCE_DEMO_API_KEY": API_KEY, "BINANCE_DEMO_API_SECRET": API_SECRET}
