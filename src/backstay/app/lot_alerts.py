"""What a person should hear of lots: each new worry of the strategy becomes one alert of the ledger.

A decision says in its notes which lots cannot be sold, are old, were cancelled by their owner, or are not
covered by the account, again and again. Here is remembered what was told: each is told once while it lasts.
"""

import asyncio

from backstay.core.decisions import Converged
from backstay.core.grades import LOT_ALERT
from backstay.core.records import Body, Decided, Noted
from backstay.core.types import Product, Scope, TimeNs
from backstay.runtime.owner import Owner
from backstay.strategies.by_lot import FULL


class LotAlerts:
    """A listener of a guard's records; what it tells is noted in the same ledger."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._told: dict[Scope, dict[str, None]] = {}

    def record(self, _seq: int, _at: TimeNs, body: Body) -> None:
        if not isinstance(body, Decided) or body.scope.product is not Product.SPOT:
            return
        if not isinstance(body.decision, Converged):
            return
        notes = dict.fromkeys(note for note in body.decision.notes if is_worry(note))
        new = [note for note in notes if note not in self._told.get(body.scope, {})]
        self._told[body.scope] = notes
        if new:
            # Not from within the record that is being written.
            asyncio.get_running_loop().call_soon(self._tell, body.scope, new)

    def _tell(self, scope: Scope, notes: list[str]) -> None:
        if self._owner.live and not self._owner.failed.done():
            self._owner.note(Noted(LOT_ALERT, {"text": "; ".join(notes)}, scope))
        else:
            self._told.pop(scope, None)


def is_worry(note: str) -> bool:
    """Not for what goes its way: an owner's own closing, a venue that is full of our orders."""
    return note != FULL and not note.endswith("is being closed")
