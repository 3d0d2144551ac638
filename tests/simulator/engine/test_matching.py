"""How the market fills orders: touch, queue, quotes, book model, faults of fills; and the pure models."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.simulator.fills import Depth, slipped, split, sweep
from backstay.simulator.matching import trailing_fires, triggers

from tests.simulator.engine.desk import Desk, quote, trade

D = Decimal


def waiting(*ticks, side="BUY", price="99.99", quantity="5", **settings):
    desk = Desk(ticks=[quote(0, "99.99", "100.01"), *ticks], **settings)
    desk.engine.advance(desk.engine.now)
    order = desk.place(side, price=price, quantity=quantity)
    desk.frames()
    return desk, order["orderId"]


def executed(desk, order_id):
    return D(desk.order(orderId=order_id)["executedQty"])


def test_a_resting_order_waits_for_what_stood_before_it():
    desk, order = waiting(trade(1, "99.99", "49"), trade(2, "99.99", "3"), trade(3, "99.99", "9"))
    desk.after(1)
    assert executed(desk, order) == 0
    desk.after(1)
    assert executed(desk, order) == 2
    desk.after(1)
    assert executed(desk, order) == 5
    told = [f["o"] for f in desk.frames("ORDER_TRADE_UPDATE")]
    assert [(o["X"], o["m"], o["L"]) for o in told] == [
        ("PARTIALLY_FILLED", True, "99.99"),
        ("FILLED", True, "99.99"),
    ]


def test_an_order_that_improves_the_book_has_nobody_before_it():
    desk, order = waiting(trade(1, "100.00", "2"), price="100.00")
    desk.after(1)
    assert executed(desk, order) == 2


def test_a_trade_by_a_buyer_does_not_fill_a_buy():
    desk, order = waiting(trade(1, "99.99", "500", buyer_maker=False))
    desk.after(1)
    assert executed(desk, order) == 0


def test_a_trade_through_fills_all_at_the_orders_own_price():
    desk, order = waiting(trade(1, "99.98", "0.1"))
    desk.after(1)
    row = desk.order(orderId=order)
    assert (row["status"], row["avgPrice"]) == ("FILLED", "99.99")
    fill = desk.call("GET /fapi/v1/userTrades", symbol="TENUSDT")[0]
    assert fill["maker"] is True
    assert D(fill["commission"]) == D("99.99") * 5 * D("0.0002")


def test_a_book_that_moves_through_fills():
    desk, order = waiting(quote(1, "99.95", "99.97"))
    desk.after(1)
    assert executed(desk, order) == 5


@pytest.mark.parametrize(("model", "filled"), [("touch", 5), ("queue", 0), ("through", 0)])
def test_the_fill_models(model, filled):
    desk, order = waiting(trade(1, "99.99", "10"), fill_model=model)
    desk.after(1)
    assert executed(desk, order) == filled


def test_sells_mirror_buys():
    desk, order = waiting(
        trade(1, "100.01", "49", buyer_maker=False),
        trade(2, "100.01", "3", buyer_maker=False),
        side="SELL",
        price="100.01",
    )
    desk.after(2)
    assert executed(desk, order) == 2


def test_two_own_orders_share_a_trade_in_time_order():
    desk, first = waiting(trade(1, "99.99", "57"))
    second = desk.place(price="99.99", quantity="5")["orderId"]
    desk.after(1)
    assert (executed(desk, first), executed(desk, second)) == (5, 2)


def test_a_large_market_order_walks_the_book_and_the_next_finds_less():
    desk = Desk(balance="10000000", level_notional=D(1000))
    desk.market(quantity="40")
    fills = [D(f["price"]) for f in desk.call("GET /fapi/v1/userTrades", symbol="TENUSDT")]
    assert len(fills) > 2
    assert fills == sorted(fills)
    desk.market(quantity="1")
    last = desk.call("GET /fapi/v1/userTrades", symbol="TENUSDT")[-1]
    assert D(last["price"]) >= fills[-1]


def test_halted_symbols_neither_fill_nor_trigger():
    desk, order = waiting(trade(1, "99.00", "9"), trade(3, "98.00", "9"))
    desk.algo("SELL", triggerPrice="99.50", quantity="1")
    desk.engine.faults.halted["TENUSDT"] = "TRADING_HALT"
    desk.after(2)
    assert executed(desk, order) == 0
    desk.engine.faults.halted.clear()
    desk.after(2)
    assert executed(desk, order) == 5


def test_the_largest_fill_splits_takers_and_slows_makers():
    desk = Desk()
    desk.engine.faults.max_fill_qty["*"] = D(2)
    assert desk.market(quantity="5")["status"] == "FILLED"
    sizes = [D(f["qty"]) for f in desk.call("GET /fapi/v1/userTrades", symbol="TENUSDT")]
    assert sizes == [2, 2, 1]
    slow, order = waiting(quote(1, "99", "99.5"), quote(2, "99", "99.5"))
    slow.engine.faults.max_fill_qty["TENUSDT"] = D(2)
    slow.after(1)
    assert executed(slow, order) == 2
    slow.after(1)
    assert executed(slow, order) == 4


def test_slippage_makes_takers_pay_more_but_never_beyond_their_limit():
    desk = Desk()
    desk.engine.faults.slippage = D("0.01")
    desk.market()
    assert D(desk.position()["entryPrice"]) == D("101.01")
    desk.place(price="100.50", quantity="1")
    last = desk.call("GET /fapi/v1/userTrades", symbol="TENUSDT")[-1]
    assert last["price"] == "100.50"


def test_the_market_moved_by_hand_keeps_its_relation_to_the_feed():
    desk = Desk(ticks=[trade(0, "100"), trade(5, "101"), trade(6, "99")])
    desk.engine.advance(desk.engine.now)
    desk.move("200")
    desk.after(5)
    market = desk.engine._world.markets["TENUSDT"]
    assert market.last == D(202)
    desk.after(1)
    assert market.last == D(198)
    assert market.mark == D(198)


depths = st.builds(
    Depth,
    best=st.integers(1_000, 50_000).map(lambda n: D(n) / 100),
    best_qty=st.integers(1, 1000).map(lambda n: D(n) / 10),
    upward=st.booleans(),
    spacing=st.sampled_from([D("0.01"), D("0.05"), D("0.5")]),
    qty=st.integers(1, 1000).map(lambda n: D(n) / 10),
    step=st.just(D("0.1")),
    salt=st.integers(0, 10**6),
)


@given(depths, st.integers(2, 60))
def test_levels_run_away_from_the_best_and_keep_their_size(depth, count):
    rows = list(depth.levels(count))
    prices = [p for p, _ in rows]
    assert prices == sorted(prices, reverse=not depth.upward)
    assert len(set(prices)) == len(prices)
    assert all(q > 0 and q % depth.step == 0 for _, q in rows[1:])
    assert all(depth.at(p) == q for p, q in rows)


@given(depths, st.integers(1, 20_000), st.integers(0, 500), st.booleans())
def test_a_sweep_never_exceeds_quantity_or_limit(depth, qty, skip, limited):
    want, eaten = D(qty) / 10, D(skip) / 10
    buys = depth.upward
    limit = depth.best * (D("1.01") if buys else D("0.99")) if limited else None
    parts = sweep(depth.levels(200), want, buys=buys, limit=limit, skip=eaten)
    got = sum((q for _, q in parts), D(0))
    assert got <= want
    assert all(q > 0 for _, q in parts)
    if limit is not None:
        assert all(p <= limit if buys else p >= limit for p, _ in parts)
    elif depth.upward:
        room = sum((q for _, q in depth.levels(200)), D(0)) - eaten
        assert got == min(want, max(room, D(0)))


@given(st.lists(st.tuples(st.just(D(1)), st.integers(1, 99).map(lambda n: D(n) / 10)), max_size=5))
def test_splitting_keeps_the_total(parts):
    pieces = split(parts, D("0.7"), D("0.1"))
    assert sum((q for _, q in pieces), D(0)) == sum((q for _, q in parts), D(0))
    assert all(q <= D("0.7") for _, q in pieces)


def test_slipped_prices_stay_on_the_grid():
    price = slipped(D("100.01"), D("0.0007"), buys=True, tick=D("0.01"), limit=None)
    assert price == D("100.08")
    assert slipped(D("100"), D("0.5"), buys=False, tick=D("0.01"), limit=D(99)) == D(99)


@given(st.sampled_from(["STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET"]), st.booleans())
def test_exactly_at_the_trigger_everything_fires(kind, buys):
    assert triggers(kind, buys, D(100), D(100))


def test_the_trailing_formula():
    assert trailing_fires(True, D(90), D(95), D(1), D("90.9"))
    assert not trailing_fires(True, D(96), D(95), D(1), D(99))
    assert trailing_fires(False, D(110), None, D(2), D("107.8"))
    assert not trailing_fires(False, D(110), None, D(2), D("107.81"))
