import pytest

from backstay.simulator.errors import Refusal

from tests.simulator.engine.desk import Desk, refused


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"algoType": "VP"}, -1130),
        ({"algoType": None}, -1102),
        ({"type": "LIMIT"}, -1116),
        ({"symbol": "NOPE"}, -1121),
        ({"side": "UP"}, -1117),
        ({"triggerPrice": None}, -1102),
        ({"quantity": None}, -1102),
        ({"quantity": "1", "closePosition": "true"}, -4137),
        ({"quantity": None, "closePosition": "true", "reduceOnly": "true"}, -4138),
        ({"type": "STOP", "quantity": None, "price": "95", "closePosition": "true"}, -4136),
        ({"type": "STOP"}, -1102),
        ({"triggerPrice": "101"}, -2021),
        ({"type": "TAKE_PROFIT_MARKET", "triggerPrice": "99"}, -2021),
        ({"triggerPrice": "0"}, -4006),
        ({"triggerPrice": "100001"}, -4007),
        ({"triggerPrice": "9", "quantity": "2"}, -4211),
        ({"type": "TAKE_PROFIT_MARKET", "triggerPrice": "501"}, -4210),
        ({"quantity": "0.15"}, -1111),
        ({"quantity": "0"}, -4003),
        ({"quantity": "0.1", "triggerPrice": "40"}, -4164),
        ({"workingType": "INDEX"}, -4031),
        ({"clientAlgoId": "x" * 37}, -4015),
        ({"positionSide": "SHORT"}, -4061),
        ({"type": "STOP", "price": "50"}, -4184),
        ({"type": "STOP", "side": "BUY", "triggerPrice": "110", "price": "140"}, -4183),
        ({"priceMatch": "QUEUE"}, -5038),
        ({"timeInForce": "GTD"}, -1102),
        ({"type": "TRAILING_STOP_MARKET", "triggerPrice": None}, -1102),
        ({"type": "TRAILING_STOP_MARKET", "callbackRate": "0.05"}, -1130),
        ({"type": "TRAILING_STOP_MARKET", "callbackRate": "20.1"}, -1130),
        ({"type": "TRAILING_STOP_MARKET", "callbackRate": "1", "activatePrice": "99"}, -4135),
    ],
)
def test_refusals_of_a_conditional_order(change, code):
    desk = Desk()
    good = {"triggerPrice": "95", "quantity": "1"} | change
    with pytest.raises(Refusal) as caught:
        desk.algo(**{"side": "SELL", "type": "STOP_MARKET", **good})
    assert caught.value.code == code, caught.value.msg
    assert desk.frames() == []


def test_two_hundred_conditional_orders_over_all_symbols_are_the_limit():
    desk = Desk()
    for n in range(100):
        desk.algo("BUY", triggerPrice=f"1{n:02d}.50", quantity="1", symbol="TENUSDT")
        desk.algo("BUY", triggerPrice="3000", quantity="0.1", symbol="ETHUSDT")
    with refused(-4045):
        desk.algo("BUY", triggerPrice="120", quantity="1")
