"""A scope as an operator writes it, a count as people read it."""

import pytest

from backstay.core.names import counted
from backstay.core.types import PositionSide, Product, Scope, parse_scope


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        ("BTCUSDT", Scope(Product.USDM, "BTCUSDT", PositionSide.BOTH)),
        ("BTCUSDT:LONG", Scope(Product.USDM, "BTCUSDT", PositionSide.LONG)),
        ("spot:BTCUSDT:BOTH", Scope(Product.SPOT, "BTCUSDT", PositionSide.BOTH)),
        ("usdm:BTCUSDT:SHORT", Scope(Product.USDM, "BTCUSDT", PositionSide.SHORT)),
    ],
)
def test_product_and_side_may_be_left_out(text, scope):
    assert parse_scope(text) == scope
    assert parse_scope(str(scope)) == scope


@pytest.mark.parametrize("text", ["BTCUSDT:long", "coinm:BTCUSDT:BOTH", "usdm:BTCUSDT:BOTH:1"])
def test_what_is_no_scope_is_refused_with_the_form_that_is(text):
    with pytest.raises(ValueError, match=r"is not a scope; write SYMBOL, SYMBOL:LONG or usdm:SYMBOL:BOTH"):
        parse_scope(text)


def test_one_is_told_as_one_and_any_other_count_as_many():
    assert [counted(n, "lot") for n in (0, 1, 2)] == ["0 lots", "1 lot", "2 lots"]
    assert [counted(n, "bar is", "bars are") for n in (1, 2)] == ["1 bar is", "2 bars are"]
