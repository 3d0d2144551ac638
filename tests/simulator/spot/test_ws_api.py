"""Spot's WebSocket API: orders, sessions, user data subscriptions (`binance-spot.md` sections 6 and 7)."""

import base64

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from backstay.simulator.server.auth import Credentials
from backstay.simulator.server.outputs import Close

from tests.simulator.server.stage import KEY, SECRET
from tests.simulator.spot.stage import ORDER, RESTING, SpotStage

MS = 1_000_000
SECOND = 1_000_000_000
ED_KEY = "E" * 64
PRIVATE = Ed25519PrivateKey.from_private_bytes(b"7" * 32)
PUBLIC = PRIVATE.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)
ACCOUNTS = {
    KEY: Credentials.hmac(KEY, SECRET),
    ED_KEY: Credentials.ed25519(ED_KEY, PUBLIC.decode()),
}


def logon(stage, conn):
    given = {"apiKey": ED_KEY, "timestamp": stage.now // MS}
    text = "&".join(f"{k}={given[k]}" for k in sorted(given))
    given["signature"] = base64.b64encode(PRIVATE.sign(text.encode())).decode()
    return stage.say(conn, {"id": "l", "method": "session.logon", "params": given})[0]


def events(frames):
    return [f["event"]["e"] for f in frames if "event" in f]


def test_orders_are_placed_queried_and_cancelled():
    stage = SpotStage()
    conn = stage.api()
    answer = stage.call(conn, "order.place", RESTING | {"newClientOrderId": "x-1"})
    assert (answer["id"], answer["status"]) == ("r1", 200)
    assert answer["result"]["status"] == "NEW"
    kinds = [(r["rateLimitType"], r["interval"], r["intervalNum"], r["count"]) for r in answer["rateLimits"]]
    assert kinds == [
        ("REQUEST_WEIGHT", "MINUTE", 1, 2),
        ("ORDERS", "SECOND", 10, 1),
        ("ORDERS", "DAY", 1, 1),
    ]
    which = {"symbol": "TENUSDT", "origClientOrderId": "x-1"}
    assert stage.call(conn, "order.status", which)["result"]["orderId"] == answer["result"]["orderId"]
    assert len(stage.call(conn, "openOrders.status")["result"]) == 1
    assert stage.call(conn, "order.cancel", which)["result"]["origClientOrderId"] == "x-1"
    refused = stage.call(conn, "order.cancel", which)
    assert (refused["status"], refused["error"]["code"]) == (400, -2011)


def test_every_trading_method_has_its_place():
    stage = SpotStage()
    conn = stage.api("?returnRateLimits=false")
    assert stage.call(conn, "order.test", RESTING)["result"] == {}
    number = stage.call(conn, "order.place", RESTING)["result"]["orderId"]
    amend = {"symbol": "TENUSDT", "orderId": number, "newQty": "0.5"}
    assert (
        stage.call(conn, "order.amend.keepPriority", amend)["result"]["amendedOrder"]["qty"] == "0.50000000"
    )
    replace = RESTING | {"cancelReplaceMode": "STOP_ON_FAILURE", "cancelOrderId": number}
    assert stage.call(conn, "order.cancelReplace", replace)["result"]["newOrderResult"] == "SUCCESS"
    failed = stage.call(conn, "order.cancelReplace", replace)
    assert (failed["status"], failed["error"]["code"]) == (400, -2022)
    assert failed["error"]["data"]["newOrderResponse"] is None
    legs = {"aboveType": "LIMIT_MAKER", "abovePrice": "110", "belowType": "STOP_LOSS", "belowStopPrice": "90"}
    pair = {"symbol": "TENUSDT", "side": "SELL", "quantity": "1"} | legs
    group = stage.call(conn, "orderList.place.oco", pair)["result"]
    which = {"orderListId": group["orderListId"]}
    assert stage.call(conn, "orderList.status", which)["result"]["listOrderStatus"] == "EXECUTING"
    assert len(stage.call(conn, "openOrderLists.status")["result"]) == 1
    gone = stage.call(conn, "orderList.cancel", which | {"symbol": "TENUSDT"})
    assert gone["result"]["listOrderStatus"] == "ALL_DONE"
    assert len(stage.call(conn, "openOrders.cancelAll", {"symbol": "TENUSDT"})["result"]) == 1
    answer = stage.call(conn, "account.status", {"omitZeroBalances": "true"})
    assert "rateLimits" not in answer
    assert answer["result"]["accountType"] == "SPOT"
    for method in ("allOrders", "myTrades", "myFilters", "account.commission"):
        assert stage.call(conn, method, {"symbol": "TENUSDT"})["status"] == 200
    assert stage.call(conn, "account.rateLimits.orders")["result"][1]["interval"] == "DAY"


def test_market_data_needs_no_signature():
    stage = SpotStage()
    conn = stage.api()
    assert stage.call(conn, "ping", sign=False)["result"] == {}
    assert stage.call(conn, "time", sign=False)["result"]["serverTime"] == stage.now // MS
    many = {"symbols": ["BTCUSDT", "ETHUSDT"]}
    assert len(stage.call(conn, "ticker.price", many, sign=False)["result"]) == 2
    assert stage.call(conn, "depth", {"symbol": "TENUSDT", "limit": 5}, sign=False)["result"]["bids"]
    for gone in ("userDataStream.start", "algoOrder.place"):
        assert stage.call(conn, gone, sign=False)["error"]["code"] == -1020


def test_a_subscription_by_signature_brings_wrapped_events():
    stage = SpotStage()
    conn = stage.api()
    assert stage.call(conn, "userDataStream.subscribe.signature")["result"] == {"subscriptionId": 0}
    again = stage.call(conn, "userDataStream.subscribe.signature")
    assert again["error"]["code"] == -2035
    params = RESTING | {"apiKey": KEY, "timestamp": stage.now // MS}
    stage.rest("POST", "/api/v3/order", RESTING)
    frames = stage.heard(conn, stage.delivered)[-2:]
    assert [f["subscriptionId"] for f in frames] == [0, 0]
    assert events(frames) == ["executionReport", "outboundAccountPosition"]
    assert frames[0]["event"]["T"] == stage.now // MS
    assert params["symbol"] == frames[0]["event"]["s"]


def test_events_reach_every_connection_of_the_account():
    stage = SpotStage()
    first, second, deaf = stage.user(), stage.user(), stage.api()
    answer_and_events = stage.place()
    assert answer_and_events[0] == 200
    for conn, count in ((first, 2), (second, 2), (deaf, 0)):
        assert len(events(stage.heard(conn, stage.delivered))) == count


def test_unsubscribing_ends_the_stream_and_says_so():
    stage = SpotStage()
    conn = stage.user()
    frames = stage.say(
        conn, {"id": 1, "method": "userDataStream.unsubscribe", "params": {"subscriptionId": 0}}
    )
    assert frames[0]["result"] == {}
    assert (frames[1]["subscriptionId"], frames[1]["event"]["e"]) == (0, "eventStreamTerminated")
    gone = stage.say(conn, {"id": 2, "method": "userDataStream.unsubscribe"})[0]
    assert gone["error"]["code"] == -2036
    stage.place()
    assert events(stage.heard(conn, stage.delivered[-2:])) == []
    assert stage.call(conn, "userDataStream.subscribe.signature")["result"] == {"subscriptionId": 1}


def test_logon_subscribe_status_and_logout():
    stage = SpotStage(accounts=ACCOUNTS)
    conn = stage.api()
    bare = stage.say(conn, {"id": 1, "method": "userDataStream.subscribe"})[0]
    assert bare["status"] == 401
    assert logon(stage, conn)["result"]["apiKey"] == ED_KEY
    assert stage.say(conn, {"id": 1, "method": "userDataStream.subscribe"})[0]["result"] == {
        "subscriptionId": 0
    }
    status = stage.say(conn, {"id": 2, "method": "session.status"})[0]["result"]
    assert status["userDataStream"] is True
    rows = stage.say(conn, {"id": 3, "method": "session.subscriptions"})[0]["result"]
    assert rows == [{"subscriptionId": 0}]
    placed = stage.say(
        conn, {"id": 4, "method": "order.place", "params": RESTING | {"timestamp": stage.now // MS}}
    )
    assert placed[0]["result"]["status"] == "NEW"
    assert events(placed) == ["executionReport", "outboundAccountPosition"]
    out = stage.say(conn, {"id": 5, "method": "session.logout"})
    assert out[0]["result"]["apiKey"] is None
    assert events(out) == ["eventStreamTerminated"]


def test_logging_out_leaves_a_signed_subscription_alone():
    stage = SpotStage(accounts=ACCOUNTS)
    conn = stage.user()
    logon(stage, conn)
    stage.say(conn, {"id": 5, "method": "session.logout"})
    rows = stage.say(conn, {"id": 3, "method": "session.subscriptions"})[0]["result"]
    assert rows == [{"subscriptionId": 0}]
    hmac_logon = stage.call(conn, "session.logon")
    assert hmac_logon["error"]["code"] == -1020


def test_a_connection_may_ask_for_microseconds():
    stage = SpotStage()
    conn = stage.user(stage.api("?timeUnit=MICROSECOND"))
    stage.later(1_234_000)
    stage.place()
    report = stage.heard(conn, stage.delivered)[-2]["event"]
    assert report["T"] == stage.now // 1000
    assert stage.venue.ws_open(99, "/ws-api/v3?timeUnit=HOUR", stage.now) == 400


def test_the_end_of_a_connection_is_announced():
    stage = SpotStage(connection_hours=0.01, ping_every_s=10_000)
    conn = stage.user()
    stream = stage.open("/ws/tenusdt@bookTicker")
    stage.later(10 * SECOND)
    told = stage.heard(conn, stage.delivered)[-1]
    assert "subscriptionId" not in told
    assert told["event"]["e"] == "serverShutdown"
    assert stage.heard(stream, stage.delivered)[-1]["e"] == "serverShutdown"
    assert not [o for o in stage.delivered if isinstance(o, Close)]
    stage.later(30 * SECOND)
    assert {o.conn for o in stage.delivered if isinstance(o, Close)} == {conn, stream}


def test_pings_come_every_twenty_seconds_and_want_a_pong():
    stage = SpotStage()
    conn = stage.api()
    stage.later(20 * SECOND)
    assert [type(o).__name__ for o in stage.delivered] == ["Ping"]
    stage.later(60 * SECOND)
    assert [o.conn for o in stage.delivered if isinstance(o, Close)] == [conn]


@pytest.mark.parametrize("effect", ["drop", {"duplicate": {"copies": 1}}, {"delay": {"ms": 40}}])
def test_user_events_can_go_wrong(effect):
    rules = [{"match": {"surface": "private", "event": "executionReport"}, "effect": effect}]
    stage = SpotStage(faults=rules)
    conn = stage.user()
    stage.place()
    stage.later(SECOND)
    kinds = events(stage.heard(conn, stage.delivered))
    assert kinds.count("executionReport") == {"drop": 0}.get(str(effect), 2 if "duplicate" in effect else 1)
    assert kinds.count("outboundAccountPosition") == 1


def test_faults_end_subscriptions_revoke_keys_and_shut_down():
    rules = [
        {"match": {"at_ms": 1_000}, "effect": "subscription_end"},
        {"match": {"at_ms": 2_000}, "effect": {"server_shutdown": {"ms": 500}}},
    ]
    stage = SpotStage(faults=rules)
    conn = stage.user()
    stage.later(3 * SECOND)
    assert events(stage.heard(conn, stage.delivered)) == ["eventStreamTerminated", "serverShutdown"]
    assert [o.conn for o in stage.delivered if isinstance(o, Close)] == [conn]
    revoked = SpotStage(accounts=ACCOUNTS, faults=[{"match": {"from_ms": 1_000}, "effect": "keys_revoked"}])
    conn = revoked.api()
    logon(revoked, conn)
    revoked.say(conn, {"id": 1, "method": "userDataStream.subscribe"})
    revoked.later(2 * SECOND)
    ended, told = revoked.heard(conn, revoked.delivered)[-2:]
    assert ended["event"]["e"] == "eventStreamTerminated"
    assert (told["id"], told["status"], told["error"]["code"]) == (None, 401, -2015)


def test_a_fill_by_the_market_arrives_with_its_list_and_balances():
    stage = SpotStage()
    conn = stage.user()
    stage.rest("POST", "/api/v3/order", ORDER | {"price": "95"})
    stage.delivered.clear()
    stage.move("94")
    assert events(stage.heard(conn, stage.delivered)) == ["executionReport", "outboundAccountPosition"]
