"""Answers to mutations and to other calls: acknowledgements, WebSocket API envelopes, error bodies."""

from collections.abc import Callable
from functools import wraps
from typing import Final

import msgspec

from backstay.binance.wire import rows_usdm as rows
from backstay.binance.wire.errors import WireError, redact
from backstay.binance.wire.instruments_usdm import RateLimit, read_rate_limits
from backstay.core.types import MS, TimeNs


class Ack(msgspec.Struct, frozen=True):
    """What a place, an amend or a cancel was acknowledged with, on either surface."""

    order_id: int
    """orderId or algoId."""
    client_id: str
    at: TimeNs = 0
    """The venue's time of the change; a cancelled algo order brings none."""


class WsAnswer(msgspec.Struct, frozen=True):
    """One answer of the WebSocket API."""

    id: str
    """Empty for an unsolicited frame: the venue's word that the key was revoked (status 401)."""
    status: int
    result: bytes
    """Raw JSON of `result`; empty when there is none."""
    code: int = 0
    message: str = ""
    retry_at_ms: int = 0
    """Epoch ms at which to come back (error.data.retryAfter); 0: not stated."""
    rate_limits: tuple[RateLimit, ...] = ()

    @property
    def ok(self) -> bool:
        return self.status == 200


class ErrorBody(msgspec.Struct, frozen=True):
    code: int
    """0 when the body carries none: a proxy's page, an empty body."""
    message: str


def reads[**P, R](where: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Turn whatever a reader stumbles over into one `WireError` that says where."""

    def wrap(reader: Callable[P, R]) -> Callable[P, R]:
        @wraps(reader)
        def read(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return reader(*args, **kwargs)
            except (msgspec.MsgspecError, ValueError, RecursionError) as error:
                raise WireError(redact(str(error).encode("utf-8", "replace")), where) from None

        return read

    return wrap


_ACK: Final = msgspec.json.Decoder(rows.OrderAck)
_ENVELOPE: Final = msgspec.json.Decoder(rows.Envelope)
_ERROR: Final = msgspec.json.Decoder(rows.Error)


def read_code(code: int | str) -> int:
    """An error code as a number; algo answers write it as a string ("200"). Raises ValueError."""
    return code if isinstance(code, int) else int(code[:12])


def read_ack(body: bytes) -> Ack:
    """Raises WireError when `body` names no order."""
    try:
        row = _ACK.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise WireError(redact(str(error).encode()), "acknowledgement") from None
    if row.order_id is not None:
        return Ack(row.order_id, row.client_order_id, row.update_time * MS)
    if row.algo_id is not None:
        return Ack(row.algo_id, row.client_algo_id, (row.update_time or row.create_time) * MS)
    raise WireError(f"neither orderId nor algoId in {redact(body, 120)}", "acknowledgement")


def read_ws_answer(frame: bytes) -> WsAnswer:
    """Raises WireError when `frame` is not an answer of the WebSocket API."""
    try:
        row = _ENVELOPE.decode(frame)
        error = row.error
        return WsAnswer(
            id="" if row.id is None else str(row.id),
            status=row.status,
            result=b"" if row.result is msgspec.UNSET else bytes(row.result),
            code=0 if error is None else read_code(error.code),
            message="" if error is None else error.msg,
            retry_at_ms=(error.data.retry_after or 0) if error and error.data else 0,
            rate_limits=read_rate_limits(row.rate_limits) if row.rate_limits else (),
        )
    except (msgspec.MsgspecError, ValueError, RecursionError) as wrong:
        raise WireError(redact(str(wrong).encode()), "WebSocket API answer") from None


def read_error(body: bytes) -> ErrorBody:
    """Code and text of a refusal. Never raises: without JSON the text itself is the message."""
    try:
        row = _ERROR.decode(body)
        return ErrorBody(read_code(row.code), row.msg)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return ErrorBody(0, redact(body))
