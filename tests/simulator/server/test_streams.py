"""Routes and silence, subscriptions, listen keys, pings and the life of a connection."""

import msgspec
import pytest

from backstay.simulator.server.outputs import Close, Frame, Ping, Pong
from backstay.simulator.server.routes import open_target, route_of
from backstay.simulator.server.settings import HOUR, MINUTE, ServerSettings

from tests.simulator.server.stage import MS, SECOND, START, Stage, order_event

MARK = {"e": "markPriceUpdate", "s": "BTCUSDT", "p": "1"}
BOOK = {"e": "bookTicker", "s": "BTCUSDT", "b": "1"}


@pytest.fixture
def stage():
    return Stage()


def listen_key(stage) -> str:
    return stage.rest("POST", "/fapi/v1/listenKey", sign=False)[1]["listenKey"]


@pytest.mark.parametrize(
    ("stream", "route"),
    [
        ("btcusdt@bookTicker", "public"),
        ("!bookTicker", "public"),
        ("btcusdt@depth", "public"),
        ("btcusdt@depth@100ms", "public"),
        ("btcusdt@depth20@500ms", "public"),
        ("btcusdt@rpiDepth@500ms", "public"),
        ("btcusdt@aggTrade", "market"),
        ("btcusdt@kline_1m", "market"),
        ("btcusdt_perpetual@continuousKline_1m", "market"),
        ("btcusdt@markPrice", "market"),
        ("btcusdt@markPrice@1s", "market"),
        ("!markPrice@arr@1s", "market"),
        ("btcusdt@miniTicker", "market"),
        ("!ticker@arr", "market"),
        ("btcusdt@forceOrder", "market"),
        ("!contractInfo", "market"),
        ("btcusdt@kline_1s", None),
        ("btcusdt@nonsense", None),
        ("0", None),
    ],
)
def test_every_stream_has_its_route(stream, route):
    assert route_of(stream) == route


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/", 404),
        ("/pm/ws", 404),
        ("/ws-fapi/v2", 404),
        ("/market/other", 404),
        ("/market/stream?streams=a@ticker,b@ticker", 400),
    ],
)
def test_handshakes_that_are_refused(target, status):
    assert open_target(target) == status


def test_the_right_stream_on_the_right_route_is_delivered_raw_or_wrapped(stage):
    raw = stage.open("/market/ws/btcusdt@markPrice@1s")
    wrapped = stage.open("/market/stream?streams=btcusdt@markPrice@1s/btcusdt@aggTrade")
    assert stage.engine.wanted == {"btcusdt@markPrice@1s", "btcusdt@aggTrade"}
    outputs = stage.tick("btcusdt@markPrice@1s", MARK)
    assert stage.heard(raw, outputs) == [MARK]
    assert stage.heard(wrapped, outputs) == [{"stream": "btcusdt@markPrice@1s", "data": MARK}]


@pytest.mark.parametrize("target", ["/public/ws", "/ws", "/stream", "/private/ws"])
def test_a_wrong_or_missing_route_connects_accepts_and_stays_silent(stage, target):
    conn = stage.open(target)
    answer = stage.say(conn, {"method": "SUBSCRIBE", "params": ["btcusdt@markPrice"], "id": 1})
    assert answer == [{"result": None, "id": 1}]
    assert stage.say(conn, {"method": "LIST_SUBSCRIPTIONS", "id": 2})[0]["result"] == ["btcusdt@markPrice"]
    assert stage.engine.wanted == set()
    good = stage.open("/market/ws/btcusdt@markPrice")
    outputs = stage.tick("btcusdt@markPrice", MARK)
    assert stage.heard(conn, outputs) == []
    assert stage.heard(good, outputs) == [MARK]


def test_unrouted_sockets_are_served_where_the_venue_is_set_to_demo_behaviour():
    stage = Stage(msgspec.structs.replace(ServerSettings.for_sockets(), accept_unrouted=True))
    conn = stage.open("/stream?streams=btcusdt@markPrice/btcusdt@bookTicker")
    assert len(stage.heard(conn, stage.tick("btcusdt@markPrice", MARK))) == 1
    assert len(stage.heard(conn, stage.tick("btcusdt@bookTicker", BOOK))) == 1
    private = stage.open(f"/ws/{listen_key(stage)}")
    assert len(stage.heard(private, stage.happen("main", order_event("a")))) == 1


