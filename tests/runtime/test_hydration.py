"""Which questions a recovery asks for what its snapshots left open."""

import asyncio

from msgspec.structs import replace

from backstay.core.contexts import Phase
from backstay.core.recovery import is_wide
from backstay.core.state import AccountState, ScopeState
from backstay.core.types import AlgoStatus, OrderType, Role, Side, Surface, Trust
from backstay.runtime.hydration import ask_doubts
from backstay.testing import evidence
from backstay.testing.builders import slot
from backstay.testing.evidence import algo


class Asked:
    """Answers every query, and keeps what was asked."""

    def __init__(self, row):
        self.row = row
        self.asked = []

    async def query_order(self, symbol, ctx_id, surface):
        self.asked.append((ctx_id, surface))
        if surface is Surface.ALGO:
            return evidence.found(self.row, at=1)
        return evidence.not_found(ctx_id, at=1)


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
