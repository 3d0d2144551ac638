"""Contexts to requests: the right surface, the right parameters, the right bytes."""

import json
from decimal import Decimal
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.binance.wire import encode, endpoints
from backstay.binance.wire.forms import EncodeError, Hole, compile_form
from backstay.binance.wire.sign import HmacSigner
from backstay.core.types import (
    OrderType,
    PositionMode,
    PositionSide,
    Side,
    Surface,
    TimeInForce,
    WorkingType,
)

from tests.binance.wire.contexts import CUSTOM_ID, context

ONE_WAY, HEDGE = PositionMode.ONE_WAY, PositionMode.HEDGE
SIGNER = HmacSigner("api-key", "secret")
D = Decimal


def stop(**changes):
    return context(
        OrderType.STOP_MARKET,
        **{"trigger": D("88000.10"), "quantity": D("0.0040"), "reduce_only": True} | changes,
    )


def limit(**changes):
    return context(
        OrderType.LIMIT, **{"price": D("90900"), "quantity": D("0.01"), "reduce_only": True} | changes
    )


def test_a_limit_order_goes_to_the_regular_surface():
    mutation = encode.place(limit(), ONE_WAY)
    assert (mutation.ws_method, mutation.endpoint) == ("order.place", endpoints.ORDER_PLACE)
    assert dict(mutation.params) == {
        "newClientOrderId": CUSTOM_ID,
        "newOrderRespType": "ACK",
        "positionSide": "BOTH",
        "price": "90900",
        "quantity": "0.01",
        "reduceOnly": "true",
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "side": "SELL",
        "symbol": "BTCUSDT",
        "timeInForce": "GTC",
        "type": "LIMIT",
    }


def test_a_market_order_has_neither_price_nor_time_in_force():
    params = dict(encode.place(context(OrderType.MARKET, quantity=D(1)), ONE_WAY).params)
    assert params["type"] == "MARKET"
    assert not {"price", "timeInForce", "reduceOnly", "triggerPrice", "workingType"} & set(params)


def test_a_stop_goes_to_the_algo_surface_and_never_to_the_order_endpoint():
    mutation = encode.place(stop(), ONE_WAY)
    assert (mutation.ws_method, mutation.endpoint) == ("algoOrder.place", endpoints.ALGO_PLACE)
    assert dict(mutation.params) == {
        "algoType": "CONDITIONAL",
        "clientAlgoId": CUSTOM_ID,
        "newOrderRespType": "ACK",
        "positionSide": "BOTH",
        "quantity": "0.004",
        "reduceOnly": "true",
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "side": "SELL",
        "symbol": "BTCUSDT",
        "triggerPrice": "88000.1",
        "type": "STOP_MARKET",
        "workingType": "MARK_PRICE",
    }


def test_close_position_has_neither_quantity_nor_reduce_only():
    for reduce_only in (False, True):
        ctx = stop(close_position=True, quantity=None, reduce_only=reduce_only, price_protect=True)
        params = dict(encode.place(ctx, ONE_WAY).params)
        assert params["closePosition"] == "true"
        assert params["priceProtect"] == "true"
        assert not {"quantity", "reduceOnly", "price", "timeInForce"} & set(params)


@pytest.mark.parametrize("make", [stop, limit])
def test_in_hedge_mode_the_side_is_named_and_reduce_only_is_never_sent(make):
    params = dict(encode.place(make(position_side=PositionSide.LONG), HEDGE).params)
    assert params["positionSide"] == "LONG"
    assert "reduceOnly" not in params


def test_i26_in_one_way_mode_the_side_stays_both():
    assert dict(encode.place(limit(), ONE_WAY).params)["positionSide"] == "BOTH"


def test_a_trailing_stop_has_callback_rate_and_activation_but_no_trigger():
    ctx = context(
        OrderType.TRAILING_STOP_MARKET,
        quantity=D(1),
        callback_rate=D("1.50"),
        activate_price=D(91000),
        working_type=WorkingType.CONTRACT_PRICE,
    )
    params = dict(encode.place(ctx, ONE_WAY).params)
    assert (params["callbackRate"], params["activatePrice"]) == ("1.5", "91000")
    assert params["workingType"] == "CONTRACT_PRICE"
    assert "triggerPrice" not in params


def test_a_stop_limit_has_price_trigger_and_time_in_force():
    ctx = context(OrderType.STOP, quantity=D(1), price=D(5), trigger=D(6), tif=TimeInForce.IOC)
    params = dict(encode.place(ctx, ONE_WAY).params)
    assert (params["price"], params["triggerPrice"], params["timeInForce"]) == ("5", "6", "IOC")


