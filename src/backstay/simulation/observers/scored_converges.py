"""After the faults nothing of ours is surplus: a flat leg is empty, and a position has one stop and no more
targets than its plan.
"""

from backstay.core.types import MS
from backstay.simulation.observers.base import leg_name
from backstay.simulation.observers.scored_base import ScoredObserver
from backstay.simulation.scene import ZERO, LegKey

TRIED_MS = 90_000
"""Restarts, refusals and a patient limit order put the close off."""


class ScoredConverges(ScoredObserver):
    name = "converges"
    words = "after the faults nothing of ours is surplus"

    def complaints(self) -> list[str]:
        """What is not as it should be now."""
        if self.watch.flattening_ms:
            return []
        truth = self.watch.truth
        keys = set(truth.legs) | {o.key for o in (*truth.orders.values(), *truth.algos.values())}
        managed = (key for key in sorted(keys) if self.watch.managed(key))
        return [f"{leg_name(key)}: {text}" for key in managed for text in self._leg(key)]

    def over(self, world: object) -> None:
        for text in self.complaints():
            self.say(text)

    def _is_due(self, key: LegKey) -> bool:
        """It is to be left by its age, now or soon; one that an order by hand has hindered was tried."""
        after, life = self.watch.setup.policy.exit.after, self.watch.truth.life(key)
        if after is None or life is None or self.watch.in_review(key):
            return False
        told_ms = self.watch.told.legs[key].epoch_ms if key in self.watch.told.legs else 0
        tried_ms = max(life.opened_ms, told_ms) + after // MS + TRIED_MS
        return self.watch.now_ms() < tried_ms or not self.watch.hindered(key)

    def _leg(self, key: LegKey) -> list[str]:
        truth, amount = self.watch.truth, self.watch.truth.amount(key)
        ours = [o for o in truth.resting(key, ours=True) if o.status != "TRIGGERING"]
        if not amount:
            return [f"flat, and {o.kind} {o.client_id} rests" for o in ours]
        found = [f"{o.kind} {o.client_id} rests, and it closes nothing" for o in ours if not o.closes(amount)]
        if self._is_due(key):
            found.append(f"holds {amount}, and its time is to end it")
        stops = [o for o in ours if o.is_stop]
        if len(stops) > 1:
            found.append(f"{len(stops)} stops rest: {', '.join(o.client_id for o in stops)}")
        takes = [o for o in ours if not o.is_stop and o.closes(amount)]
        size = sum((abs(amount) if o.close_position else o.left for o in takes), ZERO)
        most = len(self.watch.setup.policy.score.bracket.targets)
        if len(takes) > most:
            found.append(f"{len(takes)} targets rest, its plan has {most}")
        if size > abs(amount):
            found.append(f"targets of {size} rest against a position of {amount}")
        return found
