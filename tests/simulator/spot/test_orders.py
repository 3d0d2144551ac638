"""Single orders of Spot: what is locked, filled, told and refused (`binance-spot.md` sections 2, 3, 7)."""

from decimal import Decimal

import pytest

from tests.simulator.engine.desk import quote, trade
from tests.simulator.spot.desk import SpotDesk, refused, tenner

D = Decimal


def test_a_limit_order_rests_and_locks_what_it_may_cost():
    desk = SpotDesk()
    answer = desk.place(price="90", quantity="2", newClientOrderId="x-1")
    assert answer["status"] == "NEW"
    assert answer["fills"] == []
    assert answer["workingTime"] == answer["transactTime"]
    assert desk.balance("USDT") == (D(9820), D(180))
    new, balances = desk.events()
    assert (new["x"], new["X"], new["c"], new["C"], new["w"]) == ("NEW", "NEW", "x-1", "", True)
    assert (new["n"], new["N"], new["t"], new["W"]) == ("0", None, -1, new["O"])
    assert balances["B"] == [{"a": "USDT", "f": "9820.00000000", "l": "180.00000000"}]
    assert balances["E"] > balances["u"]


def test_a_sell_locks_the_base():
    desk = SpotDesk()
    desk.place("SELL", price="110", quantity="20")
    assert desk.balance("TEN") == (D(30), D(20))


def test_a_marketable_order_trades_and_pays_its_commission_in_what_it_receives():
    desk = SpotDesk(ticks=[quote(0, "99.99", "100.00", qty="1.5")])
    desk.after(1)
    answer = desk.place(price="101", quantity="2")
    assert answer["status"] == "FILLED"
    assert [f["qty"] for f in answer["fills"]] == ["1.50000000", "0.50000000"]
    assert answer["price"] == "101.00000000"
    assert D(answer["cummulativeQuoteQty"]) / D(answer["executedQty"]) < 101
    assert {f["commissionAsset"] for f in answer["fills"]} == {"TEN"}
    assert desk.story() == [
        "LIMIT NEW NEW",
        "LIMIT TRADE PARTIALLY_FILLED",
        "LIMIT TRADE FILLED",
        "BALANCES",
    ]
    assert desk.balance("TEN")[0] == D(50) + 2 - D("0.002")
    assert desk.balance("USDT") == (10_000 - D(answer["cummulativeQuoteQty"]), 0)


def test_a_position_opened_by_buying_q_cannot_sell_q():
    desk = SpotDesk(funds={"TEN": D(0)})
    desk.market(quantity="10")
    with refused(-2010, "insufficient balance"):
        desk.market("SELL", quantity="10")
    assert desk.market("SELL", quantity="9.9")["status"] == "FILLED"


def test_a_sell_pays_in_quote():
    desk = SpotDesk()
    fill = desk.market("SELL", quantity="1")["fills"][0]
    assert fill["commissionAsset"] == "USDT"
    assert D(fill["commission"]) == (D(fill["price"]) * D("0.001")).quantize(D("0.00000001"))


def test_the_response_grows_from_ack_to_full():
    desk = SpotDesk()
    short = desk.place(price="90", quantity="1", newOrderRespType="ACK")
    assert set(short) == {"symbol", "orderId", "orderListId", "clientOrderId", "transactTime"}
    longer = desk.place(price="90", quantity="1", newOrderRespType="RESULT")
    assert "fills" not in longer
    assert longer["cummulativeQuoteQty"] == "0.00000000"
    assert "status" not in desk.place("SELL", "LIMIT_MAKER", price="120", quantity="1")
    assert desk.market()["fills"]


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"timeInForce": "IOC", "price": "100.01", "quantity": "50"}, "UNFILLED_IOC_QUANTITY_EXPIRED"),
        ({"timeInForce": "FOK", "price": "100.01", "quantity": "50"}, "UNFILLED_FOK_ORDER_EXPIRED"),
    ],
)
def test_what_does_not_fill_at_once_expires_with_its_reason(params, reason):
    desk = SpotDesk(ticks=[quote(0, "99.99", "100.00", qty="1")], level_spacing=D("0.001"))
    desk.after(1)
    answer = desk.place(**params)
    assert (answer["status"], answer["expiryReason"]) == ("EXPIRED", reason)
    assert desk.balance("USDT")[1] == 0
    assert desk.story()[-2:] == [f"LIMIT EXPIRED EXPIRED {reason}", "BALANCES"]


