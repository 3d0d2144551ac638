"""The WebSocket API (`/ws-fapi/v1`, Spot `/ws-api/v3`): one JSON request in, one answer out, ids echoed.

Sources: `binance-usdm.md` section 5, `binance.md` sections 3 and 4. Numbers must be JSON numbers, decimals
JSON strings;
`session.logon` is for Ed25519 keys alone.
"""

import re
from typing import Any

import msgspec

from backstay.simulator.numbers import Stamp
from backstay.simulator.server import replies
from backstay.simulator.server.connections import Conn, Outbox
from backstay.simulator.server.desk import Desk, Outcome, Request
from backstay.simulator.server.endpoints import Endpoint, Security
from backstay.simulator.server.replies import VenueError, encode
from backstay.simulator.server.signing import KeyKind, ws_payload, ws_text
from backstay.simulator.server.subscriptions import Subscriptions

_NUMBERS = frozenset({"timestamp", "recvWindow", "limit"})
_SESSION = Endpoint("GET", "session", weight=2, security=Security.SIGNED)
_ID = re.compile(r"[a-zA-Z0-9\-_]{1,36}")


class WsApiDoor:
    def __init__(self, desk: Desk, outbox: Outbox, users: Subscriptions) -> None:
        self._desk = desk
        self._users = users
        self._outbox = outbox

    def connected(self, conn: Conn, now: int) -> VenueError | None:
        """Charge the connection's weight; the error to answer the handshake with when there is no room."""
        try:
            self._desk.limits.charge_weight(
                conn.peer,
                self._desk.settings.ws_connect_weight,
                now,
                ws=True,
            )
        except VenueError as error:
            return error
        return None

    def message(self, conn: Conn, data: bytes, now: int) -> None:
        request_id: object = None
        try:
            frame = _decode(data)
            request_id = _request_id(frame)
            method, params = _call(frame)
            if method in self._desk.product.session_methods:
                self._session(conn, request_id, method, params, now)
                return
            endpoint = self._desk.product.ws_methods.get(method)
            if endpoint is None:
                raise VenueError(400, -1020, f"Unsupported operation: unknown method '{_short(method)}'.")
            request = self._request(conn, endpoint, method, params)
        except VenueError as error:
            outcome = Outcome(micro=conn.micro)
            outcome.fail(error)
            self._send(conn, request_id, outcome, now, wants_limits=conn.return_limits)
            return
        outcome = self._desk.perform(request, now)
        if endpoint.security is Security.SIGNED and outcome.account is None and conn.session is not None:
            outcome.account = conn.session.account
        wants = params.get("returnRateLimits", conn.return_limits) is not False
        self._send(conn, request_id, outcome, now, wants_limits=wants)

    def revoked(self, conn: Conn, now: int) -> None:
        """Tell a logged-on connection that its key is gone: an unsolicited frame with a null id."""
        conn.session = None
        if conn.logon_subscription is not None:
            self._users.end(conn, [conn.logon_subscription], now)
        error = replies.rejected_key(conn.peer)
        body = {"id": None, "status": 401, "error": {"code": error.code, "msg": error.msg}}
        self._outbox.frame(conn, self._outbox.due(now, self._outbox.ack), encode(body))

    def _session(
        self,
        conn: Conn,
        request_id: object,
        method: str,
        params: dict[str, Any],
        now: int,
    ) -> None:
        outcome = Outcome(micro=conn.micro)
        desk, ended = self._desk, list[int]()
        entry = desk.log.add(now, conn.id, conn.surface, method, method, _texts(params), conn.peer)
        try:
            desk.limits.charge_weight(conn.peer, 2, now, ws=True)
            outcome.body = encode(self._manage(conn, method, params, ended, now), micro=conn.micro)
            outcome.account = conn.session.account if conn.session else None
        except VenueError as error:
            outcome.fail(error)
            entry.code = error.code
        entry.status = outcome.status
        self._send(conn, request_id, outcome, now, wants_limits=conn.return_limits)
        if ended:
            self._users.end(conn, ended, now)

    def _manage(
        self, conn: Conn, method: str, params: dict[str, Any], ended: list[int], now: int
    ) -> dict[str, Any] | list[dict[str, Any]]:
        """The result of a session or subscription method; `ended` takes the subscriptions to end after it."""
        match method:
            case "userDataStream.subscribe":
                if conn.session is None:
                    raise replies.not_logged_on()
                return self._users.subscribe(conn, conn.session.account, logon=True)
            case "userDataStream.subscribe.signature":
                request = self._request(conn, _SESSION, method, params)
                owner = self._users.signed(conn, request, now)
                return self._users.subscribe(conn, owner.account, logon=False)
            case "userDataStream.unsubscribe":
                ended.extend(self._users.chosen(conn, params.get("subscriptionId")))
                return {}
            case "session.subscriptions":
                return [{"subscriptionId": number} for number in conn.subscriptions]
            case "session.logon":
                self._logon(conn, params, now)
            case "session.logout":
                conn.session = None
                if conn.logon_subscription is not None:
                    ended.append(conn.logon_subscription)
        return self._status(conn, now)

    def _status(self, conn: Conn, now: int) -> dict[str, Any]:
        session = conn.session
        row: dict[str, Any] = {
            "apiKey": session.api_key if session else None,
            "authorizedSince": Stamp(conn.authorized) if session else None,
            "connectedSince": Stamp(conn.opened),
            "returnRateLimits": conn.return_limits,
            "serverTime": Stamp(now + self._desk.skew),
        }
        if self._desk.product.spot:
            row["userDataStream"] = bool(conn.subscriptions)
        return row

    def _logon(self, conn: Conn, params: dict[str, Any], now: int) -> None:
        request = self._request(conn, _SESSION, "session.logon", params)
        keyring = self._desk.keyring
        credentials = keyring.identify(request.api_key, conn.peer)
        if credentials.kind is not KeyKind.ED25519:
            raise replies.not_for_this_key() if self._desk.product.spot else replies.wrong_key_type()
        keyring.check_permission(credentials, trading=False, peer=conn.peer)
        keyring.check_time(request.params, self._desk.clock_ms(now))
        keyring.check_signature(credentials, request.payload, request.signature)
        conn.session, conn.authorized = credentials, now

    def _request(self, conn: Conn, endpoint: Endpoint, method: str, params: dict[str, Any]) -> Request:
        for name, value in params.items():
            if name in _NUMBERS and (not isinstance(value, int) or isinstance(value, bool)):
                raise replies.missing_parameter(name)
            if name in self._desk.product.decimals and not isinstance(value, str):
                raise replies.missing_parameter(name)
            if value is None or value == "":
                raise replies.empty_parameter(name)
        texts = _texts(params)
        signature = params.get("signature")
        return Request(
            conn,
            endpoint,
            method,
            texts,
            texts.get("apiKey"),
            ws_payload(params),
            signature if isinstance(signature, str) else None,
            conn.micro,
        )

    def _send(
        self,
        conn: Conn,
        request_id: object,
        outcome: Outcome,
        now: int,
        *,
        wants_limits: bool,
    ) -> None:
        due = self._outbox.due(now, self._outbox.ack, outcome.delay)
        if not outcome.silent and not conn.deaf(now):
            answer = self._answer(conn, request_id, outcome, now, wants_limits=wants_limits)
            data = encode(answer, micro=conn.micro)
            if outcome.hold:
                self._outbox.hold(conn, due + outcome.hold, data)
            else:
                for _ in range(outcome.copies):
                    self._outbox.frame(conn, due, data)
        if outcome.cut:
            self._outbox.abort(conn, due)

    def _answer(
        self,
        conn: Conn,
        request_id: object,
        outcome: Outcome,
        now: int,
        *,
        wants_limits: bool,
    ) -> dict[str, Any]:
        answer: dict[str, Any] = {"id": request_id, "status": outcome.status}
        if outcome.error is None:
            answer["result"] = msgspec.Raw(outcome.body)
        else:
            answer["error"] = {"code": outcome.error.code, "msg": outcome.error.msg}
            if outcome.error.data is not None:
                answer["error"]["data"] = outcome.error.data
        if wants_limits:
            answer["rateLimits"] = self._desk.limits.rate_limits(conn.peer, outcome.account, now)
        return answer


def _decode(data: bytes) -> dict[str, Any]:
    try:
        frame = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise VenueError(400, -1135, "Invalid JSON Request") from error
    if not isinstance(frame, dict):
        raise VenueError(400, -1135, "Invalid JSON Request")
    return frame


def _request_id(frame: dict[str, Any]) -> object:
    found = frame.get("id")
    whole = isinstance(found, int) and not isinstance(found, bool)
    if found is None or whole or (isinstance(found, str) and _ID.fullmatch(found)):
        return found
    raise VenueError(
        400,
        -1100,
        "Illegal characters found in parameter 'id'; legal range is '^[a-zA-Z0-9-_]{1,36}$' or an integer.",
    )


def _call(frame: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    method = frame.get("method")
    if not isinstance(method, str) or not method:
        raise replies.missing_parameter("method")
    params = frame.get("params")
    if params is None:
        params = {}
    if not isinstance(params, dict):
        raise VenueError(400, -1135, "Invalid JSON Request: params must be an object.")
    return method, params


def _texts(params: dict[str, Any]) -> dict[str, str]:
    return {name: ws_text(value) for name, value in params.items() if name != "signature"}


def _short(method: str) -> str:
    return method[:40]
