import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.ledger.chain import ChainWalker
from backstay.ledger.errors import JournalError
from backstay.ledger.memory_disk import MemoryDisk
from backstay.ledger.verify import verify

from tests.ledger.bodies import bodies, body
from tests.ledger.ledgers import PATH, joined, lines_of, only_ledger, written

LINES = lines_of([body(number) for number in range(12)])


def bad(lines: list[bytes]) -> int | None:
    found = verify(only_ledger(joined(lines)), PATH)
    assert found.ok == (found.first_bad is None)
    return found.first_bad


@given(st.lists(bodies, max_size=12), st.integers(1, 700))
def test_a_chain_of_any_records_holds_in_chunks_of_any_size(many, size):
    data = joined(lines_of(many))
    walker = ChainWalker()
    for at in range(0, len(data), size):
        assert walker.feed(data[at : at + size])
    assert (walker.head.seq, walker.head.offset, walker.rest) == (len(many), len(data), b"")


def test_a_sound_ledger_verifies():
    found = verify(written(50), PATH)
    assert (found.records, found.ok, found.first_bad, found.detail) == (50, True, None, "")


def test_an_empty_ledger_verifies_and_a_missing_one_is_an_error():
    assert verify(only_ledger(b""), PATH).records == 0
    with pytest.raises(JournalError, match="no ledger"):
        verify(MemoryDisk(), PATH)


@given(st.integers(1, 11), st.data())
def test_a_flipped_byte_is_found_and_blamed_on_its_record(seq, data):
    lines = list(LINES)
    line = bytearray(lines[seq - 1])
    at = data.draw(st.integers(0, len(line) - 1))
    line[at] ^= data.draw(st.integers(1, 255))
    lines[seq - 1] = bytes(line)
    assert bad(lines) == seq


@given(st.integers(0, 11), st.integers(1, 255), st.data())
def test_a_flipped_byte_in_the_last_line_is_found_by_the_side_journal(_, flip, data):
    disk = written(12)
    content = bytearray(disk.read(PATH))
    start = content.rstrip(b"\n").rfind(b"\n") + 1
    content[data.draw(st.integers(start, len(content) - 2))] ^= flip
    disk.replace(PATH, bytes(content))
    assert not verify(disk, PATH).ok


@given(st.integers(1, 11))
def test_a_removed_line_is_found(seq):
    assert bad(LINES[: seq - 1] + LINES[seq:]) == seq


@given(st.integers(0, 12), st.integers(0, 11))
def test_an_inserted_or_duplicated_line_is_found(at, which):
    assert bad([*LINES[:at], LINES[which], *LINES[at:]]) == (at + 1 if at != which else at + 2)


@given(st.permutations(LINES))
def test_reordered_lines_are_found(lines):
    first = next((at for at, (a, b) in enumerate(zip(lines, LINES, strict=True), 1) if a != b), None)
    assert bad(list(lines)) == first


def test_lines_that_only_the_side_journal_has_are_told_and_are_no_damage():
    disk = written(12)
    disk.replace(PATH, joined(disk.read(PATH).split(b"\n")[:9]))
    found = verify(disk, PATH)
    assert (found.records, found.ok) == (9, True)
    assert "3 more records" in found.detail


def test_an_end_that_was_cut_off_further_than_the_side_journal_reaches_is_found():
    disk = written(3000)
    disk.replace(PATH, joined(disk.read(PATH).split(b"\n")[:9]))
    assert verify(disk, PATH).first_bad == 10


def test_the_place_is_told_by_line_and_byte():
    lines = [*LINES[:4], b"{}", *LINES[5:]]
    assert f"line 5, byte {len(joined(LINES[:4]))}:" in verify(only_ledger(joined(lines)), PATH).detail
