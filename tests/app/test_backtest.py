"""The backtest decides what the live program decides: bar by bar, in paper, when its ledger is replayed."""

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from backstay.app.backtest_setup import Opening, Outcome, Setup
from backstay.app.backtesting import backtest
from backstay.app.entropy import SeededEntropy
from backstay.app.guard import GuardConfig, World, open_guard
from backstay.app.paper import ENDPOINTS, PaperExchange
from backstay.app.replaying import replay
from backstay.backtest.bars import Bars
from backstay.core.decisions import Act
from backstay.core.engine import Engine, Manager
from backstay.core.records import Body, Decided
from backstay.core.risk import RiskLimits
from backstay.core.scored import BookSeen, SignalScored
from backstay.core.types import SECOND, Direction, Mode, PositionMode, Side
from backstay.ledger.codec import GENESIS
from backstay.ledger.journal import Journal
from backstay.ledger.memory_disk import MemoryDisk
from backstay.ledger.reader import records
from backstay.ledger.writers import InlineWriter
from backstay.runtime.virtual_time import LoopClock, run_virtual
from backstay.signals.policy import Periods, ScorePolicy
from backstay.simulator.engine import Engine as Exchange
from backstay.simulator.feeds.marks import Funding
from backstay.simulator.feeds.ticks import Quote, Tick, Trade
from backstay.simulator.settings import EngineSettings
from backstay.strategies.position_manager.policy import (
    BreakEvenPolicy,
    DcaPolicy,
    PositionPolicy,
    StopPolicy,
    TakeProfitLevel,
    TakeProfitPolicy,
)
from backstay.strategies.position_manager.wanted import PositionManager
from backstay.strategies.scored.policy import CoolDown, EntryKind, EntryPolicy, ScoredPolicy
from backstay.strategies.scored.wanted import ScoredTrader

from tests.backtest.markets import MINUTE, T0, made, moody

D = Decimal
LEDGER = "ledger/events.jsonl"


SHORT = Periods(
    ema_fast=4,
    ema_slow=9,
    higher_ema_fast=3,
    higher_ema_slow=5,
    macd_fast=4,
    macd_slow=8,
    macd_signal=3,
    rsi=5,
    atr=5,
    atr_slow=12,
)
"""So that a few hours of bars are enough to be warm."""


def scored(*symbols: str, gate: str = "0.3") -> Engine:
    policy = ScoredPolicy(
        symbols=symbols,
        score=ScorePolicy(interval=MINUTE, higher=5 * MINUTE, periods=SHORT, gate=D(gate)),
        cool_down=CoolDown(after_close=5 * MINUTE, after_loss=15 * MINUTE),
    )
    return Engine((Manager(ScoredTrader(), policy, frozenset(symbols)),))


def guarded(policy: PositionPolicy) -> Engine:
    return Engine((Manager(PositionManager(), policy, frozenset(policy.symbols)),))


def without_speed(outcome: Outcome) -> dict[str, object]:
    fields: dict[str, object] = msgspec.to_builtins(outcome.results)
    return {k: v for k, v in fields.items() if k not in {"bars_per_s", "wall_s", "bars_stepped", "records"}}


@pytest.mark.parametrize("seed", [3, 8])
def test_leaving_idle_bars_out_changes_nothing(seed: int) -> None:
    bars = (moody(900, seed), moody(900, seed + 50, "ETHUSDT", price=400_000))
    funding = {"BTCUSDT": Funding([(T0 + 8 * 3600 * SECOND * i, D("0.0003")) for i in range(1, 3)])}
    setup = Setup(engine=scored("BTCUSDT", "ETHUSDT"), bars=bars, funding=funding)
    quick, slow = backtest(setup), backtest(msgspec.structs.replace(setup, every_bar=True))
    assert without_speed(quick) == without_speed(slow)
    assert quick.trades == slow.trades
    assert quick.results.trades > 5
    assert {t.why_out for t in quick.trades} >= {"SL", "TP"}
    assert quick.results.bars_stepped < slow.results.bars_stepped == 1800


def test_the_same_setup_gives_the_same_ledger() -> None:
    setup = Setup(engine=scored("BTCUSDT"), bars=(moody(900, 5),))
    assert without_speed(backtest(setup)) == without_speed(backtest(setup))


