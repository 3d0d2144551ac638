"""The fold: evidence in, account state out. The one door through which anything becomes known.

`fold(account, event, now)` is deterministic and total (I-1): the same events at the same times give the
same state, no event raises, an event that is no news returns the very same object. Nothing plans, waits
or writes here. `now` is local time and enters timers only.
"""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from msgspec.structs import replace

from backstay.core import confirmations, recovery, requests, scope
from backstay.core.events import (
    AccountModeSnapshot,
    AccountReport,
    AlgoReport,
    AlgosSnapshot,
    AnswerReceived,
    AnyEvent,
    BalanceRow,
    BalancesSnapshot,
    ConfigReport,
    FillNotice,
    FillsSnapshot,
    GateChanged,
    InstrumentsSnapshot,
    MarginCall,
    OperatorAction,
    OperatorCommand,
    OrderQueried,
    OrderReport,
    OrdersSnapshot,
    PositionsSnapshot,
    PriceReached,
    RecoveryEnded,
    RecoveryStarted,
    RequestDropped,
    RequestSent,
    RequestsRegistered,
    RunStarted,
    StreamChanged,
    StreamState,
    TimePassed,
    TriggerRejected,
    TrustLost,
    Unidentified,
)
from backstay.core.state import AccountState, Gate, ScopeState
from backstay.core.types import (
    Direction,
    ExecutionType,
    PositionMode,
    PositionSide,
    Product,
    Scope,
    Subject,
    TimeNs,
    Trust,
)

A = AccountState
_scopes: dict[tuple[Product, str, PositionSide], Scope] = {}


def scope_of(product: Product, symbol: str, side: PositionSide) -> Scope:
    """The scope of an event; the same object for the same names (it is a dictionary key everywhere)."""
    key = (product, symbol, side)
    found = _scopes.get(key)
    if found is None:
        found = _scopes[key] = Scope(product, symbol, side)
    return found


def fold(account: AccountState, event: AnyEvent, now: TimeNs) -> AccountState:
    """The account after `event`, taken in at local time `now` (ns)."""
    handler = _HANDLERS.get(type(event))
    return account if handler is None else handler(account, event, now)


def scope_state(account: AccountState, key: Scope) -> ScopeState:
    """The state of a scope; a scope first heard of inherits the account's set trust."""
    known = account.scopes.get(key)
    if known is not None:
        return known
    if account.hydrated and account.connected:
        return ScopeState(scope=key, trust=Trust.TRUSTED)
    return ScopeState(scope=key, reasons=("startup",))


def with_scope(account: AccountState, after: ScopeState) -> AccountState:
    if account.scopes.get(after.scope) is after:
        return account
    return replace(account, scopes={**account.scopes, after.scope: after})


def _each(account: A, keys: Iterable[Scope], change: Callable[[ScopeState], ScopeState]) -> A:
    scopes = None
    for key in keys:
        before = scope_state(account, key)
        after = change(before)
        if after is not before or key not in account.scopes:
            scopes = dict(account.scopes) if scopes is None else scopes
            scopes[key] = after
    return account if scopes is None else replace(account, scopes=scopes)


def _of_symbol(account: A, symbol: str) -> list[Scope]:
    return [k for k in account.scopes if k.symbol == symbol]


# --- the stream ---------------------------------------------------------------------------------


def _order(account: A, e: OrderReport, now: TimeNs) -> A:
    before = scope_state(account, scope_of(e.product, e.symbol, e.position_side))
    after = scope.report_order(before, e, now)
    if after is before:
        return account
    if (
        account.deaf_strikes
        and len(after.pendings) < len(before.pendings)
        and e.execution is not ExecutionType.SNAPSHOT
    ):
        account = replace(account, deaf_strikes=0)
    return replace(account, scopes={**account.scopes, after.scope: after})


