"""What follows the ledger of a running guard: the store, the audit files, the log, the metrics, the alerts.

All of them read records behind the guard's back (`backstay.app.readers`). None can stop or delay it: what
fails is logged, noted in the ledger for people, and tried again.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial

from backstay.app import logs
from backstay.app.audit import AuditReader, audit_folder
from backstay.app.config import Settings
from backstay.app.figures import gauges
from backstay.app.guard import Guard
from backstay.app.hooks import Hooks
from backstay.app.past import PastReader
from backstay.app.readers import Reader, Readers, Tail
from backstay.app.store import LEDGERS, StoreReader, url_of
from backstay.app.words import words
from backstay.core.records import Noted, Record
from backstay.core.types import SECOND
from backstay.ledger.disk import FileDisk
from backstay.telemetry.alerts import AlertSender
from backstay.telemetry.logs import RecordLog
from backstay.telemetry.metrics import Metrics
from backstay.telemetry.pace import Limits, Pace
from backstay.telemetry.redaction import redact

LOOP_EVERY_S = 1.0


class Following:
    """Made with the guards, before they record anything; started once they guard. `calm`: a good moment."""

    def __init__(self, settings: Settings, guards: Sequence[Guard], *, calm: Callable[[], bool]) -> None:
        self._guards = tuple(guards)
        guard = guards[0]
        self._log = logging.getLogger(logs.ROOT)
        self._loop = asyncio.get_running_loop()
        self._guarding = False
        disk = FileDisk(settings.data_dir)
        shared = {guard.config.ledger: guard.shared for guard in self._guards}
        self._store = StoreReader(
            url_of(settings),
            disk,
            told=self._tell,
            now=guard.world.clock.now_ns,
            keep=settings.store.keep_completed,
            shared=shared,
        )
        self._metrics = Metrics(lambda: gauges(guards)) if settings.metrics.enabled else None
        self._served: Callable[[], None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._alerts: AlertSender | None = None
        self._settings = settings
        if settings.alerts.urls:
            self._alerts = AlertSender(
                settings.alerts.urls, words, self._undelivered, account=settings.account.name
            )
        self._audit = [
            AuditReader(
                name, audit_folder(settings, name), disk, path, told=self._tell, shared=shared.get(path)
            )
            for name, path in LEDGERS.items()
        ]
        tails = [self._tail(disk, name, path) for name, path in LEDGERS.items()]
        damaged = partial(self._note, "ledger_damaged")
        pasts = [PastReader(name, disk, path, told=damaged) for name, path in LEDGERS.items()]
        readers: list[Reader] = [*tails, self._store, *self._audit, *pasts]
        self._readers = Readers(readers, calm=calm, told=self._failed)
        self._calm = calm
        self._hooks = Hooks(settings.policies, self._failed_hook)
        self._started = False
        self.metrics_port = 0
        """Where the metrics are served; 0: nowhere."""

    def _tail(self, disk: FileDisk, ledger: str, path: str) -> Tail:
        """What reads the records of one ledger from now on; a ledger that does not exist yet has none."""
        metrics = self._metrics
        slow = metrics.slow if metrics is not None else _uncounted
        listeners: list[Callable[[Record], object]] = [
            RecordLog(words, ledger=ledger).take,
            Pace(_limits(self._settings), self._log.warning, slow).take,
        ]
        if metrics is not None:
            listeners.append(partial(metrics.take, ledger=ledger))
        if self._alerts is not None:
            listeners.append(self._alerts.take)
        return Tail(disk, path, disk.size(path) or 0, listeners, name=f"records of {ledger}")

    def start(self) -> None:
        self._guarding = self._started = True
        self._readers.start()
        self._hooks.follow(FileDisk(self._settings.data_dir), calm=self._calm)
        if self._metrics is None:
            return
        self._watching = self._loop.create_task(self._watch_loop(self._metrics))
        host, port = self._settings.metrics.host, self._settings.metrics.port
        try:
            self.metrics_port, self._served = self._metrics.serve(host, port)
        except OSError as error:
            self._log.warning(
                "no metrics on %s:%d (%s); metrics.port names another", host, port, error.strerror
            )

    async def _watch_loop(self, metrics: Metrics) -> None:
        """How late the loop is for a timer that nothing depends on: whatever blocks it is seen here."""
        while True:
            due = self._loop.time() + LOOP_EVERY_S
            await asyncio.sleep(LOOP_EVERY_S)
            metrics.looped(self._loop.time() - due)

    def database(self) -> str:
        """How the store stands, in one line."""
        failure = self._readers.failures().get(self._store.name)
        return f"failed: {redact(failure)}" if failure else self._store.describe()

    def guard_stops(self) -> None:
        """From now on nothing is noted in the ledger."""
        self._guarding = False

    async def stop(self) -> None:
        """Let the readers take in what is left; told when they do not get there."""
        if self._started and not await asyncio.to_thread(self._readers.stop):
            self._log.warning("the readers of the ledger did not end in time; the store goes on next time")
        if not await asyncio.to_thread(self._hooks.stop):
            self._log.warning("the hooks of the strategies did not end in time")
        if self._watching is not None:
            self._watching.cancel()
        if self._served is not None:
            await asyncio.to_thread(self._served)
        if self._alerts is not None:
            await asyncio.to_thread(self._alerts.close)

    def _undelivered(self, text: str) -> None:
        self._log.warning("%s", text)

    def _tell(self, text: str) -> None:
        self._log.warning("%s", text)
        self._note("store_repaired", text)

    def _failed(self, name: str, error: Exception) -> None:
        self._log.error(
            "the reader %s of the ledger failed and is tried again: %s", name, error, exc_info=error
        )
        self._note("reader_failed", f"{name}: {error}")

    def _failed_hook(self, name: str, error: BaseException) -> None:
        self._log.error("the hook %s failed: %s", name, error, exc_info=error)

    def _note(self, what: str, detail: str) -> None:
        """Called on the readers' thread; the note is made on the guard's."""
        if self._guarding:
            self._loop.call_soon_threadsafe(self._noted, Noted(what, {"detail": redact(detail)}))

    def _noted(self, note: Noted) -> None:
        """In the ledger of the first account that is guarded now."""
        for guard in self._guards:
            owner = guard.owner
            if self._guarding and owner.ready.is_set() and not owner.failed.done():
                owner.note(note)
                return


def _uncounted(_kind: str) -> None:
    """No metrics are kept."""


def _limits(settings: Settings) -> Limits:
    """`pace` in nanoseconds."""
    pace = settings.pace
    spans = {
        name: round(value * SECOND) if value is not None else None
        for name, value in pace.model_dump().items()
        if name != "updates_per_second"
    }
    return Limits(**spans, updates_per_second=pace.updates_per_second)
