"""Commands in this process: exit codes, one clear message, JSON and nothing else on stdout."""

import io
import json
import socket
import sys
from pathlib import Path

import pytest
import yaml
from rich.table import Table

from backstay import __version__
from backstay.cli import exits
from backstay.cli.main import app
from backstay.cli.positions import _add_figures
from backstay.cli.reference import page

from tests.cli.harness import run

ROOT = Path(__file__).resolve().parents[2]


def test_help_is_quick_because_it_loads_nothing_heavy():
    import subprocess

    script = (
        "import sys\nfrom backstay.cli.main import execute\n"
        "try:\n    execute(['--help'])\nexcept SystemExit:\n    pass\n"
        "print([m for m in ('pydantic', 'msgspec', 'aiohttp', 'asyncio', 'polars', 'cryptography', 'yaml', "
        "'rich.live') if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "demo" in done.stdout
    assert done.stderr.strip() == "[]"


def test_what_only_reads_the_ledger_loads_no_network(folder):
    import subprocess

    script = (
        "import sys\nfrom backstay.cli.main import execute\n"
        "code = execute(['positions', 'list'])\n"
        "print(code, [m for m in ('aiohttp', 'picows', 'sqlalchemy', 'cryptography') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=folder)
    assert done.stdout.splitlines()[-1] == "0 []", done.stdout + done.stderr


def test_the_page_of_commands_is_what_the_commands_say():
    text = (ROOT / "docs" / "reference" / "cli.md").read_text()
    assert page(app) == text, "tools/write_reference.py writes it anew"


def test_every_exit_code_has_its_meaning_on_the_page():
    told = (ROOT / "docs" / "reference" / "exit-codes.md").read_text()
    assert set(exits.MEANINGS) == set(exits.Exit)
    assert [code for code in exits.Exit if f"| {int(code)} |" not in told] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["dmeo"],
        ["demo", "--sede", "1"],
        ["demo", "--seed", "one"],
        ["ledger", "why"],
        ["positions", "list", "--sort", "size"],
        ["positions", "close"],
    ],
)
def test_a_usage_error_is_one_message_and_code_2(folder, capsys, arguments):
    code, out, err = run(capsys, *arguments)
    assert code == 2
    assert out == ""
    assert err.startswith("backstay: ")
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["demo", "--duration", "10"], "--duration"),
        (["demo", "--speed", "fast"], "--speed"),
        (["demo", "--speed", "0"], "above 0"),
        (["demo", "--feed", "BTCUSDT-missing.csv", "--headless"], "no such file"),
        (["exchange", "serve", "--products", "usdm,margin"], "'margin' is not a product"),
        (["exchange", "serve", "--products", "spot", "--feed", "live"], "live is the market of USD-M"),
        (["exchange", "serve", "--symbols", "BTCUSTD"], "did you mean BTCUSDT"),
        (["exchange", "serve", "--api-key", "x"], "--api-secret"),
        (["exchange", "serve", "--faults", "missing.yaml"], "missing.yaml cannot be read"),
        (["positions", "list", "--min-age", "10"], "--min-age"),
        (["positions", "list", "--status", "FINE"], "known are GUARDED"),
        (["ledger", "verify"], "there is no ledger"),
        (["run", "-c", "missing.yaml"], "missing.yaml cannot be read"),
    ],
)
def test_bad_input_is_one_message_that_says_what_and_code_2(folder, capsys, arguments, told):
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert told in err
    assert "Traceback" not in err


@pytest.mark.parametrize("command", [["pause"], ["resume"], ["ack"], ["watch"]])
def test_a_word_to_a_process_that_does_not_run_is_refused_with_3(folder, capsys, command):
    code, out, err = run(capsys, *command)
    assert (code, out) == (3, "")
    assert "no process is running" in err


def test_positions_without_a_process_in_paper_are_what_the_ledger_knew(folder, capsys):
    code, out, _ = run(capsys, "positions", "list", "--json")
    assert code == 0
    assert json.loads(out)["positions"] == []
    assert json.loads(out)["source"] == "ledger"
    code, out, _ = run(capsys, "positions", "status", "--json")
    assert json.loads(out)["running"] is False


