"""One entry for a signal: a position is entered on one score, no score is entered on twice, no larger than
configured, and none after its time.
"""

from decimal import Decimal
from typing import Any

from backstay.core.scored import Signal
from backstay.core.types import MS
from backstay.simulation.observers.base import leg_name
from backstay.simulation.observers.scored_base import ScoredObserver
from backstay.simulation.observers.scored_watch import ScoredStory
from backstay.simulation.scene import ZERO
from backstay.simulation.scored_scene import Life

CLOCK_MS = 8_000
"""What clocks may be off, and a request be on its way."""
DRIFT = Decimal("1.03")


class OneEntry(ScoredObserver):
    name = "one_entry"
    words = "one entry for a signal, in its time and of its size"

    def over(self, world: Any) -> None:
        story = self.watch.story()
        if story is None:
            return
        for key, lives in self.watch.truth.lives.items():
            seen: dict[int, int] = {}
            for life in lives:
                for plan in self._plans(life, story):
                    if plan.at in seen:
                        self.say(
                            f"{leg_name(key)}: the signal of {plan.at} was entered on at {seen[plan.at]} "
                            "and again",
                            life.opened_ms,
                        )
                    seen[plan.at] = life.opened_ms
        self._in_time(story.entries)

    def _plans(self, life: Life, story: ScoredStory) -> set[Signal]:
        """The signals that a position was entered on: one, and no larger than it allows."""
        ours = [f for f in life.part(enters=True) if f.client_id in story.entries]
        plans = {p for f in ours if (p := story.entries[f.client_id].plan) is not None}
        where, most = leg_name(life.key), self.watch.setup.policy.size.max_notional
        if len(plans) > 1:
            self.say(f"{where}: a position was entered on {len(plans)} signals", life.opened_ms)
        worth = sum((f.quantity * f.price for f in ours), ZERO)
        if most is not None and worth > most * DRIFT:
            self.say(f"{where}: {worth:.2f} was entered, {most} is the most", life.opened_ms)
        return plans

    def _in_time(self, entries: dict[str, Any]) -> None:
        """The first request of an entry left while its signal was valid."""
        first: dict[tuple[Any, ...], int] = {}
        for sent in self.watch.all_sent:
            entry = entries.get(sent.client_id) if sent.action == "place" else None
            if entry is None or entry.plan is None or sent.held_up:
                continue
            what = (sent.key, entry.plan.at)
            if what in first:
                continue
            first[what] = sent.at_ms
            if sent.at_ms > entry.plan.valid_until // MS + CLOCK_MS:
                self.say(f"{leg_name(sent.key)}: {sent.client_id} left after its signal's time", sent.at_ms)
