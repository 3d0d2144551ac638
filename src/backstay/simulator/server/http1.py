"""HTTP/1.1 of a server, bytes in and out: as much as a trading client's keep-alive connection needs.

Requests with `Content-Length` or chunked bodies, pipelining, the WebSocket handshake. No I/O.
"""

import base64
import hashlib
from collections.abc import Iterable
from http import HTTPStatus

import msgspec

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
MAX_HEAD = 64 * 1024
MAX_BODY = 1024 * 1024


class HttpError(Exception):
    """The bytes are not a request that can be served; `status` is what to answer before closing."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class HttpRequest(msgspec.Struct):
    """One request. Header names are lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    keep_alive: bool

    @property
    def upgrades(self) -> bool:
        return self.headers.get("upgrade", "").lower() == "websocket"


class RequestReader:
    """Collects bytes and hands out whole requests, in order. Raises `HttpError`; then the connection is
    done.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._head: HttpRequest | None = None

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def rest(self) -> bytes:
        """Bytes that came behind the last request (after an upgrade they are frames)."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        return rest

    def next(self) -> HttpRequest | None:
        """The next whole request, or None until more bytes come."""
        if self._head is None:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                if len(self._buffer) > MAX_HEAD:
                    raise HttpError(431, "request head too large")
                return None
            self._head = _head(bytes(self._buffer[:end]))
            del self._buffer[: end + 4]
        request = self._head
        body = self._body(request)
        if body is None:
            return None
        self._head = None
        request.body = body
        return request

    def _body(self, request: HttpRequest) -> bytes | None:
        if request.headers.get("transfer-encoding", "").lower() == "chunked":
            return self._chunks()
        text = request.headers.get("content-length", "0")
        if not text.isdigit():
            raise HttpError(400, "bad Content-Length")
        length = int(text)
        if length > MAX_BODY:
            raise HttpError(413, "request body too large")
        if len(self._buffer) < length:
            return None
        body = bytes(self._buffer[:length])
        del self._buffer[:length]
        return body

    def _chunks(self) -> bytes | None:
        parts, position = [], 0
        while True:
            line_end = self._buffer.find(b"\r\n", position)
            if line_end < 0:
                return None
            try:
                size = int(self._buffer[position:line_end].split(b";")[0], 16)
            except ValueError as error:
                raise HttpError(400, "bad chunk size") from error
            start = line_end + 2
            if start + size > MAX_BODY:
                raise HttpError(413, "request body too large")
            if len(self._buffer) < start + size + 2:
                return None
            parts.append(bytes(self._buffer[start : start + size]))
            position = start + size + 2
            if size == 0:
                del self._buffer[:position]
                return b"".join(parts)


def _head(raw: bytes) -> HttpRequest:
    lines = raw.decode("latin-1").split("\r\n")
    parts = lines[0].split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise HttpError(400, "bad request line")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise HttpError(400, "bad header line")
        headers[name.lower()] = value.strip()
    method, target, version = parts
    if "://" in target[:8]:
        target = "/" + target.split("/", 3)[3] if target.count("/") > 2 else "/"
    connection = headers.get("connection", "").lower()
    keep = "close" not in connection if version == "HTTP/1.1" else "keep-alive" in connection
    return HttpRequest(method, target, headers, b"", keep)


def response(status: int, headers: Iterable[tuple[str, str]], body: bytes, *, close: bool = False) -> bytes:
    lines = [f"HTTP/1.1 {status} {_reason(status)}"]
    lines.extend(f"{name}: {value}" for name, value in headers)
    lines.append(f"Content-Length: {len(body)}")
    if close:
        lines.append("Connection: close")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Status"


def accept_upgrade(request: HttpRequest) -> bytes:
    """The 101 answer of a WebSocket handshake. Raises `HttpError` for a handshake that is not one."""
    key = request.headers.get("sec-websocket-key", "")
    if request.method != "GET" or not key or request.headers.get("sec-websocket-version") != "13":
        raise HttpError(400, "not a WebSocket 13 handshake")
    digest = base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + digest + b"\r\n\r\n"
    )
