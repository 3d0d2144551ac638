"""What a world holds of each process, and how it hears of requests."""

from collections.abc import Callable
from enum import Enum
from typing import Any

import msgspec

from backstay.app.guard import Guard
from backstay.simulation.machine import CrashDisk, Machine, Wire
from backstay.simulator.server.request_log import Entry, RequestLog

TENDING = frozenset({"session.subscriptions"})
"""Requests that ask whether a connection lives."""
DULL = frozenset({"timestamp", "signature", "apiKey", "recvWindow", "newOrderRespType"})


class HeardLog(RequestLog):
    """The venue's request log, with an ear at the door."""

    def __init__(self, size: int, tap: Callable[[Entry], None]) -> None:
        super().__init__(size)
        self._tap = tap

    def add(self, *args: Any, **named: Any) -> Entry:
        entry = super().add(*args, **named)
        self._tap(entry)
        return entry


class Word(Enum):
    """What became of an operator's word."""

    SAID = "said"
    """Taken and kept."""
    LOST = "lost"
    """No process ran that could hear it."""
    UNKNOWN = "unknown"
    """The process ended of it, or could not write it down: it may have been kept, or not. Its operator has
    asked all the same."""


class Lease:
    """The right to act, of one process at a time."""

    def __init__(self, *, mine: bool = True) -> None:
        self.mine = mine

    def held(self) -> bool:
        return self.mine


class Process(msgspec.Struct):
    """A started guard and what it stands on."""

    machine: Machine
    guard: Guard
    disk: CrashDisk
    wire: Wire
    lease: Lease
    ready: bool = False

    @property
    def word(self) -> Word:
        """What has become of the operator's word that was just said to it."""
        ends = self.machine.dead or self.guard.owner.failed.done()
        return Word.UNKNOWN if ends else Word.SAID


def silent(_text: str) -> None:
    """Nobody listens to the gateway's log."""
