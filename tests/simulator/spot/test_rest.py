"""Spot over REST: paths, limits, signatures, time units, error objects (`binance.md` sections 3 and 4)."""

import hashlib
import hmac
import json
from urllib.parse import quote

import pytest

from tests.simulator.server.stage import KEY, SECRET, START
from tests.simulator.spot.desk import tenner
from tests.simulator.spot.stage import ORDER, RESTING, SpotStage

MS = 1_000_000


def test_public_paths_need_no_key():
    stage = SpotStage()
    assert stage.rest("GET", "/api/v3/ping", sign=False, key=None)[1] == {}
    assert stage.rest("GET", "/api/v3/time", sign=False, key=None)[1] == {"serverTime": START // MS}
    info = stage.rest("GET", "/api/v3/exchangeInfo", sign=False, key=None)[1]
    limits = {(r["rateLimitType"], r["interval"], r["intervalNum"]): r["limit"] for r in info["rateLimits"]}
    assert limits == {
        ("REQUEST_WEIGHT", "MINUTE", 1): 6000,
        ("ORDERS", "SECOND", 10): 1000,
        ("ORDERS", "DAY", 1): 160_000,
        ("RAW_REQUESTS", "MINUTE", 5): 300_000,
    }
    assert stage.rest("GET", "/fapi/v1/time", sign=False)[0] == 404
    assert stage.rest("POST", "/api/v3/userDataStream", sign=False)[0] == 404


@pytest.mark.parametrize(
    ("method", "path", "params", "weight"),
    [
        ("GET", "exchangeInfo", {}, 20),
        ("GET", "depth", {"symbol": "TENUSDT"}, 5),
        ("GET", "depth", {"symbol": "TENUSDT", "limit": 500}, 25),
        ("GET", "depth", {"symbol": "TENUSDT", "limit": 5000}, 250),
        ("GET", "trades", {"symbol": "TENUSDT"}, 25),
        ("GET", "aggTrades", {"symbol": "TENUSDT"}, 4),
        ("GET", "klines", {"symbol": "TENUSDT", "interval": "1m"}, 2),
        ("GET", "avgPrice", {"symbol": "TENUSDT"}, 2),
        ("GET", "ticker/24hr", {"symbol": "TENUSDT"}, 2),
        ("GET", "ticker/24hr", {}, 80),
        ("GET", "ticker/price", {"symbol": "TENUSDT"}, 2),
        ("GET", "ticker/bookTicker", {}, 4),
        ("GET", "executionRules", {"symbol": "TENUSDT"}, 2),
        ("GET", "openOrders", {"symbol": "TENUSDT"}, 6),
        ("GET", "openOrders", {}, 80),
        ("GET", "allOrders", {"symbol": "TENUSDT"}, 20),
        ("GET", "account", {}, 20),
        ("GET", "account/commission", {"symbol": "TENUSDT"}, 20),
        ("GET", "myTrades", {"symbol": "TENUSDT"}, 20),
        ("GET", "myTrades", {"symbol": "TENUSDT", "orderId": 5}, 5),
        ("GET", "rateLimit/order", {}, 40),
        ("GET", "openOrderList", {}, 6),
        ("GET", "allOrderList", {}, 20),
        ("GET", "myPreventedMatches", {"symbol": "TENUSDT", "orderId": 5}, 20),
        ("GET", "myFilters", {"symbol": "TENUSDT"}, 40),
        ("POST", "order/test", RESTING, 1),
        ("POST", "order/test", RESTING | {"computeCommissionRates": "true"}, 20),
        ("POST", "order", RESTING, 0),
    ],
)
def test_weights_are_the_documented_ones(method, path, params, weight):
    stage = SpotStage()
    status, _, headers = stage.rest(method, f"/api/v3/{path}", params)
    assert (status, headers["X-MBX-USED-WEIGHT-1M"]) == (200, str(weight))


def test_a_trading_request_costs_weight_only_when_it_fails():
    stage = SpotStage()
    _, order, headers = stage.place()
    assert headers["X-MBX-USED-WEIGHT-1M"] == "0"
    assert headers["X-MBX-ORDER-COUNT-10S"] == headers["X-MBX-ORDER-COUNT-1D"] == "1"
    status, error, headers = stage.place(price="90.001")
    assert (status, error["code"], headers["X-MBX-USED-WEIGHT-1M"]) == (400, -1013, "1")
    assert "X-MBX-ORDER-COUNT-10S" not in headers
    cancel = {"symbol": "TENUSDT", "orderId": order["orderId"]}
    assert stage.rest("DELETE", "/api/v3/order", cancel)[2]["X-MBX-USED-WEIGHT-1M"] == "1"
    assert stage.rest("DELETE", "/api/v3/order", cancel)[2]["X-MBX-USED-WEIGHT-1M"] == "2"


def counts(stage):
    return [row["count"] for row in stage.rest("GET", "/api/v3/rateLimit/order", {})[1]]


def test_the_order_count_is_of_unfilled_orders():
    stage = SpotStage()
    stage.place()
    stage.place()
    assert counts(stage) == [2, 2]
    stage.rest("POST", "/api/v3/order", ORDER | {"price": "101"})
    assert counts(stage) == [2, 2]
    stage.move("89")
    assert counts(stage) == [0, 0]


def test_too_many_unfilled_orders_are_refused_until_the_bucket_ends():
    stage = SpotStage(orders_per_10s=1)
    order = stage.place()[1]
    status, error, headers = stage.place()
    assert (status, error["code"]) == (429, -1015)
    assert int(headers["Retry-After"]) <= 10
    replace = RESTING | {"cancelReplaceMode": "ALLOW_FAILURE", "cancelOrderId": order["orderId"]}
    status, error, _ = stage.rest("POST", "/api/v3/order/cancelReplace", replace)
    assert (status, error["code"]) == (429, -1015)
    only = replace | {"orderRateLimitExceededMode": "CANCEL_ONLY"}
    status, error, _ = stage.rest("POST", "/api/v3/order/cancelReplace", only)
    assert (status, error["code"]) == (429, -2021)
    assert error["data"]["cancelResult"] == "SUCCESS"
    assert error["data"]["newOrderResponse"]["code"] == -1015
    stage.later(10_000 * MS)
    assert stage.place()[0] == 200


def test_a_failed_cancel_replace_carries_both_halves():
    stage = SpotStage()
    params = RESTING | {"cancelReplaceMode": "STOP_ON_FAILURE", "cancelOrderId": 5}
    status, error, _ = stage.rest("POST", "/api/v3/order/cancelReplace", params)
    assert (status, error["code"]) == (400, -2022)
    assert error["data"]["cancelResponse"]["code"] == -2011
    assert error["data"]["newOrderResponse"] is None


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"key": None}, 401, -2014),
        ({"key": "B" * 64}, 401, -2015),
        ({"secret": "wrong"}, 400, -1022),
        ({"stamp": START // MS - 5_001}, 400, -1021),
        ({"stamp": START // MS + 1_000}, 400, -1021),
    ],
)
def test_who_may_not_ask(change, status, code):
    stage = SpotStage()
    found, error, _ = stage.rest("GET", "/api/v3/account", {}, **change)
    assert (found, error["code"]) == (status, code)


def test_timestamps_may_be_microseconds():
    stage = SpotStage()
    assert stage.rest("GET", "/api/v3/account", {}, stamp=START // 1000)[0] == 200
    found = stage.rest("GET", "/api/v3/account", {}, stamp=START // 1000 - 5_002_000)
    assert found[1]["code"] == -1021


def signed(stage, query):
    return f"{query}&signature=" + hmac.new(SECRET.encode(), query.encode(), hashlib.sha256).hexdigest()


def test_what_is_signed_must_be_encoded_already():
    stage = SpotStage(specs=(tenner(), tenner_named("１２３")))
    stamp = f"timestamp={START // MS}"
    for name, status in ((quote("１２３"), 200), ("１２３", 400)):
        query = signed(stage, f"symbol={name}&{stamp}")
        answer = stage.raw("GET", f"/api/v3/openOrders?{query}")
        assert answer is not None
        assert answer.status == status
        if status == 400:
            assert json.loads(answer.body)["code"] == -1022
    decoded = hmac.new(SECRET.encode(), f"symbol=１２３&{stamp}".encode(), hashlib.sha256).hexdigest()
    answer = stage.raw("GET", f"/api/v3/openOrders?symbol={quote('１２３')}&{stamp}&signature={decoded}")
    assert answer is not None
    assert json.loads(answer.body)["code"] == -1022


def tenner_named(name):
    from backstay.simulator.spot.specs import spot_spec

    return spot_spec(name, "0.01", "0.1", "100", base=name, quote="USDT")


def test_the_time_unit_header_asks_for_microseconds():
    stage = SpotStage()
    stage.later(1_500_000)
    headers = {"X-MBX-APIKEY": KEY, "X-MBX-TIME-UNIT": "MICROSECOND"}
    stage.venue.http(50, "GET", "/api/v3/time", headers, b"", stage.now)
    assert json.loads(stage.collect()[0].body) == {"serverTime": stage.now // 1000}
    headers["X-MBX-TIME-UNIT"] = "SECOND"
    stage.venue.http(51, "GET", "/api/v3/time", headers, b"", stage.now)
    assert json.loads(stage.collect()[0].body)["code"] == -1194


def test_unread_parameters_are_refused():
    stage = SpotStage()
    assert stage.place(reduceOnly="true")[1]["code"] == -1104
    assert stage.place(quantity="")[1]["code"] == -1105


def test_raw_requests_have_their_own_limit():
    stage = SpotStage(raw_requests_per_5m=2)
    for _ in range(2):
        assert stage.rest("GET", "/api/v3/ping", sign=False)[0] == 200
    status, error, headers = stage.rest("GET", "/api/v3/ping", sign=False)
    assert (status, error["code"]) == (429, -1003)
    assert int(headers["Retry-After"]) == 60


def test_faults_work_on_spot_and_futures_faults_are_refused_by_name():
    rules = [
        {"match": {"endpoint": "POST /api/v3/order", "nth": 1}, "effect": "timeout_after_accept"},
        {"match": {"endpoint": "POST /api/v3/order", "nth": 2}, "effect": "-1008"},
    ]
    stage = SpotStage(faults=rules)
    assert stage.ask("POST", "/api/v3/order", RESTING) is None
    assert len(stage.rest("GET", "/api/v3/openOrders", {})[1]) == 1
    status, error, _ = stage.place()
    assert (status, error["code"]) == (503, -1008)
    with pytest.raises(ValueError, match="liquidation does not exist on spot"):
        SpotStage(faults=[{"match": {"at_ms": 5}, "effect": "liquidation"}])
