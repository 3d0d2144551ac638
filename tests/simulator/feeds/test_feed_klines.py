"""Bars become a market that is deterministic, stays inside the bars and says them back exactly."""

import gzip
import time
from collections import defaultdict
from decimal import Decimal
from itertools import islice, pairwise
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backstay.simulator.feeds.base import BarClose, FeedError, Mark, Quote, Trade, open_feed, read_funding
from backstay.simulator.feeds.grid import Grid
from backstay.simulator.feeds.klines import Bar, KlineFeed, intrabar_path, split_volume

T0 = 1_700_000_040_000  # ms, a whole minute
NS = 1_000_000
DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the recorded market data is not here")
ROWS = [
    (T0, 100.0, 101.5, 99.5, 101.0, 12.345),
    (T0 + 60_000, 101.0, 101.0, 101.0, 101.0, 0.0),
    (T0 + 120_000, 101.0, 103.2, 100.9, 100.9, 0.002),
    (T0 + 180_000, 100.9, 104.0, 90.0, 95.5, 900.0),
]
HEADER = "open_time,open,high,low,close,volume"


def csv(tmp_path: Path, rows=ROWS, header: str = HEADER, name: str = "BTCUSDT-1m.csv") -> Path:
    path = tmp_path / name
    text = "\n".join(filter(None, [header, *(",".join(map(str, row)) for row in rows)])) + "\n"
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


def replaced(index: int, column: int, value: object) -> list[tuple]:
    rows = [list(row) for row in ROWS]
    rows[index][column] = value
    return [tuple(row) for row in rows]


def test_the_same_seed_gives_the_same_ticks_and_another_seed_others(tmp_path):
    path = csv(tmp_path)
    first = list(KlineFeed(path, seed=1).ticks())
    assert first == list(KlineFeed(path, seed=1).ticks())
    assert first != list(KlineFeed(path, seed=2).ticks())


def test_skipping_changes_nothing_after_it(tmp_path):
    path = csv(tmp_path)
    late = [t for t in KlineFeed(path, seed=1, skip=60 * 10**9).ticks() if isinstance(t, Quote | Mark)]
    whole = [t for t in KlineFeed(path, seed=1).ticks() if isinstance(t, Quote | Mark)]
    assert late == [t for t in whole if t.at >= (T0 + 60_000) * NS]
    assert KlineFeed(path, seed=1, start=(T0 + 90_000) * NS).start_ns == (T0 + 120_000) * NS


