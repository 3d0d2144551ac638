"""A spot holding under take-profit and stop, the whole system against the simulated Spot exchange."""

import asyncio
from decimal import Decimal

import pytest
from msgspec.structs import replace

from backstay.core.events import OperatorAction
from backstay.core.lots import every
from backstay.core.types import SECOND
from backstay.strategies.position_manager.policy import BreakEvenPolicy, StopKind, TimeStopPolicy

from tests.system.holding_world import check_holding, holding_policy
from tests.system.spot_world import PREFIX, SYMBOL

D = Decimal
STOP, TARGET = holding_policy().stop_loss, holding_policy().take_profit
NO_STOP = replace(STOP, enabled=False)
NO_TARGET = replace(TARGET, enabled=False)


def test_a_buy_by_hand_gets_one_list_of_take_profit_and_stop():
    async def script(w):
        w.buy("10")
        await w.until(lambda: w.has_pair("9.99"), "a list of both legs")
        (one,) = w.listed()
        assert one["contingencyType"] == "OCO"
        assert one["listClientOrderId"] == w.working()["TP"].ctx_id
        assert {w.working()["TP"].slot.price, w.working()["SL"].slot.trigger} == {D("1.2592"), D("1.1728")}
        assert not w.scope.naked_since
        before = w.sells()
        await w.settle(60)
        assert w.sells() == before, "c1: what is equal is left alone"

    check_holding(script)


def test_many_partial_fills_of_one_buy_end_in_one_list():
    async def script(w):
        w.buy("4", "6", "3.3", "12.5")
        await w.until(lambda: w.has_pair("25.77"), "one list for all of it")
        assert len(w.truth()["order_lists"]) <= 2

    check_holding(script)


def test_what_is_added_is_covered_by_a_list_that_takes_the_old_one_s_place():
    async def script(w):
        w.buy("10")
        await w.until(lambda: w.has_pair("9.99"), "the first list")
        w.buy("20", price="1.2200")
        await w.until(lambda: w.has_pair("29.97"), "a list for everything")
        assert w.working()["TP"].slot.price == D("1.2494"), "2 % above the average"
        done = [g for g in w.truth()["order_lists"] if g["listOrderStatus"] == "ALL_DONE"]
        assert len(done) == 1
        assert not w.scope.naked_since
        assert not w.scope.manual_cancels, "the legs that ended together were ended by us"

    check_holding(script)


def test_the_take_profit_fills_the_stop_goes_and_the_position_is_closed():
    async def script(w):
        w.buy("10")
        await w.until(lambda: w.has_pair("9.99"), "the list")
        w.price("1.2700")
        await w.until(lambda: not w.held, "closed")
        await w.until(lambda: not w.sells() and w.quiet, "nothing rests")
        assert not list(every(w.lots)), "what is left is dust, and no lot"
        w.price("1.2346")
        w.buy("5")
        await w.until(lambda: w.has_pair("4.99"), "a new life has a list of its own")
        assert w.working()["TP"].slot.price == D("1.2592")

    check_holding(script)


def test_the_stop_sells_the_take_profit_goes_and_the_position_is_closed():
    async def script(w):
        w.buy("10")
        await w.until(lambda: w.has_pair("9.99"), "the list")
        w.price("1.1700")
        await w.until(lambda: not w.held, "closed")
        await w.until(lambda: not w.sells() and w.quiet, "nothing rests")

    check_holding(script)


def test_r10_one_leg_cancelled_by_hand_ends_the_list_and_it_is_placed_again():
    async def script(w):
        w.buy("10")
        await w.until(lambda: w.has_pair("9.99"), "the list")
        first = w.working()["SL"].ctx_id
        w.hand("cancel", clientOrderId=first)
        await w.until(lambda: w.has_pair("9.99") and w.working()["SL"].ctx_id != first, "placed again")
        assert len(w.scope.manual_cancels) == 1, "one hand, one list: counted once"

    check_holding(script)


@pytest.mark.parametrize("moment", ["at rest", "just bought", "sold while away"])
def test_i33_a_restart_adopts_the_list(moment):
    async def script(w):
        w.buy("10")
        if moment == "just bought":
            await w.until(lambda: bool(w.sells()), "the list is at the exchange")
        else:
            await w.until(lambda: w.has_pair("9.99"), "the list")
        before = w.listed()
        w.kill()
        if moment == "sold while away":
            w.price("1.2700")
        await asyncio.sleep(30)
        await w.start()
        if moment == "sold while away":
            await w.until(lambda: not w.held and w.quiet, "known to be closed")
            assert not w.sells()
        else:
            await w.until(lambda: w.has_pair("9.99"), "the same list")
            assert w.listed() == before

    check_holding(script)


