import asyncio

import pytest

from backstay.core.events import TimePassed, Unidentified
from backstay.core.records import Decided, Noted
from backstay.ledger.codec import encode_body
from backstay.ledger.errors import DamagedLedgerError, RecordNotFoundError
from backstay.ledger.memory_disk import MemoryDisk
from backstay.ledger.reader import causes, chunks, consequences, entries, find, follow, last, records

from tests.ledger.bodies import SCOPE, T0, body
from tests.ledger.ledgers import PATH, fill, joined, lines_of, only_ledger, seqs, start, written


def test_every_record_is_found_by_its_number():
    lines = lines_of([body(number) for number in range(300)])
    disk = only_ledger(joined(lines) + b'{"seq":301,"prev')
    for seq in range(1, 301):
        located = find(disk, PATH, seq)
        assert (located.record.seq, located.line) == (seq, lines[seq - 1])
        assert located.offset == len(joined(lines[: seq - 1]))
    for seq in (0, -1, 301, 10**9):
        with pytest.raises(RecordNotFoundError, match=str(seq)):
            find(disk, PATH, seq)


def test_entries_are_the_records_with_decisions_and_notes_as_they_were_written():
    disk = only_ledger(joined(lines_of([body(number) for number in range(60)] + [Noted("x", {})])))
    whole = [record for chunk in chunks(disk, PATH) for record in chunk]
    found = [entry for chunk in entries(disk, PATH) for entry in chunk]
    assert [(e.seq, e.at) for e in found] == [(r.seq, r.at) for r in whole]
    for entry, record in zip(found, whole, strict=True):
        if isinstance(record.body, (Decided, Noted)):
            assert bytes(entry.body) == encode_body(record.body)
        else:
            assert entry.body == record.body


def test_a_damaged_line_is_named_to_a_fold_as_to_any_reader():
    lines = lines_of([body(number) for number in range(9)])
    lines[4] = lines[4].replace(b'"body":{', b'"body":[')
    for read in (chunks, entries):
        with pytest.raises(DamagedLedgerError) as error:
            list(read(only_ledger(joined(lines)), PATH))
        assert (error.value.seq, error.value.offset) == (5, len(joined(lines[:4])))


def test_lines_longer_than_any_buffer_are_read_and_found():
    long = Noted("x" * 300_000, {})
    disk = only_ledger(joined(lines_of([body(0), long, body(1), long, body(2)])))
    assert seqs(disk) == [1, 2, 3, 4, 5]
    assert [find(disk, PATH, seq).record.seq for seq in range(1, 6)] == [1, 2, 3, 4, 5]
    assert [record.seq for record in last(disk, PATH, 2)] == [4, 5]


def test_reading_begins_where_it_is_told():
    disk = written(100)
    assert [record.seq for record in records(disk, PATH, find(disk, PATH, 98).offset)] == [98, 99, 100]


def test_tail_gives_the_newest_records_oldest_first():
    disk = written(50)
    for count in (0, 1, 7, 50, 500):
        wanted = list(range(51 - min(count, 50), 51)) if count else []
        assert [record.seq for record in last(disk, PATH, count)] == wanted


def test_follow_sees_what_comes_and_never_half_a_line():
    async def story():
        disk = MemoryDisk()
        journal = start(disk)
        fill(journal, 3)
        journal.kick()
        seen = []
        reader = follow(disk, PATH, poll_s=0)
        async for record in reader:
            seen.append(record.seq)
            if record.seq in {3, 6, 9}:
                fill(journal, 3)
                journal.kick()
            if record.seq == 12:
                break
        await reader.aclose()
        return seen

    assert asyncio.run(story()) == list(range(1, 13))


def test_follow_passes_a_line_longer_than_its_buffer():
    async def story():
        lines = lines_of([Noted("x" * 300_000, {}), body(1)])
        reader = follow(only_ledger(joined(lines)), PATH, poll_s=0)
        found = [(await anext(reader)).seq for _ in range(2)]
        await reader.aclose()
        return found

    assert asyncio.run(story()) == [1, 2]


def test_why_a_chain_of_causes_ends_at_the_outside_world():
    disk = MemoryDisk()
    journal = start(disk)
    for cause in (0, 0, 1, 2, 3, 5, 0):
        journal.append(TimePassed(scope=SCOPE), at=T0, cause=cause)
    journal.close()
    assert [record.seq for record in causes(disk, PATH, 6)] == [6, 5, 3, 1]
    assert [record.seq for record in consequences(disk, PATH, 1)] == [3, 5, 6]
    assert [record.seq for record in consequences(disk, PATH, 7)] == []


def test_a_line_that_cannot_be_read_is_named():
    lines = lines_of([Unidentified(kind="a", detail="b"), body(1), body(2)])
    broken = lines[1].replace(b'"type":"OrderReport","symbol"', b'"type":"OrderReport","symbal"')
    with pytest.raises(DamagedLedgerError) as raised:
        seqs(only_ledger(joined([lines[0], broken, lines[2]])))
    assert (raised.value.seq, raised.value.offset) == (2, len(lines[0]) + 1)
