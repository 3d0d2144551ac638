"""The scored trader in the whole system: a recorded score becomes an order, the order a guarded position."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from backstay.core.escalation import Escalation
from backstay.core.records import Record
from backstay.core.risk import RiskLimits
from backstay.core.scored import SignalKind, SignalScored
from backstay.core.types import SECOND
from backstay.strategies.scored.policy import EntryPolicy, ScoredPolicy, SizePolicy
from backstay.strategies.scored.wanted import ScoredTrader
from backstay.testing.market import scored, signal

from tests.system.stand_ins import BTC
from tests.system.world import play

D = Decimal
LONG, SHORT = SignalKind.LONG, SignalKind.SHORT
POLICY = ScoredPolicy(symbols=(BTC,), size=SizePolicy(max_notional=D(600)))


def tell(world, kind=LONG, **fields):
    """A score of the bar that closes now."""
    now = world.clock.now_ns()
    made = replace(signal(kind, **fields), at=now, valid_until=now + 300 * SECOND)
    world.owner.on_event(scored(made, BTC))


def run(script, policy=POLICY, **options):
    play(script, policy=policy, strategy=ScoredTrader(), **options)


@pytest.mark.parametrize("kind", [LONG, SHORT])
def test_a_score_is_entered_and_guarded_and_its_target_ends_it(kind):
    offset = D("0.001")
    policy = replace(POLICY, entry=EntryPolicy(offset=offset))
    side, closing = ("BUY", "SELL") if kind is LONG else ("SELL", "BUY")
    limit, past = ("59940", "59939") if kind is LONG else ("60060", "60061")

    async def script(world):
        world.price("60000")
        await world.settle()
        tell(world, kind)
        await world.settle()
        size = world.resting()[0].split()[2]
        assert world.resting() == [f"LIMIT {side} {size} @ {limit}"]
        world.price(past)
        await world.settle()
        assert [line.split(" @ ")[0] for line in world.resting()] == sorted(
            [f"STOP_MARKET {closing} all", f"TAKE_PROFIT_MARKET {closing} {size}"]
        )
        world.price("61500" if kind is LONG else "58500")
        await world.settle(3)
        assert world.position()[0] == 0
        assert world.resting() == []
        await world.quiet()
        assert max(world.naked_ms()) < 100, world.auditor.windows

    run(script, policy)


def test_a_limit_order_that_nobody_takes_gives_way_and_is_given_up():
    rule = Escalation(timeout=10 * SECOND, give_up=25 * SECOND, max_slippage=D("0.0001"))
    policy = replace(POLICY, entry=EntryPolicy(offset=D("0.01"), escalation=rule))

    async def script(world):
        world.price("60100")
        await world.settle()
        tell(world)
        await world.settle()
        assert len(world.resting()) == 1
        await world.settle(40)
        assert world.resting() == []
        assert world.position()[0] == 0
        await world.quiet()

    run(script, policy)


def test_a_score_that_a_limit_refuses_is_recorded_and_sends_nothing():
    async def script(world):
        world.price("60000")
        await world.settle()
        tell(world)
        await world.settle()
        assert world.resting() == []
        records: list[Record] = world.records()
        assert any(isinstance(r.body, SignalScored) for r in records)
        refused = [x for r in records for x in getattr(r.body, "refused", ())]
        assert {x.gate for x in refused} == {"max_symbol_notional"}

    run(script, limits=RiskLimits(max_symbol_notional=D(100)))


def test_after_a_restart_a_working_entry_is_still_guarded_when_it_fills():
    async def script(world):
        world.price("60000")
        await world.settle()
        tell(world, price="59900")
        await world.settle()
        assert len(world.resting()) == 1
        await world.restart()
        await world.settle()
        world.price("59800")
        await world.settle(3)
        assert [line.split()[0] for line in world.resting()] == ["STOP_MARKET", "TAKE_PROFIT_MARKET"]
        await world.quiet()

    run(script)