def test_a_market_order_by_quote_amount_buys_whole_steps():
    desk = SpotDesk()
    answer = desk.market(quantity=None, quoteOrderQty="255")
    assert (answer["status"], answer["executedQty"]) == ("FILLED", "2.50000000")
    assert answer["origQuoteOrderQty"] == "255.00000000"
    sold = desk.market("SELL", quantity=None, quoteOrderQty="100")
    assert D(sold["cummulativeQuoteQty"]) <= 100


def test_a_market_order_larger_than_the_book_expires_for_the_rest():
    desk = SpotDesk(funds={"USDT": D(10**12)}, spec=tenner(market_max_qty=D(10**9)), depth_levels=3)
    answer = desk.market(quantity="1000000")
    assert (answer["status"], answer["expiryReason"]) == ("EXPIRED", "INSUFFICIENT_LIQUIDITY")
    assert D(answer["executedQty"]) > 0


def test_the_price_range_rule_bounds_execution():
    spec = tenner(price_range=(D("1.001"), D("0.999")), reference_price=D(100), market_max_qty=D(10**9))
    desk = SpotDesk(funds={"USDT": D(10**12)}, spec=spec)
    answer = desk.market(quantity="1000000")
    assert answer["expiryReason"] == "EXECUTION_RULE_PRICE_RANGE_EXCEEDED"
    assert max(D(f["price"]) for f in answer["fills"]) <= D("100.10")
    assert desk.call("GET referencePrice", symbol="TENUSDT")["referencePrice"] == "100.00000000"


def test_a_resting_order_fills_as_maker_at_its_own_price_behind_the_queue():
    desk = SpotDesk(ticks=[quote(0, "100", "100.01", qty="5"), trade(2, "100", "6"), trade(3, "99.5", "1")])
    desk.after(1)
    number = desk.place(price="100", quantity="3")["orderId"]
    desk.after(1.5)
    assert desk.order(number)["executedQty"] == "1.00000000"
    assert desk.balance("USDT")[1] == 200
    desk.after(1)
    assert desk.order(number)["status"] == "FILLED"
    fills = [r for r in desk.reports() if r["x"] == "TRADE"]
    assert [(r["l"], r["L"], r["m"]) for r in fills] == [
        ("1.00000000", "100.00000000", True),
        ("2.00000000", "100.00000000", True),
    ]


def test_cancel_gives_the_cancel_its_own_id():
    desk = SpotDesk()
    number = desk.place(price="90", quantity="2", newClientOrderId="mine")["orderId"]
    desk.events()
    answer = desk.cancel(orderId=number, newClientOrderId="the-cancel")
    assert (answer["origClientOrderId"], answer["clientOrderId"]) == ("mine", "the-cancel")
    assert answer["status"] == "CANCELED"
    report, balances = desk.events()
    assert (report["c"], report["C"], report["X"]) == ("the-cancel", "mine", "CANCELED")
    assert "W" not in report
    assert balances["B"][0]["l"] == "0.00000000"
    assert desk.order(number)["clientOrderId"] == "mine"
    with refused(-2011, "Unknown order sent."):
        desk.cancel(orderId=number)


def test_cancel_restrictions_and_mismatched_ids():
    desk = SpotDesk()
    number = desk.place(price="90", quantity="2", newClientOrderId="mine")["orderId"]
    with refused(-2011, "cancel restrictions"):
        desk.cancel(orderId=number, cancelRestrictions="ONLY_PARTIALLY_FILLED")
    with refused(-1145):
        desk.cancel(orderId=number, cancelRestrictions="NEVER")
    with refused(-2039):
        desk.cancel(orderId=number, origClientOrderId="other")
    with refused(-1102):
        desk.cancel()
    assert desk.cancel(origClientOrderId="mine", cancelRestrictions="ONLY_NEW")["orderId"] == number


def test_cancel_all_of_a_symbol_answers_all_or_2011():
    desk = SpotDesk()
    with refused(-2011):
        desk.call("DELETE openOrders", symbol="TENUSDT")
    desk.place(price="90", quantity="1")
    desk.bracket()
    rows = desk.call("DELETE openOrders", symbol="TENUSDT")
    assert [r.get("contingencyType", "single") for r in rows] == ["single", "OCO"]
    assert desk.call("GET openOrders") == []
    assert desk.balance("USDT")[1] == desk.balance("TEN")[1] == 0


def replace(desk, mode="STOP_ON_FAILURE", **more):
    base = {"symbol": "TENUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1"}
    return desk.call("POST order/cancelReplace", cancelReplaceMode=mode, **(base | more))


