"""The reduce-only budget: what our take-profits may take off never exceeds the position.

Judged when one is placed, by what the venue holds and by what the process had been told (the larger one
counts: a position that has just shrunk could not be known).
"""

from backstay.simulation.observers.base import Observer, Sent, leg_name


class ReduceOnly(Observer):
    name = "reduce_only"
    words = "take-profits together never exceed the position"

    def arrived(self, sent: Sent) -> None:
        if sent.surface != "regular" or sent.action != "place" or sent.params.get("type") != "LIMIT":
            return
        truth, told = self.watch.truth, self.watch.told
        held = max(abs(truth.amount(sent.key)), abs(told.amount(sent.key)))
        amount = told.amount(sent.key) or truth.amount(sent.key)
        if sent.opens(amount) or not held:
            return
        total = min(truth.take_profits(sent.key), told.take_profits(sent.key)) + sent.quantity
        if total > held:
            self.say(
                f"{leg_name(sent.key)}: take-profits of {total} were asked for against a position of {held}"
            )
