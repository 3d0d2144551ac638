"""Replay in parts: the same as in one go, in one process or in several, whatever the snapshots claim."""

import os
import signal

import msgspec
import pytest

from backstay.app.ledger_paths import LEDGER
from backstay.app.replaying import replay
from backstay.core.account import fold
from backstay.core.decisions import Converged
from backstay.core.records import Decided
from backstay.core.state import AccountState, pack, unpack
from backstay.ledger import snapshots
from backstay.ledger.codec import Head, decode_line, hash_line
from backstay.ledger.disk import FileDisk
from backstay.ledger.errors import DamagedLedgerError
from backstay.ledger.memory_disk import MemoryDisk
from backstay.ledger.parts import ProcessLostError, replay_in_parts
from backstay.ledger.snapshots import SnapshotStore

from tests.ledger.projections.lives import troubled

EVERY = 60
KIND = {"pack": pack, "unpack": unpack}


@pytest.fixture
def disk(tmp_path, monkeypatch):
    """A ledger with a life, a restart and an outage in it, and a snapshot of every `EVERY` records."""
    monkeypatch.setattr(snapshots, "MILE", EVERY)
    disk = FileDisk(tmp_path)
    disk.replace(LEDGER, troubled().read(LEDGER))
    store = SnapshotStore(disk, LEDGER, **KIND)
    state, offset = AccountState(), 0
    for line in disk.read(LEDGER).splitlines():
        offset += len(line) + 1
        record = decode_line(line)
        if record.body.__struct_config__.tag not in ("Decided", "Noted"):
            state = fold(state, record.body, record.at)
        if record.seq % EVERY == 0:
            store.save(state, Head(record.seq, hash_line(line), offset, len(line) + 1))
    return disk


def names(disk):
    return [f"ledger/snapshots/{name}" for name in disk.list("ledger/snapshots")]


def claiming(disk, path, data):
    """Puts another state into the snapshot at `path`, sealed as the program would."""
    stored = msgspec.msgpack.decode(disk.read(path), type=snapshots._Stored)
    digest = snapshots.sha256(data).hexdigest()
    changed = msgspec.structs.replace(stored, state=data, seal=snapshots._seal(stored.head, digest))
    disk.replace(path, msgspec.msgpack.encode(changed))


def same(whole):
    return msgspec.structs.replace(whole.replayed, records_per_s=0), pack(whole.state)


def test_i38_parts_side_by_side_say_what_one_replay_of_all_says(disk):
    assert len(names(disk)) > 3, "there is something to share"
    shared, alone = replay(disk, LEDGER, 2), replay(disk, LEDGER, 1)
    for name in names(disk):
        disk.delete(name)
    whole = replay(disk, LEDGER, 2)
    assert [each.processes for each in (shared, alone, whole)] == [2, 1, 1]
    assert same(shared) == same(alone) == same(whole)
    assert (whole.replayed.mismatch, shared.bad_snapshot, alone.bad_snapshot) == (None, "", "")
    assert whole.replayed.records == len(disk.read(LEDGER).splitlines())


@pytest.mark.parametrize("jobs", [1, 2])
def test_i38_a_snapshot_that_is_not_what_its_records_fold_to_is_named_and_leads_nowhere(disk, jobs):
    before = replay(disk, LEDGER, 1)
    bad = names(disk)[1]
    claiming(disk, bad, pack(msgspec.structs.replace(before.state, deaf_strikes=1)))
    found = replay(disk, LEDGER, jobs)
    assert found.bad_snapshot == bad
    assert same(found) == same(before)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_snapshot_of_another_version_is_no_contradiction(disk, jobs):
    before = replay(disk, LEDGER, 1)
    claiming(disk, names(disk)[1], msgspec.msgpack.encode([1, 2, 3]))
    found = replay(disk, LEDGER, jobs)
    assert (found.bad_snapshot, same(found)) == ("", same(before))


def test_a_damaged_snapshot_is_no_seam(disk):
    before = replay(disk, LEDGER, 1)
    disk.replace(names(disk)[0], b"what?")
    found = replay(disk, LEDGER, 2)
    assert (found.processes, found.bad_snapshot, same(found)) == (2, "", same(before))


def converged(state, scope, now):
    return Decided(scope, Converged())


def test_i38_the_first_decision_that_differs_is_the_same_one_in_parts(disk):
    found = [replay_in_parts(disk, LEDGER, decide=converged, jobs=jobs) for jobs in (1, 2)]
    assert found[0].replayed.mismatch == found[1].replayed.mismatch is not None
    assert same(found[0]) == same(found[1])


def test_a_damaged_line_is_named_as_in_one_process(disk):
    lines = disk.read(LEDGER).splitlines(keepends=True)
    lines[EVERY + 7] = lines[EVERY + 7].replace(b'"body":{', b'"body":<', 1)
    disk.replace(LEDGER, b"".join(lines))
    said = []
    for jobs in (1, 2):
        with pytest.raises(DamagedLedgerError) as error:
            replay_in_parts(disk, LEDGER, jobs=jobs)
        said.append((str(error.value), error.value.seq, error.value.offset))
    assert said[0] == said[1]
    assert said[0][1] == EVERY + 8


def dies(state, scope, now):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_that_is_ended_from_outside_is_told_of(disk):
    with pytest.raises(ProcessLostError, match="--jobs 1"):
        replay_in_parts(disk, LEDGER, decide=dies, jobs=2)


def test_one_snapshot_of_each_mile_stays_and_the_newest(monkeypatch):
    monkeypatch.setattr(snapshots, "MILE", 10)
    disk = MemoryDisk()
    store = SnapshotStore(disk, LEDGER, pack=msgspec.msgpack.encode, unpack=msgspec.msgpack.decode)
    disk.replace("ledger/snapshots/mine.snap", b"of somebody else")
    for seq in range(3, 50, 3):
        store.save(seq, Head(seq, b"", seq, 1))
    *kept, other = disk.list("ledger/snapshots")
    assert [int(name.removesuffix(".snap")) for name in kept] == [12, 24, 36, 42, 45, 48]
    assert other == "mine.snap"
