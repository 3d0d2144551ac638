"""What bars may be taken in, and how higher ones come of them."""

from math import inf, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from backstay.signals.bars import (
    Bar,
    BarFault,
    as_known,
    exact,
    judge,
    judge_series,
    series,
)
from backstay.signals.policy import MINUTE
from backstay.signals.resample import Resampler, resample

from tests.signals.recorded import minutes, walk

FIRST, SECOND = walk(2)


@pytest.mark.parametrize(
    ("bar", "fault"),
    [
        (SECOND, None),
        (FIRST, BarFault.DUPLICATE),
        (replace(FIRST, close=FIRST.high), BarFault.CONFLICT),
        (replace(SECOND, open_time=3 * MINUTE), BarFault.GAP),
        (replace(SECOND, open_time=-MINUTE), BarFault.OUT_OF_ORDER),
        (replace(SECOND, open_time=MINUTE + 1), BarFault.OFF_GRID),
        (replace(SECOND, close=nan), BarFault.NOT_FINITE),
        (replace(SECOND, volume=inf), BarFault.NOT_FINITE),
        (replace(SECOND, low=0.0), BarFault.NOT_POSITIVE),
        (replace(SECOND, volume=-1.0), BarFault.NOT_POSITIVE),
        (replace(SECOND, high=SECOND.low, low=SECOND.high), BarFault.SHAPE),
        (replace(SECOND, volume=0.0), BarFault.SHAPE),
        (Bar(MINUTE, 100.0, 100.0, 100.0, 100.0, 0.0), None),
    ],
)
def test_a_bar_is_taken_in_or_refused_with_the_fault_that_it_has(bar, fault):
    refused = judge(bar, FIRST, MINUTE)
    assert (refused.fault if refused else None) == fault


def test_a_gap_says_how_many_bars_are_missing():
    assert judge(walk(5)[4], FIRST, MINUTE).missing == 3


@given(st.integers(1, 28), st.sampled_from(["gap", "nan", "shape", "twice"]))
def test_a_series_has_the_fault_that_is_found_bar_by_bar(i, how):
    bars = walk(30)
    if how == "gap":
        del bars[i]
    elif how == "twice":
        bars.insert(i, bars[i])
    else:
        bars[i] = replace(bars[i], **({"close": nan} if how == "nan" else {"high": bars[i].low / 2}))
    one_by_one = [judge(b, bars[k - 1] if k else None, MINUTE) for k, b in enumerate(bars)]
    first = next(r for r in one_by_one if r is not None)
    if how == "nan":  # nan is not equal to itself
        assert judge_series(series(bars), MINUTE).fault is first.fault is BarFault.NOT_FINITE
    else:
        assert judge_series(series(bars), MINUTE) == first


def test_recorded_months_are_whole_and_minutes_without_trades_are_legal():
    for name in ("BTCUSDT", "ETHUSDT", "SOLUSDT"):
        assert judge_series(minutes(name), MINUTE) is None
    thin = minutes(name="spot_binanceus_BTCUSDT_1m_20230301_20230321.parquet")
    assert (thin.volume == 0).sum() > 100
    assert judge_series(thin, MINUTE) is None


@given(st.floats(1e-8, 1e9))
def test_the_exact_decimal_of_a_float_gives_that_float_again(value):
    assert float(exact(value)) == value


def test_the_exact_decimal_has_the_digits_that_the_venue_wrote():
    assert str(exact(95505.4)) == "95505.4"
    assert str(exact(0.00000123)) == "0.00000123" or exact(0.00000123) == exact(float("1.23e-06"))


@given(st.integers(0, 14), st.integers(20, 80), st.integers(2, 15))
def test_the_stream_and_the_columns_give_the_same_higher_bars(offset, count, times):
    bars = walk(count, seed=3, start=offset * MINUTE)
    resampler = Resampler(MINUTE, times * MINUTE)
    streamed = [whole for b in bars if (whole := resampler.push(b)) is not None]
    whole, known = resample(series(bars), MINUTE, times * MINUTE)
    assert whole.bars() == streamed
    assert known[-1] == len(streamed) - 1


def test_a_higher_bar_is_known_from_its_close_on_and_not_earlier():
    bars = walk(31)
    whole, known = resample(series(bars), MINUTE, 15 * MINUTE)
    assert len(whole) == 2
    assert known.tolist() == [-1] * 14 + [0] * 15 + [1] * 2
    for i, k in enumerate(known):
        if k >= 0:
            assert whole.open_time[k] + 15 * MINUTE <= bars[i].open_time + MINUTE


def test_a_bucket_whose_beginning_was_not_seen_is_left_out():
    whole, _ = resample(series(walk(29, start=3 * MINUTE)), MINUTE, 15 * MINUTE)
    assert whole.open_time.tolist() == [15 * MINUTE]


def test_intervals_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="multiple"):
        Resampler(5 * MINUTE, 12 * MINUTE)


def test_a_value_counts_from_when_it_was_known():
    at = np.array([5, 10, 15, 20])
    known = as_known([10, 20], [1.0, 2.0], at)
    assert np.array_equal(known, [nan, 1.0, 1.0, 2.0], equal_nan=True)
    assert np.isnan(as_known([], [], at)).all()
