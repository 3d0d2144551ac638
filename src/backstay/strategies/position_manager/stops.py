"""The stop-loss: where its trigger belongs, which order carries it, and what a refusal of it means.

A trigger only ever gets tighter within one (epoch, DCA step): the ratchet is the view's `stop_floor` (S-3).
Whether an order of ours already rests there is not this module's business.
"""

from decimal import Decimal

import msgspec
from msgspec.structs import replace

from backstay.core.events import Effect
from backstay.core.filters import conform
from backstay.core.money import break_even, round_down, round_up
from backstay.core.slots import MAIN_STOP, Slot, Unplaceable, Watch, WatchSide
from backstay.core.types import ZERO, Direction, OrderType, PositionMode, TimeNs
from backstay.core.view import PositionView
from backstay.strategies.position_manager.factors import Factors
from backstay.strategies.position_manager.facts import settled
from backstay.strategies.position_manager.policy import (
    Basis,
    BreakEvenSource,
    PositionPolicy,
    SlBreached,
    StopKind,
    StopPolicy,
)

ANY_MARK = Watch(WatchSide.AT_OR_ABOVE, ZERO)
"""Crossed by every price: the way to ask for the present mark price."""
REFUSED_BY_FILTER = frozenset({Effect.FILTER.value, Effect.MIN_NOTIONAL.value})


class StopPlan(msgspec.Struct, frozen=True, kw_only=True):
    slot: Slot | None = None
    trigger: Decimal | None = None
    """Where the stop is wanted; None for a stop that the venue trails, or no stop."""
    exit_reason: str = ""
    """Not empty: the stop is breached and the position is to be closed at market."""
    watches: tuple[Watch, ...] = ()
    notes: tuple[str, ...] = ()


NO_STOP = StopPlan()


def plan_stop(view: PositionView, policy: PositionPolicy, f: Factors) -> StopPlan:
    """The stop that should exist for a non-flat view, whose prices are known."""
    stop = policy.stop_loss
    if not stop.enabled:
        return NO_STOP
    if view.stop_retriggered and not view.stop_refused and view.stop_floor is not None:
        # The breached trigger stays given up: what was armed in its place is held (S-3).
        armed = _retriggered(view, stop, f, view.stop_floor)
        hindered = stop.sl_breached is SlBreached.CLOSE_MARKET and view.exit_due
        return _closing(armed) if hindered else armed
    trigger, watches = wanted_trigger(view, policy, f)
    if view.stop_refused:
        return _after_refusal(view, policy, f, trigger, watches)
    return _placed(view, stop, f, trigger, watches)


# --- where the trigger belongs --------------------------------------------------------------------


def time_stop(view: PositionView, policy: PositionPolicy, now: TimeNs) -> tuple[TimeNs | None, str]:
    """When the position's time will be over; once it is, why it is closed at market instead."""
    if policy.time_stop is None:
        return None, ""
    ends_at = view.opened_at + policy.time_stop.after
    return (ends_at, "") if now < ends_at else (None, "time stop")


def wanted_trigger(
    view: PositionView, policy: PositionPolicy, f: Factors
) -> tuple[Decimal, tuple[Watch, ...]]:
    """The trigger by every rule that applies, on the grid, and the prices at which it would change."""
    stop, tick = policy.stop_loss, view.instrument.tick
    long = f.long
    # Toward the entry (7.4): up for a LONG, down for a SHORT.
    on_grid, tighter = (round_up, max) if long else (round_down, min)
    basis = view.average if stop.basis is Basis.AVERAGE else view.anchor
    trigger = on_grid(settled(basis * f.stop, tick) if stop.price is None else stop.price, tick)
    watches: tuple[Watch, ...] = ()
    if stop.kind is StopKind.TRAILING:
        if f.activation is not None and not _reached(view, f, basis * f.activation):
            watches = (_watch(view, f, basis * f.activation),)
        # The trigger is for the stop that takes a trailing one's place when a filter refuses it.
        return (trigger if view.stop_floor is None else tighter(trigger, view.stop_floor)), watches
    if policy.break_even is not None and f.break_even_at is not None:
        if _reached(view, f, view.average * f.break_even_at):
            level = _break_even(view, f, policy.break_even.be_source) * f.break_even_offset
            trigger = tighter(trigger, on_grid(settled(level, tick), tick))
        else:
            watches = (_watch(view, f, view.average * f.break_even_at),)
    if stop.kind is StopKind.TRAILING_LOCAL:
        trigger, watch = _trailed(view, f, basis, trigger)
        watches = (*watches, watch)
    if view.stop_floor is not None:
        trigger = tighter(trigger, view.stop_floor)
    return trigger, watches


