"""Readers follow the ledger on a thread of their own: nothing waits for them, their failures are told."""

import threading

import pytest

from backstay.app.ledger_paths import LEDGER
from backstay.app.readers import PORTION, Readers, Tail
from backstay.app.store import StoreReader
from backstay.ledger.projections.errors import StoreError
from backstay.ledger.reader import records

from tests.ledger.projections.lives import dumped, keeper, store_at, troubled

QUICK = {"every_s": 0.001, "retry_s": 0.001}


class Flaky:
    def __init__(self, failures, name="flaky"):
        self.name = name
        self.left = failures
        self.steps = 0
        self.done = threading.Event()
        self.closed = False

    def step(self, most, pause):
        self.steps += 1
        if self.left:
            self.left -= 1
            raise StoreError("the disk is full")
        self.done.set()
        return 0

    def close(self):
        self.closed = True


def make(readers, *, calm=lambda: True, told=None):
    return Readers(readers, calm=calm, told=told or (lambda name, error: None), **QUICK)


def test_a_reader_that_fails_is_told_once_tried_again_and_stops_nobody_else():
    flaky, steady, told = Flaky(3), Flaky(0, "steady"), []
    both = make([flaky, steady], told=lambda name, error: told.append((name, str(error))))
    both.start()
    assert steady.done.wait(5)
    assert flaky.done.wait(5)
    assert both.stop()
    assert told == [("flaky", "the disk is full")]
    assert both.failures() == {}
    assert flaky.closed and steady.closed


def test_while_a_position_waits_for_its_stop_nothing_is_read_but_not_for_ever():
    rounds = []

    def calm():
        rounds.append(1)
        return False

    patient = Flaky(0)
    one = make([patient], calm=calm)
    one.start()
    assert patient.done.wait(5)
    assert len(rounds) >= 20
    assert one.stop()


def test_the_end_takes_in_what_is_left():
    disk = troubled()
    seen = []
    one = make([Tail(disk, LEDGER, 0, [lambda record: seen.append(record.seq)])])
    one.start()
    assert one.stop()
    assert seen == [r.seq for r in records(disk, LEDGER)]


def test_readers_that_are_behind_take_turns():
    disk, seen = troubled(), []

    def heard(name):
        return lambda record: seen.append((name, record.seq))

    tails = [Tail(disk, LEDGER, 0, [heard(name)], name=name) for name in ("one", "other")]
    both = make(tails)
    both.start()
    assert both.stop()
    last = [r.seq for r in records(disk, LEDGER)][-1]
    assert last > 2 * PORTION
    assert seen.index(("other", 1)) == PORTION
    assert seen.index(("one", PORTION + 1)) == 2 * PORTION
    assert {seen[-1], seen[-1 - last % PORTION]} == {("one", last), ("other", last)}


def test_a_record_that_a_listener_breaks_at_is_not_offered_for_ever():
    disk = troubled()
    seen = []

    def picky(record):
        if record.seq == 3:
            raise ValueError("not this one")
        seen.append(record.seq)

    tail = Tail(disk, LEDGER, 0, [picky])
    with pytest.raises(ValueError, match="not this one"):
        tail.step(1000, lambda: None)
    tail.step(1000, lambda: None)
    assert seen == [r.seq for r in records(disk, LEDGER) if r.seq != 3]


def test_the_store_of_a_running_process_is_what_a_rebuild_would_make(tmp_path):
    disk = troubled()
    other = store_at(tmp_path, "other.db")
    keeper(other, disk).catch_up()
    store_at(tmp_path).close()
    told = []
    reader = StoreReader(f"sqlite:///{tmp_path / 'backstay.db'}", disk, told=told.append, now=lambda: 1)
    while reader.step(50, lambda: None):
        pass
    assert "up to date" in reader.describe()
    reader.close()
    assert dumped(store_at(tmp_path)) == dumped(other)
    assert told == []


def test_a_store_that_is_damaged_while_it_is_used_is_replaced_and_filled_again(tmp_path):
    disk = troubled()
    other = store_at(tmp_path, "other.db")
    keeper(other, disk).catch_up()
    path = tmp_path / "backstay.db"
    store_at(tmp_path).close()
    told = []
    reader = StoreReader(f"sqlite:///{path}", disk, told=told.append, now=lambda: 1)
    reader.step(50, lambda: None)
    reader.close()
    path.write_bytes(b"\0" * 50_000 + b"rubbish")
    while reader.step(50, lambda: None):
        pass
    assert "moved to" in told[0]
    reader.close()
    assert dumped(store_at(tmp_path)) == dumped(other)
