"""Take-profit: one order or several levels, never more than the position (7.2, I-24)."""

from decimal import Decimal

import msgspec

from backstay.core.events import Effect
from backstay.core.filters import AT_MARKET, Reason, conform
from backstay.core.money import ONE, round_down
from backstay.core.slots import Slot, SlotKey, Unplaceable, Watch
from backstay.core.types import ZERO, OrderType, PositionMode, Role
from backstay.core.view import PositionView
from backstay.strategies.position_manager.factors import Factors
from backstay.strategies.position_manager.facts import settled, taken
from backstay.strategies.position_manager.policy import Merge, TakeProfitKind, TakeProfitPolicy
from backstay.strategies.position_manager.stops import ANY_MARK, REFUSED_BY_FILTER

FIRST = SlotKey(Role.TP, 0)


class ProfitPlan(msgspec.Struct, frozen=True, kw_only=True):
    slots: tuple[Slot, ...] = ()
    """Conformed, nearest level first; step = index of the level."""
    watches: tuple[Watch, ...] = ()
    notes: tuple[str, ...] = ()
    waived: bool = False
    """Enabled, but the filters leave nothing that could be placed (6.1)."""


NO_PROFIT = ProfitPlan()


def plan_take_profit(view: PositionView, rule: TakeProfitPolicy, f: Factors) -> ProfitPlan:
    """The take-profit slots of a non-flat view."""
    if not rule.enabled or not rule.levels:
        return NO_PROFIT
    kind = OrderType.TAKE_PROFIT_MARKET if rule.kind is TakeProfitKind.MARKET else OrderType.LIMIT
    if len(rule.levels) == 1 and rule.levels[0].share == ONE and not view.take_profit_refused:
        fit = conform(_slot(view, rule, f, kind, 0, view.quantity), view.instrument, mark=None)
        if isinstance(fit, Slot):
            return ProfitPlan(slots=(fit,))  # nothing to split, to merge or to tell
    notes: list[str] = []
    watches: tuple[Watch, ...] = ()
    refused = view.take_profit_refused
    if refused:
        if refused == Effect.WOULD_TRIGGER and kind is OrderType.TAKE_PROFIT_MARKET:
            kind = OrderType.LIMIT
            notes.append("take_profit: LIMIT instead of TAKE_PROFIT_MARKET (would_trigger)")
        elif refused == Effect.PRICE_BAND and view.mark is None:
            watches = (ANY_MARK,)
        if kind is OrderType.LIMIT and refused != Effect.WOULD_TRIGGER:
            notes.append(f"take_profit: refused ({refused})")
    candidates = [
        _slot(view, rule, f, kind, step, quantity) for step, quantity in level_quantities(view, rule, kind)
    ]
    merge = rule.merge
    slots: tuple[Slot, ...] = ()
    if refused in REFUSED_BY_FILTER and not any(p.open for p in taken(view).values()):
        if len(candidates) > 1:
            slots = _collapsed(view, candidates, merge, notes)
        else:
            notes.append("take_profit: waived")
    else:
        slots = _placeable(view, candidates, merge, notes)
    return ProfitPlan(slots=slots, watches=watches, notes=tuple(notes), waived=bool(candidates) and not slots)


def level_quantities(
    view: PositionView, rule: TakeProfitPolicy, kind: OrderType
) -> list[tuple[int, Decimal]]:
    """(step, what should remain) per level, nearest first, levels that are done left out.

    A share is a share of everything entered: the position and what the levels have already sold. So a level
    that filled stays done, and a DCA fill brings each level its part of the new quantity. With shares of
    100 % the last level takes the rest, rounding included. The sum never exceeds the position (I-24).
    """
    levels, left = rule.levels, view.quantity
    if len(levels) == 1 and levels[0].share == 1:
        return [(0, left)]
    instrument = view.instrument
    step = (instrument.market_step or instrument.step) if kind in AT_MARKET else instrument.step
    progress = taken(view)
    entered = left + sum((p.filled for p in progress.values()), ZERO)
    whole = sum((level.share for level in levels), ZERO) == 1
    found = []
    for index, level in enumerate(levels):
        if whole and index == len(levels) - 1:
            wanted = left
        else:
            done = progress.get(index)
            wanted = round_down(entered * level.share, step) - (done.filled if done is not None else ZERO)
            wanted = min(wanted, left)
        if wanted > 0:
            found.append((index, wanted))
            left -= wanted
    return found


