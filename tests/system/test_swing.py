"""Swing on spot, the whole system: every fill becomes a lot, every lot its own SELL, and nothing else."""

import asyncio
from decimal import Decimal

import pytest

from backstay.core.lots import Ended
from backstay.strategies.swing.policy import SellWhen

from tests.system.spot_world import play_spot

D = Decimal

MOVED, BALANCES = "balanceUpdate", "outboundAccountPosition"


def test_the_worked_case():
    async def script(w):
        w.buy("4", "6")
        await w.until(lambda: len(w.sells()) == 2, "two SELLs")
        offered = {(D(o["origQty"]), D(o["price"])) for o in w.sells()}
        assert offered == {(D("3.99"), D("1.2407")), (D("5.99"), D("1.2407"))}
        w.price("1.25")
        await w.until(lambda: not w.lots.count, "both lots sold")
        assert {lot.left for lot in w.lots.retired.values()} == {D("0.006"), D("0.004")}

    w = play_spot(script)
    assert w.auditor.completed == 2
    assert w.auditor.min_net_profit() >= w.policy.profit


PARTS = ("4", "6", "0.37", "12.5", "3.01", "8", "1.99", "25", "2.2", "7.77")


@pytest.mark.parametrize("sell_when", SellWhen)
def test_many_partial_fills_become_lots_that_are_all_sold_for_their_profit(sell_when):
    async def script(w):
        # Falling, so that nothing is sold while it is bought.
        w.buy(*PARTS[4:], price="1.2700")
        await w.settle()
        w.buy(*PARTS, price="1.2345")
        await w.settle()
        w.buy(*PARTS[:4], price="1.2000")
        await w.settle()
        offered = len(w.sells())
        # 0.37 is worth less than the exchange takes, and waits.
        assert offered == (0 if sell_when is SellWhen.TARGET else 18), offered
        w.price("1.2064")
        w.price("1.2200")
        await w.settle()
        assert {lot.price for lot in w.lots.retired.values()} == {D("1.2000")}
        assert len(w.lots.retired) == 3
        w.price("1.3000")
        await w.until(lambda: w.lots.count == 2, "all but the two small lots are sold")
        assert {lot.quantity for lot in w.open_lots()} == {D("0.37")}

    w = play_spot(script, sell_when=sell_when)
    assert (w.auditor.completed, w.auditor.waiting) == (18, 2)
    assert w.auditor.min_net_profit() >= w.policy.profit


def test_small_lots_are_sold_together_where_that_is_wished():
    async def script(w):
        w.buy("0.5", "0.6")
        await w.settle()
        assert [o["origQty"] for o in w.sells()] == ["1.09000000"]
        w.price("1.3000")
        await w.until(lambda: not w.lots.count, "both are sold by one order")

    w = play_spot(script, merge_unsellable=True)
    assert w.auditor.completed == 2


def test_falling_prices_sell_nothing_and_no_sell_is_touched():
    async def script(w):
        w.buy("4", "6")
        await w.settle()
        before = w.sells()
        for price in ("1.2", "1.1", "0.9", "1.0", "1.2", "1.24"):
            w.price(price)
            await w.settle(30)
        assert w.sells() == before

    assert play_spot(script).auditor.completed == 0


def test_what_was_bought_while_away_is_found_and_sold():
    async def script(w):
        w.buy("4", "6")
        await w.settle()
        w.kill()
        await asyncio.sleep(30)
        w.buy("5", "7.5", "2", price="1.2300")
        await asyncio.sleep(30)
        await w.start()
        await w.until(lambda: len(w.sells()) == 5, "every lot has its SELL")
        w.kill()
        w.price("1.2500")
        await asyncio.sleep(600)
        await w.start()
        await w.until(lambda: not w.lots.count, "what was sold while away is known")

    w = play_spot(script)
    assert w.auditor.completed == 5