def _algo(account: A, e: AlgoReport, now: TimeNs) -> A:
    before = scope_state(account, scope_of(e.product, e.symbol, e.position_side))
    after = scope.report_algo(before, e, now)
    if after is before:
        return account
    if account.deaf_strikes and len(after.pendings) < len(before.pendings) and not e.snapshot:
        account = replace(account, deaf_strikes=0)
    return replace(account, scopes={**account.scopes, after.scope: after})


def _notice(account: A, e: FillNotice, now: TimeNs) -> A:
    keys = _of_symbol(account, e.symbol)
    mine = [k for k in keys if e.client_id in account.scopes[k].contexts]
    if not keys and account.position_mode is PositionMode.ONE_WAY:
        mine = [scope_of(e.product, e.symbol, PositionSide.BOTH)]
    return _each(account, mine or _one_side(account, keys, e), lambda s: scope.notice_fill(s, e, now))


def _one_side(account: A, keys: list[Scope], e: FillNotice) -> list[Scope]:
    """No position side on the wire and no context: an order row names it, or one-way mode does.
    A hedge account must wait for the order's own report; guessing would freeze the other leg.
    """
    for key in keys:
        if e.order_id in account.scopes[key].orders:
            return [key]
    if account.position_mode is PositionMode.HEDGE:
        return []
    return [k for k in keys if k.position_side is PositionSide.BOTH]


def _account(account: A, e: AccountReport, now: TimeNs) -> A:
    hedge = account.position_mode is PositionMode.HEDGE
    scopes = None
    for row in e.positions:
        if hedge and row.position_side is PositionSide.BOTH:
            continue  # comes along in hedge mode and carries nothing
        key = scope_of(e.product, row.symbol, row.position_side)
        before = scope_state(account, key)
        after = scope.report_position(before, row, e.at, e.emitted_at, now)
        if after is not before:
            if scopes is None:
                scopes = {**account.scopes, key: after}
            else:
                scopes[key] = after
    changes: dict[str, Any] = {} if scopes is None else {"scopes": scopes}
    if e.balances and e.at >= account.balances_at:
        if any(account.balances.get(b.asset) != _wallet(account, b) for b in e.balances):
            changes["balances"] = {**account.balances, **{b.asset: _wallet(account, b) for b in e.balances}}
        if e.at > account.balances_at:
            changes["balances_at"] = e.at
    return replace(account, **changes) if changes else account


def _wallet(account: A, b: BalanceRow) -> BalanceRow:
    known = account.balances.get(b.asset)
    return BalanceRow(b.asset, b.wallet, b.cross_wallet, available=known.available if known else None)


def _config(account: A, e: ConfigReport, now: TimeNs) -> A:
    changes: dict[str, Any] = {}
    if e.symbol and account.leverages.get(e.symbol) != e.leverage:
        changes["leverages"] = {**account.leverages, e.symbol: e.leverage}
        account = _each(account, _of_symbol(account, e.symbol), lambda s: _release(s, "position_limit"))
    if e.multi_assets is not None and e.multi_assets != account.multi_assets:
        changes["multi_assets"] = e.multi_assets
    return replace(account, **changes) if changes else account


def _release(s: ScopeState, effect: str) -> ScopeState:
    blocks = tuple(b for b in s.blocks if b.effect != effect)
    return s if len(blocks) == len(s.blocks) else replace(s, blocks=blocks)


def _margin_call(account: A, e: MarginCall, now: TimeNs) -> A:
    keys = [scope_of(e.product, p.symbol, p.position_side) for p in e.positions]
    return _each(account, keys, lambda s: scope.block_exposure(s, "margin_call", now))


def _trigger_rejected(account: A, e: TriggerRejected, now: TimeNs) -> A:
    keys = [k for k in _of_symbol(account, e.symbol) if e.order_id in account.scopes[k].orders]
    return _each(account, keys, lambda s: scope.lose_trust(s, "trigger_rejected"))


