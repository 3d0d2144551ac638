"""A listener to the ledger's records that keeps what screens show: recent news, counts, prices."""

from collections import deque
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from backstay.app.status import iso
from backstay.app.words import words
from backstay.core.account import scope_of
from backstay.core.events import (
    AccountReport,
    PositionsSnapshot,
    PriceReached,
    RequestSent,
    StreamChanged,
    StreamState,
    TrustLost,
    Unidentified,
)
from backstay.core.grades import grade
from backstay.core.records import Body, Decided
from backstay.core.state import AccountState
from backstay.core.types import Action, Role, Scope, TimeNs

KEPT = 120
NOTES = {"unprotected": "bad", "ledger_repaired": "bad", "start_delayed": "warn"}
"""Grades of facts for people; others are information."""
IDS_KEPT = 20_000


class Item(msgspec.Struct, frozen=True):
    """One piece of news. `grade`: info, warn or bad."""

    seq: int
    at: TimeNs
    grade: str
    text: str

    def document(self) -> dict[str, Any]:
        return {"seq": self.seq, "at": iso(self.at), "grade": self.grade, "text": self.text}


class News:
    """Give `record` to the guard's listeners. Reads the state through `account`, after each fold."""

    def __init__(self, account: Callable[[], AccountState]) -> None:
        self._account = account
        self.items: deque[Item] = deque(maxlen=KEPT)
        self.marks: dict[str, Decimal] = {}
        self.liquidations: dict[Scope, Decimal] = {}
        self.stops_placed = 0
        self.requests_sent = 0
        self.duplicates = 0
        """Custom ids that were sent for a second time: must stay 0."""
        self.foreign_touched = 0
        """Amends or cancels of orders without a context of ours: must stay 0."""
        self.refused = 0
        self.incidents = 0
        self._sent: dict[str, None] = {}

    def record(self, seq: int, at: TimeNs, body: Body) -> None:
        """Take one record in."""
        if isinstance(body, RequestSent):
            self._request(body)
        elif isinstance(body, PositionsSnapshot):
            self.prices(body)
        elif isinstance(body, AccountReport):
            for row in body.positions:
                if not row.quantity:
                    self.liquidations.pop(scope_of(body.product, row.symbol, row.position_side), None)
        elif isinstance(body, PriceReached):
            self.marks[body.symbol] = body.price
        self._count(body)
        matters = grade(body)
        if matters:
            self.items.append(Item(seq, at, matters, words(body)))

    def prices(self, snapshot: PositionsSnapshot) -> None:
        """Mark and liquidation prices of a reading."""
        for row in snapshot.rows:
            self._position(scope_of(snapshot.product, row.symbol, row.position_side), row.liquidation_price)
            if row.mark_price:
                self.marks[row.symbol] = row.mark_price

    def recent(self, count: int = 40) -> list[dict[str, Any]]:
        """The newest first."""
        return [item.document() for item in list(self.items)[: -count - 1 : -1]]

    def errors(self, count: int = 10) -> list[dict[str, Any]]:
        return [item.document() for item in reversed(self.items) if item.grade == "bad"][:count]

    def _position(self, scope: Scope, liquidation: Decimal) -> None:
        if liquidation:
            self.liquidations[scope] = liquidation
        else:
            self.liquidations.pop(scope, None)

    def _request(self, body: RequestSent) -> None:
        self.requests_sent += 1
        s = self._account().scopes.get(body.scope)
        ctx = s.contexts.get(body.ctx_id) if s is not None else None
        if body.action is not Action.PLACE:
            self.foreign_touched += ctx is None
            return
        self.duplicates += body.ctx_id in self._sent
        self._sent[body.ctx_id] = None
        if len(self._sent) > IDS_KEPT:
            del self._sent[next(iter(self._sent))]
        self.stops_placed += ctx is not None and ctx.role is Role.SL

    def _count(self, body: Body) -> None:
        match body:
            case Decided():
                self.refused += len(body.refused)
            case StreamChanged():
                self.incidents += body.state not in {StreamState.CONNECTED, StreamState.OVERLAP}
            case TrustLost() | Unidentified():
                self.incidents += 1
