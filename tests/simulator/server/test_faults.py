"""Every effect of a fault plan, and what an unreadable plan is told."""

import pytest

from backstay.simulator.server.outputs import Abort

from tests.simulator.server.stage import MS, SECOND, START, Stage, order_event

ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}
PLACE = {"surface": "rest", "endpoint": "POST /fapi/v1/order"}


def staged(*rules) -> Stage:
    return Stage(faults=list(rules))


def private(stage) -> int:
    key = stage.rest("POST", "/fapi/v1/listenKey", sign=False)[1]["listenKey"]
    return stage.open(f"/private/ws/{key}")


def place(stage, **more):
    return stage.ask("POST", "/fapi/v1/order", ORDER | more)


def ids(stage, conn, outputs):
    return [f["o"]["c"] for f in stage.heard(conn, outputs)]


def test_timeout_after_accept_executes_and_never_answers():
    stage = staged({"match": PLACE, "effect": "timeout_after_accept"})
    conn = private(stage)
    assert place(stage, newClientOrderId="a") is None
    assert len(stage.engine.calls) == 1
    assert ids(stage, conn, stage.delivered) == ["a"]


@pytest.mark.parametrize("effect", ["timeout_before", "drop", "silent", "half_open"])
def test_timeout_before_neither_executes_nor_answers(effect):
    stage = staged({"match": PLACE | {"nth": 1}, "effect": effect})
    assert place(stage) is None
    assert stage.engine.calls == []
    assert place(stage) is not None


def test_cut_before_and_after_execution():
    for when, calls in (("before", 0), ("after", 1)):
        stage = staged({"match": PLACE, "effect": {"cut": {"when": when}}})
        assert place(stage) is None
        assert [o for o in stage.delivered if isinstance(o, Abort)]
        assert len(stage.engine.calls) == calls


@pytest.mark.parametrize(
    ("effect", "status", "code", "text", "executed"),
    [
        ({"error": {"code": -2019, "msg": "no", "status": 400}}, 400, -2019, "no", False),
        ({"error": {"code": -1001, "status": 500, "executed": True}}, 500, -1001, "Injected", True),
        ("throttle_429", 429, -1003, "Too many requests", False),
        ("ban_418", 418, -1003, "banned until", False),
        ("text_503", 503, -1000, "Unknown error, please check your request or try again later.", True),
        ({"text_503": {"text": "unknown", "executed": False}}, 503, -1000, "Unknown error", False),
        ({"text_503": {"text": "unavailable"}}, 503, -1000, "Service Unavailable.", False),
        ({"text_503": {"text": "internal"}}, 503, -1001, "Internal error; unable to", False),
        (-1007, 408, -1007, "execution status unknown", True),
        ({"-1007": {"executed": False}}, 408, -1007, "Timeout", False),
        ("-1008", 503, -1008, "Request throttled by system-level protection", False),
    ],
)
def test_answers_that_are_forced(effect, status, code, text, executed):
    import json

    stage = staged({"match": PLACE | {"nth": 1}, "effect": effect})
    answer = place(stage)
    assert answer is not None
    body = json.loads(answer.body)
    assert (answer.status, body["code"]) == (status, code)
    assert text in body["msg"]
    assert bool(stage.engine.calls) is executed
    if status in {418, 429}:
        assert int(dict(answer.headers)["Retry-After"]) > 0


def test_ban_418_holds_for_its_time():
    stage = staged({"match": PLACE, "effect": {"ban_418": {"seconds": 30}}})
    place(stage)
    assert stage.rest("GET", "/fapi/v1/ping", sign=False)[0] == 418
    stage.later(30 * SECOND)
    assert stage.rest("GET", "/fapi/v1/ping", sign=False)[0] == 200


@pytest.mark.parametrize(
    ("more", "passes"),
    [
        ({}, False),
        ({"reduceOnly": "true"}, True),
        ({"positionSide": "LONG", "side": "SELL"}, True),
        ({"positionSide": "SHORT", "side": "BUY"}, True),
        ({"positionSide": "LONG", "side": "BUY"}, False),
    ],
)
def test_system_protection_spares_what_reduces(more, passes):
    stage = staged({"match": {"surface": "rest"}, "effect": "-1008"})
    assert (stage.rest("POST", "/fapi/v1/order", ORDER | more)[0] == 200) is passes
    assert stage.rest("DELETE", "/fapi/v1/order", {"symbol": "BTCUSDT", "orderId": 1})[0] == 200


