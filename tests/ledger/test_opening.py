import errno

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.ledger.codec import GENESIS
from backstay.ledger.errors import DamagedLedgerError, JournalError
from backstay.ledger.journal import Journal
from backstay.ledger.memory_disk import MemoryDisk
from backstay.ledger.opening import open_ledger
from backstay.ledger.snapshots import SnapshotStore
from backstay.ledger.writers import InlineWriter

from tests.ledger.bodies import body
from tests.ledger.ledgers import (
    PATH,
    SIDE,
    fill,
    head_after,
    is_sound,
    joined,
    lines_of,
    only_ledger,
    seqs,
    start,
    written,
)

LINES = lines_of([body(number) for number in range(6)])


def everything(disk: MemoryDisk) -> dict[str, bytes]:
    return {name: disk.read(f"ledger/{name}") for name in disk.list("ledger")}


def store(disk) -> SnapshotStore[dict[str, int]]:
    return SnapshotStore(
        disk, PATH, pack=msgspec.msgpack.encode, unpack=msgspec.msgpack.Decoder(dict[str, int]).decode
    )


def test_a_new_ledger_begins_at_record_1():
    disk = MemoryDisk()
    opened = open_ledger(disk, PATH)
    assert (opened.head, opened.snapshot, opened.reports) == (GENESIS, None, ())
    journal = start(disk)
    assert journal.append(body(0), at=1, cause=0) == 1
    journal.close()
    assert open_ledger(disk, PATH).head.seq == 1


def test_every_torn_tail_is_moved_aside_and_cut():
    whole, torn = joined(LINES[:-1]), LINES[-1] + b"\n"
    for length in range(1, len(torn)):
        disk = only_ledger(whole + torn[:length])
        opened = open_ledger(disk, PATH)
        assert opened.head == head_after(LINES[:-1])
        assert disk.read(PATH) == whole
        assert disk.read(f"{PATH}.torn-6") == torn[:length]
        assert len(opened.reports) == 1
        assert open_ledger(disk, PATH).reports == ()


def test_a_last_line_of_broken_json_is_torn_too():
    for broken in (LINES[-1][:-40] + b"\n", b"\0" * 300 + b"\n", LINES[-1][:90] + b"\xff\n"):
        disk = only_ledger(joined(LINES[:-1]) + broken)
        assert open_ledger(disk, PATH).head == head_after(LINES[:-1])
        assert disk.read(f"{PATH}.torn-6") == broken


def test_two_torn_tails_at_one_record_are_both_kept():
    disk = only_ledger(joined(LINES[:2]) + b"one")
    open_ledger(disk, PATH)
    disk.replace(PATH, joined(LINES[:2]) + b"two")
    open_ledger(disk, PATH)
    assert (disk.read(f"{PATH}.torn-3"), disk.read(f"{PATH}.torn-3-2")) == (b"one", b"two")


def test_the_first_line_of_all_may_be_torn():
    disk = only_ledger(LINES[0][:50])
    assert open_ledger(disk, PATH).head == GENESIS
    assert disk.read(PATH) == b""


@given(st.integers(1, 5), st.sampled_from(["cut", "flip", "remove", "junk"]))
def test_damage_before_the_end_is_an_error_that_names_the_place_and_changes_nothing(seq, how):
    lines = list(LINES)
    line = lines[seq - 1]
    changed = {
        "cut": [line[:-30]],
        "flip": [line.replace(b'"cause":', b'"cause":1')],
        "remove": [],
        "junk": [b"#"],
    }
    lines[seq - 1 : seq] = changed[how]
    disk = only_ledger(joined(lines))
    before = everything(disk)
    with pytest.raises(DamagedLedgerError) as raised:
        open_ledger(disk, PATH)
    assert raised.value.exit_code == 6
    assert (raised.value.seq, raised.value.line) == (seq, seq)
    assert raised.value.offset == len(joined(LINES[: seq - 1]))
    assert f"record {seq}" in str(raised.value)
    assert everything(disk) == before


def test_a_closed_ledger_that_was_damaged_inside_is_not_repaired_from_the_side_journal():
    disk = written(6)
    disk.replace(PATH, disk.read(PATH).replace(b"64250.10", b"64250.11", 1))
    with pytest.raises(DamagedLedgerError):
        open_ledger(disk, PATH)


