"""Connections and their outbox: latency, order per connection, deafness, held frames."""

import random
from collections.abc import Iterable

import msgspec

from backstay.simulator.server.auth import Credentials
from backstay.simulator.server.outputs import Abort, Answer, Close, Frame, Output, Ping, Pong
from backstay.simulator.server.settings import MS, SECOND, ServerSettings


class Conn(msgspec.Struct, eq=False):
    """One connection as the venue sees it. Times are venue nanoseconds.

    `surface`: rest, ws_api, public, market, private or unrouted. `dead`: half open, nothing goes out or
    comes in.
    `deaf_until`: frames are lost until then (-1: for ever). Spot: `micro` times in microseconds,
    `subscriptions` of user data (number -> account), `subscribed` how many there have ever been, `warned`
    that the connection's end has been announced.
    """

    id: int
    surface: str
    peer: str
    opened: int
    last_due: int = 0
    dead: bool = False
    gone: bool = False
    deaf_until: int = 0
    second: int = -1
    messages: int = 0
    pinged: int = 0
    ponged: int = 0
    closes: int = 0
    combined: bool = False
    streams: dict[str, None] = msgspec.field(default_factory=dict)
    events: frozenset[str] | None = None
    session: Credentials | None = None
    authorized: int = 0
    return_limits: bool = True
    micro: bool = False
    warned: bool = False
    subscriptions: dict[int, str] = msgspec.field(default_factory=dict)
    logon_subscription: int | None = None
    subscribed: int = 0
    held: list[tuple[int, bytes]] = msgspec.field(default_factory=list)

    def deaf(self, now: int) -> bool:
        return self.dead or self.gone or self.deaf_until < 0 or now < self.deaf_until


class Outbox:
    """Collects outputs. `due` of one connection never decreases, so a late message delays those behind it."""

    def __init__(self, settings: ServerSettings, rng: random.Random) -> None:
        self._rng = rng
        self._jitter = int(settings.jitter_ms * MS)
        self.ack = int(settings.ack_latency_ms * MS)
        self.event = int(settings.event_latency_ms * MS)
        self.market = int(settings.market_latency_ms * MS)
        self._outputs: list[Output] = []

    def drain(self) -> list[Output]:
        outputs, self._outputs = self._outputs, []
        return outputs

    def due(self, now: int, base: int, extra: int = 0) -> int:
        jitter = self._rng.randrange(self._jitter) if self._jitter else 0
        return now + base + jitter + extra

    def answer(
        self,
        conn: Conn,
        due: int,
        status: int,
        headers: Iterable[tuple[str, str]],
        body: bytes,
    ) -> None:
        if not (conn.dead or conn.gone):
            self._outputs.append(Answer(conn.id, self._later(conn, due), status, tuple(headers), body))

    def frame(self, conn: Conn, due: int, data: bytes) -> None:
        """Send one message; frames that were held for reordering follow it."""
        if conn.dead or conn.gone:
            return
        self._outputs.append(Frame(conn.id, self._later(conn, due), data))
        if conn.held:
            self.release(conn, due)

    def hold(self, conn: Conn, until: int, data: bytes) -> None:
        """Keep a message back until the next one has passed it, or until `until`."""
        conn.held.append((until, data))

    def release(self, conn: Conn, due: int) -> None:
        held, conn.held = conn.held, []
        for _, data in held:
            self.frame(conn, due, data)

    def ping(self, conn: Conn, due: int, data: bytes) -> None:
        if not (conn.dead or conn.gone):
            self._outputs.append(Ping(conn.id, self._later(conn, due), data))

    def pong(self, conn: Conn, due: int, data: bytes) -> None:
        if not (conn.dead or conn.gone):
            self._outputs.append(Pong(conn.id, self._later(conn, due), data))

    def close(self, conn: Conn, due: int, code: int, reason: str) -> None:
        """The venue is done with it; over one that is half open nobody hears of that."""
        if conn.gone:
            return
        if not conn.dead:
            self._outputs.append(Close(conn.id, self._later(conn, due), code, reason))
        conn.gone = True

    def abort(self, conn: Conn, due: int) -> None:
        if not conn.gone:
            self._outputs.append(Abort(conn.id, due))
            conn.gone = True

    @staticmethod
    def _later(conn: Conn, due: int) -> int:
        conn.last_due = max(conn.last_due, due)
        return conn.last_due


def count_message(conn: Conn, limit: int, now: int) -> bool:
    """Count one incoming message (JSON, ping or pong); False when the second's limit is passed."""
    second = now // SECOND
    if second != conn.second:
        conn.second, conn.messages = second, 0
    conn.messages += 1
    return conn.messages <= limit
