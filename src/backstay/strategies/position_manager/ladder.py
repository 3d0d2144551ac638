"""The DCA ladder: which step is due, at what price and size, and why another one is not (7.3).

Progress comes from contexts and fills alone (D-6). Whether protection allows a new step right now is the
planner's question (D-2); here a step that may not be *started* is withheld, while one that rests stays.
"""

from decimal import Decimal

import msgspec

from backstay.core.filters import conform
from backstay.core.money import ONE, round_down, round_up
from backstay.core.slots import Slot, SlotKey, Unplaceable
from backstay.core.types import ZERO, OrderType, Role, TimeNs
from backstay.core.view import PositionView, StepProgress
from backstay.strategies.position_manager.factors import Factors
from backstay.strategies.position_manager.facts import base_quantity, last_increase_at, settled
from backstay.strategies.position_manager.policy import STEPS_MAX, DcaPolicy, LadderAnchor, SizeUnit

KEYS = tuple(SlotKey(Role.DCA, step) for step in range(STEPS_MAX + 1))


class LadderPlan(msgspec.Struct, frozen=True, kw_only=True):
    slots: tuple[Slot, ...] = ()
    """On the grid; step counts from 1, quantity is what remains of the step."""
    wake_at: TimeNs | None = None
    notes: tuple[str, ...] = ()


NO_LADDER = LadderPlan()


def plan_ladder(
    view: PositionView, dca: DcaPolicy, f: Factors, stop: Decimal | None, now: TimeNs, hold: str
) -> LadderPlan:
    """The due steps, at most `max_resting`, of a non-flat view.

    `stop` is the wanted stop trigger, None when there is none to be beyond of (D-4). `hold`, when not empty,
    says why no step may be started now.
    """
    slots: list[Slot] = []
    notes: list[str] = []
    wake_at: TimeNs | None = None
    quantity, cost = (
        view.quantity,
        view.quantity * view.average if dca.max_total_notional is not None else ZERO,
    )
    first_due = 0
    for step in range(1, dca.steps + 1):
        if len(slots) == dca.max_resting:
            break
        progress = view.dca.get(step)
        if progress is not None and is_done(progress, dca.step_done_fraction):
            continue
        first_due = first_due or step
        price = step_price(view, dca, f, step, first_due)
        slot = _slot(view, dca, f, step, price, progress)
        if isinstance(slot, Slot) and slot.price is not None:
            price = slot.price
        if price <= ZERO or (stop is not None and (price <= stop if f.long else price >= stop)):
            notes.append(f"dca {step}: unreachable")  # and so is every later one (D-4)
            break
        if isinstance(slot, Unplaceable):
            if progress is None:
                notes.append(f"dca {step}: filtered ({slot.reason})")
            continue  # D-5; the rest of a step that is too small to be placed again counts as done
        if dca.max_total_qty is not None or dca.max_total_notional is not None:
            remaining = slot.quantity or ZERO
            quantity, cost = quantity + remaining, cost + remaining * price
            if (cap := _cap(dca, quantity, cost)) is not None:
                notes.append(f"dca {step}: capped ({cap})")
                break
        if progress is None or not progress.open:
            ready_at = last_increase_at(view) + dca.cooldown if dca.cooldown else 0
            if now < ready_at:
                wake_at = ready_at
                notes.append(f"dca {step}: cooldown")
                break
            if hold:
                notes.append(f"dca {step}: held ({hold})")
                break
        slots.append(slot)
    if not slots and not notes:
        return NO_LADDER
    return LadderPlan(slots=tuple(slots), wake_at=wake_at, notes=tuple(notes))


def is_done(progress: StepProgress, done_fraction: Decimal) -> bool:
    """D-1: filled, or terminal with at least the fraction filled that counts as done."""
    if progress.open:
        return False
    return progress.filled >= progress.ordered * done_fraction and progress.filled > 0


def step_price(view: PositionView, dca: DcaPolicy, f: Factors, step: int, first_due: int) -> Decimal:
    """P(k) before it is rounded (7.3).

    first_entry and average: ``A * (1 -+ D(k))``. last_fill: the distance from the latest fill is what D
    adds from one step to the next. With a moving anchor, the rest of a step that has begun to fill keeps its
    price, which is the price of the latest fill (D-1).
    """
    if dca.anchor is LadderAnchor.FIRST_ENTRY:
        return view.anchor * f.steps[step]
    begun = view.dca.get(first_due)
    started = begun is not None and begun.filled > 0
    if started and step == first_due:
        return view.last_fill_price
    if dca.anchor is LadderAnchor.AVERAGE:
        return settled(view.average * f.steps[step], view.instrument.tick)
    base = first_due if started else first_due - 1
    return view.last_fill_price * (ONE + f.steps[step] - f.steps[base])


def step_size(view: PositionView, dca: DcaPolicy, f: Factors, step: int, price: Decimal) -> Decimal:
    """q(k) = q1 * s^(k-1) before it is rounded; `raise_to_min`: at least what the venue takes (D-5)."""
    size, instrument = f.sizes[step - 1], view.instrument
    if dca.size_unit is SizeUnit.QUOTE:
        size /= view.anchor
    elif dca.size_unit is SizeUnit.BASE_FRACTION:
        size *= base_quantity(view)
    if dca.raise_to_min:
        grid = instrument.step
        on_tick = round_down(price, instrument.tick) if f.long else round_up(price, instrument.tick)
        worth = round_up(instrument.min_notional / on_tick, grid) if on_tick > 0 else ZERO
        size = max(round_down(size, grid), round_up(instrument.min_qty, grid), grid, worth)
    return size


def _slot(
    view: PositionView, dca: DcaPolicy, f: Factors, step: int, price: Decimal, progress: StepProgress | None
) -> Slot | Unplaceable:
    """The step's order. A step that was ordered keeps its quantity, whatever the policy says by now."""
    if progress is None:
        size = step_size(view, dca, f, step, price)
    else:
        size = progress.ordered - progress.filled
        if progress.open:
            # Rests already: the venue's minimum was asked of the whole order, not of what remains.
            tick = view.instrument.tick
            price = round_down(price, tick) if f.long else round_up(price, tick)
            return Slot(key=KEYS[step], side=f.opening, kind=OrderType.LIMIT, price=price, quantity=size)
    slot = Slot(key=KEYS[step], side=f.opening, kind=OrderType.LIMIT, price=price, quantity=size)
    return conform(slot, view.instrument, mark=None)


def _cap(dca: DcaPolicy, quantity: Decimal, cost: Decimal) -> str | None:
    """Which cap the position would pass if everything up to here filled (D-7)."""
    if dca.max_total_qty is not None and quantity > dca.max_total_qty:
        return "max_total_qty"
    if dca.max_total_notional is not None and cost > dca.max_total_notional:
        return "max_total_notional"
    return None
