"""I-36 over every sink at once: the keys of a real run appear in no file and on no screen."""

import json
import os
import subprocess
import sys

import pytest
import yaml

from backstay.app.exchange import API_KEY, API_SECRET

from tests.app.venues import venue
from tests.cli.test_processes import ask, protected, running


@pytest.fixture
def environ():
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("BINANCE_", "BACKSTAY_", "EXECUTION_"))}
    return {**kept, "BINANCE_DEMO_API_KEY": API_KEY, "BINANCE_DEMO_API_SECRET": API_SECRET}


def everything(folder):
    """The bytes of every file: ledger, side journal, snapshots, store, log, error log, locks."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_i36_the_keys_of_a_run_are_in_no_file_and_on_no_screen(tmp_path, environ):
    shown = []
    with venue() as there:
        document = there.config()
        document["logs"] = {"level": "DEBUG"}
        document["metrics"] = {"port": 0}
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(document))
        with running(tmp_path, environ) as (process, ready):
            shown.append(json.dumps(ready))
            there.order("BTCUSDT", "BUY", "0.01")
            protected(tmp_path, environ)
            for command in (["positions", "list"], ["positions", "status", "--json"], ["store", "status"]):
                done = ask(tmp_path, environ, *command)
                shown.append(done.stdout + done.stderr)
            said = ask(tmp_path, environ, "pause", "--reason", f"because of {API_SECRET}")
            shown.append(said.stdout + said.stderr)
            process.terminate()
            process.wait(20)
            shown.append(process.stderr.read())
    for command in (["doctor"], ["ledger", "tail"], ["positions", "list", "--json"], ["ledger", "rebuild"]):
        done = ask(tmp_path, environ, *command)
        shown.append(done.stdout + done.stderr)
    broken = subprocess.run(
        [sys.executable, "-c", BROKEN], cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60
    )
    assert broken.returncode == 1
    assert "Traceback" in broken.stderr
    shown.append(broken.stdout + broken.stderr)
    for secret in (API_KEY, API_SECRET):
        assert [name for name, data in everything(tmp_path).items() if secret.encode() in data] == []
        assert [text[:200] for text in shown if secret in text] == []
    assert (tmp_path / "data" / "backstay.db").exists()


BROKEN = """
import sys
from backstay.app.config import load_settings
from backstay.cli import main, positions
import backstay.cli.common as common

def leak(config, **_):
    keys = load_settings().secrets._values
    raise RuntimeError(f"a defect that shows {keys} and {list(keys.values())}")

common.settings = leak
sys.exit(main.execute(["positions", "status"]))
"""
