"""Quiescence: at rest, in a still market, nothing is changed and nothing is read, but by rounds."""

from typing import Any

from backstay.simulation.machine import Machine
from backstay.simulation.observers.base import Observer, Sent, leg_name

ROUND = ("/openOrders", "/openAlgoOrders", "/positionRisk", "/account", "/myTrades")
"""What a round reads, where there are any."""


class Quiet(Observer):
    name = "quiet"
    words = "at rest nothing is sent and nothing is read"

    def __init__(self, watch: Any) -> None:
        super().__init__(watch)
        self._listening = False
        self._said = 0

    def begin_quiet(self) -> None:
        """From now on nothing is expected any more."""
        self._listening = True

    def arrived(self, sent: Sent) -> None:
        if self._listening and self._said < 3:
            self._said += 1
            self.say(f"{leg_name(sent.key)}: {sent.endpoint} {sent.client_id} at rest")

    def requested(self, machine: Machine, endpoint: str) -> None:
        tended = endpoint.endswith(("/time", "/listenKey")) or not endpoint.startswith("GET")
        tended = tended or (self.watch.rounds and endpoint.endswith(ROUND))
        if self._listening and not tended and self._said < 3:
            self._said += 1
            self.say(f"{endpoint} was read at rest")
