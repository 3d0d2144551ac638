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
        equity=wallet.wallet if wallet is not None else None,
        book=s.book,
        closed_at=s.closed_at,
        last_result=s.realized if s.epoch else None,
        foreign=_foreign(s),
    )


def _foreign(s: ScopeState) -> bool:
    rows = [r.client_id for r in s.orders.values() if orders.is_open(r)]
    rows += [r.client_id for r in s.algos.values() if algo_orders.is_open(r)]
    return any(name not in s.contexts for name in rows)


def slot_life(s: ScopeState, held: Sequence[OrderContext]) -> SlotLife:
    """The life of one slot, told by all of its orders; `held` is not empty."""
    first = min(held, key=lambda c: c.generation)
    resting: Decimal | None = None
    price: Decimal | None = None
    for ctx in held:
        row = row_of(s, ctx)
        if ctx.is_resting and row is not None and row.kind is OrderType.LIMIT:
            resting, price = remaining(row), row.price
    return SlotLife(
        total=first.slot.total or first.slot.quantity or ZERO,
        filled=sum((c.filled for c in held), ZERO),
        since=first.created_at,
        last_at=max(c.created_at for c in held),
        open=any(not c.is_terminal for c in held),
        resting=resting,
        price=price,
    )
