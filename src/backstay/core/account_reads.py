"""What was read: snapshots and queries, folded into every scope that they cover (I-7, O-9)."""

from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from backstay.core import daily, reading, refused_sales, spot
from backstay.core.account_scopes import each, gate, of_symbol, release, scope_of, scope_state, with_scope
from backstay.core.blocks import self_traded
from backstay.core.events import (
    AccountModeSnapshot,
    AlgosSnapshot,
    BalancesSnapshot,
    FillsSnapshot,
    InstrumentsSnapshot,
    OrderQueried,
    OrdersSnapshot,
    PositionsSnapshot,
)
from backstay.core.state import AccountState, ScopeState
from backstay.core.types import MS, SECOND, PositionMode, PositionSide, Product, Scope, TimeNs

A = AccountState
BALANCES_LAG = 5 * SECOND
"""A read of spot's balances is served from a copy that may be so old."""


def _covered(account: A, product: Product, symbols: tuple[str, ...], rows: Iterable[Any]) -> list[Scope]:
    """Known scopes inside a snapshot's coverage, and those that its rows introduce."""
    known = [k for k in account.scopes if k.product is product and (not symbols or k.symbol in symbols)]
    new = (scope_of(product, r.symbol, r.position_side) for r in rows)
    return list(dict.fromkeys((*known, *new)))


def _quiet(account: A) -> TimeNs:
    return account.run.quiet_ms * MS if account.run is not None else 0


def orders_read(account: A, e: OrdersSnapshot, now: TimeNs) -> A:
    def merge(s: ScopeState) -> ScopeState:
        rows = tuple(
            r for r in e.rows if r.symbol == s.scope.symbol and r.position_side is s.scope.position_side
        )
        after = reading.merge_orders(s, rows, e.requested_at, now, _quiet(account))
        return spot.after_read(account, s, after, rows, now) if e.product is Product.SPOT else after

    after = _strike(account, each(account, _covered(account, e.product, e.symbols, e.rows), merge))
    if e.product is not Product.SPOT:
        return after
    left = any(s.orders.keys() - after.scopes[key].orders.keys() for key, s in account.scopes.items())
    return refused_sales.with_room(after) if left else after


def algos_read(account: A, e: AlgosSnapshot, now: TimeNs) -> A:
    def merge(s: ScopeState) -> ScopeState:
        rows = tuple(
            r for r in e.rows if r.symbol == s.scope.symbol and r.position_side is s.scope.position_side
        )
        return reading.merge_algos(s, rows, e.requested_at, now, _quiet(account))

    return _strike(account, each(account, _covered(account, e.product, e.symbols, e.rows), merge))


def _strike(before: A, after: A) -> A:
    """A read shows the effect of a mutation whose private event never came: the stream may be deaf."""
    for key, s in after.scopes.items():
        old = before.scopes.get(key)
        if old is None or old.pendings is s.pendings:
            continue
        late = (name for name, p in old.pendings.items() if p.expired and p.opened_at >= before.connected_at)
        if any(name not in s.pendings for name in late):
            return replace(after, deaf_strikes=before.deaf_strikes + 1)
    return after


def positions_read(account: A, e: PositionsSnapshot, now: TimeNs) -> A:
    if e.product is Product.SPOT:
        return account  # there are none: the position follows from trades
    hedge = account.position_mode is PositionMode.HEDGE
    both = PositionSide.BOTH
    rows = {(r.symbol, r.position_side): r for r in e.rows if not (hedge and r.position_side is both)}

    def merge(s: ScopeState) -> ScopeState:
        row = rows.get((s.scope.symbol, s.scope.position_side))
        return reading.merge_position(s, row, e.requested_at, now)

    return each(account, _covered(account, e.product, e.symbols, rows.values()), merge)


def balances_read(account: A, e: BalancesSnapshot, now: TimeNs) -> A:
    balances, shown = {b.asset: b for b in e.rows}, _shown_to(e)
    for asset, told_at in account.balances_told.items():
        if told_at > shown:
            balances.pop(asset, None)
            if asset in account.balances:  # a read does not list what the account has none of
                balances[asset] = account.balances[asset]
    if balances == account.balances or e.requested_at < account.balances_at:
        return account
    known = account
    account = each(account, account.scopes, lambda s: refused_sales.funded(known, s, balances))
    results = account.results
    if e.product is Product.USDM:
        results = daily.booked_read(results, account.balances, e.rows, e.requested_at)
    at = max(shown, account.balances_at)
    return replace(account, balances=balances, balances_at=at, results=results)


def _shown_to(e: BalancesSnapshot) -> TimeNs:
    """Every change before this time is in the snapshot.

    On spot it may be a copy that lags, by so long and no longer: then the last change that is in it tells.
    """
    # Reports count in milliseconds: one of the very millisecond in which was asked is not older.
    asked = e.requested_at // MS * MS
    return min(asked, max(e.updated_at + 1, asked - BALANCES_LAG)) if e.updated_at else asked


def fills_read(account: A, e: FillsSnapshot, now: TimeNs) -> A:
    """Trades explain, they do not define: they only move the fill watermark (O-2). On spot all
    follows from them.
    """
    if e.product is Product.SPOT:
        return spot.fills(account, e, now)
    for row in e.rows:
        key = scope_of(e.product, row.symbol, row.position_side)
        s = scope_state(account, key)
        if row.at > s.fill_at:
            # A fill that only a read shows needs its deadline like any other, or it is waited for for ever.
            unmatched = row.at > s.position.at and not s.fill_seen_at
            seen = now if unmatched else s.fill_seen_at
            account = with_scope(account, replace(s, fill_at=row.at, fill_seen_at=seen))
    return account


def instruments(account: A, e: InstrumentsSnapshot, now: TimeNs) -> A:
    instruments = {i.symbol: i for i in e.instruments}
    if instruments == account.instruments:
        return account
    account = each(account, account.scopes, lambda s: release(release(s, "filter"), "min_notional"))
    return replace(account, instruments=instruments)


def account_mode(account: A, e: AccountModeSnapshot, now: TimeNs) -> A:
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
    after = gate(after, "account_mode_mismatch", mismatch, f"the account is in {e.position_mode} mode", now)
    return account if after == account else after


def queried(account: A, e: OrderQueried, now: TimeNs) -> A:
    keys = [k for k in of_symbol(account, e.symbol) if e.ctx_id in account.scopes[k].contexts]

    def merge(s: ScopeState) -> ScopeState:
        found = reading.queried(s, e, now)
        found = found if e.order is None else self_traded(s, found, e.order, now)
        if e.product is not Product.SPOT or e.order is None:
            return found
        return spot.after_read(account, s, found, (e.order,), now)

    after = each(account, keys, merge)
    return after if e.order is None and e.algo is None else _strike(account, after)
