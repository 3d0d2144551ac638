"""The door that every request asks: budgets, pauses after 429, the halt after 418 or refused keys.

The arithmetic lives in `wire.limits`; here is the waiting, the reading of headers, and the telling: each
change is given out as a `GateChanged` of the gate `rate_limited` or `venue_halt` (exchange-state 4.1, 8.1).
"""

import asyncio
from collections.abc import Callable, Mapping

from backstay.binance.net.outcomes import NotSent, VenueUnavailable
from backstay.binance.net.transport import HttpReply
from backstay.binance.wire import endpoints
from backstay.binance.wire.decode_rest import RateLimit, WsAnswer
from backstay.binance.wire.endpoints_spot import ORDERS_1D_HEADER
from backstay.binance.wire.limits import Admit, Budget, Delay, Halted, Kind
from backstay.binance.wire.rejections import Verdict
from backstay.core.events import Effect, GateChanged
from backstay.core.types import MS, SECOND, TimeNs

RATE_LIMITED = "rate_limited"
VENUE_HALT = "venue_halt"
LONGEST_PAUSE_MS = 600_000
"""A growing pause grows up to here, unless the venue asks for more."""
MAX_WAIT = 75 * SECOND
"""A read that would have to wait longer fails at once and says for how long."""


class Gate:
    """One per account and IP: shared by REST, the order connection and the streams."""

    def __init__(
        self, *, budget: Budget, now: Callable[[], TimeNs], on_change: Callable[[GateChanged], None]
    ) -> None:
        self._budget = budget
        self._now = now
        self._on_change = on_change
        self._limited_until: TimeNs = 0
        self._timer: asyncio.TimerHandle | None = None
        self._halt_reason = ""
        self._row = 0
        self._row_ends: TimeNs = 0
        """A refusal before this time is one more in a row: as long after a pause as the pause itself."""
        self.refused_by_limit = 0
        """Answers 429 (and -1003, -1015) so far..."""
        self.banned = 0
        """... and 418."""

    @property
    def halted(self) -> bool:
        return self._budget.halted

    @property
    def halt_reason(self) -> str:
        """Why everything is halted; empty: it is not."""
        return f"venue halt: {self._halt_reason}" if self.halted else ""

    @property
    def limited_until(self) -> TimeNs:
        """Venue time at which the current pause ends; 0: none."""
        return self._limited_until

    def headroom(self) -> dict[str, int]:
        return self._budget.headroom(self._now())

    def used(self) -> dict[str, float]:
        return self._budget.used(self._now())

    def admit(self, kind: Kind, weight: int, now: TimeNs, *, orders: int = 0) -> None:
        """Book a mutation at venue time `now`. Raises NotSent when it may not go out; nothing is awaited."""
        answer = self._budget.admit(kind, weight, now, orders=orders)
        if type(answer) is Admit:
            return
        if isinstance(answer, Delay):
            self._limited(answer.until, answer.reason)
            wait_ms = max(1, -(-(answer.until - now) // MS))
            raise NotSent(f"rate limit: {answer.reason}; free in {wait_ms} ms", retry_after_ms=wait_ms)
        raise NotSent(f"venue halt: {self._halt_reason or _reason(answer)}; an operator has to release it")

    async def wait(self, kind: Kind, weight: int) -> None:
        """Book a read, waiting for its turn.

        Raises VenueUnavailable when halted, or when the wait would be too long.
        """
        while True:
            now = self._now()
            answer = self._budget.admit(kind, weight, now)
            if isinstance(answer, Admit):
                return
            if isinstance(answer, Halted):
                raise VenueUnavailable(
                    f"venue halt: {self._halt_reason or answer.reason}; an operator has to release it",
                    fatal=True,
                )
            wait = answer.until - now
            if wait > MAX_WAIT:
                raise VenueUnavailable(f"rate limit: {answer.reason}", retry_after_ms=wait // MS)
            await asyncio.sleep(max(wait, MS) / SECOND)

    # --- what answers teach ---------------------------------------------------------------------------

    def note_headers(self, path: str, headers: Mapping[str, str]) -> None:
        """Adopt the counts of a REST answer: they are the truth, other processes may share the address."""
        weight = _number(headers, endpoints.WEIGHT_HEADER)
        if path in endpoints.UNRELIABLE_WEIGHT:
            weight = None
        orders_10s = _number(headers, endpoints.ORDERS_10S_HEADER)
        orders_long = _number(headers, endpoints.ORDERS_1M_HEADER)
        if orders_long is None:
            orders_long = _number(headers, ORDERS_1D_HEADER)
        if weight is not None or orders_10s is not None or orders_long is not None:
            self._budget.adopt(self._now(), weight=weight, orders_10s=orders_10s, orders_long=orders_long)

    def note_ws(self, limits: tuple[RateLimit, ...]) -> None:
        """Adopt the counts of a WebSocket API answer.

        Its weight is a counter of its own by one page and the shared one by another (binance.md 9): the
        budget only ever raises its count, so the stricter reading holds.
        """
        counts = {(limit.kind, limit.interval_s): limit.used for limit in limits}
        self._budget.adopt(
            self._now(),
            weight=counts.get(("REQUEST_WEIGHT", 60)),
            orders_10s=counts.get(("ORDERS", 10)),
            orders_long=counts.get(("ORDERS", self._budget.orders_long.interval // SECOND)),
        )

    def adopt_limits(self, limits: tuple[RateLimit, ...]) -> None:
        """Adopt the capacities that exchangeInfo announces."""
        known = {(limit.kind, limit.interval_s): limit.limit for limit in limits}
        self._budget.adopt_limits(
            weight=known.get(("REQUEST_WEIGHT", 60)),
            orders_10s=known.get(("ORDERS", 10)),
            orders_long=known.get(("ORDERS", self._budget.orders_long.interval // SECOND)),
        )

    def note_verdict(self, verdict: Verdict, *, status: int, code: int) -> None:
        """Pause or halt when a refusal says so; any other verdict changes nothing."""
        effect = verdict.effect
        if effect is Effect.RATE_LIMITED:
            asked_until = self._now() + verdict.retry_after_ms * MS
            until = self._now() + self._pause_ms(verdict.retry_after_ms) * MS
            reason = f"the venue answered {status} ({code})"
            self._budget.pause(until, reason, orders_only=code == -1015, reserved_until=asked_until)
            self._limited(until, reason)
        elif effect is Effect.BANNED:
            self.banned += 1
            self.halt(f"the venue banned this address: {status} ({code})", until=verdict.banned_until_ms * MS)
        elif effect is Effect.KEYS:
            self.halt(f"the venue refused the API key or its signature: {status} ({code})")

    def _pause_ms(self, asked_ms: int) -> int:
        """What the venue asks for; refused again right after a pause, twice as long each time.

        Protection waits for what the venue asks for and no longer: a position stands without its stop.
        """
        now = self._now()
        self.refused_by_limit += 1
        if now < self._limited_until:
            return asked_ms  # of the same burst: requests that were on their way
        self._row = self._row + 1 if now < self._row_ends else 0
        pause_ms = min(asked_ms << min(self._row, 10), max(asked_ms, LONGEST_PAUSE_MS))
        self._row_ends = now + 2 * pause_ms * MS
        return pause_ms

    # --- halting --------------------------------------------------------------------------------------

    def halt(self, reason: str, *, until: TimeNs = 0) -> None:
        """Stop every request until `release`. `until`: when the ban ends, as far as the venue said."""
        self._budget.halt(reason)
        if not self._halt_reason:
            self._halt_reason = reason
            self._on_change(GateChanged(gate=VENUE_HALT, active=True, reason=reason, until=until))

    def release(self, reason: str) -> None:
        """An operator's word: requests may go out again."""
        self._budget.release()
        if self._halt_reason:
            self._halt_reason = ""
            self._on_change(GateChanged(gate=VENUE_HALT, active=False, reason=reason))

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _limited(self, until: TimeNs, reason: str) -> None:
        # Requests carry whole milliseconds: told to be over in the middle of one, the next would be refused.
        until = -(-until // MS) * MS
        if until <= self._limited_until:
            return
        self._limited_until = until
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(
            max(0, until - self._now()) / SECOND, self._limit_over
        )
        self._on_change(GateChanged(gate=RATE_LIMITED, active=True, reason=reason, until=until))

    def _limit_over(self) -> None:
        left = self._limited_until - self._now()
        if left > 0:  # timers may be early against a clock that is being corrected
            self._timer = asyncio.get_running_loop().call_later(left / SECOND, self._limit_over)
            return
        self._timer = None
        self._limited_until = 0
        self._on_change(GateChanged(gate=RATE_LIMITED, active=False))


def retry_after_ms(reply: HttpReply) -> int:
    """The `Retry-After` header (seconds) in ms; 0 when there is none that can be read."""
    seconds = _number(reply.headers, "retry-after")
    return 0 if seconds is None else seconds * 1000


def retry_after_of(answer: WsAnswer, now: TimeNs) -> int:
    """`error.data.retryAfter` (an epoch in ms) as a delay in ms; 0 when absent or past."""
    return max(0, answer.retry_at_ms - now // MS) if answer.retry_at_ms else 0


def _number(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(name.lower(), "")
    return int(text) if text.isascii() and text.isdigit() else None


def _reason(answer: Delay | Halted | Admit) -> str:
    return "" if isinstance(answer, Admit) else answer.reason
