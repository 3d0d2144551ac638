"""Which records a person has to hear of."""

import pytest
from msgspec.structs import replace

from backstay.core.account_settings import AccountSettingUpdated, SettingOutcome
from backstay.core.decisions import Act, Converged, Recover, Refused, Wait
from backstay.core.events import (
    AnswerClass,
    Effect,
    GateChanged,
    Ignored,
    MarginCall,
    OperatorAction,
    OperatorCommand,
    RecoveryEnded,
    RunStopped,
    StreamChanged,
    StreamState,
    TrustLost,
    Unidentified,
)
from backstay.core.grades import grade, review_of
from backstay.core.placement import place
from backstay.core.records import Decided, Noted
from backstay.core.state import ScopeState
from backstay.core.types import Family
from backstay.testing import evidence

from tests.core.scenes import asked
from tests.core.wishes import entry

KEY = evidence.scope()
ENTRY = place(ScopeState(scope=KEY), entry(), 1, "step_due")
ACT = Act(Family.EXPOSURE, (ENTRY,), "step_due")
STOPPED = Refused(KEY, Family.EXPOSURE, ENTRY, "max_notional", "600 would exceed 599")
REFUSED = evidence.refused(asked(), Effect.MARGIN)
SET = AccountSettingUpdated(setting="leverage", value="5", outcome=SettingOutcome.APPLIED, symbol="BTCUSDT")


@pytest.mark.parametrize(
    ("gate", "active", "expected"),
    [
        ("venue_halt", True, "bad"),
        ("venue_halt", False, "info"),
        ("rate_limited", True, "warn"),
        ("rate_limited", False, "info"),
    ],
)
def test_8_1_a_halt_is_an_alert_and_a_pause_a_warning(gate, active, expected):
    assert grade(GateChanged(gate=gate, active=active, reason="the venue said so")) == expected


@pytest.mark.parametrize(
    ("decision", "refused", "expected"),
    [
        (ACT, (), "info"),
        (ACT, (STOPPED,), "warn"),
        (Converged(), (), ""),
        (Wait("burst"), (), ""),
        (Recover(("gap",)), (), ""),
        (Wait("manual_review"), (), "bad"),
        (Wait("strategy defect: it raised KeyError"), (), "bad"),
        (Converged(notes=("TP/0 waived", "manual_review: the stop")), (), "bad"),
    ],
)
def test_a_decision_is_news_when_it_acts_and_an_alert_when_it_waits_for_a_person(decision, refused, expected):
    assert grade(Decided(KEY, decision, refused)) == expected


def test_a_review_is_told_in_the_words_of_its_decision():
    assert review_of(Wait("manual_review")) == "manual_review"
    assert review_of(Converged(notes=("waived", "manual_review: the stop"))) == "manual_review: the stop"
    assert review_of(Converged(notes=("waived",))) == ""
    assert review_of(None) == review_of(Recover(("gap",))) == review_of(Wait("burst")) == ""


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("unprotected", "bad"),
        ("ledger_repaired", "bad"),
        ("ledger_damaged", "bad"),
        ("ingest_failed", "bad"),
        ("reader_failed", "bad"),
        ("lot_alert", "warn"),
        ("ready", "info"),
        ("rest_call", ""),
    ],
)
def test_a_note_is_news_unless_it_is_kept_for_the_record_alone(what, expected):
    assert grade(Noted(what, {})) == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (AnswerClass.ACCEPTED, ""),
        (AnswerClass.NOOP, ""),
        (AnswerClass.REJECT, "warn"),
        (AnswerClass.UNKNOWN, "warn"),
        (AnswerClass.HALT, "bad"),
    ],
)
def test_what_the_venue_accepted_is_no_news_and_a_halt_is_an_alert(answer, expected):
    assert grade(replace(REFUSED, answer=answer)) == expected


@pytest.mark.parametrize("state", list(StreamState))
def test_a_stream_that_is_not_there_is_an_alert(state):
    there = state in (StreamState.CONNECTED, StreamState.OVERLAP)
    assert grade(StreamChanged(state=state)) == ("info" if there else "bad")


@pytest.mark.parametrize("outcome", list(SettingOutcome))
def test_a_setting_that_is_not_as_it_should_be_is_a_warning(outcome):
    done = outcome in (SettingOutcome.APPLIED, SettingOutcome.UNCHANGED)
    assert grade(replace(SET, outcome=outcome)) == ("info" if done else "warn")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (RecoveryEnded(subjects=()), "info"),
        (RecoveryEnded(subjects=(), failure="-1003"), "bad"),
        (MarginCall(at=0), "bad"),
        (TrustLost(reason="clock"), "warn"),
        (Unidentified(kind="?", detail="{}"), "warn"),
        (OperatorCommand(action=OperatorAction.PAUSE, who="operator"), "info"),
        (evidence.run(), "info"),
        (RunStopped(reason="operator"), "info"),
        (Ignored(kind="GRID_UPDATE"), ""),
        (evidence.position("0.010", at=1), ""),
    ],
)
def test_what_happens_to_the_account_is_graded_by_what_it_means(body, expected):
    assert grade(body) == expected
