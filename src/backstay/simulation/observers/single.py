"""One owner: a process without the lease sends nothing."""

from backstay.simulation.observers.base import Observer, Sent


class Single(Observer):
    name = "single"
    words = "a process that does not hold the lease sends nothing"

    def arrived(self, sent: Sent) -> None:
        running = self.watch.machine
        if running is not None and sent.machine is not running:
            self.say(
                f"{sent.endpoint} {sent.client_id} came from process {sent.machine.number}, and process "
                f"{running.number} owns the account"
            )
