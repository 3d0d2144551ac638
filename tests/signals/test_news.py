"""The word list, the schedule, and what feeds send."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.core.types import SECOND
from backstay.signals.news import (
    HOUR,
    Headline,
    HeadlineRefused,
    NewsWindow,
    WindowEffect,
    classify,
    outlook,
    parse_windows,
    read_headline,
)
from backstay.signals.policy import parse_weights


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        ("Major exchange hacked, 200 million stolen", -1),
        ("Regulator approves spot ETF", 1),
        ("Exchange denies it was hacked", 1),
        ("Weather is fair in Lisbon", 0),
        ("", 0),
    ],
)
def test_headlines_are_scored_by_known_words_and_negation(text, sign):
    mood = classify(text)
    assert (mood.polarity > 0) - (mood.polarity < 0) == sign
    assert bool(mood.words) == bool(sign)


@given(st.text(max_size=60))
def test_any_text_has_a_mood_in_range(text):
    mood = classify(text)
    assert -1 <= mood.polarity <= 1
    assert 0 <= mood.belief <= 1


RUBBISH = st.one_of(st.none(), st.integers(), st.text(max_size=20), st.binary(max_size=20))
LISTS = st.lists(st.one_of(st.text(max_size=5), st.integers()), max_size=3)
SENT = st.dictionaries(
    st.sampled_from(["text", "title", "symbols", "source"]), st.one_of(RUBBISH, LISTS), max_size=4
)


@given(st.one_of(RUBBISH, LISTS, SENT))
def test_rubbish_from_a_feed_is_refused_and_never_raised(raw):
    found = read_headline(raw, 7)
    assert isinstance(found, HeadlineRefused) or (found.known_at == 7 and found.text)


def test_a_headline_fades_and_is_then_forgotten():
    headline = Headline(known_at=0, text="exchange hacked and insolvent, funds stolen")
    beliefs = [outlook(h * HOUR, "BTCUSDT", (), (headline,)).belief for h in range(7)]
    assert beliefs[0] == 1
    assert beliefs == sorted(beliefs, reverse=True)
    assert beliefs[6] == 0


def test_news_of_one_symbol_leaves_the_others_alone():
    headline = Headline(known_at=0, text="token delisted after exploit", symbols=("ABCUSDT",))
    window = NewsWindow(name="unlock", start=0, end=HOUR, symbols=("ABCUSDT",), effect=WindowEffect.DAMP)
    assert outlook(1, "ABCUSDT", (window,), (headline,)).damping == 0.5
    assert outlook(1, "BTCUSDT", (window,), (headline,)).damping == 1
    assert outlook(1, "BTCUSDT", (window,), (headline,)).headlines == 0


def test_a_schedule_is_read_and_its_mistakes_are_named():
    (window,) = parse_windows([{"name": "CPI", "start": 0, "end": 30 * 60 * SECOND}])
    assert window.effect is WindowEffect.BLOCK
    with pytest.raises(ValueError, match=r"window 1.*after its start"):
        parse_windows([{"name": "CPI", "start": 5, "end": 5}])
    with pytest.raises(ValueError, match="window 2"):
        parse_windows([{"name": "a", "start": 0, "end": 1}, {"name": "b", "start": "soon", "end": 1}])
    with pytest.raises(ValueError, match="list of windows"):
        parse_windows({"name": "CPI"})


def test_a_weight_file_with_an_unknown_factor_or_no_number_is_refused():
    found = parse_weights({"trend": "0.7"})
    assert found.trend == found.reach == Decimal("0.7"), "what is not named counts nothing"
    with pytest.raises(ValueError, match="'trnd' is not a factor; known are trend, momentum"):
        parse_weights({"trnd": "0.7"})
    with pytest.raises(ValueError, match="weight of news"):
        parse_weights({"news": "much"})
    with pytest.raises(ValueError, match="weight of news"):
        parse_weights({"news": "NaN"})
    with pytest.raises(ValueError, match="weight file"):
        parse_weights(["trend"])
