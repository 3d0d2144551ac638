"""`backstay backtest`, as a user types it."""

import json
from pathlib import Path

import pytest

from backstay.backtest.bars import Bars
from backstay.cli.main import execute

from tests.backtest.markets import made, moody

CONFIG = """
managers:
  - strategy: scored
    symbols: [BTCUSDT]
    score:
      interval: 1m
      higher: 5m
      gate: 0.3
      periods: {ema_fast: 4, ema_slow: 9, higher_ema_fast: 3, higher_ema_slow: 5, macd_fast: 4, macd_slow: 8,
                macd_signal: 3, rsi: 5, atr: 5, atr_slow: 12}
"""


def write(bars: Bars, folder: Path) -> Path:
    path = folder / f"{bars.symbol}-1m.csv"
    lines = ["open_time,open,high,low,close,volume"]
    for i in range(len(bars)):
        prices = (bars.price(int(getattr(bars, n)[i])) for n in ("open", "high", "low", "close"))
        lines.append(f"{int(bars.open_time[i]) // 1_000_000},{','.join(map(str, prices))},10")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


def test_figures_report_and_ledger_of_one_run(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write(moody(1200, 8), tmp_path)
    report, ledger = tmp_path / "report.html", tmp_path / "kept"
    files = ["--data", str(data), "--report", str(report), "--ledger", str(ledger)]
    command = ["backtest", "-c", str(config), *files]
    assert execute([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    asked = {"bars", "bars_per_s", "trades", "net_pnl", "fees", "funding", "max_drawdown", "decisions_digest"}
    assert asked <= set(found)
    assert (found["bars"], found["trades"] > 0) == (1200, True)

    page = report.read_text(encoding="utf-8")
    assert page.count("<svg") == 3
    assert page.count("<tr>") == found["trades"] + found["open_positions"] + 1
    assert "http" not in page.replace("http://www.w3.org", "")

    assert execute(["ledger", "replay", "--data-dir", str(ledger), "--json"]) == 0
    replayed = json.loads(capsys.readouterr().out)
    assert replayed["decisions_digest"] == found["decisions_digest"]

    assert execute(command) == 2
    assert "holds a ledger already" in capsys.readouterr().err


def test_people_get_a_table_and_figures(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write(moody(900, 3), tmp_path)
    assert execute(["backtest", "-c", str(config), "--data", str(data)]) == 0
    out = capsys.readouterr().out
    assert "net result" in out
    assert "largest drawdown" in out
    assert max(map(len, out.splitlines())) <= 180


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--balance", "0"], "--balance is 0"),
        (["--balance", "much"], "--balance: "),
        (["--leverage", "500"], "--leverage is 500"),
        (["--alpha", "-1"], "--alpha: -1 is below zero"),
        (["--alpha", "11"], "--alpha is 11; at most 10"),
        (["--balance", "1e400"], "--balance is 1E+400; at most 1000000000000"),
        (["--report", "nowhere/report.html"], "--report: nowhere/report.html is no file in a folder"),
        (["--report", "/"], "--report: / is no file in a folder"),
        (["--data", "nowhere-BTCUSDT.parquet"], "nowhere-BTCUSDT.parquet"),
        (["--funding", "usdm_SOLUSDT_funding.parquet"], "usdm_SOLUSDT_funding.parquet is of SOLUSDT"),
        (["--positions", "nowhere.csv"], "--positions: nowhere.csv cannot be read"),
    ],
)
def test_wrong_options_are_one_message(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str], more: list[str], words: str
) -> None:
    data = write(moody(60, 1), tmp_path)
    given = [] if "--data" in more else ["--data", str(data)]
    assert execute(["backtest", "-c", str(config), *given, *more]) == 2
    told = capsys.readouterr()
    assert words in told.err
    assert told.out == ""


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("yesterday,BTCUSDT,BUY,0.01", "row 1: write such as"),
        ("2026-01-01T00:10:00,ETHUSDT,BUY,0.01", "row 1: ETHUSDT is a symbol without --data"),
        ("2026-01-01T00:10:00,BTCUSDT,BUY,-1", "row 1: the quantity -1 is not above zero"),
        ("2026-01-01T00:10:00,BTCUSDT,BUY,100", "was refused: -2019"),
        ("2025-12-31T23:59:00,BTCUSDT,BUY,0.01", "row 1: 2025-12-31T23:59:00+00:00 lies outside of the bars"),
        (
            "2026-01-01T00:59:01,BTCUSDT,BUY,0.01",
            "which open 2026-01-01T00:00:00+00:00 to 2026-01-01T00:59:00+00:00",
        ),
    ],
)
def test_positions_by_hand_that_cannot_be_are_one_message(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str], row: str, words: str
) -> None:
    data, positions = write(moody(60, 1), tmp_path), tmp_path / "by-hand.csv"
    positions.write_text(f"time,symbol,side,quantity\n{row}\n", encoding="utf-8")
    assert execute(["backtest", "-c", str(config), "--data", str(data), "--positions", str(positions)]) == 2
    assert words in capsys.readouterr().err


