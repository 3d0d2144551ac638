"""The audit files are the ledger in other words: made again after any damage, written by one process."""

import csv
import json
import re
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from backstay.app.ledger_paths import LEDGER
from backstay.app.words import words
from backstay.core.records import Noted, Record
from backstay.core.scored import SignalScored
from backstay.ledger.audit.files import CURSOR, FILES, AuditFiles
from backstay.ledger.audit.lines import TRADES, call_line, row, text, thinking
from backstay.ledger.codec import decode_line
from backstay.ledger.projections.errors import StoreError
from backstay.signals import score
from backstay.signals.bars import series
from backstay.strategies.swing.policy import SellWhen, SwingPolicy

from tests.ledger.projections.lives import later, troubled
from tests.ledger.projections.spot_lives import LEDGER as SPOT_LEDGER
from tests.ledger.projections.spot_lives import RecordedScene
from tests.signals.recorded import walk
from tests.signals.test_score import QUICK

D = Decimal


def made(folder, disk, path=LEDGER):
    files = AuditFiles(folder, disk, path, words)
    files.catch_up()
    files.close()
    return {name: (folder / name).read_bytes() for name in FILES}, files.reports


@pytest.fixture(scope="module")
def disk():
    return troubled()


@pytest.fixture(scope="module")
def whole(disk, tmp_path_factory):
    return made(tmp_path_factory.mktemp("whole"), disk)[0]


@pytest.mark.parametrize("portion", [1, 13, 10_000])
def test_in_portions_or_at_once_the_bytes_are_the_same(disk, whole, tmp_path, portion):
    files = AuditFiles(tmp_path, disk, LEDGER, words)
    while files.step(portion):
        pass
    files.close()
    assert {name: (tmp_path / name).read_bytes() for name in FILES} == whole


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("how", ["deleted", "cut", "grown"])
def test_a_damaged_file_is_made_again(disk, whole, tmp_path, name, how):
    made(tmp_path, disk)
    path = tmp_path / name
    if how == "deleted":
        path.unlink()
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:10])
    else:
        path.write_bytes(path.read_bytes() + b"what a crash left behind\n")
    again, reports = made(tmp_path, disk)
    assert again == whole
    assert bool(reports) is (how != "grown" and name in str(reports))


@pytest.mark.parametrize("text", [b"", b"{", b'{"format":99}'])
def test_a_cursor_that_cannot_be_read_is_no_obstacle(disk, whole, tmp_path, text):
    made(tmp_path, disk)
    (tmp_path / CURSOR).write_bytes(text)
    assert made(tmp_path, disk)[0] == whole


def test_the_files_of_another_ledger_are_told_and_made_anew(disk, whole, tmp_path):
    other = later(disk, disk.read(LEDGER, 0, 40_000).rfind(b"\n") + 1)
    *lines, last = other.read(LEDGER, 0, other.size(LEDGER)).splitlines(keepends=True)
    other.replace(LEDGER, b"".join(lines) + last.replace(b'"at":17', b'"at":16'))
    made(tmp_path, other)
    again, reports = made(tmp_path, disk)
    assert again == whole
    assert "of another ledger" in reports[0]


def test_there_is_one_writer(disk, tmp_path):
    first = AuditFiles(tmp_path, disk, LEDGER, words)
    first.step(1)
    second = AuditFiles(tmp_path, disk, LEDGER, words)
    with pytest.raises(StoreError, match="another process writes the audit files"):
        second.step(1)
    first.close()
    assert second.step(1) == 1
    second.close()


def test_every_decision_has_its_line_and_every_line_its_record(disk, whole):
    documents = [json.loads(line) for line in whole["thinking.jsonl"].splitlines()]
    lines = disk.read(LEDGER, 0, disk.size(LEDGER)).splitlines()
    records = {r.seq: r for r in map(decode_line, lines)}
    decided = [seq for seq, r in records.items() if type(r.body).__name__ in {"Decided", "SignalScored"}]
    assert [d["seq"] for d in documents] == decided
    for document in documents:
        assert document["text"] == words(records[document["seq"]].body)
        assert document["payload"] == json.loads(lines[document["seq"] - 1])["body"]


def test_every_answer_has_its_latency_and_every_call_its_parameters_without_secrets(whole):
    orders = list(csv.DictReader(whole["orders.csv"].decode().splitlines()))
    answers = [o for o in orders if o["event"].startswith("answered_")]
    assert answers
    assert all(D(o["latency_ms"]) > 0 for o in answers)
    assert {o["event"] for o in orders} >= {"written_down_place", "sent_place", "fill", "report"}
    calls = list(csv.DictReader(whole["calls.csv"].decode().splitlines()))
    assert {"/fapi/v1/listenKey", "/fapi/v1/openOrders"} <= {c["path"] for c in calls}
    assert all(D(c["latency_ms"]) > 0 for c in calls if c["status"] == "200")
    assert any("timestamp=" in c["parameters"] for c in calls)
    assert b"signature" not in whole["calls.csv"]


def test_a_call_that_failed_says_how():
    detail = {"method": "GET", "path": "/x", "status": 0, "latency_us": 1500, "message": "cut"}
    assert call_line(Record(3, 10**18, 0, Noted("rest_call", detail))) == (
        "3,2001-09-09T01:46:40.000000Z,GET,/x,,0,,1.5,cut\n"
    )


def test_decimals_keep_their_digits_and_cells_are_no_formulas():
    assert text(D("1E-7")) == "0.0000001"
    assert text(D("100")) == "100"
    assert text(D("-0.00")) == "0"
    assert text(D(1) / 3) == "0.3333333333"
    assert row(["=1+1", "-3.5", "-x", "a,b"]) == "'=1+1,-3.5,'-x,\"a,b\"\n"


def test_a_score_can_be_computed_again_from_its_line():
    bars = series(walk(300, 8))
    x = score.table(bars, QUICK)
    scores = score.compose(x, QUICK, "BTCUSDT")
    for i in range(200, 300):
        event = score.event_at(i, bars, x, scores, QUICK, "BTCUSDT")
        line = json.loads(thinking(Record(1, 1, 0, event), words))
        read = msgspec.convert(line["payload"], SignalScored)
        assert score.recomputed(read, QUICK) == event
        assert line["trades"] is (event.signal.kind.direction is not None)


def test_each_lot_of_spot_is_a_row(tmp_path):
    scene = RecordedScene(SwingPolicy(symbols=("TRUMPUSDC",), sell_when=SellWhen.FILL))
    scene.buy(("4", "1.2345"), ("6", "1.2345"))
    scene.rest()
    scene.fill(scene.requests[0])
    written, _ = made(tmp_path, scene.disk(), SPOT_LEDGER)
    found = list(csv.DictReader(written["trades.csv"].decode().splitlines()))
    (done,) = [r for r in found if r["status"] == "CLOSED"]
    (waits,) = [r for r in found if r["status"] == "OPEN"]
    assert (done["entry_price"], done["exit_price"], done["reason_out"]) == ("1.2345", "1.2407", "target")
    assert D(done["net_pnl"]) == D(done["gross_pnl"]) - D(done["fees"])
    assert (waits["exit_quantity"], waits["reason_out"]) == ("0", "")


def test_the_page_names_the_columns_of_the_trades():
    page = Path(__file__).resolve().parents[3] / "docs" / "reference" / "audit.md"
    section = page.read_text(encoding="utf-8").partition("## `trades.csv`")[2].partition("\n## ")[0]
    assert tuple(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == TRADES
