"""Answers of spot to mutations: acknowledgements, WebSocket API envelopes, the halves of a cancel-replace.

Sources: binance-spot.md 2 to 6. The answer of a cancel carries the cancel's own id as `clientOrderId`; the
order's stands in `origClientOrderId`.
"""

from typing import Final

import msgspec

from backstay.binance.wire import rows_spot as rows
from backstay.binance.wire.answers import Ack, ErrorBody, WsAnswer, reads
from backstay.binance.wire.instruments_usdm import read_rate_limits
from backstay.binance.wire.spot_words import nanoseconds

_ACK: Final = msgspec.json.Decoder(rows.Ack)
_ENVELOPE: Final = msgspec.json.Decoder(rows.Envelope)
_RETRY: Final = msgspec.json.Decoder(rows.Retry)
_PROBLEM: Final = msgspec.json.Decoder(rows.Problem)
_HALVES: Final = msgspec.json.Decoder(rows.Halves)
_SUBSCRIBED: Final = msgspec.json.Decoder(rows.Subscribed)
_SUBSCRIPTIONS: Final = msgspec.json.Decoder(tuple[rows.Subscribed, ...])
_MILLISECONDS: Final = 100_000_000_000_000


class SpotWsAnswer(WsAnswer, frozen=True):
    """`data` is the raw JSON of a refusal's `error.data`: the halves of a cancel-replace."""

    data: bytes = b""


class Half(msgspec.Struct, frozen=True):
    """One half of a cancel-replace."""

    result: str
    """SUCCESS, FAILURE, or NOT_ATTEMPTED (of the new order, when the cancel failed)."""
    ack: Ack | None = None
    error: ErrorBody | None = None


@reads("acknowledgement")
def read_ack(body: bytes) -> Ack:
    """A place, a cancel or an amendment. Raises WireError when `body` names no order."""
    return _ack(_ACK.decode(body))


def _ack(row: rows.Ack) -> Ack:
    if row.amended_order is not None:
        return Ack(
            row.amended_order.order_id, row.amended_order.client_order_id, nanoseconds(row.transact_time)
        )
    if row.order_id is None:
        raise ValueError("no orderId")
    return Ack(row.order_id, row.orig_client_order_id or row.client_order_id, nanoseconds(row.transact_time))


@reads("acknowledgement of a list")
def read_list_ack(body: bytes) -> dict[str, Ack]:
    """The orders of a list that was placed, by custom id. Raises WireError when `body` names none."""
    row = _ACK.decode(body)
    at = nanoseconds(row.transaction_time)
    if not row.orders:
        raise ValueError("no orders")
    return {leg.client_order_id: Ack(leg.order_id, leg.client_order_id, at) for leg in row.orders}


@reads("cancel-replace")
def read_halves(body: bytes) -> tuple[Half, Half]:
    """The cancel and the new order, from a success or from the data of a refusal."""
    row = _HALVES.decode(body)
    return (
        _half(row.cancel_result, row.cancel_response),
        _half(row.new_order_result, row.new_order_response),
    )


@reads("cancel-replace")
def read_refused_halves(body: bytes) -> tuple[Half, Half] | None:
    """The same from the whole body of a REST refusal; None when it has no halves."""
    data = _PROBLEM.decode(body).data
    return None if data is msgspec.UNSET else read_halves(bytes(data))


def _half(result: str, response: msgspec.Raw) -> Half:
    if bytes(response) in (b"", b"null"):
        return Half(result)
    if result == "SUCCESS":
        return Half(result, ack=_ack(_ACK.decode(response)))
    problem = _PROBLEM.decode(response)
    return Half(result, error=ErrorBody(problem.code, problem.msg))


@reads("WebSocket API answer")
def read_ws_answer(frame: bytes) -> SpotWsAnswer:
    """Raises WireError when `frame` is not an answer of the WebSocket API."""
    row = _ENVELOPE.decode(frame)
    error = row.error
    data = bytes(error.data) if error is not None and error.data is not msgspec.UNSET else b""
    return SpotWsAnswer(
        id="" if row.id is None else str(row.id),
        status=row.status,
        result=b"" if row.result is msgspec.UNSET else bytes(row.result),
        code=0 if error is None else error.code,
        message="" if error is None else error.msg,
        retry_at_ms=_retry_at_ms(data),
        rate_limits=read_rate_limits(row.rate_limits) if row.rate_limits else (),
        data=data,
    )


def _retry_at_ms(data: bytes) -> int:
    if b"retryAfter" not in data:
        return 0
    at = _RETRY.decode(data).retry_after or 0
    return at // 1000 if at >= _MILLISECONDS else at


@reads("subscription")
def read_subscription(result: bytes) -> int:
    """The number of a new subscription to user data."""
    return _SUBSCRIBED.decode(result).subscription_id


@reads("subscriptions")
def read_subscriptions(result: bytes) -> frozenset[int]:
    """The numbers of the subscriptions that live on this connection."""
    return frozenset(row.subscription_id for row in _SUBSCRIPTIONS.decode(result))
