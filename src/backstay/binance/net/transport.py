"""The byte-level port under the whole gateway, and the two things that it measures the world with.

An implementation moves bytes and says truthfully what became of them; it knows no venue. Messages are
handed to plain callbacks inside the read call, so an in-memory implementation needs no task either.
The one distinction that matters for money is `NotWritten` (certainly did not happen) against `Lost`
(may have happened).
"""

from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec


class TransportError(Exception):
    """Base of what a transport can fail with; the text never carries a query string or a listen key."""


class NotWritten(TransportError):
    """No byte of the request left this machine (connection refused, name not found, socket closed).

    `status` is the HTTP status when a WebSocket handshake was answered with something else than 101.
    """

    def __init__(self, message: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Lost(TransportError):
    """Bytes may have left and no complete answer came: the outcome is unknown."""


class HttpReply(msgspec.Struct, frozen=True):
    """A complete HTTP answer. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


type OnMessage = Callable[[bytes], None]
"""Called with one whole text or binary message, in the order of the wire, inside the read call."""
type OnClosed = Callable[[str], None]
"""Called exactly once per connection, with the reason, also after our own `close`."""


class Socket(Protocol):
    """One open WebSocket."""

    @property
    def is_open(self) -> bool:
        """False from the moment that a close was sent, received or noticed."""
        ...

    def send(self, data: bytes) -> None:
        """Hand one text message to the kernel, synchronously; no message is delivered before this returns.

        Raises NotWritten when the connection is already closed. A message that was accepted and then lost
        with the connection is announced by `on_closed` alone.
        """
        ...

    def close(self) -> None:
        """Start closing; `on_closed` follows, no message is delivered any more."""
        ...


class Transport(Protocol):
    async def http(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        timeout_s: float,
    ) -> HttpReply:
        """Send one request and read its whole answer; never sends a request with side effects twice.

        `url` is complete and already percent-encoded: it goes out byte for byte. Raises NotWritten or Lost.
        """
        ...

    async def websocket(
        self,
        url: str,
        on_message: OnMessage,
        on_closed: OnClosed,
        *,
        timeout_s: float = 10.0,
        quiet_s: float = 0.0,
    ) -> Socket:
        """Open a connection; pings of the peer are answered by the implementation.

        `quiet_s` > 0: after that long without a byte the peer is asked for a sign of life (a ping), and the
        connection is closed when none comes within as long again. Messages may be delivered before this
        returns. Raises NotWritten.
        """
        ...

    async def close(self) -> None:
        """Drop every connection."""
        ...


class Clock(Protocol):
    def now_ns(self) -> int:
        """Local wall time in ns since the epoch."""
        ...


class Entropy(Protocol):
    def jitter(self) -> float:
        """A number in [0, 1)."""
        ...
