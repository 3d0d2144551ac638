"""No foreign order is touched: whatever we cancel or amend, we placed."""

from backstay.simulation.observers.base import Observer, Sent


class Foreign(Observer):
    name = "foreign"
    words = "no order of somebody else is touched"

    def arrived(self, sent: Sent) -> None:
        if sent.action != "place" and sent.client_id not in self.watch.sent:
            self.say(f"{sent.endpoint} {sent.client_id or sent.params}: we never placed that order")