def _stream(account: A, e: StreamChanged, now: TimeNs) -> A:
    if e.state is StreamState.OVERLAP:
        return account
    if e.state is StreamState.CONNECTED:
        if account.connected:
            return account
        lost = account.hydrated
        account = replace(account, connected=True, deaf_strikes=0)
        return _distrust_all(account, "stream_reconnected") if lost else account
    return _distrust_all(replace(account, connected=False), f"stream_{e.state}")


def _distrust_all(account: A, reason: str) -> A:
    return _each(account, account.scopes, lambda s: scope.lose_trust(s, reason))


def _unidentified(account: A, e: Unidentified, now: TimeNs) -> A:
    keys = _of_symbol(account, e.symbol) if e.symbol else list(account.scopes)
    return _each(account, keys, lambda s: scope.lose_trust(s, "unidentified_event"))


# --- reads --------------------------------------------------------------------------------------


def _covered(account: A, product: Product, symbols: tuple[str, ...], rows: Iterable[Any]) -> list[Scope]:
    """Known scopes inside a snapshot's coverage, and those that its rows introduce."""
    known = [k for k in account.scopes if k.product is product and (not symbols or k.symbol in symbols)]
    new = (scope_of(product, r.symbol, r.position_side) for r in rows)
    return list(dict.fromkeys((*known, *new)))


def _orders_read(account: A, e: OrdersSnapshot, now: TimeNs) -> A:
    def merge(s: ScopeState) -> ScopeState:
        rows = tuple(
            r for r in e.rows if r.symbol == s.scope.symbol and r.position_side is s.scope.position_side
        )
        return recovery.merge_orders(s, rows, e.requested_at, now)

    return _strike(account, _each(account, _covered(account, e.product, e.symbols, e.rows), merge))


def _algos_read(account: A, e: AlgosSnapshot, now: TimeNs) -> A:
    def merge(s: ScopeState) -> ScopeState:
        rows = tuple(
            r for r in e.rows if r.symbol == s.scope.symbol and r.position_side is s.scope.position_side
        )
        return recovery.merge_algos(s, rows, e.requested_at, now)

    return _strike(account, _each(account, _covered(account, e.product, e.symbols, e.rows), merge))


def _strike(before: A, after: A) -> A:
    """A read shows the effect of a mutation whose private event never came: the stream may be deaf."""
    for key, s in after.scopes.items():
        old = before.scopes.get(key)
        if old is None or old.pendings is s.pendings:
            continue
        if any(p.expired and name not in s.pendings for name, p in old.pendings.items()):
            return replace(after, deaf_strikes=before.deaf_strikes + 1)
    return after


def _positions_read(account: A, e: PositionsSnapshot, now: TimeNs) -> A:
    hedge = account.position_mode is PositionMode.HEDGE
    both = PositionSide.BOTH
    rows = {(r.symbol, r.position_side): r for r in e.rows if not (hedge and r.position_side is both)}

    def merge(s: ScopeState) -> ScopeState:
        row = rows.get((s.scope.symbol, s.scope.position_side))
        return recovery.merge_position(s, row, e.requested_at, now)

    return _each(account, _covered(account, e.product, e.symbols, rows.values()), merge)


def _balances_read(account: A, e: BalancesSnapshot, now: TimeNs) -> A:
    balances = {b.asset: b for b in e.rows}
    if balances == account.balances or e.requested_at < account.balances_at:
        return account
    account = _each(account, account.scopes, lambda s: _release(s, "margin"))
    return replace(account, balances=balances, balances_at=e.requested_at)


def _fills_read(account: A, e: FillsSnapshot, now: TimeNs) -> A:
    """Trades explain, they do not define: they only move the fill watermark (O-2)."""
    for row in e.rows:
        key = scope_of(e.product, row.symbol, row.position_side)
        s = scope_state(account, key)
        if row.at > s.fill_at:
            account = with_scope(account, replace(s, fill_at=row.at))
    return account


def _instruments(account: A, e: InstrumentsSnapshot, now: TimeNs) -> A:
    instruments = {i.symbol: i for i in e.instruments}
    if instruments == account.instruments:
        return account
    account = _each(account, account.scopes, lambda s: _release(_release(s, "filter"), "min_notional"))
    return replace(account, instruments=instruments)


