"""`tools/manage_positions.py` is `backstay positions`, with `--format` and for any interpreter."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "tools" / "manage_positions.py"


def tool(folder, *arguments):
    environ = {k: v for k, v in os.environ.items() if not k.startswith("BINANCE_")}
    environ["PYTHONPATH"] = str(ROOT / "src")
    done = subprocess.run(
        [sys.executable, str(TOOL), *arguments],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_text_and_json_are_the_two_formats(tmp_path):
    code, out, err = tool(tmp_path, "list", "--format", "json")
    assert code == 0, err
    assert json.loads(out)["positions"] == []
    code, out, _ = tool(tmp_path, "list", "--format=text")
    assert (code, out) == (0, "no open position\n")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("--format", "jsn"), "--format: 'jsn' is not known; did you mean json?"),
        (("--format=xml",), "--format: 'xml' is not known; known are text, json"),
        (("--format",), "--format: '' is not known"),
    ],
)
def test_a_format_that_is_misspelt_is_2_and_nothing_is_done(tmp_path, given, told):
    code, out, err = tool(tmp_path, "close", "--position-id", "BTCUSDT", "--yes", *given)
    assert (code, out) == (2, "")
    assert told in err
    assert list(tmp_path.iterdir()) == []


def test_an_id_that_does_not_exist_is_2_and_told(tmp_path):
    code, out, err = tool(tmp_path, "close", "--position-id", "TRUMPUSDC-LOT-1", "--force")
    assert (code, out) == (2, "")
    assert "--position-id: there is no open position 'TRUMPUSDC-LOT-1'; nothing is open" in err


def test_without_a_command_its_use_is_shown(tmp_path):
    assert tool(tmp_path)[0] == 2
    code, out, _ = tool(tmp_path, "--help")
    assert code == 0
    assert "--format text|json" in out
