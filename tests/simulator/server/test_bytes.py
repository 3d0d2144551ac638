"""HTTP/1.1 and WebSocket frames as bytes: whole, in pieces, broken."""

import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.simulator.server.frames import FrameError, FrameReader, Op, close_frame, frame
from backstay.simulator.server.http1 import HttpError, RequestReader, accept_upgrade, response

GET = b"GET /fapi/v1/time?a=1 HTTP/1.1\r\nHost: x\r\nX-MBX-APIKEY: abc\r\n\r\n"
POST = b"POST /fapi/v1/order HTTP/1.1\r\nContent-Length: 7\r\n\r\na=1&b=2"
CHUNKED = b"PUT /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na=1\r\n4;x=y\r\n&b=2\r\n0\r\n\r\n"


def client_frame(op: int, payload: bytes, *, final: bool = True) -> bytes:
    mask = b"\x9a\x02\xf3\x44"
    size = len(payload)
    head = bytes([(0x80 if final else 0) | op])
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 65536:
        head += bytes([0xFE]) + struct.pack("!H", size)
    else:
        head += bytes([0xFF]) + struct.pack("!Q", size)
    return head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload))


def read_all(reader):
    found = []
    while (item := reader.next()) is not None:
        found.append(item)
    return found


@given(st.lists(st.integers(1, 40), min_size=1, max_size=40))
def test_requests_are_read_whole_however_the_bytes_arrive(cuts):
    stream = GET + POST + CHUNKED + GET
    reader, found, at = RequestReader(), [], 0
    for size in [*cuts, len(stream)]:
        reader.feed(stream[at : at + size])
        at += size
        found += read_all(reader)
    assert [(r.method, r.target, r.body) for r in found] == [
        ("GET", "/fapi/v1/time?a=1", b""),
        ("POST", "/fapi/v1/order", b"a=1&b=2"),
        ("PUT", "/x", b"a=1&b=2"),
        ("GET", "/fapi/v1/time?a=1", b""),
    ]
    assert found[0].headers["x-mbx-apikey"] == "abc"


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"HELLO\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nbroken\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"X" * 70_000, 431),
    ],
)
def test_bytes_that_are_no_request_are_refused(raw, status):
    reader = RequestReader()
    reader.feed(raw)
    with pytest.raises(HttpError) as caught:
        reader.next()
    assert caught.value.status == status


def test_keep_alive_follows_version_and_header():
    for head, keep in (
        (b"GET / HTTP/1.1\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", True),
    ):
        reader = RequestReader()
        reader.feed(head)
        assert reader.next().keep_alive is keep


def test_the_handshake_of_the_rfc():
    reader = RequestReader()
    reader.feed(
        b"GET /chat HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\nrest"
    )
    request = reader.next()
    assert request.upgrades
    assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in accept_upgrade(request)
    assert reader.rest() == b"rest"
    request.headers.pop("sec-websocket-key")
    with pytest.raises(HttpError):
        accept_upgrade(request)


def test_a_response_has_its_length_and_its_headers():
    raw = response(429, (("Retry-After", "5"),), b"{}", close=True)
    assert raw.startswith(b"HTTP/1.1 429 Too Many Requests\r\n")
    assert b"Retry-After: 5\r\n" in raw
    assert raw.endswith(b"Content-Length: 2\r\nConnection: close\r\n\r\n{}")


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=6), st.lists(st.integers(1, 60), max_size=30))
def test_messages_are_read_whole_however_the_bytes_arrive(payloads, cuts):
    stream = b"".join(client_frame(Op.TEXT, p) for p in payloads)
    reader, found, at = FrameReader(), [], 0
    for size in [*cuts, len(stream)]:
        reader.feed(stream[at : at + size])
        at += size
        found += read_all(reader)
    assert found == [(Op.TEXT, p) for p in payloads]


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536, 200_000])
def test_lengths_of_all_three_kinds(size):
    payload = os.urandom(size)
    reader = FrameReader()
    reader.feed(client_frame(Op.BINARY, payload))
    assert reader.next() == (Op.BINARY, payload)
    sent = frame(Op.TEXT, payload)
    assert sent.endswith(payload)
    assert len(sent) - size == (2 if size < 126 else 4 if size < 65536 else 10)


def test_fragments_are_joined_and_control_frames_may_come_between():
    reader = FrameReader()
    reader.feed(
        client_frame(Op.TEXT, b"ab", final=False)
        + client_frame(Op.PING, b"p")
        + client_frame(Op.CONTINUE, b"cd")
    )
    assert read_all(reader) == [(Op.PING, b"p"), (Op.TEXT, b"abcd")]


@pytest.mark.parametrize(
    "raw",
    [
        b"\x81\x02ab",
        b"\xc1" + client_frame(Op.TEXT, b"ab")[1:],
        client_frame(Op.CONTINUE, b"ab"),
        client_frame(3, b"ab"),
        client_frame(Op.PING, b"x" * 126),
        client_frame(Op.TEXT, b"a", final=False) + client_frame(Op.TEXT, b"b"),
    ],
)
def test_broken_frames_are_refused(raw):
    reader = FrameReader()
    reader.feed(raw)
    with pytest.raises(FrameError) as caught:
        read_all(reader)
    assert caught.value.code == 1002
    assert close_frame(1002, "x") == b"\x88\x03\x03\xeax"
