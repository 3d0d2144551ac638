"""A minimal spot venue whose BUYs fill; measures how long a client takes to send the SELL of the lot.

Run by `spot_window.py`, one process for each client and run; prints one JSON line and exits. REST, market
streams and the WebSocket API (orders and the subscription of the account's events) share one port.

What is measured, in this process and by its monotonic clock only:
  from  the fill's frames (executionReport, outboundAccountPosition) being handed to the socket
  to    the read callback that completes the request of a SELL in the fill's symbol

The BUYs are somebody's by hand: LIMIT orders that are reported as resting before the round begins (not in
mode `hold`), or, with --at-market, orders that are reported and trade at once, each of another size and
price. They go round a number of symbols, one at a time, the next one a gap after the last one's SELL. Modes:
  lots   every SELL is confirmed; when every symbol had its turn, all SELLs trade, and the round begins anew
  bare   SELLs are acknowledged and forgotten: for clients that only place them, and read nothing
  hold   as `lots`, but no SELL ever trades, and reads tell everything: for `lots.py`, which has the account
         served until it ends this process
"""

import argparse
import asyncio
import gc
import json
import re
from decimal import Decimal

from venue_wire import (
    WS_LIMITS,
    Connection,
    add_options,
    figures,
    found,
    frame,
    member,
    now_ms,
    now_ns,
    serve,
)

PRICE, SIZE = b"64250.10", b"0.01500000"
ZERO = b"0.00000000"
QUOTE = b"USDT"
SETTLE_S = 0.08
"""After the last order of a round was confirmed: longer than anybody waits for related events."""
STUCK_S = 2.0
"""A fill without a SELL for so long counts as missed, and the run goes on."""

SYMBOL, SIDE, PRICE_OF, QUANTITY, ORDER_ID = (
    member(n) for n in ("symbol", "side", "price", "quantity", "newClientOrderId")
)
ASKED_FOR = member("origClientOrderId")
REQUEST_ID = re.compile(rb'"id":\s*("[^"]*"|\d+)')

EXECUTION = (
    b'{"subscriptionId":0,"event":{"e":"executionReport","E":%(T)d,"s":"%(s)b","c":"%(c)b","S":"%(S)b",'
    b'"o":"LIMIT","f":"GTC","q":"%(q)b","p":"%(p)b","P":"0.00000000","F":"0.00000000","g":-1,"C":"",'
    b'"x":"%(x)b","X":"%(X)b","r":"NONE","i":%(i)d,"l":"%(l)b","z":"%(l)b","L":"%(L)b","n":"%(n)b","N":%(N)b,'
    b'"T":%(T)d,"t":%(t)d,"I":%(I)d,"w":%(w)b,"m":%(m)b,"M":false,"O":%(T)d,"Z":"%(Z)b","Y":"%(Z)b",'
    b'"Q":"0.00000000","W":%(T)d,"V":"NONE"}}'
)
POSITION = (
    b'{"subscriptionId":0,"event":{"e":"outboundAccountPosition","E":%(T)d,"u":%(T)d,"B":[{"a":"%(a)b",'
    b'"f":"%(f)b","l":"%(k)b"},{"a":"USDT","f":"99000000.00000000","l":"0.00000000"},{"a":"BNB",'
    b'"f":"100.00000000","l":"0.00000000"}]}}'
)
ACK = b'{"symbol":"%(s)b","orderId":%(i)d,"orderListId":-1,"clientOrderId":"%(c)b","transactTime":%(T)d}'


