"""Clients take turns against a scripted venue: one process for each, pinned to a core of its own.

Shared by `naked_window.py` and `spot_window.py`.
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
type Result = dict[str, object]


def cores() -> tuple[int, int]:
    """Cores for venue and client; -1: there is only one, and nothing is pinned."""
    mine = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return (mine[-1], mine[0]) if len(mine) > 1 else (-1, -1)


def core_count() -> int | None:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def python(script: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(HERE / script), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def last_line(text: str) -> Result:
    lines = text.strip().splitlines()
    return json.loads(lines[-1]) if lines else {}


def once(venue_command: list[object], command: list[str], options: argparse.Namespace) -> Result:
    """One run of one client against a fresh venue."""
    venue_core, client_core = cores()
    venue = python(str(venue_command[0]), *venue_command[1:], "--core", venue_core)
    folder = tempfile.mkdtemp(prefix="bench-window-", dir=options.dir)
    ours = "backstay" in command[0]
    try:
        port = json.loads(venue.stdout.readline())["port"]
        extra = ["--dir", folder, "--symbols", options.symbols] if ours else []
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
    if ours:
        if client.returncode:
            sys.exit(f"{command}: the client failed: {complaint[-2000:]}")
        result["client"] = last_line(told)
    return result


def medians(taken: dict[str, list[Result]], key: str) -> dict[str, float]:
    """Of every client, the median of one figure over its runs."""
    return {name: statistics.median(float(r[key]) for r in results) for name, results in taken.items()}


def summary(taken: dict[str, list[Result]], options: argparse.Namespace) -> Result:
    """What every window benchmark says besides its ratios."""
    return {
        "p99_us": medians(taken, "p99_us"),
        "p50_us_of_runs": {name: [r["p50_us"] for r in results] for name, results in taken.items()},
        "missed": sum(int(r["missed"]) for results in taken.values() for r in results),
        "duplicates": sum(int(r["duplicates"]) for results in taken.values() for r in results),
        "request_bytes": {name: results[-1]["request_bytes"] for name, results in taken.items()},
        "fills": options.fills,
        "runs": options.runs,
        "cores": core_count(),
    }


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quick", action="store_true", help="one run of 400 fills: to see that it works")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--fills", type=int, default=2_000)
    parser.add_argument("--warmup", type=int, default=200)
    parser.add_argument("--symbols", type=int, default=50)
    parser.add_argument("--gap-us", type=int, default=2_000, help="from an answer to the next fill")
    parser.add_argument(
        "--dir", default=tempfile.gettempdir(), help="a folder on the disk that carries the ledger"
    )
    parser.add_argument("--only", default="", help="some clients only, comma separated; then no ratios")


def chosen(clients: dict[str, tuple[str, list[str]]], options: argparse.Namespace) -> list[str]:
    """Names of the clients that take part; settles what --quick means."""
    if options.quick:
        options.runs, options.fills, options.warmup = 1, 400, 50
    return [name for name in clients if not options.only or name in options.only.split(",")]
