"""Garbage is collected when there is nothing better to do, and never between a fill and its stop.

What the program keeps are values without cycles; reference counts free them at once. Cycles come from
libraries (tasks, exceptions, connections) and are few. So the collector's own pace, which follows allocations
and therefore the busiest moments, is switched off, and a timer collects while every position is covered.

A start, a snapshot and every round of reads take whole accounts at once. What they need for a moment the C
library keeps for itself: with ten thousand lots 40 MB, unless it is told otherwise.
"""

import asyncio
import contextlib
import ctypes
import gc
from collections.abc import Callable

EVERY_S = 2.0
FULL_EVERY = 150
"""Collections between two of everything."""
SETTLED = 4
"""Collections after which a start is over."""
PATIENCE = 30
"""Bad moments in a row after which it is collected all the same."""


LARGE = 1 << 20
"""Bytes. No read of a socket takes a block of this size, snapshots and whole accounts do."""
_M_MMAP_THRESHOLD = -3  # malloc.h


def keep_large_blocks_apart() -> None:
    """From now on every large block lies in pages of its own and goes back to the system once it is free.

    glibc begins like this, and gives it up with the first large block that is freed: the next ones up to its
    size come from the heaps, of which only the end can be returned. Nothing where there is no `mallopt`.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, LARGE)


def returner() -> Callable[[], object]:
    """What gives unused memory back to the system; nothing where the C library has no `malloc_trim`."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return lambda: None
    return lambda: trim(0)


class CollectorAtRest:
    """Takes the collector over from `start` to `close`.

    `is_calm` says whether this is a good moment; `besides` is other work for such moments.
    """

    def __init__(self, is_calm: Callable[[], bool], besides: Callable[[], None] | None = None) -> None:
        self._is_calm = is_calm
        self._besides = besides
        self._timer: asyncio.TimerHandle | None = None
        self._give_back = returner()
        self._rounds = 0
        self._skipped = 0

    def start(self) -> None:
        gc.collect()
        gc.freeze()
        gc.disable()
        self._again()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        gc.enable()
        gc.unfreeze()

    def _again(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(EVERY_S, self._collect)

    def _collect(self) -> None:
        self._again()
        if self._skipped < PATIENCE and not self._is_calm():
            self._skipped += 1
            return
        self._skipped = 0
        self._rounds += 1
        whole = self._rounds % FULL_EVERY == 0
        gc.collect(2 if whole else 1)
        if whole or self._rounds == SETTLED:
            self._give_back()
        if self._besides is not None:
            self._besides()
