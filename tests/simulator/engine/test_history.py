"""A market's made-up past: bars without a hole that lead to its first price."""

import itertools
from decimal import Decimal

from backstay.simulator.engine import Engine
from backstay.simulator.feeds.trending import TrendingFeed
from backstay.simulator.settings import EngineSettings
from backstay.simulator.specs import default_specs

START = 1_767_571_230 * 1_000_000_000
MINUTE_MS = 60_000
SPECS = [s for s in default_specs() if s.symbol == "ETHUSDT"]


def venue(minutes, seed=1):
    settings = EngineSettings(history_minutes=minutes, klines_kept=minutes + 100)
    feed = TrendingFeed(("ETHUSDT",), seed=1, start_ns=START)
    engine = Engine(feed, SPECS, start_ns=START, seed=seed, settings=settings)
    engine.advance(START + 5 * 1_000_000_000)
    return engine


def rows(engine, interval="1m", **params):
    asked = {"symbol": "ETHUSDT", "interval": interval, "limit": "1500", **params}
    return engine.call(None, "GET /fapi/v1/klines", asked, engine.now)


def test_the_past_ends_where_the_market_begins():
    found = rows(venue(1000))
    opened = [row[0] for row in found]
    assert len(found) == 1001
    assert opened == list(range(opened[0], opened[0] + 1001 * MINUTE_MS, MINUTE_MS))
    *past, running = found
    assert past[-1][4] == running[1]
    tick = SPECS[0].tick
    for row in past:
        first, high, low, last, volume = (Decimal(x) for x in row[1:6])
        assert low <= min(first, last) <= max(first, last) <= high
        assert all(p % tick == 0 for p in (first, high, low, last))
        assert volume > 0
    for one, two in itertools.pairwise(past):
        assert one[4] == two[1], "a bar begins where the one before ended"


def test_a_long_past_stays_near_and_every_seed_has_its_own():
    found = rows(venue(14_000), interval="15m", limit="1000")
    prices = [Decimal(row[4]) for row in found]
    assert max(prices) < 3 * min(prices)
    assert rows(venue(50)) == rows(venue(50))
    assert rows(venue(50)) != rows(venue(50, seed=2))


def test_without_the_setting_the_history_begins_with_the_market():
    assert len(rows(venue(0))) == 1
