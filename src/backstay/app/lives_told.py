"""What a ledger brings back: the state, and which milestones of positions have been told already.

A process may die between a position's report and the record that says in one line what it meant. The next one
tells it then, and for that has to know up to where the one before had come.
"""

from collections.abc import Iterable

import msgspec
from msgspec import Raw

from backstay.core.account import fold_in_place
from backstay.core.records import Noted
from backstay.core.state import AccountState, ScopeState
from backstay.core.types import Scope
from backstay.ledger.codec import Entry, NotedEntry
from backstay.ledger.pause import no_collections

MARKS = (b'"position_opened"', b'"position_closed"')


def fold_and_hear(
    chunks: Iterable[list[Entry]], account: AccountState
) -> tuple[AccountState, dict[Scope, ScopeState]]:
    """The account after `chunks`, and each scope as it was at its latest milestone among them.

    A scope without one is as it was before them. Raises what reading raises.
    """
    told = dict(account.scopes)
    with no_collections():
        for chunk in chunks:
            for entry in chunk:
                body = entry.body
                if type(body) is not Raw:
                    account = fold_in_place(account, body, entry.at)
                elif type(entry) is NotedEntry:
                    _hear(bytes(body), account, told)
    return account, told


def _hear(body: bytes, account: AccountState, told: dict[Scope, ScopeState]) -> None:
    if not any(mark in body for mark in MARKS):
        return
    key = msgspec.json.decode(body, type=Noted).scope
    if key is not None and key in account.scopes:
        told[key] = account.scopes[key]
