"""The synthetic market is seeded, endless, on the grid, and eventful."""

from collections import Counter, defaultdict
from decimal import Decimal
from itertools import islice, pairwise, takewhile

import pytest

from backstay.simulator.feeds.base import FeedError, Mark, Quote, Trade
from backstay.simulator.feeds.grid import Grid, profile_of
from backstay.simulator.feeds.synthetic import SyntheticFeed

START = 1_790_000_000_000_000_000
HOUR = 3_600_000_000_000


def market(seed: int = 1, symbols=("BTCUSDT", "ETHUSDT"), **more) -> SyntheticFeed:
    return SyntheticFeed(symbols, seed=seed, start_ns=START, **more)


def test_the_same_seed_gives_the_same_market_and_another_seed_another():
    first = list(islice(market().ticks(), 5_000))
    assert first == list(islice(market().ticks(), 5_000))
    assert first != list(islice(market(seed=2).ticks(), 5_000))


def test_a_known_market_stays_what_it_was():
    # a change here changes every seeded story: note it in the changelog
    quote, _, mark, *_ = (
        t for t in islice(market(symbols=("BTCUSDT",), seed=7).ticks(), 40) if not isinstance(t, Trade)
    )
    assert quote.at == START
    assert abs(quote.bid - profile_of("BTCUSDT").price) < 100
    assert mark.symbol == "BTCUSDT"


def test_another_symbol_beside_leaves_a_market_as_it_was():
    alone = islice(market(symbols=("ETHUSDT",)).ticks(), 2_000)
    beside = (t for t in market(symbols=("BTCUSDT", "ETHUSDT")).ticks() if t.symbol == "ETHUSDT")
    assert list(alone) == list(islice(beside, 2_000))


def test_two_hours_are_ordered_on_the_grid_and_eventful():
    ticks = list(takewhile(lambda t: t.at < START + 2 * HOUR, market(seed=4).ticks()))
    assert all(a.at <= b.at for a, b in pairwise(ticks))
    kinds = Counter(type(tick) for tick in ticks)
    assert 2 * 7200 * 2 * 0.6 < kinds[Quote] < 2 * 7200 * 2 * 1.4
    assert kinds[Trade] > kinds[Quote] / 2
    assert kinds[Mark] > 2 * 7200 * 0.7
    last: dict[str, Quote] = {}
    spreads, traded, silences = set(), defaultdict(list), 0
    for tick in ticks:
        grid = profile_of(tick.symbol).grid
        if isinstance(tick, Quote):
            assert 0 < tick.bid < tick.ask
            assert not tick.bid % grid.tick
            assert not tick.ask_qty % grid.step
            silences += tick.symbol in last and tick.at - last[tick.symbol].at > 3 * 10**9
            last[tick.symbol] = tick
            spreads.add((tick.ask - tick.bid) / grid.tick)
        elif isinstance(tick, Trade):
            assert tick.price == (last[tick.symbol].bid if tick.buyer_maker else last[tick.symbol].ask)
            assert tick.qty >= grid.step
            traded[tick.symbol].append(tick)
    assert len(spreads) > 10
    assert silences >= 1
    for symbol, trades in traded.items():
        prices = [trade.price for trade in trades]
        assert max(prices) / min(prices) > Decimal("1.005")
        assert max(prices) / min(prices) < Decimal("1.5")
        moves = [abs(b / a - 1) for a, b in pairwise(prices)]
        assert max(moves) > Decimal("0.0015"), f"{symbol} never jumped"
        assert [t.trade_id for t in trades] == list(range(1, len(trades) + 1))


def test_markets_move_together_a_little():
    minutes: dict[str, dict[int, Decimal]] = defaultdict(dict)
    for tick in takewhile(lambda t: t.at < START + 12 * HOUR, market(rate=1).ticks()):
        if isinstance(tick, Trade):
            minutes[tick.symbol][(tick.at - START) // (10**9 * 20)] = tick.price
    shared = sorted(minutes["BTCUSDT"].keys() & minutes["ETHUSDT"].keys())
    pairs = [
        tuple(float(minutes[s][b] / minutes[s][a] - 1) for s in ("BTCUSDT", "ETHUSDT"))
        for a, b in pairwise(shared)
    ]
    same = sum(x * y > 0 for x, y in pairs) / sum(x * y != 0 for x, y in pairs)
    assert 0.51 < same < 0.75


def test_rate_grid_and_price_are_settings():
    grid = Grid(Decimal("0.5"), Decimal("0.25"))
    feed = market(symbols=("XUSDT",), grids={"XUSDT": grid}, prices={"XUSDT": Decimal(1000)}, rate=20)
    ticks = list(takewhile(lambda t: t.at < START + 60 * 10**9, feed.ticks()))
    assert 700 < sum(isinstance(t, Quote) for t in ticks) < 1700
    assert all(not t.price % grid.tick and not t.qty % grid.step for t in ticks if isinstance(t, Trade))
    assert {t.at for t in ticks[:1]} == {START}


@pytest.mark.parametrize(
    "bad",
    [
        {"symbols": ()},
        {"symbols": ("A", "A")},
        {"rate": 0},
        {"volatility_bp": -1},
    ],
)
def test_impossible_settings_are_refused(bad):
    with pytest.raises(FeedError, match=r"[Gg]ive"):
        market(**bad)


def test_a_price_too_small_for_its_tick_is_refused():
    with pytest.raises(FeedError, match="under 100 ticks"):
        next(market(prices={"BTCUSDT": Decimal(1)}).ticks())
