"""The reduce-only budget: what our take-profits may take off never exceeds the position.

Judged when one is placed, by what the venue holds and by what the process had been told (the larger one
counts: a position that has just shrunk could not be known, and an entry that meets one which somebody opened
in the same moment was meant for none).
"""

from decimal import Decimal

from backstay.simulation.observers.base import Observer, Sent, leg_name
from backstay.simulation.scene import LegKey, Scene

LAG_MS = 1_500
"""A report that was on its way for so long, or less, was not known."""


class ReduceOnly(Observer):
    name = "reduce_only"
    words = "take-profits together never exceed the position"

    def arrived(self, sent: Sent) -> None:
        if sent.surface != "regular" or sent.action != "place" or sent.params.get("type") != "LIMIT":
            return
        truth, told = self.watch.truth, self.watch.told
        held = max(abs(truth.amount(sent.key)), abs(told.amount(sent.key)))
        amount = told.amount(sent.key) or truth.amount(sent.key)
        if sent.opens(amount) or not held or self._has_just_begun(sent):
            return
        one_way = sent.params.get("positionSide", "BOTH") == "BOTH"
        if one_way and sent.params.get("reduceOnly") != "true":
            self.say(f"{leg_name(sent.key)}: {sent.client_id} closes, and may open the other way")
        total = min(self._takes(truth, sent.key), self._takes(told, sent.key)) + sent.quantity
        if total > held:
            self.say(
                f"{leg_name(sent.key)}: take-profits of {total} were asked for against a position of {held}"
            )

    def _has_just_begun(self, sent: Sent) -> bool:
        """The process had not been told of any position, and could not have been."""
        began_ms = self.watch.truth.legs[sent.key].epoch_ms if sent.key in self.watch.truth.legs else 0
        return not self.watch.told.amount(sent.key) and began_ms > sent.at_ms - LAG_MS

    def _takes(self, scene: Scene, key: LegKey) -> Decimal:
        """What resting take-profits may still take off; the order that a stop became is none."""
        amount, sent = scene.amount(key), self.watch.sent
        ours = (o for o in scene.resting(key, ours=True) if sent[o.client_id].surface == "regular")
        return sum((o.left for o in ours if o.takes(amount)), Decimal(0))