def _slot(
    view: PositionView, rule: TakeProfitPolicy, f: Factors, kind: OrderType, step: int, quantity: Decimal
) -> Slot:
    price = settled(view.average * f.profits[step], view.instrument.tick)
    if kind is OrderType.LIMIT:
        if view.take_profit_refused == Effect.PRICE_BAND and view.mark is not None:
            price = _into_band(view, f, price, view.mark)
        return Slot(
            key=SlotKey(Role.TP, step) if step else FIRST,
            side=f.closing,
            kind=kind,
            price=price,
            quantity=quantity,
            reduce_only=view.position_mode is PositionMode.ONE_WAY,
        )
    return Slot(
        key=SlotKey(Role.TP, step) if step else FIRST,
        side=f.closing,
        kind=kind,
        trigger=price,
        quantity=quantity,
        reduce_only=view.position_mode is PositionMode.ONE_WAY,
        working_type=rule.working_type,
        price_protect=rule.price_protect,
    )


def _into_band(view: PositionView, f: Factors, price: Decimal, mark: Decimal) -> Decimal:
    """The market is so far beyond the target that the venue finds it too cheap: ask for the band's edge."""
    if f.long:
        return max(price, mark * view.instrument.percent_down)
    return min(price, mark * view.instrument.percent_up) if view.instrument.percent_up else price


def _placeable(
    view: PositionView, candidates: list[Slot], merge: Merge, notes: list[str]
) -> tuple[Slot, ...]:
    """What the filters let through; a level too small goes into its neighbour, or is waived."""
    if merge is Merge.NEARER:
        candidates = candidates[::-1]
    placed: list[Slot] = []
    carried = ZERO
    for candidate in candidates:
        fit = _fitted(view, candidate, carried, notes)
        if isinstance(fit, Slot):
            placed.append(fit)
            carried = ZERO
        elif merge is Merge.NONE or fit.reason not in (Reason.QUANTITY_BELOW_MIN, Reason.NOTIONAL_BELOW_MIN):
            notes.append(f"take_profit {candidate.key.step}: waived ({fit.reason})")
        else:
            notes.append(f"take_profit {candidate.key.step}: merged ({fit.reason})")
            carried += candidate.quantity or ZERO
    if carried and placed:
        fit = _fitted(view, placed[-1], carried, notes)
        if isinstance(fit, Slot):
            placed[-1] = fit
    if not placed and candidates:
        notes.append("take_profit: waived")
    return tuple(placed[::-1] if merge is Merge.NEARER else placed)


def _fitted(view: PositionView, candidate: Slot, extra: Decimal, notes: list[str]) -> Slot | Unplaceable:
    if extra:
        quantity = (candidate.quantity or ZERO) + extra
        candidate = msgspec.structs.replace(candidate, quantity=quantity)
    fit = conform(candidate, view.instrument, mark=None)
    if isinstance(fit, Slot) or fit.reason != Reason.QUANTITY_ABOVE_MAX:
        return fit
    # The venue takes no more in one order; the rest follows when this one has filled.
    notes.append(f"take_profit {candidate.key.step}: capped (quantity_above_max)")
    instrument = view.instrument
    most = instrument.market_max_qty if candidate.kind in AT_MARKET else instrument.max_qty
    return conform(msgspec.structs.replace(candidate, quantity=most), instrument, mark=None)


def _collapsed(
    view: PositionView, candidates: list[Slot], merge: Merge, notes: list[str]
) -> tuple[Slot, ...]:
    """The venue refused a level that our filters let through: everything goes into one order."""
    survivor = candidates[0] if merge is Merge.NEARER else candidates[-1]
    total = sum((c.quantity for c in candidates if c.quantity is not None), ZERO)
    notes.append(f"take_profit: merged into level {survivor.key.step}")
    return _placeable(view, [msgspec.structs.replace(survivor, quantity=total)], Merge.NONE, notes)