def _reached(view: PositionView, f: Factors, price: Decimal) -> bool:
    best = view.best_price
    if best is None:
        return False
    return best >= price if f.long else best <= price


def _watch(view: PositionView, f: Factors, price: Decimal) -> Watch:
    """A watch on the favourable side whose crossing proves that `price` was reached."""
    if f.long:
        return Watch(WatchSide.AT_OR_ABOVE, round_up(price, view.instrument.tick))
    return Watch(WatchSide.AT_OR_BELOW, round_down(price, view.instrument.tick))


def _break_even(view: PositionView, f: Factors, source: BreakEvenSource) -> Decimal:
    """S-2. Both fees as taker: the stop is one, and how a position was opened by hand is not known."""
    if source is BreakEvenSource.EXCHANGE and view.venue_break_even:
        return view.venue_break_even
    direction = Direction.LONG if f.long else Direction.SHORT
    return break_even(direction, view.average, view.taker_fee, view.taker_fee)


def _trailed(view: PositionView, f: Factors, basis: Decimal, trigger: Decimal) -> tuple[Decimal, Watch]:
    """trailing_local: follow the best recorded price, in moves of at least one trail step.

    The watch is the next price at which the stop moves: it is always beyond the best price so far.
    """
    if f.activation is not None and not _reached(view, f, basis * f.activation):
        return trigger, _watch(view, f, basis * f.activation)
    tick, floor = view.instrument.tick, view.stop_floor
    long = f.long
    on_grid, tighter = (round_up, max) if long else (round_down, min)
    best = basis if view.best_price is None else tighter(basis, view.best_price)
    candidate = on_grid((best if f.activation is None else view.best_price or best) * f.trail, tick)

    def next_move(current: Decimal) -> Decimal:
        return tighter(on_grid(current * f.trail_step, tick), current + tick if long else current - tick)

    if floor is None or tighter(candidate, next_move(floor)) == candidate:
        trigger = tighter(trigger, candidate)
    current = trigger if floor is None else tighter(trigger, floor)
    return trigger, _watch(view, f, next_move(current) / f.trail)


# --- which order carries it -----------------------------------------------------------------------


def _placed(
    view: PositionView, stop: StopPolicy, f: Factors, trigger: Decimal, watches: tuple[Watch, ...]
) -> StopPlan:
    slot, note = carrier(view, stop, f, trigger)
    trails = slot.kind is OrderType.TRAILING_STOP_MARKET
    return StopPlan(
        slot=slot, trigger=None if trails else trigger, watches=watches, notes=(note,) if note else ()
    )


def carrier(view: PositionView, stop: StopPolicy, f: Factors, trigger: Decimal) -> tuple[Slot, str]:
    """The conformed order for a trigger, and a note if it is not of the configured kind (7.4, 8.1)."""
    kind = stop.trail_as if stop.kind is StopKind.TRAILING_LOCAL else stop.kind
    if kind is StopKind.CLOSE_POSITION:
        return _close_position(f, stop, trigger), ""
    slot = _sized(view, stop, f, kind, trigger)
    fit = conform(slot, view.instrument, mark=None)
    if isinstance(fit, Slot) and view.stop_refused not in REFUSED_BY_FILTER:
        return fit, ""
    why = fit.reason if isinstance(fit, Unplaceable) else view.stop_refused
    if stop.close_position_fallback:
        return _close_position(f, stop, trigger), f"stop: close_position instead of {kind} ({why})"
    return (fit if isinstance(fit, Slot) else slot), f"stop: {kind} cannot be placed ({why})"


def _close_position(f: Factors, stop: StopPolicy, trigger: Decimal) -> Slot:
    return Slot(
        key=MAIN_STOP,
        side=f.closing,
        kind=OrderType.STOP_MARKET,
        trigger=trigger,
        close_position=True,
        working_type=stop.working_type,
        price_protect=stop.price_protect,
    )


