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
        # A lagging read may have told of an older size; what the venue holds counts as well.
        size = min(abs(known), abs(amount)) if (known > 0) == (amount > 0) else abs(known)
        if not any(o.close_position or o.total >= size * Decimal("0.85") for o in seen):
            self.say(
                f"{leg_name(sent.key)}: {sent.client_id} adds {sent.quantity} at {sent.price} and no stop of "
                f"the position of {known} had been reported"
            )