def test_cancel_replace_does_both():
    desk = SpotDesk()
    number = desk.place(price="90", quantity="1")["orderId"]
    desk.events()
    answer = replace(desk, cancelOrderId=number, price="91", cancelNewClientOrderId="c-1")
    assert (answer["cancelResult"], answer["newOrderResult"]) == ("SUCCESS", "SUCCESS")
    assert answer["cancelResponse"]["clientOrderId"] == "c-1"
    assert answer["newOrderResponse"]["price"] == "91.00000000"
    assert desk.story() == ["LIMIT CANCELED CANCELED", "BALANCES", "LIMIT NEW NEW", "BALANCES"]


@pytest.mark.parametrize(
    ("mode", "known", "price", "code", "status", "results"),
    [
        ("STOP_ON_FAILURE", False, "91", -2022, 400, ("FAILURE", "NOT_ATTEMPTED")),
        ("STOP_ON_FAILURE", True, "too much", -2021, 409, ("SUCCESS", "FAILURE")),
        ("ALLOW_FAILURE", False, "too much", -2022, 400, ("FAILURE", "FAILURE")),
        ("ALLOW_FAILURE", False, "91", -2021, 409, ("FAILURE", "SUCCESS")),
        ("ALLOW_FAILURE", True, "too much", -2021, 409, ("SUCCESS", "FAILURE")),
    ],
)
def test_cancel_replace_tells_both_halves_of_a_failure(mode, known, price, code, status, results):
    desk = SpotDesk()
    number = desk.place(price="90", quantity="1")["orderId"]
    size = {"price": "91", "quantity": "5000" if price == "too much" else "1"}
    with refused(code) as caught:
        replace(desk, mode, cancelOrderId=number if known else 77, **size)
    assert caught.value.status == status
    data = caught.value.data
    assert (data["cancelResult"], data["newOrderResult"]) == results
    if not known:
        assert data["cancelResponse"] == {"code": -2011, "msg": "Unknown order sent."}
    if results[1] == "NOT_ATTEMPTED":
        assert data["newOrderResponse"] is None


def test_filters_come_before_a_cancel_replace_cancels():
    desk = SpotDesk()
    number = desk.place(price="90", quantity="1")["orderId"]
    with refused(-1013):
        replace(desk, cancelOrderId=number, price="91.001")
    assert desk.order(number)["status"] == "NEW"


def amend(desk, number, size, **more):
    path = "PUT order/amend/keepPriority"
    return desk.call(path, symbol="TENUSDT", orderId=number, newQty=size, **more)


def test_amend_keeps_the_place_and_frees_the_difference():
    desk = SpotDesk()
    number = desk.place(price="90", quantity="2", newClientOrderId="old")["orderId"]
    desk.events()
    answer = amend(desk, number, "1", newClientOrderId="new")
    assert answer["amendedOrder"]["qty"] == "1.00000000"
    assert "cumulativeQuoteQty" in answer["amendedOrder"]
    report, balances = desk.events()
    assert (report["x"], report["c"], report["C"]) == ("REPLACED", "new", "old")
    assert balances["B"] == [{"a": "USDT", "f": "9910.00000000", "l": "90.00000000"}]
    assert desk.call("GET order", symbol="TENUSDT", origClientOrderId="new")["origQty"] == "1.00000000"
    rows = desk.call("GET order/amendments", symbol="TENUSDT", orderId=number)
    assert [(r["origQty"], r["newQty"]) for r in rows] == [("2.00000000", "1.00000000")]


def test_amend_refusals():
    desk = SpotDesk(spec=tenner(max_amends=1))
    number = desk.place(price="90", quantity="2")["orderId"]
    with refused(-2038, "quantity increase"):
        amend(desk, number, "3")
    with refused(-2038, "change no state"):
        amend(desk, number, "2")
    amend(desk, number, "1.5")
    with refused(-2038, "maximum number"):
        amend(desk, number, "1")
    with refused(-2011):
        amend(desk, 77, "1")


def test_an_amendment_to_what_has_filled_makes_the_order_expire():
    desk = SpotDesk(ticks=[quote(0, "100", "100.01", qty="1"), trade(2, "100", "3")])
    desk.after(1)
    number = desk.place(price="100", quantity="5")["orderId"]
    desk.after(2)
    answer = amend(desk, number, "2")
    assert answer["amendedOrder"]["status"] == "EXPIRED"
    assert desk.balance("USDT")[1] == 0