def test_delay_of_an_answer():
    stage = staged({"match": PLACE, "effect": {"delay": {"ms": 700}}})
    assert place(stage).due == START + 700 * MS


def test_counting_and_windows():
    stage = staged(
        {"match": PLACE | {"nth": [2, 4]}, "effect": "timeout_before"},
    )
    assert [place(stage) is None for _ in range(5)] == [False, True, False, True, False]
    stage = staged({"match": PLACE | {"every": 2, "times": 2}, "effect": "timeout_before"})
    assert [place(stage) is None for _ in range(6)] == [False, True, False, True, False, False]
    stage = staged({"match": PLACE | {"from_ms": 1000, "until_ms": 2000}, "effect": "timeout_before"})
    seen = [place(stage) is None]
    for _ in range(2):
        stage.later(SECOND)
        seen.append(place(stage) is None)
    assert seen == [False, True, False]


def test_chance_comes_from_the_seed():
    def drawn():
        stage = staged({"match": PLACE | {"probability": 0.5}, "effect": "timeout_before"})
        return [place(stage) is None for _ in range(40)]

    first = drawn()
    assert first == drawn()
    assert 5 < sum(first) < 35


def test_matching_by_symbol_account_client_id_and_endpoint_of_either_door():
    stage = staged(
        {"match": {"symbol": "ETHUSDT"}, "effect": "timeout_before"},
        {"match": {"client_id": "sl-"}, "effect": {"error": {"code": -1}}},
        {"match": {"endpoint": "POST /fapi/v1/algoOrder"}, "effect": {"error": {"code": -2}}},
        {"match": {"method": "order.cancel", "account": "main"}, "effect": {"error": {"code": -3}}},
        {"match": {"account": "nobody"}, "effect": {"error": {"code": -4}}},
    )
    conn = stage.open("/ws-fapi/v1")
    assert place(stage, symbol="ETHUSDT") is None
    assert stage.rest("POST", "/fapi/v1/order", ORDER | {"newClientOrderId": "sl-1"})[1]["code"] == -1
    assert stage.call(conn, "algoOrder.place", {"symbol": "BTCUSDT"})["error"]["code"] == -2
    assert stage.rest("POST", "/fapi/v1/algoOrder", {"symbol": "BTCUSDT"})[1]["code"] == -2
    assert stage.call(conn, "order.cancel", {"symbol": "BTCUSDT"})["error"]["code"] == -3
    assert stage.rest("DELETE", "/fapi/v1/order", {"symbol": "BTCUSDT"})[0] == 200


def test_private_frames_are_dropped_duplicated_delayed_and_reordered():
    match = {"surface": "private", "event": "ORDER_TRADE_UPDATE"}
    stage = staged(
        {"match": match | {"nth": 2}, "effect": "drop"},
        {"match": match | {"nth": 3}, "effect": "duplicate"},
        {"match": match | {"nth": 4}, "effect": {"delay": {"ms": 400}}},
    )
    conn = private(stage)
    heard = []
    for name in "abcd":
        heard += ids(stage, conn, stage.happen("main", order_event(name)))
    assert heard == ["a", "c", "c", "d"]
    assert stage.delivered[-1].due >= START + 400 * MS
    assert stage.happen("main", order_event("e"))[0].due >= START + 400 * MS

    stage = staged({"match": match | {"nth": 1}, "effect": "reorder"})
    conn = private(stage)
    outputs = stage.happen("main", order_event("a"), order_event("b"), order_event("c"))
    assert ids(stage, conn, outputs) == ["b", "a", "c"]


def test_a_reordered_frame_that_nothing_follows_is_released():
    stage = staged({"match": {"surface": "private"}, "effect": {"reorder": {"hold_ms": 80}}})
    stage = staged({"match": {"surface": "private", "nth": 1}, "effect": {"reorder": {"hold_ms": 80}}})
    conn = private(stage)
    assert stage.happen("main", order_event("a")) == []
    stage.later(90 * MS)
    assert ids(stage, conn, stage.delivered) == ["a"]


