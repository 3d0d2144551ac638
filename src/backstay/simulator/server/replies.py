"""Refusals that the protocol itself gives, with the venue's codes, texts and HTTP statuses."""

from typing import Any

import msgspec

from backstay.simulator.numbers import Stamp


class VenueError(Exception):
    """A refusal as it goes on the wire: HTTP status, `{code, msg}`, extra headers, WS `error.data`."""

    def __init__(
        self,
        status: int,
        code: int,
        msg: str,
        *,
        headers: tuple[tuple[str, str], ...] = (),
        data: dict[str, Any] | None = None,
        detail: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{status} {code} {msg}")
        self.status = status
        self.code = code
        self.msg = msg
        self.headers = headers
        self.data = detail if data is None else data
        self.detail = detail

    def body(self, *, micro: bool = False) -> bytes:
        """The bare error object. `detail` (both halves of a cancel-replace) belongs to REST's too."""
        error: dict[str, Any] = {"code": self.code, "msg": self.msg}
        if self.detail is not None:
            error["data"] = self.detail
        return encode(error, micro=micro)


def _in_ms(moment: Any) -> int:
    return int(moment)


def _in_us(moment: Any) -> int:
    return moment.ns // 1_000 if isinstance(moment, Stamp) else int(moment)


_ENCODER = msgspec.json.Encoder(enc_hook=_in_ms)
_MICRO = msgspec.json.Encoder(enc_hook=_in_us)


def encode(value: Any, *, micro: bool = False) -> bytes:
    """JSON bytes without spaces, as the venue sends them; `Stamp`s in ms, or in microseconds."""
    return (_MICRO if micro else _ENCODER).encode(value)


def bad_key_format() -> VenueError:
    return VenueError(401, -2014, "API-key format invalid.")


def rejected_key(peer: str) -> VenueError:
    return VenueError(
        401,
        -2015,
        f"Invalid API-key, IP, or permissions for action, request ip: {peer}",
    )


def bad_signature() -> VenueError:
    return VenueError(400, -1022, "Signature for this request is not valid.")


def missing_parameter(name: str) -> VenueError:
    return VenueError(
        400,
        -1102,
        f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.",
    )


def invalid_parameter(name: str) -> VenueError:
    return VenueError(400, -1130, f"Data sent for parameter '{name}' is not valid.")


def duplicate_parameter(name: str) -> VenueError:
    return VenueError(400, -1101, f"Duplicate values for parameter '{name}' detected.")


def unread_parameters(read: int, sent: int) -> VenueError:
    return VenueError(
        400,
        -1104,
        f"Not all sent parameters were read; read '{read}' parameter(s) but was sent '{sent}'.",
    )


def empty_parameter(name: str) -> VenueError:
    return VenueError(400, -1105, f"Parameter '{name}' was empty.")


def ahead_of_time() -> VenueError:
    return VenueError(400, -1021, "Timestamp for this request was 1000ms ahead of the server's time.")


def outside_window() -> VenueError:
    return VenueError(400, -1021, "Timestamp for this request is outside of the recvWindow.")


def too_much_weight(peer: str, limit: int, *, per: str, now_ms: int, until_ms: int) -> VenueError:
    text = (
        f"Too many requests; current limit of IP({peer}) is {limit} requests per {per}. "
        "Please use the websocket for live updates to avoid polling the API."
    )
    return _limited(429, -1003, text, now_ms, until_ms)


def too_many_orders(limit: int, *, per: str, now_ms: int, until_ms: int) -> VenueError:
    text = f"Too many new orders; current limit is {limit} orders per {per}."
    return _limited(429, -1015, text, now_ms, until_ms)


def banned(peer: str, *, now_ms: int, until_ms: int) -> VenueError:
    text = (
        f"Way too many requests; IP({peer}) banned until {until_ms}. "
        "Please use the websocket for live updates to avoid bans."
    )
    return _limited(418, -1003, text, now_ms, until_ms)


def _limited(status: int, code: int, text: str, now_ms: int, until_ms: int) -> VenueError:
    seconds = max(1, -(-(until_ms - now_ms) // 1000))
    return VenueError(
        status,
        code,
        text,
        headers=(("Retry-After", str(seconds)),),
        data={"serverTime": now_ms, "retryAfter": until_ms},
    )


def no_such_path(method: str, path: str) -> VenueError:
    return VenueError(404, -5000, f"Path {path}, Method {method} is invalid")


def dead_listen_key() -> VenueError:
    return VenueError(400, -1125, "This listenKey does not exist.")


def wrong_key_type() -> VenueError:
    return VenueError(400, -4056, "Invalid api key type.")


def not_logged_on() -> VenueError:
    return VenueError(401, -1002, "You are not authorized to execute this request.")


def bad_time_unit() -> VenueError:
    return VenueError(400, -1194, "Invalid value for time unit; expected either MICROSECOND or MILLISECOND.")


def not_for_this_key() -> VenueError:
    return VenueError(
        400, -1020, "This operation is not supported for this key type; session.logon takes Ed25519 keys."
    )


def subscription_active() -> VenueError:
    return VenueError(400, -2035, "User Data Stream subscription already active.")


def subscription_inactive() -> VenueError:
    return VenueError(400, -2036, "User Data Stream subscription not active.")


def no_more_subscriptions() -> VenueError:
    return VenueError(400, -2042, "The number of subscriptions on this connection is used up. Reconnect.")


def server_busy() -> VenueError:
    return VenueError(
        503,
        -1008,
        "Server is currently overloaded with other requests. Please try again in a few minutes.",
    )


def backend_timeout() -> VenueError:
    return VenueError(
        408,
        -1007,
        "Timeout waiting for response from backend server. Send status unknown; execution status unknown.",
    )


def system_protection() -> VenueError:
    return VenueError(
        503,
        -1008,
        "Request throttled by system-level protection. Reduce-only/close-position orders are exempt. "
        "Please try again.",
    )
