"""What strategies that sell spot lots share: which lots may be offered, and the slots that offer them.

A SELL made here is hands off: once it rests, nobody but its owner ends it. Lots that the owner asked to
close, a held account and the venue's limits are taken care of, so that a strategy decides prices alone.
"""

from collections.abc import Collection, Iterable, Sequence
from decimal import Decimal

from backstay.core.filters import conform
from backstay.core.instruments import Instrument
from backstay.core.lots import Lot, Mark, every, get
from backstay.core.money import round_down, round_up
from backstay.core.slots import Slot, SlotKey, Unplaceable, Watch, WatchSide
from backstay.core.types import ZERO, OrderType, Role, Side, TimeNs
from backstay.core.view import LotsView, PositionView
from backstay.strategies.interface import Wanted

BATCH = 16
"""New SELLs in one pass."""
NAMED_MOST = 16
"""Lots that a note names one by one."""
DEFAULT_ORDERS = 200
"""Resting orders of a symbol, where the venue states no limit (binance-spot.md section 9)."""
FULL = "held: as many orders rest as may; the rest follows when one is filled"


def missing(view: PositionView) -> str:
    """Why lots cannot be sold in this scope at all; empty: they can."""
    if view.lots is None:
        return "lots are sold, which only spot has"
    if not view.instrument.tick or not view.instrument.step:
        return f"the filters of {view.instrument.symbol} are not known"
    return ""


def held(view: PositionView, facts: LotsView) -> str:
    """Why nothing new is placed now; empty: nothing holds it."""
    if facts.halted:
        return f"held: {facts.halted}"
    if facts.uncovered >= view.instrument.step:
        base = view.instrument.base
        return f"held: the account holds less {base} than its lots (sold by hand elsewhere?)"
    return ""


def taken(facts: LotsView) -> Collection[int]:
    """Lots that are not to be offered: they have an order, are flagged, or were refused."""
    return facts.selling.keys() | facts.lots.flags.keys() | facts.refused


def free(view: PositionView) -> list[Lot]:
    """The lots that may be offered, oldest first. Empty where there are none, or where there is no spot."""
    if view.lots is None:
        return []
    busy = taken(view.lots)
    return sorted(
        (x for x in every(view.lots.lots) if x.trade_id not in busy), key=lambda x: (x.at, x.trade_id)
    )


def sellable(lot: Lot, rules: Instrument) -> tuple[Decimal, str]:
    """What can be sold of a lot whatever its price, and why nothing of it can; empty: it can."""
    quantity = round_down(lot.left, rules.step)
    if quantity <= 0 or quantity < rules.min_qty:
        return ZERO, "quantity_below_min"
    return quantity, ""


def room(view: PositionView, facts: LotsView, most: int = 0) -> int:
    """New SELLs that this pass may ask for; `most` resting orders, 0: as many as the venue allows."""
    limit = most or view.instrument.max_orders or DEFAULT_ORDERS
    return min(limit - facts.open_orders, BATCH)


def sell_slot(names: tuple[int, ...], price: Decimal | None, quantity: Decimal) -> Slot:
    """The SELL of these lots; `price` None: at market, and then it is not hands off."""
    return Slot(
        key=SlotKey(Role.TP, names[0]),
        side=Side.SELL,
        kind=OrderType.MARKET if price is None else OrderType.LIMIT,
        price=price,
        quantity=quantity,
        hands_off=price is not None,
        lots=names,
    )


def closing(facts: LotsView, step: Decimal) -> list[Slot]:
    """The owner asked to sell these now. The SELL that rests goes first (the planner sees to that)."""
    slots = []
    for name, flag in facts.lots.flags.items():
        if flag.mark is not Mark.CLOSING:
            continue
        lot = get(facts.lots, name)
        quantity = round_down(lot.left, step) if lot is not None else ZERO
        if quantity:
            slots.append(sell_slot((name,), flag.price, quantity))
    return slots


def awaited(view: PositionView, slots: Iterable[Slot]) -> tuple[Watch, ...]:
    """The price from which on a lot to be closed at market is worth what the venue takes at least."""
    rules, mark = view.instrument, view.mark
    if mark is None or (rules.spot is not None and not rules.spot.min_notional_at_market):
        return ()
    sizes = [x.quantity for x in slots if x.price is None and x.quantity]
    levels = (round_up(rules.min_notional / size, rules.tick) for size in sizes)
    lowest = min((level for level in levels if level > mark), default=None)
    return () if lowest is None else (Watch(WatchSide.AT_OR_ABOVE, lowest),)


def few(named: list[str], more: str) -> list[str]:
    """A list of notes that stays short: the first `NAMED_MOST`, then `more`."""
    return named if len(named) <= NAMED_MOST else [*named[:NAMED_MOST], more]


def sells(
    view: PositionView,
    offers: Iterable[tuple[Lot, Decimal]],
    *,
    watches: Sequence[Watch] = (),
    wake_at: TimeNs | None = None,
    notes: Sequence[str] = (),
) -> Wanted:
    """The answer of a strategy that wants these lots sold at these prices now, most urgent first.

    Each SELL is a LIMIT over what the lot has left, its price rounded up to the tick, its quantity down to
    the step. Offers of lots that already rest, are flagged or were refused are passed over. `watches` and
    `wake_at` say when to ask again. A lot that the venue's filters forbid is told in the notes.
    """
    lacking = missing(view)
    facts = view.lots
    if lacking or facts is None:
        return Wanted(unknown=lacking)
    rules = view.instrument
    slots = closing(facts, rules.step)
    watches = (*watches, *awaited(view, slots))
    told = list(notes)
    hold = held(view, facts)
    if hold:
        told.append(hold)
        return Wanted(slots=tuple(slots), watches=watches, wake_at=wake_at, notes=tuple(told))
    busy, most = taken(facts), room(view, facts)
    bad: list[str] = []
    offered: list[Slot] = []
    for lot, price in offers:
        if lot.trade_id in busy:
            continue
        fit = conform(sell_slot((lot.trade_id,), round_up(price, rules.tick), lot.left), rules, mark=None)
        if isinstance(fit, Unplaceable):
            bad.append(f"lot {lot.trade_id}: unsellable ({fit.reason})")
            continue
        if len(offered) >= most:
            if most < BATCH:
                told.append(FULL)
            break
        offered.append(fit)
    slots.extend(offered)
    told.extend(few(bad, "and further unsellable lots"))
    return Wanted(slots=tuple(slots), watches=watches, wake_at=wake_at, notes=tuple(told))
