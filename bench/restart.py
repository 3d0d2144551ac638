#!/usr/bin/env python3
"""A restart with 50 symbols and 500 open orders: what it reads, and the processor time until all is trusted.

    PYTHONPATH=src python bench/restart.py

On virtual time against the simulated exchange, in one process: the time is that of the guard (ledger,
gateway, core) and of the exchange's answers together, an upper bound of the guard's own.
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from backstay.core.types import SECOND
from backstay.simulation.report import Restart

from tests.system.crowd import OPTIONS, SYMBOLS, resting, settle_in
from tests.system.world import play

CASES = (
    ("stopped in good order", True, 10.0, True),
    ("killed, away for 10 s", False, 10.0, True),
    ("killed, away for 1 s", False, 1.0, False),
)


def main() -> None:
    print(f"{'restart':24} {'orders':>6} {'records':>8} {'reads':>6} {'venue s':>8} {'cpu s':>6}")
    for name, politely, away_s, quiet in CASES:
        r = measured(politely, away_s, quiet)
        figures = f"{r.orders:6} {r.records:8} {r.reads:6} {r.venue_s:8.2f} {r.cpu_s:6.2f}"
        print(f"{name:24} {figures}", flush=True)


def measured(politely, away_s, quiet):
    found = []

    async def script(world):
        await settle_in(world)
        records = world.running.journal.seq
        if politely:
            await world.running.stop("restart")
        before = world.received()
        cpu, venue = time.process_time(), world.clock.now_ns() + int(away_s * SECOND)
        await world.restart(away_s=away_s, quiet=quiet)
        await world.trusted(within_s=300)
        spent, took = time.process_time() - cpu, (world.clock.now_ns() - venue) / SECOND
        found.append(Restart(resting(world), records, len(world.reads(before)), took, spent))

    play(script, **OPTIONS)
    assert len(SYMBOLS) == 50
    return found[0]


if __name__ == "__main__":
    main()
