"""DRY_RUN_PRIVATE: what would have been sent goes to the ledger and the log, never to the network (I-35)."""

import msgspec

from backstay.core.contexts import OrderContext, Request
from backstay.core.decisions import Approved
from backstay.core.records import Noted
from backstay.core.slots import SlotKey
from backstay.core.types import Scope
from backstay.runtime.ports import Venue


class DryRun:
    """Tells each candidate once, until the slot asks for something else."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._told: dict[tuple[Scope, SlotKey], bytes] = {}

    def is_news(self, item: Approved) -> bool:
        """Whether this slot asks for something else than when it was last told; remembered."""
        intent = item.intent
        # A lot's SELL is the same whatever else is bought meanwhile.
        premise = None if intent.slot is not None and intent.slot.lots else intent.premise
        asked = msgspec.json.encode((intent.action, intent.slot, intent.target, premise))
        if self._told.get((item.scope, intent.key)) == asked:
            return False
        self._told[item.scope, intent.key] = asked
        return True

    def candidate(self, request: Request, ctx: OrderContext) -> Noted:
        """The complete `order_request` document: what is asked, then the venue's own parameters.

        `price` and `quantity` are empty where the order has none (at market, the whole position). Key,
        timestamp and signature are no part of it.
        """
        sent = self._venue.candidate(request, ctx)
        slot = ctx.slot
        detail: dict[str, str | int] = {
            "type": "order_request",
            "action": request.action.value,
            "product": request.scope.product.value,
            "symbol": request.scope.symbol,
            "side": sent.pop("side", slot.side.value),
            "order_type": sent.pop("type", slot.kind.value),
            "price": sent.pop("price", ""),
            "quantity": sent.pop("quantity", ""),
            "slot": str(request.key),
            "ctx_id": ctx.ctx_id,
        }
        return Noted("order_request", {**detail, **sent}, request.scope)
