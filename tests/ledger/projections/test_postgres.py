"""A real PostgreSQL server takes the migrations and the rows; skipped where there is none on this machine.

The statements go through `psql`; through a driver the store itself is opened, filled and rebuilt. The server
ends only when every connection has been closed: one that was forgotten fails the tests.
"""

import contextlib
import csv
import io
import os
import shutil
import subprocess
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import make_url

from backstay.app.store import LEDGERS
from backstay.ledger.projections import migrating, upkeep
from backstay.ledger.projections.errors import StoreUrlError
from backstay.ledger.projections.keeper import Keeper
from backstay.ledger.projections.models import REVISIONS, TABLES
from backstay.ledger.projections.store import Store, key_of, table
from backstay.strategies.swing.policy import SellWhen, SwingPolicy

from tests.ledger.projections.lives import rows, troubled
from tests.ledger.projections.spot_lives import RecordedScene

FOUND = {name: shutil.which(name) for name in ("postgres", "initdb", "psql")}
LACKING = [name for name, path in FOUND.items() if path is None]
AS_ROOT = os.geteuid() == 0
"""The server refuses to run as root: then it runs as the user `postgres`, where there is one."""
pytestmark = [
    pytest.mark.skipif(bool(LACKING), reason=f"no PostgreSQL here: {', '.join(LACKING)} not found"),
    pytest.mark.xdist_group("postgres"),
]


