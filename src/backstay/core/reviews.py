"""What waits for a person (4.1): a manual review closes EXPOSURE until an operator's `ack`, never protection.

Only a scope that could not be read is left alone altogether (trust MANUAL_REVIEW): nothing is known of it. In
every other review the state is trusted, and a position keeps its stop, or gets one as soon as it can be had.
"""

from backstay.core.events import Effect
from backstay.core.state import Block, ScopeState
from backstay.core.types import Role, Trust

STALE_DATA = "stale_data"
"""Also the gate of a market that is not heard of; followed by a symbol where only that one is meant."""
CONFLICT = "conflict"
REVIEWS = {
    STALE_DATA: "nothing was known of its market while the position was open",
    CONFLICT: "the venue contradicts what two consistent snapshots showed",
}
"""Blocks of EXPOSURE that are manual reviews, and what they mean."""
LASTING = frozenset({"liquidation_seen", *REVIEWS})
"""Blocks that outlive the position: an operator has to look."""


def review(s: ScopeState) -> str:
    """Why this scope waits for a person, as far as its state alone tells; empty: it does not."""
    if s.trust is Trust.MANUAL_REVIEW:
        return ", ".join(s.reasons) or "it could not be read"
    for b in s.blocks:
        if b.key is None and b.effect in REVIEWS:
            return REVIEWS[b.effect]
    for b in s.blocks:
        if s.naked_since and _stop_refused(s, b):
            return f"its stop is missing, and refused ({b.effect})"
    return ""


def _stop_refused(s: ScopeState, block: Block) -> bool:
    """For good, as long as the position stays as it is. Somebody else's close-position stop protects."""
    if block.key is None or block.key.role is not Role.SL or block.until:
        return False
    return block.position == s.position.quantity and block.effect != Effect.CLOSE_POSITION_EXISTS
