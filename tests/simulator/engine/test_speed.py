from decimal import Decimal
from time import process_time

from backstay.simulator.specs import default_specs

from tests.simulator.engine.desk import Desk, mark, quote, trade

D = Decimal


def test_two_hours_of_eight_symbols_with_fifty_open_orders_take_less_than_three_seconds_of_cpu():
    specs = default_specs()
    ticks = []
    for n in range(0, 7200, 5):
        for s in specs:
            price = s.price + s.tick * (n * 7919 % 41 - 20)
            ticks.append(quote(n, price - s.tick, price, symbol=s.symbol))
            ticks.append(trade(n, price, symbol=s.symbol))
            ticks.append(mark(n, price, symbol=s.symbol))
    desk = Desk(ticks=ticks, specs=specs, balance="1000000")
    desk.engine.advance(desk.engine.now)
    for n in range(48):
        s = specs[n % 8]
        desk.symbol = s.symbol
        size = max(s.min_qty, 200 / s.price // s.step * s.step)
        if n < 8:
            desk.market(quantity=size)
            desk.algo(triggerPrice=s.price * D("0.9"), closePosition=True, workingType="MARK_PRICE")
        below = s.price * (1 - D(n + 4) / 1000) // s.tick * s.tick
        desk.place(price=below, quantity=size)
    began = process_time()
    for _ in range(7200):
        desk.after(1)
    assert process_time() - began < 3
    assert len(desk.call("GET /fapi/v1/openOrders")) == 48
