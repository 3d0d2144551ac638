"""What we did and what we were told: requests, answers, timers, recoveries, operators, a new run."""

from msgspec.structs import replace

from backstay.core import confirmations, recovery, refused_sales, requests, scope, spot
from backstay.core.account_scopes import each, gate, of_symbol, scope_state, with_scope
from backstay.core.contexts import Request
from backstay.core.events import (
    AnswerReceived,
    Effect,
    GateChanged,
    OperatorAction,
    OperatorCommand,
    PriceReached,
    RecoveryEnded,
    RecoveryStarted,
    RequestDropped,
    RequestsRegistered,
    RunStarted,
    RunStopped,
    TimePassed,
    TrustLost,
)
from backstay.core.reviews import STALE_DATA
from backstay.core.slots import EXIT
from backstay.core.state import AccountState, ScopeState
from backstay.core.types import Direction, Product, Scope, Subject, TimeNs

A = AccountState


FAR_REACHING = frozenset({Effect.BANNED, Effect.KEYS, Effect.MARGIN})
"""Refusals that mean more than their own scope."""


def registered(account: A, e: RequestsRegistered, now: TimeNs) -> A:
    def mine(s: ScopeState) -> ScopeState:
        return register(s, replace(e, requests=tuple([r for r in e.requests if r.scope == s.scope])), now)

    return each(account, dict.fromkeys([r.scope for r in e.requests]), mine)


def only_scope(asked: tuple[Request, ...]) -> Scope | None:
    """The scope of all these requests; None if there are several, or none."""
    if not asked:
        return None
    key = asked[0].scope
    for request in asked[1:]:
        if request.scope != key:
            return None
    return key


def register(s: ScopeState, e: RequestsRegistered, now: TimeNs, own: bool = False) -> ScopeState:
    """Requests that all are of this scope (see `only_scope`)."""
    for request in e.requests:
        if request.ctx_id not in (s.contexts if request.context is not None else s.pendings):
            return requests.register(s, e.requests, e.pre_armed, now, own)
    return s


def dropped(account: A, e: RequestDropped, now: TimeNs) -> A:
    s = scope_state(account, e.scope)
    if e.ctx_id not in s.pendings and e.ctx_id not in s.contexts:
        return account
    return with_scope(account, requests.dropped(s, e, now))


def refused(account: A, e: AnswerReceived, now: TimeNs) -> A:
    """A refusal that reaches far; any other answer concerns its scope alone."""
    after = with_scope(account, requests.answered(scope_state(account, e.scope), e, now))
    if e.effect is Effect.MARGIN:
        after = refused_sales.unfunded(after, e.scope)
        return after if after is account else replace(after, margin_free=False)
    return gate(after, "venue_halt", True, f"{e.code} {e.message}", now)


def time(account: A, e: TimePassed, now: TimeNs) -> A:
    before = account.scopes.get(e.scope)
    if before is None:
        return account
    after, reasons = confirmations.expire(before, now)
    for reason in reasons:
        after = scope.lose_trust(after, reason)
    silent = confirmations.unheard(after, now)
    if silent:
        if any(after.contexts[name].created_at >= account.connected_at for name in silent):
            account = replace(account, deaf_strikes=account.deaf_strikes + 1)
        after = confirmations.heard(after, silent)
    return with_scope(account, after)


def price(account: A, e: PriceReached, now: TimeNs) -> A:
    if e.product is not Product.SPOT and account.marks.get(e.symbol) == e.price:
        return account

    def remember(s: ScopeState) -> ScopeState:
        if s.lots is not None:
            s = spot.priced(s, e.price, e.at)
        direction = s.direction
        if direction is None:
            return s
        best = s.best_price
        if best is None or (e.price > best if direction is Direction.LONG else e.price < best):
            return replace(s, best_price=e.price, last_mark=e.price)
        return replace(s, last_mark=e.price)

    account = each(account, of_symbol(account, e.symbol), remember)
    if account.marks.get(e.symbol) == e.price:
        return account
    return replace(account, marks={**account.marks, e.symbol: e.price})


def recovery_started(account: A, e: RecoveryStarted, now: TimeNs) -> A:
    if not e.scopes and not account.hydrating:
        account = replace(account, hydrating=True, gap="")
    return each(account, e.scopes or account.scopes, recovery.started)


def recovery_ended(account: A, e: RecoveryEnded, now: TimeNs) -> A:
    if not e.scopes and account.hydrating:
        # What was lost meanwhile, or could not be read, is still unread: also for scopes not heard of yet.
        account = replace(
            account, hydrating=False, gap=account.gap or ("stream_reconnected" if e.failure else "")
        )
    if not e.scopes and not e.failure and Subject.POSITIONS in e.subjects and not account.hydrated:
        account = replace(account, hydrated=True)
    return each(account, e.scopes or account.scopes, lambda s: recovery.ended(s, e.failure, now))


