"""Every entry follows from a score that was recorded before it left, with the approval of the gate; the score
can be computed again from its recorded inputs, and these are what the venue's own bars say.

Whose clock is wrong believes that a bar has ended and reads it unfinished: the venue marks no such row. The
bars of those minutes alone are not compared; the closed bar of the stream differs, and all is read anew.
"""

from decimal import Decimal
from typing import Any

import numpy as np

from backstay.core.scored import SignalKind, SignalScored
from backstay.core.types import MS, SECOND
from backstay.signals.bars import Series
from backstay.signals.indicators import FEATURES, features
from backstay.signals.score import recomputed
from backstay.simulation.observers.base import leg_name
from backstay.simulation.observers.scored_base import ScoredObserver
from backstay.simulation.observers.scored_watch import Entered, ScoredStory

KLINES = "GET /fapi/v1/klines"
CLOCKS = frozenset({"local_clock", "venue_clock", "clock_drift"})
CLOCK_MS = 60_000
"""A clock that a fault had set wrong by more than a second is measured again by then: prices say the venue's
time. One that is less wrong reads no bar before the grace of late ones is over (`marketdata.history`)."""
CLOSE_ENOUGH = 1e-6
"""Of a price: histories of different lengths end in the same averages but for less than this."""


class Explained(ScoredObserver):
    name = "explained"
    words = "every entry has its recorded score and approval, and the score can be computed again"

    def over(self, world: Any) -> None:
        story = self.watch.story()
        if story is None:
            return
        for sent in self.watch.all_sent:
            if not self.watch.enters(sent) or not self.watch.managed(sent.key):
                continue
            entry = story.entries.get(sent.client_id)
            if entry is None:
                self.say(f"{leg_name(sent.key)}: {sent.client_id} enters, and no record says why", sent.at_ms)
            else:
                why = self._unexplained(entry, story)
                if why:
                    self.say(f"{leg_name(sent.key)}: {sent.client_id} enters, and {why}", sent.at_ms)
        policy = self.watch.setup.policy.score
        for seq, score in story.scores:
            if recomputed(score, policy) != score:
                self.say(f"the score of record {seq} is not what its inputs give")
        for symbol in self.watch.setup.symbols:
            self._judge_bars(symbol, [s for _, s in story.scores if s.symbol == symbol], world)

    def _unexplained(self, entry: Entered, story: ScoredStory) -> str:
        """What is missing before the request; empty: nothing."""
        if entry.plan is None:
            return "it followed no signal"
        scored = next((q for q, s in story.scores if s.symbol == entry.symbol and s.signal == entry.plan), 0)
        if not 0 < scored < entry.registered:
            return "its score was not recorded before"
        if not scored < entry.approved < entry.registered:
            return "no approval was recorded between its score and its request"
        buys = entry.plan.kind is SignalKind.LONG
        if entry.plan.kind is SignalKind.NONE or buys is not (entry.side == "BUY"):
            return f"its signal says {entry.plan.kind}"
        return ""

    def _is_within(self, score: SignalScored, spans: list[tuple[int, int]]) -> bool:
        """Its bar ended within one of these."""
        at_ms = score.signal.at // MS - self.watch.start_ms
        return any(begin <= at_ms <= end for begin, end in spans)

    def _judge_bars(self, symbol: str, scores: list[SignalScored], world: Any) -> None:
        """What a signal read of bars is what the venue's bars say."""
        wrong = [(f.at_ms, f.at_ms + f.for_ms + CLOCK_MS) for f in world.case.faults if f.kind in CLOCKS]
        signals = [
            s for s in scores if s.signal.kind is not SignalKind.NONE and not self._is_within(s, wrong)
        ]
        if not signals:
            return
        policy = self.watch.setup.policy.score
        now = self.watch.now_ms() * MS
        rows = world.exchange.engine.call(
            None, KLINES, {"symbol": symbol, "interval": "1m", "limit": "1000"}, now
        )
        columns = np.array([[float(v) for v in row[:6]] for row in rows]).T
        opened = np.array([int(row[0]) * MS for row in rows])
        x = features(Series(opened, *columns[1:]), policy.interval, policy.higher, policy.periods)
        at = {int(o) + 60 * SECOND: i for i, o in enumerate(opened)}
        for s in signals:
            i = at.get(s.signal.at)
            if i is None:
                self.say(f"{symbol}: the venue has no bar that ends at {s.signal.at}", s.signal.at // MS)
                continue
            for name, value in _inputs(s).items():
                mine = float(x[name][i])
                if abs(mine - float(value)) > CLOSE_ENOUGH * max(abs(mine), float(s.signal.price), 1.0):
                    self.say(
                        f"{symbol}: {name} was {value}, and the venue's bars say {mine}", s.signal.at // MS
                    )
                    break


def _inputs(score: SignalScored) -> dict[str, Decimal]:
    """Inputs that come from bars."""
    found: dict[str, Decimal] = {}
    for factor in score.factors:
        found.update({n: v for n, v in factor.inputs.items() if n in FEATURES and v is not None})
    return found