def test_subscribe_unsubscribe_list_and_properties(stage):
    conn = stage.open("/public/ws/0")
    stage.say(conn, {"method": "SUBSCRIBE", "params": ["btcusdt@bookTicker"], "id": "x"})
    assert stage.heard(conn, stage.tick("btcusdt@bookTicker", BOOK)) == [BOOK]
    stage.say(conn, {"method": "SET_PROPERTY", "params": ["combined", True], "id": 2})
    assert stage.say(conn, {"method": "GET_PROPERTY", "params": ["combined"], "id": 2})[0]["result"] is True
    assert "stream" in stage.heard(conn, stage.tick("btcusdt@bookTicker", BOOK))[0]
    stage.say(conn, {"method": "UNSUBSCRIBE", "params": ["btcusdt@bookTicker"], "id": 3})
    assert stage.engine.wanted == set()
    assert stage.heard(conn, stage.tick("btcusdt@bookTicker", BOOK)) == []


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"{", 3),
        ({"method": "JOIN", "id": 1}, 2),
        ({"method": "SUBSCRIBE", "params": "x", "id": 1}, 2),
        ({"method": "SUBSCRIBE", "params": [1], "id": 1}, 2),
        ({"method": "LIST_SUBSCRIPTIONS", "id": -1}, 2),
        ({"method": "SET_PROPERTY", "params": ["speed", 1], "id": 1}, 0),
        ({"method": "SET_PROPERTY", "params": ["combined", 1], "id": 1}, 1),
    ],
)
def test_stream_errors(stage, message, code):
    assert stage.say(stage.open("/market/ws"), message)[0]["error"]["code"] == code


def test_streams_per_connection_are_limited():
    stage = Stage(msgspec.structs.replace(ServerSettings.for_sockets(), streams_per_connection=2))
    conn = stage.open("/market/ws")
    names = ["a@ticker", "b@ticker", "c@ticker"]
    assert "error" in stage.say(conn, {"method": "SUBSCRIBE", "params": names, "id": 1})[0]
    assert stage.engine.wanted == set()
    assert stage.venue.ws_open(99, "/market/stream?streams=" + "/".join(names), stage.now) == 400


def test_ten_messages_a_second_and_not_one_more_pings_included(stage):
    conn = stage.open("/market/ws")
    for n in range(9):
        stage.say(conn, {"method": "LIST_SUBSCRIPTIONS", "id": n})
    stage.venue.ws_ping(conn, b"x", stage.now)
    assert [o.data for o in stage.collect() if isinstance(o, Pong)] == [b"x"]
    stage.venue.ws_pong(conn, b"", stage.now)
    assert [o.code for o in stage.collect() if isinstance(o, Close)] == [1008]


def test_the_server_pings_every_three_minutes_and_closes_without_a_pong(stage):
    conn = stage.open("/market/ws")
    stage.later(3 * MINUTE)
    assert [o.conn for o in stage.delivered if isinstance(o, Ping)] == [conn]
    stage.venue.ws_pong(conn, b"", stage.now)
    stage.later(9 * MINUTE)
    assert not [o for o in stage.delivered if isinstance(o, Close)]
    stage.later(2 * MINUTE)
    assert [o.due - START for o in stage.delivered if isinstance(o, Close)] == [13 * MINUTE]


def test_a_connection_is_closed_after_its_24_hours():
    settings = msgspec.structs.replace(ServerSettings.for_sockets(), ping_every_s=10**6)
    stage = Stage(settings)
    stage.open("/market/ws")
    stage.later(24 * HOUR - 1)
    assert not [o for o in stage.delivered if isinstance(o, Close)]
    stage.later(1)
    assert [o.code for o in stage.delivered if isinstance(o, Close)] == [1001]


@pytest.mark.parametrize(
    "form",
    [
        "/private/ws/{}",
        "/private/ws?listenKey={}",
        "/private/ws?listenKey={}&events=ORDER_TRADE_UPDATE/ACCOUNT_UPDATE",
    ],
)
def test_private_events_come_bare_on_ws(stage, form):
    conn = stage.open(form.format(listen_key(stage)))
    event = order_event("a")
    assert stage.heard(conn, stage.happen("main", event)) == [event]
    assert stage.heard(conn, stage.happen("other", event)) == []


