"""Contexts are durable before bytes: when a place request arrives, a power cut would not lose its id."""

from backstay.simulation.machine import Machine
from backstay.simulation.observers.base import Observer, Sent


class Durable(Observer):
    name = "durable"
    words = "what an order means is on disk before it is sent"

    def arrived(self, sent: Sent) -> None:
        if sent.action != "place":
            return
        name = sent.client_id.encode()
        disk = self._disk_of(sent.machine)
        if disk is not None and not any(name in kept for kept in disk):
            self.say(f"{sent.endpoint} {sent.client_id} was sent before its context was durable")

    def _disk_of(self, machine: Machine) -> tuple[bytearray, ...] | None:
        """What that process's disk would keep; a second process's own disk is not looked at."""
        disk = self.watch.disk()
        return disk.platter() if disk.machine is machine else None
