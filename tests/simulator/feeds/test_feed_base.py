"""Feeds are opened by a word or a path, moved in time, and merged."""

import subprocess
import sys
from decimal import Decimal
from itertools import islice, pairwise

import pytest

from backstay.simulator.feeds.base import FeedError, Mark, Quote, merged, open_feed, paced
from backstay.simulator.feeds.synthetic import SyntheticFeed

START = 1_790_000_000_000_000_000
T0 = 1_700_000_040_000


def bars(tmp_path, name):
    path = tmp_path / name
    rows = "".join(f"{T0 + 60_000 * i},100.0,101.0,99.0,100.5,5.0\n" for i in range(5))
    path.write_text("open_time,open,high,low,close,volume\n" + rows)
    return str(path)


def test_paced_moves_and_stretches_time_and_funding(tmp_path):
    raw = open_feed(bars(tmp_path, "BTCUSDT.csv"), seed=1)
    assert paced(raw, start_ns=raw.start_ns) is raw
    fast = paced(raw, start_ns=START, speed=Decimal("2.5"))
    for before, after in zip(raw.ticks(), fast.ticks(), strict=True):
        assert after.at == START + (before.at - raw.start_ns) * 2 // 5
        assert type(before) is type(after)
        if isinstance(before, Mark):
            assert after.next_funding_at == START + (before.next_funding_at - raw.start_ns) * 2 // 5
            assert (after.mark, after.funding_rate) == (before.mark, before.funding_rate)
    assert fast.symbols == ("BTCUSDT",)


@pytest.mark.parametrize("speed", [0, -1, Decimal("NaN")])
def test_paced_refuses_an_impossible_speed(tmp_path, speed):
    with pytest.raises(FeedError, match="Give a number above 0"):
        paced(open_feed(bars(tmp_path, "BTCUSDT.csv"), seed=1), start_ns=0, speed=speed)


def test_several_files_are_one_market_by_time(tmp_path):
    spec = f"{bars(tmp_path, 'BTCUSDT.csv')},{bars(tmp_path, 'ETHUSDT.csv')}"
    feed = open_feed(spec, seed=1, start_ns=START)
    ticks = list(feed.ticks())
    assert feed.symbols == ("BTCUSDT", "ETHUSDT")
    assert {tick.symbol for tick in ticks} == {"BTCUSDT", "ETHUSDT"}
    assert all(a.at <= b.at for a, b in pairwise(ticks))
    assert ticks[0].at == START == feed.start_ns
    with pytest.raises(FeedError, match="BTCUSDT comes from more than one feed"):
        open_feed(f"{spec},{bars(tmp_path, 'BTCUSDT-2.csv')}", seed=1)
    with pytest.raises(FeedError, match="no feed to merge"):
        merged([])


def test_open_feed_by_word_path_and_symbol(tmp_path):
    synthetic = open_feed("synthetic", seed=1, symbols=["SOLUSDT"], start_ns=START)
    assert isinstance(synthetic, SyntheticFeed)
    assert isinstance(next(iter(synthetic.ticks())), Quote)
    unnamed = open_feed(bars(tmp_path, "bars.csv"), seed=1, symbols=["BTCUSDT"])
    assert unnamed.symbols == ("BTCUSDT",)
    skipped = open_feed(bars(tmp_path, "BTCUSDT.csv"), seed=1, start_ns=START, skip=120 * 10**9)
    assert (skipped.start_ns, next(iter(skipped.ticks())).at) == (START, START)
    for spec, symbols, words in [
        ("synthetic", [], "needs symbols"),
        ("live", [], "needs symbols"),
        (str(tmp_path / "no.csv"), ["BTCUSDT"], "there is no such file"),
        (bars(tmp_path, "BTCUSDT.txt"), [], "kind of file"),
        (bars(tmp_path, "BTCUSDT.csv"), ["ETHUSDT"], "holds BTCUSDT, but ETHUSDT is wanted"),
        (bars(tmp_path, "bars.csv"), [], "does not tell the symbol"),
    ]:
        with pytest.raises(FeedError, match=words):
            open_feed(spec, seed=1, symbols=symbols)


def test_ticks_begin_afresh_at_every_call(tmp_path):
    feed = open_feed(bars(tmp_path, "BTCUSDT.csv"), seed=1, start_ns=START)
    assert list(islice(feed.ticks(), 20)) == list(islice(feed.ticks(), 20))


def test_importing_the_feeds_imports_no_heavy_library():
    heavy = "{'polars', 'picows', 'numpy'}"
    code = f"import sys, backstay.simulator.feeds.base; print(sorted({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
