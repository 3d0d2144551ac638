"""Bars of one symbol: whatever arrives in whatever order, what is taken in has no hole and no double."""

from functools import cache
from math import nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from backstay.core.types import SECOND
from backstay.marketdata.history import GRACE, MISSES, RETRY, History, Need
from backstay.marketdata.intervals import served
from backstay.signals.bars import Bar
from backstay.signals.line import ScoreLine, needed_bars
from backstay.signals.policy import MINUTE, ScorePolicy

from tests.signals.recorded import walk
from tests.signals.test_score import QUICK

NEEDED = needed_bars(QUICK)
T0 = 1_767_571_200 * SECOND
BARS = walk(NEEDED + 200, seed=5, start=T0)


def at_close(index: int) -> int:
    """Venue time just after bar `index` closed."""
    return BARS[index].open_time + MINUTE + SECOND


def drained(history: History, now: int = 0):
    made = []
    while history.has_work:
        made += history.step(now)
    return made


def answered(history: History, need: Need, now: int, without=()):
    """The venue serves what is asked for, but for the bars in `without`."""
    history.read(
        need, [b for b in BARS if need.start <= b.open_time < need.end and b.open_time not in without]
    )
    return drained(history, now)


def warm(count: int = NEEDED) -> History:
    """A history whose latest bar is number `count - 1`."""
    history = History("BTCUSDT", QUICK)
    now = at_close(count - 1) + GRACE
    need = history.need(now)
    assert need is not None
    made = answered(history, need, now)
    assert len(made) == 1
    assert made[0].signal.at == BARS[count - 1].open_time + MINUTE
    assert history.is_warm
    return history


def test_the_history_is_asked_for_once_and_as_long_as_the_indicators_need():
    history = History("BTCUSDT", QUICK)
    now = at_close(NEEDED) + GRACE
    need = history.need(now)
    assert need is not None
    assert need.count == NEEDED
    assert need.end == BARS[NEEDED].open_time + MINUTE
    assert history.need(now + 60 * SECOND) is None


def test_bars_in_order_give_the_scores_of_the_line_itself():
    history = warm()
    line = ScoreLine("BTCUSDT", QUICK)
    for bar in BARS[:NEEDED]:
        line.warm(bar)
    for bar in BARS[NEEDED : NEEDED + 30]:
        history.closed(bar)
        assert drained(history) == [line.push(bar)]
    assert history.tally.gaps == 0


def test_a_duplicate_and_a_late_bar_change_nothing():
    history = warm()
    history.closed(BARS[NEEDED])
    assert len(drained(history)) == 1
    history.closed(BARS[NEEDED])
    history.closed(BARS[NEEDED - 5])
    assert drained(history) == []
    assert (history.tally.duplicates, history.tally.late) == (1, 1)
    assert history.expected == BARS[NEEDED + 1].open_time


def test_two_figures_for_a_bar_that_waits_are_both_dropped_and_the_venue_is_asked():
    history = warm()
    history.closed(BARS[NEEDED])
    history.closed(BARS[NEEDED])
    history.closed(replace(BARS[NEEDED], volume=99.0))
    assert (history.tally.duplicates, history.tally.conflicts) == (1, 1)
    assert drained(history) == []
    now = at_close(NEEDED) + GRACE
    need = history.need(now)
    assert need is not None
    assert len(answered(history, need, now)) == 1
    assert history.trouble == ""


def test_a_gap_is_read_and_only_the_newest_bar_behind_it_is_scored():
    history = warm()
    for bar in BARS[NEEDED + 3 : NEEDED + 6]:
        history.closed(bar)
    assert drained(history) == []
    now = at_close(NEEDED + 5)
    need = history.need(now)
    assert need == Need("BTCUSDT", "1m", BARS[NEEDED].open_time, BARS[NEEDED + 3].open_time)
    made = answered(history, need, now)
    assert [s.signal.at for s in made] == [BARS[NEEDED + 5].open_time + MINUTE]
    assert history.tally.gaps == 1
    assert history.expected == BARS[NEEDED + 6].open_time


def test_a_bar_that_does_not_come_is_read_when_its_grace_is_over():
    history = warm()
    end = BARS[NEEDED].open_time + MINUTE
    assert history.need(end + GRACE - 1) is None
    need = history.need(end + GRACE)
    assert need is not None
    assert need.count == 1
    assert len(answered(history, need, end + GRACE)) == 1


def test_the_same_bar_with_other_figures_ends_all_belief_in_the_history():
    history = warm()
    history.closed(replace(BARS[NEEDED - 1], close=BARS[NEEDED - 1].high, volume=99.0))
    assert history.tally.conflicts == 1
    assert not history.is_live
    assert "twice" in history.trouble
    need = history.need(at_close(NEEDED))
    assert need is not None
    assert need.count == NEEDED


@pytest.mark.parametrize(
    "spoilt",
    [
        {"close": nan},
        {"high": 0.0},
        {"volume": -1.0},
        {"volume": 0.0},
        {"low": 1e9},
    ],
    ids=str,
)
def test_a_bar_that_cannot_be_is_kept_out_and_read_instead(spoilt):
    history = warm()
    history.closed(replace(BARS[NEEDED], **spoilt))
    assert drained(history) == []
    assert history.tally.faulty == 1
    assert str(BARS[NEEDED].open_time) in history.trouble
    now = at_close(NEEDED) + GRACE
    need = history.need(now)
    assert need is not None
    assert len(answered(history, need, now)) == 1
    assert history.trouble == ""


