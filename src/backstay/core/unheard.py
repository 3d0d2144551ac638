"""What a read shows and no event told: where the venue's lists and the account that we hold differ.

Deaf strikes (4.1.2) need a mutation of our own. On an account that only rests nothing is sent, and a stop
that its owner cancels behind a stream gone silent would be missed for ever: a round of reads sees it. Scopes
that are in doubt, or have a request under way, are left out: other deadlines judge them.
"""

from collections.abc import Iterable

from backstay.core import algo_orders, orders
from backstay.core.account_scopes import scope_of
from backstay.core.engine import Engine
from backstay.core.events import (
    AlgosSnapshot,
    BalancesSnapshot,
    FillRow,
    FillsSnapshot,
    OrdersSnapshot,
    PositionsSnapshot,
)
from backstay.core.lots import NONE
from backstay.core.recovery import in_doubt
from backstay.core.state import AccountState, ScopeState
from backstay.core.types import SECOND, ZERO, PositionSide, Scope, Surface, TimeNs, Trust

SETTLED = 30 * SECOND
"""Of a scope that heard something later a read may not tell yet: the algo surface lags by tens of seconds."""
NOTHING = (ZERO, ZERO)
"""Wallet and what is free of it, of a coin that is not there."""

type Orders = set[tuple[Surface, int]]
type Unheard = dict[Scope, str]


def unheard(
    account: AccountState,
    engine: Engine,
    regular: OrdersSnapshot,
    algos: AlgosSnapshot,
    worth: PositionsSnapshot | BalancesSnapshot,
    trades: Iterable[FillsSnapshot],
    now: TimeNs,
) -> Unheard:
    """Managed scopes of which these reads of the whole account tell something else, each with what it is.

    `worth`: positions, or spot's balances; `trades`: of some of spot's symbols. Account and reads have to be
    of one moment.
    """
    product, listed = regular.product, _listed(regular, algos)
    held = {}
    if isinstance(worth, PositionsSnapshot):
        held = {scope_of(product, r.symbol, r.position_side): r.quantity for r in worth.rows if r.quantity}
    coins = _coins(account, worth) if isinstance(worth, BalancesSnapshot) else {}
    traded = {scope_of(product, t.symbol, PositionSide.BOTH): t.rows for t in trades}
    found: Unheard = {}
    for key in sorted({*listed, *held, *account.scopes}):
        s = account.scopes.get(key)
        if key.product is not product or engine.manager(key) is None:
            continue
        if s is not None and _unsettled(s, now):
            continue
        ours = _open(s) if s is not None else set()
        quantity = s.position.quantity if s is not None else ZERO
        if words := _orders_differ(ours, listed.get(key, set())):
            found[key] = words
        elif isinstance(worth, PositionsSnapshot) and held.get(key, ZERO) != quantity:
            found[key] = f"a position of {held.get(key, ZERO)}, known as {quantity}"
        elif key.symbol in coins:
            found[key] = coins[key.symbol]
        elif untold := _untold(s, traded.get(key, ())):
            found[key] = f"traded and never reported: {', '.join(map(str, untold[:3]))}"
    return found


def settled_at(account: AccountState, engine: Engine) -> TimeNs:
    """Local time from which on no managed scope is left out for having heard something lately."""
    heard = (s.burst_last for key, s in account.scopes.items() if engine.manager(key) is not None)
    return max(heard, default=0) + SETTLED


def _unsettled(s: ScopeState, now: TimeNs) -> bool:
    if now - s.burst_last < SETTLED:
        return True
    return s.trust is not Trust.TRUSTED or bool(s.pendings) or not s.matched or bool(in_doubt(s))


def _open(s: ScopeState) -> Orders:
    regular = {(Surface.REGULAR, i) for i, row in s.orders.items() if orders.is_open(row)}
    return regular | {(Surface.ALGO, i) for i, row in s.algos.items() if algo_orders.is_open(row)}


def _listed(regular: OrdersSnapshot, algos: AlgosSnapshot) -> dict[Scope, Orders]:
    found: dict[Scope, Orders] = {}
    for row in regular.rows:
        key = scope_of(regular.product, row.symbol, row.position_side)
        found.setdefault(key, set()).add((Surface.REGULAR, row.order_id))
    for algo in algos.rows:
        key = scope_of(algos.product, algo.symbol, algo.position_side)
        found.setdefault(key, set()).add((Surface.ALGO, algo.algo_id))
    return found


def _orders_differ(ours: Orders, theirs: Orders) -> str:
    """The numbers of at most three orders each way, lowest first."""
    words = []
    if gone := sorted(number for _, number in ours - theirs)[:3]:
        words.append(f"not open any more: {', '.join(map(str, gone))}")
    if new := sorted(number for _, number in theirs - ours)[:3]:
        words.append(f"open and never reported: {', '.join(map(str, new))}")
    return "; ".join(words)


def _untold(s: ScopeState | None, rows: Iterable[FillRow]) -> list[int]:
    """Trades that are not known, lowest first: a balance that was told says nothing of the lot behind it."""
    lots = NONE if s is None or s.lots is None else s.lots
    return sorted(r.trade_id for r in rows if r.trade_id > lots.read_to and r.trade_id not in lots.ahead)


def _coins(account: AccountState, balances: BalancesSnapshot) -> dict[str, str]:
    """Symbols of whose base asset the account holds, or has free, something else than is known."""
    told = {row.asset: (row.wallet, row.available) for row in balances.rows}
    found = {}
    for symbol, rules in account.instruments.items():
        known = account.balances.get(rules.base)
        before = (known.wallet, known.available) if known is not None else NOTHING
        now = told.get(rules.base, NOTHING)
        if before != now:
            found[symbol] = f"{now[0]} {rules.base} ({now[1]} free), known as {before[0]} ({before[1]} free)"
    return found
