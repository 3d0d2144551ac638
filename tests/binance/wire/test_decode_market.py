"""Market frames: four kinds, three envelopes, one product."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.binance.wire.decode_market import AggTrade, BookTicker, Depth, Kline, MarkPrice, decode_market
from backstay.binance.wire.errors import WireError

from tests.binance.wire.samples import MARKET, changed

D = Decimal
MS = 1_000_000
MARK = MarkPrice("BTCUSDT", D("89990.12345678"), 1790000000000 * MS, D("89995.10"), D("0.0001"))


@pytest.mark.parametrize("name", ["mark_price", "combined", "mark_price_array", "combined_array"])
def test_mark_prices_bare_wrapped_and_in_arrays_without_the_other_product(name):
    assert decode_market(MARKET[name]) == (MARK,)


def test_a_frame_without_product_number_is_taken():
    assert decode_market(changed(MARKET["mark_price"], st=None)) == (MARK,)


@pytest.mark.parametrize("rate", ["", None])
def test_a_mark_price_without_a_funding_rate_has_none(rate):
    (mark,) = decode_market(changed(MARKET["mark_price"], r=rate))
    assert mark.funding_rate is None


def test_partial_depth_is_a_book_with_the_best_first():
    frame = (
        b'{"e":"depthUpdate","E":1790000000012,"T":1790000000010,"s":"BTCUSDT","ps":"BTCUSDT","U":1,"u":2,'
        b'"pu":0,"b":[["89990.0","1.2"],["89989.9","3"]],"a":[["89990.1","0.5"]],"st":1}'
    )
    assert decode_market(frame) == (
        Depth(
            "BTCUSDT",
            ((D("89990.0"), D("1.2")), (D("89989.9"), D(3))),
            ((D("89990.1"), D("0.5")),),
            1790000000010 * MS,
        ),
    )
    assert decode_market(frame.replace(b'"st":1', b'"st":2')) == ()
    with pytest.raises(WireError):
        decode_market(frame.replace(b'"1.2"', b'"NaN"'))


def test_a_book_ticker_a_bar_and_a_trade():
    assert decode_market(MARKET["book_ticker"]) == (
        BookTicker("BTCUSDT", D("89990.0"), D("31.21"), D("89990.1"), D("40.66"), 1790000000010 * MS),
    )
    assert decode_market(MARKET["kline"]) == (
        Kline(
            "BTCUSDT",
            "1m",
            1789999980000 * MS,
            1790000039999 * MS,
            D("89980.0"),
            D("89995.0"),
            D("89970.0"),
            D("89990.0"),
            D("12.5"),
            False,
            1790000000000 * MS,
        ),
    )
    assert decode_market(MARKET["agg_trade"]) == (
        AggTrade("BTCUSDT", 5933014, D("89990.0"), D("0.100"), True, 1790000000001 * MS),
    )


@pytest.mark.parametrize("name", ["control", "other_stream"])
def test_control_answers_and_other_streams_are_empty(name):
    assert decode_market(MARKET[name]) == ()


@pytest.mark.parametrize("name", ["mark_price", "book_ticker", "kline", "agg_trade", "combined"])
def test_spaces_and_member_order_do_not_matter(name):
    value = json.loads(MARKET[name])
    moved = json.dumps({key: value[key] for key in reversed(value)}, indent=1).encode()
    assert decode_market(moved) == decode_market(MARKET[name])


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"5",
        b"{",
        b'{"e":"markPriceUpdate"}',
        changed(MARKET["mark_price"], p="x"),
        changed(MARKET["mark_price"], p=1.5),
        changed(MARKET["kline"], "k", x="yes"),
        b'[{"e":"markPriceUpdate"}]',
    ],
)
def test_a_known_stream_that_cannot_be_read_raises(frame):
    with pytest.raises(WireError, match="market frame"):
        decode_market(frame)


@given(st.sampled_from(sorted(MARKET)), st.data())
def test_no_bytes_raise_anything_but_a_wire_error(name, data):
    frame = bytearray(MARKET[name])
    frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert isinstance(decode_market(bytes(frame)), tuple)
    except WireError as error:
        assert error.what
