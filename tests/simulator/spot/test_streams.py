"""Spot's market streams and their paths (`binance-spot.md` section 8)."""

import pytest

from backstay.simulator.server.spot_routes import open_spot_target, spot_route_of

from tests.simulator.spot.stage import SpotStage

SECOND = 1_000_000_000


def said(stage, conn):
    return stage.heard(conn, stage.delivered)


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/ws/btcusdt@trade", None),
        ("/ws", None),
        ("/stream?streams=btcusdt@trade/ethusdt@depth5@100ms", None),
        ("/stream?streams=btcusdt@trade,ethusdt@trade", 400),
        ("/ws-api/v3", None),
        ("/ws-api/v2", 404),
        ("/ws-fapi/v1", 404),
        ("/market/ws/btcusdt@trade", 404),
        ("/", 404),
    ],
)
def test_paths(target, status):
    found = open_spot_target(target)
    assert (found if isinstance(found, int) else None) == status


@pytest.mark.parametrize(
    "name",
    ["btcusdt@aggTrade", "btcusdt@kline_1s", "btcusdt@depth20@100ms", "!miniTicker@arr", "btcusdt@avgPrice"],
)
def test_names_that_exist(name):
    assert spot_route_of(name) == "market"


@pytest.mark.parametrize("name", ["BTCUSDT@trade", "!ticker@arr", "btcusdt@markPrice", "btcusdt@kline_7m"])
def test_names_that_do_not(name):
    assert spot_route_of(name) is None


def test_one_path_is_bare_the_other_wraps():
    stage = SpotStage()
    bare = stage.open("/ws/tenusdt@aggTrade/tenusdt@trade")
    combined = stage.open("/stream?streams=tenusdt@bookTicker")
    stage.move("101")
    agg, trade = said(stage, bare)
    assert set(agg) == {"e", "E", "s", "a", "p", "q", "f", "l", "T", "m", "M"}
    assert set(trade) == {"e", "E", "s", "t", "p", "q", "T", "m", "M"}
    frame = said(stage, combined)[0]
    assert frame["stream"] == "tenusdt@bookTicker"
    assert set(frame["data"]) == {"u", "s", "b", "B", "a", "A"}


def test_subscribing_later_and_listing():
    stage = SpotStage()
    conn = stage.open("/ws")
    assert stage.say(conn, {"method": "SUBSCRIBE", "params": ["tenusdt@trade"], "id": 1}) == [
        {"result": None, "id": 1}
    ]
    assert stage.say(conn, {"method": "LIST_SUBSCRIPTIONS", "id": 2})[0]["result"] == ["tenusdt@trade"]
    stage.move("101")
    assert [f.get("e") for f in said(stage, conn)][-1] == "trade"


def test_a_sixth_message_in_a_second_ends_the_connection():
    stage = SpotStage()
    conn = stage.open("/ws")
    for _ in range(6):
        stage.say(conn, {"method": "LIST_SUBSCRIPTIONS", "id": 2})
    assert type(stage.delivered[-1]).__name__ == "Close"


def test_klines_run_every_two_seconds_and_close_once():
    stage = SpotStage()
    conn = stage.open("/ws/tenusdt@kline_1m")
    stage.move("101")
    stage.later(70 * SECOND)
    frames = said(stage, conn)
    closed = [f["k"] for f in frames if f["k"]["x"]]
    assert len(closed) == 1
    assert (closed[0]["c"], closed[0]["T"] - closed[0]["t"]) == ("101.00000000", 59_999)
    assert 30 <= len(frames) <= 40


def test_a_local_book_can_be_kept():
    stage = SpotStage()
    conn = stage.open("/ws/tenusdt@depth@100ms")
    stage.move("101")
    snapshot = stage.rest("GET", "/api/v3/depth", {"symbol": "TENUSDT", "limit": 100}, sign=False)[1]
    book = {side: dict(snapshot[side]) for side in ("bids", "asks")}
    for price in ("102", "99", "99.5"):
        stage.move(price)
    local = snapshot["lastUpdateId"]
    for frame in said(stage, conn):
        if frame["u"] <= local:
            continue
        assert frame["U"] == local + 1
        local = frame["u"]
        for side, rows in (("bids", frame["b"]), ("asks", frame["a"])):
            for price, qty in rows:
                if float(qty):
                    book[side][price] = qty
                else:
                    book[side].pop(price, None)
    now = stage.rest("GET", "/api/v3/depth", {"symbol": "TENUSDT", "limit": 100}, sign=False)[1]
    assert local == now["lastUpdateId"]
    assert book == {side: dict(now[side]) for side in ("bids", "asks")}


def test_tickers_and_partial_books_at_their_beat():
    names = ["miniTicker", "ticker", "avgPrice", "depth5"]
    stage = SpotStage()
    conn = stage.open("/stream?streams=!miniTicker@arr/" + "/".join(f"tenusdt@{n}" for n in names))
    stage.later(SECOND)
    frames = {f["stream"]: f["data"] for f in said(stage, conn)}
    assert set(frames) == {"!miniTicker@arr", *(f"tenusdt@{n}" for n in names)}
    assert set(frames["tenusdt@miniTicker"]) == set("eEscohlvq")
    assert set(frames["tenusdt@ticker"]) == set("eEspPwxcQbBaAohlvqOCFLn")
    assert set(frames["tenusdt@avgPrice"]) == set("eEsiwT")
    assert len(frames["tenusdt@depth5"]["bids"]) == 5


def test_market_times_in_microseconds():
    stage = SpotStage()
    conn = stage.open("/ws/tenusdt@trade?timeUnit=MICROSECOND")
    stage.later(1_234_567)
    at = stage.now // 1000
    stage.move("101")
    assert said(stage, conn)[0]["T"] == at
