"""Order kind by age: a patient limit order first, then what takes the market, bounded by slippage and depth.

The desired order of a slot is a pure function of the slot's life so far, so nothing has to be remembered and
a restart changes nothing: while the slot is younger than `timeout` it wants a LIMIT; from then on it wants
an immediate order for what is left. The planner sees a resting LIMIT where an immediate order is wanted,
cancels it, waits for the proof of its end, and only then places the next order, whose size is what the
fills proven by then have left. So a slot never has two live orders and never executes more than its total.

An order that takes is no larger than a share of what the book shows within the slippage limit; the rest
follows in further slices of the same slot.
"""

from decimal import Decimal
from enum import StrEnum

import msgspec

from backstay.core.filters import conform
from backstay.core.instruments import Instrument
from backstay.core.money import round_down
from backstay.core.scored import Book
from backstay.core.slots import Slot, SlotKey
from backstay.core.types import SECOND, ZERO, OrderType, Side, TimeInForce, TimeNs
from backstay.core.view import SlotLife

ORDERS_MAX = 60
"""One slot takes at most about so many orders."""
FRESH = 5 * SECOND
"""A book that is older than this says nothing any more."""


class Then(StrEnum):
    """What follows when the limit order's time is over."""

    IOC = "ioc"
    """A LIMIT at the slippage limit that never rests."""
    MARKET = "market"
    """Only while the book shows enough within the slippage limit."""


