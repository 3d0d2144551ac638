"""The journal's two drivers: a thread on a real machine, and none at all where time is virtual."""

import asyncio
import contextlib
import threading
from collections import deque
from queue import Empty, SimpleQueue
from time import monotonic

from backstay.ledger.errors import JournalError
from backstay.ledger.journal import Log

SYNC_AFTER_S = 0.05
"""How long records that nobody waits for may stay unsynced."""
IDLE_S = 0.25
"""How long a record may lie in the queue when nobody kicked."""


class ThreadedWriter:
    """Writes in a daemon thread.

    Records are written as they come and synced when somebody waits in `durable`, or `sync_after_s`
    after the first unsynced one: a sync that nobody needs would stand in the way of one that is.
    """

    def __init__(self, *, sync_after_s: float = SYNC_AFTER_S) -> None:
        self._sync_after_s = sync_after_s
        self._log: Log
        self._bell: SimpleQueue[bool] = SimpleQueue()
        """True: look; False: stop."""
        self._rung = False
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)

    def start(self, log: Log) -> None:
        self._log = log
        self._thread.start()

    def kick(self) -> None:
        if not self._rung:
            self._rung = True
            self._bell.put(True)

    async def durable(self, seq: int) -> None:
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((seq, future))
        self.kick()
        await future

    def stop(self) -> None:
        self._bell.put(False)
        self._thread.join()

    def _run(self) -> None:
        sync_at: float | None = None
        stopping = False
        while not stopping:
            with contextlib.suppress(Empty):  # nobody rang: look all the same
                stopping = not self._bell.get(timeout=self._patience(sync_at))
            # Before looking: who rings from here on is looked at in the next round.
            self._rung = False
            is_due = sync_at is not None and monotonic() >= sync_at
            try:
                self._log.write_out(sync=is_due or stopping or bool(self._waiting))
                if self._log.wants_checkpoint:
                    self._release(None)
                    self._log.checkpoint()
            except JournalError as error:
                sync_at = None
                self._release(error)
                continue
            self._release(None)
            if not self._log.is_dirty:
                sync_at = None
            elif sync_at is None or is_due:
                sync_at = monotonic() + self._sync_after_s

    @staticmethod
    def _patience(sync_at: float | None) -> float:
        return IDLE_S if sync_at is None else min(IDLE_S, max(0.0, sync_at - monotonic()))

    def _release(self, failure: JournalError | None) -> None:
        """Let go of everybody whose record is durable; with `failure`, of the others too."""
        durable = self._log.durable_seq
        for_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[None], JournalError | None]]] = {}
        while self._waiting and (failure is not None or self._waiting[0][0] <= durable):
            seq, future = self._waiting.popleft()
            outcome = None if seq <= durable else failure
            for_loop.setdefault(future.get_loop(), []).append((future, outcome))
        for loop, settled in for_loop.items():
            try:
                loop.call_soon_threadsafe(_settle, settled)
            except RuntimeError:
                continue  # the loop was closed: nobody waits there any more


class InlineWriter:
    """Writes in the caller's own step: no threads, no clock.

    `kick` writes at once without a sync, so that a crash can still lose it; `durable` lets the loop
    run for `delay_s` of its own time (0: one step) and then syncs, so that what happens in between
    happens in virtual time as well.
    """

    def __init__(self, *, delay_s: float = 0.0) -> None:
        self._delay_s = delay_s
        self._log: Log

    def start(self, log: Log) -> None:
        self._log = log

    def kick(self) -> None:
        self._log.write_out(sync=False)
        if self._log.wants_checkpoint:
            self._log.checkpoint()

    async def durable(self, seq: int) -> None:
        await asyncio.sleep(self._delay_s)
        if self._log.durable_seq < seq:
            self._log.write_out(sync=True)

    def stop(self) -> None:
        """Nothing runs beside the caller."""


def _settle(settled: list[tuple[asyncio.Future[None], JournalError | None]]) -> None:
    for future, failure in settled:
        if future.done():
            continue
        if failure is None:
            future.set_result(None)
        else:
            future.set_exception(failure)
