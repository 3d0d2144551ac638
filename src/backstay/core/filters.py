"""What the venue's filters make of a slot: rounded onto the grid, or refused here instead of there.

One rule rounds every price: a SELL goes up, a BUY goes down. So a take-profit moves away from the entry, a
DCA step moves away from the market, a stop's trigger moves toward the entry (exchange-state 7.2 to 7.4).
The exception is the limit price of a stop-limit that closes: it moves toward being filled.
Quantities go down to the step. Filters as of `binance-usdm.md` section 7 and `binance-spot.md` section 9.
"""

from decimal import Decimal
from enum import StrEnum

from msgspec.structs import replace

from backstay.core.instruments import Instrument, SpotRules
from backstay.core.money import round_down, round_up
from backstay.core.slots import Slot, Unplaceable
from backstay.core.types import EXPOSING, ZERO, OrderType, Role, Side

# Looked up once: this file is on the path from a fill to its stop.
SELL, EXIT = Side.SELL, Role.EXIT
LIMIT, STOP, TRAILING = OrderType.LIMIT, OrderType.STOP, OrderType.TRAILING_STOP_MARKET

CALLBACK_MIN = Decimal("0.1")
CALLBACK_MAX = Decimal(20)
"""Trailing distance in percent (10 until 2026-10-23)."""


class Reason(StrEnum):
    """Why a slot cannot be placed; the venue's codes in brackets."""

    FILTERS_MISSING = "filters_missing"
    """No tick or step: a symbol that does not trade yet."""
    MALFORMED = "malformed"
    """The slot lacks what its kind needs, or says two things at once: a mistake of the strategy."""
    PRICE_BELOW_MIN = "price_below_min"
    """[-4013, -4001, -4006]"""
    PRICE_ABOVE_MAX = "price_above_max"
    """[-4002, -4007]"""
    PRICE_BAND = "price_band"
    """A BUY above mark * up or a SELL below mark * down [-4016, -4024]; a stop-limit's price likewise
    against its trigger [-4183, -4184]. Low BUYs and high SELLs are allowed."""
    QUANTITY_BELOW_MIN = "quantity_below_min"
    """[-4003, -4004]"""
    QUANTITY_ABOVE_MAX = "quantity_above_max"
    """[-4005]"""
    NOTIONAL_BELOW_MIN = "notional_below_min"
    """[-4164, -5029; spot: NOTIONAL, MIN_NOTIONAL]; not asked of reduce-only and close-position orders."""
    NOTIONAL_ABOVE_MAX = "notional_above_max"
    """Spot: [NOTIONAL]"""
    CALLBACK_RATE = "callback_rate"


TOO_SMALL = frozenset({Reason.QUANTITY_BELOW_MIN, Reason.NOTIONAL_BELOW_MIN})
"""What cannot be sold at any price: on spot nobody has to be alarmed that it stands unprotected."""
PRICED = frozenset({OrderType.LIMIT, OrderType.STOP, OrderType.TAKE_PROFIT})
AT_MARKET = frozenset(
    {
        OrderType.MARKET,
        OrderType.STOP_MARKET,
        OrderType.TAKE_PROFIT_MARKET,
        OrderType.TRAILING_STOP_MARKET,
    }
)
"""Kinds whose quantity falls under MARKET_LOT_SIZE."""
TRIGGERED = frozenset(
    {OrderType.STOP, OrderType.STOP_MARKET, OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_MARKET}
)


