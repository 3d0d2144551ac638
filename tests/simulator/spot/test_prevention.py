"""Self-trade prevention: the taker's mode decides who leaves (`binance-spot.md` section 10)."""

from decimal import Decimal

from tests.simulator.spot.desk import SpotDesk, tenner

D = Decimal


def met(mode, size="2"):
    """A resting sell at the best ask, then a buy that would meet it."""
    desk = SpotDesk()
    maker = desk.place("SELL", price="100.01", quantity="2")["orderId"]
    desk.events()
    answer = desk.place(price="100.05", quantity=size, selfTradePreventionMode=mode, newOrderRespType="FULL")
    return desk, desk.order(maker), answer


def test_expire_maker_takes_the_resting_order_away():
    desk, maker, taker = met("EXPIRE_MAKER")
    assert (maker["status"], taker["status"]) == ("EXPIRED_IN_MATCH", "FILLED")
    stopped = next(r for r in desk.reports() if r["x"] == "TRADE_PREVENTION")
    assert (stopped["X"], stopped["i"], stopped["U"]) == (
        "EXPIRED_IN_MATCH",
        maker["orderId"],
        taker["orderId"],
    )
    assert stopped["v"] == maker["preventedMatchId"]
    rows = desk.call("GET myPreventedMatches", symbol="TENUSDT", orderId=maker["orderId"])
    assert [r["makerPreventedQuantity"] for r in rows] == ["2.00000000"]
    assert desk.balance("TEN")[1] == 0


def test_expire_taker_ends_the_new_order():
    desk, maker, taker = met("EXPIRE_TAKER")
    assert (maker["status"], taker["status"]) == ("NEW", "EXPIRED_IN_MATCH")
    assert taker["fills"] == []
    assert desk.balance("USDT") == (10_000, 0)


def test_expire_both_ends_both():
    desk, maker, taker = met("EXPIRE_BOTH")
    assert (maker["status"], taker["status"]) == ("EXPIRED_IN_MATCH", "EXPIRED_IN_MATCH")
    assert desk.balance("USDT")[1] == desk.balance("TEN")[1] == 0


def test_decrement_takes_the_size_from_both():
    _, maker, taker = met("DECREMENT", "5")
    assert maker["status"] == "EXPIRED_IN_MATCH"
    assert (taker["status"], taker["executedQty"], taker["preventedQuantity"]) == (
        "FILLED",
        "3.00000000",
        "2.00000000",
    )
    desk, maker, taker = met("DECREMENT", "1")
    assert (maker["status"], taker["status"]) == ("NEW", "EXPIRED_IN_MATCH")
    assert maker["preventedQuantity"] == "1.00000000"
    assert desk.balance("TEN")[1] == 1


def test_none_lets_them_pass():
    spec = tenner(default_stp="NONE")
    desk = SpotDesk(spec=spec)
    maker = desk.place("SELL", price="100.01", quantity="2")["orderId"]
    desk.market(quantity="1")
    assert desk.order(maker)["status"] == "NEW"
