"""The process lives: it ends only by what was done to it, and at rest one is running and ready."""

from typing import Any

from backstay.simulation.observers.base import Observer


class Alive(Observer):
    name = "alive"
    words = "the process ends only by what was done to it"

    def over(self, world: Any) -> None:
        if not self.watch.ready_ms:
            self.say("no process is ready although every fault is over")
