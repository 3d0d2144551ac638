"""The store: one database with the tables, opened, migrated, written in batches.

SQLite by default (one file, WAL, no fsync per batch: what a power cut takes is read from the ledger again) or
PostgreSQL. One thread uses a store at a time; other processes may read beside it.
"""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Connection,
    Engine,
    Table,
    create_engine,
    delete,
    event,
    insert,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from backstay.core.types import TimeNs
from backstay.ledger.codec import Head
from backstay.ledger.projections.changes import Change, Leave, Put, merged
from backstay.ledger.projections.errors import (
    DamagedStoreError,
    NewerStoreError,
    StoreError,
    StoreUrlError,
)
from backstay.ledger.projections.models import REVISIONS, TABLES, Base
from backstay.ledger.projections.system_rows import System

CORRUPT = frozenset({sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
"""SQLite's codes for a file that is none of ours any more; SQLITE_ERROR is a missing table or column."""
BUSY_S = 5.0
VERSION_TABLE = "alembic_version"
WRITES = "backstay_writes"
"""The execution option of a transaction that will write: it waits for its turn before it reads."""


class MovedError(StoreError):
    """Somebody else has written this ledger's rows meanwhile: read the cursor again."""


class Store:
    """`open` it before anything else. Everything raises StoreError or one of its siblings."""

    def __init__(self, url: str, *, read_only: bool = False) -> None:
        self.url = checked(url)
        self.where = self.url.render_as_string(hide_password=True)
        self._read_only = read_only
        self._engine = _engine(self.url, read_only=read_only)

    @property
    def path(self) -> Path | None:
        """The database's file; None where it has none."""
        return file_of(self.url)

    @property
    def engine(self) -> Engine:
        return self._engine

    def open(self) -> None:
        """Check, make and migrate the tables. Raises NewerStoreError, DamagedStoreError, StoreError."""
        path = self.path
        if path is not None and not self._read_only:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch(mode=0o600)
            except OSError as error:
                raise StoreError(f"{path} cannot be written ({error.strerror}); see store.url") from None
        with self.connect() as connection:
            if path is not None and not self._read_only:
                verdict = connection.execute(text("PRAGMA quick_check(1)")).scalar_one()
                if verdict != "ok":
                    raise DamagedStoreError(f"{self.where} is damaged: {verdict}")
            revision = self._revision(connection)
        if revision == REVISIONS[-1]:
            return
        if revision is not None and revision not in REVISIONS:
            raise NewerStoreError(
                f"{self.where} was made by a newer version (its revision is {revision}, this version knows "
                f"{REVISIONS[-1]}). Use that version, or name another database in store.url; the ledger has "
                "everything"
            )
        if self._read_only:
            raise StoreError(f"{self.where} has no tables of this version yet; `backstay run` makes them")
        from backstay.ledger.projections.migrating import upgrade

        with self.begin() as connection:
            upgrade(connection)

    def _revision(self, connection: Connection) -> str | None:
        tables = set(inspect(connection).get_table_names())
        if VERSION_TABLE not in tables:
            if tables & set(TABLES):
                raise DamagedStoreError(f"{self.where} has tables of ours and no revision")
            return None
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
        if len(found) > 1:
            raise DamagedStoreError(f"{self.where} states several revisions: {', '.join(found)}")
        if found == [REVISIONS[-1]] and (missing := set(TABLES) - tables):
            raise DamagedStoreError(f"{self.where} lacks the tables {', '.join(sorted(missing))}")
        return str(found[0]) if found else None

    def close(self) -> None:
        self._engine.dispose()

    @contextlib.contextmanager
    def connect(self) -> Iterator[Connection]:
        """A connection for reading."""
        with self._told(), self._engine.connect() as connection:
            yield connection

    @contextlib.contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction: all of it or nothing."""
        with self._told(), self._engine.execution_options(**{WRITES: True}).begin() as connection:
            yield connection

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
            if code in CORRUPT:
                raise DamagedStoreError(f"{self.where} is damaged: {error.orig}") from error
            raise StoreError(f"{self.where} cannot be used: {error.orig}") from error

    # --- what the projection needs ------------------------------------------------------------------

    def head(self, ledger: str) -> Head | None:
        """The record up to which `ledger` is in the tables; None: nothing of it."""
        cursors = table("cursors")
        with self.connect() as connection:
            row = connection.execute(select(cursors).where(cursors.c.ledger == ledger)).mappings().first()
        return Head(row["seq"], row["hash"].encode(), row["end_byte"], row["line_bytes"]) if row else None

    def system(self, ledger: str) -> System:
        """The state of the system as its row has it."""
        states = table("system_state")
        with self.connect() as connection:
            row = connection.execute(select(states).where(states.c.id == ledger)).mappings().first()
        return System(**{name: row[name] for name in System.__struct_fields__}) if row else System()

    def apply(
        self, ledger: str, changes: Iterable[Change], *, since: Head | None, head: Head, at: TimeNs
    ) -> None:
        """Write the changes between two records of a ledger, and the place of the later one, as one.

        Raises MovedError when the tables do not stand at `since`.
        """
        with self.begin() as connection:
            self._move(connection, ledger, since, head, at)
            pending: dict[tuple[str, str], Put] = {}
            for change in changes:
                if isinstance(change, Leave):
                    self._write(connection, pending)
                    pending = {}
                    _leave(connection, change)
                    continue
                place = (change.table, change.key)
                earlier = pending.get(place)
                pending[place] = change if earlier is None else merged(earlier, change)
            self._write(connection, pending)

    def _move(self, connection: Connection, ledger: str, since: Head | None, head: Head, at: TimeNs) -> None:
        cursors = table("cursors")
        values = {
            "seq": head.seq,
            "hash": head.hash.decode(),
            "end_byte": head.offset,
            "line_bytes": head.line_bytes,
            "updated_at": at,
        }
        if since is None:
            known = connection.execute(select(cursors.c.seq).where(cursors.c.ledger == ledger)).first()
            if known is None:
                connection.execute(insert(cursors).values(ledger=ledger, **values))
                return
        else:
            place = (cursors.c.ledger == ledger) & (cursors.c.seq == since.seq)
            if connection.execute(update(cursors).where(place).values(**values)).rowcount == 1:
                return
        raise MovedError(f"{self.where}: somebody else writes the rows of {ledger}")

    def _write(self, connection: Connection, pending: dict[tuple[str, str], Put]) -> None:
        groups: dict[tuple[str, frozenset[str], frozenset[str]], list[dict[str, Any]]] = {}
        for put in pending.values():
            shape = (put.table, frozenset(put.values), frozenset(put.first))
            row = {key_of(put.table): put.key, **put.first, **put.values}
            groups.setdefault(shape, []).append(row)
        for (name, values, _), rows in groups.items():
            connection.execute(self._upsert(name, values), rows)

    def _upsert(self, name: str, values: frozenset[str]) -> Any:
        target = table(name)
        statement = self._insert_into(target)
        if not values:
            return statement.on_conflict_do_nothing()
        changed = {c: statement.excluded[c] for c in sorted(values)}
        return statement.on_conflict_do_update(index_elements=[key_of(name)], set_=changed)

    def _insert_into(self, target: Table) -> Any:
        if self.url.get_backend_name() != "postgresql":
            return sqlite.insert(target)
        from sqlalchemy.dialects import postgresql  # a tenth of what every command's imports cost

        return postgresql.insert(target)

    def clear(self, ledger: str) -> None:
        """Forget everything of one ledger."""
        with self.begin() as connection:
            for name in TABLES:
                target = table(name)
                column = {"cursors": "ledger", "system_state": "id"}.get(name, "product")
                connection.execute(delete(target).where(target.c[column] == ledger))

    def drop(self) -> None:
        """Remove every table; of SQLite the file, whatever it holds."""
        path = self.path
        if path is None:
            with self.begin() as connection:
                Base.metadata.drop_all(connection)
                connection.execute(text(f"DROP TABLE IF EXISTS {VERSION_TABLE}"))
            return
        self.close()
        for name in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))):
            name.unlink(missing_ok=True)


def table(name: str) -> Table:
    """The table of that name."""
    return Base.metadata.tables[name]


def key_of(name: str) -> str:
    """The one column of its primary key."""
    (column,) = table(name).primary_key.columns
    return str(column.name)


def _leave(connection: Connection, change: Leave) -> None:
    """The tables speak of the account that the ledger speaks of now; alerts are kept."""
    for name in ("orders", "fills", "positions", "trade_pairs"):
        target = table(name)
        connection.execute(delete(target).where(target.c.product == change.product))


def checked(url: str) -> URL:
    """The URL of a database that can be used. A plain path is a SQLite file. Raises StoreUrlError."""
    try:
        found = make_url(url if "://" in url else f"sqlite:///{Path(url).expanduser()}")
    except ArgumentError:
        raise StoreUrlError(
            "store.url is not a database URL; write sqlite:///data/backstay.db or postgresql://user@host/name"
        ) from None
    if found.get_backend_name() not in {"sqlite", "postgresql"}:
        raise StoreUrlError(
            f"store.url: {found.get_backend_name()} is not supported; write sqlite:///PATH or postgresql://..."
        )
    if found.get_backend_name() == "sqlite" and file_of(found) is None:
        raise StoreUrlError("store.url: a SQLite database needs a file: sqlite:///data/backstay.db")
    return found


def file_of(url: URL) -> Path | None:
    """The file of a SQLite URL."""
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return None
    return Path(url.database)


def _driven(url: URL) -> URL:
    """A PostgreSQL URL that names no driver gets the one that is installed: psycopg, else psycopg2."""
    if "+" in url.drivername or find_spec("psycopg") is None:
        return url
    return url.set(drivername=f"{url.drivername}+psycopg")


def _engine(url: URL, *, read_only: bool) -> Engine:
    try:
        path = file_of(url)
        if path is None:
            return create_engine(_driven(url))
        engine = create_engine(
            url if not read_only else f"sqlite:///file:{path.resolve().as_posix()}?mode=ro&uri=true",
            connect_args={"timeout": BUSY_S, "check_same_thread": False},
        )
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        raise StoreUrlError(
            f"store.url needs a driver that is not installed ({error}): `pip install psycopg[binary]` in the "
            "program's environment, or use SQLite, which needs none"
        ) from None

    def connected(connection: Any, _record: object) -> None:
        # The driver would begin before rows are changed only: tables would be made one by one, and what is
        # read in two statements would be of two moments.
        connection.isolation_level = None
        if not read_only:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")

    def begun(connection: Connection) -> None:
        writes = connection.get_execution_options().get(WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)
    return engine
