"""The WebSocket API: ids, types, signatures, sessions, `rateLimits`, 429 with `retryAfter`."""

import base64

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from backstay.simulator.server.auth import Credentials
from backstay.simulator.server.settings import ServerSettings

from tests.simulator.server.stage import KEY, MS, SECOND, SECRET, START, Stage

ORDER = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "quantity": "0.010",
    "price": "90000",
    "timeInForce": "GTC",
}
ED_KEY = "e" * 64


@pytest.fixture
def stage():
    return Stage()


@pytest.fixture
def conn(stage):
    return stage.open("/ws-fapi/v1")


def test_an_order_is_placed_and_the_answer_carries_id_status_result_and_limits(stage, conn):
    answer = stage.call(conn, "order.place", ORDER)
    assert answer["id"] == "r1"
    assert answer["status"] == 200
    assert answer["result"]["endpoint"] == "POST /fapi/v1/order"
    assert answer["result"]["params"] == ORDER
    assert [
        (r["rateLimitType"], r["interval"], r["intervalNum"], r["count"]) for r in answer["rateLimits"]
    ] == [
        ("REQUEST_WEIGHT", "MINUTE", 1, 5),
        ("ORDERS", "SECOND", 10, 1),
        ("ORDERS", "MINUTE", 1, 1),
    ]


@pytest.mark.parametrize(
    ("method", "endpoint"),
    [
        ("order.modify", "PUT /fapi/v1/order"),
        ("order.cancel", "DELETE /fapi/v1/order"),
        ("order.status", "GET /fapi/v1/order"),
        ("algoOrder.place", "POST /fapi/v1/algoOrder"),
        ("algoOrder.cancel", "DELETE /fapi/v1/algoOrder"),
        ("account.position", "GET /fapi/v2/positionRisk"),
        ("v2/account.position", "GET /fapi/v3/positionRisk"),
        ("account.status", "GET /fapi/v2/account"),
        ("v2/account.status", "GET /fapi/v3/account"),
        ("account.balance", "GET /fapi/v2/balance"),
        ("v2/account.balance", "GET /fapi/v3/balance"),
    ],
)
def test_every_method_is_another_door_to_its_endpoint(stage, conn, method, endpoint):
    assert stage.call(conn, method)["result"]["endpoint"] == endpoint


def test_market_methods_need_no_key(stage, conn):
    assert stage.call(conn, "ping", sign=False)["result"] == {}
    assert stage.call(conn, "time", sign=False)["result"] == {"serverTime": START // MS}
    assert stage.call(conn, "depth", {"symbol": "BTCUSDT"}, sign=False)["status"] == 200
    assert (
        stage.call(conn, "ticker.book", sign=False)["result"]["endpoint"] == "GET /fapi/v1/ticker/bookTicker"
    )
    assert stage.call(conn, "ticker.price", sign=False)["result"]["endpoint"] == "GET /fapi/v2/ticker/price"


@pytest.mark.parametrize("request_id", [7, "abc-_9", None])
def test_ids_are_echoed(stage, conn, request_id):
    assert stage.say(conn, {"id": request_id, "method": "ping"})[0]["id"] == request_id


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"{", -1135),
        (b"[]", -1135),
        ({"id": 1}, -1102),
        ({"id": 1, "method": "order.fly"}, -1020),
        ({"id": 1, "method": "ping", "params": []}, -1135),
        ({"id": 1.5, "method": "ping"}, -1100),
        ({"id": 1, "method": "order.place", "params": ORDER | {"price": 90000}}, -1102),
        ({"id": 1, "method": "order.place", "params": ORDER | {"timestamp": "1"}}, -1102),
        ({"id": 1, "method": "order.place", "params": ORDER | {"symbol": ""}}, -1105),
        ({"id": 1, "method": "order.place", "params": ORDER}, -2014),
    ],
)
def test_refusals(stage, conn, message, code):
    answer = stage.say(conn, message)[0]
    assert answer["error"]["code"] == code
    assert answer["status"] in {400, 401}
    assert "result" not in answer
    assert stage.engine.calls == []


