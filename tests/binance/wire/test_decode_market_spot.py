"""Spot market frames: what is read, what is left out, what is an error."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.binance.wire.decode_market import AggTrade, BookTicker, Depth, Kline, MarkPrice
from backstay.binance.wire.decode_market_spot import decode_market_spot
from backstay.binance.wire.errors import WireError

from tests.binance.wire.samples import SPOT_MARKET, changed

D = Decimal
MS = 1_000_000
EXPECTED = {
    "agg_trade": AggTrade("BTCUSDT", 55, D("90000.01"), D("0.5"), True, 1790000000100 * MS),
    "kline": Kline(
        "BTCUSDT",
        "1m",
        1790000040000 * MS,
        1790000099999 * MS,
        D(90000),
        D(90020),
        D(89990),
        D(90010),
        D("12.5"),
        True,
        1790000100001 * MS,
    ),
    "mini": MarkPrice("BTCUSDT", D("90000.01"), 1790000000999 * MS),
    "book": BookTicker("BTCUSDT", D(90000), D("31.21"), D("90000.01"), D("40.66"), 0),
}


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_each_stream_bare_and_wrapped(name):
    frame = SPOT_MARKET[name]
    assert decode_market_spot(frame) == (EXPECTED[name],)
    assert decode_market_spot(b'{"stream":"x","data":%b}' % frame) == (EXPECTED[name],)
    assert decode_market_spot(b"[%b,%b]" % (frame, frame)) == (EXPECTED[name],) * 2


@pytest.mark.parametrize("name", ["partial_book", "depth", "control"])
def test_what_nothing_reads_is_empty(name):
    assert decode_market_spot(SPOT_MARKET[name]) == ()


@pytest.mark.parametrize("stream", ["btcusdt@depth20", "btcusdt@depth5@100ms"])
def test_a_partial_book_has_the_symbol_of_its_stream(stream):
    levels = b'{"lastUpdateId":7,"bids":[["1.2","3"],["1.1","4"]],"asks":[["1.3","5"]]}'
    (book,) = decode_market_spot(b'{"stream":"%b","data":%b}' % (stream.encode(), levels))
    assert book == Depth("BTCUSDT", ((D("1.2"), D(3)), (D("1.1"), D(4))), ((D("1.3"), D(5)),), 0)


def test_microseconds():
    (mini,) = decode_market_spot(changed(SPOT_MARKET["mini"], E=1790000000999001))
    assert mini.at == 1790000000999001000


@pytest.mark.parametrize("frame", [b"", b"7", b'{"e":"aggTrade"}', b'{"u":1,"s":"BTCUSDT","b":"x"}'])
def test_a_known_stream_that_cannot_be_read_is_an_error(frame):
    with pytest.raises(WireError):
        decode_market_spot(frame)


@given(st.binary(max_size=200))
def test_whatever_comes_only_a_wire_error_is_raised(frame):
    try:
        decode_market_spot(frame)
    except WireError as error:
        assert str(error)
