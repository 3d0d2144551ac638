"""The SELL of the next lot, before it is bought: an identity that stands by (decision 0029).

Where a strategy sells a lot in the moment of its fill, everything that the SELL's context has to say is known
beforehand except lot, price and quantity. Those follow with the request, as the trigger of a stop on standby
does. What makes that safe is the order itself: it bears its lot as the venue's own label (strategyId), which
the venue gives back with every report, read and query. So an order that is found under an identity that
stood by, its record lost with the process, says itself which lot it sells; nothing is guessed.

A lot that is not bought yet has a negative number, one for each identity that stands by in its symbol.
"""

from msgspec.structs import replace

from backstay.core.events import OrderReport
from backstay.core.slots import Slot, SlotKey
from backstay.core.types import OrderType, Role, Side

STANDING_BY = 4
"""Identities for each symbol: fills of one burst beyond them wait for a durable write of their own. After a
crash each has to be asked for (R-12)."""
UNBOUGHT = tuple(range(-1, -STANDING_BY - 1, -1))


def next_sale(lot: int) -> Slot:
    """The SELL of a lot that is not bought yet; `lot` is one of `UNBOUGHT`."""
    return Slot(key=SlotKey(Role.TP, lot), side=Side.SELL, kind=OrderType.LIMIT, hands_off=True, lots=(lot,))


def of_lot(slot: Slot, lot: int) -> Slot:
    """`slot`, once its lot is known."""
    return replace(slot, key=SlotKey(slot.key.role, lot), lots=(lot,))


def fits(standing: Slot, slot: Slot) -> bool:
    """`slot` may be sent under the identity that was written for `standing`."""
    return standing.one_lot < 0 < slot.one_lot and slot.side is standing.side and slot.kind is standing.kind


def told(slot: Slot, r: OrderReport) -> Slot:
    """`slot`, whose lot was not known, as its order tells it. Without a label it stays unknown."""
    if r.label <= 0 or r.side is not slot.side:
        return slot
    return replace(of_lot(slot, r.label), price=r.price, quantity=r.quantity)
