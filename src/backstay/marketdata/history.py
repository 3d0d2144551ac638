"""The bars of one symbol in their order: duplicates dropped, gaps named, bad ones kept out. No I/O, no clock.

Closed bars arrive by stream, history by reads; both go into the same `ScoreLine`. What is missing is asked
for by `need`, and nothing is scored across a hole: until it is filled the later bars wait, and where the
venue does not have the bars either, the indicators begin anew behind the hole and warm up again.
"""

from collections.abc import Iterable

import msgspec

from backstay.core.names import counted
from backstay.core.scored import SignalScored
from backstay.core.types import SECOND, TimeNs
from backstay.marketdata.intervals import INTERVALS, served
from backstay.signals.bars import Bar, BarRefused
from backstay.signals.line import Around, ScoreLine, alone, needed_bars
from backstay.signals.policy import ScorePolicy

GRACE = 3 * SECOND
"""So long after its end a bar may be on its way; a read any sooner may show it unfinished."""
RETRY = 10 * SECOND
RETRY_MAX = 300 * SECOND
MISSES = 3
"""A hole that so many reads could not fill is the venue's own."""
STEP = 32
"""Bars at once: about a millisecond."""
AHEAD_MAX = 1500
"""Bars kept behind a hole; with more of them the history is read anew."""