def test_added_while_away_is_covered_after_the_restart():
    async def script(w):
        w.buy("10")
        await w.until(lambda: w.has_pair("9.99"), "the list")
        w.kill()
        await asyncio.sleep(30)
        w.buy("10", price="1.2300")
        await w.start()
        await w.until(lambda: w.has_pair("19.98"), "a list for everything")

    check_holding(script)


EFFECTS = {
    "timeout_before": "timeout_before",
    "timeout_after_accept": "timeout_after_accept",
    "503 unknown, executed": {"text_503": {"text": "unknown", "executed": True}},
    "503 unknown, not executed": {"text_503": {"text": "unknown", "executed": False}},
    "503 unavailable": {"text_503": {"text": "unavailable"}},
    "-1007 executed": {"-1007": {"executed": True}},
    "-1007 not executed": {"-1007": {"executed": False}},
    "cut before": {"cut": {"when": "before"}},
    "cut after": {"cut": {"when": "after"}},
    "dropped": "drop",
    "429": {"throttle_429": {"retry_after": 2}},
    "unclassified": {"error": {"code": -9999, "msg": "Something new.", "status": 400}},
}


@pytest.mark.parametrize("name", EFFECTS)
def test_i31_one_bad_answer_to_a_list_ends_as_without_it_and_nothing_is_placed_twice(name):
    async def script(w):
        w.faults(EFFECTS[name], "POST /api/v3/orderList/oco")
        w.buy("10")
        await w.until(lambda: w.has_pair("9.99"), "the list")
        assert len(w.truth()["order_lists"]) == 1
        await w.settle(20)
        assert w.has_pair("9.99")

    check_holding(script)


@pytest.mark.parametrize("name", EFFECTS)
def test_i31_one_bad_answer_to_the_cancel_of_a_list_ends_as_without_it(name):
    async def script(w):
        w.buy("10")
        await w.until(lambda: w.has_pair("9.99"), "the first list")
        w.faults(EFFECTS[name], "DELETE /api/v3/order")
        w.buy("20", price="1.2200")
        await w.until(lambda: w.has_pair("29.97"), "a list for everything")
        assert len(w.truth()["order_lists"]) == 2
        await w.settle(20)
        assert w.has_pair("29.97")
        assert not w.scope.manual_cancels

    check_holding(script)


def test_the_stop_alone_and_the_take_profit_alone():
    async def stop_alone(w):
        w.buy("10")
        await w.until(lambda: w.offered() == [("STOP_LOSS", D("9.99"))] and w.quiet, "a stop")
        w.buy("10", price="1.2300")
        await w.until(lambda: w.offered() == [("STOP_LOSS", D("19.98"))] and w.quiet, "a larger stop")
        w.price("1.1500")
        await w.until(lambda: not w.held, "sold")

    async def target_alone(w):
        w.buy("10")
        await w.until(lambda: w.offered() == [("LIMIT", D("9.99"))] and w.quiet, "a take-profit")
        w.price("1.3000")
        await w.until(lambda: not w.held, "sold")

    check_holding(stop_alone, take_profit=NO_TARGET)
    check_holding(target_alone, stop_loss=NO_STOP)


def test_a_list_that_the_market_has_outrun_sells_at_the_target():
    async def script(w):
        w.kill()
        w.buy("10")
        w.price("1.3000")
        await w.start()
        w.buy("1", price="1.2999")
        w.price("1.4000")
        await w.until(lambda: not w.held, "sold above its target")

    check_holding(script)


def test_a_stop_that_the_market_has_passed_is_closed_at_market():
    async def script(w):
        w.buy("10")
        await w.until(lambda: w.has_pair("9.99"), "the list")
        w.exchange.network.unplug()
        w.hand("cancel", clientOrderId=w.working()["SL"].ctx_id)
        w.price("1.0000")
        await asyncio.sleep(3)
        w.exchange.network.plug()
        await w.until(lambda: not w.held, "closed at market", 120)
        assert not w.sells()

    check_holding(script)


def test_i19_orders_and_coins_of_others_are_left_alone():
    async def script(w):
        w.hand("deposit", asset="TRUMP", amount="50")
        w.hand("order", side="SELL", type="LIMIT", price="1.9000", quantity="20")
        w.buy("10")
        await w.until(lambda: w.has_pair("9.99"), "a list for what was bought")
        w.price("1.2700")
        await w.until(lambda: not w.held, "closed")
        mine = [o for o in w.truth()["orders"] if not o["clientOrderId"].startswith(PREFIX)]
        assert [o["status"] for o in mine if o["side"] == "SELL"] == ["NEW"]

    check_holding(script)


