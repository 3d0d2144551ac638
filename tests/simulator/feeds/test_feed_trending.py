"""The trending market: legs that go one way, the same on every machine."""

from decimal import Decimal
from itertools import islice

import pytest

from backstay.simulator.feeds.base import FeedError, Mark, Quote, Trade
from backstay.simulator.feeds.trending import TrendingFeed

START = 1_767_571_200 * 1_000_000_000
MINUTE = 60 * 1_000_000_000


def closes(feed, minutes):
    """The last trade of each minute, first symbol."""
    found = {}
    for tick in islice(feed.ticks(), minutes * 60 * 3 * len(feed.symbols)):
        if isinstance(tick, Trade) and tick.symbol == feed.symbols[0]:
            found[(tick.at - START) // MINUTE] = tick.price
    return [found[i] for i in range(minutes)]


@pytest.mark.parametrize("first_up", [True, False])
def test_a_leg_goes_one_way_and_the_next_one_the_other(first_up):
    feed = TrendingFeed(("BTCUSDT",), seed=1, start_ns=START, leg_minutes=10, drift_bp=12, first_up=first_up)
    prices = closes(feed, 20)
    up, down = (slice(0, 10), slice(10, 20)) if first_up else (slice(10, 20), slice(0, 10))
    rising, falling = prices[up], prices[down]
    assert Decimal("1.005") < rising[-1] / rising[0] < Decimal("1.015")
    assert Decimal("0.99") < falling[-1] / falling[0] < Decimal("0.995")


def test_the_same_seed_is_the_same_market_and_every_second_has_a_quote_a_trade_and_a_mark():
    one, two = (TrendingFeed(("BTCUSDT", "ETHUSDT"), seed=4, start_ns=START) for _ in range(2))
    ticks = list(islice(one.ticks(), 600))
    assert ticks == list(islice(two.ticks(), 600))
    assert ticks != list(islice(TrendingFeed(("BTCUSDT", "ETHUSDT"), seed=5, start_ns=START).ticks(), 600))
    assert [type(t) for t in ticks[:6]] == [Quote, Trade, Mark] * 2
    assert [t.at for t in ticks] == sorted(t.at for t in ticks)
    for tick in ticks:
        if isinstance(tick, Quote):
            assert tick.bid < tick.ask


def test_what_makes_no_market_is_refused():
    with pytest.raises(FeedError, match="at least one symbol"):
        TrendingFeed((), seed=1, start_ns=START)
    with pytest.raises(FeedError, match="drift"):
        TrendingFeed(("BTCUSDT",), seed=1, start_ns=START, drift_bp=0)
