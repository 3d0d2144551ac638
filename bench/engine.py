"""What thinking costs: fold and decide per event, its growth with the account, replay, restart, memory.

Run:  .venv/bin/python bench/engine.py [--quick] [--dir FOLDER] [--records 1000000]
Prints one JSON document, last on stdout. Times are in us or ms as named. What is measured, and what it has to
be, stands in docs/benchmarks.md. The evidence comes from story.py.
"""

import argparse
import gc
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from time import perf_counter, perf_counter_ns, process_time

from backstay.app.guard import SNAPSHOT_EVERY
from backstay.app.strategies import BUILT_IN
from backstay.core.account import fold, fold_in_place
from backstay.core.engine import Engine, decide
from backstay.core.events import AnyEvent
from backstay.core.records import Body, Decided, Noted
from backstay.core.state import AccountState, pack, unpack
from backstay.core.types import MS, OrderStatus, Product, Scope
from backstay.ledger.codec import GENESIS_HASH, Head, encode_line, hash_line
from backstay.ledger.disk import FileDisk
from backstay.ledger.journal import Journal
from backstay.ledger.opening import open_ledger
from backstay.ledger.parts import replay_in_parts
from backstay.ledger.reader import entries
from backstay.ledger.replay import fold_entries, replay_account
from backstay.ledger.snapshots import MILE, SnapshotStore
from backstay.ledger.verify import verify
from backstay.ledger.writers import ThreadedWriter
from backstay.strategies.position_manager.policy import PositionPolicy
from story import T0, Life, beginning, foreign, history, scope

HERE = Path(__file__).resolve().parent
ENGINE = Engine(managers=(BUILT_IN["position_manager"].manager(PositionPolicy(), Product.USDM),))
PATH = "ledger/events.jsonl"


# --- fold and decide ----------------------------------------------------------------------------------


def populated(scopes: int, foreign_each: int) -> tuple[AccountState, int]:
    """An account with a protected position in every scope, and orders of somebody else besides."""
    account = AccountState()
    for body in beginning(scopes):
        account = fold(account, body, T0)
    number = 0
    for i in range(scopes):
        life = Life(scope(i), i + 1, 1, T0)
        for body in (*life.enter(), *life.fill()):
            if not isinstance(body, Decided):
                account = fold(account, body, life.at)
        for _ in range(foreign_each):
            number += 1
            account = fold(account, foreign(scope(i), number, OrderStatus.NEW, T0), T0)
    return account, number


def evidence(scopes: int, rounds: int, number: int) -> list[tuple[int, Scope, AnyEvent]]:
    """Events for a populated account: lives end and begin, other orders come and go, symbol by symbol."""
    out: list[tuple[int, Scope, AnyEvent]] = []
    for turn in range(rounds):
        at = T0 + (turn + 1) * 60_000 * MS
        for i in range(scopes):
            key = scope(i)
            old = Life(key, turn * scopes + i + 1, 1 + turn, at)
            new = Life(key, (turn + 1) * scopes + i + 1, 2 + turn, at + 10_000 * MS)
            steps: list[tuple[int, Body]] = [(old.at, body) for body in old.end()]
            for part in (new.enter, new.fill):
                steps.extend((new.at, body) for body in part())
            for _ in range(4):
                number += 1
                steps.extend((at + 30_000 * MS, foreign(key, number, s, at + 1)) for s in (OrderStatus.NEW,))
                steps.append((at + 31_000 * MS, foreign(key, number, OrderStatus.CANCELED, at + 2)))
            out.extend((when, key, body) for when, body in steps if not isinstance(body, (Decided, Noted)))
    return out


