"""Spot contexts to requests: types, parameters, lists, bytes."""

import json
from decimal import Decimal
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from backstay.binance.wire import encode, encode_spot, lists_spot
from backstay.binance.wire import endpoints_spot as endpoints
from backstay.binance.wire.forms import EncodeError
from backstay.binance.wire.lists_spot import Leg
from backstay.binance.wire.sign import HmacSigner
from backstay.core.contexts import OrderContext, Premise
from backstay.core.slots import Slot, SlotKey
from backstay.core.types import Direction, OrderType, PositionSide, Product, Role, Scope, Side, TimeInForce

ID = "bst" + "a2" * 13
SIGNER = HmacSigner("api-key", "secret")
D = Decimal
COMMON = {
    "newClientOrderId": ID,
    "newOrderRespType": "ACK",
    "selfTradePreventionMode": "EXPIRE_MAKER",
    "side": "SELL",
    "symbol": "BTCUSDT",
}


def context(kind=OrderType.LIMIT, *, symbol="BTCUSDT", custom_id=ID, order_id=0, filled="0", **slot):
    fields = {name: D(v) if type(v) is str else v for name, v in slot.items()}
    return OrderContext(
        ctx_id=custom_id,
        scope=Scope(Product.SPOT, symbol, PositionSide.BOTH),
        direction=Direction.LONG,
        slot=Slot(key=SlotKey(Role.TP), **{"side": Side.SELL, "kind": kind, **fields}),
        epoch=1,
        generation=0,
        premise=Premise(1, D("0.004")),
        created_at=1,
        order_id=order_id,
        filled=D(filled),
    )


def limit(**changes):
    return context(**{"price": "90900.10", "quantity": "0.0100"} | changes)