def test_an_unconfirmed_kill_does_nothing_and_is_3(folder, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    code, out, err = run(capsys, "kill")
    assert (code, out) == (3, "")
    assert "--yes" in err


def test_a_mode_that_sends_nothing_kills_nothing(folder, capsys, monkeypatch):
    monkeypatch.setenv("EXECUTION_MODE", "DRY_RUN_PRIVATE")
    (folder / "config.yaml").write_text("managers: []")
    code, _, err = run(capsys, "kill", "--yes")
    assert code == 3
    assert "sends nothing" in err


@pytest.mark.parametrize("mode", ["DEMO", "TESTNET", "LIVE"])
def test_a_closed_switch_refuses_the_run_with_3_and_says_which(folder, capsys, mode):
    (folder / "config.yaml").write_text(f"run: {{mode: {mode}}}\nmanagers: []")
    code, _, err = run(capsys, "run")
    assert code == 3
    assert "run.enable_trading is not true" in err
    assert not (folder / "data").exists()


def test_missing_keys_are_2_and_named(folder, capsys):
    (folder / "config.yaml").write_text("run: {mode: DEMO, enable_trading: true}\nmanagers: []")
    code, _, err = run(capsys, "run")
    assert code == 2
    assert "BINANCE_DEMO_API_KEY" in err


def test_a_data_folder_that_cannot_be_written_is_2(folder, capsys):
    (folder / "file").write_text("")
    (folder / "config.yaml").write_text("run: {data_dir: file/data}")
    code, _, err = run(capsys, "run")
    assert code == 2
    assert "run.data_dir" in err


@pytest.mark.parametrize("command", ["exchange", "demo", "run"])
def test_a_port_in_use_is_2_and_named(folder, capsys, command):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        (folder / "config.yaml").write_text(f"dashboard: {{port: {port}}}")
        arguments = {"exchange": ["exchange", "serve", "--port", port], "demo": ["demo", "--port", port]}
        code, out, err = run(capsys, *arguments.get(command, ["run"]))
    assert (code, out) == (2, "")
    assert err.startswith(f"backstay: port {port} on 127.0.0.1 is in use")


@pytest.mark.parametrize("given", [("demo", "--port"), ("exchange", "serve", "--control-port")])
@pytest.mark.parametrize("port", ["99999", "-5"])
def test_a_port_that_is_none_is_2_and_named(folder, capsys, given, port):
    code, out, err = run(capsys, *given, port)
    assert (code, out) == (2, "")
    assert f'"{port}" for {given[-1]}' in err


@pytest.mark.parametrize("feed", ["synthetc", "nosuch.parquet", "BTCUSDT-1m.csv"])
def test_a_feed_that_is_not_there_is_2_and_said_to_be_missing(folder, capsys, feed):
    code, out, err = run(capsys, "exchange", "serve", "--feed", feed)
    assert (code, out) == (2, "")
    assert err.startswith(f"backstay: {feed}: there is no such file")


def test_a_data_folder_that_cannot_be_is_2_and_names_the_option(folder, capsys):
    (folder / "taken").write_text("")
    code, out, err = run(capsys, "demo", "--headless", "--duration", "1m", "--data-dir", "taken/data")
    assert (code, out) == (2, "")
    assert err.startswith("backstay: --data-dir: taken/data cannot be written")


def test_a_feed_with_missing_columns_is_2_and_names_them(folder, capsys):
    (folder / "BTCUSDT-1m.csv").write_text("open_time,open\n1,2\n")
    code, _, err = run(capsys, "exchange", "serve", "--feed", "BTCUSDT-1m.csv")
    assert code == 2
    assert "BTCUSDT-1m.csv" in err
    assert "close" in err


def test_the_short_demo_keeps_its_promises_and_prints_one_document(folder, capsys):
    code, out, err = run(capsys, "demo", "--headless", "--duration", "5m", "--seed", "3", "--json")
    figures = json.loads(out)
    assert code == 0, err
    assert figures["promises_held"] is True
    assert figures["seed"] == 3
    wanted = {
        "positions_guarded", "stops_placed", "naked_ms", "unprotected_now", "duplicates", "foreign_touched",
        "incidents", "incidents_survived", "ledger_verified", "promises_held", "seed", "wall_s",
    }  # fmt: skip
    assert wanted <= set(figures)
    assert {"p50", "p99", "max"} <= set(figures["naked_ms"])


def test_init_writes_what_can_be_read_and_keeps_secrets_apart(folder, capsys, monkeypatch):
    monkeypatch.setenv("BINANCE_DEMO_API_KEY", "the-key")
    monkeypatch.setenv("BINANCE_DEMO_API_SECRET", "the-secret")
    arguments = ["init", "--yes", "--mode", "DEMO", "--symbols", "BTCUSDT", "--json"]
    code, out, _ = run(capsys, *arguments)
    assert code == 0
    assert len(json.loads(out)["written"]) == 2
    assert (folder / ".env").stat().st_mode & 0o777 == 0o600
    assert "the-secret" not in (folder / "config.yaml").read_text()
    assert yaml.safe_load((folder / "config.yaml").read_text())["run"] == {
        "mode": "DEMO",
        "enable_trading": False,
    }
    code, _, err = run(capsys, *arguments)
    assert code == 3
    assert "--force" in err
    code, _, err = run(capsys, "init", "--yes", "--force", "--mode", "PAPER", "--stop", "500%")
    assert code == 2
    assert "stop_loss" in err


def test_doctor_in_paper_needs_neither_keys_nor_network(folder, capsys):
    code, out, _ = run(capsys, "doctor", "--json")
    assert code == 0
    document = json.loads(out)
    assert document["ok"]
    assert {"config", "mode", "data folder", "lock", "ledger", "exchange"} <= {
        c["name"] for c in document["checks"]
    }


def test_doctor_names_the_key_that_is_wrong(folder, capsys):
    (folder / "config.yaml").write_text("run: {mod: PAPER}")
    code, out, _ = run(capsys, "doctor", "--json")
    assert code == 2
    assert "did you mean run.mode" in json.loads(out)["checks"][0]["detail"]


@pytest.mark.parametrize(
    ("news", "code", "state", "told"),
    [
        ("{windows: none.yaml}", 2, "fail", "news.windows: none.yaml cannot be read"),
        ("{windows: week.yaml}", 0, "pass", "1 window scheduled"),
        ("{headlines: none.json}", 0, "warn", "the news feed cannot be read"),
        (
            "{headlines: heads.json}",
            0,
            "pass",
            "0 windows scheduled, the headlines can be read",
        ),
    ],
)
def test_doctor_reads_the_news_that_are_configured(folder, capsys, news, code, state, told):
    (folder / "week.yaml").write_text(
        'windows: [{name: rates, start: "2026-12-10T19:00:00Z", end: "2026-12-10T20:00:00Z"}]'
    )
    (folder / "heads.json").write_text('[{"text": "nothing happened"}]')
    (folder / "config.yaml").write_text(f"news: {news}")
    found, out, _ = run(capsys, "doctor", "--json")
    (check,) = (c for c in json.loads(out)["checks"] if c["name"] == "news")
    assert (found, check["state"]) == (code, state)
    assert told in check["detail"]


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ('news: {headlines: "ftp://host/x"}', "write https://host/path, or a file"),
        ("risk: {groups: [{name: a, symbols: [BTCUSDT]}]}", "risk.groups[0].symbols: write at least 2"),
    ],
)
def test_a_value_that_cannot_be_is_2_and_says_what_can(folder, capsys, section, told):
    (folder / "config.yaml").write_text(section)
    code, _, err = run(capsys, "run")
    assert code == 2
    assert told in err


def test_what_is_left_of_a_budget_is_told_as_left():
    table = Table()
    _add_figures(table, {"rate_budget": {"refused_429": 0, "left": {"weight_1m": 2395}}}, "spot ")
    assert [list(column.cells) for column in table.columns] == [
        ["spot rate budget"],
        ["refused 429 0, weight 1m left 2395"],
    ]


def test_the_program_is_a_module_too():
    import subprocess

    done = subprocess.run([sys.executable, "-m", "backstay", "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == __version__
