"""The composite score: explained, the same everywhere, and blind to the future."""

from decimal import Decimal
from math import nan

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from backstay.core.scored import SignalKind, SignalScored
from backstay.signals.bars import BarFault, BarRefused, as_known, series
from backstay.signals.factors.base import SINGLE
from backstay.signals.factors.every import FACTORS
from backstay.signals.indicators import FEATURES, warm_up
from backstay.signals.news import HOUR, Headline, NewsWindow, Outlook, WindowEffect, outlook
from backstay.signals.policy import MINUTE, BracketRule, Override, Periods, Scales, ScorePolicy, Weights
from backstay.signals.score import (
    OUTER,
    VETOES,
    Scorer,
    Surroundings,
    bracket,
    compose,
    event_at,
    kinds,
    recomputed,
    score_row,
    table,
)

from tests.signals.recorded import five_minutes, walk
from tests.signals.test_indicators import SHORT

D = Decimal
QUICK = ScorePolicy(interval=MINUTE, higher=5 * MINUTE, periods=SHORT, gate=D("0.2"))
USUAL = ScorePolicy()


def surroundings(count: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Made-up funding, spreads and news, partly unknown."""
    dice = np.random.default_rng(seed)
    found = {
        "funding_rate": dice.normal(0, 0.0004, count),
        "spread": np.abs(dice.normal(0, 0.0004, count)),
        "news_pressure": np.clip(dice.normal(0, 0.5, count), -1, 1),
        "news_belief": dice.random(count),
        "news_damping": np.where(dice.random(count) < 0.1, 0.5, 1.0),
        "news_blocked": (dice.random(count) < 0.05).astype(float),
    }
    for name in ("funding_rate", "spread"):
        found[name][dice.random(count) < 0.3] = nan
    return found


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(60, 160), st.integers(1, 60))
def test_truncating_the_future_never_changes_a_past_score_of_any_factor(seed, count, cut):
    bars = series(walk(count, seed))
    around = surroundings(count, seed)
    whole = compose(table(bars, QUICK, around), QUICK, "BTCUSDT")
    past = count - min(cut, count - 30)
    known = {name: column[:past] for name, column in around.items()}
    part = compose(table(bars.rows(0, past), QUICK, known), QUICK, "BTCUSDT")
    assert np.array_equal(part.score, whole.score[:past])
    for of_part, of_whole in zip(part.vetoes, whole.vetoes, strict=True):
        assert np.array_equal(of_part, of_whole[:past])
    for factor, of_part, of_whole in zip(FACTORS, part.marks, whole.marks, strict=True):
        assert np.array_equal(of_part.score, of_whole.score[:past]), factor.name
        assert np.array_equal(of_part.confidence, of_whole.confidence[:past]), factor.name
    assert any(of.score.any() for of in part.marks)


def test_the_future_of_the_recorded_month_changes_no_past_score():
    bars = five_minutes()
    whole = compose(table(bars, USUAL), USUAL, "BTCUSDT")
    part = compose(table(bars.rows(0, 4_001), USUAL), USUAL, "BTCUSDT")
    assert np.array_equal(part.score, whole.score[:4_001])
    assert kinds(whole, USUAL, "BTCUSDT").any()


@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT", "SOLUSDT"])
def test_after_the_warm_up_the_score_is_that_of_a_longer_history(symbol):
    bars = five_minutes(symbol)
    needed = warm_up(USUAL.interval, USUAL.higher, USUAL.periods)
    begin = (len(bars) - needed - 1_500) // 6 * 6
    longer = compose(table(bars, USUAL), USUAL, symbol).score[begin:]
    shorter = compose(table(bars.rows(begin, len(bars)), USUAL), USUAL, symbol)
    assert begin > 1_000
    assert np.abs(longer - shorter.score)[needed - 1 :].max() < 1e-9
    assert shorter.vetoes[0][: needed - 1].all(), "no trade before the warm-up is over"
    assert not shorter.vetoes[0][needed - 1 :].any()


def test_a_bar_scored_alone_has_the_score_of_its_row_in_the_table_bit_for_bit():
    bars = series(walk(800, 5))
    around = surroundings(len(bars), 5)
    x = table(bars, QUICK, around)
    scores = compose(x, QUICK, "BTCUSDT")
    scorer = Scorer("BTCUSDT", QUICK)
    found = set()
    for i, bar in enumerate(bars.bars()):
        outer = {name: float(x[name][i]) for name in OUTER}
        news = Outlook(
            pressure=outer["news_pressure"],
            belief=outer["news_belief"],
            damping=outer["news_damping"],
            blocked_by="window" if outer["news_blocked"] else "",
        )
        around_bar = Surroundings(funding_rate=outer["funding_rate"], spread=outer["spread"], news=news)
        event = scorer.push(bar, around_bar)
        assert event == event_at(i, bars, x, scores, QUICK, "BTCUSDT", news.blocked_by)
        found.add(event.signal.kind)
    assert found == set(SignalKind)


def test_a_score_can_be_computed_again_from_its_logged_inputs():
    bars = series(walk(300, 8))
    x = table(bars, QUICK, surroundings(len(bars), 8))
    scores = compose(x, QUICK, "BTCUSDT")
    for i in range(len(bars)):
        event = event_at(i, bars, x, scores, QUICK, "BTCUSDT")
        written = msgspec.json.encode(event)
        read = msgspec.json.decode(written, type=SignalScored)
        assert read == event
        assert recomputed(read, QUICK) == event
        total = 0.0
        for factor in event.factors:  # in this order, without the compensation of sum()
            total += float(factor.contribution)
        assert total == float(event.signal.score)


def test_the_same_bars_give_the_same_bytes():
    def run() -> bytes:
        scorer = Scorer("BTCUSDT", QUICK)
        return b"".join(msgspec.json.encode(scorer.push(b)) for b in walk(100, 2))

    assert run() == run()


def test_a_scorer_takes_nothing_over_a_gap_and_goes_on_once_it_is_filled():
    bars = walk(60, 4)
    scorer = Scorer("BTCUSDT", QUICK)
    for bar in bars[:50]:
        scorer.push(bar)
    refused = scorer.push(bars[53])
    assert isinstance(refused, BarRefused)
    assert (refused.fault, refused.missing) == (BarFault.GAP, 3)
    assert scorer.last_close == bars[49].open_time + MINUTE
    for bar in bars[50:53]:
        scorer.warm(bar)
    whole = Scorer("BTCUSDT", QUICK)
    assert [whole.push(b) for b in bars[:54]][-1] == scorer.push(bars[53])


def row_of(**changes) -> dict[str, float]:
    """The last row of a warm market, with some inputs changed."""
    bars = series(walk(600, 11))
    x = table(bars, QUICK)
    return {name: float(column[-1]) for name, column in x.items()} | changes


@pytest.mark.parametrize(
    ("changes", "veto"),
    [
        ({"bars_seen": 3.0}, "warming_up"),
        ({"rsi": nan}, "warming_up"),
        ({"news_blocked": 1.0}, "news_window"),
        ({"spread": 0.01}, "spread"),
        ({"atr": 1e-9}, "volatility"),
        ({"move": 0.0}, "chop"),
    ],
)
def test_what_forbids_a_trade_is_named_in_the_reason(changes, veto):
    event = score_row(row_of(**changes), QUICK, "BTCUSDT", 0, "rate decision")
    assert veto in event.vetoes
    assert event.signal.kind is SignalKind.NONE
    assert veto in event.signal.reason
    if veto == "news_window":
        assert "rate decision" in event.signal.reason
    assert set(event.vetoes) <= set(VETOES)


def test_what_is_not_known_counts_for_nothing_and_says_so():
    event = score_row(row_of(rsi=nan, funding_rate=nan), QUICK, "BTCUSDT", 0)
    momentum = next(f for f in event.factors if f.name == "momentum")
    funding = next(f for f in event.factors if f.name == "funding")
    assert momentum.score == momentum.confidence == momentum.contribution == 0
    assert momentum.inputs["rsi"] is None
    assert "rsi" in momentum.sentence
    assert funding.confidence == 0
    assert "not known" in funding.sentence


ROW = (*FEATURES, *OUTER, "slope_bars", "bars_seen")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_scores_and_confidences_stay_in_their_ranges_for_any_input(data):
    numbers = st.one_of(st.just(nan), st.floats(-1e9, 1e9))
    row = {name: data.draw(numbers) for name in ROW}
    row |= {"slope_bars": 2.0, "news_damping": data.draw(st.floats(0, 1))}
    single = compose(row, QUICK, "X", SINGLE)
    with np.errstate(all="ignore"):
        column = compose({name: np.array([value] * 3) for name, value in row.items()}, QUICK, "X")
    assert column.row(0) == column.row(2) == single, "one number and a column of it are treated alike"
    for mark in single.marks:
        assert -1 <= mark.score <= 1
        assert 0 <= mark.confidence <= 1


def test_extreme_funding_speaks_against_the_crowded_side():
    crowded = score_row(row_of(funding_rate=0.002), QUICK, "X", 0)
    calm = score_row(row_of(funding_rate=0.00005), QUICK, "X", 0)
    funding = {e.signal.score: next(f for f in e.factors if f.name == "funding") for e in (crowded, calm)}
    assert funding[crowded.signal.score].score == -1
    assert funding[calm.signal.score].score == 0
    assert crowded.signal.score < calm.signal.score


def test_a_damped_window_leaves_a_part_of_every_confidence():
    full, half = score_row(row_of(), QUICK, "X", 0), score_row(row_of(news_damping=0.5), QUICK, "X", 0)
    assert float(half.signal.score) * 2 == float(full.signal.score)
    assert [float(f.confidence) * 2 for f in half.factors] == [float(f.confidence) for f in full.factors]


def test_a_symbol_may_have_its_own_gate_and_weights():
    own = Override(symbol="ETHUSDT", gate=D("0.9"), weights=Weights(trend=D(1)))
    policy = replace(QUICK, overrides=(own,))
    row = row_of()
    assert score_row(row, policy, "ETHUSDT", 0).gate == D("0.9")
    assert score_row(row, policy, "ETHUSDT", 0).factors[0].weight == 1
    assert score_row(row, policy, "BTCUSDT", 0) == score_row(row, QUICK, "BTCUSDT", 0)


def test_the_plan_of_a_signal_is_exact_and_keeps_its_proportion():
    rule = BracketRule(stop=D(2), targets=(D(3), D(6)), stop_min=D("0.002"), stop_max=D("0.01"))
    stop, targets = bracket(D("60000"), 150.0, rule)
    assert stop == D("0.005")
    assert [(t.distance, t.share) for t in targets] == [(D("0.0075"), D("0.5")), (D("0.015"), D("0.5"))]
    wide, far = bracket(D("60000"), 6000.0, rule)
    assert (wide, far[0].distance) == (D("0.01"), D("0.015"))
    thirds = bracket(D(1), 0.005, replace(rule, targets=(D(1), D(2), D(3))))[1]
    assert sum(t.share for t in thirds) == 1


def test_news_reaches_the_score_from_when_it_was_known():
    hacked = Headline(known_at=5 * HOUR, text="Exchange hacked, funds stolen")
    cpi = NewsWindow(name="CPI", start=HOUR, end=2 * HOUR, effect=WindowEffect.BLOCK)
    before = outlook(5 * HOUR - 1, "BTCUSDT", (cpi,), (hacked,))
    after = outlook(5 * HOUR, "BTCUSDT", (cpi,), (hacked,))
    assert before == Outlook()
    assert after.pressure < -0.5
    assert after.belief > 0.5
    assert outlook(HOUR, "BTCUSDT", (cpi,)).blocked_by == "CPI"
    assert not outlook(2 * HOUR, "BTCUSDT", (cpi,)).blocked_by


def test_funding_enters_a_table_as_known_at_each_close():
    bars = series(walk(30))
    closes = bars.open_time + MINUTE
    rates = as_known([10 * MINUTE], [0.0003], closes)
    x = table(bars, QUICK, {"funding_rate": rates})
    assert np.isnan(x["funding_rate"][:9]).all()
    assert (x["funding_rate"][9:] == 0.0003).all()
    with pytest.raises(ValueError, match="surroundings"):
        table(bars, QUICK, {"rumours": rates})


def test_settings_that_cannot_work_are_refused_by_name():
    with pytest.raises(ValueError, match="never reach the gate"):
        ScorePolicy(weights=Weights(trend=D("0.1"), momentum=D(0), volatility=D(0), liquidity=D(0)))
    with pytest.raises(ValueError, match="overrides ETHUSDT"):
        ScorePolicy(overrides=(Override(symbol="ETHUSDT", gate=D("0.99"), weights=Weights(trend=D(0))),))
    with pytest.raises(ValueError, match=r"weights\.trend"):
        Weights(trend=D(2))
    with pytest.raises(ValueError, match=r"periods\.ema_fast"):
        Periods(ema_fast=60)
    with pytest.raises(ValueError, match=r"scales\.atr_min"):
        Scales(atr_min=D("0.1"))
    with pytest.raises(ValueError, match="multiple"):
        ScorePolicy(interval=7 * MINUTE)
