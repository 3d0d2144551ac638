"""What one lot can be sold for: its quantity, its target, or why the venue or the policy forbids it.

The target is ``buy * (1 + fee_buy + profit) / (1 - fee_sell)``, rounded up to the tick. `fee_buy` is what
was really paid: a commission in the base asset counts at the buy price, one in the quote asset as it is, one
in a third asset (BNB) by the account's undiscounted rate, which is never too little. So the sale of quantity
q nets at least ``q * buy * profit`` after its own commission and its share of the buy's.
"""

from decimal import Decimal

import msgspec

from backstay.core.filters import conform
from backstay.core.instruments import Instrument
from backstay.core.lots import Lot
from backstay.core.money import ONE, round_up
from backstay.core.slots import Unplaceable
from backstay.core.types import ZERO
from backstay.core.view import PositionView
from backstay.strategies.by_lot import sell_slot
from backstay.strategies.swing.policy import SwingPolicy

UNKNOWN_COMMISSION = "unknown_commission_asset"
ABOVE_MAX_SELL_VALUE = "max_sell_value"
TOO_SMALL = frozenset({"quantity_below_min", "notional_below_min"})
"""Reasons that merging lots can cure."""


class Rules(msgspec.Struct, frozen=True, cache_hash=True):
    """Everything besides the lot that its offer follows from."""

    instrument: Instrument
    profit: Decimal
    maker_fee: Decimal
    taker_fee: Decimal
    fee_sell: Decimal
    max_sell_value: Decimal | None
    fee_assets: tuple[str, ...]


class Offer(msgspec.Struct, frozen=True, gc=False):
    """One lot's SELL as it would be placed, or why it cannot be."""

    trade_id: int
    target: Decimal
    quantity: Decimal
    """On the step, rounded down; 0 when nothing can be sold."""
    reason: str = ""
    """Why the lot cannot be sold; empty: it can."""


def rules_of(view: PositionView, policy: SwingPolicy) -> Rules:
    maker, taker = view.maker_fee, view.taker_fee
    fee_sell = policy.fee_sell if policy.fee_sell is not None else max(maker, taker)
    return Rules(
        view.instrument, policy.profit, maker, taker, fee_sell, policy.max_sell_value, policy.fee_assets
    )


def buy_commission(lot: Lot, rules: Rules) -> Decimal | None:
    """What the BUY cost in commissions, in quote currency; None: taken in an asset that nobody knows."""
    if not lot.commission:
        return ZERO
    if lot.commission_asset == rules.instrument.base:
        return lot.commission * lot.price
    if lot.commission_asset == rules.instrument.quote:
        return lot.commission
    if lot.commission_asset in rules.fee_assets:
        return lot.price * lot.quantity * (rules.maker_fee if lot.maker else rules.taker_fee)
    return None


def target_price(lot: Lot, commission: Decimal, rules: Rules) -> Decimal:
    """The lowest price on the tick at which the sale nets the profit; `commission` in quote currency."""
    bought = lot.price * lot.quantity
    needed = bought * (ONE + rules.profit) + commission
    keeps = lot.quantity * (ONE - rules.fee_sell)
    price = round_up(needed / keeps, rules.instrument.tick)
    # The quotient has 28 digits; where the exact one lies a hair above a tick, the next tick is meant.
    return price if price * keeps >= needed else price + rules.instrument.tick


def offer(lot: Lot, rules: Rules) -> Offer:
    """The lot's SELL under these rules."""
    commission = buy_commission(lot, rules)
    if commission is None:
        return Offer(lot.trade_id, ZERO, ZERO, UNKNOWN_COMMISSION)
    target = target_price(lot, commission, rules)
    fit = conform(sell_slot((lot.trade_id,), target, lot.left), rules.instrument, mark=None)
    if isinstance(fit, Unplaceable):
        return Offer(lot.trade_id, target, ZERO, fit.reason)
    quantity = fit.quantity or ZERO
    if rules.max_sell_value is not None and quantity * target > rules.max_sell_value:
        return Offer(lot.trade_id, target, quantity, ABOVE_MAX_SELL_VALUE)
    return Offer(lot.trade_id, target, quantity)
