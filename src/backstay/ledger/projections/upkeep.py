"""Looking after a store: opening one that may be damaged, rebuilding, dumping, backing up, cleaning up."""

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import delete, func, select

from backstay.core.types import TimeNs
from backstay.ledger.disk import Disk
from backstay.ledger.projections.errors import DamagedStoreError, StoreError, StoreUrlError
from backstay.ledger.projections.keeper import Keeper
from backstay.ledger.projections.models import TABLES
from backstay.ledger.projections.store import Store, key_of, table

PAIRS_DONE = ("COMPLETED", "CLOSED_BY_HAND")


def open_or_replace(url: str, told: Callable[[str], object]) -> Store:
    """An open store; a damaged SQLite file is moved aside first, its rows come back from the ledger.

    `told` hears what was done. Raises NewerStoreError, StoreError, and DamagedStoreError where
    there is no file to move.
    """
    store = Store(url)
    try:
        store.open()
    except DamagedStoreError as error:
        store.close()
        path = store.path
        if path is None:
            raise
        aside = _aside(path)
        told(f"{error}. It was moved to {aside} and is rebuilt from the ledger")
        store = Store(url)
        store.open()
    return store


def _aside(path: Path) -> Path:
    """Move the file to a free name beside it."""
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    try:
        path.replace(aside)
        for end in ("-wal", "-shm"):
            path.with_name(path.name + end).unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"{path} is damaged and cannot be moved aside: {error.strerror}") from None
    return aside


def rebuild(url: str, disk: Disk, ledgers: Mapping[str, str]) -> dict[str, int]:
    """Drop everything and project every ledger (name -> path) from its first record; records by ledger.

    The caller holds the lock of the data folder. Raises StoreError and its siblings, DamagedLedgerError.
    """
    with contextlib.closing(Store(url)) as old:
        if old.path is None:
            with contextlib.suppress(DamagedStoreError):
                old.open()
        old.drop()
    with contextlib.closing(Store(url)) as store:
        store.open()
        return {
            name: Keeper(store, name, disk, path).catch_up()
            for name, path in ledgers.items()
            if disk.size(path) is not None
        }


def dump(store: Store) -> Iterator[str]:
    """Every row of every table as a JSON line, in the order of the keys: equal stores give equal dumps."""
    for name in sorted(TABLES):
        target = table(name)
        with store.connect() as connection:
            rows = connection.execute(select(target).order_by(target.c[key_of(name)])).mappings()
            for row in rows:
                values = {column: _plain(row[column]) for column in sorted(map(str, row))}
                yield json.dumps({"table": name, **values}, separators=(",", ":"))


def _plain(value: Any) -> Any:
    return f"{value:f}" if isinstance(value, Decimal) else value


def counts(store: Store) -> dict[str, int]:
    """Rows of each table."""
    with store.connect() as connection:
        return {
            name: int(connection.execute(select(func.count()).select_from(table(name))).scalar_one())
            for name in sorted(TABLES)
        }


def clean(store: Store, before: TimeNs) -> dict[str, int]:
    """Remove what was completed before `before` (ns); returns how many rows of each table went.

    Open orders, pairs and positions stay, and so does every order that a row which stays belongs to. The
    ledger keeps everything: a rebuild brings all of it back.
    """
    orders, pairs, positions = table("orders"), table("trade_pairs"), table("positions")
    fills, alerts = table("fills"), table("alerts")
    with store.begin() as connection:
        gone = {
            "trade_pairs": connection.execute(
                delete(pairs).where(pairs.c.status.in_(PAIRS_DONE) & (pairs.c.updated_at < before))
            ).rowcount,
            "positions": connection.execute(
                delete(positions).where((positions.c.status == "CLOSED") & (positions.c.updated_at < before))
            ).rowcount,
        }
        needed = select(pairs.c.buy_order_id).union(
            select(pairs.c.sell_order_id).where(pairs.c.sell_order_id.is_not(None)),
            select(orders.c.parent_order_id).where(orders.c.is_open & orders.c.parent_order_id.is_not(None)),
        )
        held = orders.c.position_id.in_(select(positions.c.id).where(positions.c.status == "OPEN"))
        done = (
            ~orders.c.is_open
            & (orders.c.updated_at < before)
            & orders.c.id.not_in(needed)
            & (orders.c.position_id.is_(None) | ~held)
        )
        gone["orders"] = connection.execute(delete(orders).where(done)).rowcount
        orphaned = fills.c.order_id.not_in(select(orders.c.id)) & (fills.c.at < before)
        gone["fills"] = connection.execute(delete(fills).where(orphaned)).rowcount
        gone["alerts"] = connection.execute(delete(alerts).where(alerts.c.at < before)).rowcount
    return gone


def backup(store: Store, target: Path, *, force: bool = False) -> int:
    """Copy the SQLite database to `target` while it is in use; returns the copy's size in bytes.

    The copy is one consistent moment, checked, and put in place whole or not at all. Raises StoreError,
    StoreUrlError where the store is not SQLite.
    """
    path = store.path
    if path is None:
        raise StoreUrlError(f"{store.where} is backed up by its server's own tools (pg_dump)")
    if target.exists() and not force:
        raise StoreUrlError(f"{target} exists; name another file, or write over it with --force")
    partial = target.with_name(f"{target.name}.partial")
    try:
        partial.unlink(missing_ok=True)
        partial.parent.mkdir(parents=True, exist_ok=True)
        partial.touch(mode=0o600)
        with (
            contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as source,
            contextlib.closing(sqlite3.connect(partial)) as copy,
        ):
            source.backup(copy, pages=256, sleep=0.01)
            verdict = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise DamagedStoreError(f"the copy of {store.where} is damaged: {verdict}")
        partial.replace(target)
    except sqlite3.DatabaseError as error:
        raise StoreError(f"{store.where} cannot be copied to {target}: {error}") from None
    except OSError as error:
        raise StoreError(f"{target} cannot be written: {error.strerror}") from None
    finally:
        partial.unlink(missing_ok=True)
    return target.stat().st_size
