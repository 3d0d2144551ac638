"""Recorded frames and trades come out as they were, in venue time."""

import gzip
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest

from backstay.simulator.feeds.base import FeedError, Mark, Quote, Trade, open_feed
from backstay.simulator.feeds.grid import Grid
from backstay.simulator.feeds.recorded import FrameFeed, TradeFeed

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the recorded market data is not here")

BOOK = (
    '{"stream":"btcusdt@bookTicker","data":'
    '{"e":"bookTicker","u":1,"s":"BTCUSDT","b":"10.1","B":"2","a":"10.2","A":"3","T":2000,"E":2000}}'
)
TRADE = (
    '{"stream":"btcusdt@trade","data":'
    '{"e":"trade","E":2001,"T":2001,"s":"BTCUSDT","t":7,"p":"10.2","q":"1.5","X":"MARKET","m":false}}'
)
AGG = '{"e":"aggTrade","E":2002,"T":2002,"s":"BTCUSDT","a":8,"p":"10.1","q":"1","f":1,"l":1,"m":true}'
FUND = '{"e":"trade","E":2001,"T":2001,"s":"BTCUSDT","t":9,"p":"0","q":"0","X":"INSURANCE_FUND","m":false}'
MARK = '{"e":"markPriceUpdate","E":2003,"s":"BTCUSDT","p":"10.15","i":"10.16","r":"0.0002","T":9000}'
DEPTH = '{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","b":[["1","2"]],"a":[]}}'


def recording(tmp_path: Path, *frames: str, name: str = "usdm_btcusdt_x.jsonl.gz") -> Path:
    path = tmp_path / name
    text = "".join(f"{1_000_000_000 + index * 1_000_000} {frame}\n" for index, frame in enumerate(frames))
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


@pytest.mark.parametrize("name", ["btcusdt.jsonl.gz", "btcusdt.jsonl"])
def test_frames_become_ticks_in_venue_time_and_depth_is_passed_over(tmp_path, name):
    feed = open_feed(str(recording(tmp_path, DEPTH, BOOK, TRADE, FUND, AGG, MARK, TRADE, name=name)), seed=1)
    quote, derived, trade, aggregate, mark, last = feed.ticks()
    assert quote == Quote(2_000_000_000, "BTCUSDT", Decimal("10.1"), Decimal(2), Decimal("10.2"), Decimal(3))
    assert isinstance(derived, Mark)
    assert trade == Trade(2_001_000_000, "BTCUSDT", Decimal("10.2"), Decimal("1.5"), False, 7)
    assert (aggregate.trade_id, aggregate.buyer_maker) == (8, True)
    assert mark == Mark(
        2_004_000_000, "BTCUSDT", Decimal("10.15"), Decimal("10.16"), Decimal("0.0002"), 9_000_000_000
    )
    assert isinstance(last, Trade)


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        ("{", "row 2: not `<local ns> <json object>`"),
        (TRADE.replace('"p":"10.2"', '"p":"ten"'), "row 2"),
        (TRADE.replace('"p":"10.2",', ""), "row 2: a frame without valid 'p'"),
        (TRADE.replace("1.5", "-1"), "row 2: a trade of -1"),
        (BOOK.replace("10.1", "10.3"), "row 2: bid 10.3 and ask 10.2 are no book"),
        (TRADE.replace("10.2", "10.25"), "row 2: 10.25 is not a multiple of 0.1"),
    ],
)
def test_a_bad_frame_is_named_by_file_and_line(tmp_path, frame, words):
    feed = FrameFeed(recording(tmp_path, BOOK, frame), seed=1, grid=Grid(Decimal("0.1"), Decimal("0.001")))
    with pytest.raises(FeedError) as caught:
        list(feed.ticks())
    assert words in str(caught.value)
    assert "usdm_btcusdt_x.jsonl.gz" in str(caught.value)


def test_lines_out_of_order_truncated_files_and_absent_symbols_are_refused(tmp_path):
    path = tmp_path / "btcusdt.jsonl"
    path.write_text(f"5000 {BOOK}\n4000 {TRADE}\n")
    with pytest.raises(FeedError, match="row 2: comes before"):
        list(FrameFeed(path, seed=1).ticks())
    whole = recording(tmp_path, *[BOOK, TRADE] * 3000)
    whole.write_bytes(whole.read_bytes()[:-20])
    with pytest.raises(FeedError, match="cannot be read further"):
        list(FrameFeed(whole, seed=1).ticks())
    with pytest.raises(FeedError, match="no quote or trade of ETHUSDT"):
        list(FrameFeed(recording(tmp_path, BOOK), seed=1, symbol="ETHUSDT").ticks())
    with pytest.raises(FeedError, match="holds no frames"):
        FrameFeed(recording(tmp_path), seed=1)


@needs_data
@pytest.mark.parametrize(("kind", "quotes", "trades"), [("usdm", 66_089, 21_313), ("spot", 28_040, 9_757)])
def test_the_recorded_capture_is_read_whole_and_in_order(kind, quotes, trades):
    feed = open_feed(str(DATA / f"ticks/{kind}_btcusdt_20240808_depth_bbo_trade.jsonl.gz"), seed=1)
    ticks = list(feed.ticks())
    assert sum(isinstance(tick, Quote) for tick in ticks) == quotes
    assert sum(isinstance(tick, Trade) for tick in ticks) == trades
    assert all(a.at <= b.at for a, b in pairwise(ticks))
    # the capture's local clock runs about 1.3 s behind the venue
    assert abs(ticks[0].at - 1_723_161_255_000_000_000) < 3 * 10**9
    skipped = FrameFeed(
        DATA / f"ticks/{kind}_btcusdt_20240808_depth_bbo_trade.jsonl.gz", seed=1, skip=300 * 10**9
    )
    assert next(skipped.ticks()).at - feed.start_ns >= 300 * 10**9


@needs_data
def test_recorded_trades_hit_the_touch_of_the_quote_before_them():
    feed = open_feed(str(DATA / "ticks/spot_btcusdt_trades_20210108.parquet"), seed=1)
    ticks = [tick for tick in feed.ticks() if not isinstance(tick, Mark)]
    assert len(ticks) == 2 * 2001
    for quote, trade in zip(ticks[::2], ticks[1::2], strict=True):
        assert trade.price == (quote.bid if trade.buyer_maker else quote.ask)
    assert ticks[1].trade_id == 553287559
    assert ticks[1].price == Decimal("39432.48")


def test_a_bad_table_of_trades_is_named_by_row_and_column(tmp_path):
    path = tmp_path / "btcusdt_trades.parquet"
    good = {
        "time": [1000, 2000],
        "id": [1, 2],
        "price": [1.5, 1.6],
        "qty": [1.0, 2.0],
        "is_buyer_maker": [True, False],
    }
    pl.DataFrame(good).write_parquet(path)
    assert len(list(TradeFeed(path, seed=1).ticks())) == 6
    for change, words in [
        ({"price": [1.5, 0.0]}, "row 2, column 'price'"),
        ({"time": [2000, 1000]}, "row 2, column 'timestamp'"),
        ({"id": [1, None]}, "row 2, column 'trade_id'"),
    ]:
        pl.DataFrame(good | change).write_parquet(path)
        with pytest.raises(FeedError, match=words):
            TradeFeed(path, seed=1)
    pl.DataFrame({"time": [1], "price": [1.0]}).write_parquet(path)
    with pytest.raises(FeedError, match="missing columns trade_id, quantity, buyer_maker"):
        TradeFeed(path, seed=1)
