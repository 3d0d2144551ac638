"""The SELL of the next lot stands by: it leaves at once, and no crash makes a second one (decision 0029)."""

import asyncio
from decimal import Decimal

import pytest

from backstay.core.contexts import Phase
from backstay.core.lots import Mark
from backstay.core.next_sale import STANDING_BY
from backstay.strategies.swing.policy import SellWhen

from tests.system.spot_world import SPOT_LEDGER, play_spot

D = Decimal
SLOW = 8.0
"""Seconds of a group commit: whatever leaves sooner did not wait for one."""


def contexts(w):
    return w.running.owner.account.scopes[w.key].contexts.values()


def standing(w):
    return {c.ctx_id for c in contexts(w) if c.awaits_lot and c.phase is Phase.PRE_ARMED}


async def bought_and_power_lost(w, *parts):
    """The SELLs of these fills have left, and nothing that followed the fills reached the disk."""
    await w.settle(SLOW + 1)
    names, synced = standing(w), w.disk.syncs
    w.buy(*parts)
    await asyncio.sleep(1)
    assert len(w.sells()) == len(parts)
    assert w.disk.syncs == synced, "the SELL waited for no disk"
    w.kill(power=True)
    folder = SPOT_LEDGER.rpartition("/")[0]
    kept = b"".join(w.disk.read(f"{folder}/{name}") for name in w.disk.list(folder))
    assert b"RequestsRegistered" in kept
    assert all(name.encode() in kept for name in names)
    assert b"RequestSent" not in kept
    return names


def test_i18_the_sell_of_a_fill_waits_for_no_disk():
    async def script(w):
        await w.settle(SLOW + 1)
        names, synced = standing(w), w.disk.syncs
        assert len(names) == STANDING_BY
        w.buy("4")
        await asyncio.sleep(0.5)
        assert {o["clientOrderId"] for o in w.sells()} < names
        assert w.disk.syncs == synced
        await w.settle(SLOW + 1)
        assert len(standing(w)) == STANDING_BY, "the one that was used is replaced"

    play_spot(script, sync_delay_s=SLOW)


def test_i18_fills_of_a_burst_beyond_those_on_standby_wait_for_the_disk():
    async def script(w):
        await w.settle(SLOW + 1)
        names, synced = standing(w), w.disk.syncs
        w.buy(*["4"] * (STANDING_BY + 2))
        await asyncio.sleep(0.5)
        assert len(w.sells()) == STANDING_BY + 2
        assert names < {o["clientOrderId"] for o in w.sells()}
        assert w.disk.syncs > synced

    play_spot(script, sync_delay_s=SLOW)


def test_i18_a_fill_that_comes_before_the_standby_is_durable_waits_for_the_disk():
    async def script(w):
        synced = w.disk.syncs
        w.buy("4")
        await asyncio.sleep(0.5)
        assert len(w.sells()) == 1
        assert w.disk.syncs > synced

    play_spot(script, sync_delay_s=SLOW)


def test_where_a_lot_waits_for_its_price_nothing_stands_by():
    async def script(w):
        w.buy("4")
        await w.settle()
        assert not standing(w)

    play_spot(script, sell_when=SellWhen.TARGET)


@pytest.mark.parametrize("parts", [("4",), ("4", "6"), ("4", "4", "4")], ids=["one", "two", "alike"])
def test_r12_sells_whose_records_were_lost_are_found_and_belong_to_their_lots(parts):
    async def script(w):
        names = await bought_and_power_lost(w, *parts)
        await asyncio.sleep(5)
        await w.start()
        await w.settle(60)
        resting = w.sells()
        assert len(resting) == len(parts), "no lot has a second SELL"
        told = {o["clientOrderId"]: o["strategyId"] for o in resting}
        assert told == {c.ctx_id: c.slot.one_lot for c in contexts(w) if c.ctx_id in told}
        assert set(told.values()) == {lot.trade_id for lot in w.open_lots()}
        assert len(standing(w)) == STANDING_BY
        assert not names & standing(w), "an id is used by one process"
        w.price("1.2500")
        await w.until(lambda: not w.lots.count, "sold")

    assert play_spot(script, sync_delay_s=SLOW).auditor.completed == len(parts)


def test_r12_a_sell_that_was_filled_before_the_restart_is_not_made_again():
    async def script(w):
        await bought_and_power_lost(w, "4", "6")
        w.price("1.2500")
        await asyncio.sleep(60)
        assert w.sells() == []
        await w.start()
        await w.settle(60)
        assert w.sells() == []
        assert w.lots.count == 0

    assert play_spot(script, sync_delay_s=SLOW).auditor.completed == 2


def test_r12_a_sell_that_its_owner_took_back_before_the_restart_is_not_made_again():
    async def script(w):
        await bought_and_power_lost(w, "4")
        w.hand("cancel", orderId=w.sells()[0]["orderId"])
        await w.start()
        await w.settle(60)
        assert w.sells() == []
        assert [f.mark for f in w.lots.flags.values()] == [Mark.CANCELLED]

    play_spot(script, sync_delay_s=SLOW)


def test_r12_a_sell_that_never_reached_the_venue_is_made_once_its_absence_is_proven():
    async def script(w):
        await w.settle(SLOW + 1)
        rule = {"match": {"endpoint": "POST /api/v3/order", "times": 1}, "effect": "timeout_before"}
        w.exchange.control("POST", "/sim/v1/faults", {"rules": [rule]})
        w.buy("4")
        await asyncio.sleep(1)
        assert w.sells() == []
        w.kill(power=True)
        await w.start()
        await w.settle(60)
        assert len(w.sells()) == 1

    play_spot(script, sync_delay_s=SLOW)


def test_r12_what_stood_by_unused_is_asked_for_and_forgotten():
    async def script(w):
        await w.settle(SLOW + 1)
        for _ in range(3):
            w.kill(power=True)
            await w.start()
            await w.settle(60)
            assert len(standing(w)) == STANDING_BY
        assert len(list(contexts(w))) <= 2 * STANDING_BY, "those of earlier processes are not kept"
        w.buy("4")
        await asyncio.sleep(0.5)
        assert len(w.sells()) == 1

    play_spot(script, sync_delay_s=SLOW)


def test_another_profit_after_the_restart_changes_nothing_for_a_sell_that_had_left():
    async def script(w):
        await bought_and_power_lost(w, "4", "6")
        before = w.sells()
        w.policy = type(w.policy)(symbols=w.policy.symbols, sell_when=SellWhen.FILL, profit=D("0.05"))
        await w.start()
        await w.settle(60)
        assert w.sells() == before
        w.policy = type(w.policy)(symbols=w.policy.symbols, sell_when=SellWhen.FILL)

    play_spot(script, sync_delay_s=SLOW)