def _account_mode(account: A, e: AccountModeSnapshot, now: TimeNs) -> A:
    leverages = {**account.leverages, **{r.symbol: r.leverage for r in e.leverages}}
    after = replace(
        account,
        position_mode=e.position_mode,
        multi_assets=e.multi_assets,
        can_trade=e.can_trade,
        leverages=leverages,
        maker_fee=account.maker_fee if e.maker_fee is None else e.maker_fee,
        taker_fee=account.taker_fee if e.taker_fee is None else e.taker_fee,
    )
    run = account.run
    mismatch = run is not None and run.position_mode is not e.position_mode
    after = _gate(after, "account_mode_mismatch", mismatch, f"the account is in {e.position_mode} mode", now)
    return account if after == account else after


def _queried(account: A, e: OrderQueried, now: TimeNs) -> A:
    keys = [k for k in _of_symbol(account, e.symbol) if e.ctx_id in account.scopes[k].contexts]
    return _each(account, keys, lambda s: recovery.queried(s, e, now))


# --- ourselves ----------------------------------------------------------------------------------


def _registered(account: A, e: RequestsRegistered, now: TimeNs) -> A:
    keys = dict.fromkeys(r.scope for r in e.requests)

    def register(s: ScopeState) -> ScopeState:
        mine = tuple(r for r in e.requests if r.scope == s.scope)
        if all(r.ctx_id in (s.contexts if r.context is not None else s.pendings) for r in mine):
            return s
        return requests.register(s, mine, e.pre_armed, now)

    return _each(account, keys, register)


def _sent(account: A, e: RequestSent, now: TimeNs) -> A:
    return with_scope(account, requests.sent(scope_state(account, e.scope), e, now))


def _dropped(account: A, e: RequestDropped, now: TimeNs) -> A:
    s = scope_state(account, e.scope)
    if e.ctx_id not in s.pendings and e.ctx_id not in s.contexts:
        return account
    return with_scope(account, requests.dropped(s, e, now))


def _answered(account: A, e: AnswerReceived, now: TimeNs) -> A:
    after = with_scope(account, requests.answered(scope_state(account, e.scope), e, now))
    if e.effect.value in ("banned", "keys"):
        after = _gate(after, "venue_halt", True, f"{e.code} {e.message}", now)
    return after


def _time(account: A, e: TimePassed, now: TimeNs) -> A:
    before = account.scopes.get(e.scope)
    if before is None:
        return account
    after, reasons = confirmations.expire(before, now)
    for reason in reasons:
        after = scope.lose_trust(after, reason)
    return with_scope(account, after)


def _price(account: A, e: PriceReached, now: TimeNs) -> A:
    if account.marks.get(e.symbol) == e.price:
        return account

    def remember(s: ScopeState) -> ScopeState:
        direction = s.direction
        if direction is None:
            return s
        best = s.best_price
        if best is None or (e.price > best if direction is Direction.LONG else e.price < best):
            return replace(s, best_price=e.price)
        return s

    account = _each(account, _of_symbol(account, e.symbol), remember)
    return replace(account, marks={**account.marks, e.symbol: e.price})


def _recovery_started(account: A, e: RecoveryStarted, now: TimeNs) -> A:
    return _each(account, e.scopes or account.scopes, recovery.started)


def _recovery_ended(account: A, e: RecoveryEnded, now: TimeNs) -> A:
    if not e.scopes and not e.failure and Subject.POSITIONS in e.subjects and not account.hydrated:
        account = replace(account, hydrated=True)
    return _each(account, e.scopes or account.scopes, lambda s: recovery.ended(s, e.failure, now))


def _trust_lost(account: A, e: TrustLost, now: TimeNs) -> A:
    return _each(account, e.scopes or account.scopes, lambda s: scope.lose_trust(s, e.reason))


