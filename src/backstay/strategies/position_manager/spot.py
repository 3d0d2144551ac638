"""What sells a spot holding: a take-profit, a stop, or both as one order list (exchange-state 7.1).

A holding is locked by whatever offers it, so both together are one slot with two legs. The venue takes a list
only while the price is between its legs. Where it is not, the stop goes alone first: if it is refused, the
price is below it and the stop is breached for certain; if it rests, the price may be above the target, and
then the take-profit sells alone.
"""

from decimal import ROUND_UP, Decimal

from msgspec.structs import replace

from backstay.core.events import Effect
from backstay.core.money import round_down, round_up
from backstay.core.slots import Slot, SlotKey, Watch
from backstay.core.types import ZERO, OrderType, Role, TimeInForce, TimeNs
from backstay.core.view import PositionView
from backstay.strategies.interface import Wanted
from backstay.strategies.position_manager.factors import Factors
from backstay.strategies.position_manager.facts import settled
from backstay.strategies.position_manager.policy import (
    OnManualCancel,
    PositionPolicy,
    StopKind,
    TakeProfitKind,
)
from backstay.strategies.position_manager.stops import ANY_MARK, StopPlan, plan_stop, time_stop

KINDS = frozenset({StopKind.FIXED_QTY, StopKind.STOP_LIMIT, StopKind.TRAILING_LOCAL})
"""Stops that spot has; `trailing_local` rests as a fixed one and is moved by us."""
TARGET = SlotKey(Role.TP, 0)
_BY_PRICE = frozenset({Effect.LIST_PRICES.value, Effect.TIME_IN_FORCE.value, Effect.PRICE_BAND.value})
"""Refusals of a list that another price of the market undoes."""
_BY_RULE = frozenset(
    {
        Effect.NONE.value,
        Effect.FILTER.value,
        Effect.MIN_NOTIONAL.value,
        Effect.MAX_ORDERS.value,
        Effect.UNCLASSIFIED.value,
    }
)
"""Refusals of a list that stay until the position changes: the stop has to do without it."""


def spot_exit(view: PositionView, policy: PositionPolicy, f: Factors, now: TimeNs) -> Wanted:
    """The answer for a spot holding whose price and filters are known."""
    if policy.stop_loss.enabled and policy.stop_loss.kind not in KINDS:
        return Wanted(unknown=f"stop_loss.kind {policy.stop_loss.kind} does not exist on spot")
    quantity = _offered(view, policy)
    refusal = view.refused.get(TARGET) if policy.take_profit.enabled and policy.stop_loss.enabled else None
    refused = "" if refusal is None else refusal.effect
    # Refused as a leg, with its take-profit: that says nothing of the stop alone.
    as_leg = bool(refused) and view.stop_refused == refused and refused in _BY_PRICE | _BY_RULE
    seen = replace(view, quantity=quantity, refused={} if as_leg else view.refused)
    plan = plan_stop(seen, policy, f)
    stop = _stop(view, plan, quantity)
    target = _target(view, policy, f, quantity)
    slots, watches, notes = _composed(view, stop, target, refused)
    ends_at, late = time_stop(view, policy, now)
    exit_reason, wake_at = plan.exit_reason or late, ends_at
    notes = (*plan.notes, *notes)
    if late:
        notes = (*notes, f"{late}: closing at market")
    if quantity < view.quantity - view.instrument.step:
        notes = (*notes, "part of the holding is locked by other orders, or gone: it is not offered")
    if exit_reason:
        slots = (*_leave(view, f, quantity), *slots)
    return Wanted(
        slots=slots,
        watches=plan.watches + watches,
        wake_at=wake_at,
        notes=notes,
        exit_reason=exit_reason,
        bridge=False,
        repair_delay=policy.take_profit.repair_delay,
        retry_cancelled=policy.manual_cancel_policy is OnManualCancel.REPLACE,
    )


def _offered(view: PositionView, policy: PositionPolicy) -> Decimal:
    """Both legs have one size: in steps of either grid."""
    quantity = view.sellable if view.sellable is not None else ZERO
    coarser = view.instrument.market_step
    at_market = policy.stop_loss.kind is not StopKind.STOP_LIMIT
    return round_down(quantity, coarser) if coarser and at_market else quantity


def _stop(view: PositionView, plan: StopPlan, quantity: Decimal) -> Slot | None:
    """The stop as spot has it. What is below one step needs no cover, since it cannot be sold."""
    if plan.slot is None:
        return None
    dust = view.quantity - quantity
    tolerance = ZERO
    if ZERO < dust < view.instrument.step:
        tolerance = (dust / view.quantity).quantize(Decimal("1e-12"), ROUND_UP)
    return replace(plan.slot, quantity=quantity, reduce_only=False, tolerance=tolerance)


def _target(view: PositionView, policy: PositionPolicy, f: Factors, quantity: Decimal) -> Slot | None:
    rule = policy.take_profit
    if not rule.enabled or not rule.levels:
        return None
    tick = view.instrument.tick
    price = round_up(settled(view.average * f.profits[0], tick), tick)
    if rule.kind is TakeProfitKind.MARKET:
        kind = OrderType.TAKE_PROFIT_MARKET
        return Slot(key=TARGET, side=f.closing, kind=kind, trigger=price, quantity=quantity)
    return Slot(key=TARGET, side=f.closing, kind=OrderType.LIMIT, price=price, quantity=quantity)


def _composed(
    view: PositionView, stop: Slot | None, target: Slot | None, refused: str
) -> tuple[tuple[Slot, ...], tuple[Watch, ...], tuple[str, ...]]:
    """(slots, prices to be asked at, notes): the list, or the one of its legs that can stand now."""
    if stop is None or target is None:
        return tuple(x for x in (stop, target) if x is not None), (), ()
    level = target.price if target.price is not None else target.trigger
    if stop.trigger is not None and level is not None and stop.trigger >= level:
        return (stop,), (), ("take_profit: the stop has passed it, and stands alone",)
    if refused in _BY_RULE:
        return (stop,), (), (f"take_profit: refused ({refused}), the stop stands alone",)
    if refused in _BY_PRICE:
        if view.mark is None or view.stop_refused == refused:
            return (stop,), (ANY_MARK,), ("take_profit: waits for the price",)
        if level is not None and view.mark >= level:
            here = replace(target, kind=OrderType.LIMIT, price=level, trigger=None)
            return (here,), (ANY_MARK,), ("take_profit: the price is there, it sells alone",)
        return (_list(stop, target),), (ANY_MARK,), ()
    return (_list(stop, target),), (), ()


def _list(stop: Slot, target: Slot) -> Slot:
    if target.kind is OrderType.LIMIT:
        target = replace(target, tif=TimeInForce.GTX)
    return replace(target, leg=stop)


def _leave(view: PositionView, f: Factors, quantity: Decimal) -> tuple[Slot, ...]:
    """A market order for what may be sold, or for as much of it as the venue takes at once; () for dust."""
    most = view.instrument.market_max_qty
    quantity = round_down(quantity, view.instrument.market_step or view.instrument.step)
    quantity = min(quantity, most) if most else quantity
    if not quantity:
        return ()
    return (Slot(key=SlotKey(Role.EXIT, 0), side=f.closing, kind=OrderType.MARKET, quantity=quantity),)
