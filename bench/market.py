"""What following the market costs: many symbols of 1m klines, marks and quotes at real rates, on loopback.

Run:  .venv/bin/python bench/market.py [--symbols 200] [--seconds 20]
Prints one JSON document, last on stdout. The window of measurement holds a full minute's end, at which every
symbol is scored. `core_share` is processor time of this process over wall time; `lag_ms` is from a frame
being handed to the socket by the other process to its having been dealt with here (frames tell ms);
`score_ms` is from the closed kline to the recorded score, all symbols closing at once.

Measured is the product's way: gateway, decoding, desk, scores, fold, decision, ledger line. Histories are
made up in this process before the measurement, so that no reading is in it.
"""

import argparse
import asyncio
import gc
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from backstay.app.entropy import SystemEntropy
from backstay.app.market import MarketSide
from backstay.binance.net.sockets import SocketTransport
from backstay.binance.net.venue import BinanceVenue
from backstay.binance.wire.endpoints import UsdmEndpoints
from backstay.binance.wire.sign import HmacSigner
from backstay.core.account import fold
from backstay.core.account_scopes import of_symbol
from backstay.core.engine import Engine, Manager, decide
from backstay.core.scored import SignalScored
from backstay.ledger.codec import GENESIS
from backstay.ledger.disk import FileDisk
from backstay.ledger.journal import Journal
from backstay.ledger.writers import ThreadedWriter
from backstay.marketdata.desk import Desk
from backstay.marketdata.feed import MarketFeed
from backstay.runtime.books import Books
from backstay.runtime.virtual_time import WallClock
from backstay.signals.bars import Bar
from backstay.signals.policy import MINUTE, ScorePolicy
from backstay.strategies.scored.policy import ScoredPolicy
from backstay.strategies.scored.wanted import ScoredTrader
from market_venue import total
from story import beginning

HERE = Path(__file__).resolve().parent
POLICY = ScorePolicy(interval=MINUTE, higher=5 * MINUTE, valid_for=MINUTE)


class Account:
    """Fold, decision and ledger of an owner, without an account to guard."""

    def __init__(self, engine, folder):
        self.engine = engine
        self.books = Books(self)
        self.live = True
        self.journal = Journal(FileDisk(folder), "events.jsonl", start=GENESIS, writer=ThreadedWriter())
        self.account = fold_all(beginning(1))
        self.scored = []

    def on_event(self, event):
        now = time.time_ns()
        after = fold(self.account, event, now)
        if after is self.account:
            return
        self.account = after
        self.journal.append(event, at=now, cause=0)
        if isinstance(event, SignalScored):
            for key in of_symbol(after, event.symbol):
                decide(after, key, self.engine, now)
            self.scored.append((time.time_ns() - event.signal.at) / 1e6)
        self.journal.kick()

    def on_mark(self, symbol, price, at):
        pass


def fold_all(bodies):
    from backstay.core.state import AccountState

    account = AccountState()
    for body in bodies:
        account = fold(account, body, time.time_ns())
    return account


class Side(MarketSide):
    """The product's market side; its histories are made up and its frames are timed."""

    def __init__(self, *args, **more):
        super().__init__(*args, **more)
        self.lags = []
        self.frames = 0

    def start(self):
        desk = Desk(self._policies, self._venue.venue_now_ns())
        self.feed = MarketFeed(desk, self, emit=self._emit, tell=print, pages_per_minute=1_000_000)
        self.feed.start()

    async def read_bars(self, symbol, interval, start, end):
        await asyncio.sleep(0)
        dice = random.Random(f"{symbol}/{start}")
        price, bars = 100.0 + int(symbol[1:4]), []
        for at in range(start, end, MINUTE):
            close = round(price * (1 + dice.uniform(-0.001, 0.001)), 2)
            high, low = max(price, close) + 0.01, min(price, close) - 0.01
            bars.append(Bar(at, price, high, low, close, 100.0 + dice.random()))
            price = close
        return bars

    def _heard(self, event):
        super()._heard(event)
        self.frames += 1
        self.lags.append(time.time_ns() - event.at)


def percentile(values, share):
    values = sorted(values)
    return values[min(int(len(values) * share), len(values) - 1)] if values else None


async def measure(port, symbols, seconds, folder):
    names = [f"S{i:03d}USDT" for i in range(symbols)]
    policy = ScoredPolicy(symbols=tuple(names), score=POLICY)
    engine = Engine((Manager(ScoredTrader(), policy, frozenset(names)),))
    owner = Account(engine, folder)
    url = f"ws://127.0.0.1:{port}"
    transport = SocketTransport()
    venue = BinanceVenue(
        transport=transport,
        endpoints=UsdmEndpoints(
            rest=f"http://127.0.0.1:{port}",
            public_stream=f"{url}/public",
            market_stream=f"{url}/market",
            private_stream=f"{url}/private",
            ws_api=f"{url}/ws-fapi/v1",
        ),
        signer=HmacSigner("k" * 64, "s" * 64),
        clock=WallClock(),
        entropy=SystemEntropy(),
        on_event=owner.on_event,
        on_mark=owner.on_mark,
        order_connection=False,
        log=lambda _: None,
    )
    side = Side(owner, venue, dict.fromkeys(names, POLICY), tell=print)
    side.start()
    for history in side.feed.desk.histories.values():
        while not history.is_warm or history.has_work:  # noqa: ASYNC110 (nobody would set an event)
            await asyncio.sleep(0.5)
    wait = (60 - time.time() % 60 - seconds / 2) % 60
    await asyncio.sleep(wait)
    gc.collect()
    gc.freeze()
    side.lags.clear()
    owner.scored.clear()
    side.frames, began, used = 0, time.perf_counter(), time.process_time()
    await asyncio.sleep(seconds)
    wall, cpu, frames = time.perf_counter() - began, time.process_time() - used, side.frames
    lags, scored = list(side.lags), list(owner.scored)
    await side.stop()
    await venue.close()
    await transport.close()
    owner.journal.close()
    return {
        "symbols": symbols,
        "seconds": round(wall, 1),
        "frames_per_s": round(frames / wall),
        "offered_per_s": round(total(symbols)),
        "core_share": round(cpu / wall, 4),
        "us_per_frame": round(cpu / frames * 1e6, 2),
        "lag_ms": {
            "p50": round(percentile(lags, 0.5) / 1e6, 2),
            "p99": round(percentile(lags, 0.99) / 1e6, 2),
            "max": round(max(lags) / 1e6, 2),
        },
        "scores": len(scored),
        "score_ms": {"p50": round(percentile(scored, 0.5), 1), "max": round(max(scored), 1)}
        if scored
        else {},
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--symbols", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=20.0)
    asked = parser.parse_args()
    venue = subprocess.Popen(
        [sys.executable, str(HERE / "market_venue.py"), "--symbols", str(asked.symbols)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        port = int(venue.stdout.readline())
        with (
            tempfile.TemporaryDirectory() as folder,
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            found = runner.run(measure(port, asked.symbols, asked.seconds, Path(folder)))
    finally:
        venue.terminate()
        venue.wait()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
