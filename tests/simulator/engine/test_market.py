"""Public queries and market streams."""

from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise

import pytest

from backstay.simulator.feeds.ticks import BarClose
from backstay.simulator.specs import default_specs, synthetic_specs

from tests.simulator.engine.desk import SECOND, START, Desk, mark, quote, refused, trade

D = Decimal
MINUTE = 60 * SECOND


def fed(*ticks, **more):
    desk = Desk(ticks=ticks, **more)
    desk.engine.advance(START)
    return desk


def test_exchange_info_lists_every_symbol_with_all_filters():
    info = Desk().call("GET /fapi/v1/exchangeInfo", account=None, symbol="BTCUSDT")
    names = [s["symbol"] for s in info["symbols"]]
    assert {"BTCUSDT", "ETHUSDT", "SOLUSDT", "LINKUSDT", "NEARUSDT", "DOTUSDT", "XRPUSDT", "BNBUSDT"} <= set(
        names
    )
    btc = info["symbols"][names.index("BTCUSDT")]
    kinds = [f["filterType"] for f in btc["filters"]]
    assert kinds == [
        "PRICE_FILTER",
        "LOT_SIZE",
        "MARKET_LOT_SIZE",
        "MAX_NUM_ORDERS",
        "MIN_NOTIONAL",
        "PERCENT_PRICE",
        "POSITION_RISK_CONTROL",
    ]
    assert "MAX_NUM_ALGO_ORDERS" not in kinds
    filters = {f["filterType"]: f for f in btc["filters"]}
    assert filters["PRICE_FILTER"]["tickSize"] == "0.10"
    assert filters["MIN_NOTIONAL"]["notional"] == "50"
    assert (btc["triggerProtect"], btc["liquidationFee"], btc["marketTakeBound"]) == (
        "0.0500",
        "0.012500",
        "0.05",
    )
    assert [(r["interval"], r["limit"]) for r in info["rateLimits"]] == [
        ("MINUTE", 2400),
        ("MINUTE", 1200),
        ("SECOND", 300),
    ]


@pytest.mark.parametrize("spec", [*default_specs(), *synthetic_specs(6)], ids=lambda s: s.symbol)
def test_every_spec_is_consistent(spec):
    assert spec.price % spec.tick == 0
    assert spec.min_price % spec.tick == 0
    assert spec.min_qty % spec.step == 0
    assert spec.min_price < spec.price < spec.max_price
    assert [b.floor for b in spec.brackets[1:]] == [b.cap for b in spec.brackets[:-1]]
    levers = [b.leverage for b in spec.brackets]
    assert levers == sorted(levers, reverse=True)


def test_specs_must_be_unique_and_cover_the_feed():
    with pytest.raises(ValueError, match="same symbol"):
        Desk(specs=(*default_specs(), default_specs()[0]))
    with pytest.raises(ValueError, match="TENUSDT"):
        Desk(ticks=[trade(0, "100")], specs=default_specs())


def test_depth_is_deterministic_sorted_and_limited():
    desk = Desk()
    book = desk.call("GET /fapi/v1/depth", symbol="TENUSDT", limit=20)
    assert book == desk.call("GET /fapi/v1/depth", symbol="TENUSDT", limit=20)
    bids, asks = ([D(p) for p, _ in book[side]] for side in ("bids", "asks"))
    assert bids == sorted(bids, reverse=True)
    assert asks == sorted(asks)
    assert len(bids) == len(asks) == 20
    assert bids[0] < asks[0]
    with refused(-4021):
        desk.call("GET /fapi/v1/depth", symbol="TENUSDT", limit=3)


def test_tickers_follow_the_market():
    desk = fed(trade(0, "100"), quote(1, "100.90", "101.10"), trade(2, "101", "3"), mark(3, "101.05"))
    desk.after(5)
    call = desk.call
    assert call("GET /fapi/v1/ticker/price", symbol="TENUSDT")["price"] == "101.00"
    assert call("GET /fapi/v2/ticker/price", symbol="TENUSDT")["price"] == "101.00"
    book = call("GET /fapi/v1/ticker/bookTicker", symbol="TENUSDT")
    assert (book["bidPrice"], book["askPrice"]) == ("100.90", "101.10")
    premium = call("GET /fapi/v1/premiumIndex", symbol="TENUSDT")
    assert (premium["markPrice"], premium["lastFundingRate"]) == ("101.05000000", "0.00010000")
    day = call("GET /fapi/v1/ticker/24hr", symbol="TENUSDT")
    assert (day["openPrice"], day["highPrice"], day["volume"], day["count"]) == ("100.00", "101.00", "4.0", 2)
    assert len(call("GET /fapi/v1/ticker/price")) == len(desk.engine.specs)
    assert call("GET /fapi/v1/aggTrades", symbol="TENUSDT", limit=1)[0]["p"] == "101.00"
    assert call("GET /fapi/v1/trades", symbol="TENUSDT")[-1]["qty"] == "3.0"
    assert call("GET /fapi/v1/time")["serverTime"] == desk.engine.now // 1_000_000
    assert call("GET /fapi/v1/ping") == {}


