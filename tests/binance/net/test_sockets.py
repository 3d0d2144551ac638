"""The real transport, against servers on loopback sockets."""

import asyncio
import contextlib
import socket

import pytest
from aiohttp import WSMsgType, web

from backstay.binance.net.redact import redacted
from backstay.binance.net.sockets import SocketTransport
from backstay.binance.net.transport import Lost, NotWritten

from tests.binance.net.asyncs import run, until


@contextlib.asynccontextmanager
async def raw_server(handle):
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@contextlib.asynccontextmanager
async def app_server(*routes):
    app = web.Application()
    app.add_routes(routes)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def opened():
    transport = SocketTransport()
    try:
        yield transport
    finally:
        await transport.close()


async def read_request(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    return head.split(b"\r\n", 1)[0]


OK = b"HTTP/1.1 200 OK\r\nX-MBX-USED-WEIGHT-1M: 7\r\nContent-Length: 2\r\n\r\n{}"


@run
async def test_http_sends_the_url_byte_for_byte_and_lowers_header_names():
    seen = []

    async def serve(reader, writer):
        seen.append(await read_request(reader))
        writer.write(OK)
        await writer.drain()
        writer.close()

    async with raw_server(serve) as port, opened() as transport:
        url = f"http://127.0.0.1:{port}/fapi/v1/order?symbol=%EF%BC%91&a=1%2B2&signature=ab%2Fc%3D"
        reply = await transport.http("GET", url, {"X-MBX-APIKEY": "k"}, b"", 2.0)
    assert seen == [b"GET /fapi/v1/order?symbol=%EF%BC%91&a=1%2B2&signature=ab%2Fc%3D HTTP/1.1"]
    assert (reply.status, reply.headers["x-mbx-used-weight-1m"], reply.body) == (200, "7", b"{}")


@run
async def test_nothing_was_written_when_the_connection_is_refused():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        async with opened() as transport:
            with pytest.raises(NotWritten):
                await transport.http("POST", f"http://127.0.0.1:{port}/x", {}, b"", 2.0)
            with pytest.raises(NotWritten):
                await transport.websocket(f"ws://127.0.0.1:{port}/x", print, print)


@run
async def test_lost_when_the_peer_hangs_up_after_the_request():
    async def serve(reader, writer):
        await read_request(reader)
        writer.close()

    async with raw_server(serve) as port, opened() as transport:
        with pytest.raises(Lost):
            await transport.http("POST", f"http://127.0.0.1:{port}/x?signature=secret", {}, b"", 2.0)


@run
async def test_lost_when_no_answer_comes_in_time_and_the_error_has_no_signature():
    async def serve(reader, writer):
        await read_request(reader)
        await reader.read()
        writer.close()

    async with raw_server(serve) as port, opened() as transport:
        with pytest.raises(Lost) as caught:
            await transport.http("POST", f"http://127.0.0.1:{port}/x?signature=secret", {}, b"", 0.1)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "POST"])
@run
async def test_a_request_with_side_effects_is_never_repeated_on_a_stale_connection(method):
    seen = []

    async def serve(reader, writer):
        seen.append(await read_request(reader))
        writer.write(OK)
        await writer.drain()
        with contextlib.suppress(asyncio.IncompleteReadError):
            seen.append(await read_request(reader))  # the second one on this connection finds it closed
        writer.close()

    async with raw_server(serve) as port, opened() as transport:
        url = f"http://127.0.0.1:{port}/fapi/v1/order"
        await transport.http("GET", url, {}, b"", 2.0)
        with pytest.raises(Lost):
            await transport.http(method, url, {}, b"", 2.0)
    assert len(seen) == 2


def ws_route(handler):
    async def serve(request):
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await handler(ws, request)
        return ws

    return web.get("/{tail:.*}", serve)


@run
async def test_messages_arrive_whole_and_in_order_and_the_close_is_told_once():
    async def handler(ws, _request):
        first = await ws.receive()
        assert first.type == WSMsgType.TEXT
        for n in range(1000):
            await ws.send_str(f"{n}")
        await ws.close()

    got, closed = [], []
    async with app_server(ws_route(handler)) as port, opened() as transport:
        link = await transport.websocket(f"ws://127.0.0.1:{port}/private/ws/key", got.append, closed.append)
        link.send(b"hello")
        await until(lambda: closed)
        assert not link.is_open
        with pytest.raises(NotWritten):
            link.send(b"too late")
        link.close()
        await asyncio.sleep(0)
    assert got == [b"%d" % n for n in range(1000)]
    assert closed == ["closed by the venue, code 1000"]


@run
async def test_our_own_close_is_told_and_nothing_is_delivered_after_it():
    async def handler(ws, _request):
        async for _ in ws:
            await ws.send_str("answer")

    got, closed = [], []
    async with app_server(ws_route(handler)) as port, opened() as transport:
        link = await transport.websocket(f"ws://127.0.0.1:{port}/", got.append, closed.append)
        link.send(b"x")
        link.close()
        await until(lambda: closed)
    assert closed == ["closed by us"]
    assert got == []


@run
async def test_a_refused_handshake_tells_its_status():
    async def refuse(_request):
        return web.Response(status=429)

    async with app_server(web.get("/{tail:.*}", refuse)) as port, opened() as transport:
        with pytest.raises(NotWritten) as caught:
            await transport.websocket(
                f"ws://127.0.0.1:{port}/private/ws/abcdefghijklmnopqrstuvwxyz", print, print
            )
    assert caught.value.status == 429
    assert "abcdefghijklmnop" not in str(caught.value)


@run
async def test_a_silent_peer_that_answers_no_ping_is_closed():
    async def serve(reader, writer):
        import base64
        import hashlib

        head = await reader.readuntil(b"\r\n\r\n")
        key = next(
            line for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")
        ).split(b": ")[1]
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        writer.write(
            b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
            + accept
            + b"\r\n\r\n"
        )
        await reader.read()
        writer.close()

    closed = []
    async with raw_server(serve) as port, opened() as transport:
        await transport.websocket(f"ws://127.0.0.1:{port}/", print, closed.append, quiet_s=0.05)
        await until(lambda: closed)
    assert len(closed) == 1


@run
async def test_a_consumer_that_raises_closes_the_connection_and_is_reported():
    async def handler(ws, _request):
        await ws.send_str("x")
        await ws.receive()

    def consume(_message):
        raise KeyError("defect")

    reported, closed = [], []
    asyncio.get_running_loop().set_exception_handler(
        lambda _loop, context: reported.append(context["exception"])
    )
    async with app_server(ws_route(handler)) as port, opened() as transport:
        await transport.websocket(f"ws://127.0.0.1:{port}/", consume, closed.append)
        await until(lambda: closed)
    assert closed == ["the consumer of messages raised KeyError"]
    assert isinstance(reported[0], KeyError)


def test_a_listen_key_never_appears_whole():
    key = "pqia91ma19a5s61cv6a81va65sdf19v8a65a1a5s61cv6a81va65sdf19v8a65a1"
    assert redacted(f"wss://h/private/ws/{key}") == "wss://h/private/ws/pqia..."
    assert key not in redacted(f"wss://h/private/ws?listenKey={key}&events=A")
