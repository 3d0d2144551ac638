"""Fill leaves the venue -> stop request arrives there: the whole product, python-binance and a bare echo.

Run:  .venv/bin/python bench/naked_window.py [--quick] [--dir FOLDER] [--runs 5] [--fills 2000]
Prints progress on stderr and one JSON document, last on stdout. The clients take turns, one run each, so that
the machine's moods hit all alike; every figure is a median over runs, every ratio one of two such medians.

`p50_us` holds the medians in microseconds:
  backstay          pre-armed protection, HMAC, the ledger on FOLDER's disk
  backstay_ed25519  the same on a connection that is logged on, without a signature per order
  backstay_hand     a position opened by hand; the context of its stop stands by
  python_binance_rest, python_binance_ws
  floor             uvloop and two bare protocols that answer a fill with a canned request
`burst_lost`: of 5,000 private events in one go, how many the account does not know afterwards.
How it is measured: venue.py. What the figures mean: docs/benchmarks.md.
"""

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
REST, WS, FLOOR = "python_binance_rest", "python_binance_ws", "floor"
PRODUCT, LOGGED_ON, HAND = "backstay", "backstay_ed25519", "backstay_hand"
CLIENTS: dict[str, tuple[str, list[str]]] = {
    PRODUCT: ("entry", ["client_backstay.py", "--entries"]),
    REST: ("bare", ["client_python_binance.py", "--via", "rest"]),
    FLOOR: ("bare", ["client_floor.py"]),
    HAND: ("hand", ["client_backstay.py"]),
    WS: ("bare", ["client_python_binance.py", "--via", "ws"]),
    LOGGED_ON: ("entry", ["client_backstay.py", "--entries", "--key", "ed25519"]),
}
BURST = 5_000


def cores() -> tuple[int, int]:
    """Cores for venue and client; -1: there is only one, and nothing is pinned."""
    mine = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return (mine[-1], mine[0]) if len(mine) > 1 else (-1, -1)


def python(script: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(HERE / script), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def last_line(text: str) -> dict[str, object]:
    lines = text.strip().splitlines()
    return json.loads(lines[-1]) if lines else {}


def once(mode: str, command: list[str], options: argparse.Namespace, fills: int) -> dict[str, object]:
    """One run of one client against a fresh venue."""
    venue_core, client_core = cores()
    venue = python(
        "venue.py",
        *("--mode", mode, "--fills", fills, "--warmup", options.warmup, "--symbols", options.symbols),
        *("--gap-us", options.gap_us, "--group", options.group, "--core", venue_core),
    )
    folder = tempfile.mkdtemp(prefix="bench-naked-", dir=options.dir)
    try:
        port = json.loads(venue.stdout.readline())["port"]
        extra = ["--dir", folder, "--symbols", options.symbols] if "backstay" in command[0] else []
        client = python(command[0], *command[1:], *extra, "--port", port, "--core", client_core)
        out, err = venue.communicate(timeout=180)
        client.send_signal(signal.SIGTERM)
        told, complaint = client.communicate(timeout=30)
    finally:
        venue.kill()
        shutil.rmtree(folder)
    result = last_line(out)
    if "p50_us" not in result or result["p50_us"] is None:
        sys.exit(f"{command}: no figures. venue: {err[-2000:]} client: {complaint[-2000:]}")
    if "backstay" in command[0]:
        if client.returncode:
            sys.exit(f"{command}: the client failed: {complaint[-2000:]}")
        result["client"] = last_line(told)
    return result


def ratios(p50: dict[str, float]) -> dict[str, float]:
    def of(one: str, other: str) -> float:
        return round(p50[one] / p50[other], 3)

    return {
        "vs_python_binance_rest": of(PRODUCT, REST),
        "vs_python_binance_ws": of(PRODUCT, WS),
        "vs_floor": of(PRODUCT, FLOOR),
        "hand_opened_vs_python_binance_rest": of(HAND, REST),
        "ed25519_vs_python_binance_rest": of(LOGGED_ON, REST),
        "ed25519_vs_python_binance_ws": of(LOGGED_ON, WS),
        "ed25519_vs_floor": of(LOGGED_ON, FLOOR),
    }


def burst(options: argparse.Namespace) -> dict[str, object]:
    """Orders of somebody else, back to back, and one fill behind them."""
    result = once("burst", ["client_backstay.py"], options, BURST)
    known = int(result["client"]["orders_known"])
    # The fill's own order and the take-profit that follows it are known as well.
    lost = max(0, BURST + 2 - known)
    return {
        "burst_lost": lost if result["n"] == 1 else BURST,
        "burst_ms": round(float(result["p50_us"]) / 1000, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one run of 400 fills: to see that it works")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--fills", type=int, default=2_000)
    parser.add_argument("--warmup", type=int, default=200)
    parser.add_argument("--symbols", type=int, default=50)
    parser.add_argument("--gap-us", type=int, default=2_000, help="from a stop to the next fill")
    parser.add_argument("--group", default="lite", help="order of a fill's frames, see venue.py")
    parser.add_argument(
        "--dir", default=tempfile.gettempdir(), help="a folder on the disk that carries the ledger"
    )
    parser.add_argument("--only", default="", help="some clients only, comma separated; then no ratios")
    options = parser.parse_args()
    if options.quick:
        options.runs, options.fills, options.warmup = 1, 400, 50
    chosen = [name for name in CLIENTS if not options.only or name in options.only.split(",")]
    taken: dict[str, list[dict[str, object]]] = {name: [] for name in chosen}
    for run in range(options.runs):
        for name in chosen:
            mode, command = CLIENTS[name]
            result = once(mode, command, options, options.fills)
            taken[name].append(result)
            print(f"run {run + 1} {name:20} {json.dumps(result)}", file=sys.stderr, flush=True)
    p50, p99 = (
        {name: statistics.median(float(r[key]) for r in results) for name, results in taken.items()}
        for key in ("p50_us", "p99_us")
    )
    document: dict[str, object] = {"p50_us": p50}
    if not options.only:
        document |= ratios(p50) | burst(options)
    document |= {
        "p99_us": p99,
        "p50_us_of_runs": {name: [r["p50_us"] for r in results] for name, results in taken.items()},
        "missed": sum(int(r["missed"]) for results in taken.values() for r in results),
        "duplicates": sum(int(r["duplicates"]) for results in taken.values() for r in results),
        "request_bytes": {name: results[-1]["request_bytes"] for name, results in taken.items()},
        "fills": options.fills,
        "runs": options.runs,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
    }
    print(json.dumps(document))


if __name__ == "__main__":
    main()
