"""Finding and changing scopes and gates inside the account state; what every handler of the fold needs."""

from collections.abc import Callable, Iterable
from functools import cache

from msgspec.structs import replace

from backstay.core.state import AccountState, Gate, ScopeState
from backstay.core.types import PositionSide, Product, Scope, TimeNs, Trust

A = AccountState


@cache
def scope_of(product: Product, symbol: str, side: PositionSide) -> Scope:
    """The scope of an event; the same object for the same names (it is a dictionary key everywhere)."""
    return Scope(product, symbol, side)


def scope_state(account: AccountState, key: Scope) -> ScopeState:
    """The state of a scope; a scope first heard of inherits the account's set trust."""
    known = account.scopes.get(key)
    if known is not None:
        return known
    if account.hydrated and account.connected and not account.hydrating:
        if account.gap:
            return ScopeState(scope=key, trust=Trust.RECOVERY_REQUIRED, reasons=(account.gap,))
        return ScopeState(scope=key, trust=Trust.TRUSTED)
    if account.hydrating:
        reasons = (account.gap,) if account.gap else ()
        return ScopeState(scope=key, trust=Trust.RECOVERING, handling=("startup",), reasons=reasons)
    return ScopeState(scope=key, reasons=("startup",))


def with_scope(account: AccountState, after: ScopeState) -> AccountState:
    if account.scopes.get(after.scope) is after:
        return account
    # Copying and then setting takes two thirds of the time of `{**scopes, key: after}`.
    scopes = account.scopes.copy()
    scopes[after.scope] = after
    return replace(account, scopes=scopes)


def each(account: A, keys: Iterable[Scope], change: Callable[[ScopeState], ScopeState]) -> A:
    scopes = None
    for key in keys:
        before = scope_state(account, key)
        after = change(before)
        if after is not before or key not in account.scopes:
            scopes = dict(account.scopes) if scopes is None else scopes
            scopes[key] = after
    return account if scopes is None else replace(account, scopes=scopes)


def of_symbol(account: A, symbol: str) -> list[Scope]:
    """The known scopes of a symbol, asked for by every name there can be: a scan grows with the account."""
    scopes = account.scopes
    return [k for p in Product for side in PositionSide if (k := scope_of(p, symbol, side)) in scopes]


def release(s: ScopeState, effect: str) -> ScopeState:
    blocks = tuple(b for b in s.blocks if b.effect != effect)
    return s if len(blocks) == len(s.blocks) else replace(s, blocks=blocks)


def gate(account: A, name: str, active: bool, reason: str, now: TimeNs, until: TimeNs = 0) -> A:
    known = account.gates.get(name)
    if active:
        if known is not None and known.until == until:
            return account
        return replace(account, gates={**account.gates, name: Gate(reason, now, until)})
    if known is None:
        return account
    return replace(account, gates={k: v for k, v in account.gates.items() if k != name})
