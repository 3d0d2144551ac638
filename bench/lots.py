"""What ten thousand open lots cost: to start and reconcile, to list, to keep in memory.

Run:  .venv/bin/python bench/lots.py [--quick] [--dir FOLDER] [--lots 10000] [--symbols 50]
Prints progress on stderr and one JSON document, last on stdout.

BUYs by hand fill at the venue (spot_venue.py), `backstay run` rests a SELL for each, and ends in good order.
Then, against the same venue, which still has all of it, once more:
  startup_s    processor time of `backstay run` up to its being ready, less that of a run without any lot:
               ledger and snapshot read, the account read and reconciled, every lot planned
  rss_mb       resident memory of the process ten seconds later
  list_s       processor time of `backstay positions list --json` beside that process, less that of the same
               command beside a process without lots: Python and its imports (`list_whole_s` has both)
Processor time, because a busy machine moves it less; `wall` has what a clock on the wall says.
"""

import argparse
import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from backstay.runtime.control import ControlClient, ControlError, NotRunningError, socket_path
from turns import python

BACKSTAY = Path(sys.executable).parent / "backstay"
PATIENCE_S = 600.0
KEYS = {"BINANCE_TESTNET_API_KEY": "k" * 64, "BINANCE_TESTNET_API_SECRET": "s" * 64}


def configuration(folder: Path, port: int, symbols: int) -> None:
    base = f"127.0.0.1:{port}"
    names = ", ".join(f"B{i:02d}USDT" for i in range(symbols))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(
        f"run: {{mode: TESTNET, enable_trading: true, data_dir: {folder}/data}}\n"
        f"endpoints:\n  spot: {{rest: 'http://{base}', stream: 'ws://{base}/market', "
        f"ws_api: 'ws://{base}/ws-api/v3'}}\n"
        f"managers:\n  - strategy: swing\n    product: spot\n    symbols: [{names}]\n    sell_when: fill\n"
        "dashboard: {port: 0}\n"
    )


def command(folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(BACKSTAY), *words, "-c", str(folder / "config.yaml")],
        env={**os.environ, **KEYS},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("the process tells no VmRSS")


async def told(folder: Path) -> dict[str, Any] | None:
    """The running process's status; None while it has none."""
    try:
        client = await ControlClient.connect(socket_path(folder / "data"))
    except (NotRunningError, ControlError):
        return None
    try:
        return (await client.ask("status"))["status"]
    except ControlError:
        return None
    finally:
        await client.close()


def until(folder: Path, process: subprocess.Popen[str], fits: str, what: Any = True) -> dict[str, Any]:
    """Wait until the status of the process says `what` at `fits`."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if process.poll() is not None:
            sys.exit(f"backstay run ended by itself: {process.stdout.read()[-3000:]}")
        status = asyncio.run(told(folder))
        if status is not None and status.get(fits) == what:
            return status
        time.sleep(0.02)
    sys.exit(f"{fits} did not become {what} within {PATIENCE_S} s")


def caught_up(folder: Path, process: subprocess.Popen[str]) -> None:
    """Wait until the store has everything: an end in good order leaves nothing to the next start."""
    end = time.monotonic() + PATIENCE_S
    while "up to date" not in str(until(folder, process, "ready").get("database")):
        if time.monotonic() > end:
            sys.exit(f"the store did not catch up within {PATIENCE_S} s")
        time.sleep(1)


@contextmanager
def running(folder: Path) -> Iterator[subprocess.Popen[str]]:
    process = command(folder, "run")
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    finally:
        process.kill()


def ready_cost(folder: Path, process: subprocess.Popen[str]) -> tuple[float, float]:
    """(processor time, time on the wall) of the process up to its being ready, in seconds."""
    began = time.monotonic()
    until(folder, process, "ready")
    return cpu_s(process.pid), time.monotonic() - began


def listed(folder: Path) -> tuple[int, float, float]:
    """(lots, processor time, time on the wall) of `positions list`."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    process = command(folder, "positions", "list", "--json")
    out, _ = process.communicate(timeout=120)
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic() - began
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return len(json.loads(out)["positions"]), used, wall


def quickest_list(folder: Path) -> tuple[int, float, float]:
    return min((listed(folder) for _ in range(3)), key=lambda one: one[1])


def measure(options: argparse.Namespace, folder: Path) -> dict[str, object]:
    shape = ("--symbols", options.symbols, "--timeout", 3600, "--gap-us", 0)
    empty = python("spot_venue.py", "--mode", "hold", "--fills", 0, "--warmup", 0, *shape)
    full = python("spot_venue.py", "--mode", "hold", "--fills", options.lots, "--warmup", 0, *shape, "--stay")
    try:
        configuration(folder / "none", json.loads(empty.stdout.readline())["port"], options.symbols)
        with running(folder / "none") as process:
            base, base_wall = ready_cost(folder / "none", process)
            _, bare_list, _ = quickest_list(folder / "none")
        print(f"without lots: {base:.2f} s", file=sys.stderr, flush=True)
        many = folder / "many"
        configuration(many, json.loads(full.stdout.readline())["port"], options.symbols)
        with running(many) as process:
            result = json.loads(full.stdout.readline())
            print(f"lots made: {json.dumps(result)}", file=sys.stderr, flush=True)
            caught_up(many, process)
        with running(many) as process:
            used, wall = ready_cost(many, process)
            time.sleep(options.rest)
            memory = rss_mb(process.pid)
            settled = cpu_s(process.pid)
            lots, list_s, list_wall = quickest_list(many)
    finally:
        empty.kill()
        full.kill()
    return {
        "lots": lots,
        "startup_s": round(used - base, 2),
        "list_s": round(list_s - bare_list, 2),
        "rss_mb": round(memory, 1),
        "after_ready_s": round(settled - used, 2),
        "list_whole_s": round(list_s, 2),
        "startup_whole_s": round(used, 2),
        "wall": {"startup": round(wall - base_wall, 2), "list": round(list_wall, 2)},
        "missed": result["missed"],
        "duplicates": result["duplicates"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="1,000 lots: to see that it works")
    parser.add_argument("--lots", type=int, default=10_000)
    parser.add_argument(
        "--symbols", type=int, default=50, help="at most 200 lots each: SELLs may rest so many"
    )
    parser.add_argument("--rest", type=float, default=10.0, help="seconds before memory is looked at")
    parser.add_argument(
        "--dir", default=tempfile.gettempdir(), help="a folder on the disk that carries the ledger"
    )
    options = parser.parse_args()
    if options.quick:
        options.lots, options.rest = 1_000, 2.0
    with tempfile.TemporaryDirectory(prefix="bench-lots-", dir=options.dir) as folder:
        print(json.dumps(measure(options, Path(folder))))


if __name__ == "__main__":
    main()
