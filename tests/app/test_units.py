from decimal import Decimal

import pytest

from backstay.app.units import decimal, duration, fraction, size, span

SECOND = 1_000_000_000


@pytest.mark.parametrize("text", ["5%", "0.05", " 5 % ".replace(" %", "%"), "5.0%"])
def test_a_percentage_may_be_written_either_way(text):
    assert fraction(text) == Decimal("0.05")


def test_percentages_are_exact():
    assert fraction("0.1%") == Decimal("0.001")
    assert fraction("0.05%") == Decimal("0.0005")


@pytest.mark.parametrize(
    ("text", "ns"),
    [("10h", 36_000), ("5s", 5), ("1h30m", 5400), ("2d", 172_800), ("0", 0), ("1.5h", 5400)],
)
def test_durations(text, ns):
    assert duration(text) == ns * SECOND


def test_milliseconds_are_a_duration_too():
    assert duration("250ms") == 250_000_000


@pytest.mark.parametrize("text", ["", "5", "5 x", "h", "-5s", "5s6", "ten"])
def test_a_duration_without_a_unit_is_refused(text):
    with pytest.raises(ValueError, match="10h"):
        duration(text)


@pytest.mark.parametrize(
    ("text", "amount", "unit"),
    [
        ("0.010", "0.010", "quantity"),
        ("100 USDT", "100", "quote"),
        ("50%", "0.5", "base_fraction"),
    ],
)
def test_a_size_says_what_it_counts(text, amount, unit):
    assert size(text) == (Decimal(amount), unit)


@pytest.mark.parametrize("text", ["100 usdt", "x", "1 2", "ten USDT"])
def test_a_size_that_says_nothing_is_refused(text):
    with pytest.raises(ValueError):
        size(text)


@pytest.mark.parametrize("value", [0.1, True, None, "NaN", "inf", "1.2.3"])
def test_what_is_no_exact_number_is_refused(value):
    with pytest.raises(ValueError):
        decimal(value)


@pytest.mark.parametrize(
    ("seconds", "text"), [(5, "5s"), (65, "1m 5s"), (3600, "1h"), (90_000, "1d 1h"), (0, "0ms")]
)
def test_a_span_is_told_in_two_units(seconds, text):
    assert span(seconds * SECOND) == text
