"""How much a record matters to somebody who watches: one answer for screens, logs, tables and alerts."""

from backstay.core.decisions import Act, Wait
from backstay.core.events import (
    AnswerClass,
    AnswerReceived,
    GateChanged,
    MarginCall,
    OperatorCommand,
    RecoveryEnded,
    RunStarted,
    RunStopped,
    StreamChanged,
    StreamState,
    TrustLost,
    Unidentified,
)
from backstay.core.records import Body, Decided, Noted
from backstay.core.wanted import DEFECT

LOT_ALERT = "lot_alert"
"""A note about lots that a person should hear of."""
BAD_NOTES = frozenset({"unprotected", "ledger_repaired", "ingest_failed", "reader_failed"})


VENUE_HALT = "venue_halt"
"""The gate behind which nothing leaves until an operator releases it: after 418, or when keys are refused."""


def grade(body: Body) -> str:
    """`bad`, `warn`, `info`, or empty for what is no news."""
    match body:
        case Decided():
            if isinstance(body.decision, Wait) and body.decision.reason.startswith(DEFECT):
                return "bad"
            return "warn" if body.refused else "info" if isinstance(body.decision, Act) else ""
        case Noted():
            return "bad" if body.what in BAD_NOTES else "warn" if body.what == LOT_ALERT else "info"
        case AnswerReceived():
            accepted = body.answer in {AnswerClass.ACCEPTED, AnswerClass.NOOP}
            return "" if accepted else "bad" if body.answer is AnswerClass.HALT else "warn"
        case StreamChanged():
            return "info" if body.state in {StreamState.CONNECTED, StreamState.OVERLAP} else "bad"
        case RecoveryEnded():
            return "bad" if body.failure else "info"
        case GateChanged():
            if not body.active:
                return "info"
            return "bad" if body.gate == VENUE_HALT else "warn"
        case MarginCall():
            return "bad"
        case TrustLost() | Unidentified():
            return "warn"
        case OperatorCommand() | RunStarted() | RunStopped():
            return "info"
        case _:
            return ""
