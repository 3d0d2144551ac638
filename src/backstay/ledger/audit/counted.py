"""What of one order is in the trades, however often and in whatever way it was told."""

from decimal import Decimal

import msgspec

from backstay.core.types import ZERO
from backstay.ledger.audit.trade import Trade


class Counted(msgspec.Struct, omit_defaults=True):
    """What of one order is in the trades."""

    quantity: Decimal = ZERO
    value: Decimal = ZERO
    by_id: Decimal = ZERO
    """Quantity of its trades that were told one by one."""
    value_by_id: Decimal = ZERO
    """What these were worth."""
    unnamed: bool = False
    """Its fills were read before anything told whose order it is."""
    shares: dict[str, Decimal] = {}
    """Id of a trade -> what the latest fill brought to it; two, where it ended one and began another."""


def left_of(counted: Counted, filled: Decimal, average: Decimal, more: Decimal) -> Decimal:
    """Of a quantity whose single price nobody told: what the order's average leaves for it."""
    rest = average * filled - counted.value
    return rest if counted.quantity + more == filled and rest > 0 else average * more


def put(counted: Counted, trade: Trade, quantity: Decimal) -> None:
    """So much of the latest fill belongs to this trade."""
    counted.shares = {**counted.shares, trade.id: counted.shares.get(trade.id, ZERO) + quantity}
