"""The store of a configuration: where it is, who keeps it up to date, and how it stands."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
from sqlalchemy import select

from backstay.app.audit import audit_folder, rebuild_files
from backstay.app.config import Settings
from backstay.app.errors import ConfigError
from backstay.app.ledger_paths import LEDGER, SPOT_LEDGER
from backstay.app.locks import is_owned, make_lock
from backstay.app.status import iso
from backstay.app.words import words
from backstay.core.records import Body
from backstay.core.types import TimeNs
from backstay.ledger.chain import walk
from backstay.ledger.disk import Disk, FileDisk
from backstay.ledger.errors import DamagedLedgerError, LedgerError
from backstay.ledger.projections.errors import StoreError
from backstay.ledger.projections.keeper import Keeper
from backstay.ledger.projections.store import Store, checked, file_of, table
from backstay.ledger.projections.upkeep import clean, counts, open_or_replace, rebuild
from backstay.ledger.shared import SharedAccounts

FILE = "backstay.db"
LEDGERS: dict[str, str] = {"usdm": LEDGER, "spot": SPOT_LEDGER}
"""Every ledger that a data folder can have, below it."""
CLEAN_EVERY = 3_600 * 1_000_000_000


def url_of(settings: Settings) -> str:
    """`store.url`, or the file in the data folder."""
    return settings.store.url or f"sqlite:///{settings.data_dir / FILE}"


class StoreReader:
    """Keeps the store of a running process up to date (implements `readers.Reader`).

    `told` hears what was repaired. Opening is part of the first step, so a store that cannot be opened keeps
    nothing else from starting.
    """

    name = "store"

    def __init__(
        self,
        url: str,
        disk: Disk,
        *,
        told: Callable[[str], object],
        now: Callable[[], TimeNs],
        keep: TimeNs | None = None,
        ledgers: Mapping[str, str] = LEDGERS,
        shared: Mapping[str, SharedAccounts] | None = None,
    ) -> None:
        self._url = url
        self._disk = disk
        self._told = told
        self._now = now
        self._keep = keep
        self._ledgers = ledgers
        self._shared = shared or {}
        """By path of the ledger."""
        self._store: Store | None = None
        self._keepers: list[Keeper] = []
        self._clean_at = 0

    def step(self, most: int, pause: Callable[[], None]) -> int:
        """Raises what the store and the ledger raise; the next step opens the store anew."""
        try:
            if self._store is None:
                self._store = open_or_replace(self._url, self._told)
                self._keepers = [
                    Keeper(self._store, name, self._disk, path, self._shared.get(path))
                    for name, path in self._ledgers.items()
                ]
            taken = 0
            for keeper in self._keepers:
                taken += keeper.step(most, pause)
                while keeper.reports:
                    self._told(keeper.reports.pop())
            self._clean(self._store)
        except Exception:
            self.close()
            raise
        return taken

    def _clean(self, store: Store) -> None:
        now = self._now()
        if self._keep is not None and now >= self._clean_at:
            self._clean_at = now + CLEAN_EVERY
            clean(store, now - self._keep)

    def describe(self) -> str:
        """One line for people: how far it is."""
        behind = sum(keeper.behind() for keeper in self._keepers)
        if self._store is None:
            return "not open yet"
        return (
            f"{self._store.where}, up to date"
            if not behind
            else f"{self._store.where}, {behind} bytes behind"
        )

    def close(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            store.close()


def reading(settings: Settings, tell: Callable[[str], object] = lambda _text: None) -> Store:
    """The store for reading, brought up to date first when no process does that.

    `tell` hears of a damaged one that is made anew.
    Raises StoreError and its siblings, DamagedLedgerError.
    """
    url = url_of(settings)
    if not is_owned(settings):
        store = open_or_replace(url, tell)
        disk = FileDisk(settings.data_dir)
        for name, path in LEDGERS.items():
            Keeper(store, name, disk, path).catch_up()
        return store
    file = file_of(checked(url))
    if file is not None and not file.exists():
        raise StoreError(f"there is no database at {file} yet; the running process makes it")
    store = Store(url, read_only=True)
    store.open()
    return store


@contextlib.contextmanager
def opened(settings: Settings, *, read_only: bool = True) -> Iterator[Store]:
    """The store as it is, not brought up to date. Raises ConfigError when there is none."""
    url = url_of(settings)
    path = file_of(checked(url))
    if path is not None and not path.exists():
        raise ConfigError(f"there is no database at {path}; `backstay run` or `ledger rebuild` makes it")
    store = Store(url, read_only=read_only)
    with contextlib.closing(store):
        store.open()
        yield store


class Rebuilt(msgspec.Struct, frozen=True):
    """What a rebuild made."""

    where: str
    records: dict[str, int]
    """Records taken in, by ledger."""
    rows: dict[str, int]
    """Rows made, by table."""
    files: dict[str, int]
    """Bytes of the audit files, by path below the folder of the logs."""


def rebuild_alone(settings: Settings) -> Rebuilt:
    """Drop and rebuild the store and the audit files under the lock of the data folder.

    Raises LockError while a process runs, StoreError and its siblings, DamagedLedgerError.
    """
    url = url_of(settings)
    path = file_of(checked(url))
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    lock = make_lock(settings)
    lock.acquire()
    try:
        disk = FileDisk(settings.data_dir)
        for ledger in LEDGERS.values():
            _whole(disk, ledger)
        records = rebuild(url, disk, LEDGERS)
        files: dict[str, int] = {}
        for name, ledger in LEDGERS.items():
            if disk.size(ledger) is not None:
                folder = audit_folder(settings, name)
                made = rebuild_files(folder, disk, ledger)
                files |= {str((folder / file).relative_to(settings.logs_dir)): n for file, n in made.items()}
        store = Store(url)
        with contextlib.closing(store):
            return Rebuilt(str(path) if path is not None else store.where, records, counts(store), files)
    finally:
        lock.release()


def _whole(disk: Disk, path: str) -> None:
    """A damaged ledger makes nothing anew: what stands there may be all that is left of the truth."""
    if disk.size(path) is not None and (flaw := walk(disk, path).flaw) is not None:
        raise DamagedLedgerError(path, flaw.detail, seq=flaw.seq, offset=flaw.offset, line=flaw.line)


def standing(settings: Settings) -> dict[str, Any]:
    """How the store stands: where, how large, up to which record, rows of each table."""
    url = url_of(settings)
    path = file_of(checked(url))
    if path is not None and not path.exists():
        return {"where": str(path), "exists": False}
    with opened(settings) as store:
        heads = {name: store.head(name) for name in LEDGERS}
        return {
            "where": store.where,
            "exists": True,
            "bytes": path.stat().st_size if path is not None else None,
            "records": {name: head.seq for name, head in heads.items() if head is not None},
            "rows": counts(store),
        }


def last_seen(settings: Settings) -> TimeNs:
    """When the newest record that the store has was written; 0: there is none, or it cannot be read."""
    with contextlib.suppress(LedgerError, ConfigError), opened(settings) as store:
        states = table("system_state")
        with store.connect() as connection:
            found = connection.execute(select(states.c.last_processed_time)).scalars().all()
        return max(found, default=0)
    return 0


def last_errors(settings: Settings, count: int = 10) -> list[dict[str, Any]]:
    """The newest alerts of grade `bad` in the store, newest first; none when it cannot be read."""
    with contextlib.suppress(LedgerError, ConfigError), opened(settings) as store:
        alerts = table("alerts")
        query = select(alerts).where(alerts.c.grade == "bad").order_by(alerts.c.at.desc()).limit(count)
        with store.connect() as connection:
            return [_told(row) for row in connection.execute(query)]
    return []


def _told(row: Any) -> dict[str, Any]:
    body = msgspec.json.decode(row.detail, type=Body)
    return {"seq": row.seq, "at": iso(row.at), "grade": row.grade, "text": words(body)}


def described(settings: Settings) -> str:
    """One line for people, whatever state the store is in."""
    try:
        found = standing(settings)
    except LedgerError as error:
        return str(error)
    if not found["exists"]:
        return f"{found['where']} does not exist yet"
    records = ", ".join(f"{name} up to record {seq}" for name, seq in found["records"].items())
    return f"{found['where']}, {records or 'empty'}"
