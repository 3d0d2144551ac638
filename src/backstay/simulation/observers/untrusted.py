"""No mutation while untrusted, as the wire shows it: after the private stream of a process ended, nothing is
placed, amended or cancelled before positions and both kinds of orders have been read anew.

The operator's flattening has its own rule: it may close on the last known position.
"""

from backstay.simulation.observers.base import Observer, Sent, leg_name


class Untrusted(Observer):
    name = "untrusted"
    words = "nothing is changed between the loss of the stream and a complete read"

    def arrived(self, sent: Sent) -> None:
        watch = self.watch
        if not watch.is_blind(sent.machine) or self._flattens(sent):
            return
        gone = ", ".join(sorted(watch.unread[sent.machine.number]))
        since = watch.now_ms() - watch.lost_ms[sent.machine.number]
        self.say(
            f"{leg_name(sent.key)}: {sent.endpoint} {sent.client_id} left {since} ms after the stream was "
            f"lost, and {gone} had not been read"
        )

    def _flattens(self, sent: Sent) -> bool:
        closing = self.watch.closing.get(sent.key, 0) or self.watch.flattening_ms
        return bool(closing) and (sent.action == "cancel" or not sent.opens(self.watch.told.amount(sent.key)))
