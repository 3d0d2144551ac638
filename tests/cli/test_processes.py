"""The program as its users have it: processes, signals, a socket, an exchange on real ports."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from backstay.app.exchange import API_KEY, API_SECRET
from backstay.ledger.projections.store import Store
from backstay.ledger.projections.upkeep import dump

from tests.app.venues import venue

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "backstay.cli.main"]
DEMO = ["demo", "--port", "0", "--json"]


@pytest.fixture
def environ():
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("BINANCE_", "BACKSTAY_", "EXECUTION_"))}
    return {**kept, "BINANCE_DEMO_API_KEY": API_KEY, "BINANCE_DEMO_API_SECRET": API_SECRET}


def ask(folder, environ, *arguments):
    return subprocess.run(
        [*COMMAND, *arguments], cwd=folder, env=environ, capture_output=True, text=True, timeout=60
    )


@contextmanager
def running(folder, environ):
    """`backstay run`; yields the process and what it said when it was ready."""
    process = subprocess.Popen(
        [*COMMAND, "run", "--json"],
        cwd=folder,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stderr is not None
    try:
        line = process.stdout.readline()
        if not line:
            pytest.fail(process.stderr.read())
        yield process, json.loads(line)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)
        process.stdout.close()
        process.stderr.close()


def protected(folder, environ):
    """Watch the running process until its position has a stop; returns the row."""
    done = ask(folder, environ, "watch", "--every", "100ms", "--count", "12", "--json")
    for line in done.stdout.splitlines():
        rows = json.loads(line)["positions"]
        if rows and all(row["status"] == "GUARDED" for row in rows):
            return rows[0]
    return pytest.fail(f"no guarded position: {done.stdout[-2000:]} {done.stderr}")


@pytest.mark.slow
def test_a_run_guards_answers_refuses_a_second_and_leaves_orders_resting(tmp_path, environ):
    with venue() as there:
        document = there.config()
        document["dashboard"] = {"port": 0}
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(document))
        with running(tmp_path, environ) as (process, ready):
            there.order("BTCUSDT", "BUY", "0.01")
            row = protected(tmp_path, environ)
            drawn = ask(tmp_path, environ, "watch", "--every", "100ms", "--count", "3").stdout
            assert drawn.count("naked p50") == 3, "each one is shown, where there is no terminal to draw over"
            assert (row["protected"], row["side"]) == ("yes", "LONG")
            with urllib.request.urlopen(f"{ready['page']}snapshot", timeout=10) as answer:
                assert json.load(answer)["positions"][0]["id"] == row["id"]

            second = ask(tmp_path, environ, "run")
            assert second.returncode == 3
            assert str(process.pid) in second.stderr
            assert "Traceback" not in second.stderr

            status = json.loads(ask(tmp_path, environ, "positions", "status", "--json").stdout)
            assert status["counters"]["duplicates"] == 0
            assert status["naked_ms"]["count"] == 1

            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        truth = there.truth()
        assert "STOP_MARKET" in json.dumps(truth), "the stop rests at the exchange"
        assert (
            json.loads(ask(tmp_path, environ, "ledger", "replay", "--json").stdout)["decisions_agree"] is True
        )

        with running(tmp_path, environ) as (process, ready):
            assert ready["positions"]["open"] == 1
            row = protected(tmp_path, environ)
            closed = ask(
                tmp_path, environ, "positions", "close", "--position-id", row["id"], "--yes", "--json"
            )
            assert closed.returncode == 0, closed.stderr
            assert json.loads(closed.stdout)["closed"] == [row["id"]]
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
        assert json.loads(ask(tmp_path, environ, "ledger", "verify", "--json").stdout)["ok"] is True
        kept = dumped(tmp_path / "data" / "backstay.db")
        assert '"table":"fills"' in kept
        assert ask(tmp_path, environ, "ledger", "rebuild").returncode == 0
        assert dumped(tmp_path / "data" / "backstay.db") == kept
        one_fill(tmp_path / "logs" / "backstay.log")


def dumped(path):
    store = Store(f"sqlite:///{path}", read_only=True)
    store.open()
    try:
        return "\n".join(dump(store))
    finally:
        store.close()


def one_fill(log):
    """The log follows one fill from its report to the stop that it led to, by one number."""
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    decided = next(line for line in lines if line.get("type") == "Decided" and "stop" in line["event"])
    family = [line for line in lines if line.get("trace") == decided["trace"]]
    assert family[0]["seq"] == decided["trace"]
    steps = ["AccountReport", "Decided", "RequestsRegistered", "RequestSent", "AlgoReport"]
    assert set(steps) <= {line["type"] for line in family}, family


def test_exchange_serve_tells_where_it_is_and_ends_on_a_signal(tmp_path, environ):
    process = subprocess.Popen(
        [*COMMAND, "exchange", "serve", "--port", "0", "--control-port", "0", "--json"],
        cwd=tmp_path,
        env=environ,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        with urllib.request.urlopen(f"{told['rest']}/fapi/v1/ping", timeout=10) as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
    finally:
        process.kill()
        process.wait(10)


def test_a_demo_in_the_background_ends_in_good_order_when_it_is_terminated(tmp_path, environ):
    in_background = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); "
    process = subprocess.Popen(
        [sys.executable, "-c", f"{in_background}from backstay.cli.main import main; main()", *DEMO],
        cwd=tmp_path,
        env={**environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        page = re.search(r"http\S+", process.stderr.readline())
        assert page
        said = b""
        while b"the guard is up" not in said:
            with urllib.request.urlopen(f"{page[0]}snapshot", timeout=10) as answer:
                said = answer.read()
        process.send_signal(signal.SIGTERM)
        told, _ = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 0
    assert json.loads(told)["promises_held"] is True
    assert list(tmp_path.iterdir()) == [], "its files are gone"


def test_damage_before_the_newest_snapshot_is_found_beside_the_guard(tmp_path, environ):
    (tmp_path / "config.yaml").write_text(
        "{run: {mode: PAPER}, dashboard: {enabled: false}, "
        "managers: [{strategy: position_manager, symbols: [BTCUSDT]}]}"
    )
    with running(tmp_path, environ) as (process, _):
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
    ledger = tmp_path / "data" / "ledger" / "events.jsonl"
    assert ledger.read_bytes().count(b'"state":"connected"') >= 1
    ledger.write_bytes(ledger.read_bytes().replace(b'"state":"connected"', b'"state":"cannected"', 1))
    with running(tmp_path, environ) as (process, _):
        told = ""
        while "ledger damaged" not in told:
            assert process.poll() is None, "it guards on"
            told = ask(tmp_path, environ, "ledger", "tail", "-n", "5").stdout
    assert "is damaged at line 3, record 3" in told


def test_the_tool_of_another_name_is_the_same_command(tmp_path, environ):
    tool = [sys.executable, str(ROOT / "tools" / "manage_positions.py")]
    done = subprocess.run(
        [*tool, "list", "--format", "json"], cwd=tmp_path, env=environ, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["positions"] == []
    done = subprocess.run(
        [*tool, "list", "--format", "xml"], cwd=tmp_path, env=environ, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "text, json" in done.stderr


def test_ctrl_c_ends_a_simulation_with_all_of_its_processes_at_once(tmp_path, environ):
    in_foreground = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    arguments = ["simulate", "--seeds", "0:9999", "--jobs", "2"]
    process = subprocess.Popen(
        [sys.executable, "-c", f"{in_foreground}from backstay.cli.main import main; main()", *arguments],
        cwd=tmp_path,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    try:
        while len(busy := [pid for pid in children.read_text().split() if ticks(pid) > 20]) < 2:
            assert process.poll() is None, busy
        os.killpg(process.pid, signal.SIGINT)
        out, _ = process.communicate(timeout=30)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert (process.returncode, out) == (130, "")


def ticks(pid):
    """Processor time that a process has used, in hundredths of a second."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11])
