"""Exact numbers and ids, and text that is safe to show."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.binance.wire.errors import redact
from backstay.binance.wire.numbers import Numbers, exact_id, optional, plain


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0.0100", "0.01"),
        ("100", "100"),
        ("1E+3", "1000"),
        ("1E-8", "0.00000001"),
        ("88000.10", "88000.1"),
        ("5.000", "5"),
    ],
)
def test_amounts_are_written_plainly(value, text):
    assert plain(Decimal(value)) == text


@pytest.mark.parametrize("value", ["0", "0.00", "-0", "-1", "NaN", "Infinity", "0E-8"])
def test_what_the_venue_takes_as_no_amount_is_refused(value):
    with pytest.raises(ValueError, match="positive"):
        plain(Decimal(value))


@pytest.mark.parametrize(
    ("text", "value"), [("0", "0"), ("-1.50", "-1.50"), ("0E-8", "0E-8"), ("5.", "5"), ("+2", "2")]
)
def test_texts_become_exact_numbers_and_are_remembered(text, value):
    numbers = Numbers()
    assert str(numbers[text]) == str(Decimal(value))
    assert numbers[text] is numbers[text]


@pytest.mark.parametrize(
    "text", ["", " 1", "1_000", "nan", "Infinity", "\uff11", "1e999", "0x1", "1" * 41, "1,5"]
)
def test_other_texts_are_no_numbers_and_are_not_remembered(text):
    numbers = Numbers()
    with pytest.raises(ValueError, match="not a number"):
        numbers[text]
    assert not numbers


def test_the_memory_is_bounded():
    numbers = Numbers()
    for value in range(40_000):
        assert numbers[str(value)] == value
    assert len(numbers) <= 16_384


def test_absent_numbers_are_zero():
    assert optional(None) == optional("") == 0


@pytest.mark.parametrize(
    ("value", "number"), [(None, 0), ("", 0), (0, 0), ("77", 77), (77, 77), (2**63 - 1, 2**63 - 1)]
)
def test_ids(value, number):
    assert exact_id(value) == number


@pytest.mark.parametrize("value", ["x", "-1", -1, 2**63, "9" * 19, "1.0", "\u0661"])
def test_strange_ids_are_refused(value):
    with pytest.raises(ValueError, match="order id"):
        exact_id(value)


@given(st.binary(max_size=300), st.from_regex(r"\A[A-Za-z0-9+/]{64}\Z"))
def test_i36_redacted_text_is_short_printable_and_holds_no_secret(noise, secret):
    text = redact(noise + b'"' + secret.encode() + b'"' + noise, 80)
    assert len(text) <= 83
    assert text.isprintable()
    assert secret not in text
