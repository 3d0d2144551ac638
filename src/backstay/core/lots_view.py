"""What a strategy that sells lots may see of a spot scope."""

from decimal import Decimal

from backstay.core.blocks import holds
from backstay.core.coins import uncovered
from backstay.core.contexts import TERMINAL, OrderContext, Phase
from backstay.core.instruments import Instrument
from backstay.core.lots import NONE
from backstay.core.orders import OPEN
from backstay.core.risk import open_gate
from backstay.core.state import AccountState, ScopeState
from backstay.core.types import ZERO, PositionMode, TimeNs
from backstay.core.view import NO_MARKET, LotsView, MarketView, PositionView

_NO_ORDER = TERMINAL | {Phase.PRE_ARMED}
SPOT_FEE = Decimal("0.001")
"""Both sides, without any discount, until the account's own rates are read."""


def lots_view(
    account: AccountState, s: ScopeState, mode: PositionMode, instrument: Instrument, now: TimeNs
) -> PositionView:
    """The facts of a spot scope for a strategy that sells lots. It looks at every order, and at no lot."""
    selling: dict[int, OrderContext] = {}
    under_way = 0
    halted = "kill_switch" if "kill_switch" in account.gates else s.flatten_reason
    for ctx in s.contexts.values():
        names = ctx.slot.lots
        if names and ctx.phase not in _NO_ORDER:
            under_way += ctx.order_id not in s.orders
            for name in names:
                selling[name] = ctx
            if names[0] < 0 and ctx.awaits_lot:
                halted = halted or f"order {ctx.ctx_id} does not tell which lot it sells"
    lots = s.lots or NONE
    view = LotsView(
        lots=lots,
        selling=selling,
        uncovered=uncovered(account, s),
        refused=frozenset(
            b.key.step for b in s.blocks if b.by_lot and b.key is not None and holds(b, s, now)
        ),
        open_orders=under_way + len([0 for row in s.orders.values() if row.status in OPEN]),
        halted=halted or open_gate(account.gates, 0, "operator_pause", f"operator_pause {s.scope}"),
    )
    return PositionView(
        scope=s.scope,
        position_mode=mode,
        direction=s.position.direction,
        quantity=s.position.quantity,
        average=s.position.entry_price,
        venue_break_even=ZERO,
        epoch=s.epoch,
        opened_at=s.opened_at,
        anchor=s.anchor,
        last_fill_price=s.last_fill_price or s.anchor,
        dca={},
        stop_floor=None,
        best_price=s.best_price,
        mark=lots.price,
        instrument=instrument,
        maker_fee=account.maker_fee if account.maker_fee is not None else SPOT_FEE,
        taker_fee=account.taker_fee if account.taker_fee is not None else SPOT_FEE,
        lots=view,
        market=NO_MARKET if s.book is None else MarketView(book=s.book),
    )
