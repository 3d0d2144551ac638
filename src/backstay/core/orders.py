"""Regular orders: how a managed order moves through its life, and which report is newer.

Two questions are answered here and nowhere else.

*Where does our order stand?* An order context walks `TRANSITIONS` (exchange-state 4.2). The key is the
phase and the kind of evidence; a pair that is not in the table changes nothing. That is how early
confirmations, late acceptances and stale events are harmless: terminal phases have no way out (I-3),
and ACCEPTED has no way to overwrite what a report has proven (I-6, F-2). Amendments and cancels in
flight are not phases, they are pending confirmations laid over LIVE or PARTIAL.

*Is this report news?* `advances` compares two reports of one order (O-3). It never reads a clock.
"""

from enum import StrEnum

from backstay.core.contexts import Phase
from backstay.core.events import OrderReport
from backstay.core.types import ExecutionType, OrderStatus


class Evidence(StrEnum):
    """What can move a managed order."""

    SENT = "bytes handed to the transport"
    ACCEPTED = "success answer"
    REFUSED = "deterministic rejection"
    UNKNOWN_OUTCOME = "outcome unknown"
    NEW = "reported NEW"
    PARTIAL = "reported PARTIALLY_FILLED"
    FILLED = "reported FILLED"
    CANCELED = "reported CANCELED"
    EXPIRED = "reported EXPIRED"
    REJECTED = "reported REJECTED"
    TRIGGERING = "reported TRIGGERING"
    TRIGGERED = "reported TRIGGERED"
    FINISHED = "reported FINISHED"
    LEFT_SNAPSHOT = "missing from a set-trusted snapshot"
    PROVEN_ABSENT = "absence proven (8.2, 8.3)"
    DROPPED = "registered but never sent"
    RESTARTED = "process restarted before evidence"


P, E = Phase, Evidence

BEFORE = (P.PRE_ARMED, P.REGISTERED, P.IN_FLIGHT, P.ACCEPTED, P.UNKNOWN)
"""Phases in which nothing has proven the order yet."""
_LIVING = (*BEFORE, P.LIVE, P.PARTIAL, P.ABSENT)

SENDING: dict[tuple[Phase, Evidence], Phase] = {
    (P.PRE_ARMED, E.SENT): P.IN_FLIGHT,
    (P.PRE_ARMED, E.DROPPED): P.ABSENT,
    (P.PRE_ARMED, E.RESTARTED): P.UNKNOWN,
    (P.REGISTERED, E.SENT): P.IN_FLIGHT,
    (P.REGISTERED, E.DROPPED): P.ABSENT,
    (P.REGISTERED, E.RESTARTED): P.UNKNOWN,
    (P.IN_FLIGHT, E.ACCEPTED): P.ACCEPTED,
    (P.IN_FLIGHT, E.REFUSED): P.REJECTED,
    (P.IN_FLIGHT, E.UNKNOWN_OUTCOME): P.UNKNOWN,
    (P.IN_FLIGHT, E.RESTARTED): P.UNKNOWN,
    (P.IN_FLIGHT, E.DROPPED): P.ABSENT,
    (P.UNKNOWN, E.REFUSED): P.REJECTED,
    (P.UNKNOWN, E.ACCEPTED): P.ACCEPTED,
    (P.ACCEPTED, E.RESTARTED): P.UNKNOWN,
    (P.UNKNOWN, E.PROVEN_ABSENT): P.ABSENT,
    (P.ACCEPTED, E.PROVEN_ABSENT): P.ABSENT,
}
"""The way of every order of ours from paper to proof, the same on both surfaces."""

