"""The fold: evidence in, account state out. The one door through which anything becomes known.

`fold(account, event, now)` is deterministic and total (I-1): the same events at the same times give the
same state, no event raises, an event that is no news returns the very same object. Nothing plans, waits
or writes here. `now` is local time and enters timers only.
"""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec.structs import replace

from backstay.core import account_market, account_own, account_reads, scope
from backstay.core.account_scopes import each, of_symbol, release, scope_of, scope_state, with_scope
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
from backstay.core.scored import BookSeen, SignalScored
from backstay.core.state import AccountState, ScopeState
from backstay.core.types import ExecutionType, PositionMode, PositionSide, Scope, TimeNs

A = AccountState

__all__ = ["fold", "scope_of", "scope_state", "with_scope"]


def fold(account: AccountState, event: AnyEvent, now: TimeNs) -> AccountState:
    """The account after `event`, taken in at local time `now` (ns)."""
    handler = _HANDLERS.get(type(event))
    return account if handler is None else handler(account, event, now)


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
    if account.position_mode is PositionMode.ONE_WAY:
        before = scope_state(account, scope_of(e.product, e.symbol, PositionSide.BOTH))
        return with_scope(account, scope.notice_fill(before, e, now))
    keys = of_symbol(account, e.symbol)
    mine = [k for k in keys if e.client_id in account.scopes[k].contexts]
    return each(account, mine or _one_side(account, keys, e), lambda s: scope.notice_fill(s, e, now))


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
        wallets = {b.asset: _wallet(account, b) for b in e.balances}
        known = account.balances
        if any(known.get(asset) != wallet for asset, wallet in wallets.items()):
            changes["balances"] = known | wallets
            scopes = _margin_freed(scopes if scopes is not None else account.scopes)
            changes["scopes"] = scopes
        if e.at > account.balances_at:
            changes["balances_at"] = e.at
    return replace(account, **changes) if changes else account


def _margin_freed(scopes: dict[Scope, ScopeState]) -> dict[Scope, ScopeState]:
    """A changed balance is a changed premise of every refusal for lack of margin (8.1)."""
    for s in scopes.values():
        if s.blocks:
            return {k: release(s, "margin") for k, s in scopes.items()}
    return scopes


def _wallet(account: A, b: BalanceRow) -> BalanceRow:
    known = account.balances.get(b.asset)
    return BalanceRow(b.asset, b.wallet, b.cross_wallet, available=known.available if known else None)


def _config(account: A, e: ConfigReport, now: TimeNs) -> A:
    changes: dict[str, Any] = {}
    if e.symbol and account.leverages.get(e.symbol) != e.leverage:
        changes["leverages"] = {**account.leverages, e.symbol: e.leverage}
        account = each(account, of_symbol(account, e.symbol), lambda s: release(s, "position_limit"))
    if e.multi_assets is not None and e.multi_assets != account.multi_assets:
        changes["multi_assets"] = e.multi_assets
    return replace(account, **changes) if changes else account


def _margin_call(account: A, e: MarginCall, now: TimeNs) -> A:
    keys = [scope_of(e.product, p.symbol, p.position_side) for p in e.positions]
    return each(account, keys, lambda s: scope.block_exposure(s, "margin_call", now))


def _trigger_rejected(account: A, e: TriggerRejected, now: TimeNs) -> A:
    keys = [k for k in of_symbol(account, e.symbol) if e.order_id in account.scopes[k].orders]
    return each(account, keys, lambda s: scope.lose_trust(s, "trigger_rejected"))


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
    return each(account, account.scopes, lambda s: scope.lose_trust(s, reason))


def _unidentified(account: A, e: Unidentified, now: TimeNs) -> A:
    keys = of_symbol(account, e.symbol) if e.symbol else list(account.scopes)
    return each(account, keys, lambda s: scope.lose_trust(s, "unidentified_event"))


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
    OrdersSnapshot: account_reads.orders_read,
    AlgosSnapshot: account_reads.algos_read,
    PositionsSnapshot: account_reads.positions_read,
    BalancesSnapshot: account_reads.balances_read,
    FillsSnapshot: account_reads.fills_read,
    InstrumentsSnapshot: account_reads.instruments,
    AccountModeSnapshot: account_reads.account_mode,
    OrderQueried: account_reads.queried,
    RequestsRegistered: account_own.registered,
    RequestSent: account_own.sent,
    RequestDropped: account_own.dropped,
    AnswerReceived: account_own.answered,
    TimePassed: account_own.time,
    PriceReached: account_own.price,
    RecoveryStarted: account_own.recovery_started,
    RecoveryEnded: account_own.recovery_ended,
    TrustLost: account_own.trust_lost,
    OperatorCommand: account_own.operator,
    GateChanged: account_own.gate_changed,
    RunStarted: account_own.run_started,
    SignalScored: account_market.scored,
    BookSeen: account_market.book_seen,
}
