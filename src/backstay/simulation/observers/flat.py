"""The kill switch ends flat: no managed position, no order of ours, and nothing new afterwards."""

from backstay.simulation.observers.base import Observer, leg_name


class Flat(Observer):
    name = "flat"
    words = "after the kill switch the account is flat and empty of our orders"

    def complaints(self) -> list[str]:
        """What is not as it should be now."""
        if not self.watch.flattening_ms:
            return []
        found = []
        truth = self.watch.truth
        for key, leg in truth.legs.items():
            if leg.amount and self.watch.managed(key) and not self.watch.hindered(key):
                found.append(f"{leg_name(key)} still holds {leg.amount} after the kill switch")
        for order in (*truth.orders.values(), *truth.algos.values()):
            rests = truth.owns(order.client_id) and order.status != "TRIGGERING"
            if rests and not self.watch.hindered(order.key):
                where = leg_name(order.key)
                found.append(f"{where}: {order.kind} {order.client_id} rests after the kill switch")
        return found

    def over(self, world: object) -> None:
        for text in self.complaints():
            self.say(text)
