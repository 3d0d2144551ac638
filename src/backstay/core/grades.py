"""How much a record matters to somebody who watches: one answer for screens, logs, tables and alerts."""

from backstay.core.decisions import Act, Converged, Decision, Wait
from backstay.core.events import (
    AccountSettingUpdated,
    AnswerClass,
    AnswerReceived,
    GateChanged,
    MarginCall,
    OperatorCommand,
    RecoveryEnded,
    RunStarted,
    RunStopped,
    SettingOutcome,
    StreamChanged,
    StreamState,
    TrustLost,
    Unidentified,
)
from backstay.core.records import Body, Decided, Noted
from backstay.core.wanted import DEFECT

BAD_NOTES = frozenset({"unprotected", "ledger_repaired", "ingest_failed", "reader_failed"})

REVIEW = "manual_review"
SILENT_NOTES = frozenset({"rest_call"})
"""Kept for the record; no news of their own."""


def review_of(decision: Decision | None) -> str:
    """Why a decision waits for a person; empty: it does not."""
    match decision:
        case Wait() if decision.reason.startswith(REVIEW):
            return decision.reason
        case Converged():
            return next((note for note in decision.notes if REVIEW in note), "")
        case _:
            return ""


def grade(body: Body) -> str:
    """`bad`, `warn`, `info`, or empty for what is no news."""
    match body:
        case Decided():
            if isinstance(body.decision, Wait) and body.decision.reason.startswith(DEFECT):
                return "bad"
            if review_of(body.decision):
                return "bad"
            return "warn" if body.refused else "info" if isinstance(body.decision, Act) else ""
        case Noted():
            return "bad" if body.what in BAD_NOTES else "" if body.what in SILENT_NOTES else "info"
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