def exchange_info(symbols: list[str]) -> bytes:
    filters = [
        {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000.00", "tickSize": "0.01"},
        {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000.0", "stepSize": "0.00001"},
        {"filterType": "NOTIONAL", "minNotional": "5.0", "applyMinToMarket": True, "maxNotional": "9000000"},
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
    ]
    limit = {"intervalNum": 1, "limit": 1_000_000_000}
    limits = [
        {**limit, "rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE"},
        {**limit, "rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10},
        {**limit, "rateLimitType": "ORDERS", "interval": "DAY"},
    ]
    rows = [
        {
            "symbol": symbol,
            "status": "TRADING",
            "baseAsset": symbol.removesuffix("USDT"),
            "quoteAsset": "USDT",
            "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"],
            "ocoAllowed": True,
            "isSpotTradingAllowed": True,
            "filters": filters,
        }
        for symbol in symbols
    ]
    return json.dumps({"serverTime": now_ms(), "rateLimits": limits, "symbols": rows}).encode()


ROW = (
    b'{"symbol":"%(s)b","orderId":%(i)d,"orderListId":-1,"clientOrderId":"%(c)b","price":"%(p)b","origQty":"%(q)b",'
    b'"executedQty":"%(z)b","cummulativeQuoteQty":"0.00000000","status":"%(X)b","timeInForce":"GTC",'
    b'"type":"LIMIT","side":"%(S)b","stopPrice":"0.00000000","icebergQty":"0.00000000","time":%(T)d,'
    b'"updateTime":%(T)d,"isWorking":true,"workingTime":%(T)d,"origQuoteOrderQty":"0.00000000",'
    b'"selfTradePreventionMode":"NONE"}'
)
UNKNOWN_ORDER = b'{"code":-2013,"msg":"Order does not exist."}'
TRADE = (
    b'{"symbol":"%(s)b","id":%(t)d,"orderId":%(i)d,"orderListId":-1,"price":"%(p)b","qty":"%(q)b",'
    b'"quoteQty":"963.75150000","commission":"0.00001000","commissionAsset":"BNB","time":%(T)d,"isBuyer":true,'
    b'"isMaker":true,"isBestMatch":true}'
)


def rest_answer(path: bytes, symbols: list[str]) -> bytes:
    """The scripted answer to every read; an account with money and without coins and orders."""
    rates = b'{"maker":"0.00100000","taker":"0.00100000","buyer":"0.00000000","seller":"0.00000000"}'
    if path.endswith(b"/time"):
        return b'{"serverTime":%d}' % now_ms()
    if path.endswith(b"/exchangeInfo"):
        return exchange_info(symbols)
    if path.endswith(b"/commission"):
        return b'{"symbol":"%b","standardCommission":%b}' % (symbols[0].encode(), rates)
    if path.endswith(b"/account"):
        return (
            b'{"canTrade":true,"commissionRates":%b,"updateTime":0,"uid":1,"accountType":"SPOT","balances":'
            b'[{"asset":"USDT","free":"99000000.00000000","locked":"0.00000000"}]}' % rates
        )
    if path.endswith((b"/openOrders", b"/myTrades", b"/openOrderList", b"/ticker/price")):
        return b"[]"
    return b"{}"


class Book:
    """What the venue knows of one symbol."""

    __slots__ = ("buy", "buys", "filled_at", "sells", "sold")

    def __init__(self) -> None:
        self.sells: list[dict[bytes, object]] = []
        self.sold: list[dict[bytes, object]] = []
        """The SELLs that traded at the end of the last round."""
        self.buy: dict[bytes, object] | None = None
        """The BUY that rests."""
        self.buys: list[dict[bytes, object]] = []
        """Kept in mode `hold` only."""
        self.filled_at = 0

    def resting(self) -> list[dict[bytes, object]]:
        return self.sells if self.buy is None else [self.buy, *self.sells]


def _locked(book: Book) -> bytes:
    return str(sum((Decimal(bytes(o[b"q"]).decode()) for o in book.sells), Decimal(0))).encode()


class SpotVenue:
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
        self.missed = self.duplicates = self.request_bytes = 0
        self.confirmed = asyncio.Event()

    # --- requests -----------------------------------------------------------------------------------

    def http(self, method: bytes, path: bytes, body: bytes, at: int) -> bytes:
        if method == b"POST" and path.endswith(b"/order"):
            return self.order(body, at)
        if self.options.mode != "bare":
            told = self._told(path, found(SYMBOL, body), found(ASKED_FOR, body))
            if told:
                return told
        return rest_answer(path, self.symbols)

    def _told(self, path: bytes, symbol: bytes, name: bytes) -> bytes:
        """What the account holds; empty: a read that says the same in every mode."""
        books = [self.books[symbol]] if symbol in self.books else list(self.books.values())
        if path.endswith(b"/openOrders"):
            return b"[%b]" % b",".join(ROW % order for book in books for order in book.resting())
        if path.endswith(b"/order"):
            known = (order for book in books for order in (*book.resting(), *book.sold))
            return next((ROW % order for order in known if order[b"c"] == name), UNKNOWN_ORDER)
        if path.endswith(b"/myTrades"):
            return b"[%b]" % b",".join(TRADE % order for book in books for order in book.buys)
        if path.endswith(b"/account"):
            held = (
                b',{"asset":"%b","free":"%b","locked":"%b"}'
                % (name.removesuffix(QUOTE), SIZE if book.filled_at else ZERO, _locked(book))
                for name, book in self.books.items()
            )
            return rest_answer(path, self.symbols).replace(b"}]}", b"}%b]}" % b"".join(held))
        return b""

    def message(self, connection: Connection, text: bytes, at: int) -> None:
        request_id = found(REQUEST_ID, text, b"null")
        if b'"order.place"' in text:
            connection.send(self._answer(request_id, self.order(text, at)))
        elif b"userDataStream.subscribe" in text:
            connection.send(self._answer(request_id, b'{"subscriptionId":0}'))
            if self.private is None and self.options.fills:
                self.loop.call_later(self.options.start_delay, lambda: self.loop.create_task(self.run()))
            self.private = connection
        elif b"session.subscriptions" in text:
            connection.send(self._answer(request_id, b'[{"subscriptionId":0}]'))
        elif b"session.logon" in text:
            logon = b'{"apiKey":"k","authorizedSince":1,"connectedSince":1,"returnRateLimits":true}'
            connection.send(self._answer(request_id, logon))
        elif b"SUBSCRIBE" in text:
            connection.send(b'{"result":null,"id":%b}' % request_id)

    @staticmethod
    def _answer(request_id: bytes, result: bytes) -> bytes:
        return b'{"id":%b,"status":200,"result":%b%b' % (request_id, result, WS_LIMITS)

    def opened(self, connection: Connection) -> None:
        """What a connection is for shows with its first message."""

    def order(self, text: bytes, at: int) -> bytes:
        """Take a SELL in; returns its acknowledgement. Everything that takes time comes after the stamp."""
        symbol = found(SYMBOL, text)
        book = self.books[symbol]
        if book.filled_at:
            self.taken.append(at - book.filled_at)
            self.request_bytes = len(text)
            book.filled_at = 0
            self.loop.call_later(self.options.gap_us / 1e6, self.fill)
        else:
            self.duplicates += 1
        order = self._order(
            symbol, found(ORDER_ID, text), b"SELL", found(QUANTITY, text), found(PRICE_OF, text)
        )
        if self.options.mode != "bare":
            book.sells.append(order)
            self.loop.call_soon(self._confirm, book, order)
        return ACK % order

    def _order(
        self, symbol: bytes, name: bytes, side: bytes, quantity: bytes, price: bytes
    ) -> dict[bytes, object]:
        self.number += 1
        return {
            b"s": symbol,
            b"i": 8_000_000_000 + self.number,
            b"c": name,
            b"S": side,
            b"q": quantity,
            b"p": price,
            b"T": now_ms(),
            b"X": b"NEW",
            b"z": ZERO,
        }

    def _confirm(self, book: Book, order: dict[bytes, object]) -> None:
        """The private reports that the order rests and that its coins are locked."""
        self.private.wire.write(
            frame(self._report(order, x=b"NEW", status=b"NEW")) + frame(self._balance(order, book, b"0"))
        )
        self.confirmed.set()

    def _report(self, order: dict[bytes, object], *, x: bytes, status: bytes, maker: bool = True) -> bytes:
        """executionReport of an order that came to rest, or that traded as a whole at its own price."""
        self.number += 1
        traded = x == b"TRADE"
        if traded and order[b"S"] == b"BUY" and self.options.mode == "hold":
            self.books[bytes(order[b"s"])].buys.append(order | {b"t": self.number})
        spent = b"%.8f" % (float(order[b"q"]) * float(order[b"p"])) if traded else ZERO
        return EXECUTION % (
            order
            | {
                b"x": x,
                b"X": status,
                b"l": order[b"q"] if traded else ZERO,
                b"L": order[b"p"] if traded else ZERO,
                b"m": b"true" if traded and maker else b"false",
                b"n": b"0.00001000" if traded else b"0",
                b"N": b'"BNB"' if traded else b"null",
                b"t": self.number if traded else -1,
                b"I": self.number,
                b"w": b"false" if traded else b"true",
                b"Z": spent,
                b"T": now_ms(),
            }
        )

    def _balance(self, order: dict[bytes, object], book: Book, free: bytes) -> bytes:
        asset = bytes(order[b"s"]).removesuffix(QUOTE)
        return POSITION % {b"a": asset, b"f": free, b"k": _locked(book), b"T": now_ms()}

    # --- the script ---------------------------------------------------------------------------------

    async def run(self) -> None:
        gc.collect()
        gc.freeze()
        gc.disable()
        await self._new_round()

    def fill(self) -> None:
        """Somebody's BUY trades in the next symbol; at the end of a round everything is sold first."""
        if len(self.taken) + self.missed >= self.options.fills + self.options.warmup:
            if not self.done.done():
                self.done.set_result(None)
            return
        if self.next >= len(self.names):
            self.next = 0
            self.loop.create_task(self._new_round())
            return
        symbol = self.names[self.next]
        self.next += 1
        book, mine = self.books[symbol], len(self.taken)
        order, book.buy = book.buy or self._by_hand(symbol), None
        group, maker = b"", not self.options.at_market
        if not maker:
            group = frame(self._report(order, x=b"NEW", status=b"NEW"))
        group += frame(self._report(order, x=b"TRADE", status=b"FILLED", maker=maker))
        group += frame(self._balance(order, book, bytes(order[b"q"])))
        # From here on: the stamp, and the write.
        book.filled_at = now_ns()
        self.private.wire.write(group)
        if self.options.mode != "hold":  # there it counts that all are sold, not when
            self.loop.call_later(STUCK_S, self._missed, book, mine)

    def _missed(self, book: Book, mine: int) -> None:
        if book.filled_at and len(self.taken) == mine:
            book.filled_at = 0
            self.missed += 1
            self.fill()

    async def _new_round(self) -> None:
        """Let every SELL trade and a BUY rest everywhere; begin when nothing was confirmed for a while."""
        if self.options.mode != "hold":
            await self._quiet()
            for book in self.books.values():
                await self._sell_out(book)
            for symbol, book in self.books.items():
                if not self.options.at_market:
                    book.buy = self._by_hand(symbol)
                    self._confirm(book, book.buy)
                    await asyncio.sleep(0.001)
            await self._quiet()
        self.fill()

    async def _sell_out(self, book: Book) -> None:
        sells, book.sells = book.sells, []
        book.sold = [order | {b"X": b"FILLED", b"z": order[b"q"]} for order in sells]
        for order in sells:
            traded = frame(self._report(order, x=b"TRADE", status=b"FILLED"))
            self.private.wire.write(traded + frame(self._balance(order, book, b"0")))
            await asyncio.sleep(0.001)

    def _by_hand(self, symbol: bytes) -> dict[bytes, object]:
        size, price = SIZE, PRICE
        if self.options.at_market:  # no two alike: nobody can have seen this one before
            size = b"0.%08d" % (1_500_000 + self.number % 97 * 1_000)
            price = b"642%02d.%02d" % (50 + self.number % 41, self.number % 89)
        return self._order(symbol, b"web_%025d" % self.number, b"BUY", size, price)

    async def _quiet(self) -> None:
        while True:
            self.confirmed.clear()
            await asyncio.sleep(SETTLE_S)
            if not self.confirmed.is_set():
                return

    def report(self) -> dict[str, object]:
        return figures(self.taken[self.options.warmup :] or self.taken) | {
            "missed": self.missed,
            "duplicates": self.duplicates,
            "request_bytes": self.request_bytes,
            "sent": self.options.fills,
        }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mode", choices=["lots", "bare", "hold"], default="bare")
    parser.add_argument("--at-market", action="store_true")
    add_options(parser)
    serve(SpotVenue, parser.parse_args())
