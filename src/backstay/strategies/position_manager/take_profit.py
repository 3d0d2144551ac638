"""Take-profit: one order or several levels, never more than the position (7.2, I-24)."""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from backstay.core.events import Effect
from backstay.core.filters import AT_MARKET, Reason, conform
from backstay.core.money import ONE, round_down
from backstay.core.slots import Slot, SlotKey, Unplaceable, Watch
from backstay.core.types import ZERO, OrderType, PositionMode, Role
from backstay.core.view import PositionView, Refusal
from backstay.strategies.position_manager.factors import Factors
from backstay.strategies.position_manager.facts import settled, taken
from backstay.strategies.position_manager.policy import Merge, TakeProfitKind, TakeProfitPolicy
from backstay.strategies.position_manager.stops import ANY_MARK, REFUSED_BY_FILTER

FIRST = SlotKey(Role.TP, 0)
NOT_REFUSED = Refusal()


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
    refused = _refused(view)
    if len(rule.levels) == 1 and rule.levels[0].share == ONE and not refused:
        fit = conform(_slot(view, rule, f, 0, view.quantity, NOT_REFUSED), view.instrument, mark=None)
        if isinstance(fit, Slot):
            return ProfitPlan(slots=(fit,))  # nothing to split, to merge or to tell
    notes = [note for step, refusal in refused.items() if (note := _told(rule, step, refusal))]
    effects = {refusal.effect for refusal in refused.values()}
    asks = view.mark is None and Effect.PRICE_BAND in effects
    watches = (ANY_MARK,) if asks else ()
    candidates = [
        _slot(view, rule, f, step, quantity, refused.get(step, NOT_REFUSED))
        for step, quantity in level_quantities(view, rule, refused)
    ]
    merge = rule.merge
    slots: tuple[Slot, ...] = ()
    too_small = not REFUSED_BY_FILTER.isdisjoint(effects)
    if too_small and not any(p.open for p in taken(view).values()):
        if len(candidates) > 1:
            slots = _collapsed(view, candidates, merge, notes)
        else:
            notes.append("take_profit: waived")
    else:
        slots = _placeable(view, candidates, merge, notes)
    return ProfitPlan(slots=slots, watches=watches, notes=tuple(notes), waived=bool(candidates) and not slots)


def _refused(view: PositionView) -> Mapping[int, Refusal]:
    """By level."""
    return {key.step: refusal for key, refusal in view.refused.items() if key.role is Role.TP}


def _kind(rule: TakeProfitPolicy, refusal: Refusal) -> OrderType:
    """A market that is beyond a conditional order's trigger takes a LIMIT there at once (8.1)."""
    conditional = rule.kind is TakeProfitKind.MARKET and not refusal.passed
    return OrderType.TAKE_PROFIT_MARKET if conditional else OrderType.LIMIT


def _told(rule: TakeProfitPolicy, step: int, refusal: Refusal) -> str:
    if refusal.effect not in {"", Effect.WOULD_TRIGGER}:
        return f"take_profit {step}: refused ({refusal.effect})"
    instead = refusal.passed and rule.kind is TakeProfitKind.MARKET
    return f"take_profit {step}: LIMIT instead of TAKE_PROFIT_MARKET (would_trigger)" if instead else ""


def level_quantities(
    view: PositionView, rule: TakeProfitPolicy, refused: Mapping[int, Refusal]
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
    progress = taken(view)
    entered = left + sum((p.filled for p in progress.values()), ZERO)
    whole = sum((level.share for level in levels), ZERO) == 1
    found = []
    for index, level in enumerate(levels):
        if whole and index == len(levels) - 1:
            wanted = left
        else:
            done = progress.get(index)
            at_market = _kind(rule, refused.get(index, NOT_REFUSED)) in AT_MARKET
            step = (instrument.market_step if at_market else None) or instrument.step
            wanted = round_down(entered * level.share, step) - (done.filled if done is not None else ZERO)
            wanted = min(wanted, left)
        if wanted > 0:
            found.append((index, wanted))
            left -= wanted
    return found


def _slot(
    view: PositionView, rule: TakeProfitPolicy, f: Factors, step: int, quantity: Decimal, refusal: Refusal
) -> Slot:
    kind = _kind(rule, refusal)
    price = settled(view.average * f.profits[step], view.instrument.tick)
    if kind is OrderType.LIMIT:
        if refusal.effect == Effect.PRICE_BAND and view.mark is not None:
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