def per_event(scopes: int, foreign_each: int, events: int) -> list[int]:
    """ns of fold and decide, event by event."""
    account, number = populated(scopes, foreign_each)
    rounds = max(1, -(-events // (scopes * 30)))
    todo = evidence(scopes, rounds, number)
    gc.collect()
    gc.freeze()
    gc.disable()
    taken = []
    clock = perf_counter_ns
    for at, key, event in todo:
        started = clock()
        account = fold(account, event, at)
        decide(account, key, ENGINE, at)
        taken.append(clock() - started)
    gc.enable()
    gc.unfreeze()
    return taken


def thinking(quick: bool) -> dict[str, float]:
    events = 6_000 if quick else 30_000
    medians: dict[int, list[float]] = {1: [], 50: [], 400: []}
    for _ in range(2 if quick else 5):  # in turns: what disturbs one disturbs all
        for scopes, found in medians.items():
            found.append(statistics.median(per_event(scopes, 8, max(events // 3, scopes * 30))))
    p50 = {scopes: min(found) / 1000 for scopes, found in medians.items()}
    sample = sorted(per_event(50, 8, events))
    return {
        "decide_us_p50": round(p50[50], 2),
        "decide_us_p99": round(sample[int(len(sample) * 0.99)] / 1000, 2),
        "decide_us_1_scope": round(p50[1], 2),
        "decide_us_400_scopes": round(p50[400], 2),
        "growth_1_to_400": round(p50[400] / p50[1], 3),
        "events_per_s": round(1e9 / statistics.mean(sample)),
    }


# --- replay and restart -------------------------------------------------------------------------------


def build(folder: Path, records: int, tail: int) -> Head:
    """A ledger as the journal writes it, only faster, with the snapshots that a run would have kept: its
    milestones, and one `tail` records before the end.
    """
    path = folder / PATH
    path.parent.mkdir(parents=True)
    store = SnapshotStore(FileDisk(folder), PATH, pack=pack, unpack=unpack)
    account, prev, offset, seq, out = AccountState(), GENESIS_HASH, 0, 0, []
    with path.open("wb") as file:
        for at, body in history(50, records // 20):
            seq += 1
            line = encode_line(seq, prev, at, seq - 1, body)
            prev = hash_line(line)
            offset += len(line) + 1
            out.append(line)
            if not isinstance(body, (Decided, Noted)):
                account = fold(account, body, at)
            due = seq == records - tail or (seq < records - tail and not seq % MILE)
            if len(out) == 10_000 or due or seq == records:
                file.write(b"\n".join(out) + b"\n")
                out.clear()
            if due:
                file.flush()
                store.save(account, Head(seq, prev, offset, len(line) + 1))
            if seq == records:
                break
    end = Head(seq, prev, offset, len(line) + 1)
    Journal(
        FileDisk(folder), PATH, start=end, writer=ThreadedWriter()
    ).close()  # makes the side journal, once
    return end


def restart(folder: Path) -> float:
    """Seconds from an empty process' first look at the ledger to the state at its end."""
    disk = FileDisk(folder)
    store = SnapshotStore(disk, PATH, pack=pack, unpack=unpack)
    gc.collect()
    started = perf_counter()
    opened = open_ledger(disk, PATH, store)
    account = opened.snapshot.state if opened.snapshot is not None else AccountState()
    account = fold_entries(opened.tail(), account, fold_in_place)
    taken = perf_counter() - started
    if opened.snapshot is None or not account.scopes:
        raise RuntimeError("the snapshot was not used")
    return taken


def ledgers(folder: Path, records: int, tail: int) -> dict[str, float]:
    end = build(folder, records, tail)
    restarts = [restart(folder) for _ in range(7)]
    disk = FileDisk(folder)
    best_verify = best_replay = best_alone = 0.0
    processor = []
    for _ in range(2):
        started = perf_counter()
        found = verify(disk, PATH)
        best_verify = max(best_verify, records / (perf_counter() - started))
        if not found.ok or found.records != end.seq:
            raise RuntimeError(f"the ledger does not verify: {found}")
        gc.collect()
        gc.freeze()
        used = process_time()
        _, alone = replay_account(entries(disk, PATH))
        processor.append(process_time() - used)
        best_alone = max(best_alone, alone.records_per_s)
        whole = replay_in_parts(disk, PATH)
        gc.unfreeze()
        best_replay = max(best_replay, whole.replayed.records_per_s)
        if whole.bad_snapshot or whole.replayed.state_digest != alone.state_digest:
            raise RuntimeError("the parts say something else than the whole")
    return {
        "replay_records_per_s": round(best_replay),
        "replay_processes": whole.processes,
        "replay_alone_records_per_s": round(best_alone),
        "replay_processor_us": round(min(processor) / records * 1e6, 2),
        "verify_records_per_s": round(best_verify),
        "restart_ms": round(min(restarts) * 1000, 1),
        "restart_ms_median": round(statistics.median(restarts) * 1000, 1),
        "restart_tail_records": tail,
        "records": end.seq,
        "line_bytes": round(end.offset / end.seq),
    }


# --- memory -------------------------------------------------------------------------------------------


def rss_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("the process tells no VmRSS")


def idle_run(folder: Path) -> dict[str, float]:
    """Resident memory of `backstay run` with 50 symbols, connected to the bench's venue and left alone."""
    python = sys.executable
    venue = subprocess.Popen(
        [python, str(HERE / "venue.py"), "--mode", "hand", "--start-delay", "600", "--timeout", "60"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        base = f"127.0.0.1:{json.loads(venue.stdout.readline())['port']}"
        symbols = ", ".join(f"B{i:02d}USDT" for i in range(50))
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text(
            f"run: {{mode: TESTNET, enable_trading: true, data_dir: {folder}/data}}\n"
            f"endpoints:\n  usdm: {{rest: 'http://{base}', public_stream: 'ws://{base}/public', "
            f"market_stream: 'ws://{base}/market', private_stream: 'ws://{base}/private', "
            f"ws_api: 'ws://{base}/ws-fapi/v1'}}\n"
            f"managers:\n  - strategy: position_manager\n    product: usdm\n    symbols: [{symbols}]\n"
            "dashboard: {port: 0}\n"
        )
        keys = {"BINANCE_TESTNET_API_KEY": "k" * 64, "BINANCE_TESTNET_API_SECRET": "s" * 64}
        run = subprocess.Popen(
            [str(Path(python).parent / "backstay"), "run", "-c", str(folder / "config.yaml")],
            env={**os.environ, **keys},
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        time.sleep(6.0)
        if run.poll() is not None:
            raise RuntimeError(f"backstay run ended by itself: {run.stdout.read()[-2000:]}")
        used = rss_mb(run.pid)
        run.send_signal(signal.SIGTERM)
        run.communicate(timeout=20)
    finally:
        venue.kill()
    return {"idle_rss_mb": round(used, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of everything: to see that it works")
    parser.add_argument(
        "--dir", default=tempfile.gettempdir(), help="a folder on the disk that is to be judged"
    )
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--tail", type=int, default=SNAPSHOT_EVERY, help="records after the snapshot")
    options = parser.parse_args()
    if options.quick:
        options.records = min(options.records, 100_000)
    folder = Path(tempfile.mkdtemp(prefix="bench-engine-", dir=options.dir))
    try:
        result = thinking(options.quick)
        print(json.dumps(result), file=sys.stderr, flush=True)
        result |= ledgers(folder / "big", options.records, options.tail)
        print(json.dumps(result), file=sys.stderr, flush=True)
        result |= idle_run(folder / "run")
    finally:
        shutil.rmtree(folder)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
