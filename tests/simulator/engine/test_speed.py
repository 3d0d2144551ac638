"""What a tick costs the engine, in steps: neither the past nor what rests far away makes it dearer."""

from decimal import Decimal

from backstay.simulator.specs import default_specs

from tests.counting import steps_of
from tests.simulator.engine.desk import Desk, mark, quote, trade

D = Decimal


def cost(*, seconds, orders):
    """Steps of so long a market of eight symbols, with eight stops and so many orders that rest far away."""
    specs = default_specs()
    ticks = []
    for n in range(0, seconds, 5):
        for s in specs:
            price = s.price + s.tick * (n * 7919 % 41 - 20)
            ticks.append(quote(n, price - s.tick, price, symbol=s.symbol))
            ticks.append(trade(n, price, symbol=s.symbol))
            ticks.append(mark(n, price, symbol=s.symbol))
    desk = Desk(ticks=ticks, specs=specs, balance="1000000")
    desk.engine.advance(desk.engine.now)
    for n in range(orders):
        s = specs[n % 8]
        desk.symbol = s.symbol
        size = max(s.min_qty, 200 / s.price // s.step * s.step)
        if n < 8:
            desk.market(quantity=size)
            desk.algo(triggerPrice=s.price * D("0.9"), closePosition=True, workingType="MARK_PRICE")
        below = s.price * (1 - D(n + 4) / 1000) // s.tick * s.tick
        desk.place(price=below, quantity=size)

    def live():
        for _ in range(seconds):
            desk.after(1)

    steps = steps_of(live)
    assert len(desk.call("GET /fapi/v1/openOrders")) == orders
    return steps


def test_a_tick_costs_the_same_after_an_hour_as_at_first():
    assert cost(seconds=3600, orders=8) < 4.1 * cost(seconds=900, orders=8)


def test_a_tick_costs_the_same_however_many_orders_rest():
    assert cost(seconds=900, orders=400) < 1.1 * cost(seconds=900, orders=8)
