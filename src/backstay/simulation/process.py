"""What a world holds of each process, and how it hears of requests."""

from collections.abc import Callable
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
    def is_ending(self) -> bool:
        """It is dead, or its ledger failed: the last word said to it may have been kept, or not."""
        return self.machine.dead or self.guard.owner.failed.done()


def silent(_text: str) -> None:
    """Nobody listens to the gateway's log."""
