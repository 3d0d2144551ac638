"""What the desk is told: fills, why they were asked for, and what stands around them."""

from decimal import Decimal

import msgspec

from backstay.core import orders as order_rules
from backstay.core.events import AlgoReport, FillRow, OrderReport
from backstay.core.state import AccountState, ScopeState
from backstay.core.types import SECOND, ExecutionType, Role, Side, TimeNs
from backstay.ledger.audit.trade import Plan

PRICE_FRESH = 3600 * SECOND
"""A price that was recorded so long before or after a fee, or less, counts it."""


class Price(msgspec.Struct, frozen=True, array_like=True):
    price: Decimal
    at: TimeNs


class Seen(msgspec.Struct, frozen=True):
    """What stands around a fill when it is told."""

    seq: int
    scope: ScopeState
    account: AccountState
    reasons: dict[str, str]
    """Custom id of a closing order -> why it was asked for."""
    plans: dict[str, Plan]
    """Custom id of an entry -> the signal that it was asked for on."""
    prices: dict[str, Price]
    """By symbol, the latest recorded one."""

    def price(self, symbol: str, at: TimeNs) -> Decimal | None:
        """Of this symbol about this time; None: none was recorded."""
        known = self.prices.get(symbol)
        return known.price if known is not None and abs(at - known.at) <= PRICE_FRESH else None


class Fill(msgspec.Struct, frozen=True):
    """A quantity that traded."""

    side: Side
    quantity: Decimal
    value: Decimal
    at: TimeNs
    reason: str
    order_id: int = 0
    """0: the position told of it, and no order."""
    plan: Plan | None = None
    epoch: int = 0
    """The position that the order was to enter; 0: it was no entry of ours."""

    @property
    def signed(self) -> Decimal:
        return self.quantity if self.side is Side.BUY else -self.quantity


def reason_of(client_id: str, seen: Seen, execution: ExecutionType = ExecutionType.TRADE) -> str:
    """Why an order traded, in a few words."""
    ctx = seen.scope.contexts.get(client_id)
    if ctx is None:
        if client_id.startswith("adl_"):
            return "auto-deleveraging"
        forced = execution is ExecutionType.CALCULATED or order_rules.is_exchange_made(client_id)
        return "liquidation" if forced else "by hand"
    step = f" {ctx.key.step}" if ctx.key.step else ""
    match ctx.role:
        case Role.SL:
            return "stop"
        case Role.TP:
            return f"take-profit{step}"
        case Role.DCA:
            return f"DCA step{step}"
        case Role.ENTRY:
            return "entry"
        case _:
            return seen.reasons.get(client_id, "") or seen.scope.flatten_reason or "closing order"


def fill_of(
    told: OrderReport | FillRow | AlgoReport,
    order_id: int,
    client_id: str,
    quantity: Decimal,
    value: Decimal,
    seen: Seen,
) -> Fill:
    """What was told of an order, as the fill that it adds. `client_id`: empty where no name is known."""
    execution = told.execution if isinstance(told, OrderReport) else ExecutionType.TRADE
    return Fill(
        side=told.side,
        quantity=quantity,
        value=value,
        at=told.at,
        reason=reason_of(client_id, seen, execution),
        order_id=order_id,
        plan=seen.plans.get(client_id),
        epoch=_entered_in(client_id, seen),
    )


def _entered_in(client_id: str, seen: Seen) -> int:
    """The position that the order was to enter, by its number; 0: it is no entry of ours."""
    ctx = seen.scope.contexts.get(client_id)
    return ctx.epoch if ctx is not None and ctx.role is Role.ENTRY else 0


def name_of(s: ScopeState, order_id: int) -> str:
    """The custom id of an order that only its context knows."""
    for ctx in s.contexts.values():
        if order_id in (ctx.order_id, ctx.child_order_id):
            return ctx.ctx_id
    return ""