def test_a_minute_without_a_trade_is_a_bar():
    history = warm()
    still = BARS[NEEDED - 1].close
    history.closed(Bar(BARS[NEEDED].open_time, still, still, still, still, 0.0))
    assert len(drained(history)) == 1
    assert history.tally.faulty == 0


def test_a_hole_that_the_venue_has_too_starts_the_indicators_anew_and_no_score_counts_until_they_are_warm():
    history = warm()
    lost = {BARS[NEEDED].open_time, BARS[NEEDED + 1].open_time}
    for bar in BARS[NEEDED + 2 : NEEDED + 5]:
        history.closed(bar)
    now = at_close(NEEDED + 4)
    for _ in range(MISSES):
        need = history.need(now)
        assert need is not None
        made = answered(history, need, now, lost)
        now += 100 * SECOND
    assert history.tally.holes == 1
    assert [s.vetoes[0] for s in made] == ["warming_up"]
    assert not history.is_warm
    for bar in BARS[NEEDED + 5 : NEEDED + 150]:
        history.closed(bar)
        vetoes = [s.vetoes for s in drained(history)]
    assert "warming_up" in vetoes[0] or history.is_warm


def test_a_failed_read_is_repeated_later_and_later():
    history = History("BTCUSDT", QUICK)
    now = at_close(NEEDED)
    waits = []
    for _ in range(4):
        need = history.need(now)
        assert need is not None
        history.failed(need, "the venue is away", now)
        assert "the venue is away" in history.trouble
        began = now
        while history.need(now) is None:
            now += SECOND
        history._asked = None
        waits.append((now - began) // SECOND)
    assert waits == [RETRY // SECOND * 2**i for i in range(4)]


def test_an_answer_to_a_question_that_was_given_up_is_dropped():
    history = warm()
    history.closed(BARS[NEEDED + 2])
    need = history.need(at_close(NEEDED + 2))
    assert need is not None
    history.closed(replace(BARS[NEEDED - 1], volume=99.0))
    history.read(need, BARS[NEEDED : NEEDED + 2])
    assert drained(history) == []
    assert not history.is_live


def test_a_new_symbol_has_the_history_that_it_has():
    history = History("NEWUSDT", QUICK)
    now = at_close(20) + GRACE
    need = history.need(now)
    assert need is not None
    history.read(need, BARS[:21])
    made = drained(history, now)
    assert len(made) == 1
    assert "warming_up" in made[0].vetoes
    history.closed(BARS[21])
    assert len(drained(history)) == 1


@cache
def every_score() -> frozenset[str]:
    """Of each of the bars, by the line alone."""
    line = ScoreLine("BTCUSDT", QUICK)
    return frozenset(repr(line.push(b)) for b in BARS)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_whatever_the_order_doubles_and_losses_every_bar_is_taken_in_once_and_in_order(data):
    count = 40
    tail = BARS[NEEDED : NEEDED + count]
    lost = data.draw(st.sets(st.integers(0, count - 2), max_size=12))
    stream = [b for i, b in enumerate(tail) if i not in lost]
    swaps = data.draw(st.lists(st.integers(0, max(len(stream) - 2, 0)), max_size=8))
    for i in swaps:
        stream[i], stream[i + 1] = stream[i + 1], stream[i]
    doubled = [b for b in stream for _ in range(data.draw(st.sampled_from([1, 1, 1, 2])))]
    history = warm()
    made = []
    now = at_close(NEEDED)
    for bar in doubled:
        now = max(now, bar.open_time + MINUTE)
        history.closed(bar)
        made += drained(history, now)
        need = history.need(now)
        if need is not None:
            made += answered(history, need, now)
    now = at_close(NEEDED + count - 1) + 10 * GRACE
    while (need := history.need(now)) is not None:
        made += answered(history, need, now)
    assert history.expected == tail[-1].open_time + MINUTE
    assert history.tally.taken == NEEDED + count
    ats = [s.signal.at for s in made]
    assert ats == sorted(set(ats))
    assert set(map(repr, made)) <= every_score()


def test_an_interval_that_the_venue_does_not_serve_is_put_together_from_one_that_it_does():
    assert [served(n * MINUTE) for n in (1, 5, 7, 10, 60, 45)] == ["1m", "5m", "1m", "5m", "1h", "15m"]
    with pytest.raises(ValueError, match="multiple of 1m"):
        served(90 * SECOND)
    policy = ScorePolicy(interval=2 * MINUTE, higher=6 * MINUTE, periods=QUICK.periods, gate=QUICK.gate)
    history = History("BTCUSDT", policy)
    now = BARS[-1].open_time + MINUTE + GRACE
    need = history.need(now)
    assert need is not None
    assert need.count > 2 * 100
    made = answered(history, need, now)
    assert history.interval == "1m"
    assert all(s.signal.at % (2 * MINUTE) == 0 for s in made)
