"""Bars are exact on the grid, and the floats are those of the wire's digits."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.backtest.bars import BarsRefused, load
from backstay.simulator.feeds.ticks import FeedError

MINUTE_MS = 60_000
START = 1_767_225_600_000


def write(
    folder: Path, rows: list[tuple[int, str, str, str, str, str]], name: str = "BTCUSDT-1m.csv"
) -> Path:
    lines = ["open_time,open,high,low,close,volume", *(",".join(map(str, row)) for row in rows)]
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def row(i: int, price: str = "60000.1", volume: str = "1.5") -> tuple[int, str, str, str, str, str]:
    return START + i * MINUTE_MS, price, price, price, price, volume


@given(ticks=st.lists(st.integers(1, 9_999_999), min_size=2, max_size=30))
def test_a_price_becomes_the_float_that_its_digits_are(
    ticks: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    texts = [f"{t // 10}.{t % 10}" for t in ticks]
    path = write(tmp_path_factory.mktemp("bars"), [row(i, text) for i, text in enumerate(texts)])
    bars = load(path)
    assert bars.series.close.tolist() == [float(text) for text in texts]
    assert [str(bars.price(int(t))) for t in bars.close] == [str(bars.grid.tick * t) for t in ticks]


def test_recorded_bars_are_read_as_they_were_published(shared_data: Path) -> None:
    path = shared_data / "klines_1m" / "usdm_BTCUSDT_1m_20250504_20250602.parquet"
    table = pl.read_parquet(path)
    bars = load(path)
    assert len(bars) == 42_267
    for name in ("open", "high", "low", "close"):
        assert getattr(bars.series, name).tolist() == table[name].to_list()


def test_a_gap_is_refused_with_its_row(tmp_path: Path) -> None:
    path = write(tmp_path, [row(0), row(1), row(4), row(5)])
    with pytest.raises(
        BarsRefused, match=r"BTCUSDT-1m\.csv, row 3: gap, 2 bars are missing after 2026-01-01 00:01:00"
    ):
        load(path)


@pytest.mark.parametrize("rows", [[row(0), row(0)], [row(2), row(1)]])
def test_unordered_bars_are_refused(tmp_path: Path, rows: list[tuple[int, str, str, str, str, str]]) -> None:
    with pytest.raises(FeedError):
        load(write(tmp_path, rows))


def test_a_price_that_moved_without_volume_is_refused(tmp_path: Path) -> None:
    moved = (START + MINUTE_MS, "60000.1", "60010.1", "60000.1", "60010.1", "0")
    with pytest.raises(BarsRefused, match="no volume, and the price moved"):
        load(write(tmp_path, [row(0), moved, row(2)]))
