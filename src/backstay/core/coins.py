"""What balances tell of spot's lots: which coins of theirs are there, and which may be sold.

Spot has no position rows: what we hold follows from trades, and is held against the balances (O-7), which are
told apart from the trades and a moment later. Everything here is pure.
"""

from collections.abc import Container, Iterable, Iterator
from decimal import Decimal

from msgspec.structs import replace

from backstay.core.lots import Lots, Trade
from backstay.core.money import round_down
from backstay.core.orders import is_open
from backstay.core.state import AccountState, ScopeState
from backstay.core.types import ZERO, Scope, Side

A = AccountState


def base_of(account: A, symbol: str) -> str:
    """The asset that this symbol trades; empty where its rules are not known."""
    instrument = account.instruments.get(symbol)
    return instrument.base if instrument is not None else ""


def uncovered(account: A, s: ScopeState) -> Decimal:
    """How much of the lots' base asset the account does not hold.

    While the balances are older than the latest trade they tell nothing of it: what was missing before the
    trade is missing still, since a BUY and a sale of ours move lots and coins alike.
    """
    instrument = account.instruments.get(s.scope.symbol)
    if s.lots is None or instrument is None or not account.balances_at:
        return ZERO
    row = account.balances.get(instrument.base)
    wallet = row.wallet if row is not None else ZERO
    if _untold(account, s, wallet):
        return s.lots.lacking
    held = s.lots.total
    for other in kin(account, s.scope, instrument.base):
        if other.lots is None:
            continue
        if _untold(account, other, wallet):
            return other.lots.lacking
        held += other.lots.total
    return max(held - wallet, ZERO)


def _untold(account: A, s: ScopeState, wallet: Decimal) -> bool:
    """The balances do not show the latest trade. Those of its very millisecond are known by their amount; any
    others by time alone, since a withdrawal may bring the amount back to what it was before the trade.
    """
    if account.balances_at != s.fill_at:
        return account.balances_at < s.fill_at
    return s.lots is not None and s.lots.untold == wallet


def kin(account: A, of: Scope, base: str) -> Iterator[ScopeState]:
    """The other scopes of the same base asset: together their lots are held against the balance."""
    rules_of = account.instruments.get
    for key, other in account.scopes.items():
        rules = rules_of(key.symbol)  # the base first: hardly any scope shares it, and all are looked at
        if rules is not None and rules.base == base and key != of:
            yield other


def sellable(account: A, s: ScopeState) -> Decimal | None:
    """How much of the derived position may be sold: not what the account no longer holds, nor what orders of
    others have locked, in whole steps. None where the filters are not known.

    Balances tell nothing of a trade that they do not show yet.
    """
    instrument = account.instruments.get(s.scope.symbol)
    if instrument is None or not instrument.step:
        return None
    quantity = s.position.quantity
    row = account.balances.get(instrument.base)
    wallet = row.wallet if row is not None else ZERO
    if not _untold(account, s, wallet):
        quantity = min(quantity, wallet - _locked(s))
    return max(round_down(quantity, instrument.step), ZERO)


def _locked(s: ScopeState) -> Decimal:
    """What resting SELLs of others have locked; the legs of an order list share their coins."""
    orders: dict[tuple[int, int], Decimal] = {}
    for row in s.orders.values():
        if row.side is Side.SELL and is_open(row) and row.client_id not in s.contexts:
            key = row.list_id, 0 if row.list_id else row.order_id
            orders[key] = max(orders.get(key, ZERO), row.quantity - row.filled)
    return sum(orders.values(), ZERO)


def gap_kept(
    account: A, before: ScopeState, lots: Lots, trades: Iterable[Trade], ours: Container[int]
) -> Lots:
    """The lots, knowing what was missing before these trades, and what others have sold by them since.

    `ours`: orders of ours that sell. What others sold may not have been of the lots: the balances, which are
    on their way, will tell.
    """
    trades = tuple(trades)
    if not trades:
        return lots
    gap, untold, last = uncovered(account, before), None, trades[-1]
    told = last.at < account.balances_at
    buys = last.side is Side.BUY
    if last.at == account.balances_at and (buys or last.order_id in ours):
        # Two orders may be filled in one millisecond, each with its report and then its balances, and those
        # of the first have the time of the second. Where a late report follows its balances, what is missing
        # has changed by what it tells.
        told = gap < lots.lacking if buys else gap > lots.lacking
        row = account.balances.get(base_of(account, before.scope.symbol))
        untold = row.wallet if row is not None else ZERO
    if told:
        return lots if lots.untold is None else replace(lots, untold=None)
    gap += sum((t.quantity for t in trades if t.side is Side.SELL and t.order_id not in ours), ZERO)
    if gap == lots.lacking and untold == lots.untold:
        return lots
    return replace(lots, lacking=gap, untold=untold)
