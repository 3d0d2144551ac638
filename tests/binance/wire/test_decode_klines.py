"""REST klines and answers about settings: exact figures, or one clear error."""

from decimal import Decimal

import pytest

from backstay.binance.wire.decode_klines import KlineRow, klines
from backstay.binance.wire.decode_settings import Bracket, brackets, leverage
from backstay.binance.wire.errors import WireError

D = Decimal
ROW = b'[1790000000000,"89980.0","89995.0","89970.1","89990.5","12.345",1790000059999,"1","3","1","1","0"]'


def test_rows_are_read_exactly_and_further_columns_are_left_alone():
    row = KlineRow(1790000000000 * 10**6, D("89980.0"), D("89995.0"), D("89970.1"), D("89990.5"), D("12.345"))
    assert klines(b"[" + ROW + b"," + ROW + b"]") == (row, row)
    assert klines(b"[]") == ()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"<html>busy</html>",
        b"[[]]",
        b'[[1790000000000,"1","1","1","1"]]',
        b'[["1790000000000","1","1","1","1","1"]]',
        b'[[true,"1","1","1","1","1"]]',
        b'[[1790000000000,"1","NaN","1","1","1"]]',
        b"[[1790000000000,1,1,1,1,1]]",
    ],
)
def test_anything_else_is_one_clear_error(body):
    with pytest.raises(WireError, match="klines"):
        klines(body)


def test_brackets_come_as_a_list_or_alone_the_highest_leverage_first():
    one = (
        b'{"symbol":"BTCUSDT","brackets":[{"bracket":2,"initialLeverage":100,"notionalCap":800000},'
        b'{"bracket":1,"initialLeverage":125,"notionalCap":300000}]}'
    )
    found = (Bracket(125, D(300000)), Bracket(100, D(800000)))
    assert brackets(one, "BTCUSDT") == brackets(b"[" + one + b"]", "BTCUSDT") == found
    assert brackets(one, "ETHUSDT") == ()
    with pytest.raises(WireError):
        brackets(b"[1]", "BTCUSDT")


def test_the_applied_leverage_is_read():
    assert leverage(b'{"leverage":21,"maxNotionalValue":"1000000","symbol":"BTCUSDT"}') == 21
    with pytest.raises(WireError):
        leverage(b"{}")
