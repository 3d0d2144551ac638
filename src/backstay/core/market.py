"""What a strategy that opens positions sees besides the position: signal, plan, equity, book, slot lives."""

from collections.abc import Sequence
from decimal import Decimal

from backstay.core import algo_orders, orders
from backstay.core.contexts import OrderContext
from backstay.core.convergence import remaining, row_of
from backstay.core.instruments import Instrument
from backstay.core.state import AccountState, ScopeState
from backstay.core.types import ZERO, OrderType
from backstay.core.view import MarketView, SlotLife


def market_view(account: AccountState, s: ScopeState, instrument: Instrument) -> MarketView:
    """The market side of a scope's view."""
    wallet = account.balances.get(instrument.margin_asset)
    return MarketView(
        signal=s.signal,
        plan=s.entry_signal,
        plan_is_old=s.plan_is_old,
        equity=wallet.wallet if wallet is not None else None,
        book=s.book,
        closed_at=s.closed_at,
        last_result=s.realized if s.epoch else None,
        foreign=any(number not in s.strangers for number in strangers(s)),
    )


def strangers(s: ScopeState) -> tuple[int, ...]:
    """Numbers of the open orders that are not ours."""
    rows = [(r.client_id, r.order_id) for r in s.orders.values() if orders.is_open(r)]
    rows += [(r.client_id, r.algo_id) for r in s.algos.values() if algo_orders.is_open(r)]
    return tuple(sorted(number for name, number in rows if name not in s.contexts))


def slot_life(s: ScopeState, held: Sequence[OrderContext]) -> SlotLife:
    """The life of one slot, told by all of its orders; `held` is not empty."""
    if len(held) == 1:  # as nearly always, and then nothing has to be added up
        first = last = held[0]
        filled, is_open = first.filled, not first.is_terminal
    else:
        first = min(held, key=lambda c: c.generation)
        last = max(held, key=lambda c: c.created_at)
        filled, is_open = sum((c.filled for c in held), ZERO), any(not c.is_terminal for c in held)
    resting: Decimal | None = None
    price: Decimal | None = None
    for ctx in held:
        row = row_of(s, ctx) if ctx.is_resting else None
        if row is not None and row.kind is OrderType.LIMIT:
            resting, price = remaining(row), row.price
    return SlotLife(
        total=first.slot.total or first.slot.quantity or ZERO,
        filled=filled,
        since=first.created_at,
        last_at=last.created_at,
        open=is_open,
        resting=resting,
        price=price,
    )
