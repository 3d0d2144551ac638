import json

from hypothesis import given
from hypothesis import strategies as st

from backstay.core.records import Record
from backstay.ledger.codec import GENESIS_HASH, decode_line, decode_lines, encode_line, seq_of

from tests.ledger.bodies import T0, bodies, body
from tests.ledger.ledgers import joined, lines_of


@given(bodies, st.integers(1, 2**60), st.integers(0, 2**62), st.integers(0, 2**60))
def test_a_record_comes_back_from_its_line_as_it_was(each, seq, at, cause):
    line = encode_line(seq, GENESIS_HASH, at, cause, each)
    assert b"\n" not in line
    assert decode_line(line) == Record(seq, at, cause, each)
    assert seq_of(line) == seq


@given(st.lists(bodies, max_size=8))
def test_many_lines_decode_to_the_same_records_as_one_by_one(many):
    lines = lines_of(many)
    assert decode_lines(joined(lines)) == [decode_line(line) for line in lines]


def test_a_line_is_plain_json_with_the_documented_keys_in_order():
    line = json.loads(encode_line(7, b"ab" * 32, T0, 3, body(0)))
    assert list(line) == ["seq", "prev", "at", "type", "cause", "body"]
    assert (line["seq"], line["prev"], line["at"], line["cause"]) == (7, "ab" * 32, T0, 3)
    assert line["type"] == line["body"]["type"] == "OrderReport"
    assert line["body"]["price"] == "64250.10"