def test_frames_are_matched_by_status_symbol_and_client_id():
    stage = staged(
        {"match": {"event": "ORDER_TRADE_UPDATE", "status": "FILLED"}, "effect": "drop"},
        {"match": {"event": "ORDER_TRADE_UPDATE", "symbol": "ETHUSDT"}, "effect": "drop"},
    )
    conn = private(stage)
    outputs = stage.happen(
        "main", order_event("a"), order_event("b", "FILLED"), order_event("c", symbol="ETHUSDT")
    )
    assert ids(stage, conn, outputs) == ["a"]


def test_a_cut_stream_a_half_open_one_and_a_silent_one():
    match = {"surface": "private", "nth": 2}
    for effect, aborted in (
        ("cut", True),
        ({"cut": {"when": "before"}}, True),
        ("half_open", False),
        ("silent", False),
    ):
        stage = staged({"match": match, "effect": effect})
        conn = private(stage)
        first = ids(stage, conn, stage.happen("main", order_event("a")))
        second = ids(stage, conn, stage.happen("main", order_event("b")))
        third = ids(stage, conn, stage.happen("main", order_event("c")))
        assert first == ["a"]
        assert second == (["b"] if effect == "cut" else [])
        assert third == []
        assert bool([o for o in stage.delivered if isinstance(o, Abort)]) is aborted
        stage.collect()
        stage.venue.ws_ping(conn, b"", stage.now)
        assert bool(stage.collect()) is (effect == "silent"), effect


def test_silence_may_end():
    stage = staged({"match": {"surface": "private", "nth": 1}, "effect": {"silent": {"ms": 500}}})
    conn = private(stage)
    assert ids(stage, conn, stage.happen("main", order_event("a"))) == []
    assert ids(stage, conn, stage.happen("main", order_event("b"))) == []
    stage.later(500 * MS)
    assert ids(stage, conn, stage.happen("main", order_event("c"))) == ["c"]


def test_market_frames_by_stream():
    stage = staged(
        {"match": {"surface": "market", "stream": "btcusdt@markPrice", "nth": 1}, "effect": "drop"}
    )
    conn = stage.open("/market/ws/btcusdt@markPrice")
    assert stage.heard(conn, stage.tick("btcusdt@markPrice", {"e": "markPriceUpdate", "n": 1})) == []
    assert len(stage.heard(conn, stage.tick("btcusdt@markPrice", {"e": "markPriceUpdate", "n": 2}))) == 1


def test_ws_api_answers_are_duplicated_reordered_and_cut():
    match = {"surface": "ws_api", "method": "time"}
    stage = staged({"match": match, "effect": "duplicate"})
    conn = stage.open("/ws-fapi/v1")
    assert len(stage.say(conn, {"id": 1, "method": "time"})) == 2
    stage = staged({"match": match | {"nth": 1}, "effect": "reorder"})
    conn = stage.open("/ws-fapi/v1")
    assert stage.say(conn, {"id": 1, "method": "time"}) == []
    assert [a["id"] for a in stage.say(conn, {"id": 2, "method": "time"})] == [2, 1]
    stage = staged({"match": match, "effect": "cut"})
    stage.say(stage.open("/ws-fapi/v1"), {"id": 1, "method": "time"})
    assert [o for o in stage.delivered if isinstance(o, Abort)]


def test_connections_are_refused_for_a_while():
    stage = staged(
        {"match": {"surface": "private", "until_ms": 1000}, "effect": {"refuse_connection": {"status": 502}}}
    )
    assert stage.venue.ws_open(90, "/private/ws", stage.now) == 502
    assert stage.venue.ws_open(91, "/market/ws", stage.now) == 101
    stage.later(SECOND)
    assert stage.venue.ws_open(92, "/private/ws", stage.now) == 101


def test_timed_cut_of_a_whole_surface():
    stage = staged({"match": {"surface": "private", "at_ms": 500}, "effect": "cut"})
    conn, other = private(stage), stage.open("/market/ws")
    stage.later(SECOND)
    assert [(o.conn, o.due) for o in stage.delivered if isinstance(o, Abort)] == [(conn, START + 500 * MS)]
    assert stage.say(other, {"method": "LIST_SUBSCRIPTIONS", "id": 1})


