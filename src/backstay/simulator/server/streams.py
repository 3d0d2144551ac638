"""Sockets of the stream routes: subscriptions, private events, market frames, silence where the venue is
silent.

Sources: `binance-usdm.md` sections 4 and 6, `binance.md` section 6 rule 9: a wrong route, a key that does
not exist and a misspelt event filter produce no error, they produce nothing.
"""

from typing import Any

import msgspec

from backstay.simulator.server.connections import Conn, Outbox
from backstay.simulator.server.desk import Desk
from backstay.simulator.server.injector import Subject
from backstay.simulator.server.listen_keys import ListenKey
from backstay.simulator.server.replies import encode
from backstay.simulator.server.routes import Handshake
from backstay.simulator.server.settings import MS

_METHODS = (
    "SUBSCRIBE",
    "UNSUBSCRIBE",
    "LIST_SUBSCRIPTIONS",
    "SET_PROPERTY",
    "GET_PROPERTY",
)


class StreamError(Exception):
    """An error object of the stream protocol: `{code, msg}`."""

    def __init__(self, code: int, msg: str) -> None:
        super().__init__(msg)
        self.code = code
        self.msg = msg


class Streams:
    def __init__(self, desk: Desk, outbox: Outbox) -> None:
        self._desk = desk
        self._outbox = outbox
        self._conns: dict[int, Conn] = {}
        self._listeners: dict[str, list[Conn]] = {}

    def opened(self, conn: Conn, handshake: Handshake) -> None:
        conn.combined = handshake.combined
        conn.events = handshake.events
        conn.streams = dict.fromkeys(handshake.streams)
        self._conns[conn.id] = conn
        self._index()

    def closed(self, conn: Conn) -> None:
        if self._conns.pop(conn.id, None) is not None:
            self._index()

    def message(self, conn: Conn, data: bytes, now: int) -> None:
        """One client frame: SUBSCRIBE, UNSUBSCRIBE, LIST_SUBSCRIPTIONS, SET_PROPERTY or GET_PROPERTY."""
        request_id: object = None
        try:
            frame = _decode(data)
            request_id = _request_id(frame)
            answer: dict[str, Any] = {"result": self._command(conn, frame), "id": request_id}
        except StreamError as error:
            answer = {"error": {"code": error.code, "msg": error.msg}, "id": request_id}
        if not conn.deaf(now):
            self._outbox.frame(conn, self._outbox.due(now, self._outbox.ack), encode(answer))

    def private(self, account: str, event: dict[str, Any], now: int) -> None:
        """Send one user event to every socket that listens with the account's living key."""
        kind = str(event.get("e", ""))
        raw = b""
        for conn in list(self._conns.values()):
            if conn.surface not in {"private", "unrouted"} or conn.gone:
                continue
            if conn.events is not None and kind not in conn.events:
                continue
            key = self._key(conn, account)
            if key is None:
                continue
            raw = raw or encode(event)
            body = event.get("o")
            order = body if isinstance(body, dict) else {}
            subject = Subject(
                surface="private",
                event=kind,
                status=str(order.get("X", "")),
                stream=key,
                symbol=str(order.get("s", event.get("s", ""))),
                account=account,
                client_id=str(order.get("c") or order.get("caid") or event.get("c") or ""),
            )
            self.deliver(conn, key, raw, subject, self._outbox.event, now)

    def market(self, stream: str, payload: Any, now: int) -> None:
        """Send one market payload to every socket that subscribed to the stream on its own route."""
        listeners = self._listeners.get(stream)
        if not listeners:
            return
        raw = encode(payload)
        first = payload[0] if isinstance(payload, list) and payload else payload
        fields = first if isinstance(first, dict) else {}
        route = self._desk.product.route_of(stream) or "market"
        subject = Subject(
            surface=route,
            event=str(fields.get("e", "")),
            stream=stream,
            symbol=str(fields.get("s", "")),
        )
        for conn in list(listeners):
            text = encode(payload, micro=True) if conn.micro else raw
            self.deliver(conn, stream, text, subject, self._outbox.market, now)

    def expired(self, key: ListenKey, now: int, *, announce: bool = True) -> None:
        """Tell the sockets of a dead key once, then never anything again."""
        raw = encode({"e": "listenKeyExpired", "E": now // MS, "listenKey": key.key})
        for conn in self._conns.values():
            if conn.surface not in {"private", "unrouted"} or key.key not in conn.streams:
                continue
            listens = conn.events is None or "listenKeyExpired" in conn.events
            if announce and listens and self._serves(conn) and not conn.deaf(now):
                self._outbox.frame(
                    conn,
                    self._outbox.due(now, self._outbox.event),
                    _wrapped(conn, key.key, raw),
                )

    def deliver(
        self,
        conn: Conn,
        stream: str,
        raw: bytes,
        subject: Subject,
        latency: int,
        now: int,
    ) -> None:
        """Put one frame out on a socket, with whatever the installed faults do to it."""
        effects = self._desk.injector.frame(subject, now)
        due = self._outbox.due(now, latency)
        copies, hold, cut = 1, 0, False
        for effect in effects:
            args = effect.args
            match effect.kind:
                case "drop":
                    copies = 0
                case "delay":
                    due += int(args["ms"] * MS)
                case "duplicate":
                    copies += args["copies"]
                case "reorder":
                    hold = int(args["hold_ms"] * MS)
                case "cut":
                    copies, cut = (copies if args["when"] == "after" else 0), True
                case "half_open":
                    conn.dead = True
                case _:
                    self._desk.world(effect, subject, conn, now)
        if not conn.deaf(now) and copies > 0:
            data = _wrapped(conn, stream, raw)
            if hold:
                self._outbox.hold(conn, due + hold, data)
            else:
                for _ in range(copies):
                    self._outbox.frame(conn, due, data)
        if cut:
            self._outbox.abort(conn, max(due, conn.last_due))

    def _command(self, conn: Conn, frame: dict[str, Any]) -> object:
        method = frame.get("method")
        if not isinstance(method, str):
            raise StreamError(2, "Invalid request: missing field `method`")
        match method:
            case "SUBSCRIBE":
                self._subscribe(conn, _names(frame))
                return None
            case "UNSUBSCRIBE":
                for name in _names(frame):
                    conn.streams.pop(name, None)
                self._index()
                return None
            case "LIST_SUBSCRIPTIONS":
                return list(conn.streams)
            case "SET_PROPERTY" | "GET_PROPERTY":
                return _property(conn, method, frame.get("params"))
            case _:
                known = ", ".join(f"`{name}`" for name in _METHODS)
                raise StreamError(
                    2,
                    f"Invalid request: unknown variant `{method[:40]}`, expected one of {known}",
                )

    def _subscribe(self, conn: Conn, names: list[str]) -> None:
        wanted = {**conn.streams, **dict.fromkeys(names)}
        if len(wanted) > self._desk.settings.streams_per_connection:
            raise StreamError(
                2,
                f"Invalid request: too many streams, at most {self._desk.settings.streams_per_connection}",
            )
        conn.streams = wanted
        self._index()

    def _key(self, conn: Conn, account: str) -> str | None:
        if not self._serves(conn):
            return None
        return next((s for s in conn.streams if self._desk.keys.account_of(s) == account), None)

    def _serves(self, conn: Conn) -> bool:
        return conn.surface != "unrouted" or self._desk.settings.accept_unrouted

    def _index(self) -> None:
        self._listeners = {}
        for conn in self._conns.values():
            if not self._serves(conn):
                continue
            for name in conn.streams:
                route = self._desk.product.route_of(name)
                if route is not None and conn.surface in {route, "unrouted"}:
                    self._listeners.setdefault(name, []).append(conn)
        wanted = self._desk.engine.wanted
        wanted.clear()
        wanted.update(self._listeners)


def _wrapped(conn: Conn, stream: str, raw: bytes) -> bytes:
    return b'{"stream":"%s","data":%s}' % (stream.encode(), raw) if conn.combined else raw


def _decode(data: bytes) -> dict[str, Any]:
    try:
        frame = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StreamError(3, f"Invalid JSON: {error}") from error
    if not isinstance(frame, dict):
        raise StreamError(2, "Invalid request: request must be an object")
    return frame


def _request_id(frame: dict[str, Any]) -> object:
    found = frame.get("id")
    if found is None or isinstance(found, str) or (isinstance(found, int) and found >= 0):
        return found
    raise StreamError(2, "Invalid request: request ID must be an unsigned integer")


def _names(frame: dict[str, Any]) -> list[str]:
    params = frame.get("params")
    if not isinstance(params, list) or not all(isinstance(name, str) for name in params):
        raise StreamError(2, "Invalid request: params must be an array of stream names")
    return params


def _property(conn: Conn, method: str, params: object) -> object:
    if not isinstance(params, list) or not params or params[0] != "combined":
        raise StreamError(0, "Unknown property")
    if method == "GET_PROPERTY":
        return conn.combined
    if len(params) != 2 or not isinstance(params[1], bool):
        raise StreamError(1, "Invalid value type: expected Boolean")
    conn.combined = params[1]
    return None
