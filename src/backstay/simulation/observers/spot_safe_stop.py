"""The safe stop: a process whose user data stream stays away ends by itself when its patience is over, and
not before.

An operator who finds it ended starts it again; everything is kept (other observers' promise).
"""

from typing import Any

from backstay.binance.net.timings import SPOT
from backstay.simulation.machine import Machine
from backstay.simulation.observers.spot_base import SpotObserver

PATIENCE_MS = int(SPOT.give_up * 1000)
SLACK_MS = 45_000
"""A poll that is under way ends first; clocks run fast or slow."""


class SafeStop(SpotObserver):
    name = "safe_stop"
    words = "a process without its stream for fifteen minutes stops by itself, and not before"

    def stream_back(self, machine: Machine) -> None:
        """The process has a user data stream again."""
        self._judge(machine)

    def died(self, machine: Machine) -> None:
        self._judge(machine)

    def gave_up(self, machine: Machine) -> None:
        """The process stopped because its stream stayed away."""
        away_ms = self._away_ms(machine)
        if away_ms < PATIENCE_MS - SLACK_MS:
            self.say(f"process {machine.number} gave up after {away_ms} ms without its stream")

    def over(self, world: Any) -> None:
        if self.watch.machine is not None:
            self._judge(self.watch.machine)

    def _away_ms(self, machine: Machine) -> int:
        since = self.watch.away_ms.get(machine.number)
        return self.watch.now_ms() - since if since is not None else 0

    def _judge(self, machine: Machine) -> None:
        away_ms = self._away_ms(machine)
        if away_ms > PATIENCE_MS + SLACK_MS:
            self.say(f"process {machine.number} went on without its stream for {away_ms} ms")