class Need(msgspec.Struct, frozen=True):
    """Bars to be read: those that open from `start` to before `end`."""

    symbol: str
    interval: str
    start: TimeNs
    end: TimeNs

    @property
    def count(self) -> int:
        return max((self.end - self.start) // INTERVALS[self.interval], 0)


class Tally(msgspec.Struct):
    """What was met so far, for screens and tests."""

    taken: int = 0
    duplicates: int = 0
    late: int = 0
    """Bars of before, out of order: dropped."""
    conflicts: int = 0
    """A bar again with other figures: the history was read anew."""
    faulty: int = 0
    """Bars with figures that no bar can have."""
    gaps: int = 0
    repaired: int = 0
    """Bars that came by reads, the history among them."""
    holes: int = 0
    """Gaps that the venue could not fill either: the indicators began anew."""


class History:
    """One symbol. Times are venue time in ns; `now` is always an argument."""

    def __init__(self, symbol: str, policy: ScorePolicy) -> None:
        self.symbol = symbol
        self.policy = policy
        self.interval = served(policy.interval)
        self.width = INTERVALS[self.interval]
        self.tally = Tally()
        self.trouble = ""
        """Why no bar can be taken in at present; empty: nothing is in the way."""
        self._line: ScoreLine | None = None
        self._ahead: dict[TimeNs, Bar] = {}
        self._asked: Need | None = None
        self._answered: Need | None = None
        """What is being taken in came with this answer."""
        self._retry_at: TimeNs = 0
        self._failures = 0
        """Reads in a row that brought nothing: they set the backoff."""
        self._misses = 0
        """Those among them that were answered."""

    @property
    def is_live(self) -> bool:
        """The history has been read, and bars are taken in as they close."""
        return self._line is not None

    @property
    def is_warm(self) -> bool:
        return self._line is not None and self._line.is_warm

    @property
    def expected(self) -> TimeNs:
        """When the bar opens that comes next; 0: the history is not read yet."""
        return self._line.expected if self._line is not None else 0

    # --- what comes in ------------------------------------------------------------------------------

    def closed(self, bar: Bar) -> None:
        """A bar that has just closed, of the stream; `step` takes it in."""
        last = self._line.last if self._line is not None else None
        if last is not None and bar.open_time < last.open_time:
            self.tally.late += 1
        elif last is not None and bar.open_time == last.open_time:
            self._again(bar, last)
        else:
            if self._line is not None and bar.open_time != self._line.expected and not self._ahead:
                self.tally.gaps += 1
            self._keep(bar)

    def read(self, need: Need, bars: Iterable[Bar]) -> None:
        """The answer to `need`: the venue has these bars and no others between its bounds."""
        if need != self._asked:
            return  # the question was given up meanwhile
        self._answered = need
        before = self._line.expected if self._line is not None else 0
        for bar in bars:
            if max(need.start, before) <= bar.open_time < need.end:
                self._ahead[bar.open_time] = bar
        if self._line is None and self._ahead:
            self._line = ScoreLine(self.symbol, self.policy, self.width)

    def failed(self, need: Need, reason: str, now: TimeNs) -> None:
        """The read did not succeed: it is asked for again, later each time."""
        if need == self._asked:
            self._asked = None
            self._wait(f"{counted(need.count, 'bar')} could not be read: {reason}", now)

    # --- what follows -------------------------------------------------------------------------------

    @property
    def has_work(self) -> bool:
        """`step` would do something."""
        return self._answered is not None or self._next() is not None

    def step(self, now: TimeNs, around: Around = alone, most: int = STEP) -> list[SignalScored]:
        """Take in at most `most` bars that follow without a hole; the scores that follow.

        Only a bar without a successor is scored: the others are history by the time they come.
        """
        made: list[SignalScored] = []
        for _ in range(most):
            line, bar = self._line, self._next()
            if line is None or bar is None:
                self._conclude(now)
                break
            del self._ahead[bar.open_time]
            newest = bar.open_time + self.width not in self._ahead
            found = line.push(bar, around) if newest else line.warm(bar)
            if isinstance(found, BarRefused):
                self.tally.faulty += 1
                self.trouble = f"bar of {bar.open_time}: {found.fault}, {found.detail}"
                continue
            self.tally.taken += 1
            if found is not None:
                made.append(found)
        return made

    # --- what is asked for --------------------------------------------------------------------------

    def need(self, now: TimeNs) -> Need | None:
        """What has to be read now; asked once, until `read` or `failed` answers."""
        if self._asked is not None or now < self._retry_at:
            return None
        done = (now - GRACE) // self.width * self.width
        """Bars that open before this have surely ended."""
        if self._line is None or self._line.last is None:
            count = needed_bars(self.policy, self.width)
            wanted = Need(self.symbol, self.interval, done - count * self.width, done)
        elif self._ahead:
            wanted = Need(self.symbol, self.interval, self._line.expected, min(self._ahead))
        elif self._line.expected < done:
            wanted = Need(self.symbol, self.interval, self._line.expected, done)
        else:
            return None
        self._asked = wanted
        return wanted

    def overdue(self, now: TimeNs) -> TimeNs:
        """For how long the next bar has been missing; 0: it has not, or bars are being taken in."""
        if self._line is None or self.has_work:
            return 0
        return max(now - self._line.expected - self.width, 0)

    # --- inside -------------------------------------------------------------------------------------

    def _keep(self, bar: Bar) -> None:
        if len(self._ahead) >= AHEAD_MAX and self._answered is None:
            self._forget("too many bars wait behind a hole")
        waiting = self._ahead.get(bar.open_time)
        if waiting is None:
            self._ahead[bar.open_time] = bar
            return
        if waiting == bar:
            self.tally.duplicates += 1
            return
        self.tally.conflicts += 1
        del self._ahead[bar.open_time]
        self.trouble = f"the bar of {bar.open_time} came twice with different figures"

    def _again(self, bar: Bar, last: Bar) -> None:
        """The last bar once more."""
        if bar == last:
            self.tally.duplicates += 1
            return
        self.tally.conflicts += 1
        self._forget(f"the bar of {bar.open_time} came twice with different figures")

    def _forget(self, why: str) -> None:
        """Nothing taken in so far is believed: the history is read anew."""
        self._line = self._asked = self._answered = None
        self._ahead.clear()
        self.trouble = why

    def _next(self) -> Bar | None:
        """The bar that may be taken in now."""
        if self._line is None or not self._ahead:
            return None
        return self._ahead.get(self._line.expected or min(self._ahead))

    def _conclude(self, now: TimeNs) -> None:
        """All that a read brought has been taken in: did it bring what was asked for?"""
        need, self._answered = self._answered, None
        if need is None:
            return
        self._asked = None
        if self._line is not None and self._line.expected >= need.end:
            self.tally.repaired += need.count
            self._failures = self._misses = self._retry_at = 0
            self.trouble = ""
            return
        self._misses += 1
        if self._misses < MISSES or not self._ahead:
            self._wait(self.trouble or f"the venue lacks bars from {need.start} to {need.end}", now)
            return
        # The venue will not have them: what lies behind the hole is a new history, and warms up as one.
        self.tally.holes += 1
        self._misses = 0
        self.trouble = ""
        self._line = ScoreLine(self.symbol, self.policy, self.width)

    def _wait(self, why: str, now: TimeNs) -> None:
        self.trouble = why
        self._failures += 1
        self._retry_at = now + min(RETRY << min(self._failures - 1, 5), RETRY_MAX)
