"""The ledger's costs on this machine: append, durability, verify, replay, restart.

Run:  .venv/bin/python bench/ledger.py [--dir FOLDER] [--records N]
Prints one flat JSON document, last on stdout. `*_vs_*` are ratios measured side by side in this run;
durations are in us or ms as named. FOLDER must lie on the disk that is to be judged.
"""

import argparse
import asyncio
import gc
import json
import os
import shutil
import tempfile
from decimal import Decimal
from pathlib import Path
from time import perf_counter

import msgspec

from backstay.core.contexts import OrderContext, Premise, Request
from backstay.core.decisions import Wait
from backstay.core.events import AccountReport, OrderReport, PositionRow, RequestsRegistered, TimePassed
from backstay.core.records import Body, Decided
from backstay.core.slots import Slot, SlotKey
from backstay.core.types import (
    Action,
    Direction,
    ExecutionType,
    OrderStatus,
    OrderType,
    PositionSide,
    Role,
    Side,
    parse_scope,
)
from backstay.ledger.codec import GENESIS, GENESIS_HASH, Head, encode_line, hash_line
from backstay.ledger.disk import FileDisk
from backstay.ledger.journal import Journal
from backstay.ledger.opening import open_ledger
from backstay.ledger.reader import entries, find
from backstay.ledger.replay import replay
from backstay.ledger.snapshots import SnapshotStore
from backstay.ledger.verify import verify
from backstay.ledger.writers import ThreadedWriter

T0 = 1_732_170_000_000_000_000
SCOPE = parse_scope("BTCUSDT")
PATH = "ledger/events.jsonl"


def order_report(number: int) -> OrderReport:
    return OrderReport(
        symbol="BTCUSDT",
        position_side=PositionSide.BOTH,
        order_id=8_886_774_000 + number,
        client_id=f"bst-{number:026d}",
        side=Side.SELL,
        kind=OrderType.LIMIT,
        status=OrderStatus.NEW,
        execution=ExecutionType.NEW,
        quantity=Decimal("0.010"),
        filled=Decimal(0),
        at=T0 + number,
        price=Decimal("64250.10"),
        reduce_only=True,
    )


def registered(number: int) -> RequestsRegistered:
    stop = Slot(
        key=SlotKey(Role.SL),
        side=Side.SELL,
        kind=OrderType.STOP_MARKET,
        trigger=Decimal("61000.1"),
        close_position=True,
    )
    context = OrderContext(
        ctx_id=f"bst-{number:026d}",
        scope=SCOPE,
        direction=Direction.LONG,
        slot=stop,
        epoch=1,
        generation=number,
        premise=Premise(1, Decimal("0.010")),
        created_at=T0 + number,
    )
    request = Request(ctx_id=context.ctx_id, action=Action.PLACE, scope=SCOPE, key=stop.key, context=context)
    return RequestsRegistered(requests=(request,))


def account_report(number: int) -> AccountReport:
    row = PositionRow(
        symbol="BTCUSDT",
        position_side=PositionSide.BOTH,
        quantity=Decimal("0.010"),
        entry_price=Decimal("64250.10"),
        unrealized=Decimal("-0.1234"),
    )
    return AccountReport(reason="ORDER", at=T0 + number, positions=(row,))


def body(number: int) -> Body:
    """A typical mixture: three reports, one request, one decision and one timer."""
    match number % 6:
        case 0 | 1:
            return order_report(number)
        case 2:
            return account_report(number)
        case 3:
            return registered(number)
        case 4:
            return Decided(SCOPE, Wait("protection is pending", T0 + number))
        case _:
            return TimePassed(scope=SCOPE)


