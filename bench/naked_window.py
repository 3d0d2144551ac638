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
import sys

from turns import Result, add_options, chosen, medians, once, summary

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


def turn(mode: str, command: list[str], options: argparse.Namespace, fills: int) -> Result:
    """One run of one client against a fresh venue in `mode`."""
    venue: list[object] = ["venue.py", "--mode", mode, "--fills", fills, "--warmup", options.warmup]
    venue += ["--symbols", options.symbols, "--gap-us", options.gap_us, "--group", options.group]
    return once(venue, command, options)


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


def burst(options: argparse.Namespace) -> Result:
    """Orders of somebody else, back to back, and one fill behind them."""
    result = turn("burst", ["client_backstay.py"], options, BURST)
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
    add_options(parser)
    parser.add_argument("--group", default="lite", help="order of a fill's frames, see venue.py")
    options = parser.parse_args()
    names = chosen(CLIENTS, options)
    taken: dict[str, list[Result]] = {name: [] for name in names}
    for run in range(options.runs):
        for name in names:
            result = turn(*CLIENTS[name], options, options.fills)
            taken[name].append(result)
            print(f"run {run + 1} {name:20} {json.dumps(result)}", file=sys.stderr, flush=True)
    p50 = medians(taken, "p50_us")
    document: Result = {"p50_us": p50}
    if not options.only:
        document |= ratios(p50) | burst(options)
    print(json.dumps(document | summary(taken, options)))


if __name__ == "__main__":
    main()
