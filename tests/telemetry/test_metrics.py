"""Metrics: every name is documented, counted from the ledger, served; alerts reach their address."""

import json
import re
import threading
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from backstay.app.ledger_paths import LEDGER
from backstay.app.words import words
from backstay.core.events import AnswerReceived, OrderReport
from backstay.core.records import Noted, Record
from backstay.ledger.reader import records
from backstay.signals import score
from backstay.signals.bars import series
from backstay.telemetry.alerts import AlertSender
from backstay.telemetry.metrics import GAUGES, Metrics

from tests.ledger.projections.lives import troubled
from tests.signals.recorded import walk
from tests.signals.test_score import QUICK

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "metrics.md"


def counted():
    metrics = Metrics(lambda: {"up": {(): 1.0}, "exposure": {("usdm", "BTCUSDT", "LONG"): 600.5}})
    found = list(records(troubled(), LEDGER))
    for record in found:
        metrics.take(record)
    return metrics, found


def value(metrics, name, **labels):
    return metrics.registry.get_sample_value(f"backstay_{name}", labels) or 0


def test_the_page_lists_exactly_the_metrics_that_there_are():
    listed = re.findall(r"^\| `(\w+)`[^|]*\| (\w+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    metrics, _ = counted()
    assert dict(listed) == {name: kind for name, (kind, _) in metrics.names().items()}
    for name in GAUGES:
        assert f"backstay_{name}" in dict(listed)


def test_fills_answers_windows_and_losses_are_those_of_the_ledger():
    metrics, found = counted()
    trades = [r.body for r in found if isinstance(r.body, OrderReport) and r.body.trade_id]
    assert value(metrics, "fills_total", product="usdm", symbol="BTCUSDT", side="BUY") == sum(
        1 for trade in trades if trade.side == "BUY"
    )
    answers = [r.body for r in found if isinstance(r.body, AnswerReceived)]
    placed = [a for a in answers if a.action == "place" and a.answer == "ACCEPTED"]
    by_role = [
        value(metrics, "requests_total", action="place", role=role, kind=kind, outcome="ACCEPTED")
        for role, kind in (("SL", "STOP_MARKET"), ("TP", "LIMIT"), ("DCA", "LIMIT"))
    ]
    assert sum(by_role) == len(placed)
    assert all(by_role)
    answered = sum(value(metrics, "answer_seconds_count", action=a) for a in ("place", "amend", "cancel"))
    assert len(placed) < answered <= len(answers)
    ended = {r.body.client_id for r in found if isinstance(r.body, OrderReport) and r.body.status == "FILLED"}
    assert 1 <= value(metrics, "orders_ended_total", role="TP", status="FILLED") <= len(ended)
    earned = sum(float(trade.realized_pnl) for trade in trades)
    assert value(metrics, "realised_pnl", product="usdm") == pytest.approx(earned)
    paid = sum(float(trade.commission) for trade in trades)
    assert value(metrics, "fees_paid", product="usdm", asset="USDT") == pytest.approx(paid)
    calls = [r.body for r in found if isinstance(r.body, Noted) and r.body.what == "rest_call"]
    path = "/fapi/v1/openOrders"
    of_orders = sum(1 for call in calls if call.detail["path"] == path)
    assert value(metrics, "rest_call_seconds_count", path=path) == of_orders > 0
    assert value(metrics, "decisions_total", decision="act", family="PROTECT") >= 3
    windows = [r for r in found if isinstance(r.body, Noted) and r.body.what == "protected"]
    assert value(metrics, "naked_seconds_count") == len(windows) > 0
    assert value(metrics, "stream_losses_total", state="disconnected") >= 1
    assert value(metrics, "pass_seconds_count") >= 3
    assert value(metrics, "event_lag_seconds_count") > 10


def test_the_newest_score_is_shown_factor_by_factor():
    bars = series(walk(300, 8))
    x = score.table(bars, QUICK)
    scores = score.compose(x, QUICK, "BTCUSDT")
    metrics = Metrics(dict)
    for i in (200, 250):
        event = score.event_at(i, bars, x, scores, QUICK, "BTCUSDT")
        metrics.take(Record(i, 5, 0, event))
    assert value(metrics, "score", symbol="BTCUSDT") == float(event.signal.score)
    for factor in event.factors:
        labels = {"symbol": "BTCUSDT", "factor": factor.name}
        assert value(metrics, "factor_score", **labels) == float(factor.score)
        assert value(metrics, "factor_contribution", **labels) == float(factor.contribution)


def test_a_late_loop_is_seen():
    metrics = Metrics(dict)
    metrics.looped(0.2)
    metrics.looped(-0.001)
    assert value(metrics, "loop_seconds_count") == 2
    assert value(metrics, "loop_seconds_sum") == pytest.approx(0.2)


def test_a_scrape_reads_the_run_and_a_taken_port_is_an_error():
    metrics, _ = counted()
    port, stop = metrics.serve("127.0.0.1", 0)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        assert 'backstay_exposure{product="usdm",side="LONG",symbol="BTCUSDT"} 600.5' in text
        with pytest.raises(OSError, match="in use"):
            Metrics(dict).serve("127.0.0.1", port)
    finally:
        stop()


@contextmanager
def listening(status):
    """A web address; yields it and what was posted there."""
    got, arrived = [], threading.Semaphore(0)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            self.end_headers()
            arrived.release()

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/alerts", got, arrived
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def naked(seq):
    return Record(seq, 5, 0, Noted("unprotected", {"naked_ms": 7000, "reason": "signature=" + "a" * 64}))


def test_an_alert_is_posted_in_words_and_without_secrets():
    failed = []
    with listening(200) as (url, got, arrived):
        sender = AlertSender([url], words, failed.append, account="main")
        sender.take(Record(1, 5, 0, Noted("ready", {})))
        sender.take(naked(2))
        assert arrived.acquire(timeout=5)
        sender.close()
    assert [(a["seq"], a["account"], a["grade"]) for a in got] == [(2, "main", "bad")]
    assert "WITHOUT A STOP" in got[0]["text"]
    assert "a" * 64 not in got[0]["text"]
    assert failed == []


def test_an_address_that_refuses_is_tried_three_times_and_told():
    failed = []
    with listening(500) as (url, got, _):
        sender = AlertSender([url], words, failed.append, account="main", pause_s=0)
        sender.take(naked(2))
        sender.close()
    assert len(got) == 3
    assert "record 2 did not reach 127.0.0.1" in failed[0]
