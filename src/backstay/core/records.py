"""Ledger records: the numbered line in which every event and every decision is kept.

A line is JSON: ``{"seq":..,"prev":"<hash>","at":..,"type":"..","cause":..,"body":{..}}``. `cause` is the
`seq` of the record that made this one happen (0: the outside world). `prev` is the hash of the whole
previous line; how it is computed is the ledger's business.
"""

import msgspec

from backstay.core.decisions import Decision, Plan, Refused
from backstay.core.events import AnyEvent
from backstay.core.types import Scope, TimeNs


class Decided(msgspec.Struct, frozen=True, tag="Decided", tag_field="type", omit_defaults=True):
    """A pass came to a decision that differs from the scope's last one, or that acts."""

    scope: Scope
    decision: Decision
    refused: tuple[Refused, ...] = ()

    @classmethod
    def of(cls, plan: Plan) -> "Decided":
        return cls(plan.scope, plan.decision, plan.refused)


class Noted(msgspec.Struct, frozen=True, tag="Noted", tag_field="type", omit_defaults=True):
    """A fact for people that no fold reads: an alert, a measured naked window, a repaired tail."""

    what: str
    detail: dict[str, str | int]
    scope: Scope | None = None


type Body = AnyEvent | Decided | Noted


class Record(msgspec.Struct, frozen=True):
    seq: int
    at: TimeNs
    cause: int
    body: Body
