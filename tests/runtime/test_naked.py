"""An alarm says in words what the scope does meanwhile."""

import pytest
from msgspec.structs import replace

from backstay.core.decisions import Act, Converged, Recover, Wait
from backstay.core.state import Gate, ScopeState
from backstay.core.types import MS, Family, PositionSide, Product, Scope
from backstay.runtime.naked import MAX_UNPROTECTED, NakedWatch
from backstay.runtime.stats import Stats

KEY = Scope(Product.USDM, "BTCUSDT", PositionSide.BOTH)
SINCE = 1_000_000 * MS


@pytest.mark.parametrize(
    ("decision", "words"),
    [
        (None, "not planned yet"),
        (Wait("confirmation place:SL/0"), "waiting: confirmation place:SL/0"),
        (Recover(("unknown_outcome", "gap")), "reading the account again: unknown_outcome, gap"),
        (Act(Family.PROTECT, (), "stop_missing"), "under way: stop_missing"),
        (Converged(("stop waived: min_notional",)), "stop waived: min_notional"),
        (Converged(), "all that was wanted is there"),
    ],
)
def test_i37_an_alarm_says_what_the_scope_does_meanwhile(decision, words):
    told = []
    watch = NakedWatch(Stats(), lambda note, cause: told.append(note))
    scope = replace(ScopeState(scope=KEY), naked_since=SINCE)
    watch.alarm(KEY, scope, SINCE + MAX_UNPROTECTED - 1, decision)
    assert told == []
    watch.alarm(KEY, scope, SINCE + MAX_UNPROTECTED, decision)
    (note,) = told
    assert (note.what, note.detail["reason"]) == ("unprotected", words)


def test_i37_an_alarm_says_that_nothing_can_be_sent_instead_of_what_would_be():
    told = []
    watch = NakedWatch(Stats(), lambda note, cause: told.append(note))
    scope = replace(ScopeState(scope=KEY), naked_since=SINCE)
    gates = {"venue_halt": Gate(reason="the venue refused the API key", since=SINCE)}
    watch.alarm(KEY, scope, SINCE + MAX_UNPROTECTED, Act(Family.PROTECT, (), "stop_missing"), gates)
    assert told[0].detail["reason"] == "nothing can be sent: venue_halt: the venue refused the API key"
