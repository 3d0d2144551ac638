"""What a deterministic refusal allows next (exchange-state 8.1), by effect.

A refusal never costs trust (I-28), except where it contradicts what we hold as true; it closes a slot or
the scope's EXPOSURE for a while, and opens again when the time is over or its premise changed. The same
refusal is not provoked more than `MAX_REPEATS` times on one premise (I-29).
The wire's table says *which* effect a code has; this table says what the effect does.
"""

import msgspec

from backstay.core.events import Effect
from backstay.core.types import MS, SECOND, TimeNs

MAX_REPEATS = 3
RISK_COOLDOWN = 60 * SECOND


class Treatment(msgspec.Struct, frozen=True):
    """What one refusal does to the scope."""

    exposure: bool = False
    """Blocks the whole EXPOSURE family instead of the one slot."""
    backoff: tuple[TimeNs, ...] = (SECOND, 4 * SECOND, 15 * SECOND)
    """Wait after the 1st, 2nd, 3rd refusal of the same request."""
    distrust_if_open: str = ""
    """Reason for recovery when we hold a position: the refusal says that there is none."""
    distrust: str = ""
    """Reason for recovery in any case."""
    passes: bool = False
    """The cause goes away by itself (a busy or halted venue, a lost connection): never given up, the last
    wait repeats. Otherwise the third refusal holds until the premise changes (I-29)."""
    as_told: bool = False
    """The wait that the answer names is the wait, longer or shorter than the backoff."""
    until_changed: bool = False
    """Hold until the position, the balance or the request changes; do not come back by time."""


_FILTER = Treatment(until_changed=True)

TREATMENTS: dict[Effect, Treatment] = {
    Effect.MARGIN: Treatment(exposure=True, passes=True, backoff=(RISK_COOLDOWN,)),
    Effect.POSITION_LIMIT: Treatment(exposure=True, passes=True, backoff=(RISK_COOLDOWN,)),
    Effect.FILTER: _FILTER,
    Effect.MIN_NOTIONAL: _FILTER,
    Effect.WRONG_SURFACE: Treatment(until_changed=True),
    Effect.WOULD_TRIGGER: Treatment(until_changed=True),
    # The market is beyond one leg of a list now; whether it still is, only asking again tells.
    Effect.LIST_PRICES: Treatment(passes=True, backoff=(SECOND, 4 * SECOND, 15 * SECOND)),
    Effect.REDUCE_ONLY: Treatment(distrust_if_open="reduce_only_contradiction"),
    Effect.NO_POSITION: Treatment(distrust_if_open="reduce_only_contradiction"),
    Effect.CLOSE_POSITION_EXISTS: Treatment(distrust="close_position_exists", backoff=(SECOND, 5 * SECOND)),
    Effect.DUPLICATE_ID: Treatment(distrust="duplicate_id"),
    Effect.MAX_ORDERS: Treatment(passes=True, backoff=(5 * SECOND, 15 * SECOND, 60 * SECOND)),
    Effect.POSITION_SIDE: Treatment(distrust="account_mode"),
    Effect.TIME_IN_FORCE: Treatment(backoff=(SECOND, SECOND, SECOND)),
    Effect.NOT_AMENDABLE: Treatment(until_changed=True),
    # C-2: the same no-op request is not repeated until the desired or the resting order changes.
    Effect.SAME_ORDER: Treatment(until_changed=True),
    Effect.AMEND_IN_FLIGHT: Treatment(passes=True, backoff=(SECOND, 2 * SECOND, 4 * SECOND)),
    Effect.PRICE_BAND: Treatment(passes=True, backoff=(5 * SECOND, 15 * SECOND, 60 * SECOND)),
    Effect.SYMBOL_CLOSED: Treatment(passes=True, backoff=(5 * SECOND, 30 * SECOND, 60 * SECOND)),
    Effect.REDUCE_ONLY_REGIME: Treatment(exposure=True, passes=True, backoff=(RISK_COOLDOWN,)),
    Effect.LIQUIDATION: Treatment(exposure=True, passes=True, backoff=(RISK_COOLDOWN,)),
    Effect.TRIGGERING: Treatment(passes=True, backoff=(SECOND, 2 * SECOND, 4 * SECOND)),
    Effect.CLOCK: Treatment(passes=True, backoff=(100 * MS, 500 * MS, 2 * SECOND)),
    Effect.THROTTLED: Treatment(passes=True, backoff=(SECOND, 2 * SECOND, 4 * SECOND)),
    # The gateway paces us by what the venue asked for; any wait on top would outlast the venue's pause.
    Effect.RATE_LIMITED: Treatment(passes=True, as_told=True, backoff=(SECOND,)),
    Effect.NOT_SENT: Treatment(passes=True, backoff=(200 * MS, SECOND, 4 * SECOND)),
}
"""Effects that are not listed get the default treatment: the slot waits 1, 4, 15 s. A ban and refused keys
shut the account besides (`account_own.answered`)."""

IN_VAIN = Treatment(passes=True)
"""A cancel or an amendment was accepted, or answered "unknown order", and the venue's list still shows the
order as it was: the list lags, and asking again at once tells nothing new."""

_DEFAULT = Treatment()
_THROTTLED_PROTECTION = Treatment(passes=True, backoff=(0, 0, 0, SECOND))
_SALE_WITHOUT_ROOM = Treatment(backoff=(5 * SECOND, 15 * SECOND))


def treatment(effect: Effect, *, exposing: bool, by_lot: bool = False) -> Treatment:
    """How a refusal with this effect is treated.

    Reduce-only requests are exempt from the venue's throttling, so a throttled one is tried again at once,
    three times (-1008). A lot's SELL for which the venue has no room protects nothing: it waits until an
    order has left (`refused_sales`), not for a time.
    """
    if effect is Effect.THROTTLED and not exposing:
        return _THROTTLED_PROTECTION
    if effect is Effect.MAX_ORDERS and by_lot:
        return _SALE_WITHOUT_ROOM
    return TREATMENTS.get(effect, _DEFAULT)


def hold_for(rule: Treatment, count: int, told: TimeNs = 0) -> TimeNs | None:
    """How long the `count`-th refusal of one request holds its slot; None: until the premise changes.

    `told`: the wait that the answer names; 0: none.
    """
    if rule.until_changed or (count >= MAX_REPEATS and not rule.passes):
        return None
    backoff = rule.backoff[min(count, len(rule.backoff)) - 1]
    return told if rule.as_told and told else max(backoff, told)
