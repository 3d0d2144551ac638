"""How much a record matters to somebody who watches: one answer for screens, logs, tables and alerts."""

from backstay.core.account_settings import AccountSettingUpdated, SettingOutcome
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

BAD_NOTES = frozenset({"unprotected", "ledger_repaired", "ingest_failed", "reader_failed"})


def grade(body: Body) -> str:
    """`bad`, `warn`, `info`, or empty for what is no news."""
    match body:
        case Decided():
            if isinstance(body.decision, Wait) and body.decision.reason.startswith(DEFECT):
                return "bad"
            return "warn" if body.refused else "info" if isinstance(body.decision, Act) else ""
        case Noted():
            return "bad" if body.what in BAD_NOTES else "info"
        case AnswerReceived():
            accepted = body.answer in {AnswerClass.ACCEPTED, AnswerClass.NOOP}
            return "" if accepted else "bad" if body.answer is AnswerClass.HALT else "warn"
        case StreamChanged():
            return "info" if body.state in {StreamState.CONNECTED, StreamState.OVERLAP} else "bad"
        case RecoveryEnded():
            return "bad" if body.failure else "info"
        case AccountSettingUpdated():
            done = body.outcome in {SettingOutcome.APPLIED, SettingOutcome.UNCHANGED}
            return "info" if done else "warn"
        case GateChanged():
            return "warn" if body.active else "info"
        case MarginCall():
            return "bad"
        case TrustLost() | Unidentified():
            return "warn"
        case OperatorCommand() | RunStarted() | RunStopped():
            return "info"
        case _:
            return ""
