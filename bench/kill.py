"""How long `backstay kill --yes` takes to bring 20 positions with 100 orders to flat, and to prove it.

    .venv/bin/python bench/kill.py [--runs N] [--positions N] [--quick]

The simulated exchange, the guarding process and the command are three processes that talk by sockets. Every
position has a stop and four take-profits, all placed by the guard. Two cases: `up`, the guard runs and the
command asks it; `down`, the guard was killed by SIGKILL and the command takes the account over by itself.

  command_s  from the command's start to its end: imports, connecting, closing, the read that proves it
  flat_s     from the command's start to the moment at which the exchange shows no position and no order
  command_cpu_s  what of it was the command's own work: on a busy machine the rest is waiting for a core
Prints one JSON document, last on stdout: the median of the runs, and the worst.
"""

import argparse
import asyncio
import contextlib
import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import yaml

from backstay.app.exchange import API_KEY, API_SECRET
from backstay.simulator.engine import Engine
from backstay.simulator.feeds.base import open_feed
from backstay.simulator.feeds.grid import Grid
from backstay.simulator.server.auth import Credentials
from backstay.simulator.server.handler import SimulatedBinance
from backstay.simulator.server.serve import serve
from backstay.simulator.server.settings import ServerSettings
from backstay.simulator.settings import EngineSettings
from backstay.simulator.specs import default_specs

COMMAND = (sys.executable, "-m", "backstay.cli.main")
LEVELS = 4
MUST_S = 2.0
PATIENCE_S = 60.0
LOOK_S = 0.1
SIZE = "10"


def names(positions: int) -> tuple[str, ...]:
    return tuple(f"COIN{number:02}USDT" for number in range(positions))


# --- the exchange's process -----------------------------------------------------------------------


async def exchange(positions: int) -> None:
    """Serve so many symbols, all alike; prints where, and ends with its standard input."""
    start = time.time_ns()
    pattern = next(s for s in default_specs() if s.symbol == "SOLUSDT")
    specs = [msgspec.structs.replace(pattern, symbol=name, base=name[:-4]) for name in names(positions)]
    grids = {s.symbol: Grid(s.tick, s.step) for s in specs}
    feed = open_feed(
        "synthetic", seed=5, symbols=names(positions), start_ns=start, grids=grids, rate=Decimal(2)
    )
    engine = Engine(feed, specs, start_ns=start, seed=5, settings=EngineSettings())
    engine.open_account("main")
    keys = {API_KEY: Credentials.hmac(API_KEY, API_SECRET)}
    handler = SimulatedBinance(engine, keys, start_ns=start, seed=5, settings=ServerSettings.for_sockets())
    served = await serve(handler)
    print(json.dumps({"rest": served.url, "ws": served.ws_url, "control": served.control_url}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await served.close()


class Venue:
    """The exchange as its owner sees it."""

    def __init__(self, where: dict[str, str]) -> None:
        self.where = where

    def post(self, path: str, body: dict[str, str]) -> Any:
        url = f"{self.where['control']}/sim/v1/{path}"
        with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode()), timeout=10) as a:
            return json.load(a)

    def counts(self) -> tuple[int, int]:
        """(positions, open orders)"""
        with urllib.request.urlopen(f"{self.where['control']}/sim/v1/truth", timeout=10) as answer:
            truth = json.load(answer)
        regular = sum(o["status"] in {"NEW", "PARTIALLY_FILLED"} for o in truth["orders"])
        algo = sum(a["algoStatus"] in {"NEW", "TRIGGERING"} for a in truth["algo_orders"])
        return len(truth["positions"]), regular + algo

    def until(self, positions: int, orders: int) -> None:
        end = time.monotonic() + PATIENCE_S
        while self.counts() != (positions, orders):
            if time.monotonic() > end:
                raise SystemExit(f"the exchange shows {self.counts()}, and not {(positions, orders)}")
            time.sleep(LOOK_S)


# --- one run --------------------------------------------------------------------------------------


