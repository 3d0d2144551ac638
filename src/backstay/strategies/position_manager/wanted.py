"""The position manager's whole answer: stop, take-profit, ladder and time stop, composed."""

from decimal import Decimal

from backstay.core.money import round_down
from backstay.core.slots import Slot, SlotKey
from backstay.core.types import Direction, OrderType, PositionMode, Role, Side, TimeNs
from backstay.core.view import PositionView
from backstay.strategies.interface import Wanted
from backstay.strategies.position_manager.factors import factors
from backstay.strategies.position_manager.ladder import NO_LADDER, plan_ladder
from backstay.strategies.position_manager.policy import OnExternal, OnManualCancel, PositionPolicy
from backstay.strategies.position_manager.spot import spot_exit
from backstay.strategies.position_manager.stops import plan_stop, time_stop
from backstay.strategies.position_manager.take_profit import plan_take_profit

NOTHING = Wanted()
EXIT_KEY = SlotKey(Role.EXIT, 0)


class PositionManager:
    """`backstay.strategies.interface.Strategy` over `PositionPolicy`; it has no state."""

    name = "position_manager"

    def wanted(self, view: PositionView, policy: PositionPolicy, now: TimeNs) -> Wanted:
        return wanted(view, policy, now)


def wanted(view: PositionView, policy: PositionPolicy, now: TimeNs) -> Wanted:
    """What should exist in the view's scope at `now`.

    Flat, or a side or symbol that the policy does not name: nothing. A breached stop or a time stop adds a
    market EXIT to the stop and the take-profit, and ends the ladder: nothing that protects is given up
    before the position is closed.
    """
    if view.direction is None or not view.quantity:
        return NOTHING
    if policy.dca is not None or policy.time_stop is not None:
        return _answer(view, policy, view.direction, now)
    facts = _facts(view, policy)
    known = _ANSWERS.get(facts)
    if known is None:
        if len(_ANSWERS) >= _REMEMBERED:
            _ANSWERS.clear()
        known = _ANSWERS[facts] = _answer(view, policy, view.direction, now)
    return known


_REMEMBERED = 4096
_ANSWERS: dict[tuple[object, ...], Wanted] = {}
"""Answers that depend on no clock, by the facts that they follow from. Pure: remembering changes no answer,
it only saves the arithmetic, and what a fill will need was asked for when its order was placed."""
UNASKED = frozenset(
    {
        "scope",
        "epoch",
        "opened_at",
        "last_increase_at",
        "last_fill_price",
        "dca",
        "lots",
        "entry",
        "exit",
        "market",
    }
)
"""Facts of a view that only a ladder or a time stop asks for (the symbol is the instrument's)."""


def _facts(view: PositionView, policy: PositionPolicy) -> tuple[object, ...]:
    """Every other field of the view; a test holds this list against the struct's."""
    by_hand = policy.on_external_position is not OnExternal.MANAGE
    return (
        policy,
        view.instrument,
        view.position_mode,
        view.direction,
        view.quantity,
        view.average,
        view.anchor,
        view.venue_break_even if policy.break_even is not None else None,
        tuple(view.take_profit.items()) if view.take_profit else None,
        view.stop_floor,
        view.best_price,
        view.mark,
        tuple(view.refused.items()) if view.refused else None,
        view.stop_retriggered,
        view.exit_refused,
        view.exit_due,
        view.external if by_hand else None,
        view.reviewed if by_hand else None,
        view.maker_fee,
        view.taker_fee,
        view.sellable,
    )


def _answer(view: PositionView, policy: PositionPolicy, direction: Direction, now: TimeNs) -> Wanted:
    if direction not in policy.sides or (policy.symbols and view.instrument.symbol not in policy.symbols):
        return NOTHING
    if view.external and policy.on_external_position is OnExternal.IGNORE:
        return NOTHING
    if (unknown := _unknown(view, policy)) != "":
        return Wanted(unknown=unknown)
    f = factors(policy, direction)
    if view.sellable is not None:
        return spot_exit(view, policy, f, now)
    stop = plan_stop(view, policy, f)
    profit = plan_take_profit(view, policy.take_profit, f)
    ends_at, late = time_stop(view, policy, now)
    exit_reason, wake_at = stop.exit_reason or late, ends_at
    notes = stop.notes + profit.notes
    if late:
        notes = (*notes, f"{late}: closing at market")
    ladder = NO_LADDER
    slots: tuple[Slot, ...] = () if stop.slot is None else (stop.slot,)
    if exit_reason:
        slots = (*exit_at_market(view, f.closing), *slots, *profit.slots)
    else:
        dca = policy.dca
        if dca is not None and dca.steps:
            hold = "take_profit waived" if profit.waived and not dca.allow_exposure_with_waived else ""
            ladder = plan_ladder(view, dca, f, stop.trigger, now, hold)
            notes = notes + ladder.notes
            if ladder.wake_at is not None and (wake_at is None or ladder.wake_at < wake_at):
                wake_at = ladder.wake_at
        slots = slots + profit.slots + ladder.slots
    return Wanted(
        slots=slots,
        watches=stop.watches + profit.watches,
        wake_at=wake_at,
        notes=notes,
        exit_reason=exit_reason,
        bridge=policy.stop_loss.bridge,
        repair_delay=policy.take_profit.repair_delay,
        retry_cancelled=policy.manual_cancel_policy is OnManualCancel.REPLACE,
        accept_external_stop=policy.accept_external_sl,
        allow_waived=policy.dca is not None and policy.dca.allow_exposure_with_waived,
    )


def _unknown(view: PositionView, policy: PositionPolicy) -> str:
    """Why nothing is to be done now; a stop that rests must not fall victim to a missing number."""
    if view.external and policy.on_external_position is OnExternal.REVIEW and not view.reviewed:
        return "manual_review: not opened by this program; acknowledge it and it will be guarded"
    if not view.average or not view.anchor:
        return "the entry price is not known"
    if not view.instrument.tick or not view.instrument.step:
        return f"the filters of {view.instrument.symbol} are not known"
    return ""


def exit_at_market(view: PositionView, closing: Side) -> tuple[Slot, ...]:
    """A market order for the position, or for as much of it as the venue takes at once; () for dust."""
    instrument = view.instrument
    quantity: Decimal = round_down(view.quantity, instrument.market_step or instrument.step)
    if instrument.market_max_qty:
        quantity = min(quantity, instrument.market_max_qty)
    if not quantity:
        return ()
    slot = Slot(
        key=EXIT_KEY,
        side=closing,
        kind=OrderType.MARKET,
        quantity=quantity,
        reduce_only=view.position_mode is PositionMode.ONE_WAY,
    )
    return (slot,)
