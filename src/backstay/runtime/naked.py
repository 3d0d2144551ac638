"""How long positions stand without their stop: measured always, alarmed when it lasts (I-37)."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from backstay.core.cover import uncovered
from backstay.core.decisions import Act, Decision, Recover, Wait
from backstay.core.records import Noted
from backstay.core.risk import open_gate
from backstay.core.state import Gate, ScopeState
from backstay.core.types import MS, SECOND, Scope, TimeNs
from backstay.runtime.lives import Lives
from backstay.runtime.stats import Stats

MAX_UNPROTECTED = 5 * SECOND
"""A position naked for longer raises an alarm."""
ALARM_EVERY = 60 * SECOND
NOBODY: Mapping[Scope, ScopeState] = MappingProxyType({})


class NakedWatch:
    """Notes every closed window and every alarm; asks nothing of anybody."""

    def __init__(
        self, stats: Stats, note: Callable[[Noted, int], None], told: Mapping[Scope, ScopeState] = NOBODY
    ) -> None:
        self.lives = Lives(note, told)
        """The milestones beside; `told`: the scopes at the latest ones that were recorded."""
        self._stats = stats
        self._note = note
        self._unwanted: set[Scope] = set()
        """Scopes that hold a position for which no stop is wanted."""
        self._alarms: dict[Scope, tuple[TimeNs, TimeNs]] = {}
        """Per scope: (the naked window that was alarmed, when the next alarm is due)."""

    def ended(self, key: Scope, s: ScopeState, since: TimeNs, now: TimeNs) -> None:
        """The window that began at `since` is over; it counts when a stop ended it."""
        if s.naked_since or not since or not s.position.quantity:
            return
        took_ns = now - since
        self._stats.naked_ms.append(took_ns / MS)
        self._note(Noted("protected", {"naked_us": took_ns // 1000}, key), 0)

    def due(self, key: Scope, s: ScopeState, *, wanted: bool) -> TimeNs | None:
        """When this window is (again) to be told of: after 5 s, 10 s, 20 s ..., then every minute."""
        if not s.naked_since:
            return None
        if not wanted:
            self._unwanted.add(key)
            return None
        self._unwanted.discard(key)
        return self._at(key, s)

    def alarm(
        self,
        key: Scope,
        s: ScopeState,
        now: TimeNs,
        why: Decision | None,
        gates: Mapping[str, Gate] = MappingProxyType({}),
    ) -> None:
        """Tell of a window that has lasted too long, if it has and a stop is wanted. `gates`: the account's;
        what is decided behind a door that is shut for everything does not leave.
        """
        if not s.naked_since or key in self._unwanted or now < self._at(key, s):
            return
        lasted = now - s.naked_since
        self._stats.unprotected_alarms += 1
        self._alarms[key] = (s.naked_since, now + min(lasted, ALARM_EVERY))
        size, bare = abs(s.position.quantity), uncovered(s)
        detail: dict[str, str | int] = {"naked_ms": lasted // MS, "reason": _spoken(why)}
        if halted := open_gate(gates, now, "venue_halt", "account_mode_mismatch"):
            detail["reason"] = f"nothing can be sent: {halted}"
        if bare != size:
            detail |= {"uncovered": f"{bare:f}", "of": f"{size:f}"}
        self._note(Noted("unprotected", detail, key), 0)

    def _at(self, key: Scope, s: ScopeState) -> TimeNs:
        since, at = self._alarms.get(key, (0, 0))
        return at if since == s.naked_since else s.naked_since + MAX_UNPROTECTED


def _spoken(decision: Decision | None) -> str:
    """What the scope does meanwhile, for somebody who is woken by it."""
    match decision:
        case None:
            return "not planned yet"
        case Wait():
            return f"waiting: {decision.reason}"
        case Recover():
            return f"reading the account again: {', '.join(decision.reasons)}"
        case Act():
            return f"under way: {decision.reason}"
    return "; ".join(decision.notes) or "all that was wanted is there"
