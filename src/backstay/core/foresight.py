"""What will have to be done once a resting order fills, decided before it does.

A flat scope with one resting exposure order has one likely future: that order trades as a whole at its own
price, and the position's report says so. `foresee` folds exactly that future onto a copy of the state and
asks `decide` what follows. Nothing is assumed: whoever uses a forecast checks with `holds` that the state is
still the one it was made from, and that what happened is what was foreseen.
"""

from decimal import Decimal
from typing import ClassVar

import msgspec

from backstay.core.account import fold
from backstay.core.contexts import OrderContext, Phase
from backstay.core.decisions import Approved
from backstay.core.engine import Engine, decide
from backstay.core.events import AccountReport, AnyEvent, FillNotice, OrderReport, PositionRow
from backstay.core.state import AccountState, ScopeState
from backstay.core.types import EXPOSING, ZERO, Action, Direction, Product, Role, Scope, TimeNs

type Premise = tuple[object, ...]
"""Everything outside the scope that `decide` reads for a protective order."""


class Forecast(msgspec.Struct, frozen=True):
    """The stop that follows if `order` trades as a whole at its own price."""

    by_trade_alone: ClassVar[bool] = False
    """Trade and position have both to be told (B-1)."""

    scope: Scope
    order: str
    """Custom id of the exposure order."""
    quantity: Decimal
    price: Decimal
    position: Decimal
    """Signed, after the fill."""
    answer: Approved
    """The stop."""
    base: ScopeState
    """The scope as it was when the forecast was made; no other state will do."""
    after: ScopeState
    """The scope as the stop's context is to be written for."""
    premise: Premise

    def holds(self, account: AccountState, _event: AnyEvent | None = None) -> bool:
        """Nothing has changed since the forecast was made, save time."""
        return account.scopes.get(self.scope) is self.base and self.premise == premise_of(account, self.scope)

    def is_filled_by(self, event: FillNotice | OrderReport) -> bool:
        if type(event) is FillNotice:
            filled = event.last_qty
        elif type(event) is OrderReport:
            filled = event.filled if event.last_qty == self.quantity else ZERO
        return filled == self.quantity and event.last_price == self.price

    def is_position_of(self, event: AccountReport) -> bool:
        """The report has one row of this scope, and it is the expected one."""
        rows = [
            row
            for row in event.positions
            if row.symbol == self.scope.symbol and row.position_side is self.scope.position_side
        ]
        return len(rows) == 1 and rows[0].quantity == self.position and rows[0].entry_price == self.price


def premise_of(account: AccountState, key: Scope) -> Premise:
    symbol = key.symbol
    return (
        account.run,
        account.instruments.get(symbol),
        account.gates,
        account.marks.get(symbol),
        account.position_mode,
        account.maker_fee,
        account.taker_fee,
        account.connected,
    )


def foresee(account: AccountState, key: Scope, engine: Engine, now: TimeNs) -> Forecast | None:
    """The forecast for scope `key` at local time `now` (ns); None: its future is not that simple."""
    s = account.scopes.get(key)
    ctx = _resting(s) if s is not None else None
    if key.product is not Product.USDM:
        return None  # see `backstay.core.foreseen_sale`
    if s is None or ctx is None or ctx.slot.price is None or ctx.slot.quantity is None:
        return None
    price, quantity = ctx.slot.price, ctx.slot.quantity
    position = quantity if ctx.slot.side is Direction.LONG.opening else -quantity
    at = max(s.position.at, s.fill_at, s.orders[ctx.order_id].at if ctx.order_id in s.orders else 0) + 1
    fill = FillNotice(
        symbol=key.symbol,
        order_id=ctx.order_id,
        client_id=ctx.ctx_id,
        side=ctx.slot.side,
        last_qty=quantity,
        last_price=price,
        trade_id=0,
        at=at,
        product=key.product,
    )
    row = PositionRow(
        symbol=key.symbol, position_side=key.position_side, quantity=position, entry_price=price
    )
    report = AccountReport(reason="ORDER", at=at, positions=(row,), product=key.product)
    future = fold(fold(account, fill, now), report, now)
    for item in decide(future, key, engine, now).approved:
        if item.intent.action is Action.PLACE and item.intent.key.role is Role.SL:
            return Forecast(
                scope=key,
                order=ctx.ctx_id,
                quantity=quantity,
                price=price,
                position=position,
                answer=item,
                base=s,
                after=future.scopes[key],
                premise=premise_of(account, key),
            )
    return None


def _resting(s: ScopeState) -> OrderContext | None:
    """The one exposure order of a flat scope in which nothing else is under way."""
    if s.position.quantity or not s.trusted or s.pendings or s.blocks or s.flatten_since:
        return None
    open_orders = [c for c in s.contexts.values() if c.key.role in EXPOSING and not c.is_terminal]
    if len(open_orders) != 1 or open_orders[0].phase is not Phase.LIVE or open_orders[0].filled:
        return None
    return open_orders[0]
