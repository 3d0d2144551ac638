"""The fold: evidence in, account state out. The one door through which anything becomes known.

`fold(account, event, now)` is deterministic and total (I-1): the same events at the same times give the
same state, no event raises, an event that is no news returns the very same object. Nothing plans, waits
or writes here. `now` is local time and enters timers only.
"""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec.structs import replace

from backstay.core import (
    account_market,
    account_own,
    account_reads,
    daily,
    orders,
    refused_sales,
    requests,
    scope,
    spot,
)
from backstay.core.account_scopes import each, of_symbol, release, scope_of, scope_state, with_scope
from backstay.core.account_settings import AccountSettingUpdated
from backstay.core.blocks import self_traded
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
    RunStopped,
    StreamChanged,
    StreamState,
    TimePassed,
    TriggerRejected,
    TrustLost,
    Unidentified,
)
from backstay.core.scored import BookSeen, SignalScored
from backstay.core.state import AccountState, ScopeState
from backstay.core.types import ExecutionType, OrderStatus, PositionMode, PositionSide, Product, Scope, TimeNs

A = AccountState
# Looked up once: every event passes here, on its way to a stop or out of a ledger.
SPOT, USDM, BOTH = Product.SPOT, Product.USDM, PositionSide.BOTH
ONE_WAY, HEDGE = PositionMode.ONE_WAY, PositionMode.HEDGE
EXPIRED_IN_MATCH = OrderStatus.EXPIRED_IN_MATCH

__all__ = ["fold", "fold_in_place", "scope_of", "scope_state", "with_scope"]


def fold(account: AccountState, event: AnyEvent, now: TimeNs) -> AccountState:
    """The account after `event`, taken in at local time `now` (ns)."""
    kind = type(event)
    local = _LOCAL.get(kind)
    if local is not None:
        key_of, change = local
        key = key_of(account, event)
        if key is not None:
            before = account.scopes.get(key) or scope_state(account, key)
            return with_scope(account, change(before, event, now, False))
    handler = _HANDLERS.get(kind)
    return account if handler is None else handler(account, event, now)


def fold_in_place(account: AccountState, event: AnyEvent, now: TimeNs) -> AccountState:
    """As `fold`, for an account that nobody else holds, such as one on its way out of a ledger.

    What concerns one scope is set in the account's own dictionary, and the scope's orders and contexts in
    its own tables. Copying them, event by event, is a third of a fold with 50 scopes, and grows with both.
    """
    kind = type(event)
    local = _LOCAL.get(kind)
    if local is not None:
        key_of, change = local
        key = key_of(account, event)
        if key is not None:
            scopes = account.scopes
            after = change(scopes.get(key) or scope_state(account, key), event, now, True)
            scopes[after.scope] = after
            return account
    handler = _HANDLERS_IN_PLACE.get(kind)
    return account if handler is None else handler(account, event, now)


# --- what concerns one scope --------------------------------------------------------------------
# Which one; None when the event says something about the account or about other scopes as well.


def _of_order(account: A, e: OrderReport | AlgoReport) -> Scope | None:
    # A spot trade moves balances and lots; what self-trade prevention took away is counted.
    if account.deaf_strikes or e.product is SPOT or e.status is EXPIRED_IN_MATCH:
        return None
    return scope_of(e.product, e.symbol, e.position_side)


def _of_notice(account: A, e: FillNotice) -> Scope | None:
    return scope_of(e.product, e.symbol, BOTH) if account.position_mode is ONE_WAY else None


def _of_requests(account: A, e: RequestsRegistered) -> Scope | None:
    return account_own.only_scope(e.requests)


def _of_sent(account: A, e: RequestSent) -> Scope | None:
    return e.scope


def _of_answer(account: A, e: AnswerReceived) -> Scope | None:
    return None if e.effect in account_own.FAR_REACHING else e.scope


type _KeyOf = Callable[[AccountState, Any], Scope | None]
type _Change = Callable[[ScopeState, Any, TimeNs, bool], ScopeState]
"""(state, event, now, nobody else holds the state) -> state"""

_LOCAL: dict[type[msgspec.Struct], tuple[_KeyOf, _Change]] = {
    OrderReport: (_of_order, scope.report_order),
    AlgoReport: (_of_order, scope.report_algo),
    FillNotice: (_of_notice, scope.notice_fill),
    RequestsRegistered: (_of_requests, account_own.register),
    RequestSent: (_of_sent, requests.sent),
    AnswerReceived: (_of_answer, requests.answered),
}
"""The commonest evidence: its scope, and what it makes of that scope. Everything else: `_HANDLERS`."""


# --- what concerns more -------------------------------------------------------------------------


def _order(account: A, e: OrderReport, now: TimeNs) -> A:
    before = scope_state(account, scope_of(e.product, e.symbol, e.position_side))
    after = self_traded(before, scope.report_order(before, e, now), e, now)
    if e.product is Product.SPOT:
        after = spot.after_order(account, before, after, e, now)
    pushed = e.execution is not ExecutionType.SNAPSHOT
    known = with_scope(_heard(account, before, after) if pushed else account, after)
    return refused_sales.with_room(known) if e.product is Product.SPOT and not orders.is_open(e) else known


