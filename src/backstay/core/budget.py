"""The reduce-only budget: take-profits and exits together never ask for more than the position (I-24).

While levels are rearranged, the larger of an order's old and new size counts until the change is confirmed:
what shrinks goes first, what grows or is new waits for it. A venue refuses the surplus (-2022) or, worse,
fills it.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from backstay.core.contexts import OrderContext
from backstay.core.convergence import remaining, row_of
from backstay.core.decisions import Intent
from backstay.core.slots import SlotKey
from backstay.core.state import ScopeState
from backstay.core.types import ZERO, Action, Role, Surface

REDUCING = frozenset({Role.TP, Role.EXIT})


def within_position(
    s: ScopeState, working: Mapping[SlotKey, Sequence[OrderContext]], intents: Iterable[Intent]
) -> list[Intent]:
    """`intents` without those that would bring resting take-profit orders above the position for a moment."""
    asked: dict[str, Decimal] = {}
    room = abs(s.position.quantity)
    for key, held in working.items():
        if key.role in REDUCING:
            asked.update((c.ctx_id, _may_take(s, c)) for c in held if c.surface is Surface.REGULAR)
    if asked:
        room -= sum(asked.values(), ZERO)
    kept: list[Intent] = []
    for intent in intents:
        slot = intent.slot
        if slot is not None and intent.action is not Action.CANCEL and _counts(intent):
            growth = (slot.quantity or ZERO) - asked.get(intent.target, ZERO)
            if growth > 0:
                if growth > room:
                    continue
                room -= growth
        kept.append(intent)
    return kept


def _counts(intent: Intent) -> bool:
    return intent.key.role in REDUCING and intent.surface is Surface.REGULAR


def _may_take(s: ScopeState, ctx: OrderContext) -> Decimal:
    """What the order may still take off the position: as reported, or as asked for, whichever is more."""
    row = row_of(s, ctx)
    if row is not None:
        pending = s.pendings.get(ctx.ctx_id)
        amended = pending.quantity - ctx.filled if pending is not None and pending.quantity else ZERO
        return max(remaining(row), amended)
    return (ctx.slot.quantity or ZERO) - ctx.filled