def spread(name: str, seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    count = len(ordered)
    return {
        f"{name}_us_p50": round(ordered[count // 2] * 1e6, 1),
        f"{name}_us_p99": round(ordered[int(count * 0.99)] * 1e6, 1),
    }


def raw_syncs(folder: Path, *, preallocated: bool, count: int) -> list[float]:
    """One writer, one 400-byte line and one fdatasync at a time, without any code of ours."""
    path = folder / "raw.tmp"
    line = b"x" * 399 + b"\n"
    with path.open("wb", buffering=0) as file:
        if preallocated:
            file.write(bytes(count * len(line)))
        os.fsync(file.fileno())
        taken = []
        for number in range(count):
            started = perf_counter()
            os.pwrite(file.fileno(), line, number * len(line))
            os.fdatasync(file.fileno())
            taken.append(perf_counter() - started)
    path.unlink()
    return taken


def appends(folder: Path) -> dict[str, float]:
    journal = Journal(FileDisk(folder / "a"), PATH, start=GENESIS, writer=ThreadedWriter())
    some = [body(number) for number in range(1000)]
    best = 1e9
    for _ in range(20):
        started = perf_counter()
        for each in some:
            journal.append(each, at=T0, cause=0)
        best = min(best, perf_counter() - started)
        journal.durable_now()
    started = perf_counter()
    count = 50_000
    for number in range(count):
        journal.append(some[number % 1000], at=T0, cause=0)
        if not number % 100:
            journal.kick()
    journal.durable_now()
    through = count / (perf_counter() - started)
    journal.close()
    return {"append_us": round(best * 1000, 3), "through_to_disk_per_s": round(through)}


def durable_now(folder: Path, count: int) -> list[float]:
    journal = Journal(FileDisk(folder / "b"), PATH, start=GENESIS, writer=ThreadedWriter())
    taken = []
    context = registered(1)
    for number in range(count):
        started = perf_counter()
        journal.append(context, at=T0 + number, cause=number)
        journal.durable_now()
        taken.append(perf_counter() - started)
    journal.close()
    return taken


async def durable_by_thread(folder: Path, waiters: int, seconds: float) -> tuple[list[float], float]:
    journal = Journal(FileDisk(folder / f"c{waiters}"), PATH, start=GENESIS, writer=ThreadedWriter())
    taken: list[float] = []
    context = registered(1)
    end = perf_counter() + seconds

    async def produce() -> None:
        while perf_counter() < end:
            started = perf_counter()
            journal.append(context, at=T0, cause=0)
            await journal.durable()
            taken.append(perf_counter() - started)

    await asyncio.gather(*(produce() for _ in range(waiters)))
    journal.close()
    return taken, len(taken) / seconds


class Counts(msgspec.Struct):
    """The smallest state that a fold can have: replay's own cost shows."""

    events: int = 0
    at: int = 0


def build(folder: Path, records: int, snapshot_at: int) -> tuple[Head, Head]:
    """A ledger as the journal writes it, only faster; returns its end and the snapshot's place."""
    path = folder / "big" / PATH
    path.parent.mkdir(parents=True)
    prev, offset, out, at_snapshot = GENESIS_HASH, 0, [], GENESIS
    some = [body(number) for number in range(6000)]
    with path.open("wb") as file:
        for seq in range(1, records + 1):
            line = encode_line(seq, prev, T0 + seq, seq - 1, some[seq % 6000])
            prev = hash_line(line)
            offset += len(line) + 1
            out.append(line)
            if seq == snapshot_at:
                at_snapshot = Head(seq, prev, offset, len(line) + 1)
            if len(out) == 10_000:
                file.write(b"\n".join(out) + b"\n")
                out.clear()
        if out:
            file.write(b"\n".join(out) + b"\n")
    return Head(records, prev, offset, len(line) + 1), at_snapshot


def big(folder: Path, records: int, tail: int) -> dict[str, float]:
    end, place = build(folder, records, records - tail)
    disk = FileDisk(folder / "big")
    store: SnapshotStore[dict[str, Decimal]] = SnapshotStore(
        disk,
        PATH,
        pack=msgspec.msgpack.encode,
        unpack=msgspec.msgpack.Decoder(dict[str, Decimal]).decode,
    )
    store.save({f"order-{number}": Decimal(number) / 100 for number in range(5_000)}, place)
    Journal(disk, PATH, start=end, writer=ThreadedWriter()).close()  # makes the side journal, once
    restarts, empty = [], []
    for _ in range(5):
        gc.collect()
        started = perf_counter()
        opened = open_ledger(disk, PATH, store)
        examined = perf_counter()
        count = sum(len(chunk) for chunk in opened.tail())
        journal = Journal(disk, PATH, start=opened.head, writer=ThreadedWriter())
        restarts.append(perf_counter() - started)
        empty.append(examined - started)
        journal.close()
        assert (count, opened.head) == (tail, end)
    rate = {}
    for _ in range(2):
        started = perf_counter()
        found = verify(disk, PATH)
        rate["verify"] = max(rate.get("verify", 0), records / (perf_counter() - started))
        assert (found.ok, found.records) == (True, records)
        _, replayed = replay(
            entries(disk, PATH), initial=Counts(), fold=count_event, pack=msgspec.msgpack.encode
        )
        rate["replay"] = max(rate.get("replay", 0), replayed.records_per_s)
        assert replayed.records == records
    started = perf_counter()
    for number in range(200):
        assert find(disk, PATH, 1 + number * (records // 200)).record.seq == 1 + number * (records // 200)
    return {
        "records": records,
        "line_bytes": round(end.offset / records),
        "verify_records_per_s": round(rate["verify"]),
        "replay_own_records_per_s": round(rate["replay"]),
        "replay_own_us": round(1e6 / rate["replay"], 2),
        "restart_ms": round(min(restarts) * 1000, 1),
        "restart_examine_ms": round(min(empty) * 1000, 1),
        "restart_tail_records": tail,
        "find_us": round((perf_counter() - started) / 200 * 1e6, 1),
    }


def count_event(state: Counts, _event: object, at: int) -> Counts:
    state.events += 1
    state.at = at
    return state


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--dir", default=".", help="a folder on the disk to measure")
    options.add_argument("--records", type=int, default=1_000_000)
    options.add_argument("--tail", type=int, default=10_000)
    chosen = options.parse_args()
    folder = Path(tempfile.mkdtemp(prefix=".bench-ledger-", dir=chosen.dir))
    try:
        result: dict[str, float] = appends(folder)
        growing: list[float] = []
        fixed: list[float] = []
        now: list[float] = []
        for turn in range(4):  # interleaved, so that a noisy moment hits all alike
            growing += raw_syncs(folder, preallocated=False, count=1000)
            fixed += raw_syncs(folder, preallocated=True, count=1000)
            now += durable_now(folder / str(turn), 1000)
        result |= spread("raw_growing_file", growing) | spread("raw_preallocated", fixed)
        result |= spread("durable_now", now)
        for waiters in (1, 8, 64):
            taken, per_s = asyncio.run(durable_by_thread(folder, waiters, 1.0))
            result |= spread(f"durable_{waiters}_waiting", taken)
            result[f"durable_{waiters}_waiting_per_s"] = round(per_s)
        result["preallocated_vs_growing"] = round(
            result["raw_preallocated_us_p50"] / result["raw_growing_file_us_p50"], 2
        )
        result["durable_now_vs_raw_growing"] = round(
            result["durable_now_us_p50"] / result["raw_growing_file_us_p50"], 2
        )
        result |= big(folder, chosen.records, chosen.tail)
    finally:
        shutil.rmtree(folder)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
