"""The three tables, row by row against the specification (4.1, 4.2, 4.3), and the confirmations (4.4).

The rows are written out here once more on purpose: a change of a table must be made twice, knowingly.
"""

from itertools import product

import pytest
from msgspec.structs import replace

from backstay.core import algo_orders, orders, recovery
from backstay.core.account import fold
from backstay.core.confirmations import TRIGGER_GRACE, settles
from backstay.core.contexts import RESTING, TERMINAL, Phase
from backstay.core.events import AnswerClass, Effect, TimePassed
from backstay.core.orders import Evidence
from backstay.core.recovery import TrustEvidence
from backstay.core.state import Pending
from backstay.core.types import Action, AlgoStatus, ExecutionType, OrderStatus, Trust
from backstay.testing import evidence
from backstay.testing.evidence import algo, hydrated, ms, order, position_row, state

from tests.core.wishes import D, stop, target

P, E, T, V = Phase, Evidence, Trust, TrustEvidence

UNREPORTED = {P.PRE_ARMED, P.REGISTERED, P.IN_FLIGHT, P.ACCEPTED, P.UNKNOWN}
CONCLUDED = {P.ABSENT}
"""Our own conclusion, not the venue's word: a report overrules it (X-4)."""
NON_TERMINAL = UNREPORTED | {P.LIVE, P.PARTIAL}
OURS = {
    (P.PRE_ARMED, E.SENT): P.IN_FLIGHT,
    (P.REGISTERED, E.SENT): P.IN_FLIGHT,
    (P.IN_FLIGHT, E.ACCEPTED): P.ACCEPTED,
    (P.UNKNOWN, E.ACCEPTED): P.ACCEPTED,
    (P.IN_FLIGHT, E.REFUSED): P.REJECTED,
    (P.UNKNOWN, E.REFUSED): P.REJECTED,
    (P.IN_FLIGHT, E.UNKNOWN_OUTCOME): P.UNKNOWN,
    (P.UNKNOWN, E.PROVEN_ABSENT): P.ABSENT,
    (P.ACCEPTED, E.PROVEN_ABSENT): P.ABSENT,
    (P.PRE_ARMED, E.DROPPED): P.ABSENT,
    (P.REGISTERED, E.DROPPED): P.ABSENT,
    (P.IN_FLIGHT, E.DROPPED): P.ABSENT,
    (P.PRE_ARMED, E.RESTARTED): P.UNKNOWN,
    (P.REGISTERED, E.RESTARTED): P.UNKNOWN,
    (P.IN_FLIGHT, E.RESTARTED): P.UNKNOWN,
    (P.ACCEPTED, E.RESTARTED): P.UNKNOWN,
}
"""What our own doing and reading leads to, on either surface."""


def regular(phase: Phase, evidence_: Evidence) -> Phase:
    """Table 4.2."""
    if (phase, evidence_) in OURS:
        return OURS[phase, evidence_]
    match evidence_:
        case E.NEW if phase in UNREPORTED | CONCLUDED:
            return P.LIVE
        case E.PARTIAL if phase in NON_TERMINAL | CONCLUDED:
            return P.PARTIAL
        case E.FILLED if phase in NON_TERMINAL | CONCLUDED:
            return P.FILLED
        case E.CANCELED if phase in NON_TERMINAL | CONCLUDED:
            return P.CANCELED
        case E.EXPIRED if phase in NON_TERMINAL | CONCLUDED:
            return P.EXPIRED
        case E.REJECTED if phase in NON_TERMINAL | CONCLUDED:
            return P.REJECTED
        case E.LEFT_SNAPSHOT if phase in {P.LIVE, P.PARTIAL}:
            return P.UNKNOWN
    return phase


def conditional(phase: Phase, evidence_: Evidence) -> Phase:
    """Section 4.3."""
    if (phase, evidence_) in OURS:
        return OURS[phase, evidence_]
    living = UNREPORTED | CONCLUDED | {P.ARMED, P.TRIGGERING, P.TRIGGERED}
    match evidence_:
        case E.NEW if phase in UNREPORTED | CONCLUDED:
            return P.ARMED
        case E.TRIGGERING if phase in UNREPORTED | CONCLUDED | {P.ARMED}:
            return P.TRIGGERING
        case E.TRIGGERED if phase in UNREPORTED | CONCLUDED | {P.ARMED, P.TRIGGERING}:
            return P.TRIGGERED
        case E.FINISHED if phase in living:
            return P.FINISHED
        case E.CANCELED if phase in living:
            return P.CANCELED
        case E.EXPIRED if phase in living:
            return P.EXPIRED
        case E.REJECTED if phase in living:
            return P.REJECTED
        case E.LEFT_SNAPSHOT if phase in {P.ARMED, P.TRIGGERING, P.TRIGGERED}:
            return P.UNKNOWN
    return phase


