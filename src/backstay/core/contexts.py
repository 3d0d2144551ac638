"""Order contexts: what we meant by a custom order id, written down before the order is sent.

The id itself carries nothing (I-20, I-21). A context is durable before the first byte of its
request leaves (I-18) and survives restart; it is the only proof that an order is ours (I-19).
Its `phase` walks the tables in `backstay.core.orders` and `backstay.core.algo_orders`.
"""

from decimal import Decimal
from enum import StrEnum

import msgspec

from backstay.core.slots import Slot, SlotKey, surface_of
from backstay.core.types import Action, Direction, Role, Scope, Surface, TimeNs


class Phase(StrEnum):
    """Where a managed order stands; regular and algo orders share the words that they share."""

    PRE_ARMED = "PRE_ARMED"
    REGISTERED = "REGISTERED"
    IN_FLIGHT = "IN_FLIGHT"
    ACCEPTED = "ACCEPTED"
    LIVE = "LIVE"
    PARTIAL = "PARTIAL"
    ARMED = "ARMED"
    TRIGGERING = "TRIGGERING"
    TRIGGERED = "TRIGGERED"
    FILLED = "FILLED"
    FINISHED = "FINISHED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"
    UNKNOWN = "UNKNOWN"
    ABSENT = "ABSENT"


TERMINAL = frozenset(
    {Phase.FILLED, Phase.FINISHED, Phase.CANCELED, Phase.EXPIRED, Phase.REJECTED, Phase.ABSENT}
)
RESTING = frozenset({Phase.LIVE, Phase.PARTIAL, Phase.ARMED})
"""Phases proven by private evidence or a snapshot: only these satisfy a slot."""


class Premise(msgspec.Struct, frozen=True, gc=False):
    """The facts that an intent was planned on; checked again right before it is sent (6.3)."""

    epoch: int
    position: Decimal
    """Signed position quantity."""
    target_quantity: Decimal | None = None
    target_price: Decimal | None = None
    """Quantity and price (or trigger) of the row that is amended or cancelled."""


class OrderContext(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The durable record of one order that we send or are about to send (section 3.2)."""

    ctx_id: str
    """The custom order id; used for exactly one send attempt."""
    scope: Scope
    direction: Direction
    slot: Slot
    """The conformed request: kind, side, price, trigger, quantity, flags."""
    epoch: int
    generation: int
    premise: Premise
    created_at: TimeNs
    writer: int = 0
    """Fencing number of the owner that wrote it."""
    phase: Phase = Phase.REGISTERED
    sent_at: TimeNs = 0
    recv_window_ms: int = 0
    order_id: int = 0
    """The venue's id on the context's surface (orderId or algoId), once learnt."""
    child_order_id: int = 0
    """Regular order that a triggered conditional order became."""
    filled: Decimal = Decimal(0)
    not_found_at: TimeNs = 0
    """Request time of the first complete read since it was sent (or accepted) that did not show it (X-1)."""
    looked_at: TimeNs = 0
    """Request time of a query that did not show it while its confirmation was still awaited."""
    unheard: TimeNs = 0
    """Only a read has shown it; local time by which its private event is due (4.1.2); 0: none."""
    stuck: bool = False
    """It stayed in TRIGGERING beyond the grace: no longer counted as protection, never cancelled (4.3); the
    order that it became may be.
    """
    parent: str = ""
    """For a pre-armed context: the exposure order whose fill it protects."""
    updated_at: TimeNs = 0
    group: str = ""
    """Spot: id of the first leg of the order list that this order is a leg of."""
    legs: tuple["OrderContext", ...] = ()
    """First leg of an order list, on its way to the venue: the other legs, placed by the same request."""

    @property
    def key(self) -> SlotKey:
        return self.slot.key

    @property
    def role(self) -> Role:
        return self.slot.key.role

    @property
    def surface(self) -> Surface:
        return surface_of(self.scope.product, self.slot.kind)

    @property
    def is_standby(self) -> bool:
        """Written for a position that somebody else may open (`backstay.core.standby`); not known as sent."""
        return self.slot.close_position and self.slot.trigger is None and not self.sent_at

    @property
    def awaits_lot(self) -> bool:
        """The identity of a SELL whose lot is not known: not bought yet, or its record was lost."""
        return self.slot.one_lot < 0

    @property
    def is_terminal(self) -> bool:
        return self.phase in TERMINAL

    @property
    def is_resting(self) -> bool:
        return self.phase in RESTING


class Request(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One mutation that is about to be sent, as it is made durable.

    `context` accompanies a place (and a pre-armed place); `price` and `quantity` are an amend's
    new total values.
    """

    ctx_id: str
    action: Action
    scope: Scope
    key: SlotKey
    context: OrderContext | None = None
    price: Decimal | None = None
    quantity: Decimal | None = None
    reason: str = ""