TRANSITIONS: dict[tuple[Phase, Evidence], Phase] = {
    **SENDING,
    (P.LIVE, E.LEFT_SNAPSHOT): P.UNKNOWN,
    (P.PARTIAL, E.LEFT_SNAPSHOT): P.UNKNOWN,
    # A report proves the order whatever we concluded before: a pre-armed or registered order that the venue
    # knows was sent, and its record was lost with the process; an "absent" one that shows up is ours
    # and must be found surplus rather than rest unseen.
    **{(p, E.NEW): P.LIVE for p in (*BEFORE, P.ABSENT)},
    **{(p, E.PARTIAL): P.PARTIAL for p in _LIVING},
    **{(p, E.FILLED): P.FILLED for p in _LIVING},
    **{(p, E.CANCELED): P.CANCELED for p in _LIVING},
    **{(p, E.EXPIRED): P.EXPIRED for p in _LIVING},
    **{(p, E.REJECTED): P.REJECTED for p in _LIVING},
}
"""(phase, evidence) -> next phase of a regular order; every other pair leaves the phase as it is."""

STATUS_EVIDENCE: dict[OrderStatus, Evidence] = {
    OrderStatus.PENDING_NEW: E.NEW,
    OrderStatus.NEW: E.NEW,
    OrderStatus.PARTIALLY_FILLED: E.PARTIAL,
    OrderStatus.FILLED: E.FILLED,
    OrderStatus.CANCELED: E.CANCELED,
    OrderStatus.EXPIRED: E.EXPIRED,
    OrderStatus.EXPIRED_IN_MATCH: E.EXPIRED,
    OrderStatus.REJECTED: E.REJECTED,
    OrderStatus.NEW_INSURANCE: E.FILLED,
    OrderStatus.NEW_ADL: E.FILLED,
}

AFTER: dict[OrderStatus, dict[Phase, Phase]] = {
    status: {before: after for (before, by), after in TRANSITIONS.items() if by is evidence}
    for status, evidence in STATUS_EVIDENCE.items()
}
"""`TRANSITIONS` as a report asks for them: its status -> phase -> next phase."""

RANK: dict[OrderStatus, int] = {
    OrderStatus.PENDING_NEW: -1,
    OrderStatus.NEW: 0,
    OrderStatus.PARTIALLY_FILLED: 1,
    OrderStatus.FILLED: 2,
    OrderStatus.CANCELED: 2,
    OrderStatus.REJECTED: 2,
    OrderStatus.EXPIRED: 2,
    OrderStatus.EXPIRED_IN_MATCH: 2,
    OrderStatus.NEW_INSURANCE: 2,
    OrderStatus.NEW_ADL: 2,
}
TERMINAL_RANK = 2
OPEN = frozenset(status for status, rank in RANK.items() if rank < TERMINAL_RANK)


def is_open(row: OrderReport) -> bool:
    """The venue still works this order."""
    return row.status in OPEN


def advances(known: OrderReport, news: OrderReport) -> bool:
    """Is `news` later evidence of the same order than `known`? (O-3, I-3, I-4)

    More filled wins; then the later transaction time; then the higher status. An amendment is news
    when it is later. A terminal row is never replaced, and the filled quantity never falls.
    """
    known_rank = RANK[known.status]
    if known_rank == TERMINAL_RANK:
        # A cancel may overtake the report of the last fill: the richer total wins, once.
        return RANK[news.status] == TERMINAL_RANK and news.filled > known.filled
    if news.filled != known.filled:
        return news.filled > known.filled
    rank = RANK[news.status]
    if rank != known_rank:
        return rank > known_rank
    if news.at != known.at:
        return news.at > known.at
    # Same time, same fill, same status: an amendment and its order share T at worst once.
    return news.execution is ExecutionType.AMENDMENT and (
        news.price != known.price or news.quantity != known.quantity
    )


def is_fill(report: OrderReport) -> bool:
    """The report carries a trade (own, liquidation or ADL)."""
    return report.last_qty > 0 and report.execution in (ExecutionType.TRADE, ExecutionType.CALCULATED)


EXCHANGE_MADE = ("autoclose-", "adl_autoclose", "settlement_autoclose-", "delivery_autoclose-")
"""Custom-id prefixes of orders that the exchange itself creates (3.3)."""


def is_exchange_made(client_id: str) -> bool:
    return client_id.startswith(EXCHANGE_MADE)