@pytest.mark.parametrize("evidence_", list(Evidence))
def test_every_pair_of_the_regular_table_is_the_documents_row(evidence_):
    for phase in Phase:
        assert orders.TRANSITIONS.get((phase, evidence_), phase) is regular(phase, evidence_), phase


@pytest.mark.parametrize("evidence_", list(Evidence))
def test_every_pair_of_the_conditional_table_is_the_documents_row(evidence_):
    for phase in Phase:
        assert algo_orders.TRANSITIONS.get((phase, evidence_), phase) is conditional(phase, evidence_), phase


TRUST_ROWS = {
    (T.UNHYDRATED, V.STARTED): T.RECOVERING,
    (T.TRUSTED, V.REASON): T.RECOVERY_REQUIRED,
    (T.RECOVERY_REQUIRED, V.STARTED): T.RECOVERING,
    (T.RECOVERING, V.CLEARED): T.TRUSTED,
    (T.RECOVERING, V.REMAINS): T.RECOVERY_REQUIRED,
    (T.RECOVERING, V.FAILED): T.RECOVERY_REQUIRED,
    (T.RECOVERING, V.EXHAUSTED): T.MANUAL_REVIEW,
    (T.MANUAL_REVIEW, V.ACKNOWLEDGED): T.RECOVERY_REQUIRED,
    (T.UNHYDRATED, V.RESTARTED): T.UNHYDRATED,
    (T.TRUSTED, V.RESTARTED): T.UNHYDRATED,
    (T.RECOVERY_REQUIRED, V.RESTARTED): T.UNHYDRATED,
    (T.RECOVERING, V.RESTARTED): T.UNHYDRATED,
    (T.MANUAL_REVIEW, V.RESTARTED): T.UNHYDRATED,
}


def test_every_pair_of_the_trust_table_is_the_documents_row():
    for pair in product(Trust, TrustEvidence):
        assert recovery.TRANSITIONS.get(pair, pair[0]) is TRUST_ROWS.get(pair, pair[0]), pair


def test_i3_terminal_phases_have_no_way_out_but_for_a_report_of_what_we_called_absent():
    for table in (orders.TRANSITIONS, algo_orders.TRANSITIONS):
        left = {phase for phase, _ in table} & TERMINAL
        assert left == CONCLUDED


def test_only_reports_lead_to_a_phase_that_satisfies_a_slot():
    told = {E.NEW, E.PARTIAL}
    for table in (orders.TRANSITIONS, algo_orders.TRANSITIONS):
        assert {ev for (_, ev), to in table.items() if to in RESTING} == told & {ev for _, ev in table}


def test_trust_is_regained_only_through_recovery():
    ways = {pair for pair, to in recovery.TRANSITIONS.items() if to is T.TRUSTED}
    assert ways == {(T.RECOVERING, V.CLEARED)}


# --- 4.4 ----------------------------------------------------------------------------------------


def settled(action, slot, phase, row=None, **pending) -> bool:
    ctx = replace(evidence.context(slot), phase=phase, order_id=1)
    held = Pending(ctx_id="o1", action=action, key=slot.key, epoch=1, opened_at=0, **pending)
    return settles(held, ctx, row)


REGULAR_PLACE = {
    P.LIVE: True,
    P.PARTIAL: True,
    P.FILLED: True,
    P.CANCELED: True,
    P.EXPIRED: True,
    P.REJECTED: True,
    P.ABSENT: True,
    P.IN_FLIGHT: False,
    P.ACCEPTED: False,
    P.UNKNOWN: False,
}
ALGO_PLACE = {
    P.ARMED: True,
    P.TRIGGERING: True,
    P.TRIGGERED: True,
    P.FINISHED: True,
    P.CANCELED: True,
    P.EXPIRED: True,
    P.REJECTED: True,
    P.ABSENT: True,
    P.IN_FLIGHT: False,
    P.ACCEPTED: False,
    P.UNKNOWN: False,
}


@pytest.mark.parametrize(("phase", "verdict"), REGULAR_PLACE.items())
def test_4_4_a_place_on_the_regular_surface(phase, verdict):
    assert settled(Action.PLACE, target(), phase) is verdict


@pytest.mark.parametrize(("phase", "verdict"), ALGO_PLACE.items())
def test_4_4_a_place_on_the_algo_surface(phase, verdict):
    assert settled(Action.PLACE, stop(), phase) is verdict


