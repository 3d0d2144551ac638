"""A minimal USD-M venue that fills, and measures how long a client takes to send the protective stop.

Run by `naked_window.py`, one process for each client and run; prints one JSON line and exits. It serves REST,
the private stream and the WebSocket API on one port, the same frames with the same number of bytes to all.

What is measured, in this process and by its monotonic clock only:
  from  the fill's group of frames (TRADE_LITE, ACCOUNT_UPDATE, ORDER_TRADE_UPDATE) being handed to the socket
  to    the read callback that completes the request of a conditional order in the fill's symbol

The fills go round a number of symbols, one at a time, the next one a gap after the last one's stop: the
client is idle when a fill comes. Modes:
  entry  the client rests an ENTRY order in every symbol; those are filled. When all are, every position is
         closed (take-profit filled, stop expired), and the client enters anew
  hand   orders are filled that the client does not know, then the positions are closed
  bare   as `hand`, without closing anything: for clients that only place stops
  burst  `--fills` new orders of somebody else back to back, then one `hand` fill
"""

import argparse
import asyncio
import gc
import re

from venue_wire import (
    ACCOUNT_UPDATE,
    ALGO_ACK,
    ALGO_UPDATE,
    ORDER_ACK,
    ORDER_TRADE_UPDATE,
    TRADE_LITE,
    WS_LIMITS,
    Connection,
    add_options,
    figures,
    found,
    frame,
    member,
    now_ms,
    now_ns,
    rest_answer,
    serve,
    ws_answer,
)

PRICE, SIZE = b"64250.1", b"0.015"
SETTLE_S = 0.08
"""After the last order of a round was confirmed: longer than anybody waits for related events."""
STUCK_S = 2.0
"""A fill without a stop for so long counts as missed, and the run goes on."""


SYMBOL, PRICE_OF, TRIGGER, QUANTITY = (member(n) for n in ("symbol", "price", "triggerPrice", "quantity"))
SIDE, CLOSES, WORKING, REDUCES = (member(n) for n in ("side", "closePosition", "workingType", "reduceOnly"))
ALGO_ID, ORDER_ID, REQUEST_ID = (
    member("clientAlgoId"),
    member("newClientOrderId"),
    re.compile(rb'"id":\s*("[^"]*"|\d+)'),
)


class Book:
    """What the venue knows of one symbol."""

    __slots__ = ("entry", "filled_at", "held", "profit", "stop")

    def __init__(self) -> None:
        self.entry: dict[bytes, object] = {}
        self.profit: dict[bytes, object] = {}
        self.stop: dict[bytes, object] = {}
        self.held = False
        self.filled_at = 0