def test_klines_are_built_from_trades_and_gaps_are_flat():
    base = START - START % MINUTE
    offset = (START - base) // SECOND
    second_minute = 60 - offset + 1
    desk = fed(trade(0, "100"), trade(1, "103", "2"), trade(2, "99"), trade(second_minute + 120, "105"))
    desk.after(second_minute + 130)
    rows = desk.call("GET /fapi/v1/klines", symbol="TENUSDT", interval="1m")
    assert rows[0][1:5] == ["100.00", "103.00", "99.00", "99.00"]
    assert rows[0][5] == "4.0"
    assert rows[1][1:5] == ["99.00"] * 4
    assert rows[-1][4] == "105.00"
    assert [r[0] for r in rows] == [base // 1_000_000 + n * 60_000 for n in range(len(rows))]
    assert all(r[6] == r[0] + 59_999 for r in rows)
    hour = desk.call("GET /fapi/v1/klines", symbol="TENUSDT", interval="1h")
    assert sum(D(r[5]) for r in hour) == 5
    assert len(desk.call("GET /fapi/v1/klines", symbol="TENUSDT", interval="1m", limit=1)) == 1
    with refused(-1120):
        desk.call("GET /fapi/v1/klines", symbol="TENUSDT", interval="1s")
    with refused(-1130):
        desk.call("GET /fapi/v1/klines", symbol="TENUSDT", interval="1m", limit=2000)
    for path, name in (
        ("markPriceKlines", "symbol"),
        ("indexPriceKlines", "pair"),
        ("continuousKlines", "pair"),
    ):
        assert desk.call(f"GET /fapi/v1/{path}", interval="1m", **{name: "TENUSDT"})
    premium = desk.call("GET /fapi/v1/premiumIndexKlines", symbol="TENUSDT", interval="1m")
    assert premium[-1][4] == "0.00000000"


def test_a_recorded_bar_replaces_the_one_built_from_its_path():
    base = START - START % MINUTE
    end = base + MINUTE
    bar = BarClose(end, "TENUSDT", "1m", base, D(100), D(109), D(91), D(101), D(77), 500)
    desk = fed(trade(0, "100"), bar)
    desk.after(90)
    row = desk.call("GET /fapi/v1/klines", symbol="TENUSDT", interval="1m")[0]
    assert (row[1:6], row[8]) == (["100.00", "109.00", "91.00", "101.00", "77.0"], 500)


def streamed(desk, seconds):
    out = []
    for _ in range(seconds):
        desk.after(1)
        out += desk.engine.take_market_events()
    return out


def test_only_wanted_streams_speak():
    desk = fed(trade(0, "100"), quote(1, "100", "100.02"), trade(2, "101"))
    assert streamed(desk, 5) == []
    assert desk.engine.next_at() is not None


def test_market_streams():
    ticks = [
        t for n in range(0, 130, 2) for t in (quote(n, f"{100 + n % 4}", f"{101 + n % 4}"), trade(n, "101"))
    ]
    desk = fed(*ticks)
    desk.engine.wanted |= {
        "tenusdt@aggTrade",
        "tenusdt@bookTicker",
        "tenusdt@markPrice",
        "tenusdt@markPrice@1s",
        "!markPrice@arr",
        "tenusdt@kline_1m",
        "tenusdt@miniTicker",
        "tenusdt@ticker",
        "tenusdt@depth5",
        "tenusdt@depth@100ms",
    }
    events = streamed(desk, 125)
    by_name = {}
    for name, payload in events:
        by_name.setdefault(name, []).append(payload)
    assert set(by_name) == desk.engine.wanted
    assert len(by_name["tenusdt@markPrice@1s"]) == 125
    assert 41 <= len(by_name["tenusdt@markPrice"]) <= 42
    agg, book = by_name["tenusdt@aggTrade"][0], by_name["tenusdt@bookTicker"][0]
    assert (agg["e"], agg["p"], agg["nq"], agg["st"]) == ("aggTrade", "101.00", "1.0", 1)
    assert set(book) == {"e", "u", "E", "T", "s", "ps", "b", "B", "a", "A", "st"}
    price = by_name["tenusdt@markPrice"][0]
    assert set(price) == {"e", "E", "s", "p", "i", "P", "r", "ap", "T", "st"}
    bars = [p["k"] for p in by_name["tenusdt@kline_1m"]]
    closed = [k for k in bars if k["x"]]
    assert [b["t"] - a["t"] for a, b in pairwise(closed)] == [60_000] * (len(closed) - 1)
    assert len(closed) == 2
    diffs = by_name["tenusdt@depth@100ms"]
    assert all(b["pu"] == a["u"] for a, b in pairwise(diffs))
    assert all(d["U"] <= d["u"] for d in diffs)
    assert len(by_name["tenusdt@depth5"][0]["b"]) == 5


def test_a_local_book_built_from_differences_equals_the_snapshot():
    ticks = [
        quote(n, f"{100 + n * 7 % 5 / 100:.2f}", f"{100 + n * 7 % 5 / 100 + 0.03:.2f}") for n in range(1, 20)
    ]
    desk = fed(*ticks)
    desk.engine.wanted.add("tenusdt@depth")
    bids = {}
    for _, payload in streamed(desk, 21):
        bids.update(payload["b"])
    live = {p: q for p, q in bids.items() if D(q)}
    snapshot = dict(desk.call("GET /fapi/v1/depth", symbol="TENUSDT", limit=50)["bids"])
    assert live == snapshot


def test_the_engine_says_when_it_wants_to_be_told_the_time_again():
    desk = Desk(ticks=[trade(4, "100")])
    assert desk.engine.next_at() == START + 4 * SECOND
    desk.after(5)
    funding = desk.engine._world.markets["TENUSDT"].next_funding
    assert desk.engine.next_at() == funding
    desk.engine.wanted.add("tenusdt@markPrice@1s")
    assert desk.engine.next_at() <= desk.engine.now + SECOND
    desk.engine.wanted = set()
    desk.call("POST /fapi/v1/countdownCancelAll", symbol="TENUSDT", countdownTime=3000)
    assert desk.engine.next_at() == desk.engine.now + 3 * SECOND


def test_time_does_not_run_backwards():
    desk = Desk()
    desk.after(10)
    later = desk.engine.now
    desk.engine.advance(START)
    assert desk.engine.now == later


def test_a_changed_filter_holds_at_once_and_is_told():
    desk = Desk()
    desk.engine.wanted.add("!contractInfo")
    desk.engine.change_spec("TENUSDT", desk.engine.now, tick=D("0.05"))
    with refused(-4014):
        desk.place(price="90.01", quantity="1")
    assert desk.engine.take_market_events()[0][1]["e"] == "contractInfo"


def test_small_public_answers():
    desk = Desk()
    assert desk.call("GET /fapi/v1/openInterest", symbol="TENUSDT")["openInterest"] == "0.0"
    assert desk.call("GET /fapi/v1/symbolAdlRisk", symbol="TENUSDT")["adlRisk"] == "low"
    assert desk.call("GET /fapi/v1/tradingSchedule")["marketSchedules"] == {}
    assert desk.call("GET /fapi/v1/fundingInfo") == []
    quantile = desk.call("GET /fapi/v1/adlQuantile", symbol="TENUSDT")
    assert set(quantile["adlQuantile"]) == {"LONG", "SHORT", "BOTH"}


def test_history_begins_with_the_feed_and_not_with_the_price_of_the_spec():
    desk = fed(trade(0, "250"), trade(1, "251"))
    desk.after(2)
    row = desk.call("GET /fapi/v1/klines", symbol="TENUSDT", interval="1m")[0]
    assert row[1:5] == ["250.00", "251.00", "250.00", "251.00"]
    assert desk.call("GET /fapi/v1/ticker/24hr", symbol="TENUSDT")["lowPrice"] == "250.00"
    mark_row = desk.call("GET /fapi/v1/markPriceKlines", symbol="TENUSDT", interval="1m")[0]
    assert D(mark_row[3]) == 250


def test_a_trade_outside_the_quote_takes_the_book_with_it():
    desk = fed(quote(0, "99.90", "100.10"), trade(1, "99.00"), trade(2, "101.00", buyer_maker=False))
    desk.after(1)
    book = desk.call("GET /fapi/v1/ticker/bookTicker", symbol="TENUSDT")
    assert (book["bidPrice"], book["askPrice"]) == ("99.00", "99.20")
    desk.after(1)
    book = desk.call("GET /fapi/v1/ticker/bookTicker", symbol="TENUSDT")
    assert (book["bidPrice"], book["askPrice"]) == ("100.80", "101.00")


@pytest.mark.parametrize("interval", ["1w", "1M", "3d", "12h"])
def test_long_bars_open_where_the_calendar_says(interval):
    desk = fed(trade(0, "100"))
    desk.after(10)
    (row,) = desk.call("GET /fapi/v1/klines", symbol="TENUSDT", interval=interval)
    opened = datetime.fromtimestamp(row[0] / 1000, UTC)
    assert (opened.hour % 12, opened.minute) == (0, 0)
    if interval == "1w":
        assert opened.weekday() == 0
    if interval == "1M":
        assert opened.day == 1
        assert datetime.fromtimestamp((row[6] + 1) / 1000, UTC).day == 1


def test_aggregate_trades_by_id_and_by_window():
    desk = fed(*(trade(n, "100") for n in range(5)))
    desk.after(5)
    rows = desk.call("GET /fapi/v1/aggTrades", symbol="TENUSDT")
    assert desk.call("GET /fapi/v1/aggTrades", symbol="TENUSDT", fromId=rows[3]["a"]) == rows[3:]
    times = {"startTime": rows[1]["T"], "endTime": rows[2]["T"]}
    assert desk.call("GET /fapi/v1/aggTrades", symbol="TENUSDT", **times) == rows[1:3]
    with refused(-4165):
        desk.call("GET /fapi/v1/aggTrades", symbol="TENUSDT", startTime=0, endTime=3_600_001)
