"""Which questions a recovery asks for what its snapshots left open."""

import asyncio
from decimal import Decimal

import pytest
from msgspec.structs import replace

from backstay.core.contexts import Phase
from backstay.core.recovery import is_wide
from backstay.core.state import AccountState, ScopeState
from backstay.core.types import (
    AlgoStatus,
    OrderType,
    PositionSide,
    Product,
    Role,
    Scope,
    Side,
    Surface,
    Trust,
)
from backstay.runtime.hydration import RECENT, ask_doubts
from backstay.strategies.by_lot import BATCH, sell_slot
from backstay.testing import evidence
from backstay.testing.builders import slot
from backstay.testing.evidence import algo


class Asked:
    """Answers every query, and keeps what was asked."""

    def __init__(self, row, now=0):
        self.row = row
        self.now = now
        self.asked = []

    def venue_now_ns(self):
        return self.now

    async def query_order(self, symbol, ctx_id, surface):
        self.asked.append((ctx_id, surface))
        if surface is Surface.ALGO:
            return evidence.found(self.row, at=1)
        return evidence.not_found(ctx_id, at=1)

    async def query_orders(self, symbol, names, surface):
        return [await self.query_order(symbol, name, surface) for name in names]


def test_i32_the_order_that_a_conditional_one_became_unseen_is_asked_for_too():
    take = slot(Role.TP, OrderType.TAKE_PROFIT_MARKET, Side.SELL, trigger="61000", quantity="0.005")
    ctx = replace(evidence.context(take, "tp1"), phase=Phase.UNKNOWN, sent_at=1)
    s = ScopeState(scope=ctx.scope, trust=Trust.RECOVERING, contexts={"tp1": ctx})
    finished = algo(AlgoStatus.FINISHED, algo_id=7, client_id="tp1", child_order_id=99, at=1)
    venue = Asked(finished)
    account = AccountState(scopes={ctx.scope: s})
    answers = asyncio.run(ask_doubts(venue, account, [ctx.scope]))
    assert venue.asked == [("tp1", Surface.ALGO), ("tp1", Surface.REGULAR)]
    assert len(answers) == 2


def test_4_1_1_reasons_that_may_concern_what_no_scope_stands_for_are_account_wide():
    assert is_wide(["ingest_failed"])
    assert is_wide(["unknown_outcome", "clock_offset: the clock moved by 2000 ms against the venue"])
    assert is_wide(["unidentified_account_event"])
    assert not is_wide(["unknown_outcome", "unidentified_event"])


class Listing:
    """Lists nothing, and keeps what was asked."""

    def __init__(self, now):
        self.now = now
        self.asked = []

    def venue_now_ns(self):
        return self.now

    async def query_orders(self, symbol, names, surface):
        self.asked.append((symbol, surface, tuple(names)))
        return [evidence.not_found(name, at=1, surface=surface) for name in names]


def test_x3_among_many_doubts_the_stop_of_a_naked_position_is_looked_for_before_its_window_is_over():
    scopes = {}
    for i in range(30):
        key = evidence.scope(symbol=f"S{i:02}USDT")
        stop = slot(Role.SL, OrderType.STOP_MARKET, Side.SELL, trigger="59000", quantity="0.005")
        ctx = replace(evidence.context(stop, f"s{i}"), scope=key, phase=Phase.UNKNOWN, sent_at=evidence.ms(0))
        ctx = replace(ctx, recv_window_ms=3000, created_at=evidence.ms(0))
        bare = evidence.ms(0) if i in (3, 4) else 0
        ctx = replace(ctx, not_found_at=evidence.ms(1)) if i == 4 else ctx
        state = ScopeState(scope=key, trust=Trust.RECOVERING, contexts={ctx.ctx_id: ctx}, naked_since=bare)
        scopes[key] = state
    account = AccountState(scopes=scopes)
    early, late = Listing(evidence.ms(2_000)), Listing(evidence.ms(5_000))
    asyncio.run(ask_doubts(early, account, scopes))
    assert early.asked == [("S03USDT", Surface.ALGO, ("s3",))]
    assert len(asyncio.run(ask_doubts(late, account, scopes))) == 30


@pytest.mark.parametrize("oldest", [0, -RECENT])
def test_8_2_lots_offered_in_one_pass_are_not_asked_for_one_by_one_before_their_windows_are_over(oldest):
    key = Scope(Product.SPOT, "BTCUSDT", PositionSide.BOTH)
    contexts = {}
    for lot in range(1, BATCH + 1):
        sell = sell_slot((lot,), Decimal(61_000), Decimal("0.001"))
        ctx = evidence.context(sell, f"s{lot}", key=key)
        ctx = replace(ctx, created_at=ctx.created_at + oldest) if lot == 1 else ctx
        contexts[ctx.ctx_id] = replace(ctx, phase=Phase.UNKNOWN, sent_at=evidence.ms(0), recv_window_ms=3000)
    account = AccountState(scopes={key: ScopeState(scope=key, trust=Trust.RECOVERING, contexts=contexts)})
    early, late = Asked(None, evidence.ms(2_000)), Asked(None, evidence.ms(5_000))
    assert not asyncio.run(ask_doubts(early, account, [key]))
    assert len(asyncio.run(ask_doubts(late, account, [key]))) == BATCH
    few = ScopeState(scope=key, trust=Trust.RECOVERING, contexts={"s1": contexts["s1"]})
    assert asyncio.run(ask_doubts(early, AccountState(scopes={key: few}), [key]))
