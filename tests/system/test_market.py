"""Market data in the whole system: bars of the venue become scores, scores trades, holes and silence pauses."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from backstay.core.escalation import Escalation
from backstay.core.events import GateChanged
from backstay.core.scored import BookSeen, SignalKind, SignalScored
from backstay.core.types import SECOND
from backstay.signals.policy import BracketRule, Periods, ScorePolicy
from backstay.simulator.feeds.trending import TrendingFeed
from backstay.simulator.settings import EngineSettings
from backstay.strategies.scored.policy import CoolDown, EntryKind, EntryPolicy, ScoredPolicy, SizePolicy
from backstay.strategies.scored.wanted import ScoredTrader

from tests.system.stand_ins import BTC, START
from tests.system.world import play

D = Decimal
MINUTE = 60 * SECOND
QUICK = ScorePolicy(
    interval=MINUTE,
    higher=3 * MINUTE,
    gate=D("0.3"),
    periods=Periods(
        ema_fast=5,
        ema_slow=13,
        higher_ema_fast=4,
        higher_ema_slow=9,
        atr=7,
        atr_slow=20,
        macd_fast=5,
        macd_slow=13,
        macd_signal=4,
        rsi=9,
        channel=10,
        efficiency=8,
        volume=15,
    ),
    bracket=BracketRule(stop=D(2), targets=(D(3),)),
    valid_for=MINUTE,
)
POLICY = ScoredPolicy(
    symbols=(BTC,),
    score=QUICK,
    entry=EntryPolicy(kind=EntryKind.MARKET, escalation=Escalation(max_slippage=D("0.001"))),
    size=SizePolicy(max_notional=D(2000)),
    cool_down=CoolDown(after_close=MINUTE, after_loss=MINUTE),
)
PAST = EngineSettings(history_minutes=1500, klines_kept=4000)


def run(script, policy=POLICY, **options):
    feed = TrendingFeed((BTC,), seed=3, start_ns=START)
    play(script, policy=policy, strategy=ScoredTrader(), feed=feed, engine_settings=PAST, **options)


def bodies(world, kind):
    return [r.body for r in world.records() if isinstance(r.body, kind)]


def test_a_trend_is_scored_entered_guarded_and_left_at_its_target():
    async def script(world):
        await world.settle(1500)
        scores = bodies(world, SignalScored)
        print([(s.signal.kind.value, str(s.signal.score)[:6], s.vetoes) for s in scores])
        print(world.resting(), world.position())
        assert any(s.signal.kind is SignalKind.LONG for s in scores)
        await world.quiet()

    run(script)
