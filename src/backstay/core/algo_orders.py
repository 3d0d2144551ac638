"""Conditional orders on the algo surface: their life, and the regular order that each becomes.

ARMED is protection. TRIGGERING and TRIGGERED are protection *being consumed*: from there a grace runs
(`TRIGGER_GRACE`), and if the child order has not done its work by then the scope needs recovery; a stop
that stays in TRIGGERING for ever has been seen. TRIGGERED, FINISHED, CANCELED, EXPIRED and REJECTED end
the algo row only: the child lives by its own reports, joined by the child's id when it is known and by
the equal custom id when it is not, because the child's reports normally come first (4.3).
"""

from backstay.core.contexts import Phase
from backstay.core.events import AlgoReport
from backstay.core.orders import BEFORE, SENDING, Evidence
from backstay.core.types import AlgoStatus

P, E = Phase, Evidence

_LIVING = (*BEFORE, P.ARMED, P.TRIGGERING, P.TRIGGERED, P.ABSENT)

TRANSITIONS: dict[tuple[Phase, Evidence], Phase] = {
    **SENDING,
    (P.ARMED, E.LEFT_SNAPSHOT): P.UNKNOWN,
    (P.TRIGGERING, E.LEFT_SNAPSHOT): P.UNKNOWN,
    (P.TRIGGERED, E.LEFT_SNAPSHOT): P.UNKNOWN,
    **{(p, E.NEW): P.ARMED for p in (*BEFORE, P.ABSENT)},
    **{(p, E.TRIGGERING): P.TRIGGERING for p in (*BEFORE, P.ARMED, P.ABSENT)},
    **{(p, E.TRIGGERED): P.TRIGGERED for p in (*BEFORE, P.ARMED, P.TRIGGERING, P.ABSENT)},
    **{(p, E.FINISHED): P.FINISHED for p in _LIVING},
    **{(p, E.CANCELED): P.CANCELED for p in _LIVING},
    **{(p, E.EXPIRED): P.EXPIRED for p in _LIVING},
    **{(p, E.REJECTED): P.REJECTED for p in _LIVING},
}
"""(phase, evidence) -> next phase of a conditional order; every other pair changes nothing."""

STATUS_EVIDENCE: dict[AlgoStatus, Evidence] = {
    AlgoStatus.NEW: E.NEW,
    AlgoStatus.TRIGGERING: E.TRIGGERING,
    AlgoStatus.TRIGGERED: E.TRIGGERED,
    AlgoStatus.FINISHED: E.FINISHED,
    AlgoStatus.CANCELED: E.CANCELED,
    AlgoStatus.EXPIRED: E.EXPIRED,
    AlgoStatus.REJECTED: E.REJECTED,
}

AFTER: dict[AlgoStatus, dict[Phase, Phase]] = {
    status: {before: after for (before, by), after in TRANSITIONS.items() if by is evidence}
    for status, evidence in STATUS_EVIDENCE.items()
}
"""`TRANSITIONS` as a report asks for them: its status -> phase -> next phase."""

RANK: dict[AlgoStatus, int] = {
    AlgoStatus.NEW: 0,
    AlgoStatus.TRIGGERING: 1,
    AlgoStatus.TRIGGERED: 2,
    AlgoStatus.FINISHED: 3,
    AlgoStatus.CANCELED: 3,
    AlgoStatus.EXPIRED: 3,
    AlgoStatus.REJECTED: 3,
}
TERMINAL_RANK = 3


def is_open(row: AlgoReport) -> bool:
    """The row still occupies the algo surface (it may be triggering)."""
    return RANK[row.status] < TERMINAL_RANK


def advances(known: AlgoReport, news: AlgoReport) -> bool:
    """Is `news` later evidence of the same conditional order? Status first, then time (O-4).

    A trailing stop reports NEW twice, the second time with `activated`.
    """
    known_rank, rank = RANK[known.status], RANK[news.status]
    if known_rank == TERMINAL_RANK:
        return False
    if rank != known_rank:
        return rank > known_rank
    if news.at != known.at:
        return news.at > known.at
    return news.activated and not known.activated
