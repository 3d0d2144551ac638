"""What took longer than its owner wants to be told: orders, prices, recoveries, bursts of updates.

A reader of ledger records. It compares their times with the configured limits and tells what is beyond them,
each kind at most once a minute; nothing is hurried, refused or decided because of it.
"""

from collections import Counter, deque
from collections.abc import Callable

import msgspec

from backstay.core.events import (
    AccountReport,
    AlgoReport,
    AnswerReceived,
    OrderReport,
    PriceReached,
    RecoveryEnded,
    RecoveryStarted,
    RequestSent,
    RequestsRegistered,
)
from backstay.core.records import Record
from backstay.core.types import SECOND, ExecutionType, Scope, TimeNs

KEPT = 10_000
QUIET = 60 * SECOND
"""One kind is told at most so often."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Nanoseconds, and a count; None: not watched."""

    order_processing: TimeNs | None = None
    price_latency: TimeNs | None = None
    state_recovery: TimeNs | None = None
    updates_per_second: int | None = None


class Pace:
    """The listener of one ledger. `told` hears a sentence, `counted` every excess by its kind."""

    def __init__(
        self,
        limits: Limits,
        told: Callable[[str], object],
        counted: Callable[[str], object] = lambda _kind: None,
    ) -> None:
        self._limits = limits
        self._told = told
        self._counted = counted
        self._sent: dict[str, TimeNs] = {}
        self._recovering: dict[tuple[Scope, ...], TimeNs] = {}
        self._updates: deque[TimeNs] = deque()
        self._said: dict[str, TimeNs] = {}
        self._unsaid: Counter[str] = Counter()

    def take(self, record: Record) -> None:
        """Look at one record."""
        body, at = record.body, record.at
        match body:
            case RequestsRegistered() if not body.pre_armed:
                for request in body.requests:
                    self._request(request.ctx_id, at)
            case RequestSent():
                self._request(body.ctx_id, at)
            case AnswerReceived():
                since = self._sent.pop(body.ctx_id, None)
                if since is not None:
                    where = f"{body.scope}: the answer to {body.action} {body.ctx_id} took"
                    self._spans("order_processing", at - since, self._limits.order_processing, where, at)
            case PriceReached():
                where = f"{body.symbol}: the price {body.price} was on its way for"
                self._spans("price_latency", at - body.at, self._limits.price_latency, where, at)
            case RecoveryStarted():
                self._recovering[body.scopes] = at
            case RecoveryEnded():
                since = self._recovering.pop(body.scopes, None)
                if since is not None:
                    where = f"{', '.join(map(str, body.scopes)) or 'the account'}: a recovery took"
                    self._spans("state_recovery", at - since, self._limits.state_recovery, where, at)
            case OrderReport() if body.execution is ExecutionType.SNAPSHOT:
                pass
            case AlgoReport() if body.snapshot:
                pass
            case OrderReport() | AlgoReport() | AccountReport():
                self._update(at)
            case _:
                pass

    def _request(self, ctx_id: str, at: TimeNs) -> None:
        self._sent.setdefault(ctx_id, at)
        if len(self._sent) > KEPT:
            del self._sent[next(iter(self._sent))]

    def _update(self, at: TimeNs) -> None:
        most = self._limits.updates_per_second
        if most is None:
            return
        self._updates.append(at)
        while self._updates[0] <= at - SECOND:
            self._updates.popleft()
        if len(self._updates) > most:
            text = f"{len(self._updates)} updates within a second, more than {most}"
            self._excess("updates_per_second", text, at)

    def _spans(self, kind: str, took: TimeNs, limit: TimeNs | None, where: str, at: TimeNs) -> None:
        if limit is not None and took > limit:
            self._excess(kind, f"{where} {_ms(took)}, longer than {_ms(limit)}", at)

    def _excess(self, kind: str, text: str, at: TimeNs) -> None:
        self._counted(kind)
        said = self._said.get(kind)
        if said is not None and at < said + QUIET:
            self._unsaid[kind] += 1
            return
        more = self._unsaid.pop(kind, 0)
        self._said[kind] = at
        self._told(f"slow: {text} (pace.{kind}){f'; {more} more times since it was told' if more else ''}")


def _ms(span: TimeNs) -> str:
    return f"{span / 1_000_000:.0f} ms" if span < SECOND else f"{span / SECOND:.1f} s"