def test_listen_key_death_announced_and_in_silence():
    for announce in (True, False):
        stage = staged({"match": {"at_ms": 500}, "effect": {"listen_key_death": {"announce": announce}}})
        conn = private(stage)
        stage.later(SECOND)
        told = [f["e"] for f in stage.heard(conn, stage.delivered) if "e" in f]
        assert told == (["listenKeyExpired"] if announce else [])
        assert stage.heard(conn, stage.happen("main", order_event("a"))) == []
        assert stage.rest("PUT", "/fapi/v1/listenKey", sign=False)[1]["code"] == -1125


def test_a_listen_key_can_die_upon_an_event():
    stage = staged({"match": {"event": "ORDER_TRADE_UPDATE", "nth": 1}, "effect": "listen_key_death"})
    conn = private(stage)
    outputs = stage.happen("main", order_event("a"), order_event("b"))
    assert "listenKeyExpired" in [f["e"] for f in stage.heard(conn, outputs)]
    assert "b" not in [f.get("o", {}).get("c") for f in stage.heard(conn, outputs)]


def test_clock_skew_makes_good_timestamps_bad_and_ends():
    stage = staged({"match": {"until_ms": 1000}, "effect": {"clock_skew": {"ms": 20000}}})
    stage.later(1)
    assert stage.rest("GET", "/fapi/v1/time", sign=False)[1]["serverTime"] == START // MS + 20000
    assert stage.rest("GET", "/fapi/v3/account")[1]["code"] == -1021
    stage.later(SECOND)
    assert stage.rest("GET", "/fapi/v3/account")[0] == 200


def test_states_reach_the_engine_and_end():
    window = {"from_ms": 100, "until_ms": 200}
    stage = staged(
        {"match": window | {"symbol": "BTCUSDT"}, "effect": "halt"},
        {"match": window | {"symbol": "BTCUSDT"}, "effect": "stuck_triggering"},
        {"match": window, "effect": {"reject_child": {"reason": "no"}}},
        {"match": window, "effect": {"visibility_lag": {"lagging": "orders", "ms": 300}}},
        {"match": window | {"symbol": "ETHUSDT"}, "effect": {"partial_fills": {"max_qty": "0.001"}}},
        {"match": window | {"probability": 0.5}, "effect": "partial_fills"},
        {"match": window, "effect": {"slippage": {"rate": "0.001"}}},
        {"match": window, "effect": {"restricted": {"code": -4400}}},
        {"match": window, "effect": {"pending_modify": {"ms": 10}}},
        {"match": window | {"probability": 0.3}, "effect": "algo_query_miss"},
    )
    untouched = str(stage.engine.faults)
    stage.later(150 * MS)
    faults = stage.engine.faults
    assert faults.halted == {"BTCUSDT": "TRADING_HALT"}
    assert faults.stuck_symbols == {"BTCUSDT"}
    assert faults.trigger_reject == {"*": "no"}
    assert faults.lag_ns == {"orders": 300 * MS}
    assert str(faults.max_fill_qty["ETHUSDT"]) == "0.001"
    assert faults.partial_probability == 0.5
    assert str(faults.slippage) == "0.001"
    assert faults.restricted == {"*": -4400}
    assert faults.pending_modify_ns == 10 * MS
    assert faults.algo_query_miss == 0.3
    stage.later(100 * MS)
    assert str(stage.engine.faults).replace("0.000", "0") == untouched


def test_adl_and_liquidation_are_forced_on_the_account():
    stage = staged(
        {"match": {"at_ms": 100, "symbol": "BTCUSDT"}, "effect": "adl"},
        {"match": {"at_ms": 200}, "effect": {"liquidation": {"symbol": "ETHUSDT"}}},
    )
    stage.later(SECOND)
    assert stage.engine.forced == [("adl", "main", "BTCUSDT"), ("liquidation", "main", "ETHUSDT")]


def test_the_log_tells_which_fault_met_which_request():
    stage = staged({"name": "lost ack", "match": PLACE, "effect": "timeout_after_accept"})
    place(stage)
    entry = stage.venue.desk.log.after()[-1]
    assert entry["fault"] == ["timeout_after_accept"]
    assert entry["executed"] is True
    assert entry["status"] == 0
    assert "signature" not in entry["params"]
    report = stage.venue.desk.injector.report()
    assert report[0]["name"] == "lost ack"
    assert report[0]["fired"] == 1
