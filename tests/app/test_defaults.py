"""Section 13 of the specification: every default, where it lives."""

from backstay.binance.net.orders import PROTECTIVE_RECV_WINDOW_MS, RECV_WINDOW_MS
from backstay.binance.net.timings import Timings
from backstay.core.confirmations import CONFIRM_DEADLINE, PAIR_DEADLINE, TRIGGER_GRACE
from backstay.core.flatten import TRUST_DEADLINE
from backstay.core.recovery import BACKOFF, PROTECTIVE_WINDOW_MS, WINDOW_MS
from backstay.core.rejections import RISK_COOLDOWN
from backstay.core.scope import BURST_MAX, QUIET
from backstay.core.types import MS, SECOND
from backstay.runtime.hydration import UNKNOWN_GRACE_S
from backstay.runtime.naked import MAX_UNPROTECTED
from backstay.strategies.position_manager.policy import DcaPolicy, TakeProfitPolicy

from tests.core.wishes import D


def test_13_planning_and_confirmations():
    assert (QUIET, BURST_MAX) == (50 * MS, 250 * MS)
    assert (PAIR_DEADLINE, CONFIRM_DEADLINE, TRIGGER_GRACE) == (SECOND, 5 * SECOND, 3 * SECOND)
    assert (MAX_UNPROTECTED, RISK_COOLDOWN) == (5 * SECOND, 60 * SECOND)


def test_13_unknown_outcomes_and_recovery():
    assert UNKNOWN_GRACE_S == 0.5
    assert (RECV_WINDOW_MS, PROTECTIVE_RECV_WINDOW_MS) == (WINDOW_MS, PROTECTIVE_WINDOW_MS) == (5000, 3000)
    assert (BACKOFF[0], BACKOFF[-1]) == (500 * MS, 30 * SECOND)
    assert TRUST_DEADLINE == 2 * SECOND  # section 6, FLATTEN


def test_13_what_a_policy_leaves_out():
    assert DcaPolicy(steps=1, first_deviation=D("0.01"), first_size=D(1)).max_resting == 1
    assert TakeProfitPolicy().repair_delay == SECOND


def test_13_the_listen_key_is_kept_alive_and_connections_are_replaced_before_the_venue_does_it():
    timings = Timings()
    assert (timings.keepalive, timings.key_life) == (30 * 60, 60 * 60)
    assert 22 * 3600 < timings.connection_life + timings.overlap < 24 * 3600
    assert timings.overlap > 0