def _sized(view: PositionView, stop: StopPolicy, f: Factors, kind: StopKind, trigger: Decimal) -> Slot:
    """fixed_qty, stop_limit or trailing for the whole position; reduce-only in one-way mode (7.1)."""
    reduce_only = view.position_mode is PositionMode.ONE_WAY
    if kind is StopKind.TRAILING:
        basis = view.average if stop.basis is Basis.AVERAGE else view.anchor
        activate = None if f.activation is None else basis * f.activation
        if activate is not None and (
            _reached(view, f, activate) or view.stop_refused == Effect.WOULD_TRIGGER
        ):
            activate = None  # the market is already beyond it: the venue trails from the first moment
        return Slot(
            key=MAIN_STOP,
            side=f.closing,
            kind=OrderType.TRAILING_STOP_MARKET,
            quantity=view.quantity,
            reduce_only=reduce_only,
            working_type=stop.working_type,
            price_protect=stop.price_protect,
            callback_rate=f.callback_percent,
            activate_price=activate,
            tolerance=stop.trail_resize_fraction,
        )
    return Slot(
        key=MAIN_STOP,
        side=f.closing,
        kind=OrderType.STOP if kind is StopKind.STOP_LIMIT else OrderType.STOP_MARKET,
        price=trigger * f.limit if kind is StopKind.STOP_LIMIT else None,
        trigger=trigger,
        quantity=view.quantity,
        reduce_only=reduce_only,
        working_type=stop.working_type,
        price_protect=stop.price_protect,
    )


# --- what a refusal of it means -------------------------------------------------------------------


def _after_refusal(
    view: PositionView,
    policy: PositionPolicy,
    f: Factors,
    trigger: Decimal,
    watches: tuple[Watch, ...],
) -> StopPlan:
    """The venue refused the stop (8.1). The slot stays wanted, so that what rests is not taken away."""
    stop, refused = policy.stop_loss, view.stop_refused
    plan = _placed(view, stop, f, trigger, watches)
    slot = plan.slot
    if slot is None or slot.kind is OrderType.TRAILING_STOP_MARKET:
        return _noted(plan, f"stop: refused ({refused})")
    if slot.close_position and refused == Effect.CLOSE_POSITION_EXISTS:
        if policy.accept_external_sl:
            note = "stop: the close_position stop of somebody else is accepted"
            return StopPlan(trigger=trigger, watches=watches, notes=(note,))
        return _noted(plan, "stop: the close_position stop of somebody else is in the way")
    if slot.close_position and refused in REFUSED_BY_FILTER and plan.notes:
        return plan  # the refused request was the sized one
    if refused == Effect.WOULD_TRIGGER:
        return _breached(view, stop, f, plan, trigger)
    if view.mark is not None and (view.mark <= trigger if f.long else view.mark >= trigger):
        return _breached(view, stop, f, plan, trigger)
    # Nothing of ours may rest at the trigger: if the price gets there, the stop is carried out from here.
    side = WatchSide.AT_OR_BELOW if f.long else WatchSide.AT_OR_ABOVE
    return _noted(plan, f"stop: refused ({refused})", Watch(side, trigger))


def _breached(view: PositionView, stop: StopPolicy, f: Factors, plan: StopPlan, trigger: Decimal) -> StopPlan:
    """`sl_breached`. Never loops: a retriggered stop that is refused again ends in a market close."""
    if stop.sl_breached is SlBreached.ALERT:
        return _noted(plan, "stop: breached, alert only")
    # while orders by hand use up what may be reduced, the nearest stop is what the venue still takes.
    retriggers = stop.sl_breached is SlBreached.RETRIGGER or view.exit_refused
    if retriggers and not view.stop_retriggered:
        if view.mark is None:
            return _noted(plan, "stop: breached, waits for the mark price", ANY_MARK)
        tick = view.instrument.tick
        if f.long:
            nearest = min(round_up(view.mark * f.retrigger, tick), round_up(view.mark, tick) - tick)
            # The price may be back: one tick beside the refused trigger is another request.
            nearest = min(nearest, trigger + tick)
        else:
            nearest = max(round_down(view.mark * f.retrigger, tick), round_down(view.mark, tick) + tick)
            nearest = max(nearest, trigger - tick)
        if nearest != view.stop_refused_at:  # else this was the retriggered one: the mark was beyond at once
            return _noted(_retriggered(view, stop, f, nearest), "stop: breached, retriggered")
    return _closing(plan)


def _closing(plan: StopPlan) -> StopPlan:
    return replace(_noted(plan, "stop: breached, closing at market"), exit_reason="stop breached")


def _retriggered(view: PositionView, stop: StopPolicy, f: Factors, trigger: Decimal) -> StopPlan:
    """What stands in place of a breached stop: where the close was refused no limit order, which would be
    refused as well (R-9).
    """
    if view.exit_refused and stop.kind is StopKind.STOP_LIMIT:
        stop = replace(stop, kind=StopKind.FIXED_QTY)
    return _placed(view, stop, f, trigger, ())


def _noted(plan: StopPlan, note: str, watch: Watch | None = None) -> StopPlan:
    return StopPlan(
        slot=plan.slot,
        trigger=plan.trigger,
        watches=plan.watches if watch is None else (*plan.watches, watch),
        notes=(*plan.notes, note),
    )