class Server:
    def __init__(self, folder):
        self.folder = folder

    def sql(self, text, *options):
        command = [FOUND["psql"], "-h", str(self.folder), "-U", "backstay", "-d", "postgres", "-qAtX"]
        done = subprocess.run(
            [*command, "-v", "ON_ERROR_STOP=1", *options],
            input=text,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr[:2000]
        return done.stdout

    def table(self, name):
        """The rows as the server has them, by column, as text; NULL is None."""
        columns = [c.name for c in table(name).columns]
        named = ", ".join(f'"{c}"' for c in columns)
        copied = self.sql(f"COPY (SELECT {named} FROM {name}) TO STDOUT WITH (FORMAT csv, NULL '~')")
        found = [dict(zip(columns, line, strict=True)) for line in csv.reader(io.StringIO(copied))]
        return [{k: None if v == "~" else v for k, v in row.items()} for row in found]


@pytest.fixture(scope="module")
def server():
    """A server of its own in a temporary folder, on a socket there: no port, no password, no other user's."""
    drop = []
    folder = Path(tempfile.mkdtemp(prefix="backstay-pg-"))
    if AS_ROOT:
        if shutil.which("setpriv") is None or not _has_user("postgres"):
            pytest.skip("PostgreSQL does not run as root, and there is no user postgres to run it as")
        shutil.chown(folder, "postgres")
        drop = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    data = folder / "data"
    environ = {**os.environ, "LC_ALL": "C", "TZ": "UTC"}
    subprocess.run(
        [*drop, FOUND["initdb"], "-D", str(data), "-U", "backstay", "-A", "trust", "-E", "UTF8", "--no-sync"],
        check=True,
        capture_output=True,
        env=environ,
        timeout=120,
    )
    running = subprocess.Popen(
        [*drop, FOUND["postgres"], "-D", str(data), "-k", str(folder), "-h", "", "-F"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environ,
    )
    try:
        there = Server(folder)
        until = time.monotonic() + 30
        while True:
            try:
                there.sql("SELECT 1")
                break
            except AssertionError:
                assert time.monotonic() < until, "the server did not start"
                with contextlib.suppress(subprocess.TimeoutExpired):
                    running.wait(0.05)
        yield there
    finally:
        running.terminate()  # it waits for its clients
        running.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _has_user(name):
    import pwd

    return any(entry.pw_name == name for entry in pwd.getpwall())


@pytest.fixture
def empty(server):
    server.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public;")
    return server


class Told(Store):
    """A SQLite store that also tells every row as a statement of PostgreSQL."""

    def __init__(self, url):
        super().__init__(url)
        self.statements = []

    def execute(self, statement, values):
        for row in values:
            told = statement.values(**row).compile(
                dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True}
            )
            self.statements.append(f"{told};")

    def _write(self, connection, pending):
        super()._write(connection, pending)
        own, self.url = self.url, make_url("postgresql://there/name")
        try:
            super()._write(self, pending)
        finally:
            self.url = own


def spot_disk():
    scene = RecordedScene(SwingPolicy(symbols=("TRUMPUSDC",), sell_when=SellWhen.FILL))
    scene.buy(("4", "1.2345"), ("6.00000001", "1.23450001"))
    scene.rest()
    scene.fill(scene.requests[0])
    scene.buy(("0.5", "1.3"))
    return scene.disk()


def disk_of_both():
    disk = spot_disk()
    usdm = troubled()
    disk.replace(LEDGERS["usdm"], usdm.read(LEDGERS["usdm"]))
    return disk


def as_told(value):
    if value is None or isinstance(value, (Decimal, str)):
        return value
    return {True: "t", False: "f"}[value] if isinstance(value, bool) else str(value)


def test_the_migrations_and_every_row_are_taken_exactly(empty, tmp_path):
    empty.sql(migrating.offline_sql("postgresql"))
    assert empty.sql("SELECT version_num FROM alembic_version").split() == [REVISIONS[-1]]
    kinds = empty.sql(
        "SELECT data_type, numeric_precision IS NULL FROM information_schema.columns "
        "WHERE table_name = 'trade_pairs' AND column_name LIKE '%price'"
    )
    assert set(kinds.split()) == {"numeric|t"}, "without limits: no digit is rounded away"
    store = Told(f"sqlite:///{tmp_path / 'beside.db'}")
    store.open()
    disk = disk_of_both()
    for name, path in LEDGERS.items():
        Keeper(store, name, disk, path).catch_up()
    for _ in range(2):  # every statement may come twice: a store that is rebuilt over itself
        empty.sql("BEGIN;\n" + "\n".join(store.statements) + "\nCOMMIT;")
    for name in TABLES:
        if name == "cursors":
            continue  # not written as a row of a record
        key = key_of(name)
        ours = {row[key]: row for row in rows(store, name)}
        theirs = {row[key]: row for row in empty.table(name)}
        assert set(ours) == set(theirs), name
        for which, row in ours.items():
            for column, value in row.items():
                told = theirs[which][column]
                if isinstance(value, Decimal):
                    told = Decimal(told)
                assert told == as_told(value), (name, which, column)
    assert len(empty.table("trade_pairs")) == 3
    assert len(empty.table("orders")) > 5
    store.close()


def test_a_store_is_kept_and_rebuilt_over_a_driver(empty, tmp_path):
    url = f"postgresql://backstay@/postgres?host={empty.folder}"
    disk, beside = disk_of_both(), Store(f"sqlite:///{tmp_path / 'beside.db'}")
    beside.open()
    for _ in range(2):
        upkeep.rebuild(url, disk, LEDGERS)
    store = Store(url)
    store.open()
    for name, path in LEDGERS.items():
        Keeper(beside, name, disk, path).catch_up()
        assert Keeper(store, name, disk, path).catch_up() == 0
    for name in TABLES:
        key = key_of(name)
        ours, theirs = (sorted(rows(s, name), key=lambda row: row[key]) for s in (beside, store))
        assert ours == theirs, name
    for each in (store, beside):
        each.close()


def test_without_its_driver_the_message_says_what_to_install(monkeypatch):
    for driver in ("psycopg", "psycopg2"):
        monkeypatch.setitem(sys.modules, driver, None)
    with pytest.raises(StoreUrlError, match=r"pip install psycopg\[binary\]") as refused:
        Store("postgresql://user:hunter2@host/name")
    assert refused.value.exit_code == 2
    assert "hunter2" not in str(refused.value)
