"""The same faults for several position keepers: one venue, real sockets, one table.

Run:  .venv/bin/python bench/peers/run.py --quick                  (five cases, NautilusTrader and Backstay)
      .venv/bin/python bench/peers/run.py                          (everything; about 30 minutes)
      .venv/bin/python bench/peers/run.py --clients nautilus --cases deaf,restart --keep-logs FOLDER
Prints a table per case and one of sums; `--json FILE` writes what they were made of. The first run installs
the peers below bench/peers/.cache. What it does, and does not, show: docs/peers.md.
"""

import argparse
import asyncio
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any

from cases import BY_NAME, CASES, QUICK, Act, Case
from drivers import CLIENTS, Backstay, Client
from environments import CannotInstallError, python_of, versions
from judge import judge
from stage import SYMBOL, Stage, stage
from table import render

from backstay import __version__

SIZE = "0.020"
NOT_DRIVEN = {"hummingbot": "it has no stop that rests at the venue, and no setting for the venue's address"}


class NotArmedError(Exception):
    """The client never stood with its orders at the venue, so the fault could not be tried."""


def legs(case: Case) -> dict[str, str]:
    """Signed sizes that are wanted."""
    return {"LONG": SIZE, "SHORT": f"-{SIZE}"} if case.hedge else {"BOTH": SIZE}


def cannot(kind: type[Client], case: Case) -> str:
    """Why a case does not apply to a client; empty: it does."""
    if case.hedge and not kind.hedge:
        return "one-way only"
    if case.needs_profit and not kind.take_profit:
        return "rests no take-profit"
    return ""


class Trial:
    """One client through one case."""

    def __init__(self, on: Stage, client: Client, case: Case) -> None:
        self.on = on
        self.client = client
        self.case = case

    async def play(self) -> None:
        case, client, on = self.case, self.client, self.on
        if case.before and client.enters:
            on.faults(case.before)
        client.configure(on, dca=case.dca)
        await client.start(on, enter=True)
        if isinstance(client, Backstay):
            if not await on.until(client.ready, client.start_s):
                raise NotArmedError("did not start")
            if case.before:
                on.faults(case.before)
            self._open_by_hand()
        if not await on.until(self._open, client.start_s):
            raise NotArmedError("no position came about")
        # A foreign order, far away: nobody but its owner may touch it.
        leg = {"positionSide": "LONG"} if case.hedge else {}
        on.human(
            do="order", symbol=SYMBOL, side="BUY", type="LIMIT", quantity="0.003", price="76800.0", **leg
        )
        if not case.at_once and not await on.until(self._armed, 20):
            raise NotArmedError("its orders never rested at the venue")
        for act in case.acts:
            await self._act(act)
        await asyncio.sleep(case.watch_s)
        client.look()

    def _open_by_hand(self) -> None:
        for leg, size in legs(self.case).items():
            side = "SELL" if size.startswith("-") else "BUY"
            order = {"do": "order", "symbol": SYMBOL, "side": side, "type": "MARKET"}
            self.on.human(**order, positionSide=leg, quantity=size.lstrip("-"))

    def _open(self) -> bool:
        self.client.look()
        if self.client.exits:
            raise NotArmedError(f"ended by itself (exit {self.client.exits[-1]['code']}) before it stood")
        held = {p["positionSide"]: Decimal(p["positionAmt"]) for p in self.on.truth()["positions"]}
        return all(held.get(leg) == Decimal(size) for leg, size in legs(self.case).items())

    def _armed(self) -> bool:
        truth = self.on.truth()
        wanted = len(legs(self.case))
        algo = [o for o in truth["algo_orders"] if o["algoStatus"] == "NEW" and o["origin"] == "api"]
        sized = [o for o in algo if o["closePosition"] or Decimal(o["quantity"]) == Decimal(SIZE)]
        resting = [
            o
            for o in truth["orders"]
            if o["origin"] == "api" and o["status"] == "NEW" and Decimal(o["origQty"]) == Decimal(SIZE)
        ]
        return len(sized) >= wanted and (not self.client.take_profit or len(resting) >= wanted)

    async def _act(self, act: Act) -> None:
        on, client = self.on, self.client
        match act:
            case ("faults", rules):
                on.faults(rules)
            case ("clear",):
                on.clear()
            case ("price", share):
                on.move(share)
            case ("human", action):
                on.human(**action)
            case ("cancel_stops",):
                for row in on.truth()["algo_orders"]:
                    if row["algoStatus"] == "NEW" and row["orderType"] == "STOP_MARKET":
                        on.human(do="cancel_algo", symbol=SYMBOL, algoId=str(row["algoId"]))
            case ("close",):
                on.human(do="close", symbol=SYMBOL)
            case ("kill",):
                await client.kill()
            case ("start",):
                await client.start(on, enter=False)
            case ("wait", seconds):
                await asyncio.sleep(seconds)
            case ("asked", endpoint):
                if not await on.until(lambda: any(r["endpoint"] == endpoint for r in on.requests()), 30):
                    raise NotArmedError(f"never sent {endpoint}")
            case ("flat",):
                await on.until(lambda: not on.truth()["positions"], 10)
            case _:
                raise ValueError(f"unknown act {act!r} in case {self.case.name}")


