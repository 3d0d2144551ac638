"""A foreseen fill on spot: its lot's SELL leaves before the fill is folded, nothing else is different."""

import asyncio
from decimal import Decimal

import pytest

from backstay.core.decisions import Act
from backstay.core.events import OrderReport, RequestSent
from backstay.core.records import Decided, Noted
from backstay.core.types import ExecutionType, Side
from backstay.ledger.reader import chunks
from backstay.runtime.executor import Executor

from tests.system.spot_world import SPOT_LEDGER, play_spot

SLOW = 8.0
"""Seconds of a group commit: whatever leaves sooner did not wait for one."""


@pytest.fixture
def ahead(monkeypatch):
    """(records kept at that moment, request) of everything that left ahead."""
    seen = []
    place = Executor.place_ahead

    def watched(self, request):
        kept = self._journal.seq
        place(self, request)
        if self._ahead is not None:
            seen.append((kept, request))

    monkeypatch.setattr(Executor, "place_ahead", watched)
    return seen


async def rest_a_buy(w, quantity="4", price="1.2000"):
    """A BUY by hand, after one whose fill has shown what commissions look like."""
    w.buy("4")
    await w.settle()
    w.hand("order", side="BUY", type="LIMIT", price=price, quantity=quantity, timeInForce="GTC")
    await w.settle()


def kept(w, kind):
    w.running.journal.durable_now()
    every = (record for chunk in chunks(w.disk, SPOT_LEDGER) for record in chunk)
    return [r for r in every if isinstance(r.body, kind)]


def fills_of_buys(w):
    return [
        r for r in kept(w, OrderReport) if r.body.execution is ExecutionType.TRADE and r.body.side is Side.BUY
    ]


def in_vain(w):
    return [r for r in kept(w, Noted) if r.body.what == "foreseen_in_vain"]


def test_the_sell_of_a_foreseen_fill_leaves_before_the_fill_is_folded(ahead):
    async def script(w):
        await rest_a_buy(w)
        assert not ahead
        w.price("1.1990")
        await w.settle()
        ((before, request),) = ahead
        fill = fills_of_buys(w)[-1]
        (sent,) = [r for r in kept(w, RequestSent) if r.body.ctx_id == request.ctx_id]
        assert before < fill.seq < sent.seq
        assert sent.body.request.context.slot == request.context.slot
        assert request.context.slot.lots == (fill.body.trade_id,)
        assert not in_vain(w)
        acts = [r.body.decision for r in kept(w, Decided) if isinstance(r.body.decision, Act)]
        asked = [i for act in acts for i in act.intents]
        assert [i.slot.lots for i in asked].count((fill.body.trade_id,)) == 1
        assert {o["strategyId"] for o in w.sells()} == {x.trade_id for x in w.open_lots()}

    play_spot(script)


def test_what_fills_in_parts_or_without_resting_first_is_folded_first(ahead):
    async def script(w):
        await rest_a_buy(w, "10")
        w.buy("4", "6")
        await w.settle()
        assert not ahead
        assert len(w.sells()) == 3
        w.price("1.1990")
        await w.settle()
        ((_, request),) = ahead
        assert request.context.slot.quantity == Decimal("9.99"), "less the commission"
        assert len(w.sells()) == 4
        assert not in_vain(w)

    play_spot(script)


def test_r24_nothing_leaves_ahead_without_the_lease(ahead):
    async def script(w):
        await rest_a_buy(w)
        lease = w.running.owner._lease
        lease.mine = False
        w.price("1.1990")
        await w.settle(0.5)
        assert not ahead
        assert len(w.sells()) == 1
        lease.mine = True
        w.running.owner.touch(w.key)
        await w.settle()
        assert len(w.sells()) == 2

    play_spot(script)


def test_i18_a_sell_that_left_ahead_and_whose_records_were_lost_is_found_and_belongs_to_its_lot(ahead):
    async def script(w):
        await rest_a_buy(w)
        await w.settle(SLOW + 1)
        synced = w.disk.syncs
        w.price("1.1990")
        await asyncio.sleep(0.5)
        ((_, request),) = ahead
        assert w.disk.syncs == synced, "it waited for no disk"
        w.kill(power=True)
        await asyncio.sleep(5)
        await w.start()
        await w.settle(60)
        assert len(w.sells()) == 2
        (mine,) = [o for o in w.sells() if o["clientOrderId"] == request.ctx_id]
        assert (mine["strategyId"],) == request.context.slot.lots
        assert {o["strategyId"] for o in w.sells()} == {x.trade_id for x in w.open_lots()}

    play_spot(script, sync_delay_s=SLOW)
