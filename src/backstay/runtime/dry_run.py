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
        asked = msgspec.json.encode((intent.action, intent.slot, intent.target, intent.premise))
        if self._told.get((item.scope, intent.key)) == asked:
            return False
        self._told[item.scope, intent.key] = asked
        return True

    def candidate(self, request: Request, ctx: OrderContext) -> Noted:
        """The complete request, without key, timestamp and signature."""
        detail: dict[str, str | int] = dict(self._venue.candidate(request, ctx))
        return Noted("order_request", {"action": request.action.value, **detail}, request.scope)
