"""The real transport: picows for WebSockets, aiohttp for HTTP. The only file that knows either library."""

import asyncio
import logging
import ssl
from collections.abc import Mapping
from types import SimpleNamespace

import aiohttp
import picows
from yarl import URL

from backstay.binance.net.redact import redacted
from backstay.binance.net.transport import HttpReply, Lost, NotWritten, OnClosed, OnMessage, Socket

_LIBRARY_LOG = logging.getLogger("backstay.binance.net.picows")
_LIBRARY_LOG.setLevel(
    logging.CRITICAL
)  # its debug and info lines print whole URLs, and a URL holds the listen key
_TEXT = picows.WSMsgType.TEXT
_SAFE = frozenset({"GET", "HEAD"})
_MAX_FRAME = 16 * 1024 * 1024


class _WouldRepeat(Exception):
    """aiohttp was about to send a request with side effects a second time."""


class _Written:
    """Per request: have its bytes been released, and may they be released twice."""

    __slots__ = ("repeatable", "yes")

    def __init__(self, *, repeatable: bool) -> None:
        self.repeatable = repeatable
        self.yes = False


async def _headers_sent(
    _session: aiohttp.ClientSession, context: SimpleNamespace, _params: aiohttp.TraceRequestHeadersSentParams
) -> None:
    # aiohttp calls this before the first byte is written. It repeats PUT and DELETE on its own when a
    # kept-alive connection turns out to be closed; for us those are mutations, and may go out only once.
    written: _Written = context.trace_request_ctx
    if written.yes and not written.repeatable:
        raise _WouldRepeat
    written.yes = True


class SocketTransport:
    """Sockets of the operating system. Make it inside the running loop that will use it."""

    def __init__(self, *, ssl_context: ssl.SSLContext | None = None, connect_timeout_s: float = 5.0) -> None:
        self._ssl = ssl_context
        self._connect_timeout_s = connect_timeout_s
        self._session: aiohttp.ClientSession | None = None
        self._sockets: set[_PicowsSocket] = set()

    async def http(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float
    ) -> HttpReply:
        written = _Written(repeatable=method in _SAFE)
        timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=min(self._connect_timeout_s, timeout_s))
        try:
            async with self._http_session().request(
                method,
                URL(url, encoded=True),
                headers=headers,
                data=body or None,
                allow_redirects=False,
                timeout=timeout,
                trace_request_ctx=written,
            ) as response:
                answer = await response.read()
                lower = {name.lower(): value for name, value in response.headers.items()}
                return HttpReply(response.status, lower, answer)
        except (aiohttp.ClientError, TimeoutError, OSError, _WouldRepeat) as failure:
            what = f"{method} {redacted(url)}: {_name(failure)}"
            if written.yes:
                raise Lost(what) from None
            raise NotWritten(what) from None

    async def websocket(
        self,
        url: str,
        on_message: OnMessage,
        on_closed: OnClosed,
        *,
        timeout_s: float = 10.0,
        quiet_s: float = 0.0,
    ) -> Socket:
        link = _PicowsSocket(on_message, on_closed)
        try:
            async with asyncio.timeout(timeout_s):
                await picows.ws_connect(
                    lambda: link,
                    url,
                    ssl_context=self._ssl,
                    websocket_handshake_timeout=timeout_s,
                    logger_name=_LIBRARY_LOG,
                    enable_auto_ping=quiet_s > 0,
                    auto_ping_idle_timeout=quiet_s or 10.0,
                    auto_ping_reply_timeout=quiet_s or 10.0,
                    max_frame_size=_MAX_FRAME,
                    max_redirects=0,
                )
        except picows.WSHandshakeError as failure:
            status = int(failure.response.status) if failure.response is not None else 0
            raise NotWritten(f"{redacted(url)}: handshake answered {status}", status=status) from None
        except (picows.WSError, TimeoutError, OSError) as failure:
            raise NotWritten(f"{redacted(url)}: {_name(failure)}") from None
        self._sockets = {one for one in self._sockets if not one.is_closed}
        self._sockets.add(link)
        return link

    async def close(self) -> None:
        for socket in self._sockets:
            socket.close()
        self._sockets.clear()
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _http_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            trace = aiohttp.TraceConfig()
            trace.on_request_headers_sent.append(_headers_sent)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    ssl=self._ssl if self._ssl is not None else True, limit=16, keepalive_timeout=60.0
                ),
                trace_configs=[trace],
                cookie_jar=aiohttp.DummyCookieJar(),
                raise_for_status=False,
            )
        return self._session


class _PicowsSocket(picows.WSListener):
    """One connection: picows' listener and our `Socket` in one object, so that a frame costs one call."""

    def __init__(self, on_message: OnMessage, on_closed: OnClosed) -> None:
        super().__init__()
        self._on_message = on_message
        self._on_closed = on_closed
        self._transport: picows.WSTransport | None = None
        self._parts: list[bytes] = []
        self._reason = ""
        self._closing = False
        self.is_closed = False

    @property
    def is_open(self) -> bool:
        transport = self._transport
        return (
            transport is not None
            and not self._closing
            and not transport.is_disconnected
            and not transport.is_close_frame_sent
        )

    def send(self, data: bytes) -> None:
        transport = self._transport
        # picows drops a message silently once the connection is closed
        if transport is None or self._closing or transport.is_disconnected or transport.is_close_frame_sent:
            raise NotWritten("the connection is closed")
        transport.send(picows.WSMsgType.TEXT, data)

    def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        self._reason = self._reason or "closed by us"
        if self._transport is not None and not self._transport.is_disconnected:
            self._transport.send_close(picows.WSCloseCode.OK)
            self._transport.disconnect()

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self._transport = transport

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        kind = frame.msg_type
        if kind == _TEXT and frame.fin:
            if not self._closing:
                self._deliver(frame.get_payload_as_bytes())
        elif kind == picows.WSMsgType.CLOSE:
            self._reason = (
                self._reason
                or f"closed by the venue, code {int.from_bytes(frame.get_payload_as_bytes()[:2])}"
            )
            self._closing = True
            transport.send_close(picows.WSCloseCode.OK)
            transport.disconnect()
        elif kind in (picows.WSMsgType.TEXT, picows.WSMsgType.BINARY, picows.WSMsgType.CONTINUATION):
            self._parts.append(frame.get_payload_as_bytes())
            if frame.fin:
                whole = b"".join(self._parts)
                self._parts.clear()
                if not self._closing:
                    self._deliver(whole)

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        self._closing = True
        self.is_closed = True
        self._on_closed(self._reason or "connection lost")

    def _deliver(self, message: bytes) -> None:
        try:
            self._on_message(message)
        except Exception as defect:  # noqa: BLE001  whatever a consumer raises must become a visible gap
            self._reason = f"the consumer of messages raised {_name(defect)}"
            asyncio.get_running_loop().call_exception_handler(
                {"message": "a consumer of WebSocket messages raised", "exception": defect}
            )
            self.close()


def _name(failure: BaseException) -> str:
    """The kind of a failure, with its errno; its text may hold a URL and is left out."""
    number = getattr(failure, "errno", None)
    return type(failure).__name__ + (f" (errno {number})" if number else "")
