"""REST: refusals in the venue's words, limits with their headers, bans."""

import msgspec
import pytest

from backstay.simulator.errors import Refusal
from backstay.simulator.server.auth import Credentials
from backstay.simulator.server.settings import ServerSettings

from tests.simulator.server.stage import KEY, MS, SECOND, SECRET, START, Stage

ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}
SMALL = msgspec.structs.replace(
    ServerSettings.for_sockets(),
    weight_per_minute=10,
    orders_per_10s=3,
    orders_per_minute=5,
    refusals_before_ban=2,
    funding_requests_per_5m=2,
)


def test_a_signed_order_reaches_the_engine_without_the_protocol_parameters():
    stage = Stage()
    status, body, headers = stage.rest("POST", "/fapi/v1/order", ORDER | {"recvWindow": 5000})
    assert status == 200
    assert body == {"endpoint": "POST /fapi/v1/order", "account": "main", "params": ORDER}
    assert headers["X-MBX-USED-WEIGHT-1M"] == "0"
    assert headers["X-MBX-ORDER-COUNT-10S"] == "1"
    assert headers["X-MBX-ORDER-COUNT-1M"] == "1"


@pytest.mark.parametrize("where", ["body", "both"])
def test_parameters_may_come_in_the_body_or_mixed(where):
    import hashlib
    import hmac

    stage = Stage()
    query = "symbol=BTCUSDT&side=BUY" if where == "both" else ""
    body = "type=MARKET&quantity=0.01" + ("" if where == "both" else "&symbol=BTCUSDT&side=BUY")
    body += f"&timestamp={START // MS}"
    body += "&signature=" + hmac.new(SECRET.encode(), (query + body).encode(), hashlib.sha256).hexdigest()
    answer = stage.raw("POST", "/fapi/v1/order" + (f"?{query}" if query else ""), body=body.encode())
    assert answer is not None
    assert answer.status == 200
    assert stage.engine.calls[0][2] == ORDER


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"key": None}, 401, -2014),
        ({"key": "short"}, 401, -2014),
        ({"key": "x" * 64}, 401, -2015),
        ({"secret": "wrong"}, 400, -1022),
        ({"stamp": START // MS + 1000}, 400, -1021),
        ({"stamp": START // MS - 5001}, 400, -1021),
        ({"stamp": "soon"}, 400, -1102),
    ],
)
def test_refusals_of_identity_and_time(change, status, code):
    stage = Stage()
    got, body, _ = stage.rest("POST", "/fapi/v1/order", ORDER, **change)
    assert (got, body["code"]) == (status, code)
    assert stage.engine.calls == []


@pytest.mark.parametrize(("stamp", "window"), [(999, 5000), (-5000, 5000), (-60000, 60000)])
def test_timestamps_inside_the_rule_pass(stamp, window):
    stage = Stage()
    status, _, _ = stage.rest(
        "POST", "/fapi/v1/order", ORDER | {"recvWindow": window}, stamp=START // MS + stamp
    )
    assert status == 200


@pytest.mark.parametrize(
    ("params", "code"),
    [
        (ORDER | {"recvWindow": 60001}, -1130),
        (ORDER | {"recvWindow": "soon"}, -1130),
        (ORDER | {"newOrderRespTyp": "ACK"}, -1104),
        (ORDER | {"price": ""}, -1105),
    ],
)
def test_refusals_of_parameters(params, code):
    assert Stage().rest("POST", "/fapi/v1/order", params)[1]["code"] == code


def test_missing_timestamp_missing_signature_and_duplicates():
    stage = Stage()
    for query, code in (
        ("symbol=BTCUSDT", -1102),
        (f"timestamp={START // MS}", -1102),
        (f"symbol=A&symbol=B&timestamp={START // MS}&signature=00", -1101),
        (f"timestamp={START // MS}&signature=00&signature=01", -1101),
    ):
        answer = stage.raw("GET", f"/fapi/v1/openOrders?{query}")
        assert answer is not None
        assert msgspec.json.decode(answer.body)["code"] == code


def test_the_signature_covers_the_text_as_sent_percent_encoding_included():
    stage = Stage()
    status, body, _ = stage.rest("GET", "/fapi/v1/openOrders", {"symbol": "\uff11\uff12USDT"})
    assert status == 200
    assert body["params"] == {"symbol": "\uff11\uff12USDT"}
    raw = f"symbol=\uff11\uff12USDT&timestamp={START // MS}"
    import hashlib
    import hmac

    signature = hmac.new(SECRET.encode(), raw.encode(), hashlib.sha256).hexdigest()
    encoded = raw.replace("\uff11\uff12", "%EF%BC%91%EF%BC%92")
    answer = stage.raw("GET", f"/fapi/v1/openOrders?{encoded}&signature={signature}")
    assert answer is not None
    assert msgspec.json.decode(answer.body)["code"] == -1022


def test_an_engine_refusal_keeps_its_code_and_status():
    stage = Stage()
    stage.engine.refuse = Refusal(-2019, "Margin is insufficient.")
    status, body, headers = stage.rest("POST", "/fapi/v1/order", ORDER)
    assert (status, body) == (400, {"code": -2019, "msg": "Margin is insufficient."})
    assert "X-MBX-USED-WEIGHT-1M" in headers
    assert "X-MBX-ORDER-COUNT-10S" not in headers


def test_an_unknown_path_or_verb_is_404():
    stage = Stage()
    assert stage.rest("GET", "/fapi/v9/order", sign=False)[0] == 404
    assert stage.rest("PATCH", "/fapi/v1/order", sign=False)[0] == 404


def test_keys_carry_permissions_and_addresses():
    read_only = Credentials(KEY, "main", Credentials.hmac("", "x").kind, SECRET, futures=False)
    stage = Stage(accounts={KEY: read_only})
    assert stage.rest("POST", "/fapi/v1/order", ORDER)[1]["code"] == -2015
    assert stage.rest("GET", "/fapi/v3/account")[0] == 200
    assert stage.rest("GET", "/sapi/v1/account/apiRestrictions")[1]["enableFutures"] is False

    bound = Credentials(KEY, "main", read_only.kind, SECRET, withdrawals=True, addresses=("10.0.0.1",))
    stage = Stage(accounts={KEY: bound})
    assert stage.rest("GET", "/fapi/v3/account", peer="10.0.0.2")[1]["code"] == -2015
    assert stage.rest("GET", "/fapi/v3/account", peer="10.0.0.1")[0] == 200
    rights = stage.rest("GET", "/sapi/v1/account/apiRestrictions", peer="10.0.0.1")[1]
    assert rights["enableWithdrawals"] is True
    assert rights["ipRestrict"] is True


def test_credentials_never_show_their_secret():
    assert SECRET not in repr(Credentials.hmac(KEY, SECRET))
    assert KEY not in repr(Credentials.hmac(KEY, SECRET))


def test_weight_follows_symbol_and_limit():
    stage = Stage()

    def used(path, params=None, *, sign=False):
        return int(stage.rest("GET", path, params, sign=sign)[2]["X-MBX-USED-WEIGHT-1M"])

    before = used("/fapi/v1/ping")
    for path, params, sign, cost in (
        ("/fapi/v1/depth", {"limit": 50}, False, 2),
        ("/fapi/v1/depth", {"limit": 100}, False, 5),
        ("/fapi/v1/depth", None, False, 10),
        ("/fapi/v1/depth", {"limit": 1000}, False, 20),
        ("/fapi/v1/klines", {"limit": 99}, False, 1),
        ("/fapi/v1/klines", {"limit": 1500}, False, 10),
        ("/fapi/v1/openOrders", None, True, 40),
        ("/fapi/v1/openOrders", {"symbol": "BTCUSDT"}, True, 1),
        ("/fapi/v1/premiumIndex", None, False, 10),
        ("/fapi/v1/income", None, True, 30),
        ("/fapi/v3/positionRisk", None, True, 5),
    ):
        after = used(path, params, sign=sign)
        assert after - before == cost, path
        before = after


def test_the_weight_header_of_the_price_tickers_is_not_the_address_count():
    stage = Stage()
    stage.rest("GET", "/fapi/v1/klines", {"limit": 1500}, sign=False)
    assert stage.rest("GET", "/fapi/v2/ticker/price", sign=False)[2]["X-MBX-USED-WEIGHT-1M"] == "2"


def test_weight_runs_out_with_429_and_comes_back_at_the_minute():
    stage = Stage(SMALL)
    stage.later(20 * SECOND)
    assert stage.rest("GET", "/fapi/v1/klines", {"limit": 1500}, sign=False)[0] == 200
    status, body, headers = stage.rest("GET", "/fapi/v1/ping", sign=False)
    assert (status, body["code"], headers["Retry-After"]) == (429, -1003, "40")
    stage.later(40 * SECOND)
    assert stage.rest("GET", "/fapi/v1/ping", sign=False)[2]["X-MBX-USED-WEIGHT-1M"] == "1"


def test_an_address_that_ignores_429_is_banned_for_a_growing_time():
    stage = Stage(SMALL)
    stage.rest("GET", "/fapi/v1/klines", {"limit": 1500}, sign=False)
    got = [stage.rest("GET", "/fapi/v1/ping", sign=False)[0] for _ in range(4)]
    assert got == [429, 429, 418, 418]
    status, body, headers = stage.rest("GET", "/fapi/v1/ping", sign=False)
    until = START // MS + 120_000
    assert (status, body["code"], headers["Retry-After"]) == (418, -1003, "120")
    assert f"banned until {until}" in body["msg"]
    assert stage.rest("GET", "/fapi/v1/ping", sign=False, peer="10.9.9.9")[0] == 200
    stage.later(120 * SECOND)
    assert stage.rest("GET", "/fapi/v1/klines", {"limit": 1500}, sign=False)[0] == 200
    for _ in range(3):
        last = stage.rest("GET", "/fapi/v1/ping", sign=False)
    assert last[0] == 418
    assert last[2]["Retry-After"] == "240"


def test_order_counts_are_per_account_in_two_calendar_windows():
    stage = Stage(SMALL)
    for _ in range(3):
        assert stage.rest("POST", "/fapi/v1/order", ORDER)[0] == 200
    status, body, headers = stage.rest("POST", "/fapi/v1/order", ORDER)
    assert (status, body["code"], headers["Retry-After"]) == (429, -1015, "10")
    stage.later(10 * SECOND)
    assert stage.rest("POST", "/fapi/v1/order", ORDER)[2]["X-MBX-ORDER-COUNT-10S"] == "1"
    status, body, headers = stage.rest("POST", "/fapi/v1/order", ORDER)
    assert (status, body["code"], headers["Retry-After"]) == (429, -1015, "50")
    assert stage.rest("DELETE", "/fapi/v1/order", {"symbol": "BTCUSDT", "orderId": 1})[0] == 200


def test_a_batch_costs_five_in_the_short_window_and_one_in_the_long():
    headers = Stage().rest("POST", "/fapi/v1/batchOrders", {"batchOrders": "[]"})[2]
    assert headers["X-MBX-ORDER-COUNT-10S"] == "5"
    assert headers["X-MBX-ORDER-COUNT-1M"] == "1"
    assert headers["X-MBX-USED-WEIGHT-1M"] == "5"


def test_funding_history_has_its_own_pool():
    stage = Stage(SMALL)
    assert stage.rest("GET", "/fapi/v1/fundingRate", sign=False)[0] == 200
    assert stage.rest("GET", "/fapi/v1/fundingInfo", sign=False)[0] == 200
    assert stage.rest("GET", "/fapi/v1/fundingRate", sign=False)[0] == 429
    assert stage.rest("GET", "/fapi/v1/ping", sign=False)[0] == 200


def test_ping_time_and_limits_are_answered_by_the_protocol():
    stage = Stage()
    assert stage.rest("GET", "/fapi/v1/ping", sign=False)[1] == {}
    assert stage.rest("GET", "/fapi/v1/time", sign=False)[1] == {"serverTime": START // MS}
    rows = stage.rest("GET", "/fapi/v1/rateLimit/order")[1]
    assert [(r["interval"], r["intervalNum"], r["limit"]) for r in rows] == [
        ("SECOND", 10, 300),
        ("MINUTE", 1, 1200),
    ]


def test_answers_are_delayed_by_the_set_latency_and_the_same_seed_gives_the_same_jitter():
    def dues():
        stage = Stage(ServerSettings(ack_latency_ms=2, jitter_ms=1))
        return [stage.ask("GET", "/fapi/v1/ping", sign=False).due for _ in range(20)]

    first = dues()
    assert first == dues()
    assert len(set(first)) > 10
    assert all(START + 2 * MS <= due < START + 3 * MS for due in first)


def test_unread_parameters_are_let_pass_where_the_venue_is_set_to():
    stage = Stage(ServerSettings.for_sockets())
    assert stage.rest("POST", "/fapi/v1/order", ORDER | {"stopLossPrice": "1"})[0] == 200
