"""One symbol's way from bars to scores: what a live feed and a backtest have in common.

Bars go in one by one, in order; scores come out where a scored bar closes. There is no clock, no queue and no
socket here: who feeds it decides when, and the same bars give the same scores, bit for bit.
"""

from collections.abc import Callable

from backstay.core.scored import SignalScored
from backstay.core.types import TimeNs
from backstay.signals.bars import Bar, BarRefused, judge
from backstay.signals.indicators import warm_up
from backstay.signals.policy import ScorePolicy
from backstay.signals.resample import Resampler
from backstay.signals.score import ALONE, Scorer, Surroundings

type Around = Callable[[TimeNs], Surroundings]
"""What is known besides bars at a bar's close."""


def alone(_at: TimeNs) -> Surroundings:
    """Nothing is known besides bars."""
    return ALONE


class ScoreLine:
    """Scores of one symbol. `base` is the length of the bars that go in; 0: the scored ones themselves.

    A shorter `base` is put together to scored bars first (`resample`), and a score then comes out once per
    scored bar. Raises ValueError where `base` does not divide the scored interval.
    """

    def __init__(self, symbol: str, policy: ScorePolicy, base: TimeNs = 0) -> None:
        self.symbol = symbol
        self.policy = policy
        self.base = base or policy.interval
        self.scorer = Scorer(symbol, policy)
        self._resampler = Resampler(self.base, policy.interval) if self.base != policy.interval else None
        self.last: Bar | None = None
        """The latest bar taken in."""

    @property
    def expected(self) -> TimeNs:
        """When the next bar opens; 0: any may come."""
        return self.last.open_time + self.base if self.last is not None else 0

    @property
    def is_warm(self) -> bool:
        """The history suffices for scores without the veto `warming_up`."""
        policy = self.policy
        return self.scorer.bars >= warm_up(policy.interval, policy.higher, policy.periods)

    def push(self, bar: Bar, around: Around = alone) -> SignalScored | BarRefused | None:
        """The score that `bar` completes, None where it completes none, or why it is not taken in.

        A refused bar has changed nothing.
        """
        whole = self._taken(bar)
        if whole is None or isinstance(whole, BarRefused):
            return whole
        return self.scorer.push(whole, around(bar.open_time + self.base))

    def warm(self, bar: Bar) -> BarRefused | None:
        """Take a bar in without scoring it: history."""
        whole = self._taken(bar)
        if whole is None or isinstance(whole, BarRefused):
            return whole
        found = self.scorer.warm(whole)
        return found if isinstance(found, BarRefused) else None

    def _taken(self, bar: Bar) -> Bar | BarRefused | None:
        """The scored bar that `bar` completes."""
        refused = judge(bar, self.last, self.base)
        if refused is not None:
            return refused
        self.last = bar
        return bar if self._resampler is None else self._resampler.push(bar)


def needed_bars(policy: ScorePolicy, base: TimeNs = 0) -> int:
    """How many bars of `base` a `ScoreLine` has to see before its first score counts.

    One scored bar more than the indicators need: a history may begin in the middle of one.
    """
    scored = warm_up(policy.interval, policy.higher, policy.periods)
    if not base or base == policy.interval:
        return scored
    return (scored + 1) * (policy.interval // base)
