"""Ledgers with a life in them, and the dumps of stores that were made of them."""

import tempfile
from functools import cache
from pathlib import Path

from sqlalchemy import select

from backstay.app.ledger_paths import LEDGER
from backstay.core.types import MS
from backstay.ledger.projections.keeper import Keeper
from backstay.ledger.projections.store import Store, table
from backstay.ledger.projections.upkeep import dump

from tests.system.test_healthy import LADDER, a_life
from tests.system.world import play


@cache
def _empty():
    """The bytes of a database with tables and without rows: migrating takes a while."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "empty.db"
        store = Store(f"sqlite:///{path}")
        store.open()
        store.close()
        return path.read_bytes()


def store_at(folder, name="backstay.db"):
    path = folder / name
    if not path.exists():
        path.touch(mode=0o600)
        path.write_bytes(_empty())
    store = Store(f"sqlite:///{path}")
    store.open()
    return store


def keeper(store, disk, ledger="usdm"):
    return Keeper(store, ledger, disk, LEDGER)


def dumped(store):
    return "\n".join(dump(store))


def rows(store, name):
    with store.connect() as connection:
        return [dict(row) for row in connection.execute(select(table(name))).mappings()]


@cache
def troubled():
    """Opened by hand, ladder steps, an outage, a kill and a restart, an answer that never came, a close."""

    async def script(world):
        await a_life(world)
        world.faults(
            {"match": {"endpoint": "POST /fapi/v1/algoOrder", "times": 1}, "effect": "timeout_after_accept"}
        )
        world.open("SHORT", "0.010", at="61000")
        await world.settle(8)
        world.faults({"match": {"at_ms": 0}, "effect": "cut"})
        await world.settle(8)
        world.guard.snapshot()
        await world.restart(away_s=3)
        await world.settle(8)
        world.price("59000")
        await world.settle(8)

    return play(script, policy=LADDER).disk.copy()


def later(disk, cut):
    """The disk as it was when its ledger had only the bytes up to `cut`."""
    before = disk.copy()
    before.replace(LEDGER, disk.read(LEDGER, 0, cut))
    return before


HOUR = 3_600_000 * MS