@pytest.mark.parametrize("steps", [4, 5, 12, 60])
def test_trades_say_the_bars_back_exactly(tmp_path, steps):
    feed = KlineFeed(csv(tmp_path), seed=5, steps_per_bar=steps)
    ticks = list(feed.ticks())
    assert all(a.at <= b.at for a, b in pairwise(ticks))
    trades = defaultdict(list)
    for tick in ticks:
        if isinstance(tick, Trade):
            trades[(tick.at // NS - T0) // 60_000].append(tick)
    for minute, (at, opened, high, low, close, volume) in enumerate(ROWS):
        made = trades[minute]
        assert sum((t.qty for t in made), Decimal(0)) == Decimal(str(volume))
        if volume > 0.01:
            prices = [t.price for t in made]
            expected = [Decimal(str(value)) for value in (opened, high, low, close)]
            assert [prices[0], max(prices), min(prices), prices[-1]] == expected
        bar = next(t for t in ticks if isinstance(t, BarClose) and t.open_at == at * NS)
        assert (bar.at, bar.interval, bar.volume) == ((at + 60_000) * NS, "1m", Decimal(str(volume)))
        assert (bar.open, bar.high, bar.low, bar.close) == tuple(
            Decimal(str(value)) for value in (opened, high, low, close)
        )
    ids = [t.trade_id for made in trades.values() for t in made]
    assert ids == list(range(1, len(ids) + 1))


def test_everything_is_on_the_grid_and_trades_hit_the_touch(tmp_path):
    feed = KlineFeed(csv(tmp_path), seed=5)
    assert feed.grid == Grid(Decimal("0.10"), Decimal("0.001"))
    quote = None
    for tick in feed.ticks():
        if isinstance(tick, Quote):
            quote = tick
            assert 0 < tick.bid < tick.ask
            assert tick.bid_qty > 0 < tick.ask_qty
            assert not tick.bid % feed.grid.tick
            assert not tick.ask % feed.grid.tick
        elif isinstance(tick, Trade):
            assert tick.price == (quote.bid if tick.buyer_maker else quote.ask)
            assert tick.qty > 0
            assert not tick.qty % feed.grid.step
        elif isinstance(tick, Mark):
            assert abs(tick.mark / tick.index - 1) <= Decimal("0.00031")


def test_a_market_has_quote_and_mark_at_its_first_instant(tmp_path):
    feed = KlineFeed(csv(tmp_path), seed=5)
    first = list(islice(feed.ticks(), 3))
    assert {type(tick) for tick in first} == {Quote, Trade, Mark}
    assert {tick.at for tick in first} == {feed.start_ns}


def test_marks_come_at_most_once_a_second_and_at_every_open(tmp_path):
    ticks = KlineFeed(csv(tmp_path), seed=5, steps_per_bar=240).ticks()
    marks = [t.at for t in ticks if isinstance(t, Mark)]
    bar = 60 * 10**9
    assert all(b - a >= 10**9 or b % bar == 0 for a, b in pairwise(marks))
    assert len(marks) > 4 * 40


prices = st.integers(1, 10**7)


@settings(max_examples=200, deadline=None)
@given(st.tuples(prices, prices, prices, prices), st.integers(0, 10**9), st.integers(4, 60), st.randoms())
def test_any_bar_has_a_path_inside_it_that_visits_its_corners(corners, volume, steps, dice):
    low, *middle, high = sorted(corners)
    dice.shuffle(middle)
    bar = Bar(0, middle[0], high, low, middle[1], volume)
    drawn = dice.randbytes(8 * steps)
    path, turns = intrabar_path(bar, steps, drawn)
    assert len(path) == steps
    assert (path[0], path[-1], min(path), max(path)) == (bar.open, bar.close, low, high)
    near = high if high - bar.open <= bar.open - low else low
    assert path[turns[1]] == near
    parts = split_volume(volume, steps, turns, drawn)
    assert sum(parts) == volume
    assert min(parts) >= 0
    assert volume < 4 or all(parts[index] for index in turns)


SPELLINGS = [
    HEADER,
    "Open time,Open,High,Low,Close,Volume",
    "openTime,open,high,low,close,volume",
    "timestamp,o,h,l,c,v",
]


@pytest.mark.parametrize("header", SPELLINGS)
@pytest.mark.parametrize("name", ["BTCUSDT-1m.csv", "BTCUSDT-1m.csv.gz"])
def test_every_known_spelling_of_the_columns_reads_the_same(tmp_path, header, name):
    wanted = list(KlineFeed(csv(tmp_path), seed=1).ticks())
    assert list(KlineFeed(csv(tmp_path, header=header, name=name), seed=1).ticks()) == wanted


def test_the_archives_csv_without_header_and_in_microseconds_reads_the_same(tmp_path):
    wanted = [t for t in KlineFeed(csv(tmp_path), seed=1).ticks() if not isinstance(t, BarClose)]
    rows = [(row[0] * 1000, *row[1:], row[0] * 1000 + 59_999_999, "1.0", 77, "0", "0", "0") for row in ROWS]
    feed = KlineFeed(csv(tmp_path, rows=rows, header="", name="btcusdt.csv"), seed=1)
    assert [t for t in feed.ticks() if not isinstance(t, BarClose)] == wanted
    assert {t.trades for t in feed.ticks() if isinstance(t, BarClose)} == {77}


def test_parquet_reads_as_csv_does(tmp_path):
    path = tmp_path / "usdm_BTCUSDT_1m.parquet"
    pl.DataFrame(ROWS, schema=HEADER.split(","), orient="row").write_parquet(path)
    assert list(KlineFeed(path, seed=1).ticks()) == list(KlineFeed(csv(tmp_path), seed=1).ticks())


BAD = [
    (replaced(1, 0, T0), ["row 2", "open_time", "repeats", "Sort"]),
    (replaced(2, 0, T0 - 60_000), ["row 3", "open_time", "before", "Sort"]),
    (replaced(2, 0, "soon"), ["row 3", "open_time", "not a time"]),
    (replaced(3, 1, "NaN"), ["row 4", "'open'", "not a number"]),
    (replaced(3, 2, ""), ["row 4", "'high'", "not a number"]),
    (replaced(0, 3, 0), ["row 1", "'low'", "not positive"]),
    (replaced(0, 4, -3), ["row 1", "'close'", "not positive"]),
    (replaced(3, 5, -1), ["row 4", "'volume'", "negative"]),
    (replaced(0, 2, 99.0), ["row 1", "'high'", "below the low"]),
    (replaced(0, 1, 101.6), ["row 1", "'open'", "outside"]),
    (replaced(3, 4, 89.9), ["row 4", "'close'", "outside"]),
]


@pytest.mark.parametrize(("rows", "words"), BAD)
def test_bad_rows_are_named_with_file_row_column_and_advice(tmp_path, rows, words):
    with pytest.raises(FeedError) as caught:
        KlineFeed(csv(tmp_path, rows=rows), seed=1)
    for word in ["BTCUSDT-1m.csv", *words]:
        assert word in str(caught.value)


def test_missing_columns_are_all_named_in_one_error(tmp_path):
    with pytest.raises(
        FeedError, match=r"missing columns high, volume \(the file has open_time, open, low, c"
    ):
        KlineFeed(csv(tmp_path, rows=[(T0, 1, 1, 1)], header="open_time,open,low,close"), seed=1)


def test_files_that_cannot_be_read_are_one_clear_error(tmp_path):
    for name in ("BTCUSDT.parquet", "BTCUSDT.csv.gz"):
        path = tmp_path / name
        path.write_bytes(b"\x1f\x8bnot what the name says")
        with pytest.raises(FeedError, match=f"{name}.*fetch it again"):
            KlineFeed(path, seed=1)
    with pytest.raises(FeedError, match="there is no such file"):
        KlineFeed(tmp_path / "ETHUSDT.csv", seed=1)
    with pytest.raises(FeedError, match="no rows"):
        KlineFeed(csv(tmp_path, rows=[]), seed=1)
    with pytest.raises(FeedError, match="no header and 4 columns"):
        KlineFeed(csv(tmp_path, rows=[(T0, 1, 1, 1)], header=""), seed=1)
    with pytest.raises(FeedError, match="does not tell the symbol"):
        KlineFeed(csv(tmp_path, name="bars.csv"), seed=1)
    with pytest.raises(FeedError, match="after the last row"):
        KlineFeed(csv(tmp_path), seed=1, skip=10**15)
    with pytest.raises(FeedError, match="no interval of the venue"):
        KlineFeed(csv(tmp_path, rows=[ROWS[0], (T0 + 7_000, *ROWS[1][1:])]), seed=1)


def test_a_given_grid_must_fit_the_prices(tmp_path):
    with pytest.raises(FeedError, match=r"row 4.*'open'.*not a multiple of the tick 1"):
        KlineFeed(csv(tmp_path), seed=1, grid=Grid(Decimal(1), Decimal("0.001")))


def test_an_unknown_symbols_grid_is_that_of_its_data(tmp_path):
    feed = KlineFeed(csv(tmp_path, name="WXYZUSDT-1m.csv"), seed=1)
    assert feed.grid == Grid(Decimal("0.1"), Decimal("0.001"))


@needs_data
@pytest.mark.parametrize("path", sorted(DATA.glob("klines_1m/*")) + sorted(DATA.glob("raw*/*")), ids=str)
def test_every_recorded_file_reads_and_says_its_first_day_back(path):
    feed = KlineFeed(path, seed=3)
    printed: list[Trade] = []
    for tick in islice(feed.ticks(), 40_000):
        if isinstance(tick, Trade):
            printed.append(tick)
        elif isinstance(tick, BarClose):
            assert sum((trade.qty for trade in printed), Decimal(0)) == tick.volume
            if len(printed) >= 4:
                traded = [trade.price for trade in printed]
                assert (traded[0], traded[-1]) == (tick.open, tick.close)
                assert (max(traded), min(traded)) == (tick.high, tick.low)
            printed.clear()


@needs_data
def test_the_published_csv_and_the_recoded_parquet_are_the_same_market():
    one = KlineFeed(DATA / "raw_vision_csv/LINKUSDT-1m-2023-02.csv.gz", seed=3)
    other = KlineFeed(DATA / "klines_1m/usdm_LINKUSDT_1m_202302_full12col.parquet", seed=3)
    assert all(a == b for a, b in zip(islice(one.ticks(), 20_000), other.ticks(), strict=False))
    assert list(one.bars()) == list(other.bars())


@needs_data
def test_recorded_funding_is_told_by_the_marks():
    funding = read_funding(DATA / "funding/usdm_BTCUSDT_funding_20231201_20250602.parquet")
    path = DATA / "klines_1m/usdm_BTCUSDT_1m_20250504_20250602.parquet"
    marks = (t for t in KlineFeed(path, seed=3, funding=funding).ticks() if isinstance(t, Mark))
    seen = {(mark.next_funding_at, mark.funding_rate) for mark in islice(marks, 20_000)}
    assert len(seen) >= 3
    rows = pl.read_parquet(DATA / "funding/usdm_BTCUSDT_funding_20231201_20250602.parquet").rows()
    recorded = {(at // 1000 * 10**9, Decimal(f"{rate:.8f}")) for at, rate in rows}
    assert seen <= recorded


@needs_data
def test_a_month_of_minutes_expands_in_six_seconds_of_processor_time():
    path = DATA / "klines_1m/usdm_NEARUSDT_1m_202406_full12col.parquet"
    feed = open_feed(str(path), seed=1)
    began = time.thread_time()
    counted = sum(1 for _ in islice(feed.ticks(), 300_000))
    assert (time.thread_time() - began) * (43_200 * 37) / counted < 6
