"""What a call to the venue ends with, besides evidence: shared by the gateway and the runtime."""

import msgspec

from backstay.core.events import Effect
from backstay.core.types import TimeNs


class Sent(msgspec.Struct, frozen=True):
    """A mutation whose bytes were handed to the transport (on the REST fallback: to a task that writes them).

    `venue_time` is the request's `timestamp` in ns; with `recv_window_ms` it bounds when it can be accepted.
    """

    venue_time: TimeNs
    recv_window_ms: int


class NotSent(Exception):
    """No byte of the request left: the mutation certainly did not happen (exchange-state 8.1).

    `retry_after_ms`: it had to wait for its turn, and this is for how long; 0: for another reason.
    """

    def __init__(self, message: str, *, retry_after_ms: int = 0) -> None:
        super().__init__(message)
        self.retry_after_ms = retry_after_ms


class VenueUnavailable(Exception):
    """A read failed; `fatal` when repeating it cannot help (keys refused, banned).

    `code` is the venue's error code (0: none), `status` the HTTP status (0: no answer came).
    """

    def __init__(
        self,
        message: str,
        *,
        fatal: bool = False,
        retry_after_ms: int = 0,
        code: int = 0,
        status: int = 0,
        effect: Effect = Effect.NONE,
        requested_at: TimeNs = 0,
        received_at: TimeNs = 0,
    ) -> None:
        super().__init__(message)
        self.fatal = fatal
        self.retry_after_ms = retry_after_ms
        self.code = code
        self.status = status
        self.effect = effect
        self.requested_at = requested_at
        """Venue times of the request and of its refusal, when one came."""
        self.received_at = received_at