def _algo(account: A, e: AlgoReport, now: TimeNs) -> A:
    before = scope_state(account, scope_of(e.product, e.symbol, e.position_side))
    after = scope.report_algo(before, e, now)
    return with_scope(account if e.snapshot else _heard(account, before, after), after)


def _heard(account: A, before: ScopeState, after: ScopeState) -> A:
    """A push settled what was waited for: the stream is not deaf."""
    settled = len(after.pendings) < len(before.pendings)
    return replace(account, deaf_strikes=0) if settled and account.deaf_strikes else account


def _notice(account: A, e: FillNotice, now: TimeNs) -> A:
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
    after = _reported(account, e, now)
    scopes = account.scopes.copy() if after else account.scopes
    for s in after:
        scopes[s.scope] = s
    return _with_balances(account, scopes, e)


def _account_in_place(account: A, e: AccountReport, now: TimeNs) -> A:
    for s in _reported(account, e, now):
        account.scopes[s.scope] = s
    return _with_balances(account, account.scopes, e)


def _reported(account: A, e: AccountReport, now: TimeNs) -> list[ScopeState]:
    """The scopes that change by the positions in `e`."""
    hedge = account.position_mode is HEDGE
    changed = []
    for row in e.positions:
        if hedge and row.position_side is BOTH:
            continue  # comes along in hedge mode and carries nothing
        before = scope_state(account, scope_of(e.product, row.symbol, row.position_side))
        after = scope.report_position(before, row, e.at, e.emitted_at, now)
        if after is not before:
            changed.append(after)
    return changed


def _with_balances(account: A, scopes: dict[Scope, ScopeState], e: AccountReport) -> A:
    """The account with these scopes, and with the balances in `e` unless later ones are known."""
    balances, balances_at, free = account.balances, account.balances_at, account.margin_free
    results, told = account.results, account.balances_told
    if e.balances and e.at >= balances_at:
        balances_at = e.at
        if e.product is SPOT:
            told = {asset: at for asset, at in told.items() if at > e.at - account_reads.BALANCES_LAG}
            told.update((row.asset, e.at) for row in e.balances)
        balances = _with_wallets(balances, e.balances)
        changed = balances is not account.balances
        if changed and e.product is USDM and e.reason in daily.RESULTS:
            results = daily.booked(results, account.balances, e.balances, e.at)
        if changed and not free:
            # A changed balance is a changed premise of every refusal for lack of margin (8.1).
            scopes = {k: refused_sales.funded(account, s, balances) for k, s in scopes.items()}
            free = not any(b.effect == "margin" for s in scopes.values() for b in s.blocks)
    if scopes is account.scopes and balances is account.balances and balances_at == account.balances_at:
        return account
    return replace(
        account,
        scopes=scopes,
        balances=balances,
        balances_at=balances_at,
        balances_told=told,
        margin_free=free,
        results=results,
    )


def _with_wallets(known: dict[str, BalanceRow], rows: tuple[BalanceRow, ...]) -> dict[str, BalanceRow]:
    """The balances with what a push says of them."""
    balances = known
    for row in rows:
        old = balances.get(row.asset)
        # Only spot pushes tell what is free; on USD-M the last read is all there is.
        free = row.available if row.available is not None else old.available if old is not None else None
        new = BalanceRow(row.asset, row.wallet, row.cross_wallet, available=free)
        if new != old:
            if balances is known:
                balances = known.copy()
            balances[row.asset] = new
    return balances


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
        account = replace(account, connected=True, connected_at=now, deaf_strikes=1 if lost else 0)
        return _distrust_all(account, "stream_reconnected") if lost else account
    return _distrust_all(replace(account, connected=False), f"stream_{e.state}")


def _distrust_all(account: A, reason: str) -> A:
    if (account.hydrated or account.hydrating) and not account.gap:
        account = replace(account, gap=reason)
    return each(account, account.scopes, lambda s: scope.lose_trust(s, reason))


def _unidentified(account: A, e: Unidentified, now: TimeNs) -> A:
    if not e.symbol:
        # It may be about a position that no scope stands for yet.
        return _distrust_all(account, "unidentified_account_event")
    keys = of_symbol(account, e.symbol)
    return each(account, keys, lambda s: scope.lose_trust(s, "unidentified_event"))


type _Handler = Callable[[AccountState, Any, TimeNs], AccountState]

_HANDLERS: dict[type[msgspec.Struct], _Handler] = {
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
    RequestDropped: account_own.dropped,
    AnswerReceived: account_own.refused,
    TimePassed: account_own.time,
    PriceReached: account_own.price,
    RecoveryStarted: account_own.recovery_started,
    RecoveryEnded: account_own.recovery_ended,
    TrustLost: account_own.trust_lost,
    OperatorCommand: account_own.operator,
    GateChanged: account_own.gate_changed,
    AccountSettingUpdated: account_market.setting_updated,
    RunStarted: account_own.run_started,
    SignalScored: account_market.scored,
    BookSeen: account_market.book_seen,
    RunStopped: account_own.run_stopped,
}
_HANDLERS_IN_PLACE: dict[type[msgspec.Struct], _Handler] = {**_HANDLERS, AccountReport: _account_in_place}