def test_an_amend_carries_side_price_and_quantity():
    mutation = encode.amend(limit(), D("90950.0"), D("0.020"))
    assert (mutation.ws_method, mutation.endpoint.method) == ("order.modify", "PUT")
    assert dict(mutation.params) == {
        "origClientOrderId": CUSTOM_ID,
        "price": "90950",
        "quantity": "0.02",
        "side": "SELL",
        "symbol": "BTCUSDT",
    }


def test_a_conditional_order_cannot_be_amended():
    with pytest.raises(EncodeError, match="replaced"):
        encode.amend(stop(), D(1), D(1))


def test_cancels_go_to_the_surface_of_the_order():
    regular = encode.cancel(limit())
    assert (regular.ws_method, dict(regular.params)) == (
        "order.cancel",
        {"origClientOrderId": CUSTOM_ID, "symbol": "BTCUSDT"},
    )
    algo = encode.cancel(stop())
    assert (algo.ws_method, dict(algo.params)) == ("algoOrder.cancel", {"clientAlgoId": CUSTOM_ID})


def test_the_child_of_a_triggered_stop_is_cancelled_on_the_regular_surface():
    assert encode.cancel(stop(), Surface.REGULAR).ws_method == "order.cancel"


BAD = {
    "a long custom id": (lambda: stop(custom_id="a" * 37), "36"),
    "an empty custom id": (lambda: stop(custom_id=""), "pattern"),
    "an id that would need escaping": (lambda: stop(custom_id='a"b'), "pattern"),
    "an id that ends in a newline": (lambda: stop(custom_id="abc\n"), "pattern"),
    "a symbol that would need escaping": (lambda: stop(symbol='BTC"USDT'), "symbol"),
    "no quantity": (lambda: stop(quantity=None), "quantity is missing"),
    "no trigger": (lambda: stop(trigger=None), "trigger is missing"),
    "a price on a stop market": (lambda: stop(price=D(1)), "takes no price"),
    "a limit without price": (lambda: limit(price=None), "price is missing"),
    "a limit with trigger": (lambda: limit(trigger=D(1)), "takes no trigger"),
    "zero quantity": (lambda: stop(quantity=D("0.000")), "positive"),
    "negative trigger": (lambda: stop(trigger=D(-1)), "positive"),
    "not a number": (lambda: stop(trigger=D("NaN")), "positive"),
    "infinity": (lambda: stop(trigger=D("Infinity")), "positive"),
    "close position with quantity": (lambda: stop(close_position=True), "takes no quantity"),
    "close position of a limit": (lambda: limit(close_position=True, quantity=None), "does not go with"),
    "close position of a trailing stop": (
        lambda: context(OrderType.TRAILING_STOP_MARKET, callback_rate=D(1), close_position=True),
        "does not go with",
    ),
    "a hedge side in one-way mode": (lambda: stop(position_side=PositionSide.LONG), "does not exist"),
    "a liquidation": (lambda: context(OrderType.LIQUIDATION, quantity=D(1)), "nobody"),
    "activation without trail": (lambda: stop(activate_price=D(1)), "activate_price"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_the_venue_cannot_express_is_refused_before_any_byte(what):
    make, message = BAD[what]
    with pytest.raises(EncodeError, match=message):
        encode.place(make(), ONE_WAY)


def test_close_position_that_would_open_is_refused_in_hedge_mode():
    ctx = stop(close_position=True, quantity=None, position_side=PositionSide.LONG, side=Side.BUY)
    with pytest.raises(EncodeError, match="cannot BUY on LONG"):
        encode.place(ctx, HEDGE)


def test_both_does_not_exist_in_hedge_mode():
    with pytest.raises(EncodeError, match="does not exist"):
        encode.place(stop(), HEDGE)


def frame_of(mutation, signer=SIGNER):
    return json.loads(encode.ws_request(mutation, "r-1", signer, 1790000000123, 3000))


def test_a_websocket_frame_carries_numbers_as_numbers_and_decimals_as_strings():
    frame = frame_of(encode.place(stop(), ONE_WAY))
    params = frame["params"]
    assert (frame["id"], frame["method"]) == ("r-1", "algoOrder.place")
    assert (params["timestamp"], params["recvWindow"]) == (1790000000123, 3000)
    assert (params["triggerPrice"], params["apiKey"]) == ("88000.1", "api-key")


@pytest.mark.parametrize(
    "mutation",
    [
        encode.place(stop(), ONE_WAY),
        encode.place(limit(), ONE_WAY),
        encode.place(stop(symbol="\uff11\uff12USDT"), ONE_WAY),
        encode.amend(limit(), D(1), D(2)),
        encode.cancel(limit()),
        encode.cancel(stop()),
    ],
    ids=["stop", "limit", "non-ascii", "amend", "cancel", "algo-cancel"],
)
class TestSignedForms:
    def test_the_websocket_signature_covers_exactly_the_members_of_the_frame(self, mutation):
        params = frame_of(mutation)["params"]
        signature = params.pop("signature")
        assert signature == SIGNER.sign_ws(params)
        assert set(params) == {name for name, _ in mutation.params} | {"apiKey", "recvWindow", "timestamp"}

    def test_a_logged_on_connection_sends_neither_key_nor_signature(self, mutation):
        params = frame_of(mutation, None)["params"]
        assert {"apiKey", "signature"} & set(params) == set()
        assert params == dict(mutation.params) | {"recvWindow": 3000, "timestamp": 1790000000123}

    def test_the_rest_signature_covers_the_encoded_query(self, mutation):
        request = encode.rest_request(mutation, SIGNER, 1790000000123, 3000)
        path, _, query = request.target.partition("?")
        unsigned, _, signature = query.rpartition("&signature=")
        assert (request.method, path) == (mutation.endpoint.method, mutation.endpoint.path)
        assert signature == SIGNER.sign(unsigned)
        assert query.isascii()
        expected = dict(mutation.params) | {"recvWindow": "3000", "timestamp": "1790000000123"}
        assert dict(parse_qsl(unsigned)) == expected


def test_custom_ids_with_reserved_characters_are_percent_encoded_on_rest_alone():
    mutation = encode.cancel(stop(custom_id="a:b/c.d"))
    assert "clientAlgoId=a%3Ab%2Fc.d&" in encode.rest_request(mutation, SIGNER, 1, 1).target
    assert frame_of(mutation)["params"]["clientAlgoId"] == "a:b/c.d"


def test_i36_a_request_shows_no_query_in_its_repr():
    request = encode.rest_request(encode.cancel(stop()), SIGNER, 1, 1)
    assert "signature" not in repr(request)
    assert "/fapi/v1/algoOrder" in repr(request)


def test_reads_are_signed_where_the_endpoint_asks_for_it():
    request = encode.rest_read(endpoints.OPEN_ORDERS, {"symbol": "BTCUSDT"}, SIGNER, 5, 6)
    assert request.target.startswith("/fapi/v1/openOrders?symbol=BTCUSDT&recvWindow=6&timestamp=5&signature=")
    assert encode.rest_read(endpoints.TIME, {}).target == "/fapi/v1/time"
    assert encode.rest_read(endpoints.PREMIUM_INDEX, {"symbol": "A B"}).target.endswith("?symbol=A%20B")
    with pytest.raises(EncodeError, match="needs a key"):
        encode.rest_read(endpoints.OPEN_ORDERS, {})


def test_other_calls_are_plain_json():
    frame = json.loads(encode.ws_call("session.status", {"a": 'x"y'}, "9"))
    assert frame == {"id": "9", "method": "session.status", "params": {"a": 'x"y'}}


def test_a_form_whose_holes_are_out_of_order_cannot_be_compiled():
    with pytest.raises(AssertionError, match="order"):
        compile_form("m", endpoints.TIME, {"aaa": Hole.TRIGGER_PRICE}, Hole)


amounts = st.decimals(min_value="0.00000001", max_value="100000000", places=8).filter(lambda d: d > 0)


@given(trigger=amounts, quantity=amounts, exponent=st.integers(-8, 8))
def test_amounts_survive_encoding_exactly_and_without_exponent(trigger, quantity, exponent):
    trigger = trigger.scaleb(exponent)
    params = dict(encode.place(stop(trigger=trigger, quantity=quantity), ONE_WAY).params)
    assert D(params["triggerPrice"]) == trigger
    assert D(params["quantity"]) == quantity
    for text in (params["triggerPrice"], params["quantity"]):
        assert set(text) <= set("0123456789.")
        assert not ("." in text and text.endswith(("0", ".")))


@given(custom_id=st.from_regex(r"\A[.A-Z:/a-z0-9_-]{1,36}\Z"))
def test_i20_every_legal_custom_id_reaches_both_transports_unchanged(custom_id):
    mutation = encode.place(stop(custom_id=custom_id), ONE_WAY)
    assert frame_of(mutation)["params"]["clientAlgoId"] == custom_id
    query = encode.rest_request(mutation, SIGNER, 1, 1).target.partition("?")[2]
    assert dict(parse_qsl(query))["clientAlgoId"] == custom_id