def test_signature_time_and_unread_parameters_are_checked_as_over_rest(stage, conn):
    bad = ORDER | {"apiKey": KEY, "timestamp": START // MS, "signature": "00"}
    assert stage.say(conn, {"id": 1, "method": "order.place", "params": bad})[0]["error"]["code"] == -1022
    late = bad | {"timestamp": START // MS - 6000}
    assert stage.say(conn, {"id": 1, "method": "order.place", "params": late})[0]["error"]["code"] == -1021
    assert stage.call(conn, "order.place", ORDER | {"stopLoss": "1"})["error"]["code"] == -1104


def test_non_ascii_is_signed_raw(stage, conn):
    assert stage.call(conn, "order.status", {"symbol": "\uff11\uff12USDT", "orderId": 5})["status"] == 200
    assert stage.engine.calls[0][2] == {"symbol": "\uff11\uff12USDT", "orderId": "5"}


def test_limits_can_be_left_out_by_request_and_by_url(stage, conn):
    assert "rateLimits" not in stage.call(
        conn, "order.place", ORDER | {"returnRateLimits": False}, sign=False
    )
    quiet = stage.open("/ws-fapi/v1?returnRateLimits=false")
    assert "rateLimits" not in stage.call(quiet, "ping", sign=False)


def test_429_carries_the_moment_of_retry():
    settings = msgspec.structs.replace(ServerSettings.for_sockets(), orders_per_10s=1)
    stage = Stage(settings).later(3 * SECOND)
    conn = stage.open("/ws-fapi/v1")
    assert stage.call(conn, "order.place", ORDER)["status"] == 200
    answer = stage.call(conn, "order.place", ORDER)
    assert answer["status"] == 429
    assert answer["error"]["code"] == -1015
    assert answer["error"]["data"] == {
        "serverTime": START // MS + 3000,
        "retryAfter": START // MS + 10_000,
    }


def test_the_weight_pool_is_its_own_unless_set_otherwise():
    small = msgspec.structs.replace(ServerSettings.for_sockets(), weight_per_minute=8)
    stage = Stage(small)
    stage.rest("GET", "/fapi/v1/trades", sign=False)
    assert stage.venue.ws_open(50, "/ws-fapi/v1", stage.now) == 101
    shared = Stage(msgspec.structs.replace(small, shared_weight_pool=True))
    shared.rest("GET", "/fapi/v1/trades", sign=False)
    assert shared.venue.ws_open(50, "/ws-fapi/v1", shared.now) == 429


def test_listen_keys_are_managed_but_events_never_come_here(stage, conn):
    key = stage.call(conn, "userDataStream.start", {"apiKey": KEY}, sign=False)["result"]["listenKey"]
    assert len(key) == 64
    assert stage.call(conn, "userDataStream.ping", {"apiKey": KEY}, sign=False)["status"] == 200
    stage.call(conn, "order.place", ORDER)
    assert len(stage.heard(conn, stage.delivered)) == 3
    assert stage.call(conn, "userDataStream.stop", {"apiKey": KEY}, sign=False)["status"] == 200
    answer = stage.call(conn, "userDataStream.ping", {"apiKey": KEY}, sign=False)
    assert answer["error"]["code"] == -1125


def _ed_stage():
    private = ed25519.Ed25519PrivateKey.generate()
    pem = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    accounts = {ED_KEY: Credentials.ed25519(ED_KEY, pem.decode()), KEY: Credentials.hmac(KEY, SECRET)}
    stage = Stage(accounts=accounts)

    def logon(conn, key=ED_KEY):
        params = {"apiKey": key, "timestamp": stage.now // MS}
        text = "&".join(f"{k}={v}" for k, v in sorted(params.items()))
        params["signature"] = base64.b64encode(private.sign(text.encode())).decode()
        return stage.say(conn, {"id": 1, "method": "session.logon", "params": params})[0]

    return stage, logon


def test_a_session_spares_key_and_signature_but_not_the_timestamp():
    stage, logon = _ed_stage()
    conn = stage.open("/ws-fapi/v1")
    assert stage.say(conn, {"id": 1, "method": "session.status"})[0]["result"]["apiKey"] is None
    assert logon(conn)["result"]["apiKey"] == ED_KEY
    status = stage.say(conn, {"id": 1, "method": "session.status"})[0]["result"]
    assert status["authorizedSince"] == START // MS
    placed = stage.say(
        conn, {"id": 2, "method": "order.place", "params": ORDER | {"timestamp": START // MS}}
    )[0]
    assert placed["status"] == 200
    assert placed["rateLimits"][1]["count"] == 1
    missing = stage.say(conn, {"id": 3, "method": "order.place", "params": ORDER})[0]
    assert missing["error"]["code"] == -1102
    stage.say(conn, {"id": 4, "method": "session.logout"})
    after = stage.say(conn, {"id": 5, "method": "order.place", "params": ORDER | {"timestamp": START // MS}})[
        0
    ]
    assert after["error"]["code"] == -2014


def test_logon_is_for_ed25519_keys_alone():
    stage, logon = _ed_stage()
    conn = stage.open("/ws-fapi/v1")
    assert logon(conn, KEY)["error"]["code"] == -4056
    assert stage.call(conn, "order.place", ORDER)["status"] == 200


def test_a_revoked_key_shows_as_an_unsolicited_frame_and_comes_back():
    stage, logon = _ed_stage()
    conn = stage.open("/ws-fapi/v1")
    logon(conn)
    stage.venue.install(
        _plan({"match": {"from_ms": 1000, "until_ms": 2000}, "effect": "keys_revoked"}), stage.now
    )
    before = len(stage.delivered)
    stage.later(SECOND)
    frames = stage.heard(conn, stage.delivered[before:])
    assert frames == [{"id": None, "status": 401, "error": {"code": -2015, "msg": frames[0]["error"]["msg"]}}]
    assert stage.call(conn, "order.place", ORDER)["error"]["code"] == -2015
    stage.later(SECOND)
    assert stage.call(conn, "order.place", ORDER)["status"] == 200


def _plan(*rules):
    from backstay.simulator.server.faults import FaultPlan

    return FaultPlan.of(list(rules))
