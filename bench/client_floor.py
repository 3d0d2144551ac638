"""The floor: uvloop, two bare protocols, no parsing but for the symbol; a request of the product's size.

Nothing that understands a fill can be faster on this machine with this loop.
"""

import argparse
import asyncio
import os
import re
import struct

FILL = re.compile(rb'"e":"ORDER_TRADE_UPDATE".{1,60}?"s":"(\w+)"')
UPGRADE = (
    b"GET %b HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
REQUEST = b'{"id":"1","method":"algoOrder.place","params":{"symbol":"%b","pad":"%b"}}'


def request(symbol: bytes, size: int) -> bytes:
    """A masked frame (the mask is zero) of `size` bytes of payload."""
    bare = len(REQUEST % (symbol, b""))
    payload = REQUEST % (symbol, b"x" * (size - bare))
    return struct.pack("!BBHI", 0x81, 0x80 | 126, len(payload), 0) + payload


async def main(port: int, size: int) -> None:
    loop = asyncio.get_running_loop()

    class Bare(asyncio.Protocol):
        orders: asyncio.Transport

        def connection_made(self, transport) -> None:
            self.wire = transport

        def data_received(self, data: bytes) -> None:
            fill = FILL.search(data)
            if fill:
                self.orders.write(request(fill[1], size))

    _, orders = await loop.create_connection(Bare, "127.0.0.1", port)
    orders.wire.write(UPGRADE % b"/ws-fapi/v1")
    await asyncio.sleep(0.2)
    _, private = await loop.create_connection(Bare, "127.0.0.1", port)
    private.orders = orders.wire
    private.wire.write(UPGRADE % b"/private/ws/x")
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--size", type=int, default=540, help="bytes of a request, as the product's")
    parser.add_argument("--loop", choices=["uvloop", "asyncio"], default="uvloop")
    parser.add_argument("--core", type=int, default=-1)
    chosen = parser.parse_args()
    if chosen.core >= 0:
        os.sched_setaffinity(0, {chosen.core})
    if chosen.loop == "uvloop":
        import uvloop

        uvloop.run(main(chosen.port, chosen.size))
    else:
        asyncio.run(main(chosen.port, chosen.size))