def conform(slot: Slot, instrument: Instrument, *, mark: Decimal | None) -> Slot | Unplaceable:
    """The slot as the venue would take it, or why it would not.

    Idempotent, and every number comes back with the decimals of its grid, so equal requests are written
    alike. `mark` bounds LIMIT prices (PERCENT_PRICE) and values a MARKET order; without it those two checks
    are left to the venue. Never raises for what a strategy or a market may bring.
    """
    tick = instrument.tick
    if not tick or not instrument.step:
        return Unplaceable(slot.key, Reason.FILTERS_MISSING, f"{instrument.symbol} has no tick or no step")
    kind, price, trigger, activate = slot.kind, slot.price, slot.trigger, slot.activate_price
    selling = slot.side is SELL
    low, high = instrument.min_price, instrument.max_price
    if kind in TRIGGERED:
        if trigger is None:
            return _malformed(slot, "trigger")
        trigger = round_up(trigger, tick) if selling else round_down(trigger, tick)
        if trigger < low or trigger <= ZERO or (trigger > high and high):
            return _outside(slot, trigger, instrument)
    if kind in PRICED:
        if price is None:
            return _malformed(slot, "price")
        upward = selling if kind is not STOP or slot.key.role in EXPOSING else not selling
        price = round_up(price, tick) if upward else round_down(price, tick)
        if price < low or price <= ZERO or (price > high and high):
            return _outside(slot, price, instrument)
        reference = mark if kind is LIMIT else trigger
        if reference is not None and (fault := _band_fault(slot, price, reference, instrument)) is not None:
            return fault
    if kind is TRAILING:
        if slot.callback_rate is None:
            return _malformed(slot, "callback rate")
        if (fault := _trail_fault(slot, slot.callback_rate, instrument.spot)) is not None:
            return fault
        if activate is not None:
            activate = round_up(activate, tick) if selling else round_down(activate, tick)
            if activate < low or activate <= ZERO or (activate > high and high):
                return _outside(slot, activate, instrument)
    spot = instrument.spot
    if spot is not None and (fault := _spot_fault(slot, price, mark, spot)) is not None:
        return fault
    if slot.close_position:
        if slot.quantity is not None:
            return Unplaceable(slot.key, Reason.MALFORMED, "close_position takes no quantity")
        return replace(slot, price=price, trigger=trigger)
    quantity = _fit_quantity(slot, instrument, price or trigger or activate or mark)
    if isinstance(quantity, Unplaceable):
        return quantity
    return replace(slot, price=price, trigger=trigger, quantity=quantity, activate_price=activate)


def fit_list(slot: Slot, instrument: Instrument, mark: Decimal | None) -> tuple[Slot | Unplaceable, ...]:
    """`conform` of a slot and of its other leg. Where only one of two legs can be placed, it is placed alone,
    and the other one is named as unplaceable.
    """
    if slot.leg is None:
        return (conform(slot, instrument, mark=mark),)
    one, other = conform(slot, instrument, mark=mark), conform(slot.leg, instrument, mark=mark)
    if isinstance(one, Slot) and isinstance(other, Slot):
        return (replace(one, leg=other),)
    return (replace(one, leg=None) if isinstance(one, Slot) else one, other)


def _malformed(slot: Slot, missing: str) -> Unplaceable:
    return Unplaceable(slot.key, Reason.MALFORMED, f"a {slot.kind} slot needs a {missing}")


def _outside(slot: Slot, price: Decimal, instrument: Instrument) -> Unplaceable:
    """PRICE_FILTER refuses a price or a trigger."""
    if instrument.max_price and price > instrument.max_price:
        return Unplaceable(slot.key, Reason.PRICE_ABOVE_MAX, f"{price} > {instrument.max_price}")
    return Unplaceable(
        slot.key, Reason.PRICE_BELOW_MIN, f"{price} < {max(instrument.min_price, instrument.tick)}"
    )


def _band_fault(slot: Slot, price: Decimal, reference: Decimal, instrument: Instrument) -> Unplaceable | None:
    """PERCENT_PRICE, one-sided: only the side that pays too much or asks too little is refused."""
    if slot.side is not SELL:
        if instrument.percent_up and price > reference * instrument.percent_up:
            detail = f"BUY {price} > {reference} x {instrument.percent_up}"
            return Unplaceable(slot.key, Reason.PRICE_BAND, detail)
    elif price < reference * instrument.percent_down:
        detail = f"SELL {price} < {reference} x {instrument.percent_down}"
        return Unplaceable(slot.key, Reason.PRICE_BAND, detail)
    return None


