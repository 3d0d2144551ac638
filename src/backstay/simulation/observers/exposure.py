"""No exposure before confirmed protection: who adds to a position has been told of its stop."""

from decimal import Decimal

from backstay.simulation.observers.base import Observer, Sent, leg_name


class Exposure(Observer):
    name = "exposure"
    words = "nothing is added to a position whose stop is not confirmed"

    def arrived(self, sent: Sent) -> None:
        watch = self.watch
        amount = watch.truth.amount(sent.key)
        if not sent.opens(amount) or sent.params.get("type") != "LIMIT":
            return
        known = watch.told.amount(sent.key)
        if not watch.setup.policy.stop_loss.enabled or not known:
            return
        seen = [o for o in watch.told.resting(sent.key, ours=True) if o.is_stop and o.closes(known)]
        if not any(o.close_position or o.total >= abs(known) * Decimal("0.85") for o in seen):
            self.say(
                f"{leg_name(sent.key)}: {sent.client_id} adds {sent.quantity} at {sent.price} and no stop of "
                f"the position of {known} had been reported"
            )
