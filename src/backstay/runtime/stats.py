"""Figures of one run, for people; no decision reads them."""

import msgspec

from backstay.core.types import TimeNs


class Stats(msgspec.Struct):
    started_at: TimeNs = 0
    events: int = 0
    dropped: int = 0
    """Events that were no news (duplicates, stale reports)."""
    passes: int = 0
    last_event_at: TimeNs = 0
    naked_ms: list[float] = []
    """Closed naked windows, as the runtime saw them: from the position's evidence to the ARMED stop."""
    unprotected_alarms: int = 0
    recoveries: int = 0
