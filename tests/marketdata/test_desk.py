"""All symbols together: what surrounds a score, and when data are too old to trade on."""

from decimal import Decimal
from math import isnan

from backstay.core.events import GateChanged
from backstay.core.types import SECOND
from backstay.marketdata.desk import ALL_AT_ONCE, LATE_BAR, QUOTE_FRESH, SILENCE, Desk
from backstay.marketdata.history import GRACE
from backstay.marketdata.news import NewsDesk
from backstay.signals.news import Headline, NewsWindow
from backstay.signals.policy import MINUTE

from tests.marketdata.test_history import BARS, NEEDED, T0, at_close
from tests.signals.test_score import QUICK

D = Decimal


def desk_of(*symbols: str, now: int = T0, **more) -> Desk:
    return Desk(dict.fromkeys(symbols, QUICK), now, **more)


def warmed(desk: Desk, symbol: str, now: int, count: int = NEEDED):
    """Serve the symbol's history up to bar `count - 1`; returns its scores."""
    made = []
    for need in desk.needs(now):
        rows = [b for b in BARS[:count] if need.start <= b.open_time < need.end]
        desk.read(need, rows)
        while desk.has_work(need.symbol):
            made += [s for s in desk.step(need.symbol, now) if need.symbol == symbol]
    return made


def test_a_score_holds_the_spread_the_funding_rate_and_the_news_of_its_moment():
    now = at_close(NEEDED - 1) + GRACE
    windows = (NewsWindow(name="rates", start=now - 3600 * SECOND, end=now + 60 * SECOND),)
    news = NewsDesk(windows)
    assert news.add([Headline(known_at=now - MINUTE, text="exchange hacked, funds stolen")]) == 1
    assert news.add([Headline(known_at=now, text="exchange hacked, funds stolen")]) == 0
    desk = desk_of("BTCUSDT", now=now, news=news)
    desk.mark("BTCUSDT", D("0.00031"), now)
    desk.quote("BTCUSDT", D("99.9"), D("100.1"), now)
    (score,) = warmed(desk, "BTCUSDT", now)
    inputs = {name: value for f in score.factors for name, value in f.inputs.items()}
    assert inputs["funding_rate"] == D("0.00031")
    assert inputs["spread"] == D(repr(float(D("0.2") * 2 / D(200))))
    assert score.news == "rates"
    assert "news_window" in score.vetoes
    assert inputs["news_pressure"] < 0


def test_what_is_not_known_or_too_old_is_unknown_and_no_guess():
    desk = desk_of("BTCUSDT", now=T0)
    assert isnan(desk.around("BTCUSDT", T0, T0).spread)
    assert isnan(desk.around("BTCUSDT", T0, T0).funding_rate)
    desk.quote("BTCUSDT", D(100), D(101), T0)
    assert not isnan(desk.around("BTCUSDT", T0, T0 + QUOTE_FRESH - 1).spread)
    assert isnan(desk.around("BTCUSDT", T0, T0 + QUOTE_FRESH).spread)
    desk.quote("BTCUSDT", D(0), D(0), T0 + 1)
    assert isnan(desk.around("BTCUSDT", T0, T0 + 2).spread)


def test_a_silent_symbol_is_stale_and_its_gate_opens_when_it_is_heard_again():
    desk = desk_of("BTCUSDT", "ETHUSDT")
    desk.mark("ETHUSDT", None, T0 + SILENCE)
    assert desk.gates(T0 + SILENCE) == []
    now = T0 + SILENCE + SECOND
    (shut,) = desk.gates(now)
    assert shut == GateChanged(
        gate="stale_data BTCUSDT", active=True, reason="nothing was heard of BTCUSDT for 16 s"
    )
    assert desk.gates(now) == []
    desk.mark("BTCUSDT", None, now)
    assert desk.gates(now) == [GateChanged(gate="stale_data BTCUSDT", active=False)]


def test_a_market_that_is_silent_altogether_is_one_gate():
    names = [f"S{i}USDT" for i in range(ALL_AT_ONCE + 1)]
    desk = desk_of(*names)
    now = T0 + SILENCE + SECOND
    (shut,) = desk.gates(now)
    assert shut.gate == "stale_data"
    assert shut.active
    assert "4 of 4 symbols" in shut.reason
    desk.mark(names[0], None, now)
    assert [(g.gate, g.active) for g in desk.gates(now)] == [
        ("stale_data S1USDT", True),
        ("stale_data S2USDT", True),
        ("stale_data S3USDT", True),
        ("stale_data", False),
    ]


def test_a_bar_that_neither_stream_nor_read_brings_makes_its_symbol_stale():
    now = at_close(NEEDED - 1) + GRACE
    desk = desk_of("BTCUSDT", now=now)
    assert warmed(desk, "BTCUSDT", now)
    late = BARS[NEEDED].open_time + MINUTE + LATE_BAR + SECOND
    desk.mark("BTCUSDT", None, late)
    (need,) = desk.needs(late)
    desk.failed(need, "HTTP 503", late)
    (shut,) = desk.gates(late)
    assert shut.gate == "stale_data BTCUSDT"
    assert "late" in shut.reason
    assert "HTTP 503" in shut.reason
    assert [s.stale for s in desk.status(late)] == [shut.reason]


def test_short_reads_come_before_long_ones():
    now = at_close(NEEDED - 1) + GRACE
    desk = desk_of("AUSDT", "BUSDT", now=now)
    (first, _) = desk.needs(now)
    desk.read(first, BARS[:NEEDED])
    while desk.has_work(first.symbol):
        desk.step(first.symbol, now)
    later = BARS[NEEDED].open_time + MINUTE + GRACE
    (gap,) = desk.needs(later)
    assert (gap.symbol, gap.count) == (first.symbol, 1)
