"""Correlation: one number for everything that belongs to one happening, from a fill to the stop it led to.

The number is the `seq` of the record with which it began. Records name their cause; answers and reports come
from outside and name a custom id or share the venue's time with the report they came with.
"""

from collections.abc import Hashable

from backstay.core.events import (
    AccountReport,
    AlgoReport,
    AnswerReceived,
    FillNotice,
    OrderReport,
    RequestSent,
    RequestsRegistered,
)
from backstay.core.records import Record
from backstay.core.types import ExecutionType

KEPT = 20_000


class Traces:
    """Feed it every record in order; it remembers the newest ones."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._known: dict[Hashable, int] = {}

    def of(self, record: Record) -> int:
        """The number of the happening that the record belongs to."""
        trace = self._find(record)
        self._remember(record.seq, trace)
        body = record.body
        if isinstance(body, RequestsRegistered):
            for request in body.requests:
                self._remember(request.ctx_id, trace)
        elif isinstance(body, RequestSent):
            self._remember(body.ctx_id, trace)
        for moment in _moments(record):
            self._remember(moment, trace)
        return trace

    def _find(self, record: Record) -> int:
        if record.cause:
            return self._known.get(record.cause, record.cause)
        for moment in _moments(record):
            if moment in self._known:
                return self._known[moment]
        body = record.body
        name = ""
        if isinstance(body, AnswerReceived):
            name = body.ctx_id
        elif isinstance(body, AlgoReport) or (
            isinstance(body, OrderReport) and body.execution is not ExecutionType.TRADE
        ):
            name = body.client_id
        return self._known.get(name, record.seq) if name else record.seq

    def _remember(self, what: Hashable, trace: int) -> None:
        self._known.pop(what, None)
        self._known[what] = trace
        if len(self._known) > self._kept:
            del self._known[next(iter(self._known))]


def _moments(record: Record) -> list[Hashable]:
    """(symbol, venue time) of a fill: its reports come one by one and share them."""
    body = record.body
    match body:
        case FillNotice():
            return [(body.symbol, body.at)]
        case OrderReport() if body.execution is ExecutionType.TRADE:
            return [(body.symbol, body.at)]
        case AccountReport() if body.reason == "ORDER":
            return [(row.symbol, body.at) for row in body.positions]
        case _:
            return []
