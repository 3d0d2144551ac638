"""A BUY's fill leaves the spot venue -> the SELL of its lot arrives there: the product and python-binance.

Run:  .venv/bin/python bench/spot_window.py [--quick] [--dir FOLDER] [--runs 5] [--fills 2000]
Prints progress on stderr and one JSON document, last on stdout; clients, turns and ratios as in
`naked_window.py`. The strategy is swing with `sell_when: fill`.

`p50_us` holds the medians in microseconds:
  backstay          HMAC, the ledger on FOLDER's disk: the SELL's context is durable before it leaves
  backstay_ed25519  the same on a connection that is logged on, without a signature per order
  backstay_at_market  BUYs that trade at once: nothing announces their fills
  python_binance_rest, python_binance_ws
How it is measured: spot_venue.py. What the figures mean: docs/benchmarks.md.
"""

import argparse
import json
import sys

from turns import Result, add_options, chosen, medians, once, summary

REST, WS = "python_binance_rest", "python_binance_ws"
PRODUCT, LOGGED_ON, AT_MARKET = "backstay", "backstay_ed25519", "backstay_at_market"
CLIENTS: dict[str, tuple[list[str], list[str]]] = {
    PRODUCT: (["--mode", "lots"], ["client_backstay.py", "--spot"]),
    REST: (["--mode", "bare"], ["client_python_binance.py", "--spot", "--via", "rest"]),
    WS: (["--mode", "bare"], ["client_python_binance.py", "--spot", "--via", "ws"]),
    LOGGED_ON: (["--mode", "lots"], ["client_backstay.py", "--spot", "--key", "ed25519"]),
    AT_MARKET: (["--mode", "lots", "--at-market"], ["client_backstay.py", "--spot"]),
}


def turn(mode: list[str], command: list[str], options: argparse.Namespace) -> Result:
    venue: list[object] = ["spot_venue.py", *mode, "--fills", options.fills]
    venue += ["--warmup", options.warmup, "--symbols", options.symbols, "--gap-us", options.gap_us]
    return once(venue, command, options)


def ratios(p50: dict[str, float]) -> dict[str, float]:
    return {
        "vs_python_binance_rest": round(p50[PRODUCT] / p50[REST], 3),
        "vs_python_binance_ws": round(p50[PRODUCT] / p50[WS], 3),
        "ed25519_vs_python_binance_rest": round(p50[LOGGED_ON] / p50[REST], 3),
        "at_market_vs_python_binance_rest": round(p50[AT_MARKET] / p50[REST], 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser)
    options = parser.parse_args()
    names = chosen(CLIENTS, options)
    taken: dict[str, list[Result]] = {name: [] for name in names}
    for run in range(options.runs):
        for name in names:
            result = turn(*CLIENTS[name], options)
            taken[name].append(result)
            print(f"run {run + 1} {name:20} {json.dumps(result)}", file=sys.stderr, flush=True)
    p50 = medians(taken, "p50_us")
    document: Result = {"p50_us": p50}
    if not options.only:
        document |= ratios(p50)
    print(json.dumps(document | summary(taken, options)))


if __name__ == "__main__":
    main()
