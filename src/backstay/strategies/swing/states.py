"""Where a lot stands, in one word, for people, commands and the store."""

from collections.abc import Iterator
from enum import StrEnum

import msgspec

from backstay.core.contexts import OrderContext
from backstay.core.lots import Ended, Lot, Mark, every
from backstay.core.types import TimeNs
from backstay.core.view import PositionView
from backstay.strategies.swing.offers import Offer, offer, rules_of
from backstay.strategies.swing.policy import SwingPolicy


class LotStatus(StrEnum):
    WAITING_FOR_PROFIT = "WAITING_FOR_PROFIT"
    SELL_PLACED = "SELL_PLACED"
    COMPLETED = "COMPLETED"
    UNSELLABLE = "UNSELLABLE"
    CLOSED_BY_HAND = "CLOSED_BY_HAND"


class LotState(msgspec.Struct, frozen=True, kw_only=True):
    """One lot as it is shown."""

    lot: Lot
    status: LotStatus
    reason: str = ""
    """Why it is UNSELLABLE, or why its SELL is not placed."""
    offer: Offer
    sell: OrderContext | None = None
    """Its SELL that is under way or rests."""

    def held_for(self, now: TimeNs) -> TimeNs:
        """How long it was held: until it ended, or until `now` (ns)."""
        return (self.lot.ended_at or now) - self.lot.at


FLAGGED = {
    Mark.CANCELLED: "cancelled_by_owner",
    Mark.EXPIRED: "ended_by_venue",
    Mark.CLOSING: "closing",
}


def lot_state(view: PositionView, lot: Lot, policy: SwingPolicy) -> LotState:
    """The state of an open or ended lot of the view's scope."""
    made = offer(lot, rules_of(view, policy))
    if lot.ended is not Ended.NO:
        return LotState(lot=lot, status=LotStatus(lot.ended.value), offer=made)
    facts = view.lots
    sell = facts.selling.get(lot.trade_id) if facts is not None else None
    flag = facts.lots.flags.get(lot.trade_id) if facts is not None else None
    reason = FLAGGED[flag.mark] if flag is not None else ""
    if sell is not None:
        return LotState(lot=lot, status=LotStatus.SELL_PLACED, reason=reason, offer=made, sell=sell)
    if made.reason:
        return LotState(lot=lot, status=LotStatus.UNSELLABLE, reason=made.reason, offer=made)
    if not reason and facts is not None and lot.trade_id in facts.refused:
        reason = "refused_by_venue"
    return LotState(lot=lot, status=LotStatus.WAITING_FOR_PROFIT, reason=reason, offer=made)


def lot_states(view: PositionView, policy: SwingPolicy) -> Iterator[LotState]:
    """The states of all open lots of the view's scope, in no order."""
    if view.lots is not None:
        for lot in every(view.lots.lots):
            yield lot_state(view, lot, policy)
