"""Indicators: the stream equals the columns, and the past is forgotten in time."""

import numpy as np
import pytest

from backstay.signals.factors.every import FACTORS
from backstay.signals.indicators import FEATURES, FeatureStream, features, warm_up
from backstay.signals.policy import MINUTE, Periods
from backstay.signals.score import OUTER

from tests.signals.recorded import five_minutes, minutes

PERIODS = Periods()
SHORT = Periods(
    ema_fast=3, ema_slow=8, higher_ema_fast=3, higher_ema_slow=5, slope=2, rsi=4, macd_fast=3, macd_slow=6,
    macd_signal=3, channel=5, atr=4, atr_slow=9, efficiency=5, volume=6,
)  # fmt: skip


@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT", "SOLUSDT"])
def test_the_stream_handles_give_the_figures_of_the_columns_bit_for_bit(symbol):
    bars = minutes(symbol).rows(0, 6_000)
    stream = FeatureStream(MINUTE, 15 * MINUTE, PERIODS)
    rows = [stream.push(b) for b in bars.bars()]
    columns = features(bars, MINUTE, 15 * MINUTE, PERIODS)
    assert set(columns) == set(FEATURES) == set(rows[0])
    for name in FEATURES:
        streamed = np.array([row[name] for row in rows])
        assert np.array_equal(streamed, columns[name], equal_nan=True), name
        assert not np.isnan(streamed[-1])


@pytest.mark.parametrize("count", [1, 2, 3, 5, 9, 17])
def test_short_histories_are_unknown_and_not_an_error(count):
    bars = minutes().rows(0, count)
    stream = FeatureStream(MINUTE, 5 * MINUTE, SHORT)
    rows = [stream.push(b) for b in bars.bars()]
    columns = features(bars, MINUTE, 5 * MINUTE, SHORT)
    for name in FEATURES:
        assert np.array_equal([r[name] for r in rows], columns[name], equal_nan=True), name


@pytest.mark.parametrize("periods", [PERIODS, SHORT])
def test_after_the_warm_up_a_longer_history_changes_next_to_nothing(periods):
    bars = five_minutes()
    needed = warm_up(5 * MINUTE, 30 * MINUTE, periods)
    begin = (len(bars) - needed - 300) // 6 * 6
    longer = features(bars, 5 * MINUTE, 30 * MINUTE, periods)
    shorter = features(bars.rows(begin, len(bars)), 5 * MINUTE, 30 * MINUTE, periods)
    assert begin > 1_000
    for name in FEATURES:
        if name in {"volume", "volume_mean"}:
            continue
        after = shorter[name][needed - 1 :]
        apart = np.abs(after - longer[name][begin + needed - 1 :]) / bars.close[-1]
        assert apart.max() < 1e-10, name


def test_every_figure_of_the_bars_is_read_by_a_factor_and_so_logged():
    read = {name for factor in FACTORS for name in factor.inputs}
    assert set(FEATURES) <= read
    assert set(OUTER) <= read