def test_order_test_checks_and_places_nothing():
    desk = SpotDesk()
    base = {"symbol": "TENUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "90"}
    assert desk.call("POST order/test", quantity="1", **base) == {}
    rates = desk.call("POST order/test", quantity="1", computeCommissionRates=True, **base)
    assert rates["standardCommissionForOrder"]["maker"] == "0.00100000"
    with refused(-1013):
        desk.call("POST order/test", quantity="0.01", **base)
    assert desk.call("GET openOrders") == []
    assert desk.story() == []


def test_a_refused_placement_says_nothing():
    desk = SpotDesk()
    with refused(-2010, "insufficient balance"):
        desk.place(price="100", quantity="1000")
    assert desk.story() == []
    assert desk.call("GET allOrders", symbol="TENUSDT") == []


def test_an_open_client_id_is_taken_a_finished_one_is_free():
    desk = SpotDesk()
    number = desk.place(price="90", quantity="1", newClientOrderId="once")["orderId"]
    with refused(-2010, "Duplicate order sent."):
        desk.place(price="91", quantity="1", newClientOrderId="once")
    desk.cancel(orderId=number)
    assert desk.place(price="91", quantity="1", newClientOrderId="once")["orderId"] != number


def test_labels_are_echoed():
    desk = SpotDesk()
    answer = desk.place(price="90", quantity="1", strategyId=7, strategyType=1_000_001)
    assert (answer["strategyId"], answer["strategyType"]) == (7, 1_000_001)
    report = desk.reports()[0]
    assert (report["j"], report["J"]) == (7, 1_000_001)
    with refused(-1134):
        desk.place(price="90", quantity="1", strategyType=5)


@pytest.mark.parametrize(
    ("params", "code", "text"),
    [
        ({"symbol": "NONE", "price": "90", "quantity": "1"}, -1121, ""),
        ({"side": "UP", "price": "90", "quantity": "1"}, -1117, ""),
        ({"type": "STOP", "price": "90", "quantity": "1"}, -1116, ""),
        ({"timeInForce": "GTX", "price": "90", "quantity": "1"}, -1115, ""),
        ({"timeInForce": None, "price": "90", "quantity": "1"}, -1102, "timeInForce"),
        ({"price": None, "quantity": "1"}, -1102, "price"),
        ({"price": "90", "quantity": None}, -1102, "quantity"),
        ({"price": "90", "quantity": "0"}, -1013, "Invalid quantity."),
        ({"price": "-1", "quantity": "1"}, -1013, "Invalid price."),
        ({"price": "90.000000001", "quantity": "1"}, -1111, "price"),
        ({"price": "9e1", "quantity": "1"}, -1102, "price"),
        ({"price": "90", "quantity": "1", "stopPrice": "80"}, -1106, "stopPrice"),
        ({"price": "90", "quoteOrderQty": "90"}, -1106, "quoteOrderQty"),
        ({"price": "90", "quantity": "1", "newClientOrderId": "a b"}, -1100, "newClientOrderId"),
        ({"price": "90", "quantity": "1", "newClientOrderId": "x" * 37}, -1100, "newClientOrderId"),
        ({"price": "90", "quantity": "1", "newOrderRespType": "ALL"}, -1130, ""),
        ({"price": "90", "quantity": "1", "selfTradePreventionMode": "SOME"}, -1130, ""),
        ({"price": "90", "quantity": "1", "selfTradePreventionMode": "TRANSFER"}, -2010, "not supported"),
        ({"price": "90", "quantity": "1", "pegPriceType": "PRIMARY_PEG"}, -2010, "not supported"),
        ({"price": "90", "quantity": "1", "icebergQty": "0.5", "timeInForce": "IOC"}, -1160, ""),
        ({"price": "90", "quantity": "1", "icebergQty": "2"}, -2010, "IcebergQty exceeds QTY."),
        ({"type": "MARKET", "quantity": "1", "price": "90", "timeInForce": None}, -1106, "price"),
        ({"type": "MARKET", "quantity": "1", "timeInForce": "GTC"}, -1106, "timeInForce"),
        ({"type": "LIMIT_MAKER", "quantity": "1", "price": "100.01", "timeInForce": None}, -2010, "match"),
        ({"type": "STOP_LOSS", "quantity": "1", "timeInForce": None}, -1102, "trailingDelta"),
    ],
)
def test_each_malformed_order_has_its_refusal(params, code, text):
    desk = SpotDesk()
    with refused(code, text):
        desk.place(**params)
    assert desk.story() == []


@pytest.mark.parametrize("status", ["HALT", "BREAK", "CANCEL_ONLY"])
def test_a_market_that_is_not_trading_takes_cancels_alone(status):
    desk = SpotDesk()
    number = desk.place(price="90", quantity="1")["orderId"]
    desk.engine.change_spec("TENUSDT", desk.engine.now, status=status)
    with refused(-2010, "Market is closed."):
        desk.market()
    assert desk.cancel(orderId=number)["status"] == "CANCELED"
    rows = desk.call("GET exchangeInfo", account=None, symbolStatus=status)["symbols"]
    assert [r["symbol"] for r in rows] == ["TENUSDT"]
