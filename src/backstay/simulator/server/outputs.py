"""What the venue wants delivered. A host hands each over when `due` (venue time, ns) has come.

Per connection `due` never decreases and a host must keep the order of the list; between connections there is
no order but `due`.
"""

import msgspec


class Answer(msgspec.Struct, frozen=True):
    """One HTTP response. Headers hold no framing (length, connection): that is the host's."""

    conn: int
    due: int
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Frame(msgspec.Struct, frozen=True):
    """One WebSocket text message."""

    conn: int
    due: int
    data: bytes


class Ping(msgspec.Struct, frozen=True):
    conn: int
    due: int
    data: bytes


class Pong(msgspec.Struct, frozen=True):
    conn: int
    due: int
    data: bytes


class Close(msgspec.Struct, frozen=True):
    """Close frame, then the socket."""

    conn: int
    due: int
    code: int
    reason: str = ""


class Abort(msgspec.Struct, frozen=True):
    """The socket is reset: no close frame, nothing that is still queued behind it arrives."""

    conn: int
    due: int


type Output = Answer | Frame | Ping | Pong | Close | Abort
