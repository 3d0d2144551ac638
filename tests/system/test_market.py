"""Market data in the whole system: bars become scores, scores trades; holes and silence pause."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from backstay.app.demo_scored import SCORE
from backstay.app.figures import gauges
from backstay.app.host import GuardHost
from backstay.core.escalation import Escalation
from backstay.core.events import GateChanged, OperatorAction, RecoveryStarted
from backstay.core.grades import grade, review_of
from backstay.core.records import Decided
from backstay.core.risk import RiskLimits
from backstay.core.scored import BookSeen, SignalKind, SignalScored
from backstay.core.types import SECOND
from backstay.signals.line import needed_bars
from backstay.signals.policy import BracketRule
from backstay.signals.score import recomputed
from backstay.simulator.feeds.trending import TrendingFeed
from backstay.simulator.settings import EngineSettings
from backstay.strategies.scored.policy import CoolDown, EntryKind, EntryPolicy, ScoredPolicy, SizePolicy
from backstay.strategies.scored.wanted import ScoredTrader

from tests.system.stand_ins import BTC, START
from tests.system.world import play
from tests.system.world import policy as ladder_policy

D = Decimal
MINUTE = 60 * SECOND
QUICK = replace(SCORE, bracket=BracketRule(stop=D(2), targets=(D(3),)))
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


async def entered(world, within_s=900.0):
    await world.until(lambda: world.position()[0] != 0, "an entry filled", within_s=within_s, every_s=1.0)
    await world.settle(2)


def test_a_trend_is_scored_entered_guarded_and_left_by_its_bracket():
    async def script(world):
        await entered(world)
        book = bodies(world, BookSeen)
        assert book, "an order at market looks at the book first"
        assert len(book[0].book.asks) > 1
        assert [line.split()[0] for line in world.resting()] == ["STOP_MARKET", "TAKE_PROFIT_MARKET"]
        scores = bodies(world, SignalScored)
        taken = next(s for s in scores if s.signal.kind is not SignalKind.NONE)
        assert taken.bars >= needed_bars(QUICK)
        inputs = {name: v for f in taken.factors for name, v in f.inputs.items()}
        assert inputs["spread"] is not None
        assert inputs["funding_rate"] is not None
        assert all(recomputed(s, QUICK) == s for s in scores)
        ats = [s.signal.at for s in scores]
        assert ats == list(range(ats[0], ats[-1] + MINUTE, MINUTE)), "every bar is scored, once"
        await world.until(lambda: world.position()[0] == 0, "the bracket ended it", within_s=1800)
        world.command(OperatorAction.PAUSE)
        await world.quiet(20)
        assert max(world.naked_ms()) < 100, world.auditor.windows
        assert world.scope().closed_at

    run(script)


@pytest.mark.parametrize("power", [False, True])
def test_a_restart_between_entry_and_fill_is_still_protected(power):
    waits = replace(
        POLICY,
        entry=EntryPolicy(
            offset=D("0.0015"), escalation=Escalation(timeout=150 * SECOND, give_up=170 * SECOND)
        ),
    )
    lasting = replace(waits, score=replace(QUICK, valid_for=10 * MINUTE))

    async def script(world):
        await world.until(lambda: bool(world.resting()), "an entry rests", within_s=900, every_s=0.5)
        (entry,) = world.resting()
        await world.restart(power=power)
        await world.settle()
        limit = D(entry.rpartition("@ ")[2])
        world.price(limit - 20 if "BUY" in entry else limit + 20)
        await world.settle(3)
        assert world.position()[0] != 0
        assert [line.split()[0] for line in world.resting()] == ["STOP_MARKET", "TAKE_PROFIT_MARKET"]
        assert max(world.naked_ms()) < 100, world.auditor.windows
        world.command(OperatorAction.PAUSE)

    run(script, lasting)


def test_silent_market_data_pause_entries_and_the_pause_ends_with_the_silence():
    async def script(world):
        await world.settle(20)
        silent = [{"match": {"surface": s}, "effect": "drop"} for s in ("market", "public")]
        world.faults(*silent, {"match": {"endpoint": "GET /fapi/v1/klines"}, "effect": "drop"})
        await world.settle(120)
        assert f"stale_data {BTC}" in world.owner.account.gates
        scores = len(bodies(world, SignalScored))
        await world.settle(600)
        assert len(bodies(world, SignalScored)) == scores
        assert world.position()[0] == 0
        assert world.resting() == []
        world.heal()
        await world.until(
            lambda: f"stale_data {BTC}" not in world.owner.account.gates, "data are fresh again", within_s=400
        )
        assert len(bodies(world, SignalScored)) > scores
        tally = world.running.market.feed.desk.histories[BTC].tally
        assert tally.holes == 0
        await entered(world, within_s=2400)
        shut = [g for g in bodies(world, GateChanged) if g.gate.startswith("stale_data")]
        assert [g.active for g in shut[:2]] == [True, False]

    run(script)


def test_silence_while_a_position_is_open_keeps_entries_away_until_the_operator_has_looked():
    async def script(world):
        await entered(world)
        silent = [{"match": {"surface": s}, "effect": "drop"} for s in ("market", "public")]
        world.faults(*silent, {"match": {"endpoint": "GET /fapi/v1/klines"}, "effect": "drop"})
        await world.settle(60)
        assert f"stale_data {BTC}" in world.owner.account.gates
        assert len(world.resting()) == 2, "protection stays"
        (waits,) = GuardHost(world.running).status()["reviews"]
        assert "nothing was known of its market" in waits["why"]
        assert [r["status"] for r in GuardHost(world.running).positions()] == ["MANUAL_REVIEW"]
        assert gauges([world.running])["manual_reviews"][()] == 1
        told = [r.body for r in world.records() if isinstance(r.body, Decided)]
        assert any(review_of(body.decision) and grade(body) == "bad" for body in told)
        world.heal()
        await world.until(lambda: world.position()[0] == 0, "the bracket ended it", within_s=2400)
        await world.until(
            lambda: not world.owner.account.gates, "data are fresh again", within_s=400, every_s=1
        )
        await world.settle(900)
        assert [b.effect for b in world.scope().blocks] == ["stale_data"]
        assert world.position()[0] == 0
        assert world.resting() == []
        before = len(bodies(world, RecoveryStarted))
        world.command(OperatorAction.ACK)
        await world.settle(1)
        assert len(bodies(world, RecoveryStarted)) == before + 1, "it was read anew"
        assert GuardHost(world.running).status()["reviews"] == []
        await entered(world, within_s=2400)

    run(script)


def from_bars(score):
    """What of an explanation follows from bars alone."""
    apart = ("spread", "funding_rate")
    return [(f.name, {k: v for k, v in f.inputs.items() if k not in apart}) for f in score.factors]


def test_lost_doubled_and_exchanged_klines_are_scored_as_if_nothing_had_happened():
    watching = replace(POLICY, score=replace(QUICK, gate=D("0.99")))

    def scores_of(*faults):
        found = []

        async def script(world):
            if faults:
                world.faults(*faults)
            await world.settle(1500)
            found.append({s.signal.at: from_bars(s) for s in bodies(world, SignalScored)})
            found.append(world.running.market.feed.desk.histories[BTC].tally)

        run(script, watching)
        return found

    kline = {"surface": "market", "event": "kline"}
    plain, quiet = scores_of()
    rough, tally = scores_of(
        {"match": {**kline, "probability": 0.3}, "effect": "drop"},
        {"match": {**kline, "probability": 0.3}, "effect": {"duplicate": {"copies": 2}}},
        {"match": {**kline, "probability": 0.2}, "effect": {"reorder": {"hold_ms": 3000}}},
    )
    assert tally.repaired > quiet.repaired, "some bars came by reads"
    assert tally.duplicates > quiet.duplicates == 0
    assert tally.holes == tally.conflicts == 0
    both = plain.keys() & rough.keys()
    assert len(both) >= 20
    assert all(plain[at] == rough[at] for at in both)


def test_a_strategy_that_needs_no_scores_costs_no_stream_and_no_read():
    async def script(world):
        await world.settle(30)
        assert world.running.market.feed is None
        asked = [r["endpoint"] for r in world.control("GET", "/sim/v1/requests")["requests"]]
        assert not [e for e in asked if "klines" in e]
        world.open("LONG", "0.010")
        await world.settle(5)
        assert not bodies(world, BookSeen)
        assert not bodies(world, SignalScored)

    play(script)


def test_a_guarded_dca_step_behind_a_spread_limit_sees_the_book_and_is_placed():
    async def script(world):
        world.price("60000")
        world.open("LONG", "0.010")
        await world.settle(10)
        assert bodies(world, BookSeen)
        assert [line for line in world.resting() if line.startswith("LIMIT BUY")]

    play(script, policy=ladder_policy(ladder=True), limits=RiskLimits(max_spread=D("0.001")))


def test_an_entry_that_another_gate_refuses_is_recorded_with_that_gate():
    async def script(world):
        world.price("60000")
        world.open("LONG", "0.010")
        await world.settle(10)
        refused = [x.gate for d in bodies(world, Decided) for x in d.refused]
        # Before the book is known, and once it shows a spread; nothing more while that gate stays the reason.
        assert refused == ["book_unknown", "max_spread"]

    play(script, policy=ladder_policy(ladder=True), limits=RiskLimits(max_spread=D("0.0000000001")))
