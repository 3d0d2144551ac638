"""Spot's user data: every kind read field by field, and no bytes at all that raise."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.binance.wire.decode_spot import SHUTDOWN, decode_spot
from backstay.core.events import (
    AccountReport,
    AnyEvent,
    BalanceRow,
    Ignored,
    ListLeg,
    ListReport,
    OrderReport,
    StreamChanged,
    StreamState,
    Unidentified,
)
from backstay.core.types import (
    ExecutionType,
    OrderStatus,
    OrderType,
    PositionSide,
    Product,
    Side,
    TimeInForce,
)

from tests.binance.wire.samples import SPOT_USER, SPOT_WS_API, changed

D = Decimal
MS = 1_000_000


def order(name) -> OrderReport:
    event = decode_spot(SPOT_USER[name])
    assert isinstance(event, OrderReport), event
    return event


def altered(name, **fields) -> bytes:
    return changed(SPOT_USER[name], "event", **fields)


def test_a_trade():
    assert decode_spot(SPOT_USER["trade"]) == OrderReport(
        symbol="BTCUSDT",
        position_side=PositionSide.BOTH,
        order_id=31,
        client_id="x-demo0001-B1",
        side=Side.BUY,
        kind=OrderType.LIMIT,
        status=OrderStatus.PARTIALLY_FILLED,
        execution=ExecutionType.TRADE,
        quantity=D("0.01"),
        filled=D("0.004"),
        at=1790000000100 * MS,
        emitted_at=1790000000105 * MS,
        price=D(90000),
        avg_price=D("89990"),
        tif=TimeInForce.GTC,
        last_qty=D("0.004"),
        last_price=D("89990"),
        trade_id=77,
        commission=D("0.000004"),
        commission_asset="BTC",
        maker=True,
        product=Product.SPOT,
        list_id=0,
        on_book=True,
    )


def test_a_new_order_has_no_trade_no_list_and_no_commission():
    report = order("new")
    assert (report.trade_id, report.list_id, report.commission, report.commission_asset) == (0, 0, 0, "")
    assert (report.avg_price, report.expiry_reason) == (0, "")


def test_10_the_report_of_a_cancel_names_the_order_and_not_the_cancel():
    report = order("canceled")
    assert (report.client_id, report.status) == ("x-demo0001-B1", OrderStatus.CANCELED)


def test_an_amended_order_is_called_by_its_new_id():
    report = order("amended")
    assert (report.execution, report.client_id) == (ExecutionType.AMENDMENT, "x-demo0001-B2")
    assert report.quantity == D("0.006")


def test_a_cancel_that_the_venue_made_itself_has_only_the_orders_own_id():
    event = decode_spot(altered("canceled", C=""))
    assert isinstance(event, OrderReport)
    assert event.client_id == "cancel-77"


def test_a_leg_that_its_list_ended():
    report = order("oco_expired")
    assert (report.kind, report.price, report.trigger) == (OrderType.STOP, D(88000), D(88100))
    assert (report.list_id, report.expiry_reason, report.on_book) == (12, "OCO_TRIGGER", False)


def test_an_order_tells_the_label_that_it_was_placed_with():
    report = decode_spot(altered("new", j=8123))
    assert isinstance(report, OrderReport)
    assert (report.label, order("new").label) == (8123, 0)


def test_a_trailing_stop():
    report = order("trailing")
    assert (report.kind, report.trailing_delta) == (OrderType.TRAILING_STOP_MARKET, 250)


def test_a_prevented_match_ends_the_order_without_a_trade():
    report = order("prevented")
    assert (report.execution, report.status) == (ExecutionType.TRADE_PREVENTION, OrderStatus.EXPIRED_IN_MATCH)
    assert (report.prevented, report.last_qty) == (D("0.01"), 0)


def test_a_limit_maker_is_a_limit_that_only_adds():
    report = order("maker")
    assert (report.kind, report.tif) == (OrderType.LIMIT, TimeInForce.GTX)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("MARKET", OrderType.MARKET),
        ("STOP_LOSS", OrderType.STOP_MARKET),
        ("STOP_LOSS_LIMIT", OrderType.STOP),
        ("TAKE_PROFIT", OrderType.TAKE_PROFIT_MARKET),
        ("TAKE_PROFIT_LIMIT", OrderType.TAKE_PROFIT),
    ],
)
def test_the_types_of_spot_in_the_words_of_the_core(theirs, ours):
    event = decode_spot(altered("new", o=theirs))
    assert isinstance(event, OrderReport)
    assert event.kind is ours


def test_microseconds_are_read_as_well_as_milliseconds():
    event = decode_spot(altered("trade", T=1790000000100123, E=1790000000105456))
    assert isinstance(event, OrderReport)
    assert (event.at, event.emitted_at) == (1790000000100123000, 1790000000105456000)


def test_balances_are_the_free_and_the_locked_part():
    assert decode_spot(SPOT_USER["account"]) == AccountReport(
        reason="outboundAccountPosition",
        at=1790000050001 * MS,
        emitted_at=1790000050003 * MS,
        balances=(
            BalanceRow("USDT", D("5012.5"), D(5000), available=D(5000)),
            BalanceRow("BTC", D(0), D(0), available=D(0)),
        ),
        product=Product.SPOT,
    )


@pytest.mark.parametrize(
    ("name", "kind"), [("balance", "balanceUpdate BTC -1.5"), ("lock", "externalLockUpdate BTC 0.5")]
)
def test_a_change_without_a_balance_is_told_for_people(name, kind):
    event = decode_spot(SPOT_USER[name])
    assert isinstance(event, Ignored)
    assert event.kind.startswith(kind)


def test_an_order_list():
    assert decode_spot(SPOT_USER["list"]) == ListReport(
        symbol="BTCUSDT",
        list_id=12,
        client_id="x-demo0001-L1",
        contingency="OCO",
        change="ALL_DONE",
        status="ALL_DONE",
        at=1790000000054 * MS,
        emitted_at=1790000000055 * MS,
        legs=(ListLeg(32, "x-demo0001-T0"), ListLeg(33, "x-demo0001-T1")),
    )


def test_the_end_of_a_subscription_and_of_a_connection():
    ended = decode_spot(SPOT_USER["terminated"])
    assert ended == StreamChanged(
        state=StreamState.EXPIRED, detail="eventStreamTerminated", product=Product.SPOT
    )
    closing = decode_spot(SPOT_USER["shutdown"])
    assert isinstance(closing, StreamChanged)
    assert (closing.state, closing.detail) == (StreamState.OVERLAP, SHUTDOWN)


def test_answers_to_requests_are_no_events():
    for frame in SPOT_WS_API.values():
        assert decode_spot(frame) == Ignored(kind="control", product=Product.SPOT)


def test_members_in_another_order_change_nothing():
    loose = json.loads(SPOT_USER["trade"])
    event = dict(reversed(loose["event"].items()))
    frame = json.dumps({"event": event, "subscriptionId": 0}).encode()
    assert decode_spot(frame) == decode_spot(SPOT_USER["trade"])


def test_4_1_1_a_known_event_that_cannot_be_read_costs_trust_in_its_symbol():
    event = decode_spot(altered("trade", X="SOMETHING_NEW"))
    assert isinstance(event, Unidentified)
    assert (event.kind, event.symbol, event.product) == ("executionReport", "BTCUSDT", Product.SPOT)


def test_an_unknown_event_matters_only_when_it_names_an_id_of_ours():
    frame = b'{"subscriptionId":0,"event":{"e":"novelty","s":"BTCUSDT","c":"bks123"}}'
    assert decode_spot(frame, "xyz") == Ignored(kind="novelty", product=Product.SPOT)
    event = decode_spot(frame, "bks")
    assert isinstance(event, Unidentified)
    assert event.symbol == "BTCUSDT"


def test_secrets_do_not_reach_the_detail():
    frame = b'{"subscriptionId":0,"event":{"e":"executionReport","s":"%s"}}' % (b"k" * 64)
    event = decode_spot(frame)
    assert isinstance(event, Unidentified)
    assert "k" * 40 not in event.detail
    assert "k" * 40 not in event.symbol


@given(st.binary(max_size=300))
def test_no_bytes_raise(data):
    assert isinstance(decode_spot(data, "bks"), AnyEvent.__value__)


@given(st.data())
def test_no_damage_to_a_frame_raises(data):
    frame = bytearray(data.draw(st.sampled_from(sorted(SPOT_USER.values()))))
    for _ in range(data.draw(st.integers(1, 4))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    assert isinstance(decode_spot(bytes(frame), "bks"), AnyEvent.__value__)
