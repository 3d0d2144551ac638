"""A venue that only sends market data: closed and running klines, marks and quotes of many symbols.

Run by `market.py` in a process of its own. Rates: quotes as recorded of BTCUSDT on a lively day (192 a
second) for the first symbol and falling with the rank of the others; running klines every 250 ms where
anything is quoted that often, marks every second, a closed kline of every symbol at each full minute, all at
once. Prints its port, then serves until it is killed. Every frame says in `E` when it was handed over.
"""

import argparse
import asyncio
import json
import random
import time

import picows

BUSIEST = 192
RANK = 0.6
TICK_S = 0.005


def rate(rank: int) -> float:
    """Quotes a second of the symbol of this rank, from 0."""
    return BUSIEST / (rank + 1) ** RANK


def total(symbols: int) -> float:
    """Frames a second of all symbols."""
    return sum(rate(i) + min(4.0, rate(i)) + 1 for i in range(symbols))


class Client(picows.WSListener):
    def __init__(self, market):
        self.market = market
        self.transport = None

    def on_ws_connected(self, transport):
        self.transport = transport
        self.market.clients.append(self)

    def on_ws_frame(self, transport, frame):
        if frame.msg_type != picows.WSMsgType.TEXT:
            if frame.msg_type == picows.WSMsgType.PING:
                transport.send_pong(frame.get_payload_as_bytes())
            return
        asked = json.loads(frame.get_payload_as_bytes())
        for name in asked.get("params", ()):
            self.market.home[name] = self
        answer = {"result": None, "id": asked["id"]}
        transport.send(picows.WSMsgType.TEXT, json.dumps(answer).encode())

    def on_ws_disconnected(self, transport):
        self.market.clients.remove(self)
        self.market.home = {k: v for k, v in self.market.home.items() if v is not self}


class Market:
    def __init__(self, symbols, seed=1):
        self.symbols = [f"S{i:03d}USDT" for i in range(symbols)]
        self.dice = random.Random(seed)
        self.price = {s: 10_000 + 97 * i for i, s in enumerate(self.symbols)}
        self.bars = {}
        self.home = {}
        self.clients = []
        self.owed = [0.0] * symbols
        self.owed_k = [0.0] * symbols

    def send(self, name, frame):
        client = self.home.get(name)
        if client is not None and client.transport is not None:
            client.transport.send(picows.WSMsgType.TEXT, frame.encode())

    def quote(self, s, ms):
        self.price[s] = p = max(self.price[s] + self.dice.randrange(-3, 4), 100)
        bar = self.bars.setdefault(s, [p, p, p, p])
        bar[1], bar[2], bar[3] = max(bar[1], p), min(bar[2], p), p
        self.send(
            f"{s.lower()}@bookTicker",
            f'{{"e":"bookTicker","u":5123107839020,"s":"{s}","ps":"{s}","b":"{p / 100:.2f}","B":"2.507",'
            f'"a":"{p / 100 + 0.01:.2f}","A":"2.510","T":{ms},"E":{ms},"st":1}}',
        )

    def kline(self, s, ms, minute, closed):
        o, h, low, c = self.bars.get(s, [self.price[s]] * 4)
        self.send(
            f"{s.lower()}@kline_1m",
            f'{{"e":"kline","E":{ms},"s":"{s}","k":{{"t":{minute},"T":{minute + 59_999},"s":"{s}","i":"1m",'
            f'"f":100,"L":200,"o":"{o / 100:.2f}","c":"{c / 100:.2f}",'
            f'"h":"{h / 100:.2f}","l":"{low / 100:.2f}",'
            f'"v":"1521.202","n":311,"x":{str(closed).lower()},"q":"8513.22","V":"700.1","Q":"4000.2","B":"0"}},'
            '"st":1}',
        )

    def mark(self, s, ms):
        p = self.price[s] / 100
        self.send(
            f"{s.lower()}@markPrice@1s",
            f'{{"e":"markPriceUpdate","E":{ms},"s":"{s}","p":"{p:.8f}","ap":"{p:.8f}","i":"{p:.8f}",'
            f'"P":"{p:.8f}","r":"0.00010000","T":{ms // 28_800_000 * 28_800_000 + 28_800_000},"st":1}}',
        )

    async def run(self):
        last = time.monotonic()
        second, minute = int(time.time()), int(time.time()) // 60
        while True:
            await asyncio.sleep(TICK_S)
            now, wall = time.monotonic(), time.time()
            elapsed, last = now - last, now
            if int(wall) // 60 != minute:
                opened = minute * 60_000
                minute = int(wall) // 60
                for s in self.symbols:
                    self.kline(s, int(time.time() * 1000), opened, True)
                self.bars.clear()
            for i, s in enumerate(self.symbols):
                self.owed[i] += elapsed * rate(i)
                while self.owed[i] >= 1:
                    self.owed[i] -= 1
                    self.quote(s, int(time.time() * 1000))
                self.owed_k[i] += elapsed * min(4.0, rate(i))
                if self.owed_k[i] >= 1:
                    self.owed_k[i] -= 1
                    self.kline(s, int(time.time() * 1000), minute * 60_000, False)
            if int(wall) != second:
                second = int(wall)
                for s in self.symbols:
                    self.mark(s, int(time.time() * 1000))


async def main(symbols):
    market = Market(symbols)
    server = await picows.ws_create_server(lambda _request: Client(market), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await market.run()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--symbols", type=int, default=200)
    asyncio.run(main(parser.parse_args().symbols))