@pytest.mark.parametrize(
    ("phase", "row", "verdict"),
    [
        (P.LIVE, order(price=61000, quantity="0.020", execution=ExecutionType.AMENDMENT), True),
        (P.PARTIAL, order(price=61000, quantity="0.020", filled="0.004"), True),
        (P.LIVE, order(price=61000, quantity="0.020", execution=ExecutionType.SNAPSHOT), True),
        (P.LIVE, order(price=60900, quantity="0.020"), False),
        (P.LIVE, order(price=61000, quantity="0.010"), False),
        (P.LIVE, None, False),
        (P.CANCELED, order(OrderStatus.CANCELED), True),
        (P.FILLED, order(OrderStatus.FILLED), True),
    ],
)
def test_4_4_an_amend(phase, row, verdict):
    assert settled(Action.AMEND, target(), phase, row, price=D(61000), quantity=D("0.020")) is verdict


@pytest.mark.parametrize("phase", list(Phase))
def test_4_4_a_cancel_is_settled_by_the_end_of_its_target_alone(phase):
    assert settled(Action.CANCEL, target(), phase, order()) is (phase in TERMINAL)


def test_4_4_neither_a_notice_nor_a_position_settles_a_place():
    asked = evidence.request(evidence.context(target(), "o1"))
    account = hydrated(position_row("0.010"))
    account = evidence.folded(
        account,
        [
            evidence.registered(asked),
            evidence.sent(asked, at=0),
            evidence.trade_lite(5, "o1", asked.context.slot.side, "0.010", at=10),
            evidence.position(0, at=10),
        ],
    )
    assert "o1" in state(account).pendings


def test_4_4_a_cancel_answered_gone_waits_for_the_terminal_report():
    asked = evidence.request(evidence.context(target(), "o1"))
    cancel = evidence.request(asked.context, Action.CANCEL)
    account = evidence.folded(
        hydrated(position_row("0.010")),
        [
            evidence.registered(asked),
            order(order_id=5, at=5),
            evidence.registered(cancel),
            evidence.sent(cancel, at=10),
            evidence.refused(cancel, Effect.GONE, answer=AnswerClass.STALE),
        ],
        at=10,
    )
    assert state(account).trusted
    assert state(account).pendings["o1"].deadline == ms(510)
    done = fold(account, order(OrderStatus.FILLED, order_id=5, at=9), ms(100))
    assert state(done).pendings == {}
    assert state(fold(account, TimePassed(scope=evidence.scope()), ms(510))).reasons == (
        "confirmation_deadline",
    )


# --- 4.3, the grace of a triggering stop --------------------------------------------------------


def triggered(*reports, at=10):
    asked = evidence.request(evidence.context(stop(), "a1"))
    account = hydrated(position_row("0.010"))
    return evidence.folded(account, [evidence.registered(asked), algo(at=5), *reports], at=at)


def test_4_3_armed_is_protection_and_triggering_is_not():
    assert state(triggered()).naked_since == 0
    assert state(triggered(algo(AlgoStatus.TRIGGERING, at=10))).naked_since == ms(10)


def test_4_3_a_trigger_that_does_not_resolve_in_its_grace_costs_trust():
    account = triggered(algo(AlgoStatus.TRIGGERING, at=10))
    early = fold(account, TimePassed(scope=evidence.scope()), ms(10) + TRIGGER_GRACE - 1)
    assert state(early).trusted
    late = state(fold(account, TimePassed(scope=evidence.scope()), ms(10) + TRIGGER_GRACE))
    assert late.reasons == ("trigger_unresolved",)
    assert late.contexts["a1"].stuck


def test_4_3_the_grace_runs_from_triggering_not_from_later_reports():
    account = triggered(algo(AlgoStatus.TRIGGERING, at=10))
    account = fold(account, algo(AlgoStatus.TRIGGERED, at=2_000, child_order_id=9), ms(2_000))
    late = fold(account, TimePassed(scope=evidence.scope()), ms(10) + TRIGGER_GRACE)
    assert state(late).reasons == ("trigger_unresolved",)


@pytest.mark.parametrize("joined_by_id", [True, False])
def test_4_3_the_child_is_joined_by_its_id_or_by_the_equal_custom_id(joined_by_id):
    child = order(OrderStatus.FILLED, order_id=9, client_id="a1", at=12)
    link = [algo(AlgoStatus.TRIGGERED, at=12, child_order_id=9)]
    account = triggered(algo(AlgoStatus.TRIGGERING, at=11), *(link if joined_by_id else []), child)
    ctx = state(account).contexts["a1"]
    assert ctx.child_order_id == 9
    assert ctx.filled == D("0.010")
    assert ctx.order_id == 1


@pytest.mark.parametrize(
    "end", [AlgoStatus.FINISHED, AlgoStatus.CANCELED, AlgoStatus.EXPIRED, AlgoStatus.REJECTED]
)
def test_4_3_the_end_of_the_algo_row_leaves_the_child_alone(end):
    child = order(order_id=9, client_id="a1", at=12)
    s = state(triggered(algo(AlgoStatus.TRIGGERING, at=11), child, algo(end, at=13)))
    assert s.orders[9].status is OrderStatus.NEW
    assert s.contexts["a1"].is_terminal
