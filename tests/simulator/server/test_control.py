"""The control side: `/sim/v1/clock|price|human|faults|truth|requests`."""

import json

import pytest

from backstay.simulator.errors import Refusal

from tests.simulator.server.stage import KEY, MS, SECOND, SECRET, START, Stage


def control(stage, method, path, body=None):
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    status, answer = stage.venue.control(method, path, raw, stage.now)
    stage.collect()
    return status, json.loads(answer)


@pytest.fixture
def stage():
    return Stage()


def test_the_clock_jumps_and_changes_speed(stage):
    status, body = control(stage, "POST", "/sim/v1/clock", {"advance": "10m", "speed": 60})
    assert (status, body["now_ms"], body["speed"]) == (200, START // MS + 600_000, 60.0)
    assert stage.venue.now == START + 600 * SECOND
    assert control(stage, "POST", "/sim/v1/clock", {"advance_ms": 5})[1]["now_ms"] == START // MS + 600_005
    assert control(stage, "GET", "/sim/v1/clock")[1]["speed"] == 60.0


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("clock", {"advance": "soon"}, "duration"),
        ("clock", {"speed": 0}, "above 0"),
        ("clock", {"advance_ms": -5}, "from 0"),
        ("clock", {"sped": 1}, "'sped'"),
        ("price", {"symbol": "BTCUSDT"}, "'price' is missing"),
        ("price", {"symbol": "BTCUSDT", "price": "-1"}, "price"),
        ("human", {"do": "order", "account": "nobody"}, "'nobody'"),
        ("human", {"symbol": "BTCUSDT"}, "'do' is missing"),
        ("price", b"BTCUSDT 5", "must be a JSON object"),
        ("price", [1], "unknown field 'rules'"),
        ("faults", [{"effect": "dropp"}], "'drop'"),
        ("faults", b"rules: [}", "neither YAML nor JSON"),
    ],
)
def test_bad_requests_are_told_what_is_wrong(stage, path, body, words):
    status, answer = control(stage, "POST", f"/sim/v1/{path}", body)
    assert status == 400
    assert words in answer["error"]


def test_an_unknown_path_lists_the_known_ones(stage):
    status, answer = control(stage, "GET", "/sim/v1/prices")
    assert status == 404
    assert "POST /sim/v1/price" in answer["error"]


def test_a_price_is_moved(stage):
    assert control(stage, "POST", "/sim/v1/price", {"symbol": "BTCUSDT", "price": "91000.5"})[0] == 200
    assert stage.engine.prices == {"BTCUSDT": "91000.5"}


def test_the_owner_acts_by_hand(stage):
    action = {"do": "order", "symbol": "BTCUSDT", "side": "BUY"}
    status, body = control(stage, "POST", "/sim/v1/human", action)
    assert (status, body) == (200, {"account": "main", "result": {"done": action}})


def test_a_refused_hand_is_told_the_code(stage):
    def refuse(*_):
        raise Refusal(-2019, "Margin is insufficient.")

    stage.engine.human = refuse
    status, body = control(stage, "POST", "/sim/v1/human", {"do": "order"})
    assert (status, body["code"]) == (400, -2019)


def test_faults_are_installed_as_json_or_yaml_listed_replaced_and_cleared(stage):
    rule = {"match": {"endpoint": "POST /fapi/v1/order"}, "effect": "timeout_before"}
    assert control(stage, "POST", "/sim/v1/faults", {"rules": [rule]})[1]["installed"] == 1
    yaml_plan = b"rules:\n- effect: {clock_skew: {ms: 9000}}\n"
    assert control(stage, "POST", "/sim/v1/faults", yaml_plan)[1]["installed"] == 1
    assert len(control(stage, "GET", "/sim/v1/faults")[1]["rules"]) == 2
    assert stage.venue.desk.skew == 9000 * MS
    control(stage, "POST", "/sim/v1/faults", {"rules": [rule], "replace": True})
    assert stage.venue.desk.skew == 0
    assert len(control(stage, "GET", "/sim/v1/faults")[1]["rules"]) == 1
    control(stage, "DELETE", "/sim/v1/faults")
    assert control(stage, "GET", "/sim/v1/faults")[1]["rules"] == []


def test_times_of_a_plan_count_from_its_installation(stage):
    stage.later(10 * SECOND)
    rule = {"match": {"from_ms": 1000}, "effect": {"clock_skew": {"ms": 9000}}}
    control(stage, "POST", "/sim/v1/faults", [rule])
    stage.later(SECOND - 1)
    assert stage.venue.desk.skew == 0
    stage.later(1)
    assert stage.venue.desk.skew == 9000 * MS


def test_truth_is_the_engines(stage):
    assert control(stage, "GET", "/sim/v1/truth?account=main")[1]["account_name"] == "main"
    assert control(stage, "GET", "/sim/v1/truth?account=x")[0] == 400


def test_every_request_is_listed_with_its_time_and_without_secrets(stage):
    stage.rest("POST", "/fapi/v1/order", {"symbol": "BTCUSDT", "newClientOrderId": "a1"})
    conn = stage.open("/ws-fapi/v1")
    stage.later(SECOND)
    stage.call(conn, "order.cancel", {"symbol": "BTCUSDT", "orderId": 5})
    key = stage.call(conn, "userDataStream.start", {"apiKey": KEY}, sign=False)["result"]["listenKey"]
    stage.raw("PUT", f"/fapi/v1/listenKey?listenKey={key}")
    status, body = control(stage, "GET", "/sim/v1/requests")
    assert status == 200
    rows = body["requests"]
    assert [r["method"] for r in rows] == ["POST", "order.cancel", "userDataStream.start", "PUT"]
    assert rows[0]["params"]["newClientOrderId"] == "a1"
    assert rows[1]["at"] - rows[0]["at"] == SECOND
    assert rows[0]["executed"] is True
    text = json.dumps(rows)
    for secret in (SECRET, KEY, key):
        assert secret not in text
    assert len(control(stage, "GET", "/sim/v1/requests?after=2&limit=1")[1]["requests"]) == 1


def test_control_paths_are_not_on_the_binance_port(stage):
    assert stage.rest("GET", "/sim/v1/truth", sign=False)[0] == 404
