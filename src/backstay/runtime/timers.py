"""One wake-up time a scope. Timers only wake; what they find is decided by the state."""

import asyncio
from collections.abc import Callable

from backstay.core.confirmations import next_deadline
from backstay.core.decisions import Plan, Wait
from backstay.core.flatten import TRUST_DEADLINE
from backstay.core.state import ScopeState
from backstay.core.types import MS, SECOND, Scope, TimeNs
from backstay.runtime.ports import Clock

TICK = MS
"""At least this much later: a deadline that stays in the past may not starve the loop."""
_FOREVER: TimeNs = 1 << 62


def wake_times(s: ScopeState, plan: Plan, now: TimeNs) -> list[TimeNs]:
    """When the scope has to be looked at again although nothing happens, after `plan` was made for it."""
    due = [t for t in (next_deadline(s), plan.wake_at) if t is not None]
    if isinstance(plan.decision, Wait) and plan.decision.until is not None:
        due.append(plan.decision.until)
    if s.flatten_since and not s.trusted and now < s.flatten_since + TRUST_DEADLINE:
        due.append(s.flatten_since + TRUST_DEADLINE)
    return due


class Timers:
    """The owner's timers. While a socket's read is under way, wishes are collected and set after it."""

    def __init__(self, clock: Clock, wake: Callable[[Scope], None]) -> None:
        self._clock = clock
        self._wake = wake
        self._loop = asyncio.get_running_loop()
        self._armed: dict[Scope, tuple[TimeNs, asyncio.TimerHandle]] = {}
        self._wished: dict[Scope, TimeNs] = {}

    def wish(self, key: Scope, at: TimeNs) -> None:
        """Wake the scope at `at`, unless it is woken earlier; takes effect with `set_wishes`."""
        if at < self._wished.get(key, _FOREVER):
            self._wished[key] = at

    def set_wishes(self) -> None:
        if self._wished:
            wished, self._wished = self._wished, {}
            for key, at in wished.items():
                self.set(key, at)

    def set(self, key: Scope, at: TimeNs) -> None:
        """Wake the scope at `at`, unless it is woken earlier."""
        now = self._clock.now_ns()
        armed = self._armed.get(key)
        if armed is not None:
            if now < armed[0] <= at:
                return
            armed[1].cancel()
        handle = self._loop.call_later(max(at - now, TICK) / SECOND, self._ring, key)
        self._armed[key] = (max(at, now), handle)

    def next_at(self) -> TimeNs | None:
        """When the next scope is woken; None: none waits."""
        return min((at for at, _ in self._armed.values()), default=None)

    def _ring(self, key: Scope) -> None:
        self._armed.pop(key, None)
        self._wake(key)

    def cancel(self) -> None:
        for _, handle in self._armed.values():
            handle.cancel()
        self._armed.clear()
