"""Bytes of the benchmarks' venues: HTTP and WebSocket framing, REST bodies, private frames, acknowledgements.

Nothing here is a simulated exchange: answers are scripted, sizes and member order are those of the venue.
"""

import argparse
import asyncio
import base64
import hashlib
import json
import os
import re
import struct
import time
from collections.abc import Callable
from typing import Any

import uvloop

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
WS_KEY = re.compile(rb"\r\nsec-websocket-key:\s*(\S+)", re.IGNORECASE)
LISTEN_KEY = "k" * 64
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10

now_ns = time.monotonic_ns


def now_ms() -> int:
    return time.time_ns() // 1_000_000


# --- framing ----------------------------------------------------------------------------------------


def frame(payload: bytes, op: int = TEXT) -> bytes:
    """One unmasked WebSocket frame, as a server sends it."""
    n = len(payload)
    if n < 126:
        return bytes((0x80 | op, n)) + payload
    if n < 65536:
        return struct.pack("!BBH", 0x80 | op, 126, n) + payload
    return struct.pack("!BBQ", 0x80 | op, 127, n) + payload


def unframe(buffer: bytes) -> tuple[int, int, bytes] | None:
    """(bytes used, opcode, payload) of the first whole frame, or None."""
    if len(buffer) < 2:
        return None
    op, size, at = buffer[0] & 15, buffer[1] & 127, 2
    if size == 126:
        if len(buffer) < 4:
            return None
        size, at = int.from_bytes(buffer[2:4]), 4
    elif size == 127:
        if len(buffer) < 10:
            return None
        size, at = int.from_bytes(buffer[2:10]), 10
    if not buffer[1] & 128:
        return None if len(buffer) < at + size else (at + size, op, buffer[at : at + size])
    end = at + 4 + size
    if len(buffer) < end:
        return None
    mask = (buffer[at : at + 4] * (size // 4 + 1))[:size]
    plain = int.from_bytes(buffer[at + 4 : end]) ^ int.from_bytes(mask)
    return end, op, plain.to_bytes(size)


class Connection(asyncio.Protocol):
    """One TCP connection: HTTP requests until an upgrade, WebSocket messages after it.

    `on_http(method, path, body, at)` returns a JSON body, `on_message(connection, text, at)` nothing, and
    `on_open(connection)` is told of an upgrade. `at` is when the bytes that complete a request were read.
    """

    def __init__(
        self,
        on_http: Callable[[bytes, bytes, bytes, int], bytes],
        on_open: Callable[["Connection"], None],
        on_message: Callable[["Connection", bytes, int], None],
    ) -> None:
        self.on_http, self.on_open, self.on_message = on_http, on_open, on_message
        self.path = b""
        """Of the upgrade; empty while this is HTTP."""
        self.buffer = b""
        self.wire: asyncio.Transport

    def connection_made(self, transport) -> None:
        self.wire = transport

    def data_received(self, data: bytes) -> None:
        at = now_ns()
        self.buffer = self.buffer + data if self.buffer else data
        while self.buffer:
            used = self._frame(at) if self.path else self._request(at)
            if not used:
                break
            self.buffer = self.buffer[used:]

    def send(self, payload: bytes) -> None:
        self.wire.write(frame(payload))

    def _frame(self, at: int) -> int:
        found = unframe(self.buffer)
        if found is None:
            return 0
        used, op, payload = found
        if op == TEXT:
            self.on_message(self, payload, at)
        elif op == PING:
            self.wire.write(frame(payload, PONG))
        elif op == CLOSE:
            self.wire.write(frame(payload[:2], CLOSE))
            self.wire.close()
        return used

    def _request(self, at: int) -> int:
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return 0
        head = self.buffer[:end]
        length = LENGTH.search(head)
        used = end + 4 + (int(length[1]) if length else 0)
        if len(self.buffer) < used:
            return 0
        method, target, _ = head.split(b"\r\n", 1)[0].split(b" ", 2)
        key = WS_KEY.search(head)
        if key:
            self.path = target
            accept = base64.b64encode(hashlib.sha1(key[1] + GUID).digest())
            self.wire.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
            )
            self.on_open(self)
            return used
        path, _, query = target.partition(b"?")
        answer = self.on_http(method, path, query + b"&" + self.buffer[end + 4 : used], at)
        status = b"400 Bad Request" if answer.startswith(b'{"code":-') else b"200 OK"
        self.wire.write(
            b"HTTP/1.1 " + status + b"\r\nContent-Type: application/json;charset=UTF-8\r\n"
            b"X-MBX-USED-WEIGHT-1M: 1\r\nX-MBX-ORDER-COUNT-10S: 1\r\nX-MBX-ORDER-COUNT-1M: 1\r\n"
            b"Connection: keep-alive\r\nContent-Length: %d\r\n\r\n%b" % (len(answer), answer)
        )
        return used


# --- REST -------------------------------------------------------------------------------------------


def exchange_info(symbols: list[str]) -> bytes:
    filters = [
        {"filterType": "PRICE_FILTER", "tickSize": "0.10", "minPrice": "1", "maxPrice": "1000000"},
        {"filterType": "LOT_SIZE", "stepSize": "0.001", "minQty": "0.001", "maxQty": "1000"},
        {"filterType": "MARKET_LOT_SIZE", "stepSize": "0.001", "minQty": "0.001", "maxQty": "1000"},
        {"filterType": "MIN_NOTIONAL", "notional": "5"},
        {"filterType": "MAX_NUM_ORDERS", "limit": 200},
        {"filterType": "PERCENT_PRICE", "multiplierUp": "1.05", "multiplierDown": "0.95"},
    ]
    limit = {"intervalNum": 1, "limit": 1_000_000_000}
    limits = [
        {**limit, "rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE"},
        {**limit, "rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10},
        {**limit, "rateLimitType": "ORDERS", "interval": "MINUTE"},
    ]
    rows = [
        {
            "symbol": symbol,
            "pair": symbol,
            "contractType": "PERPETUAL",
            "status": "TRADING",
            "baseAsset": symbol.removesuffix("USDT"),
            "quoteAsset": "USDT",
            "marginAsset": "USDT",
            "triggerProtect": "0.05",
            "liquidationFee": "0.01",
            "marketTakeBound": "0.05",
            "filters": filters,
            "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET"],
            "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
        }
        for symbol in symbols
    ]
    return json.dumps(
        {"timezone": "UTC", "serverTime": now_ms(), "rateLimits": limits, "symbols": rows}
    ).encode()


def rest_answer(path: bytes, symbols: list[str]) -> bytes:
    """The scripted answer to every read; an account without positions and orders."""
    if path.endswith(b"/time"):
        return b'{"serverTime":%d}' % now_ms()
    if path.endswith(b"/exchangeInfo"):
        return exchange_info(symbols)
    if path.endswith(b"/listenKey"):
        return b'{"listenKey":"%b"}' % LISTEN_KEY.encode()
    if path.endswith(b"/accountConfig"):
        return b'{"canTrade":true,"dualSidePosition":false,"multiAssetsMargin":false,"feeTier":0}'
    if path.endswith(b"/symbolConfig"):
        rows = [
            {"symbol": s, "marginType": "CROSSED", "isAutoAddMargin": False, "leverage": 20} for s in symbols
        ]
        return json.dumps(rows).encode()
    if path.endswith(b"/commissionRate"):
        return b'{"symbol":"X","makerCommissionRate":"0.0002","takerCommissionRate":"0.0005"}'
    if path.endswith(b"/balance"):
        return (
            b'[{"asset":"USDT","balance":"100000.0","crossWalletBalance":"100000.0",'
            b'"availableBalance":"99000.0"}]'
        )
    if path.endswith(
        (b"/positionRisk", b"/openOrders", b"/openAlgoOrders", b"/allAlgoOrders", b"/userTrades")
    ):
        return b"[]"
    return b"{}"


# --- private frames ---------------------------------------------------------------------------------

TRADE_LITE = (
    b'{"e":"TRADE_LITE","E":%(E)d,"T":%(T)d,"s":"%(s)b","q":"%(q)b","p":"%(p)b","m":true,"c":"%(c)b","S":"%(S)b",'
    b'"L":"%(p)b","l":"%(q)b","t":%(t)d,"i":%(i)d}'
)
ACCOUNT_UPDATE = (
    b'{"e":"ACCOUNT_UPDATE","E":%(E)d,"T":%(T)d,"a":{"m":"ORDER","B":[{"a":"USDT","wb":"%(w)b","cw":"%(w)b",'
    b'"bc":"0"}],"P":[{"s":"%(s)b","pa":"%(pa)b","ep":"%(ep)b","bep":"%(ep)b","cr":"0","up":"0.01600000",'
    b'"mt":"cross","iw":"0","ps":"BOTH","ma":"USDT"}]}}'
)
ORDER_TRADE_UPDATE = (
    b'{"e":"ORDER_TRADE_UPDATE","E":%(E)d,"T":%(T)d,"o":{"s":"%(s)b","c":"%(c)b","S":"%(S)b","o":"LIMIT","f":"GTC",'
    b'"q":"%(q)b","p":"%(p)b","ap":"%(ap)b","sp":"0","x":"%(x)b","X":"%(X)b","i":%(i)d,"l":"%(l)b","z":"%(z)b",'
    b'"L":"%(L)b","n":"0.19275030","N":"USDT","T":%(T)d,"t":%(t)d,"b":"0","a":"0","m":true,"R":%(R)b,'
    b'"wt":"CONTRACT_PRICE","ot":"LIMIT","ps":"BOTH","cp":false,"rp":"0","pP":false,"si":0,"ss":0,'
    b'"V":"EXPIRE_MAKER","pm":"NONE","gtd":0,"er":"0"}}'
)
ALGO_UPDATE = (
    b'{"e":"ALGO_UPDATE","T":%(T)d,"E":%(E)d,"o":{"caid":"%(c)b","aid":%(i)d,"at":"CONDITIONAL","o":"STOP_MARKET",'
    b'"s":"%(s)b","S":"%(S)b","ps":"BOTH","f":"GTC","q":"%(q)b","X":"%(X)b","ai":"","tp":"%(tp)b","p":"0",'
    b'"V":"EXPIRE_MAKER","wt":"%(wt)b","pm":"NONE","cp":%(cp)b,"pP":false,"R":%(R)b,"tt":0,"gtd":0,"ia":false}}'
)
ALGO_ACK = (
    b'{"algoId":%(i)d,"clientAlgoId":"%(c)b","algoType":"CONDITIONAL","orderType":"STOP_MARKET","symbol":"%(s)b",'
    b'"side":"SELL","positionSide":"BOTH","timeInForce":"GTC","quantity":"0.015","algoStatus":"NEW",'
    b'"triggerPrice":"63607.60","price":"0.00","icebergQuantity":null,"selfTradePreventionMode":"EXPIRE_MAKER",'
    b'"workingType":"CONTRACT_PRICE","priceMatch":"NONE","closePosition":false,"priceProtect":false,'
    b'"reduceOnly":true,"activatePrice":"","callbackRate":"","createTime":%(T)d,"updateTime":%(T)d,"triggerTime":0,'
    b'"goodTillDate":0}'
)
ORDER_ACK = (
    b'{"orderId":%(i)d,"symbol":"%(s)b","status":"NEW","clientOrderId":"%(c)b","price":"64250.10","origQty":"0.015",'
    b'"executedQty":"0.000","cumQty":"0.000","timeInForce":"GTC","type":"LIMIT","reduceOnly":false,'
    b'"closePosition":false,"side":"BUY","positionSide":"BOTH","stopPrice":"0.00","workingType":"CONTRACT_PRICE",'
    b'"priceProtect":false,"origType":"LIMIT","priceMatch":"NONE","selfTradePreventionMode":"EXPIRE_MAKER",'
    b'"goodTillDate":0,"updateTime":%(T)d}'
)
WS_LIMITS = (
    b',"rateLimits":[{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":300,"count":1},'
    b'{"rateLimitType":"ORDERS","interval":"MINUTE","intervalNum":1,"limit":1200,"count":1}]}'
)


def ws_answer(request_id: bytes, result: bytes) -> bytes:
    return b'{"id":%b,"status":200,"result":%b%b' % (request_id, result, WS_LIMITS)


# --- a venue's process ------------------------------------------------------------------------------


def member(name: str) -> re.Pattern[bytes]:
    """A parameter in JSON or in a query."""
    return re.compile(rb'(?:"%b":\s*"?|[?&]?\b%b=)([^"&,}]+)' % (name.encode(), name.encode()))


def found(pattern: re.Pattern[bytes], text: bytes, default: bytes = b"") -> bytes:
    hit = pattern.search(text)
    return hit[1] if hit else default


def figures(taken: list[int]) -> dict[str, object]:
    """Percentiles in us of times in ns."""
    ordered, n = sorted(taken), len(taken)
    result: dict[str, object] = {"n": n}
    for name, share in (("p10", 0.1), ("p50", 0.5), ("p90", 0.9), ("p99", 0.99)):
        result[f"{name}_us"] = round(ordered[min(n - 1, int(share * n))] / 1000, 1) if n else None
    result["max_us"] = round(ordered[-1] / 1000, 1) if n else None
    return result


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--fills", type=int, default=2000)
    parser.add_argument("--warmup", type=int, default=200)
    parser.add_argument("--symbols", type=int, default=50)
    parser.add_argument(
        "--gap-us", type=float, default=2000, help="from an answer to the next fill (steps of 1 ms)"
    )
    parser.add_argument("--start-delay", type=float, default=0.6)
    parser.add_argument("--timeout", type=float, default=120)
    parser.add_argument("--stay", action="store_true", help="go on answering after the report")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--core", type=int, default=-1)


def serve(venue_type: Any, options: argparse.Namespace) -> None:
    """Run a venue until it is `done`; prints its port first and its report last."""

    async def main() -> None:
        venue = venue_type(options)
        server = await venue.loop.create_server(
            lambda: Connection(venue.http, venue.opened, venue.message), "127.0.0.1", options.port
        )
        print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
        try:
            await asyncio.wait_for(venue.done, options.timeout)
        except TimeoutError:
            print(json.dumps(venue.report() | {"error": "timed out"}), flush=True)
        else:
            print(json.dumps(venue.report()), flush=True)
            if options.stay:
                await asyncio.Event().wait()
        server.close()

    if options.core >= 0:
        os.sched_setaffinity(0, {options.core})
    uvloop.run(main())