async def trial(kind: type[Client], case: Case, keep: Path | None) -> dict[str, Any]:
    """One row of the result: the verdict, or why there is none."""
    why = cannot(kind, case)
    row: dict[str, Any] = {"client": kind.name, "case": case.name, "verdict": None, "why": why}
    if row["why"]:
        return row
    record: dict[str, Any] = {}
    folder = Path(tempfile.mkdtemp(prefix=f"peers-{kind.name}-"))
    client = kind(folder, hedge=case.hedge)
    try:
        async with stage(hedge=case.hedge, fill_before_triggered=case.fill_first) as on:
            try:
                await Trial(on, client, case).play()
            except NotArmedError as error:
                row["why"] = str(error)
            record = {
                "frames": on.frames,
                "requests": on.requests(),
                "truth": on.truth(),
                "ended_ms": on.now_ms(),
                "intended": legs(case),
                "exits": client.exits,
                "enters": kind.enters,
            }
            await client.kill()
    finally:
        await client.kill()
        if keep is not None:
            kept = keep / f"{case.name}-{kind.name}"
            shutil.copytree(folder, kept, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.sock"))
            (kept / "record.json").write_text(json.dumps(record, indent=1), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
    if not row["why"]:
        row["verdict"] = asdict(judge(record))
    row["requests"] = len(record["requests"])
    return row


async def compare(kinds: list[type[Client]], cases: list[Case], keep: Path | None) -> list[dict[str, Any]]:
    rows = []
    for case in cases:
        for kind in kinds:
            began = time.monotonic()
            row = await trial(kind, case, keep)
            rows.append(row)
            verdict = row["verdict"] or row["why"]
            print(
                f"{case.name:22} {kind.name:10} {time.monotonic() - began:5.1f} s  {verdict}",
                file=sys.stderr,
                flush=True,
            )
    return rows


def about(kinds: list[type[Client]]) -> dict[str, Any]:
    """What ran, where and when."""
    found: dict[str, Any] = {"backstay": {"backstay": __version__, "python": platform.python_version()}}
    found |= {k.name: versions(k.name) for k in kinds if k is not Backstay}
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "versions": found,
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="five cases, nautilus and backstay")
    parser.add_argument("--clients", help=f"separated by commas: {', '.join(CLIENTS)}")
    parser.add_argument("--cases", help=f"separated by commas: {', '.join(BY_NAME)}")
    parser.add_argument("--json", type=Path, help="write everything there")
    parser.add_argument("--keep-logs", type=Path, help="keep each client's files and the record there")
    given = parser.parse_args()
    names = (given.clients or ("backstay,nautilus" if given.quick else ",".join(CLIENTS))).split(",")
    wanted = (given.cases or ",".join(QUICK if given.quick else [c.name for c in CASES])).split(",")
    for asked, known in ((names, tuple(CLIENTS)), (wanted, tuple(BY_NAME))):
        for name in asked:
            if name not in known:
                parser.error(f"{name!r} is not known here; known: {', '.join(known)}")
    kinds, missing = [], dict(NOT_DRIVEN)
    for name in names:
        try:
            if CLIENTS[name] is not Backstay:
                python_of(name)
        except CannotInstallError as error:
            missing[name] = str(error)
        else:
            kinds.append(CLIENTS[name])
    rows = asyncio.run(compare(kinds, [BY_NAME[name] for name in wanted], given.keep_logs))
    document = {"about": about(kinds), "not_driven": missing, "rows": rows}
    if given.json is not None:
        given.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(render(document, {c.name: c.title for c in CASES}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
