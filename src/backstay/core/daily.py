"""The daily loss: what the account has lost since the configured hour, realised and open, and what follows.

Realised is what the wallets changed by: trades, fees and funding, no transfers. The fold books it by the hour
of the venue's own time: the day may begin at any hour, and nothing has to happen when it does. What only a
read shows may have been a transfer: it counts when it is a loss. Open is what positions would lose at the
latest recorded mark price; where none was recorded yet, nothing.

Entries and DCA steps are refused from the limit on until the day is over. Protection never is.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from msgspec.structs import replace

from backstay.core.events import BalanceRow
from backstay.core.slots import Watch, WatchSide
from backstay.core.state import AccountState, ScopeState
from backstay.core.types import SECOND, ZERO, Direction, Product, TimeNs
from backstay.core.wanted import Wanted

HOUR = 3600 * SECOND
HOURS_KEPT = 25
MARGIN_ASSETS = frozenset({"USDT", "USDC", "FDUSD"})
"""Wallets that count, at par; a fee taken in another asset does not."""
RESULTS = frozenset({"ORDER", "FUNDING_FEE", "INSURANCE_CLEAR", "ADJUSTMENT"})
"""Reasons of an ACCOUNT_UPDATE that stand for profit or loss; others are transfers (binance-usdm.md 4)."""

type Hours = tuple[tuple[int, Decimal], ...]


def booked(hours: Hours, known: Mapping[str, BalanceRow], rows: Iterable[BalanceRow], at: TimeNs) -> Hours:
    """`hours` and what the wallets in `rows` gained or lost against the known ones, at venue time `at`."""
    gained = ZERO
    for row in rows:
        before = known.get(row.asset)
        if before is not None and row.asset in MARGIN_ASSETS:
            gained += row.wallet - before.wallet
    return _added(hours, gained, at)


def booked_read(
    hours: Hours, known: Mapping[str, BalanceRow], rows: Iterable[BalanceRow], at: TimeNs
) -> Hours:
    """The same for a read, which does not tell losses from withdrawals, nor gains from deposits."""
    after = booked((), known, rows, at)
    return _added(hours, min(after[0][1], ZERO), at) if after else hours


def _added(hours: Hours, result: Decimal, at: TimeNs) -> Hours:
    if not result:
        return hours
    hour = at // HOUR
    if hours and hours[-1][0] >= hour:
        return (*hours[:-1], (hours[-1][0], hours[-1][1] + result))
    return (*hours[-HOURS_KEPT:], (hour, result))


def day_began(now: TimeNs, hour: int) -> TimeNs:
    """When the present day began, if days begin at `hour` o'clock UTC."""
    shift = hour * HOUR
    return (now - shift) // (24 * HOUR) * (24 * HOUR) + shift


def realised(account: AccountState, now: TimeNs, hour: int) -> Decimal:
    """Profit (+) or loss (-) since the day began."""
    first = day_began(now, hour) // HOUR
    return sum((result for at, result in account.results if at >= first), ZERO)


def unrealised(s: ScopeState) -> Decimal:
    """What the position would bring at the latest mark price that was recorded in its life."""
    if s.last_mark is None or s.scope.product is not Product.USDM:
        return ZERO
    return (s.last_mark - s.position.entry_price) * s.position.quantity


def allowance(account: AccountState, share: Decimal, now: TimeNs, hour: int) -> Decimal:
    """What may be lost in a day: `share` of the wallets as they were when it began."""
    wallets = sum((b.wallet for a, b in account.balances.items() if a in MARGIN_ASSETS), ZERO)
    return share * max(wallets - realised(account, now, hour), ZERO)


def is_used_up(account: AccountState, share: Decimal, now: TimeNs, hour: int) -> bool:
    """The loss of the day, realised and open together, has reached the limit."""
    still_open = sum((unrealised(s) for s in account.scopes.values()), ZERO)
    return realised(account, now, hour) + still_open <= -allowance(account, share, now, hour)


def watched(
    wanted: Wanted, account: AccountState, s: ScopeState, share: Decimal, now: TimeNs, hour: int
) -> Wanted:
    """`wanted` with the mark price at which this position would use up the limit; then with the day's end."""
    if is_used_up(account, share, now, hour):
        ends = day_began(now, hour) + 24 * HOUR
        return replace(wanted, wake_at=ends if wanted.wake_at is None else min(wanted.wake_at, ends))
    direction = s.position.direction
    if direction is None or s.scope.product is not Product.USDM:
        return wanted
    others = sum((unrealised(x) for x in account.scopes.values() if x.scope != s.scope), ZERO)
    left = allowance(account, share, now, hour) + realised(account, now, hour) + others
    price = s.position.entry_price - left / s.position.quantity
    if price <= 0:
        return wanted
    side = WatchSide.AT_OR_BELOW if direction is Direction.LONG else WatchSide.AT_OR_ABOVE
    return replace(wanted, watches=(*wanted.watches, Watch(side, price)))
