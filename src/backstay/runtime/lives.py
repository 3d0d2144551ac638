"""Milestones of a position's life as records for people: opened, closed.

That it is protected is told by `naked.NakedWatch`. The facts themselves are the venue's reports; these say
in one line each what they added up to, behind the pass that they led to.
"""

from collections.abc import Callable, Iterator, Mapping

from backstay.core.names import position_name
from backstay.core.records import Noted
from backstay.core.state import ScopeState
from backstay.core.types import Product, Scope


class Lives:
    """Tells each milestone once, whether a report or a read brought it, and across restarts.

    `told`: the scopes as they were when the latest milestones of them were recorded.
    """

    def __init__(self, note: Callable[[Noted, int], None], told: Mapping[Scope, ScopeState]) -> None:
        self._note = note
        self._told = dict(told)

    def tell(self, s: ScopeState, cause: int) -> None:
        """Note what has begun or ended since the scope was last looked at."""
        before = self._told.get(s.scope)
        if before is s:
            return
        self._told[s.scope] = s
        if (
            before is None
            or s.epoch != before.epoch
            or (not s.position.quantity and before.position.quantity)
        ):
            for milestone in milestones(before, s):
                self._note(milestone, cause)


def milestones(before: ScopeState | None, s: ScopeState) -> Iterator[Noted]:
    """What the change from `before` to `s` completed. None of lots: they have no position."""
    if s.scope.product is Product.SPOT:
        return
    if before is not None and before.epoch > s.epoch:
        before = None  # the ledger went on with another account
    had = before is not None and bool(before.position.quantity)
    epoch = before.epoch if before is not None else 0
    if had and (not s.position.quantity or s.epoch != epoch):
        yield _closed(s.scope, epoch)
    for number in range(epoch + 1, s.epoch + 1):
        last = number == s.epoch
        yield _opened(s, number, known=last)
        if not last or not s.position.quantity:
            yield _closed(s.scope, number)


def _opened(s: ScopeState, epoch: int, *, known: bool) -> Noted:
    """The beginning; of a position that has ended meanwhile nothing more is known."""
    direction = s.position.direction
    detail: dict[str, str | int] = {"position": position_name(s.scope, epoch)}
    if known and direction is not None:
        detail |= {
            "side": direction.value,
            "quantity": f"{abs(s.position.quantity):f}",
            "entry": f"{s.position.entry_price:f}",
        }
    return Noted("position_opened", detail, s.scope)


def _closed(scope: Scope, epoch: int) -> Noted:
    return Noted("position_closed", {"position": position_name(scope, epoch)}, scope)
