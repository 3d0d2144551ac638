"""Bars per second of `backstay backtest`, beside backtesting.py on the same bars with the same entries.

Run:  .venv/bin/python bench/backtest.py [--quick] [--data FOLDER]
FOLDER holds the recorded months (../shared/data/klines_1m). Each figure is the median of five runs (one with
--quick) on one core, files read beforehand. `rare`: a gate that is passed some thirty times a month; `often`:
some fifty times. backtesting.py is brought once into an environment of its own; where it cannot be, its
figures are null and the reason is on stderr. Its strategy has no planner, no orders in flight and no ledger:
it is given ready signals.
"""

import argparse
import csv
import json
import statistics
import subprocess
import sys
import tempfile
from decimal import Decimal
from pathlib import Path

from backstay.app.backtest_setup import Outcome, Setup
from backstay.app.backtesting import backtest
from backstay.backtest.bars import Bars, load
from backstay.core.engine import Engine, Manager
from backstay.signals.policy import ScorePolicy
from backstay.strategies.scored.policy import ScoredPolicy
from backstay.strategies.scored.wanted import ScoredTrader
from peers.environments import CannotInstallError, python_of

HERE = Path(__file__).resolve().parent
FILES = {s: f"usdm_{s}_1m_20250504_20250602.parquet" for s in ("BTCUSDT", "ETHUSDT", "SOLUSDT")}
GATES = {"rare": Decimal("0.45"), "often": Decimal("0.40")}


def engine(symbol: str, gate: Decimal) -> Engine:
    policy = ScoredPolicy(symbols=(symbol,), score=ScorePolicy(gate=gate))
    return Engine((Manager(ScoredTrader(), policy, frozenset(policy.symbols)),))


def ours(bars: Bars, gate: Decimal, runs: int) -> tuple[float, Outcome]:
    """(bars per second, what the last run came to)."""
    found = [backtest(Setup(engine=engine(bars.symbol, gate), bars=(bars,))) for _ in range(runs)]
    return statistics.median(o.results.bars_per_s for o in found), found[-1]


def entries(bars: Bars, outcome: Outcome, path: Path) -> None:
    """The bars with the signals that our run was told, for the peer."""
    signals = {e.signal.at: e.signal for e in outcome.scores if e.signal.kind != "NONE"}
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(("", "Open", "High", "Low", "Close", "Volume", "Signal", "Stop", "Target"))
        for bar in bars.series.bars():
            signal = signals.get(bar.open_time + bars.interval)
            side = 0 if signal is None else 1 if signal.kind == "LONG" else -1
            stop = float(signal.stop_distance) if signal is not None else 0
            target = float(signal.targets[-1].distance) if signal is not None else 0
            prices = (bar.open, bar.high, bar.low, bar.close, bar.volume)
            out.writerow((bar.open_time // 1_000_000_000, *prices, side, stop, target))


def peer(python: Path, bars: Bars, outcome: Outcome, runs: int) -> float:
    """Bars per second of backtesting.py on the same bars."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bars.csv"
        entries(bars, outcome, path)
        command = [str(python), str(HERE / "client_backtesting.py"), str(path)]
        speeds = []
        for _ in range(runs):
            told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            found = json.loads(told.splitlines()[-1])
            speeds.append(found["bars"] / found["seconds"])
    return statistics.median(speeds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--data", type=Path, default=HERE.parents[1] / "shared" / "data" / "klines_1m")
    options = parser.parse_args()
    runs = 1 if options.quick else 5
    try:
        python: Path | None = python_of("backtesting")
    except CannotInstallError as why:
        print(f"backtesting.py: {why}", file=sys.stderr)
        python = None
    rows: dict[str, dict[str, float | int | None]] = {}
    for symbol, name in FILES.items():
        bars = load(options.data / name)
        for word, gate in GATES.items():
            speed, outcome = ours(bars, gate, runs)
            theirs = peer(python, bars, outcome, runs) if python is not None else None
            rows[f"{symbol}_{word}"] = {
                "bars_per_s": round(speed),
                "trades": outcome.results.trades,
                "bars_stepped": outcome.results.bars_stepped,
                "backtesting_py_bars_per_s": round(theirs) if theirs is not None else None,
                "vs_backtesting_py": round(speed / theirs, 2) if theirs is not None else None,
            }
            print(f"{symbol} {word}: {rows[f'{symbol}_{word}']}", file=sys.stderr, flush=True)
    slowest = min(row["bars_per_s"] or 0 for name, row in rows.items() if name.endswith("rare"))
    print(json.dumps({"bars_per_s_rare_slowest": slowest, **rows}))


if __name__ == "__main__":
    main()