@pytest.mark.parametrize("away_s", [3, 120])
def test_an_outage_of_the_stream_does_nothing_twice(away_s):
    async def script(w):
        w.buy("4", "6")
        await w.settle()
        w.exchange.network.unplug()
        w.buy("5", "7.5", price="1.2300")
        await asyncio.sleep(away_s)
        w.price("1.2390")
        w.exchange.network.plug()
        await w.until(lambda: w.lots.count == 2 and len(w.sells()) == 2, "two are sold, two offered", 120)
        w.price("1.2500")
        await w.until(lambda: not w.lots.count, "everything is sold")

    w = play_spot(script)
    assert w.auditor.completed == 4


def test_balances_that_lag_behind_the_trades_after_a_gap_are_read_once_more():
    """O-7 on spot: the first reading holds the SELLs of coins that it does not show; another follows."""

    async def script(w):
        w.exchange.network.unplug()
        await asyncio.sleep(2)
        w.buy("4", "6")
        behind = {"visibility_lag": {"ms": 5_000, "lagging": "balances"}}
        lag = {"match": {"until_ms": 60_000}, "effect": behind}
        w.exchange.control("POST", "/sim/v1/faults", {"rules": [lag]})
        w.exchange.network.plug()
        await w.until(lambda: w.lots.count == 2, "the trades are read")
        assert not w.sells(), "the balances do not show the coins yet"
        await w.until(lambda: len(w.sells()) == 2, "both are offered", 60)

    play_spot(script)


@pytest.mark.parametrize("at", ["answer_lost", "killed"])
def test_a_sell_whose_answer_never_came_is_not_sent_twice(at):
    async def script(w):
        rule = {"match": {"endpoint": "POST /api/v3/order", "times": 1}, "effect": "timeout_after_accept"}
        w.exchange.control("POST", "/sim/v1/faults", {"rules": [rule]})
        w.buy("4")
        await asyncio.sleep(0.05)
        if at == "killed":
            w.kill()
            await asyncio.sleep(5)
            await w.start()
        await w.settle(60)
        assert len(w.sells()) == 1
        w.price("1.2500")
        await w.until(lambda: not w.lots.count, "sold")

    assert play_spot(script).auditor.completed == 1


def test_a_sell_that_its_owner_cancels_is_not_placed_again():
    async def script(w):
        w.buy("4", "6")
        await w.settle()
        w.hand("cancel", orderId=w.sells()[0]["orderId"])
        await w.settle(120)
        assert len(w.sells()) == 1
        w.kill()
        await asyncio.sleep(5)
        await w.start()
        await w.settle(120)
        assert len(w.sells()) == 1
        assert len(w.lots.flags) == 1

    play_spot(script)


def test_coins_sold_elsewhere_end_a_lot_only_by_the_owners_word():
    async def script(w):
        w.buy("4", "6")
        await w.settle()
        number = w.sells()[0]["orderId"]
        w.hand("cancel", orderId=number)
        await w.settle(2)
        lot = next(iter(w.lots.flags))
        quantity = next(x.quantity for x in w.open_lots() if x.trade_id == lot)
        w.hand("order", side="SELL", type="MARKET", quantity=str(quantity - D("0.01")))
        await w.settle(30)
        assert w.lots.retired[lot].ended is Ended.CLOSED_BY_HAND

    play_spot(script)


def test_8_1_a_sale_refused_for_coins_that_left_unheard_has_the_balances_read():
    async def script(w):
        w.buy("10")
        await w.settle(20)
        dropped = [{"match": {"event": e, "times": 1}, "effect": "drop"} for e in (MOVED, BALANCES)]
        w.exchange.control("POST", "/sim/v1/faults", {"rules": dropped})
        w.hand("withdraw", asset="TRUMP", amount="5")
        w.price("1.2450")
        await w.settle(8)
        assert w.running.owner.account.balances["TRUMP"].wallet > 9, "its read would lag"
        await w.settle(300)
        refused = [r for r in w.exchange.requests() if r.get("code") == -2010]
        assert len(refused) == 1
        assert w.running.owner.account.balances["TRUMP"].wallet < 5

    play_spot(script, sell_when=SellWhen.TARGET)