def _operator(account: A, e: OperatorCommand, now: TimeNs) -> A:
    keys = list(account.scopes) if e.scope is None else [e.scope]
    match e.action:
        case OperatorAction.PAUSE:
            return _gate(account, _paused(e.scope), True, e.reason or f"paused by {e.who}", now)
        case OperatorAction.RESUME:
            gates = dict(account.gates)
            for name in (_paused(e.scope), "kill_switch", "venue_halt"):
                gates.pop(name, None)
            account = account if gates == account.gates else replace(account, gates=gates)
            return _each(account, keys, _resume)
        case OperatorAction.ACK:
            return _each(account, keys, recovery.acknowledged)
        case OperatorAction.KILL:
            if e.scope is None:
                account = _gate(account, "kill_switch", True, e.reason or f"killed by {e.who}", now)
            return _each(account, keys, lambda s: _flatten(s, f"kill: {e.reason}", now))
        case OperatorAction.CLOSE:
            return _each(account, keys, lambda s: _flatten(s, f"close: {e.reason}", now))


def _paused(key: Scope | None) -> str:
    return "operator_pause" if key is None else f"operator_pause {key}"


def _resume(s: ScopeState) -> ScopeState:
    return replace(s, flatten_since=0, flatten_reason="") if s.flatten_since else s


def _flatten(s: ScopeState, reason: str, now: TimeNs) -> ScopeState:
    return s if s.flatten_since else replace(s, flatten_since=now, flatten_reason=reason)


def _gate(account: A, name: str, active: bool, reason: str, now: TimeNs, until: TimeNs = 0) -> A:
    known = account.gates.get(name)
    if active:
        if known is not None and known.until == until:
            return account
        return replace(account, gates={**account.gates, name: Gate(reason, now, until)})
    if known is None:
        return account
    return replace(account, gates={k: v for k, v in account.gates.items() if k != name})


def _gate_changed(account: A, e: GateChanged, now: TimeNs) -> A:
    return _gate(account, e.gate, e.active, e.reason, now, e.until)


def _run_started(account: A, e: RunStarted, now: TimeNs) -> A:
    """A new process. Contexts of another account, mode or environment are never used (6.4)."""
    run = account.run
    if run is None or (run.account, run.mode, run.environment) != (e.account, e.mode, e.environment):
        return AccountState(run=e)
    if run == e:
        return account
    keep = ("kill_switch", "operator_pause", "venue_halt")
    gates = {k: v for k, v in account.gates.items() if k.startswith(keep)}
    scopes = {k: recovery.restarted(s, now) for k, s in account.scopes.items()}
    return replace(
        account, run=e, scopes=scopes, gates=gates, connected=False, hydrated=False, deaf_strikes=0, marks={}
    )


_HANDLERS: dict[type[msgspec.Struct], Callable[[AccountState, Any, TimeNs], AccountState]] = {
    OrderReport: _order,
    AlgoReport: _algo,
    FillNotice: _notice,
    AccountReport: _account,
    ConfigReport: _config,
    MarginCall: _margin_call,
    TriggerRejected: _trigger_rejected,
    StreamChanged: _stream,
    Unidentified: _unidentified,
    OrdersSnapshot: _orders_read,
    AlgosSnapshot: _algos_read,
    PositionsSnapshot: _positions_read,
    BalancesSnapshot: _balances_read,
    FillsSnapshot: _fills_read,
    InstrumentsSnapshot: _instruments,
    AccountModeSnapshot: _account_mode,
    OrderQueried: _queried,
    RequestsRegistered: _registered,
    RequestSent: _sent,
    RequestDropped: _dropped,
    AnswerReceived: _answered,
    TimePassed: _time,
    PriceReached: _price,
    RecoveryStarted: _recovery_started,
    RecoveryEnded: _recovery_ended,
    TrustLost: _trust_lost,
    OperatorCommand: _operator,
    GateChanged: _gate_changed,
    RunStarted: _run_started,
}
