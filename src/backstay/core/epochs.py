"""Which orders a scope remembers as one life of its position ends and another begins."""

from msgspec.structs import replace

from backstay.core.contexts import TERMINAL, OrderContext, Phase
from backstay.core.state import ScopeState
from backstay.core.types import Direction, Role, TimeNs

# Looked up once: this file is on the path from a fill to its stop.
PRE_ARMED, ENTRY = Phase.PRE_ARMED, Role.ENTRY


def kept_contexts(s: ScopeState, direction: Direction | None, at: TimeNs) -> dict[str, OrderContext]:
    """A new epoch forgets the finished orders of the older ones; what may still live is kept (X-4).

    The unused standby of the other direction is forgotten too: it was not needed.
    """
    now = s.epoch + 1
    kept = {}
    for name, c in s.contexts.items():
        if c.phase is PRE_ARMED:
            mine = c.epoch == now and (c.direction is direction or not c.is_standby)
            if mine or c.awaits_lot:
                kept[name] = c
        elif c.epoch == now:
            kept[name] = c
        elif c.role is ENTRY and c.epoch == s.epoch and c.direction is direction and _opens(s, c, at):
            kept[name] = replace(c, epoch=now)
        elif c.phase not in TERMINAL:
            kept[name] = c
    return kept


def is_flipping(s: ScopeState, at: TimeNs) -> bool:
    """What ends is somebody else's position, and our entry on the other side may go on to open a life: a flip
    in more than one match goes through flat, and keeps its plan as one at a stroke does.
    """
    ended = s.position.direction
    return any(
        c.role is ENTRY and c.epoch == s.epoch and c.direction is not ended and _opens(s, c, at)
        for c in s.contexts.values()
    )


def _opens(s: ScopeState, ctx: OrderContext, at: TimeNs) -> bool:
    """An entry met a position of somebody else, or outlived its own, and what it fills now is a new life: the
    reports of one match bear the same time (O-6), and that of the order may still be on its way.
    """
    row = s.orders.get(ctx.order_id)
    return ctx.phase not in TERMINAL or (row is not None and row.filled > 0 and row.at == at)


def unused_forgotten(s: ScopeState) -> dict[str, OrderContext]:
    """Pre-armed contexts of a life that is over were never used: after a restart they would be in doubt."""
    return {
        k: c for k, c in s.contexts.items() if c.phase is not PRE_ARMED or c.epoch > s.epoch or c.awaits_lot
    }
