"""Rows of `alerts` and `system_state`: how the program stands and what a person should know of."""

from collections.abc import Iterator
from typing import Any

import msgspec

from backstay.core.events import (
    AnswerReceived,
    MarginCall,
    OperatorCommand,
    RecoveryEnded,
    RunStarted,
    RunStopped,
    StreamChanged,
    StreamState,
)
from backstay.core.grades import grade
from backstay.core.records import Body, Decided, Noted, Record
from backstay.core.types import TimeNs
from backstay.ledger.projections.changes import Put

_encode = msgspec.json.Encoder().encode
ERROR_MAX = 500


class System(msgspec.Struct, frozen=True):
    """The row of `system_state` without its times; the one row whose next value follows from its last."""

    account: str = ""
    mode: str = ""
    websocket_status: str = "none"
    last_error: str | None = None
    last_reconciliation_time: TimeNs | None = None
    reconnection_attempts: int = 0


def system_after(system: System, record: Record) -> System:
    """The state of the system after a record."""
    body = record.body
    changes: dict[str, Any] = {}
    match body:
        case RunStarted():
            changes = {
                "account": body.account,
                "mode": body.mode.value,
                "websocket_status": "starting",
                "reconnection_attempts": 0,
            }
        case RunStopped():
            changes = {"websocket_status": "stopped"}
        case StreamChanged():
            up = body.state in {StreamState.CONNECTED, StreamState.OVERLAP}
            changes = {"websocket_status": "connected" if up else body.state.value}
            if not up:
                changes["reconnection_attempts"] = system.reconnection_attempts + 1
        case RecoveryEnded() if not body.failure:
            changes = {"last_reconciliation_time": record.at}
    if grade(body) == "bad":
        changes["last_error"] = _error(body)[:ERROR_MAX]
    return msgspec.structs.replace(system, **changes) if changes else system


def system_put(ledger: str, system: System, record: Record) -> Put:
    values = {
        **msgspec.structs.asdict(system),
        "last_processed_time": record.at,
        "updated_at": record.at,
        "seq": record.seq,
    }
    return Put("system_state", ledger, values)


def _error(body: Body) -> str:
    match body:
        case Noted():
            shown = ", ".join(f"{k} {v}" for k, v in body.detail.items())
            return f"{body.what}: {shown}" if shown else body.what
        case RecoveryEnded():
            return f"recovery failed: {body.failure}"
        case StreamChanged():
            return f"private stream {body.state}: {body.detail}".rstrip(": ")
        case AnswerReceived():
            return f"{body.answer} {body.code} {body.message}".rstrip()
        case _:
            return type(body).__name__


def alert_puts(ledger: str, record: Record) -> Iterator[Put]:
    """A row for what is graded `warn` or `bad`, and for every word of an operator."""
    body = record.body
    matters = grade(body)
    if matters not in {"warn", "bad"} and not isinstance(body, OperatorCommand):
        return
    scope = getattr(body, "scope", None)
    if isinstance(body, (Decided, Noted, OperatorCommand, AnswerReceived)):
        scope = body.scope
    first = {
        "product": ledger,
        "at": record.at,
        "grade": matters,
        "kind": _kind(body),
        "symbol": scope.symbol if scope is not None else getattr(body, "symbol", "") or None,
        "position_side": scope.position_side.value if scope is not None else None,
        "detail": _encode(body).decode(),
        "seq": record.seq,
    }
    yield Put("alerts", f"{ledger}:{record.seq}", {}, first)


def _kind(body: Body) -> str:
    match body:
        case Noted():
            return body.what
        case Decided():
            return "refused"
        case OperatorCommand():
            return f"operator_{body.action.value}"
        case StreamChanged():
            return f"stream_{body.state.value}"
        case AnswerReceived():
            return f"answer_{body.answer.value.lower()}"
        case MarginCall():
            return "margin_call"
        case _:
            return str(type(body).__struct_config__.tag)