class Venue:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.loop = asyncio.get_running_loop()
        self.books = {f"B{i:02d}USDT".encode(): Book() for i in range(options.symbols)}
        self.names = list(self.books)
        self.symbols = [name.decode() for name in self.names]
        self.private: Connection | None = None
        self.done = self.loop.create_future()
        self.taken: list[int] = []
        self.number = 1_000
        self.next = 0
        """Index of the symbol whose turn it is."""
        self.missed = self.duplicates = self.request_bytes = self.warm = 0
        self.started = False
        self.confirmed = asyncio.Event()
        """An order was confirmed since this was last cleared."""

    # --- requests -----------------------------------------------------------------------------------

    def http(self, method: bytes, path: bytes, body: bytes, at: int) -> bytes:
        if method == b"POST" and path.endswith((b"/algoOrder", b"/order")):
            return self.order(body, at, algo=path.endswith(b"/algoOrder"))
        return rest_answer(path, self.symbols)

    def message(self, connection: Connection, text: bytes, at: int) -> None:
        request_id = found(REQUEST_ID, text, b"null")
        if b"rder.place" in text:
            answer = self.order(text, at, algo=b'"algoOrder.place"' in text, wire=(connection, request_id))
            if answer:
                connection.send(ws_answer(request_id, answer))
        elif b"session.logon" in text:
            connection.send(
                b'{"id":%b,"status":200,"result":{"apiKey":"k","authorizedSince":1,"connectedSince":1,'
                b'"returnRateLimits":true,"serverTime":%d}%b' % (request_id, now_ms(), WS_LIMITS)
            )
        elif b"rder.cancel" in text or b"rder.modify" in text:
            connection.send(
                b'{"id":%b,"status":400,"error":{"code":-2011,"msg":"Unknown order sent."}}' % request_id
            )
        elif b"SUBSCRIBE" in text:
            connection.send(b'{"result":null,"id":%b}' % request_id)

    def opened(self, connection: Connection) -> None:
        if b"private" in connection.path:
            self.private = connection
            if not self.started:
                self.started = True
                self.loop.call_later(self.options.start_delay, lambda: self.loop.create_task(self.run()))

    def order(self, text: bytes, at: int, *, algo: bool, wire=None) -> bytes:
        """Take an order in; returns its acknowledgement. Everything that takes time comes after the stamp."""
        symbol = found(SYMBOL, text)
        book = self.books[symbol]
        self.number += 1
        order = {
            b"s": symbol,
            b"i": 8_000_000_000 + self.number,
            b"c": found(ALGO_ID if algo else ORDER_ID, text),
            b"S": found(SIDE, text),
            b"T": now_ms(),
            b"E": now_ms(),
            b"q": found(QUANTITY, text, b"0"),
        }
        if algo:
            self._stop(book, order, text, at)
        else:
            order |= {b"p": found(PRICE_OF, text), b"R": found(REDUCES, text, b"false")}
            (book.profit if order[b"R"] == b"true" else book.entry).update(order)
        if self.options.mode in ("entry", "hand", "burst"):
            self.loop.call_soon(self._confirm, order, algo)
        return (ALGO_ACK if algo else ORDER_ACK) % order

    def _stop(self, book: Book, order: dict[bytes, object], text: bytes, at: int) -> None:
        if book.filled_at:
            self.taken.append(at - book.filled_at)
            self.request_bytes = len(text)
            book.filled_at = 0
            if self.options.mode == "burst":
                self.loop.call_later(1.0, self._finish)
            else:
                self.loop.call_later(self.options.gap_us / 1e6, self.fill)
        else:
            self.duplicates += 1
        order |= {
            b"tp": found(TRIGGER, text),
            b"cp": found(CLOSES, text, b"false"),
            b"wt": found(WORKING, text, b"CONTRACT_PRICE"),
            b"R": found(REDUCES, text, b"false"),
        }
        book.stop.update(order)

    def _confirm(self, order: dict[bytes, object], algo: bool) -> None:
        """The private report that the order rests."""
        if algo:
            self.private.send(ALGO_UPDATE % (order | {b"X": b"NEW"}))
        else:
            self.private.send(report(order, x=b"NEW", status=b"NEW"))
        self.confirmed.set()

    # --- the script ---------------------------------------------------------------------------------

    async def run(self) -> None:
        if self.options.mode == "entry":
            await self._quiet()
        gc.collect()
        gc.freeze()
        gc.disable()
        if self.options.mode == "burst":
            await self._burst()
        else:
            self.fill()

    async def _burst(self) -> None:
        names, count = self.names, self.options.fills
        frames = []
        for i in range(count):
            order = self._foreign(names[i % len(names)])
            frames.append(frame(report(order, x=b"NEW", status=b"NEW")))
        whole = b"".join(frames) + self._filled(names[0], self._foreign(names[0]))
        self.books[names[0]].filled_at = now_ns()
        self.private.wire.write(whole)
        self.loop.call_later(30, self._finish)

    def _foreign(self, symbol: bytes) -> dict[bytes, object]:
        self.number += 1
        return {
            b"s": symbol,
            b"i": 8_000_000_000 + self.number,
            b"c": b"web_%025d" % self.number,
            b"S": b"BUY",
            b"q": SIZE,
            b"p": PRICE,
            b"R": b"false",
            b"T": now_ms(),
            b"E": now_ms(),
        }

    def fill(self) -> None:
        """Fill the next symbol's order; at the end of a round close everything first."""
        if len(self.taken) + self.missed >= self.options.fills + self.options.warmup:
            self._finish()
            return
        if self.next >= len(self.names):
            self.next = 0
            if self.options.mode != "bare":
                self.loop.create_task(self._new_round())
                return
        symbol = self.names[self.next]
        book = self.books[symbol]
        order = book.entry or self._foreign(symbol)
        if self.options.mode == "entry" and not book.entry:
            raise RuntimeError(f"the client has no entry order in {symbol.decode()}")
        group = self._filled(symbol, order)
        book.held, book.entry = True, {}
        mine = len(self.taken)
        self.next += 1
        # From here on: the stamp, and the write.
        book.filled_at = now_ns()
        self.private.wire.write(group)
        self.loop.call_later(STUCK_S, self._missed, book, mine)

    def _missed(self, book: Book, mine: int) -> None:
        if book.filled_at and len(self.taken) == mine:
            book.filled_at = 0
            self.missed += 1
            self.fill()

    def _filled(self, symbol: bytes, order: dict[bytes, object]) -> bytes:
        ms = now_ms()
        self.number += 1
        values = order | {
            b"E": ms,
            b"T": ms,
            b"t": self.number,
            b"pa": SIZE,
            b"ep": order[b"p"],
            b"w": b"4999.92800800",
        }
        texts = (
            TRADE_LITE % values,
            ACCOUNT_UPDATE % values,
            report(order, x=b"TRADE", status=b"FILLED", T=ms, E=ms, t=self.number, done=True),
        )
        order_of = {"lite": (0, 1, 2), "order": (0, 2, 1), "none": (1, 2)}[self.options.group]
        return b"".join(frame(texts[i]) for i in order_of)

    async def _new_round(self) -> None:
        """Close every position as its take-profit would, then wait until the client has entered again."""
        await self._quiet()
        for symbol, book in self.books.items():
            if book.held:
                self._close(symbol, book)
                await asyncio.sleep(0.001)
        await self._quiet()
        self.fill()

    def _close(self, symbol: bytes, book: Book) -> None:
        ms = now_ms()
        self.number += 1
        order = book.profit or self._foreign(symbol)
        values = order | {
            b"E": ms,
            b"T": ms,
            b"t": self.number,
            b"pa": b"0",
            b"ep": b"0",
            b"w": b"4999.92800800",
        }
        group = [
            TRADE_LITE % values,
            ACCOUNT_UPDATE % values,
            report(order, x=b"TRADE", status=b"FILLED", T=ms, E=ms, t=self.number, done=True),
        ]
        if book.stop:
            group.append(ALGO_UPDATE % (book.stop | {b"X": b"EXPIRED", b"T": ms, b"E": ms}))
        self.private.wire.write(b"".join(frame(text) for text in group))
        book.held, book.stop, book.profit = False, {}, {}

    async def _quiet(self) -> None:
        """Return when nothing was confirmed for a while, and every symbol is as the mode wants it."""
        while True:
            self.confirmed.clear()
            await asyncio.sleep(SETTLE_S)
            waiting = [
                b for b in self.books.values() if self.options.mode == "entry" and not b.held and not b.entry
            ]
            if not self.confirmed.is_set() and not waiting:
                return

    # --- the end ------------------------------------------------------------------------------------

    def _finish(self) -> None:
        if not self.done.done():
            self.done.set_result(None)

    def report(self) -> dict[str, object]:
        return figures(self.taken[self.options.warmup :] or self.taken) | {
            "missed": self.missed,
            "duplicates": self.duplicates,
            "request_bytes": self.request_bytes,
            "sent": self.options.fills,
        }


def report(
    order: dict[bytes, object], *, x: bytes, status: bytes, done: bool = False, **changes: int
) -> bytes:
    """ORDER_TRADE_UPDATE of an order; `done`: wholly filled at its own price."""
    part = order[b"q"] if done else b"0"
    price = order[b"p"] if done else b"0"
    values = order | {b"x": x, b"X": status, b"l": part, b"z": part, b"L": price, b"ap": price, b"t": 0}
    return ORDER_TRADE_UPDATE % (values | {k.encode(): v for k, v in changes.items()})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mode", choices=["entry", "hand", "bare", "burst"], default="bare")
    parser.add_argument(
        "--group", choices=["lite", "order", "none"], default="lite", help="order of a fill's frames"
    )
    add_options(parser)
    serve(Venue, parser.parse_args())