def trust_lost(account: A, e: TrustLost, now: TimeNs) -> A:
    return each(account, e.scopes or account.scopes, lambda s: scope.lose_trust(s, e.reason))


def operator(account: A, e: OperatorCommand, now: TimeNs) -> A:
    keys = list(account.scopes) if e.scope is None else [e.scope]
    match e.action:
        case OperatorAction.PAUSE:
            return gate(account, _paused(e.scope), True, e.reason or f"paused by {e.who}", now)
        case OperatorAction.RESUME:
            return each(_resumed(account, e.scope, keys), keys, recovery.at_once)
        case OperatorAction.ACK:
            if e.scope is None and "venue_halt" in account.gates:
                # It may come from an earlier process: this one's gateway has no halt to tell the end of.
                account = gate(account, "venue_halt", False, "", now)
            return each(account, keys, lambda s: spot.acknowledged(recovery.acknowledged(s)))
        case OperatorAction.KILL:
            if e.scope is None:
                account = gate(account, "kill_switch", True, e.reason or f"killed by {e.who}", now)
            return each(account, keys, lambda s: _flatten(s, f"kill: {e.reason}", now))
        case OperatorAction.FORGET:
            return each(
                account, [k for k in keys if k in account.scopes], lambda s: spot.forget_lot(s, e, now)
            )
        case OperatorAction.CLOSE if e.lot:
            return each(
                account, [k for k in keys if k in account.scopes], lambda s: spot.close_lot(s, e, now)
            )
        case OperatorAction.CLOSE:
            # A close means the position that is there: it must not lie in wait for a later one.
            keys = [k for k in keys if k in account.scopes and _may_hold(account.scopes[k])]
            return each(account, keys, lambda s: _flatten(s, f"close: {e.reason}", now))


def _paused(key: Scope | None) -> str:
    return "operator_pause" if key is None else f"operator_pause {key}"


def _may_hold(s: ScopeState) -> bool:
    return bool(s.position.quantity) or not s.trusted


def _resumed(account: A, key: Scope | None, keys: list[Scope]) -> A:
    """Open what was closed for this scope; the doors of the whole account open for the whole account only."""
    names = (_paused(key),) if key is not None else (_paused(None), "kill_switch", "venue_halt")
    gates = {k: v for k, v in account.gates.items() if k not in names}
    account = account if gates == account.gates else replace(account, gates=gates)
    return account if "kill_switch" in account.gates else each(account, keys, _resume)


def _resume(s: ScopeState) -> ScopeState:
    return replace(s, flatten_since=0, flatten_reason="") if s.flatten_since else s


def _flatten(s: ScopeState, reason: str, now: TimeNs) -> ScopeState:
    """Said again, it is tried again: whoever asks may have taken away what the venue refused it for."""
    if not s.flatten_since:
        return replace(s, flatten_since=now, flatten_reason=reason)
    blocks = tuple(b for b in s.blocks if b.key != EXIT or b.until)
    return s if len(blocks) == len(s.blocks) else replace(s, blocks=blocks)


def gate_changed(account: A, e: GateChanged, now: TimeNs) -> A:
    after = gate(account, e.gate, e.active, e.reason, now, e.until)
    if not e.gate.startswith(STALE_DATA) or after is account:
        return after
    # What happens to a scored position while nothing is known of its market is for a human to look at: when
    # the silence begins, and when it ends for what was opened meanwhile.
    known = account.gates.get(e.gate)
    since = known.since if known is not None else 0
    symbol = e.gate.removeprefix(STALE_DATA).strip()
    scored = [k for k, s in account.scopes.items() if s.position.quantity and s.signal is not None]
    held = [k for k in scored if e.active or account.scopes[k].opened_at >= since]
    keys = [k for k in held if k.symbol == (symbol or k.symbol)]
    return each(after, keys, lambda s: scope.block_exposure(s, STALE_DATA, now))


def run_started(account: A, e: RunStarted, now: TimeNs) -> A:
    """A new process. Contexts of another account, mode or environment are never used (6.4)."""
    run = account.run
    if run is None or (run.account, run.mode, run.environment) != (e.account, e.mode, e.environment):
        return AccountState(run=e)
    if run == e:
        return account
    keep = ("kill_switch", "operator_pause", "venue_halt")
    gates = {k: v for k, v in account.gates.items() if k.startswith(keep)}
    scopes = {k: recovery.restarted(s) for k, s in account.scopes.items()}
    return replace(
        account,
        run=e,
        scopes=scopes,
        gates=gates,
        connected=False,
        hydrated=False,
        hydrating=False,
        gap="",
        deaf_strikes=0,
        marks={},
        settings={},
    )


def run_stopped(account: A, e: RunStopped, now: TimeNs) -> A:
    """An end in good order: what was only prepared was never sent, and the next process need not doubt it."""
    return each(account, account.scopes, recovery.stopped)
