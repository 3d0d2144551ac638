"""A gap of the stream lasts until the whole account is read, also for scopes not heard of yet (R-11)."""

from backstay.core.account import fold
from backstay.core.account_scopes import scope_state
from backstay.core.events import RecoveryEnded, RecoveryStarted, StreamChanged, StreamState
from backstay.core.types import Subject, Trust
from backstay.testing.evidence import hydrated, ms, scope

OTHER = scope(symbol="ETHUSDT")


def played(*events):
    account = hydrated()
    for n, event in enumerate(events):
        account = fold(account, event, ms(n))
    return account


LOST = StreamChanged(state=StreamState.DISCONNECTED)
BACK = StreamChanged(state=StreamState.CONNECTED)
READ = RecoveryEnded(subjects=tuple(Subject))
UNREAD = RecoveryEnded(subjects=tuple(Subject), failure="no answer")


def test_r11_a_scope_first_heard_of_after_a_gap_that_could_not_be_read_is_not_trusted():
    account = played(LOST, BACK, RecoveryStarted(), UNREAD)
    s = scope_state(account, OTHER)
    assert (s.trust, s.reasons) == (Trust.RECOVERY_REQUIRED, ("stream_reconnected",))


def test_r11_a_read_of_the_whole_account_ends_the_gap():
    account = played(LOST, BACK, RecoveryStarted(), UNREAD, RecoveryStarted(), READ)
    assert account.gap == ""
    assert scope_state(account, OTHER).trust is Trust.TRUSTED


def test_r11_a_gap_during_the_read_outlives_it():
    account = played(LOST, BACK, RecoveryStarted(), LOST, BACK, READ)
    assert account.gap
    assert scope_state(account, OTHER).trust is Trust.RECOVERY_REQUIRED