def _trail_fault(slot: Slot, rate: Decimal, spot: SpotRules | None) -> Unplaceable | None:
    """A trailing distance (percent) that the venue does not take; spot states its bounds in basis points."""
    if spot is None:
        if CALLBACK_MIN <= rate <= CALLBACK_MAX:
            return None
        detail = f"{rate} % is outside {CALLBACK_MIN} to {CALLBACK_MAX} %"
        return Unplaceable(slot.key, Reason.CALLBACK_RATE, detail)
    # Without an activation price it is a stop-loss, with one a take-profit: its mirror.
    above = (slot.side is not SELL) is (slot.activate_price is None)
    least, most = spot.trailing_above if above else spot.trailing_below
    points = rate * 100
    if spot.trailing and points == int(points) and least <= points and (points <= most or not most):
        return None
    detail = f"{rate} % is not a whole number of basis points between {least} and {most}"
    return Unplaceable(slot.key, Reason.CALLBACK_RATE, detail)


def _spot_fault(
    slot: Slot, price: Decimal | None, mark: Decimal | None, spot: SpotRules
) -> Unplaceable | None:
    """PERCENT_PRICE_BY_SIDE, two-sided; and what spot does not have at all.

    `reduce_only` is let pass: a spot order cannot sell more than there is.
    """
    if slot.close_position:
        return Unplaceable(slot.key, Reason.MALFORMED, "spot has no close_position; give a quantity")
    if price is None or mark is None:
        return None
    down, up = (spot.ask_down, spot.ask_up) if slot.side is SELL else (spot.bid_down, spot.bid_up)
    if price < mark * down or (price > mark * up and up):
        detail = f"{slot.side} {price} is outside {mark} x {down} to {mark} x {up}"
        return Unplaceable(slot.key, Reason.PRICE_BAND, detail)
    return None


def _spot_notional(
    slot: Slot, quantity: Decimal, price: Decimal, instrument: Instrument, spot: SpotRules
) -> Decimal | Unplaceable:
    """MIN_NOTIONAL and NOTIONAL; of MARKET orders only where the symbol says so."""
    notional = quantity * price
    at_market = slot.kind is OrderType.MARKET
    if notional < instrument.min_notional and (spot.min_notional_at_market or not at_market):
        detail = f"{quantity} x {price} = {notional:f} < {instrument.min_notional}"
        return Unplaceable(slot.key, Reason.NOTIONAL_BELOW_MIN, detail)
    if notional > spot.max_notional and spot.max_notional and (spot.max_notional_at_market or not at_market):
        detail = f"{quantity} x {price} = {notional:f} > {spot.max_notional}"
        return Unplaceable(slot.key, Reason.NOTIONAL_ABOVE_MAX, detail)
    return quantity


def _fit_quantity(slot: Slot, instrument: Instrument, price: Decimal | None) -> Decimal | Unplaceable:
    """LOT_SIZE or MARKET_LOT_SIZE, then MIN_NOTIONAL.

    An EXIT that is larger than one order may be goes in parts. And a market EXIT is never held back for its
    notional: closing the rest of a position in hedge mode carries no reduce-only flag, and the venue's answer
    is worth more there than our arithmetic.
    """
    if slot.quantity is None:
        return _malformed(slot, "quantity")
    if slot.kind in AT_MARKET:
        step = instrument.market_step or instrument.step
        least, most = instrument.market_min_qty, instrument.market_max_qty
    else:
        step, least, most = instrument.step, instrument.min_qty, instrument.max_qty
    quantity = round_down(slot.quantity, step)
    if quantity < least or quantity <= ZERO:
        detail = f"{slot.quantity} is below {max(least, step)}"
        return Unplaceable(slot.key, Reason.QUANTITY_BELOW_MIN, detail)
    if quantity > most and most:
        if slot.key.role is EXIT:
            return round_down(most, step)
        return Unplaceable(slot.key, Reason.QUANTITY_ABOVE_MAX, f"{quantity} > {most}")
    if instrument.spot is not None and price is not None:
        return _spot_notional(slot, quantity, price, instrument, instrument.spot)
    if slot.reduce_only or price is None or slot.key.role is EXIT:
        return quantity
    if quantity * price < instrument.min_notional:
        detail = f"{quantity} x {price} = {quantity * price:f} < {instrument.min_notional}"
        return Unplaceable(slot.key, Reason.NOTIONAL_BELOW_MIN, detail)
    return quantity
