"""`store` and `ledger rebuild`: what they refuse, and how they end."""

import json
import sqlite3

import pytest

from backstay.app.config import load_settings
from backstay.app.locks import make_lock
from backstay.ledger.disk import FileDisk

from tests.cli.harness import run
from tests.ledger.projections.lives import store_at, troubled


@pytest.fixture
def lived(folder):
    """A data folder with a ledger in it and no database."""
    disk, there = FileDisk(folder / "data"), troubled()
    for name in ("ledger/events.jsonl", "ledger/events.wal"):
        disk.replace(name, there.read(name))
    return folder


def test_a_rebuild_tells_how_much_it_took_in_and_is_then_up_to_date(lived, capsys):
    code, out, err = run(capsys, "ledger", "rebuild", "--json")
    assert code == 0, err
    done = json.loads(out)
    assert done["records"]["usdm"] > 100
    assert done["rows"]["fills"] > 5
    code, out, _ = run(capsys, "store", "status", "--json")
    assert code == 0
    found = json.loads(out)
    assert found["records"] == done["records"]
    assert found["rows"] == done["rows"]
    code, out, _ = run(capsys, "positions", "status", "--json")
    document = json.loads(out)
    assert "up to record" in document["database"]
    assert document["errors"][0]["text"].startswith("private stream")


def test_a_rebuild_of_a_damaged_ledger_is_6_and_leaves_what_is_there(lived, capsys):
    assert run(capsys, "ledger", "rebuild")[0] == 0
    ledger, database = lived / "data" / "ledger" / "events.jsonl", lived / "data" / "backstay.db"
    lines = ledger.read_bytes().split(b"\n")
    lines[9] = lines[9].replace(b'"at":', b'"at":1', 1)
    ledger.write_bytes(b"\n".join(lines))
    before = database.read_bytes()
    code, out, err = run(capsys, "ledger", "rebuild")
    assert (code, out) == (6, "")
    assert "is damaged at line 10, record 10" in err
    assert database.read_bytes() == before


def test_a_rebuild_beside_a_running_process_is_3(lived, capsys):
    lock = make_lock(load_settings())
    lock.acquire()
    try:
        code, out, err = run(capsys, "ledger", "rebuild")
    finally:
        lock.release()
    assert (code, out) == (3, "")
    assert "owns" in err or "running" in err


@pytest.mark.parametrize(
    "command", [["store", "status"], ["store", "backup", "copy.db"], ["store", "clean", "--older-than", "1d"]]
)
def test_a_newer_database_is_6_and_one_that_is_none_is_6(lived, capsys, command):
    store_at(lived / "data").close()
    path = lived / "data" / "backstay.db"
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    raw.close()
    code, _, err = run(capsys, *command)
    assert code == 6
    assert "newer version" in err
    path.write_bytes(b"not a database at all" * 300)
    code, _, err = run(capsys, *command)
    assert code == 6
    assert "damaged" in err
    assert path.exists()


def test_a_damaged_database_is_no_loss(lived, capsys):
    (lived / "data" / "backstay.db").write_bytes(b"not a database at all" * 300)
    code, _, err = run(capsys, "ledger", "rebuild")
    assert code == 0, err
    assert run(capsys, "store", "status")[0] == 0


def test_a_backup_is_not_written_over_and_a_missing_database_is_told(lived, capsys):
    code, _, err = run(capsys, "store", "backup", "copy.db")
    assert code == 2
    assert "ledger rebuild" in err
    assert run(capsys, "store", "status")[0] == 0
    run(capsys, "ledger", "rebuild")
    assert run(capsys, "store", "backup", "copy.db")[0] == 0
    code, _, err = run(capsys, "store", "backup", "copy.db")
    assert code == 2
    assert "--force" in err
    assert run(capsys, "store", "backup", "copy.db", "--force")[0] == 0


def test_cleaning_tells_what_went(lived, capsys):
    run(capsys, "ledger", "rebuild")
    code, out, _ = run(capsys, "store", "clean", "--older-than", "1s", "--json")
    assert code == 0
    assert json.loads(out)["removed"]["orders"] > 0
    code, _, err = run(capsys, "store", "clean", "--older-than", "soon")
    assert code == 2
    assert "--older-than" in err


def test_an_url_that_is_none_is_2_everywhere(folder, capsys, monkeypatch):
    monkeypatch.setenv("DB_PATH", "mysql://user:hunter2@host/name")
    for command in (["store", "status"], ["ledger", "rebuild"]):
        code, out, err = run(capsys, *command)
        assert (code, out) == (2, "")
        assert "mysql is not supported" in err
        assert "hunter2" not in err


def test_the_older_name_names_the_file(lived, capsys, monkeypatch):
    monkeypatch.setenv("DB_PATH", str(lived / "older.db"))
    assert run(capsys, "ledger", "rebuild")[0] == 0
    assert (lived / "older.db").exists()