def test_i38_its_ledger_replays_to_the_same_decisions() -> None:
    disk = MemoryDisk()
    journal = Journal(disk, LEDGER, start=GENESIS, writer=InlineWriter())
    outcome = backtest(Setup(engine=scored("BTCUSDT"), bars=(moody(900, 3),)), journal)
    journal.close()
    told = replay(disk, LEDGER).replayed
    assert told.mismatch is None
    assert told.decisions_digest == outcome.results.decisions_digest
    assert (told.records, told.decisions) == (outcome.results.records, outcome.results.decisions)
    assert outcome.results.trades > 2


class Tape:
    """The market of a backtest, kept while it runs, for somebody else to trade on.

    The exchange itself is as it is; only that it is told a tick is noted.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ticks: list[Tick] = []
        self.symbols = ("BTCUSDT",)
        self.start_ns = T0 - SECOND
        take = Exchange.take

        def kept(engine: Exchange, tick: Tick) -> None:
            self.ticks.append(tick)
            take(engine, tick)

        monkeypatch.setattr(Exchange, "take", kept)
        self._patch = monkeypatch

    def ready(self) -> None:
        self._patch.undo()
        assert all(isinstance(t, (Quote, Trade)) for t in self.ticks)

    def ticks_of(self) -> Iterator[Tick]:
        return iter(self.ticks)


class Recorded:
    """A tape as a feed."""

    def __init__(self, tape: Tape) -> None:
        self.symbols, self.start_ns = tape.symbols, tape.start_ns
        self._tape = tape

    def ticks(self) -> Iterator[Tick]:
        return self._tape.ticks_of()


class Held:
    def held(self) -> bool:
        return True


def acts(bodies: list[tuple[int, Body]]) -> list[tuple[object, ...]]:
    """What was decided to be done, without ids and without the millisecond."""
    found = []
    for _, body in bodies:
        if isinstance(body, Decided) and isinstance(body.decision, Act):
            intents = tuple((i.action, i.key, i.slot, i.new_total) for i in body.decision.intents)
            found.append((body.scope, body.decision.family, intents))
    return found


async def on_paper(
    clock: LoopClock, engine: Engine, tape: Tape, news: list[tuple[int, Body]]
) -> list[tuple[int, Body]]:
    """The live guard, its gateway and codec, on the in-memory exchange that plays the tape."""
    exchange = PaperExchange(
        Recorded(tape),
        start_ns=tape.start_ns,
        seed=1,
        time_ns=clock.now_ns,
        engine_settings=EngineSettings(fill_model="through", default_leverage=5),
    )
    exchange.start()
    guard = open_guard(
        GuardConfig(
            account="paper",
            mode=Mode.PAPER,
            environment="paper",
            position_mode=PositionMode.ONE_WAY,
            engine=engine,
            armed=True,
            id_prefix="bs-",
            endpoints=ENDPOINTS,
            fee_symbol="BTCUSDT",
        ),
        World(
            transport=exchange.transport(),
            signer=exchange.signer(),
            clock=clock,
            entropy=SeededEntropy(1),
            disk=MemoryDisk(),
            writer=InlineWriter(),
            lease=Held(),
            log=lambda text: None,
        ),
    )
    bodies: list[tuple[int, Body]] = []
    guard.listeners.append(lambda seq, at, body: bodies.append((at, body)))
    guard.market = guard.settling = None  # the tape brings the news
    await guard.start()
    for at, event in news:
        await asyncio.sleep(max(at - clock.now_ns(), 0) / SECOND)
        assert isinstance(event, (SignalScored, BookSeen))
        guard.owner.on_event(event)
    await asyncio.sleep(120)
    await guard.stop("the tape ended")
    exchange.close()
    return bodies


def test_paper_decides_what_the_backtest_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = scored("BTCUSDT")
    disk = MemoryDisk()
    journal = Journal(disk, LEDGER, start=GENESIS, writer=InlineWriter())
    tape = Tape(monkeypatch)
    # 100,000 USDT: what the account of the paper exchange has.
    setup = Setup(engine=engine, bars=(moody(800, 3),), balance=D(100_000))
    outcome = backtest(setup, journal)
    journal.close()
    tape.ready()
    kept = [(record.at, record.body) for record in records(disk, LEDGER)]
    news = [(at, body) for at, body in kept if isinstance(body, (SignalScored, BookSeen))]
    paper = run_virtual(lambda clock: on_paper(clock, engine, tape, news), start_ns=tape.start_ns)
    assert outcome.results.trades > 1
    assert acts(paper) == acts(kept)


# --- fills ------------------------------------------------------------------------------------------

STOP_AND_TARGET = PositionPolicy(
    symbols=("BTCUSDT",),
    stop_loss=StopPolicy(distance=D("0.01")),
    take_profit=TakeProfitPolicy(levels=(TakeProfitLevel(distance=D("0.01"), share=D(1)),)),
)

FAR_STOP = PositionPolicy(
    symbols=("BTCUSDT",),
    stop_loss=StopPolicy(distance=D("0.05")),
    take_profit=TakeProfitPolicy(levels=(TakeProfitLevel(distance=D("0.02"), share=D(1)),)),
)


def by_hand(
    bars: Bars,
    policy: PositionPolicy = STOP_AND_TARGET,
    alpha: str = "0",
    side: Side = Side.BUY,
    engine: Engine | None = None,
) -> Outcome:
    opening = Opening(T0 + MINUTE, "BTCUSDT", side, D("0.010"))
    engine = engine or guarded(policy)
    return backtest(Setup(engine=engine, bars=(bars,), openings=(opening,), alpha=D(alpha)))


def quiet(*middle: tuple[int, int, int, int]) -> Bars:
    """A market that stands at 60,000 but for the bars in the middle."""
    still = (600_000, 600_010, 599_990, 600_000)
    return made([still, still, still, *middle, still, still])


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_a_bar_that_holds_stop_and_target_is_a_loss(side: Side) -> None:
    outcome = by_hand(quiet((600_000, 610_000, 590_000, 600_000)), side=side)
    (trade,) = outcome.trades
    assert trade.why_out == "SL"
    assert trade.direction is (Direction.LONG if side is Side.BUY else Direction.SHORT)
    assert trade.exit == (D(59_400) if side is Side.BUY else D(60_600))


def test_a_target_is_filled_at_its_own_price_and_only_when_traded_through() -> None:
    touched = by_hand(quiet((600_000, 606_000, 599_990, 600_000)))
    assert touched.results.open_positions == 1
    (trade,) = by_hand(quiet((600_000, 606_001, 599_990, 600_000))).trades
    assert (trade.why_out, trade.exit) == ("TP", D(60_600))


def test_a_market_that_opens_beyond_the_stop_fills_there() -> None:
    (trade,) = by_hand(quiet((580_000, 581_000, 579_000, 580_000))).trades
    assert (trade.why_out, trade.exit) == ("SL", D(58_000))


def test_takers_are_filled_worse_by_alpha_times_the_range() -> None:
    bars = quiet((600_000, 600_010, 590_000, 591_000))
    (exact,), (worse,) = by_hand(bars).trades, by_hand(bars, alpha="0.5").trades
    # No average is known after so few bars: the bar's own range counts, 20 ticks and 10,010.
    assert (exact.entry, exact.exit) == (D(60_000), D(59_400))
    assert (worse.entry, worse.exit) == (D(60_001), D("59401.0") - D("500.5"))


@pytest.mark.parametrize("max_spread", [None, D("0.001")], ids=["any book", "a tight book"])
def test_steps_of_a_ladder_and_a_break_even_stop_follow_the_bars(max_spread: Decimal | None) -> None:
    policy = PositionPolicy(
        symbols=("BTCUSDT",),
        stop_loss=StopPolicy(distance=D("0.03")),
        take_profit=TakeProfitPolicy(levels=(TakeProfitLevel(distance=D("0.05"), share=D(1)),)),
        break_even=BreakEvenPolicy(trigger=D("0.01"), offset=D("0.001")),
        dca=DcaPolicy(steps=1, first_deviation=D("0.01"), first_size=D("0.010")),
    )
    bars = quiet(
        (600_000, 600_010, 593_000, 594_000),  # the step at 59,400 is filled
        (594_000, 606_500, 593_990, 606_000),  # the stop moves to break-even
        (606_000, 606_010, 590_000, 591_000),  # and is reached
    )
    engine = Engine(guarded(policy).managers, RiskLimits(max_spread=max_spread))
    (trade,) = by_hand(bars, policy, engine=engine).trades
    assert (trade.quantity, trade.entry, trade.why_out) == (D("0.020"), D(59_700), "SL")
    # The average, the fees of both ways and the offset of 0.1 %.
    assert trade.exit == D("59819.5")


def test_a_limit_on_the_spread_refuses_nothing_where_bars_tell_none() -> None:
    def trades(limits: RiskLimits) -> list[tuple[Decimal, Decimal]]:
        engine = Engine(scored("BTCUSDT").managers, limits)
        found = backtest(Setup(engine=engine, bars=(moody(1200, 8),), alpha=D("0.5"))).trades
        return [(t.entry, t.exit) for t in found]

    free = trades(RiskLimits())
    assert len(free) > 3
    assert trades(RiskLimits(max_spread=D("0.0001"))) == free


def test_a_limit_on_the_slippage_refuses_what_takers_of_the_bar_would_lose() -> None:
    def entered(most: str) -> bool:
        policy = ScoredPolicy(
            symbols=("BTCUSDT",),
            score=ScorePolicy(interval=MINUTE, higher=5 * MINUTE, periods=SHORT, gate=D("0.3")),
            entry=EntryPolicy(kind=EntryKind.MARKET),
        )
        managers = (Manager(ScoredTrader(), policy, frozenset(policy.symbols)),)
        engine = Engine(managers, RiskLimits(max_slippage=D(most)))
        return bool(backtest(Setup(engine=engine, bars=(moody(1200, 8),))).trades)

    assert entered("0.05")
    assert not entered("0.00001")


def test_both_sides_of_a_hedged_symbol_are_guarded_and_counted_apart() -> None:
    bars = quiet((600_000, 612_010, 599_990, 611_000), (611_000, 611_010, 587_990, 589_000))
    hands = tuple(Opening(T0 + MINUTE, "BTCUSDT", side, D("0.010")) for side in (Side.BUY, Side.SELL))
    mode = PositionMode.HEDGE
    outcome = backtest(
        Setup(engine=guarded(FAR_STOP), bars=(bars,), openings=hands, alpha=D(0), position_mode=mode)
    )
    told = {(t.direction, t.entry, t.exit, t.realized) for t in outcome.trades}
    assert told == {
        (Direction.LONG, D(60_000), D(61_200), D(12)),
        (Direction.SHORT, D(60_000), D(58_800), D(12)),
    }
    assert outcome.curve.equity[-1] == pytest.approx(float(outcome.results.end_balance))
    assert outcome.curve.exposed.max() == pytest.approx(2 * 600 / 10_000, rel=0.01)


def test_funding_is_charged_on_the_price_before_it() -> None:
    still = (600_000, 600_010, 599_990, 600_000)
    bars = made([still] * 500)
    opening = Opening(T0 + MINUTE, "BTCUSDT", Side.BUY, D("0.010"))
    rates = Funding([(T0 + 8 * 3600 * SECOND, D("0.001"))])
    setup = Setup(
        engine=guarded(STOP_AND_TARGET),
        bars=(bars,),
        openings=(opening,),
        alpha=D(0),
        funding={"BTCUSDT": rates},
    )
    assert backtest(setup).results.funding == D("-0.6")


def test_a_symbol_without_bars_and_bars_without_a_manager_are_refused() -> None:
    with pytest.raises(ValueError, match="ETHUSDT: managers name it, and there are no bars of it"):
        backtest(Setup(engine=scored("BTCUSDT", "ETHUSDT"), bars=(moody(50, 1),)))
    with pytest.raises(ValueError, match="SOLUSDT: no manager names it"):
        backtest(Setup(engine=scored("BTCUSDT"), bars=(moody(50, 1), moody(50, 1, "SOLUSDT"))))


def test_recorded_months_are_run_alike_with_and_without_idle_bars(shared_data: Path) -> None:
    from backstay.backtest.bars import load

    bars = load(shared_data / "klines_1m" / "usdm_BTCUSDT_1m_20250504_20250602.parquet")
    week = msgspec.structs.replace(
        bars,
        **{n: getattr(bars, n)[:1500] for n in ("open_time", "open", "high", "low", "close")},
        series=bars.series.rows(0, 1500),
    )
    setup = Setup(engine=scored("BTCUSDT", gate="0.4"), bars=(week,))
    assert without_speed(backtest(setup)) == without_speed(
        backtest(msgspec.structs.replace(setup, every_bar=True))
    )


def test_a_bar_in_which_nothing_happens_is_left_out() -> None:
    assert by_hand(quiet()).results.bars_stepped <= 2