def test_private_events_come_wrapped_on_stream(stage):
    key = listen_key(stage)
    conn = stage.open(f"/private/stream?listenKey={key}")
    assert stage.heard(conn, stage.happen("main", order_event("a")))[0]["stream"] == key
    bare = stage.open("/private/ws")
    stage.say(bare, {"method": "SUBSCRIBE", "params": [key], "id": 1})
    assert len(stage.heard(bare, stage.happen("main", order_event("a")))) == 1


def test_the_events_filter_is_silent_about_what_it_drops_and_what_it_misspells(stage):
    key = listen_key(stage)
    some = stage.open(f"/private/ws?listenKey={key}&events=ACCOUNT_UPDATE")
    typo = stage.open(f"/private/ws?listenKey={key}&events=ORDER_TRADE_UPDTE")
    outputs = stage.happen("main", order_event("a"), {"e": "ACCOUNT_UPDATE"})
    assert [f["e"] for f in stage.heard(some, outputs)] == ["ACCOUNT_UPDATE"]
    assert stage.heard(typo, outputs) == []


def test_a_key_that_does_not_exist_connects_and_is_silent(stage):
    conn = stage.open("/private/ws/" + "z" * 64)
    assert stage.heard(conn, stage.happen("main", order_event("a"))) == []
    assert stage.say(conn, {"method": "LIST_SUBSCRIPTIONS", "id": 1})[0]["result"] == ["z" * 64]


def test_post_returns_the_same_key_and_extends_it(stage):
    first = listen_key(stage)
    stage.later(50 * MINUTE)
    assert listen_key(stage) == first
    stage.later(50 * MINUTE)
    assert stage.rest("PUT", "/fapi/v1/listenKey", sign=False)[1]["listenKey"] == first
    stage.later(60 * MINUTE)
    status, body, _ = stage.rest("PUT", "/fapi/v1/listenKey", sign=False)
    assert (status, body["code"]) == (400, -1125)
    assert listen_key(stage) != first


def test_an_expired_key_says_so_once_and_is_silent_for_ever():
    stage = Stage(msgspec.structs.replace(ServerSettings.for_sockets(), ping_every_s=10**6))
    old = listen_key(stage)
    conn = stage.open(f"/private/ws/{old}")
    stage.later(60 * MINUTE)
    expired = [f for f in stage.heard(conn, stage.delivered) if f.get("e") == "listenKeyExpired"]
    assert expired == [{"e": "listenKeyExpired", "E": START // MS + 3_600_000, "listenKey": old}]
    fresh = stage.open(f"/private/ws/{listen_key(stage)}")
    outputs = stage.happen("main", order_event("a"))
    assert stage.heard(conn, outputs) == []
    assert len(stage.heard(fresh, outputs)) == 1


def test_delete_kills_the_key(stage):
    conn = stage.open(f"/private/ws/{listen_key(stage)}")
    assert stage.rest("DELETE", "/fapi/v1/listenKey", sign=False)[1] == {}
    assert stage.heard(conn, stage.happen("main", order_event("a"))) == []
    assert stage.rest("PUT", "/fapi/v1/listenKey", sign=False)[1]["code"] == -1125


def test_a_listen_key_needs_a_known_key_and_no_signature(stage):
    assert stage.rest("POST", "/fapi/v1/listenKey", sign=False, key="x" * 64)[0] == 401
    assert stage.rest("POST", "/fapi/v1/listenKey", sign=False, key=None)[1]["code"] == -2014


def test_frames_of_one_connection_keep_their_order_whatever_the_jitter():
    stage = Stage(ServerSettings(event_latency_ms=1, jitter_ms=50))
    conn = stage.open(f"/private/ws/{listen_key(stage)}")
    events = [order_event(f"id{n}") for n in range(50)]
    for event in events:
        stage.happen("main", event)
    frames = [o for o in stage.delivered if isinstance(o, Frame) and o.conn == conn]
    assert [msgspec.json.decode(f.data)["o"]["c"] for f in frames] == [f"id{n}" for n in range(50)]
    assert [f.due for f in frames] == sorted(f.due for f in frames)


def test_a_closed_connection_is_forgotten(stage):
    conn = stage.open("/market/ws/btcusdt@markPrice")
    stage.venue.closed(conn, stage.now)
    assert stage.engine.wanted == set()
    assert stage.venue.next_at() is None


def test_next_at_tells_the_ping_the_key_and_nothing_when_idle(stage):
    assert stage.venue.next_at() is None
    listen_key(stage)
    assert stage.venue.next_at() == START + HOUR
    stage.open("/market/ws")
    assert stage.venue.next_at() == START + 180 * SECOND
