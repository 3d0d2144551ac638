"""Every filled entry ends with its stop and its targets at the venue, where its signal wants them, or closed.

A stop may be tighter than its signal's by break-even. A target that the market has passed is no order any
more; one that hangs in TRIGGERING is protection being consumed (4.3); and one for which an order by hand has
left no room is refused until that order goes (R-9). Whose position it is, and at what price, the venue's own
fills say; which distances, the scores that were recorded before the fill.
"""

from decimal import ROUND_DOWN, ROUND_UP, Decimal

from backstay.simulation.market import TICKS
from backstay.simulation.observers.base import leg_name
from backstay.simulation.observers.scored_base import ScoredObserver
from backstay.simulation.scene import ZERO, LegKey, Resting
from backstay.simulation.scored_scene import Life

EARLIER_MS = 130_000
"""A signal is valid for a minute, and its entry may take most of another."""
SLACK_TICKS = 2


class Bracketed(ScoredObserver):
    name = "bracketed"
    words = "every filled entry ends with stop and target confirmed, or closed"

    def complaints(self) -> list[str]:
        """Which position lacks what now."""
        if self.watch.flattening_ms:
            return []
        found: list[str] = []
        for key in sorted(self.watch.truth.lives):
            life = self.watch.truth.life(key)
            if life is not None and not self.watch.in_review(key):
                found.extend(f"{leg_name(key)}: {text}" for text in self._lacks(key, life))
        return found

    def over(self, world: object) -> None:
        for text in self.complaints():
            self.say(text)
        story = self.watch.story()
        if story is None or self.watch.flattening_ms:
            return
        plans = [(e.symbol, e.signal) for _, e in story.scores]
        for key in sorted(self.watch.truth.lives):
            life = self.watch.truth.life(key)
            if life is None or not life.ours or self.watch.in_review(key):
                continue
            distances = {
                s.stop_distance
                for symbol, s in plans
                if symbol == key[0] and life.opened_ms - EARLIER_MS <= s.at // 1_000_000 <= life.opened_ms
            }
            self._judge_stop(key, life, distances)

    def _lacks(self, key: LegKey, life: Life) -> list[str]:
        truth, amount = self.watch.truth, self.watch.truth.amount(key)
        ours = [o for o in truth.resting(key, ours=True) if o.status != "TRIGGERING"]
        stops = [o for o in ours if o.is_stop]
        if not any(o.covers(amount) for o in stops):
            theirs = [o for o in truth.resting(key, ours=False) if o.covers(amount)]
            return [] if any(o.close_position for o in theirs) else [f"no stop covers {amount}"]
        takes = [o for o in ours if not o.is_stop and o.closes(amount)]
        if not takes:
            return [] if self.watch.hindered(key) else [f"no target rests for {amount}"]
        size = sum((abs(amount) if o.close_position else o.left for o in takes), ZERO)
        targets = len(self.watch.setup.policy.score.bracket.targets) if life.ours else 1
        # Of several targets the first may be done; what is too small for one of its own joins the last.
        if size != abs(amount) and targets == 1 and not self.watch.hindered(key):
            return [f"targets of {size} rest for {amount}"]
        return []

    def _judge_stop(self, key: LegKey, life: Life, distances: set[Decimal]) -> None:
        stop = next((o for o in self.watch.truth.resting(key, ours=True) if o.is_stop), None)
        if stop is None:
            return
        if not distances:
            self.say(f"{leg_name(key)}: no score was recorded before the entry at {life.opened_ms}")
            return
        looser = [self._looser(key, stop, distance) for distance in distances]
        if all(looser):
            self.say(f"{leg_name(key)}: the stop at {stop.trigger} is looser than {looser[-1]}")

    def _looser(self, key: LegKey, stop: Resting, distance: Decimal) -> Decimal | None:
        """Where the stop of this distance belongs, if it is looser than that."""
        leg = self.watch.truth.legs[key]
        tick, long = TICKS[key[0]] * (10 if key[0] in self.watch.filters_changed else 1), leg.amount > 0
        exact = leg.entry * (1 - distance if long else 1 + distance) / tick
        wanted = exact.to_integral_value(ROUND_UP if long else ROUND_DOWN) * tick
        slack = tick * SLACK_TICKS
        is_looser = stop.trigger < wanted - slack if long else stop.trigger > wanted + slack
        return wanted if is_looser else None
