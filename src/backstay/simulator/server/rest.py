"""REST: an HTTP request's target, headers and body in, one answer out."""

import re
from collections.abc import Mapping
from urllib.parse import unquote, unquote_plus

from backstay.simulator.server import replies
from backstay.simulator.server.connections import Conn, Outbox
from backstay.simulator.server.desk import Desk, Outcome, Request
from backstay.simulator.server.endpoints import Endpoint, Security
from backstay.simulator.server.replies import VenueError
from backstay.simulator.server.signing import rest_payload

_ENCODED = re.compile(r"(?:[A-Za-z0-9\-._~!$'()*+,;:@/?=&]|%[0-9A-Fa-f]{2})*")
_JSON = ("Content-Type", "application/json;charset=UTF-8")


class RestDoor:
    def __init__(self, desk: Desk, outbox: Outbox) -> None:
        self._desk = desk
        self._outbox = outbox

    def request(
        self,
        conn: Conn,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
        now: int,
    ) -> None:
        """Handle one request; at most one answer goes to the outbox (a fault may leave none)."""
        path, _, query = target.partition("?")
        endpoint = self._desk.product.rest.get((method, path))
        if endpoint is None:
            self._refuse(conn, replies.no_such_path(method, path), now)
            return
        try:
            request = _parse(conn, endpoint, query, headers, body)
            if self._desk.product.time_units:
                request.micro = _wants_micro(headers)
            if self._desk.product.strict_encoding and endpoint.security is Security.SIGNED:
                _check_encoding(request.payload)
        except VenueError as error:
            self._refuse(conn, error, now)
            return
        outcome = self._desk.perform(request, now)
        due = self._outbox.due(now, self._outbox.ack, outcome.delay)
        if not outcome.silent:
            headers_out = _headers(endpoint, request, outcome, self._desk.product.orders.mark)
            self._outbox.answer(conn, due, outcome.status, headers_out, outcome.body)
        if outcome.cut:
            self._outbox.abort(conn, due)

    def _refuse(self, conn: Conn, error: VenueError, now: int) -> None:
        due = self._outbox.due(now, self._outbox.ack)
        self._outbox.answer(conn, due, error.status, (_JSON, *error.headers), error.body())


def _wants_micro(headers: Mapping[str, str]) -> bool:
    """X-MBX-TIME-UNIT. -1194 for a unit that does not exist."""
    unit = next((v for k, v in headers.items() if k.lower() == "x-mbx-time-unit"), "MILLISECOND").upper()
    if unit not in {"MILLISECOND", "MICROSECOND"}:
        raise replies.bad_time_unit()
    return unit == "MICROSECOND"


def _check_encoding(payload: str) -> None:
    """Since 2026-01-15 what is signed must be percent-encoded already: -1022 otherwise."""
    if not _ENCODED.fullmatch(payload):
        raise replies.bad_signature()


def _headers(endpoint: Endpoint, request: Request, outcome: Outcome, window: str) -> list[tuple[str, str]]:
    headers = [_JSON]
    usage = outcome.usage
    if usage is not None:
        # Measured: the two price tickers report another count than the address's own.
        used = endpoint.cost(request.params) if endpoint.unreliable_weight else usage.weight
        headers.append(("X-MBX-USED-WEIGHT-1M", str(used)))
        if usage.orders_10s is not None and outcome.error is None:
            headers.append(("X-MBX-ORDER-COUNT-10S", str(usage.orders_10s)))
            headers.append((f"X-MBX-ORDER-COUNT-{window}", str(usage.orders_long)))
    if outcome.error is not None:
        headers.extend(outcome.error.headers)
    return headers


def _parse(conn: Conn, endpoint: Endpoint, query: str, headers: Mapping[str, str], body: bytes) -> Request:
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise VenueError(400, -1100, "Illegal characters found in the request body.") from error
    payload, signatures = rest_payload(query, text)
    if len(signatures) > 1:
        raise replies.duplicate_parameter("signature")
    params: dict[str, str] = {}
    for source in (query, text):
        for member in source.split("&") if source else ():
            name, _, value = member.partition("=")
            name = unquote_plus(name)
            if name == "signature" or not name:
                continue
            if name in params:
                raise replies.duplicate_parameter(name)
            params[name] = unquote_plus(value)
    for name, value in params.items():
        if not value:
            raise replies.empty_parameter(name)
    key = next((v for k, v in headers.items() if k.lower() == "x-mbx-apikey"), None)
    signature = unquote(signatures[0]) if signatures else None
    return Request(conn, endpoint, endpoint.method, params, key, payload, signature)