def configuration(where: dict[str, str], positions: int, folder: Path) -> None:
    ws = where["ws"]
    levels = [{"distance": f"{20 + number}%", "share": f"{100 // LEVELS}%"} for number in range(LEVELS)]
    document = {
        "run": {"mode": "DEMO", "enable_trading": True, "data_dir": str(folder / "data")},
        "endpoints": {
            "usdm": {
                "rest": where["rest"],
                "public_stream": f"{ws}/public",
                "market_stream": f"{ws}/market",
                "private_stream": f"{ws}/private",
                "ws_api": f"{ws}/ws-fapi/v1",
            }
        },
        "managers": [
            {
                "strategy": "position_manager",
                "symbols": list(names(positions)),
                "stop_loss": {"distance": "30%"},
                "take_profit": {"levels": levels},
            }
        ],
        "dashboard": {"enabled": False},
        "metrics": {"enabled": False},
        "logs": {"dir": str(folder / "logs")},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")


@contextlib.contextmanager
def processes(positions: int, folder: Path) -> Iterator[tuple[Venue, subprocess.Popen[str]]]:
    """The exchange and a guard that guards nothing yet."""
    environ = _environ()
    serving = subprocess.Popen(
        [sys.executable, __file__, "--serve", "--positions", str(positions)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert serving.stdout is not None
    assert serving.stdin is not None
    guard: subprocess.Popen[str] | None = None
    try:
        venue = Venue(json.loads(serving.stdout.readline()))
        configuration(venue.where, positions, folder)
        guard = subprocess.Popen(
            [*COMMAND, "run", "--json"], cwd=folder, env=environ, stdout=subprocess.PIPE, text=True
        )
        assert guard.stdout is not None
        if not guard.stdout.readline():
            raise SystemExit("the guard did not start")
        yield venue, guard
    finally:
        for process in (guard, serving):
            if process is not None:
                process.kill()
                process.wait(10)


def measure(case: str, positions: int) -> dict[str, float]:
    environ = _environ()
    with tempfile.TemporaryDirectory() as name, processes(positions, Path(name)) as (venue, guard):
        for symbol in names(positions):
            venue.post(
                "human",
                {"do": "order", "symbol": symbol, "side": "BUY", "type": "MARKET", "quantity": SIZE},
            )
        venue.until(positions, positions * (LEVELS + 1))
        if case == "down":
            guard.send_signal(signal.SIGKILL)
            guard.wait(10)
        before = _worked()
        began = time.monotonic()
        command = subprocess.Popen(
            [*COMMAND, "kill", "--yes", "--json"], cwd=name, env=environ, stdout=subprocess.PIPE, text=True
        )
        venue.until(0, 0)
        flat = time.monotonic() - began
        out, _ = command.communicate(timeout=PATIENCE_S)
        took = time.monotonic() - began
        answer = json.loads(out.splitlines()[-1]) if out else {}
        if command.returncode or not answer.get("verified") or venue.counts() != (0, 0):
            raise SystemExit(f"{case}: exit {command.returncode}, {answer}, left {venue.counts()}")
        return {"command_s": took, "flat_s": flat, "command_cpu_s": _worked() - before}


def _environ() -> dict[str, str]:
    """The keys; and compiled files are kept, as where the product is installed."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "BINANCE_DEMO_API_KEY": API_KEY, "BINANCE_DEMO_API_SECRET": API_SECRET}


def _worked() -> float:
    """Processor seconds of all processes that this one has waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--positions", type=int, default=20)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one run of each case")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        asyncio.run(exchange(given.positions))
        return
    document: dict[str, Any] = {"positions": given.positions, "orders": given.positions * (LEVELS + 1)}
    for case in ("up", "down"):
        found = []
        for number in range(1 if given.quick else given.runs):
            found.append(measure(case, given.positions))
            print(f"{case} {number + 1}: {found[-1]}", file=sys.stderr)
        for figure in ("command_s", "flat_s", "command_cpu_s"):
            values = [one[figure] for one in found]
            document[f"{case}_{figure}"] = round(statistics.median(values), 3)
            document[f"{case}_{figure}_worst"] = round(max(values), 3)
    document["within_2_s"] = all(document[f"{case}_command_s"] <= MUST_S for case in ("up", "down"))
    print(json.dumps(document))


if __name__ == "__main__":
    main()
