"""A spot holding under take-profit and stop, the whole system against the simulated Spot exchange."""

import asyncio
from decimal import Decimal

from tests.system.holding_world import play_holding

D = Decimal


def test_a_buy_by_hand_gets_one_list_of_take_profit_and_stop():
    async def script(w):
        w.buy("10")
        await w.until(lambda: w.has_pair("9.99"), "a list of both legs")
        (one,) = w.listed()
        assert one["contingencyType"] == "OCO"
        assert one["listClientOrderId"] == w.working()["TP"].ctx_id
        assert {w.working()["TP"].slot.price, w.working()["SL"].slot.trigger} == {D("1.2592"), D("1.1728")}
        assert not w.scope.naked_since
        await w.settle(30)

    play_holding(script)