class Escalation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long to be patient, and what to do afterwards."""

    timeout: TimeNs = 60 * SECOND
    """Age of the slot at which the limit order gives way; 0: take the market at once."""
    then: Then = Then.IOC
    max_slippage: Decimal | None = Decimal("0.002")
    """Farthest price that is taken, as a fraction from the reference; none: no limit (`market` only)."""
    depth_share: Decimal | None = None
    """Largest part of the visible depth that one order takes; none: the book is not asked."""
    pause: TimeNs = 3 * SECOND
    """Least time between two orders of the slot."""
    give_up: TimeNs = 180 * SECOND
    """Age at which what is left is no longer wanted; longer than `timeout`, at most 60 pauses."""

    def __post_init__(self) -> None:
        if self.timeout < 0 or self.pause <= 0:
            raise ValueError("escalation: timeout is a duration of 0 or more, pause one above 0")
        if self.give_up <= self.timeout:
            raise ValueError("escalation.give_up must be longer than escalation.timeout")
        if self.give_up > ORDERS_MAX * self.pause:
            # Every order is remembered while its slot lives.
            raise ValueError(
                f"escalation: {ORDERS_MAX} pauses are shorter than give_up; lengthen pause or shorten give_up"
            )
        for name in ("max_slippage", "depth_share"):
            value = getattr(self, name)
            if value is not None and not 0 < value <= 1:
                raise ValueError(f"escalation.{name} is {value}; write a share above 0, at most 1")
        if self.max_slippage is None and self.then is Then.IOC:
            raise ValueError("escalation.then ioc needs escalation.max_slippage: it is the order's price")
        if self.max_slippage is None and self.depth_share is not None:
            raise ValueError("escalation.depth_share needs escalation.max_slippage: it says how deep to look")


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the slot is for. `total` is on the venue's grid; prices need not be."""

    key: SlotKey
    side: Side
    total: Decimal
    reference: Decimal
    """Price that slippage is measured from."""
    limit: Decimal
    """Price of the patient order."""
    reduce_only: bool = False


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What a slot wants now."""

    slot: Slot | None = None
    """Conformed; None: no order now, and none that may go on resting."""
    wake_at: TimeNs | None = None
    book: bool = False
    """The order book decides: it is wanted as evidence."""
    note: str = ""
    """Why there is no order; stable words."""
    over: bool = False
    """Nothing more will be asked for."""


def escalate(
    asked: Asked,
    rule: Escalation,
    life: SlotLife | None,
    book: Book | None,
    instrument: Instrument,
    now: TimeNs,
) -> Step:
    """The order that the slot wants at `now`, given its `life` so far (None: nothing was ordered yet)."""
    left = asked.total - (life.filled if life is not None else ZERO)
    if left <= 0:
        return Step(over=True)
    age = now - life.since if life is not None else 0
    if book is not None and now > book.at + FRESH:
        book = None
    if life is not None and age >= rule.give_up:
        return Step(over=True, note="given up")
    if age < rule.timeout:
        return _patient(asked, rule, life, left, book, instrument, now)
    return _immediate(asked, rule, life, left, book, instrument, now)


def slippage_limit(side: Side, reference: Decimal, most: Decimal) -> Decimal:
    """The worst price that may be paid or taken."""
    return reference * (1 + most if side is Side.BUY else 1 - most)


def visible(book: Book, side: Side, limit: Decimal) -> Decimal:
    """What an order of `side` would find in the book at `limit` or better."""
    levels = book.facing(side)
    within = (x.quantity for x in levels if (x.price <= limit if side is Side.BUY else x.price >= limit))
    return sum(within, ZERO)


def _patient(
    asked: Asked,
    rule: Escalation,
    life: SlotLife | None,
    left: Decimal,
    book: Book | None,
    instrument: Instrument,
    now: TimeNs,
) -> Step:
    """A LIMIT GTC. One that rests stays as it is: it is never chased after the market."""
    wake_at = life.since + rule.timeout if life is not None else None
    if life is not None and life.resting is not None:
        slot = _limit(asked, life.price or asked.limit, min(life.resting, left))
        return Step(slot=slot, wake_at=wake_at)
    if life is not None and life.open:
        # On its way, or its end is not proven: the planner lets nothing follow it.
        return Step(wake_at=wake_at, note="under way")
    if life is not None and now < life.last_at + rule.pause:
        return Step(wake_at=life.last_at + rule.pause, note="pause")
    quantity = min(left, instrument.max_qty) if instrument.max_qty else left
    if rule.depth_share is not None:
        if book is None:
            return Step(wake_at=wake_at, book=True, note="book not known")
        crossing = visible(book, asked.side, asked.limit)
        if crossing:  # otherwise it takes nothing that is visible
            quantity = min(quantity, crossing * rule.depth_share)
    return _fitted(asked, _limit(asked, asked.limit, quantity), life, instrument, wake_at)


def _immediate(
    asked: Asked,
    rule: Escalation,
    life: SlotLife | None,
    left: Decimal,
    book: Book | None,
    instrument: Instrument,
    now: TimeNs,
) -> Step:
    """An order that never rests, once the one before has ended and its pause is over."""
    ends_at = life.since + rule.give_up if life is not None else None
    if life is not None and life.resting is None:
        if life.open:
            return Step(wake_at=ends_at, note="under way")
        if now < life.last_at + rule.pause:
            return Step(wake_at=life.last_at + rule.pause, note="pause")
    at_market = rule.then is Then.MARKET
    most = instrument.market_max_qty if at_market else instrument.max_qty
    quantity = min(left, most) if most else left
    looks = rule.depth_share is not None or (at_market and rule.max_slippage is not None)
    if looks:
        if book is None:
            return Step(wake_at=ends_at, book=True, note="book not known")
        bound = slippage_limit(asked.side, asked.reference, rule.max_slippage or ZERO)
        room = visible(book, asked.side, bound) * (rule.depth_share or 1)
        grid = (instrument.market_step if at_market else ZERO) or instrument.step
        quantity = round_down(min(quantity, room), grid)
        if quantity <= 0:
            return Step(wake_at=ends_at, book=True, note="nothing within the slippage limit")
    if at_market:
        slot = Slot(
            key=asked.key,
            side=asked.side,
            kind=OrderType.MARKET,
            quantity=quantity,
            reduce_only=asked.reduce_only,
            total=asked.total,
        )
    else:
        bound = slippage_limit(asked.side, asked.reference, rule.max_slippage or ZERO)
        slot = msgspec.structs.replace(
            _limit(asked, _inward(asked.side, bound, instrument.tick), quantity), tif=TimeInForce.IOC
        )
    step = _fitted(asked, slot, life, instrument, ends_at)
    return msgspec.structs.replace(step, book=looks)


def _inward(side: Side, bound: Decimal, tick: Decimal) -> Decimal:
    """On the grid and not beyond the bound: a SELL's price would be rounded up anyway, a BUY's down."""
    on_grid = round_down(bound, tick)
    return on_grid if side is Side.BUY or on_grid == bound else on_grid + tick


def _limit(asked: Asked, price: Decimal, quantity: Decimal) -> Slot:
    return Slot(
        key=asked.key,
        side=asked.side,
        kind=OrderType.LIMIT,
        price=price,
        quantity=quantity,
        reduce_only=asked.reduce_only,
        total=asked.total,
    )


def _fitted(
    asked: Asked, slot: Slot, life: SlotLife | None, instrument: Instrument, wake_at: TimeNs | None
) -> Step:
    """On the venue's grid; a rest that the venue would not take ends the slot instead of haunting it."""
    fit = conform(slot, instrument, mark=asked.reference if slot.kind is OrderType.MARKET else None)
    if isinstance(fit, Slot):
        return Step(slot=fit, wake_at=wake_at)
    whole = slot.quantity == asked.total - (life.filled if life is not None else ZERO)
    return Step(wake_at=wake_at, note=f"cannot be placed ({fit.reason})", over=whole)
