"""The database itself: made, migrated, refused, replaced, copied, cleaned."""

import re
import sqlite3
import stat
from decimal import Decimal
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import insert, select

from backstay.ledger.projections import migrating, upkeep
from backstay.ledger.projections.errors import DamagedStoreError, NewerStoreError, StoreError, StoreUrlError
from backstay.ledger.projections.models import REVISIONS, TABLES, Base, Exact
from backstay.ledger.projections.store import Store, checked, table

from tests.ledger.projections.lives import HOUR, dumped, keeper, rows, store_at, troubled


def test_from_empty_the_migrations_make_exactly_the_models(tmp_path):
    store = Store(f"sqlite:///{tmp_path / 'backstay.db'}")
    store.open()
    with store.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
        assert context.get_current_revision() == REVISIONS[-1]


def test_the_listed_revisions_are_those_of_the_folder():
    assert migrating.known_revisions() == REVISIONS


def test_tables_are_made_at_once_or_not_at_all(tmp_path, monkeypatch):
    def half(connection):
        migrating.command.upgrade(migrating.configuration(connection), "head")
        with sqlite3.connect(tmp_path / "backstay.db") as reader:
            assert reader.execute("SELECT name FROM sqlite_master").fetchall() == []
        reader.close()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(migrating, "upgrade", half)
        with pytest.raises(KeyboardInterrupt):
            Store(f"sqlite:///{tmp_path / 'backstay.db'}").open()
    Store(f"sqlite:///{tmp_path / 'backstay.db'}").open()


def test_what_is_read_in_one_connection_is_of_one_moment(tmp_path):
    store = store_at(tmp_path)
    beside = Store(f"sqlite:///{tmp_path / 'backstay.db'}", read_only=True)
    with beside.connect() as connection:
        before = connection.execute(select(table("cursors"))).all()
        with store.begin() as writer:
            writer.execute(
                insert(table("cursors")).values(
                    ledger="usdm", seq=1, hash="x", end_byte=1, line_bytes=1, updated_at=1
                )
            )
        assert connection.execute(select(table("cursors"))).all() == before == []
    with beside.connect() as connection:
        assert len(connection.execute(select(table("cursors"))).all()) == 1


@pytest.mark.parametrize(("dialect", "exact"), [("sqlite", "TEXT"), ("postgresql", "NUMERIC")])
def test_offline_the_migrations_are_statements(dialect, exact):
    sql = migrating.offline_sql(dialect)
    for name in TABLES:
        assert f"CREATE TABLE {name}" in sql
    assert f"target_profit_price {exact}" in sql
    assert "FLOAT" not in sql.upper()


def test_opening_twice_changes_nothing_and_the_file_is_its_users_alone(tmp_path):
    store = store_at(tmp_path)
    before = dumped(store)
    assert dumped(store_at(tmp_path)) == before
    assert stat.S_IMODE((tmp_path / "backstay.db").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "text", ["0.1", "0.30000000000000004", "1E-18", "123456789012345678.12345678", "0.010"]
)
def test_a_decimal_comes_back_with_every_digit(tmp_path, text):
    store = store_at(tmp_path)
    cursors = table("fills")
    value = Decimal(text)
    row = {c.name: "x" for c in cursors.columns if not isinstance(c.type, Exact)}
    row |= {"trade_id": 1, "at": 1, "seq": 1, "maker": False}
    row |= {c.name: value for c in cursors.columns if isinstance(c.type, Exact)}
    with store.begin() as connection:
        connection.execute(insert(cursors).values(**row))
        found = connection.execute(select(cursors.c.price)).scalar_one()
    assert found == value
    assert f"{found:f}" == f"{value:f}"


def test_a_float_never_gets_in(tmp_path):
    with pytest.raises(TypeError, match="not an exact decimal"):
        Exact().process_bind_param(0.1, store_at(tmp_path).engine.dialect)


