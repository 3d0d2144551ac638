"""How much a record matters to somebody who watches: one answer for screens, logs, tables and alerts."""

from backstay.core.account_settings import AccountSettingUpdated, SettingOutcome
from backstay.core.decisions import Act, Converged, Decision, Wait
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
ACCOUNT_MISSING = "account_missing"
"""A note about another account of the process that could not be had."""
BAD_NOTES = frozenset(
    {"unprotected", "ledger_repaired", "ledger_damaged", "ingest_failed", "reader_failed", ACCOUNT_MISSING}
)

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


VENUE_HALT = "venue_halt"
"""The gate behind which nothing leaves until an operator releases it: after 418, or when keys are refused."""


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
            return _of_note(body.what)
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


def _of_note(what: str) -> str:
    if what in SILENT_NOTES:
        return ""
    if what in BAD_NOTES:
        return "bad"
    return "warn" if what == LOT_ALERT else "info"