def test_shorter_scores_than_bars_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        CONFIG.replace("interval: 1m", "interval: 1m").replace("higher: 5m", "higher: 3m"), encoding="utf-8"
    )
    bars = tmp_path / "BTCUSDT-5m.csv"
    lines = [f"{1_767_225_600_000 + i * 300_000},60000.1,60000.1,60000.1,60000.1,1" for i in range(40)]
    bars.write_text("\n".join(["open_time,open,high,low,close,volume", *lines]) + "\n", encoding="utf-8")
    assert execute(["backtest", "-c", str(config), "--data", str(bars)]) == 2
    assert "score.interval is 60 s and its bars are 300 s long" in capsys.readouterr().err


def test_bars_that_end_before_the_first_score_are_told(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["backtest", "-c", str(config), "--data", str(write(moody(20, 3), tmp_path))]) == 0
    assert "BTCUSDT: 20 bars are known, and nothing is scored before" in capsys.readouterr().err


def test_a_ledger_that_would_lie_in_a_file_is_one_message(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write(moody(60, 1), tmp_path)
    assert execute(["backtest", "-c", str(config), "--data", str(data), "--ledger", str(data)]) == 2
    assert f"--ledger: {data} cannot be used" in capsys.readouterr().err


def test_several_files_may_follow_one_option(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text(CONFIG.replace("[BTCUSDT]", "[BTCUSDT, ETHUSDT]"), encoding="utf-8")
    files = [str(write(moody(60, 1, symbol), tmp_path)) for symbol in ("BTCUSDT", "ETHUSDT")]
    assert execute(["backtest", "-c", str(config), "--data", *files, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bars"] == 120


RATES = "calc_time,funding_interval_hours,last_funding_rate\n1767225600004,8,-0.0007\n"


def test_recorded_rates_are_read_from_the_archive_and_what_they_do_not_cover_is_told(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text("managers: [{strategy: position_manager, symbols: [BTCUSDT]}]", encoding="utf-8")
    data = write(made([(600_000, 600_010, 599_990, 600_000)] * 1000), tmp_path)
    rates, positions = tmp_path / "BTCUSDT-fundingRate.csv", tmp_path / "by-hand.csv"
    rates.write_text(RATES + "1767254400000,8,0.001\n", encoding="utf-8")
    positions.write_text(
        "time,symbol,side,quantity\n2026-01-01T01:00:00,BTCUSDT,BUY,0.01\n", encoding="utf-8"
    )
    command = ["backtest", "-c", str(config), "--data", str(data), "--positions", str(positions)]
    assert execute([*command, "--funding", str(rates), "--json", "--alpha", "0"]) == 0
    told = capsys.readouterr()
    # 0.001 at 08:00 of 600 USDT, the usual rate at 16:00; the one of midnight came before the position.
    assert json.loads(told.out)["funding"] == "-0.66"
    span = "2026-01-01T00:00:00+00:00 to 2026-01-01T08:00:00+00:00"
    assert f"warning: BTCUSDT: funding rates are known from {span}" in told.err
    assert execute([*command, "--funding", str(rates), str(rates)]) == 2
    assert "--funding: BTCUSDT: two files of rates" in capsys.readouterr().err


def test_a_backtest_in_which_nobody_opens_a_position_is_told(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text("managers: [{strategy: position_manager, symbols: [BTCUSDT]}]", encoding="utf-8")
    assert execute(["backtest", "-c", str(config), "--data", str(write(moody(60, 1), tmp_path))]) == 0
    assert "no manager opens a position by itself" in capsys.readouterr().err


def test_a_strategy_that_fails_is_told_and_not_taken_for_one_that_wants_nothing(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = """
import time
from backstay.strategies.interface import UserPolicy

class Broken:
    policy = UserPolicy

    def wanted(self, view, policy, now):
        raise KeyError('no such level')
"""
    (tmp_path / "broken.py").write_text(source, encoding="utf-8")
    config.write_text(
        f"managers: [{{strategy: '{tmp_path}/broken.py:Broken', symbols: [BTCUSDT]}}]", encoding="utf-8"
    )
    data, positions = write(moody(60, 1), tmp_path), tmp_path / "by-hand.csv"
    positions.write_text(
        "time,symbol,side,quantity\n2026-01-01T00:10:00,BTCUSDT,BUY,0.01\n", encoding="utf-8"
    )
    assert execute(["backtest", "-c", str(config), "--data", str(data), "--positions", str(positions)]) == 0
    told = capsys.readouterr().err
    assert "warning: BTCUSDT:" in told
    assert "Broken imports time: what `wanted` answers must follow from its arguments" in told
    assert "Broken failed: KeyError: 'no such level'; the figures say nothing of that strategy" in told