GTC, IOC = {"timeInForce": "GTC"}, {"timeInForce": "IOC"}
PLACED = [
    (limit(), {"type": "LIMIT", "price": "90900.1", "quantity": "0.01", "timeInForce": "GTC"}),
    (
        limit(lots=(8123,), hands_off=True),
        GTC | {"type": "LIMIT", "price": "90900.1", "quantity": "0.01", "strategyId": "8123"},
    ),
    (limit(lots=(7, 9), hands_off=True), GTC | {"type": "LIMIT", "price": "90900.1", "quantity": "0.01"}),
    (limit(tif=TimeInForce.IOC), IOC | {"type": "LIMIT", "price": "90900.1", "quantity": "0.01"}),
    (limit(tif=TimeInForce.GTX), {"type": "LIMIT_MAKER", "price": "90900.1", "quantity": "0.01"}),
    (context(OrderType.MARKET, quantity="1"), {"type": "MARKET", "quantity": "1"}),
    (
        context(OrderType.STOP_MARKET, trigger="88000", quantity="1", reduce_only=True),
        {"type": "STOP_LOSS", "stopPrice": "88000", "quantity": "1"},
    ),
    (
        context(OrderType.STOP, trigger="88000", price="87900", quantity="1"),
        GTC | {"type": "STOP_LOSS_LIMIT", "stopPrice": "88000", "price": "87900", "quantity": "1"},
    ),
    (
        context(OrderType.TAKE_PROFIT_MARKET, trigger="99000", quantity="1"),
        {"type": "TAKE_PROFIT", "stopPrice": "99000", "quantity": "1"},
    ),
    (
        context(OrderType.TAKE_PROFIT, trigger="99000", price="99000", quantity="1"),
        GTC | {"type": "TAKE_PROFIT_LIMIT", "stopPrice": "99000", "price": "99000", "quantity": "1"},
    ),
    (
        context(OrderType.TRAILING_STOP_MARKET, callback_rate="2.5", quantity="1"),
        {"type": "STOP_LOSS", "trailingDelta": "250", "quantity": "1"},
    ),
    (
        context(OrderType.TRAILING_STOP_MARKET, callback_rate="2.5", activate_price="99000", quantity="1"),
        {"type": "TAKE_PROFIT", "trailingDelta": "250", "stopPrice": "99000", "quantity": "1"},
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("ctx", "expected"), PLACED, ids=lambda v: v.get("type") if isinstance(v, dict) else ""
)
def test_each_kind_is_placed_with_what_its_type_needs_and_nothing_else(ctx, expected):
    mutation = encode_spot.place(ctx)
    assert (mutation.ws_method, mutation.endpoint) == ("order.place", endpoints.ORDER_PLACE)
    assert dict(mutation.params) == COMMON | expected


@pytest.mark.parametrize(
    ("ctx", "why"),
    [
        (context(OrderType.MARKET), "quantity is missing"),
        (context(quantity="1"), "price is missing"),
        (context(OrderType.STOP_MARKET, quantity="1"), "trigger is missing"),
        (context(OrderType.MARKET, quantity="1", price="1"), "takes no price"),
        (limit(callback_rate="1"), "takes no callback_rate"),
        (limit(activate_price="1"), "takes no activate_price"),
        (context(OrderType.TRAILING_STOP_MARKET, quantity="1"), "callback_rate is missing"),
        (
            context(OrderType.TRAILING_STOP_MARKET, quantity="1", callback_rate="0.005"),
            "whole number of basis points",
        ),
        (context(OrderType.STOP_MARKET, trigger="1", close_position=True), "no close_position"),
        (context(OrderType.LIQUIDATION, quantity="1"), "nobody can place"),
        (limit(tif=TimeInForce.GTD), "time in force"),
        (limit(price="0"), "positive"),
        (limit(custom_id="a" * 37), "pattern"),
        (limit(custom_id="bst.1"), "pattern"),  # futures take a dot, spot does not
        (limit(symbol='BTC"USDT'), "symbol"),
    ],
)
def test_what_spot_cannot_express_is_refused_with_its_reason(ctx, why):
    with pytest.raises(EncodeError, match=why):
        encode_spot.place(ctx)


def test_a_cancel_takes_the_order_id_when_it_is_known():
    assert dict(encode_spot.cancel(limit()).params) == {"origClientOrderId": ID, "symbol": "BTCUSDT"}
    assert dict(encode_spot.cancel(limit(order_id=31)).params) == {"orderId": "31", "symbol": "BTCUSDT"}
    frame = json.loads(encode.ws_request(encode_spot.cancel(limit(order_id=31)), "7", None, 1, 5000))
    assert frame["params"]["orderId"] == 31


def test_an_amend_makes_the_total_smaller_and_keeps_the_id():
    ctx = limit(order_id=31, filled="0.004", quantity="0.006")
    mutation = encode_spot.amend(ctx, D("90900.1"), D("0.0090"))
    assert mutation.endpoint is endpoints.ORDER_AMEND
    assert dict(mutation.params) == {
        "newClientOrderId": ID,
        "newQty": "0.009",
        "orderId": "31",
        "symbol": "BTCUSDT",
    }
    for price, quantity in ((D(90901), D("0.009")), (D("90900.1"), D("0.010")), (D("90900.1"), D("0.011"))):
        with pytest.raises(EncodeError, match="replaced"):
            encode_spot.amend(ctx, price, quantity)


def test_a_cancel_replace_stops_when_the_cancel_fails():
    mutation = encode_spot.replace(limit(order_id=31), limit(custom_id="new1", price="91000"))
    assert mutation.endpoint is endpoints.ORDER_REPLACE
    assert dict(mutation.params) == COMMON | {
        "cancelOrderId": "31",
        "cancelReplaceMode": "STOP_ON_FAILURE",
        "newClientOrderId": "new1",
        "type": "LIMIT",
        "price": "91000",
        "quantity": "0.01",
        "timeInForce": "GTC",
    }
    by_id = encode_spot.replace(limit(), limit(custom_id="new1"))
    assert dict(by_id.params)["cancelOrigClientOrderId"] == ID
    with pytest.raises(EncodeError, match="one symbol"):
        encode_spot.replace(limit(), limit(custom_id="new1", symbol="ETHUSDT"))


# --- lists ----------------------------------------------------------------------------------------------


def leg(ctx, name):
    return Leg(ctx.slot, name)


TP = leg(limit(tif=TimeInForce.GTX, quantity="1"), "tp1")
SL = leg(context(OrderType.STOP, trigger="88000", price="87900", quantity="1"), "sl1")
ENTRY = leg(limit(side=Side.BUY, price="90000", quantity="1"), "in1")
HEAD = {
    "listClientOrderId": "list1",
    "newOrderRespType": "ACK",
    "selfTradePreventionMode": "EXPIRE_MAKER",
    "symbol": "BTCUSDT",
}


@pytest.mark.parametrize("legs", [(TP, SL), (SL, TP)])
def test_an_oco_that_sells_takes_its_profit_above(legs):
    mutation = lists_spot.oco("BTCUSDT", "list1", *legs)
    assert (mutation.ws_method, mutation.endpoint) == ("orderList.place.oco", endpoints.LIST_OCO)
    assert dict(mutation.params) == HEAD | {
        "side": "SELL",
        "quantity": "1",
        "aboveType": "LIMIT_MAKER",
        "abovePrice": "90900.1",
        "aboveClientOrderId": "tp1",
        "belowType": "STOP_LOSS_LIMIT",
        "belowPrice": "87900",
        "belowStopPrice": "88000",
        "belowTimeInForce": "GTC",
        "belowClientOrderId": "sl1",
    }


def test_an_oco_that_buys_takes_its_profit_below():
    profit = leg(limit(side=Side.BUY, price="80000", quantity="1"), "tp1")
    loss = leg(context(OrderType.STOP_MARKET, side=Side.BUY, trigger="95000", quantity="1"), "sl1")
    params = dict(lists_spot.oco("BTCUSDT", "list1", profit, loss).params)
    assert (params["side"], params["belowType"], params["belowPrice"]) == ("BUY", "LIMIT_MAKER", "80000")
    assert (params["aboveType"], params["aboveStopPrice"]) == ("STOP_LOSS", "95000")


def test_an_oto_and_an_otoco_begin_with_a_limit_order():
    working = {
        "workingType": "LIMIT",
        "workingSide": "BUY",
        "workingPrice": "90000",
        "workingQuantity": "1",
        "workingTimeInForce": "GTC",
        "workingClientOrderId": "in1",
    }
    oto = lists_spot.oto("BTCUSDT", "list1", ENTRY, SL)
    assert dict(oto.params) == HEAD | working | {
        "pendingType": "STOP_LOSS_LIMIT",
        "pendingSide": "SELL",
        "pendingPrice": "87900",
        "pendingStopPrice": "88000",
        "pendingQuantity": "1",
        "pendingTimeInForce": "GTC",
        "pendingClientOrderId": "sl1",
    }
    otoco = lists_spot.otoco("BTCUSDT", "list1", ENTRY, TP, SL)
    assert otoco.endpoint.orders == 3
    assert dict(otoco.params) == HEAD | working | {
        "pendingSide": "SELL",
        "pendingQuantity": "1",
        "pendingAboveType": "LIMIT_MAKER",
        "pendingAbovePrice": "90900.1",
        "pendingAboveClientOrderId": "tp1",
        "pendingBelowType": "STOP_LOSS_LIMIT",
        "pendingBelowPrice": "87900",
        "pendingBelowStopPrice": "88000",
        "pendingBelowTimeInForce": "GTC",
        "pendingBelowClientOrderId": "sl1",
    }


def test_a_list_is_cancelled_whole_by_either_id():
    assert dict(lists_spot.cancel_list("BTCUSDT", list_id=12).params)["orderListId"] == "12"
    mutation = lists_spot.cancel_list("BTCUSDT", client_id="list1")
    assert dict(mutation.params) == {"listClientOrderId": "list1", "symbol": "BTCUSDT"}
    with pytest.raises(EncodeError):
        lists_spot.cancel_list("BTCUSDT")


@pytest.mark.parametrize(
    ("one", "other", "why"),
    [
        (TP, TP, "not a profit leg and a stop leg"),
        (SL, SL, "not a profit leg and a stop leg"),
        (TP, replace(SL, client_id="tp1"), "id of its own"),
        (TP, Leg(replace(SL.slot, quantity=D(2)), "sl1"), "one size"),
        (TP, Leg(replace(SL.slot, side=Side.BUY), "sl1"), "one side"),
        (TP, Leg(replace(SL.slot, trigger=D(95000)), "sl1"), "wrong sides"),
    ],
)
def test_legs_that_are_no_pair_are_refused(one, other, why):
    with pytest.raises(EncodeError, match=why):
        lists_spot.oco("BTCUSDT", "list1", one, other)


def test_only_a_limit_order_may_be_waited_for():
    with pytest.raises(EncodeError, match="working leg"):
        lists_spot.oto("BTCUSDT", "list1", SL, TP)


# --- bytes ----------------------------------------------------------------------------------------------

SLOTS = st.sampled_from([ctx for ctx, _ in PLACED])


@given(
    SLOTS,
    st.decimals("0.00000001", "1e9", allow_nan=False, allow_infinity=False),
    st.decimals("0.00000001", "1e9", allow_nan=False, allow_infinity=False),
    st.sampled_from(["BTCUSDT", "\uff11\uff12\uff13", "1000SATS"]),
)
def test_both_transports_say_and_sign_the_same_exact_numbers(ctx, price, quantity, symbol):
    slot = replace(ctx.slot, quantity=quantity, price=None if ctx.slot.price is None else price)
    ctx = replace(ctx, slot=slot, scope=replace(ctx.scope, symbol=symbol))
    mutation = encode_spot.place(ctx)
    params = dict(mutation.params)
    assert D(params["quantity"]) == quantity
    assert "E" not in params["quantity"]
    frame = json.loads(encode.ws_request(mutation, "7", SIGNER, 1790000000000, 5000))["params"]
    signature = frame.pop("signature")
    assert signature == SIGNER.sign_ws(frame)
    assert frame == {
        **{name: int(v) if name in ("strategyId", "trailingDelta") else v for name, v in params.items()},
        "apiKey": "api-key",
        "recvWindow": 5000,
        "timestamp": 1790000000000,
    }
    request = encode.rest_request(mutation, SIGNER, 1790000000000, 5000)
    query, _, signed = request.target.partition("?")[2].rpartition("&signature=")
    assert signed == SIGNER.sign(query)
    assert dict(parse_qsl(query)) == params | {"recvWindow": "5000", "timestamp": "1790000000000"}
    bare = json.loads(encode.ws_request(mutation, "7", None, 1790000000000, 5000))["params"]
    assert bare == {name: v for name, v in frame.items() if name != "apiKey"}


def test_a_list_is_signed_like_any_other_request():
    mutation = lists_spot.oco("BTCUSDT", "list1", TP, SL)
    frame = json.loads(encode.ws_request(mutation, "7", SIGNER, 1, 5000))
    assert frame["method"] == "orderList.place.oco"
    params = frame["params"]
    assert params.pop("signature") == SIGNER.sign_ws(params)