def test_a_take_profit_that_fills_in_part_is_finished_or_gets_its_stop_back():
    async def script(w):
        w.buy("10")
        await w.until(lambda: w.has_pair("9.99"), "the list")
        w.faults({"partial_fills": {"max_qty": "4"}})
        w.price("1.2600")
        await w.until(lambda: w.held < D("9.9"), "a part is sold")
        w.heal()
        w.price("1.2400")
        left = str(w.held - w.held % D("0.01"))
        await w.until(lambda: not w.held or w.has_pair(left), f"a list for the {left} that are left")
        assert w.held

    check_holding(script)


def test_a_stop_limit_that_the_market_has_passed_by_is_closed_at_market():
    async def script(w):
        w.buy("10")
        types = ["LIMIT_MAKER", "STOP_LOSS_LIMIT"]
        await w.until(lambda: [t for t, _ in w.offered()] == types and w.quiet, "the list")
        w.price("1.0000")
        await w.until(lambda: not w.held, "closed at market", 30)
        assert not w.sells()

    check_holding(script, stop_loss=replace(STOP, kind=StopKind.STOP_LIMIT))


def test_break_even_moves_the_stop_by_one_new_list():
    async def script(w):
        w.buy("10")
        await w.until(lambda: w.has_pair("9.99"), "the list")
        w.price("1.2500")
        await w.until(lambda: w.has_pair("9.99") and w.working()["SL"].slot.trigger > D("1.2345"), "moved")
        assert len(w.truth()["order_lists"]) == 2
        w.price("1.2400")
        await w.settle(30)
        assert len(w.truth()["order_lists"]) == 2

    check_holding(script, break_even=BreakEvenPolicy(trigger=D("0.01")))


def test_a_trail_of_our_own_moves_the_stop_in_steps():
    async def script(w):
        w.buy("10")
        await w.until(lambda: w.has_pair("9.99"), "the list")
        first = w.working()["SL"].slot.trigger
        for price in ("1.2400", "1.2450", "1.2500"):
            w.price(price)
            await w.settle(5)
        await w.until(lambda: w.has_pair("9.99"), "the list")
        assert w.working()["SL"].slot.trigger > first

    stop = replace(STOP, kind=StopKind.TRAILING_LOCAL, trail_as=StopKind.FIXED_QTY)
    check_holding(script, stop_loss=stop)


def test_the_time_stop_closes_at_market():
    async def script(w):
        w.buy("10")
        await w.until(lambda: w.has_pair("9.99"), "the list")
        await asyncio.sleep(55)
        await w.until(lambda: not w.held and not w.sells(), "closed at market")

    check_holding(script, time_stop=TimeStopPolicy(after=60 * SECOND))


@pytest.mark.parametrize("action", [OperatorAction.CLOSE, OperatorAction.KILL])
def test_i30_the_operator_closes_a_holding(action):
    async def script(w):
        w.buy("10")
        await w.until(lambda: w.has_pair("9.99"), "the list")
        w.command(action, whole_account=action is OperatorAction.KILL)
        await w.until(lambda: not w.held and not w.sells(), "closed at market")

    check_holding(script)


def test_coins_taken_away_are_no_longer_offered():
    async def script(w):
        w.buy("10")
        await w.until(lambda: w.has_pair("9.99"), "the list")
        w.hand("cancel", clientOrderId=w.working()["TP"].ctx_id)
        w.hand("close", symbol=SYMBOL, share="0.5")
        await w.until(lambda: w.has_pair("5.00"), "a list for what is left")

    check_holding(script)


def test_coins_locked_by_the_owner_are_not_offered():
    async def script(w):
        w.buy("10")
        await w.until(lambda: w.has_pair("9.99"), "the list")
        w.hand("cancel", clientOrderId=w.working()["TP"].ctx_id)
        w.hand("order", side="SELL", type="LIMIT", price="1.9000", quantity="4")
        await w.until(lambda: w.has_pair("5.99"), "a list for what is free", 120)

    check_holding(script)


@pytest.mark.parametrize(("nth", "alarms"), [(1, 0), (2, 1)])
def test_i37_what_was_bought_while_nobody_looked_is_alarmed_before_the_whole_account_is_read(nth, alarms):
    """On spot trades tell of a position: what their read showed does not wait for a later one that fails."""

    async def script(w):
        w.kill()
        w.buy("10")
        # First it tells the mode, before the trades are read; then balances, after them.
        w.faults("drop", "GET /api/v3/account", nth=[nth])
        await w.start()
        assert w.running.owner.stats.unprotected_alarms == alarms
        await w.until(lambda: w.has_pair("9.99"), "a list of both legs")

    check_holding(script)
