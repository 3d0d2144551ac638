"""`kill -9` of the real process, against an exchange on real sockets: the same slots are adopted, nothing is
sent twice, nothing stays naked."""

import json
import os
import subprocess
import sys
import threading
import urllib.request
from collections import Counter
from contextlib import contextmanager

import pytest
import yaml

from backstay.app.exchange import API_KEY, API_SECRET

from tests.app.venues import venue

COMMAND = [sys.executable, "-m", "backstay.cli.main"]
LADDER = {"steps": 2, "first_deviation": "8%", "first_size": "0.002"}


@pytest.fixture
def environ():
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("BINANCE_", "BACKSTAY_", "EXECUTION_"))}
    return {**kept, "BINANCE_DEMO_API_KEY": API_KEY, "BINANCE_DEMO_API_SECRET": API_SECRET}


@contextmanager
def running(folder, environ):
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
        yield process
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()
        process.stderr.close()


def ready(process):
    line = process.stdout.readline()
    if not line:
        pytest.fail(process.stderr.read())
    return json.loads(line)


def until(holds, what, within_s=20.0):
    pause = threading.Event()
    for _ in range(int(within_s / 0.05)):
        found = holds()
        if found:
            return found
        pause.wait(0.05)
    return pytest.fail(f"not within {within_s} s: {what}")


def ours(there):
    """Custom ids and shapes of our resting orders."""
    truth = there.truth()
    rows = {
        o["clientOrderId"]: (o["type"], o["side"], o["price"], o["origQty"])
        for o in truth["orders"]
        if o["status"] == "NEW" and o["clientOrderId"].startswith("bs-")
    }
    rows |= {
        a["clientAlgoId"]: (a["orderType"], a["side"], a["triggerPrice"], a["quantity"])
        for a in truth["algo_orders"]
        if a["algoStatus"] == "NEW" and a["clientAlgoId"].startswith("bs-")
    }
    return rows


def kinds(there):
    return sorted((shape[0], shape[1]) for shape in ours(there).values())


def sizes(there):
    return {size for kind, side, _, size in ours(there).values() if (kind, side) == ("LIMIT", "SELL")}


GUARDED = [("LIMIT", "BUY"), ("LIMIT", "SELL"), ("STOP_MARKET", "SELL")]


@pytest.mark.slow
def test_i32_a_killed_process_adopts_its_orders_and_protects_what_came_meanwhile(tmp_path, environ):
    with venue() as there:
        document = there.config()
        document["managers"][0] |= {"stop_loss": {"distance": "15%"}, "dca": LADDER}
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(document))

        with running(tmp_path, environ) as process:
            ready(process)
            there.order("BTCUSDT", "BUY", "0.01")
            until(lambda: kinds(there) == GUARDED, "stop, take-profit and step")
            before = ours(there)
            process.kill()

        # The same slots are adopted: nothing is placed, nothing cancelled.
        with running(tmp_path, environ) as process:
            assert ready(process)["positions"]["protected"] == 1
            assert ours(there) == before
            # Killed in the middle of the work that a fill makes.
            there.order("BTCUSDT", "BUY", "0.01")
            process.kill()
        with running(tmp_path, environ) as process:
            ready(process)
            until(lambda: kinds(there) == GUARDED, "the grown position guarded")
            until(lambda: "0.020" in sizes(there), "the take-profit of the grown position")
            there.post("human", {"do": "close", "symbol": "BTCUSDT"})
            process.kill()
        # Opened while nobody watched.
        there.order("BTCUSDT", "SELL", "0.01")
        with running(tmp_path, environ) as process:
            ready(process)
            want = [("LIMIT", "BUY"), ("LIMIT", "SELL"), ("STOP_MARKET", "BUY")]
            until(lambda: kinds(there) == want, "the new position guarded")
            process.terminate()
            assert process.wait(20) == 0

        with urllib.request.urlopen(f"{there.control}/requests", timeout=10) as answer:
            requests = json.load(answer)["requests"]
        sent = Counter(
            r["params"].get("newClientOrderId") or r["params"].get("clientAlgoId")
            for r in requests
            if r["endpoint"] in {"POST /fapi/v1/order", "POST /fapi/v1/algoOrder"}
        )
        assert set(sent.values()) == {1}, "no id twice"
    for command in (["verify"], ["replay"]):
        done = subprocess.run(
            [*COMMAND, "ledger", *command, "--json"],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
        )
        told = json.loads(done.stdout)
        assert told.get("ok", True) and told.get("decisions_agree", True), told
