"""The live feed reads real sockets, never waits in `ticks()`, and says clearly when nobody is there."""

import asyncio
import socket
import threading
import time

import picows
import pytest

from backstay.simulator.feeds.base import FeedError, Mark, Quote, Trade
from backstay.simulator.feeds.live import LiveFeed

BOOK = (
    b'{"stream":"btcusdt@bookTicker","data":'
    b'{"e":"bookTicker","u":1,"s":"BTCUSDT","b":"10.1","B":"2","a":"10.2","A":"3","T":2,"E":2}}'
)
TRADE = (
    b'{"stream":"btcusdt@aggTrade","data":'
    b'{"e":"aggTrade","E":2,"T":2,"s":"BTCUSDT","a":8,"p":"10.1","q":"1","m":true}}'
)
MARK = (
    b'{"stream":"btcusdt@markPrice@1s","data":'
    b'{"e":"markPriceUpdate","E":2,"s":"BTCUSDT","p":"10.15","i":"10.16","r":"0.0002","T":9}}'
)


class Venue:
    """A server of two routes on a real port, in a thread of its own."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.loop = asyncio.new_event_loop()
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        assert self.ready.wait(10)
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)

    def _listener(self, request):
        path = request.path.decode()
        self.paths.append(path)
        frames = [BOOK] if path.startswith("/public") else [b"{broken", TRADE, MARK]

        class Listener(picows.WSListener):
            def on_ws_connected(self, transport):
                for frame in frames:
                    transport.send(picows.WSMsgType.TEXT, frame)

        return Listener()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(picows.ws_create_server(self._listener, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self.ready.set()
        self.loop.run_forever()
        server.close()
        self.loop.close()


def test_live_ticks_arrive_and_a_quiet_market_repeats_its_quote_without_waiting():
    with Venue() as venue:
        base = f"ws://127.0.0.1:{venue.port}"
        with LiveFeed(["BTCUSDT"], public_url=f"{base}/public", market_url=f"{base}/market") as feed:
            seen, deadline = {}, time.monotonic() + 10
            last_at = 0
            for tick in feed.ticks():
                assert tick.at >= last_at
                last_at = tick.at
                seen[type(tick)] = tick
                if {Quote, Trade, Mark} <= seen.keys() or time.monotonic() > deadline:
                    break
            assert {Quote, Trade, Mark} <= seen.keys()
            ticks = feed.ticks()
            began = time.monotonic()
            quiet = [next(ticks) for _ in range(50)]
            assert time.monotonic() - began < 1
            assert isinstance(quiet[-1], Quote)
            assert quiet[-1].at > time.time_ns()
        assert any(path == "/public/stream?streams=btcusdt@bookTicker" for path in venue.paths)
        assert any(
            path == "/market/stream?streams=btcusdt@aggTrade/btcusdt@markPrice@1s" for path in venue.paths
        )


def test_without_a_network_the_error_says_so_and_what_to_do():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        base = f"ws://127.0.0.1:{unused.getsockname()[1]}"
        feed = LiveFeed(["BTCUSDT"], public_url=base, market_url=base, timeout_s=0.5)
        with pytest.raises(FeedError, match=r"cannot be reached: .*synthetic feed or a recorded file"):
            feed.open()
    assert not [thread for thread in threading.enumerate() if thread.name == "live-feed"]


def test_ticks_before_open_are_refused():
    with pytest.raises(FeedError, match=r"Call open\(\) first"):
        next(LiveFeed(["BTCUSDT"]).ticks())
