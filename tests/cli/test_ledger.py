"""`ledger tail|verify|replay|why` in this process: what they say, and their exit codes."""

import asyncio
import json

from backstay.core.records import Noted
from backstay.core.state import AccountState, pack, unpack
from backstay.ledger.codec import Head, hash_line
from backstay.ledger.disk import FileDisk
from backstay.ledger.journal import Journal
from backstay.ledger.opening import open_ledger
from backstay.ledger.snapshots import SnapshotStore
from backstay.ledger.writers import InlineWriter

from tests.cli.harness import run

PATH = "ledger/events.jsonl"


def ledger(folder, records=5):
    disk = FileDisk(folder / "data")

    async def write():
        journal = Journal(disk, PATH, start=open_ledger(disk, PATH).head, writer=InlineWriter())
        for number in range(records):
            journal.append(
                Noted("fact", {"number": number}), at=1_780_000_000_000_000_000 + number, cause=number
            )
        journal.close()

    asyncio.run(write())
    return folder / "data" / PATH


def test_a_healthy_ledger_verifies_replays_and_explains(folder, capsys):
    ledger(folder)
    code, out, _ = run(capsys, "ledger", "verify", "--json")
    assert code == 0
    alone = {"records": 5, "ok": True, "first_bad": None, "detail": ""}
    assert json.loads(out) == alone | {"ledgers": {"usdm": alone}}
    code, out, _ = run(capsys, "ledger", "replay", "--json")
    assert {"records", "state_digest", "decisions_digest", "records_per_s"} <= set(json.loads(out))
    code, out, _ = run(capsys, "ledger", "why", "3", "--json")
    told = json.loads(out)
    assert [told["record"]["seq"], *(r["seq"] for r in told["causes"])] == [3, 2, 1]
    assert [r["seq"] for r in told["consequences"]] == [4, 5]
    code, out, _ = run(capsys, "ledger", "tail", "-n", "2", "--json")
    assert [json.loads(line)["seq"] for line in out.splitlines()] == [4, 5]
    code, out, _ = run(capsys, "ledger", "tail", "--data-dir", str(folder / "data"))
    assert "fact (number 4)" in out


def test_a_snapshot_that_its_records_do_not_fold_to_is_named(folder, capsys):
    path = ledger(folder)
    line = path.read_bytes().splitlines()[-1]
    head = Head(5, hash_line(line), path.stat().st_size, len(line) + 1)
    store = SnapshotStore(FileDisk(folder / "data"), PATH, pack=pack, unpack=unpack)
    store.save(AccountState(), head)
    assert run(capsys, "ledger", "replay")[0] == 0
    name = store.save(AccountState(deaf_strikes=1), head)
    code, out, err = run(capsys, "ledger", "replay", "--json")
    assert (code, json.loads(out)["bad_snapshot"], json.loads(out)["decisions_agree"]) == (1, name, True)
    assert f"{name} is not what the records before it fold to" in err


def test_an_unknown_record_is_2(folder, capsys):
    ledger(folder)
    code, _, err = run(capsys, "ledger", "why", "99")
    assert code == 2
    assert "no record 99" in err


def test_a_damaged_ledger_line_is_6_named_and_nothing_is_changed(folder, capsys):
    path = ledger(folder)
    damaged = path.read_bytes().replace(b'"number":2', b'"number":7')
    path.write_bytes(damaged)
    code, out, _ = run(capsys, "ledger", "verify", "--json")
    assert code == 6
    assert json.loads(out)["first_bad"] == 3
    code, _, err = run(capsys, "ledger", "replay")
    assert code == 6
    assert "ledger/events.jsonl is damaged at record 3" in err
    (folder / "config.yaml").write_text("dashboard: {port: 0}")
    code, _, err = run(capsys, "run")
    assert code == 6
    assert "record 3" in err
    assert path.read_bytes() == damaged
    code, out, _ = run(capsys, "doctor", "--json")
    assert code == 6
    assert next(c for c in json.loads(out)["checks"] if c["name"] == "ledger")["state"] == "fail"


def test_every_record_of_a_demo_is_told_in_words_and_replays_to_the_same_decisions(folder, capsys):
    data = ["--data-dir", str(folder / "demo")]
    code, _, err = run(capsys, "demo", "--headless", "--duration", "10m", "--seed", "5", *data)
    assert code == 0, err
    code, out, _ = run(capsys, "ledger", "tail", "-n", "100000", *data)
    lines = out.splitlines()
    assert len(lines) > 100
    assert [line for line in lines if len(line.split()) < 3] == []
    code, out, err = run(capsys, "ledger", "replay", "--json", *data)
    assert code == 0, err
    assert json.loads(out)["decisions_agree"] is True
    sent = next(int(line.split()[0]) for line in lines if "place sent" in line)
    code, out, _ = run(capsys, "ledger", "why", str(sent), *data)
    assert code == 0
    assert "because of" in out and "this record" in out