def test_a_newer_database_is_refused_with_6_and_left_alone(tmp_path):
    store_at(tmp_path).close()
    path = tmp_path / "backstay.db"
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    raw.close()
    before = path.read_bytes()
    with pytest.raises(NewerStoreError, match="newer version") as caught:
        upkeep.open_or_replace(f"sqlite:///{path}", print)
    assert caught.value.exit_code == 6
    assert path.read_bytes()[100:] == before[100:]


@pytest.mark.parametrize("kind", ["garbage", "torn", "without tables"])
def test_a_damaged_database_is_told_moved_aside_and_made_anew_from_the_ledger(tmp_path, kind):
    disk = troubled()
    store = store_at(tmp_path)
    keeper(store, disk).catch_up()
    good = dumped(store)
    store.close()
    path = tmp_path / "backstay.db"
    if kind == "garbage":
        path.write_bytes(b"this is no database, it only has its name" * 100)
    elif kind == "torn":
        data = bytearray(path.read_bytes())
        data[4096 : len(data) // 2] = b"\xa5" * (len(data) // 2 - 4096)
        path.write_bytes(bytes(data))
    else:
        with sqlite3.connect(path) as raw:
            raw.execute("DROP TABLE orders")
        raw.close()
    with pytest.raises(DamagedStoreError):
        store_at(tmp_path)
    told = []
    store = upkeep.open_or_replace(f"sqlite:///{path}", told.append)
    assert "rebuilt from the ledger" in told[0]
    assert (tmp_path / "backstay.db.damaged-1").exists()
    keeper(store, disk).catch_up()
    assert dumped(store) == good


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://user:hunter2@host/name", "mysql is not supported"),
        ("sqlite://", "needs a file"),
        ("://", "not a database URL"),
        ("postgresql+nodriver://user:hunter2@host/name", "driver"),
    ],
)
def test_an_url_that_cannot_be_used_is_2_and_shows_no_password(url, says):
    with pytest.raises(StoreUrlError, match=says) as caught:
        Store(url)
    assert caught.value.exit_code == 2
    assert "hunter2" not in str(caught.value)


def test_a_plain_path_is_a_sqlite_file():
    assert checked("data/backstay.db").render_as_string() == "sqlite:///data/backstay.db"


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"store\.url"):
        Store(f"sqlite:///{tmp_path / 'file' / 'x.db'}").open()


def test_a_backup_is_the_same_store_and_is_never_written_over_unasked(tmp_path):
    store = store_at(tmp_path)
    keeper(store, troubled()).catch_up()
    copy = tmp_path / "copies" / "backstay.db"
    assert upkeep.backup(store, copy) > 0
    assert dumped(store_at(tmp_path / "copies")) == dumped(store)
    with pytest.raises(StoreUrlError, match="--force"):
        upkeep.backup(store, copy)
    assert upkeep.backup(store, copy, force=True) > 0


def test_cleaning_removes_what_is_completed_and_a_rebuild_brings_it_back(tmp_path):
    disk = troubled()
    store = store_at(tmp_path)
    keeper(store, disk).catch_up()
    full = dumped(store)
    (system,) = rows(store, "system_state")
    assert set(upkeep.clean(store, system["updated_at"] - HOUR).values()) == {0}
    open_before = [o for o in rows(store, "orders") if o["is_open"]]
    gone = upkeep.clean(store, system["updated_at"] + HOUR)
    assert gone["orders"] > 5
    assert gone["positions"] >= 1
    left = rows(store, "orders")
    assert [o for o in left if o["is_open"]] == open_before
    held = {p["id"] for p in rows(store, "positions")}
    assert all(o["is_open"] or o["position_id"] in held for o in left)
    store.close()
    upkeep.rebuild(f"sqlite:///{tmp_path / 'backstay.db'}", disk, {"usdm": "ledger/events.jsonl"})
    assert dumped(store_at(tmp_path)) == full


def test_the_page_lists_the_tables_as_they_are():
    page = (Path(__file__).resolve().parents[3] / "docs/reference/store.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| (\w+) \| `(\w+)` \|", page, re.MULTILINE)
    assert listed == [(name, c.name) for name in sorted(TABLES) for c in table(name).columns]
