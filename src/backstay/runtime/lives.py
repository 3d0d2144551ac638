"""Milestones of a position's life as records for people: opened, closed.

That it is protected is told by `naked.NakedWatch`. The facts themselves are the venue's reports; these say
in one line each what they added up to, behind the pass that they led to.
"""

from backstay.core.names import position_name
from backstay.core.records import Noted
from backstay.core.state import ScopeState
from backstay.core.types import Product


def milestones(before: ScopeState | None, s: ScopeState) -> list[Noted]:
    """What the change from `before` to `s` completed. None of lots: they have no position."""
    if s.scope.product is Product.SPOT:
        return []
    found: list[Noted] = []
    had = before is not None and bool(before.position.quantity)
    if before is not None and had and (not s.position.quantity or s.epoch != before.epoch):
        found.append(Noted("position_closed", {"position": position_name(s.scope, before.epoch)}, s.scope))
    if s.position.quantity and (not had or before is None or s.epoch != before.epoch):
        direction = s.position.direction
        detail: dict[str, str | int] = {
            "position": position_name(s.scope, s.epoch),
            "side": direction.value if direction is not None else "",
            "quantity": f"{abs(s.position.quantity):f}",
            "entry": f"{s.position.entry_price:f}",
        }
        found.append(Noted("position_opened", detail, s.scope))
    return found