def test_a_last_line_that_was_changed_is_noticed_by_the_side_journal():
    disk = written(7)
    data = disk.read(PATH)
    at = data.rfind(b"64250.10")
    disk.replace(PATH, data[:at] + b"64250.11" + data[at + 8 :])
    with pytest.raises(DamagedLedgerError, match="another line"):
        open_ledger(disk, PATH)


def test_records_that_only_the_side_journal_has_are_brought_in():
    disk = written(20)
    data = disk.read(PATH)
    for cut in (len(data) - 1, len(data) - 700, 0):
        lost = disk.copy()
        lost.replace(PATH, data[:cut])
        opened = open_ledger(lost, PATH)
        assert lost.read(PATH) == data
        assert opened.head.seq == 20
        assert opened.recovered == 20 - data[:cut].count(b"\n")
        assert any("brought into" in report for report in opened.reports)


def test_blocks_that_a_power_cut_left_unwritten_are_filled_from_the_side_journal():
    disk = written(20)
    data = disk.read(PATH)
    hole = data[:3000] + bytes(512) + data[3512:]
    disk.replace(PATH, hole)
    assert open_ledger(disk, PATH).head.seq == 20
    assert disk.read(PATH) == data


def test_a_side_journal_of_another_ledger_is_an_error():
    disk = written(20)
    other = only_ledger(joined(LINES))
    other.replace(SIDE, disk.read(SIDE))
    with pytest.raises(DamagedLedgerError, match=r"without joining|another line"):
        open_ledger(other, PATH)


def test_a_snapshot_leaves_only_the_tail_to_read():
    disk = written(10)
    journal = start(disk)
    store(disk).save({"a": 1}, journal.durable_now())
    fill(journal, 5)
    journal.close()
    opened = open_ledger(disk, PATH, store(disk))
    assert opened.snapshot.state == {"a": 1}
    assert [record.seq for chunk in opened.tail() for record in chunk] == [11, 12, 13, 14, 15]
    assert opened.head.seq == 15


def test_a_damaged_snapshot_is_passed_over_with_a_report_and_three_are_kept():
    disk = MemoryDisk()
    journal = start(disk)
    for number in range(5):
        fill(journal, 2)
        store(disk).save({"n": number}, journal.durable_now())
    journal.close()
    names = disk.list("ledger/snapshots")
    assert names == ["000000000006.snap", "000000000008.snap", "000000000010.snap"]
    path = f"ledger/snapshots/{names[-1]}"
    whole = disk.read(path)
    for at in range(0, len(whole), 7):
        changed = bytearray(whole)
        changed[at] ^= 1
        disk.replace(path, bytes(changed))
        opened = open_ledger(disk, PATH, store(disk))
        assert opened.snapshot.state == {"n": 3}
        assert "passed over" in opened.reports[0]
    for name in names:
        disk.replace(f"ledger/snapshots/{name}", b"")
    opened = open_ledger(disk, PATH, store(disk))
    assert opened.snapshot is None
    assert sum(len(chunk) for chunk in opened.tail()) == 10


def test_a_ledger_shorter_than_its_snapshot_is_an_error():
    disk = written(10)
    journal = start(disk)
    store(disk).save({}, journal.durable_now())
    journal.close()
    disk.delete(SIDE)
    disk.replace(PATH, joined(disk.read(PATH).split(b"\n")[:8]))
    with pytest.raises(DamagedLedgerError, match="records are missing"):
        open_ledger(disk, PATH, store(disk))


def test_an_unwritable_folder_is_one_clear_error():
    disk = MemoryDisk()
    disk.fail_write = PermissionError(errno.EACCES, "Permission denied")
    head = open_ledger(disk, PATH).head
    with pytest.raises(JournalError, match="Permission denied"):
        Journal(disk, PATH, start=head, writer=InlineWriter())


def test_a_ledger_that_grew_since_it_was_opened_is_refused():
    disk = written(3)
    opened = open_ledger(disk, PATH)
    journal = start(disk)
    fill(journal, 1)
    journal.close()
    with pytest.raises(JournalError, match="something else writes"):
        Journal(disk, PATH, start=opened.head, writer=InlineWriter())
    assert is_sound(disk)
    assert seqs(disk) == [1, 2, 3, 4]
