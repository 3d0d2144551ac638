"""Log files: JSON, rotating, errors with their stack apart, one number through a fill, no secret anywhere."""

import json
import logging
import stat

import pytest

from backstay.app.ledger_paths import LEDGER
from backstay.app.words import words
from backstay.core.events import AlgoReport, AnswerReceived, OrderReport, RequestSent
from backstay.ledger.reader import records
from backstay.telemetry import logs, redaction
from backstay.telemetry.traces import Traces

from tests.ledger.projections.lives import troubled

SECRET = "planted-Secret-0123456789-abcdefghijklmnopqrstuvwxyz-0123456789"
KEY = "K" * 20 + "e" * 24 + "Y" * 20
SIGNATURE = "ab12" * 16
LISTEN_KEY = "pqia91ma19a5s61cv6a81va65sdf19v8a65a1a5s61cv6a81va65sdf19v8a65a1"


@pytest.fixture
def files(tmp_path):
    main, errors = tmp_path / "logs" / "backstay.log", tmp_path / "logs" / "error.log"
    logs.set_up(main, errors, level="DEBUG", rotate_mb=1, keep=2)
    yield main, errors
    logs.tear_down()


@pytest.fixture
def planted():
    redaction.hide(SECRET, KEY)


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def fail(text):
    raise RuntimeError(text)


def test_every_line_is_one_json_document_and_the_files_are_their_users_alone(files):
    main, errors = files
    logging.getLogger("backstay.gateway").info("stream %s: up\nwith a second line", 1)
    (line,) = read(main)
    assert (line["event"], line["level"], line["logger"]) == (
        "stream 1: up\nwith a second line", "info", "backstay.gateway",
    )  # fmt: skip
    assert line["at"].endswith("Z")
    assert errors.read_text() == ""
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_a_log_without_room_is_told_of_in_one_line_and_stops_nobody(tmp_path, capsys):
    full = tmp_path / "full.log"
    full.symlink_to("/dev/full")
    logs.set_up(full, full, level="INFO", rotate_mb=1, keep=2)
    for n in range(3):
        logging.getLogger("backstay").error("line %s", n)
    logs.tear_down()
    said = capsys.readouterr().err
    assert said == f"backstay: {full} cannot be written: No space left on device\n"


def test_errors_go_to_their_own_file_with_the_stack(files):
    main, errors = files
    log = logging.getLogger("backstay")
    log.warning("only a warning")
    try:
        fail("it broke")
    except RuntimeError:
        log.exception("the reader failed")
    (line,) = read(errors)
    assert "Traceback" in line["exception"] and "it broke" in line["exception"]
    assert [entry["level"] for entry in read(main)] == ["warning", "error"]


def test_a_file_is_put_aside_at_its_size_and_only_so_many_are_kept(files):
    main, _ = files
    log = logging.getLogger("backstay")
    for _ in range(45):
        log.info("x" * 100_000)
    names = sorted(path.name for path in main.parent.iterdir())
    assert names == ["backstay.log", "backstay.log.1", "backstay.log.2", "error.log"]
    assert all(path.stat().st_size <= 1 << 20 for path in main.parent.iterdir())


SHAPES = [
    f"signature={SIGNATURE}&timestamp=1",
    f"wss://stream.example/ws/{LISTEN_KEY}",
    f"wss://stream.example/private/{LISTEN_KEY}?x=1",
    f'{{"listenKey":"{LISTEN_KEY}"}}',
    f"X-MBX-APIKEY: {SIGNATURE[:40]}",
    f'{{"apiKey": "{LISTEN_KEY}", "signature": "{SIGNATURE}"}}',
    "secret=hunter2hunter2",
    "postgresql://user:hunter2hunter2@host/name",
    "-----BEGIN PRIVATE KEY-----\nMC4CAQAwhunter2hunter2\n-----END PRIVATE KEY-----",
    f"an order was refused: {SIGNATURE}",
]


@pytest.mark.parametrize("text", SHAPES)
def test_i36_shapes_of_secrets_are_known_without_being_told(files, text):
    try:
        fail(text)
    except RuntimeError:
        logging.getLogger("backstay").exception(text, extra={"inside": {"of": [text]}})
    kept = "".join(path.read_text() for path in files)
    for secret in (SIGNATURE, SIGNATURE[:40], LISTEN_KEY, "hunter2hunter2"):
        assert secret not in kept
    assert "<redacted>" in kept


def test_i36_values_that_are_known_to_be_secret_appear_nowhere(files, planted):
    log = logging.getLogger("backstay")
    for text in (f"plain {SECRET}", f"glued-{KEY}-on"):
        try:
            fail(text)
        except RuntimeError as error:
            log.error("%s", text, exc_info=error, extra={"detail": {"url": text}, "more": (text, 1)})
    kept = "".join(path.read_text() for path in files)
    assert SECRET not in kept
    assert KEY not in kept


def test_ordinary_words_and_ids_stay_readable():
    text = "BTCUSDT: stop bs-3pdmweqidderxhknpzi24rsajl at 57000; secretary; token bucket; id 8144272525"
    assert redaction.redact(text) == text
    assert redaction.redact("short secret values such as `abc` are no secrets").count("redacted") == 0


def test_one_number_follows_a_fill_to_its_stop_and_to_the_venues_answers():
    found = list(records(troubled(), LEDGER))
    traces = Traces()
    of = {record.seq: traces.of(record) for record in found}
    sent = [r for r in found if isinstance(r.body, RequestSent)]
    assert len(sent) > 5
    for record in found:
        assert of[record.seq] <= record.seq
        if record.cause:
            assert of[record.seq] == of[record.cause]
    names = {r.body.ctx_id: of[r.seq] for r in sent if r.body.action == "place"}
    for record in found:
        if isinstance(record.body, AnswerReceived) and record.body.action == "place":
            assert of[record.seq] == names[record.body.ctx_id]
    fill = next(r for r in found if isinstance(r.body, OrderReport) and r.body.trade_id)
    family = {type(r.body).__name__ for r in found if of[r.seq] == of[fill.seq]}
    assert {"AccountReport", "OrderReport", "Decided", "RequestsRegistered", "RequestSent"} <= family
    assert AlgoReport.__name__ in family


def test_the_log_tells_a_ledger_in_words_with_the_way_back(files):
    main, errors = files
    log = logs.RecordLog(words)
    found = list(records(troubled(), LEDGER))
    for record in found:
        log.take(record)
    lines = read(main)
    assert len(lines) == len(found), "at level DEBUG every record has its line"
    assert [line["seq"] for line in lines] == [record.seq for record in found]
    assert all(line["event"] and line["type"] and line["trace"] for line in lines)
    assert {line["level"] for line in read(errors)} == {"error"}
