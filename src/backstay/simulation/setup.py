"""What a run is made of, drawn from its seed: symbols, policy, limits, the venue's habits."""

from decimal import Decimal
from random import Random

import msgspec

from backstay.core.risk import NO_LIMITS, RiskLimits
from backstay.core.types import SECOND, WorkingType
from backstay.simulation.errors import SimulationError
from backstay.simulator.server.settings import ServerSettings
from backstay.simulator.settings import EngineSettings
from backstay.strategies.position_manager.policy import (
    Basis,
    BreakEvenPolicy,
    DcaPolicy,
    LadderAnchor,
    PositionPolicy,
    SizeUnit,
    SlBreached,
    StopKind,
    StopPolicy,
    TakeProfitKind,
    TakeProfitLevel,
    TakeProfitPolicy,
    TimeStopPolicy,
)

D = Decimal
CRASHES = "crashes"
SPOT_CRASHES = "spot_crashes"
LIST_CRASHES = "spot_guard_crashes"
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
DEAFENING = (
    "silent",
    "silent",
    "events_lost",
    "events_lost",
    "events_late",
    "half_open",
    "answer_late",
    "visibility_lag",
)
"""Faults that leave a stream open from which something is missing, and such as make reads lie besides."""


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """What a named scenario leaves to chance, and what not."""

    words: str
    product: str = "usdm"
    """What is played: "usdm", "spot", "joint" for both in one process, "scored" for the trader on USD-M."""
    minutes: tuple[int, int] | None = None
    """How long the run is; None: one to two and a half minutes."""
    hedge: bool | None = None
    stop_kinds: tuple[StopKind, ...] = tuple(StopKind)
    ladder: int = 60
    """Per cent of runs with a DCA ladder."""
    symbols: tuple[int, ...] = (1, 1, 1, 2, 2, 3)
    kinds: tuple[str, ...] = ()
    """Fault kinds that may be drawn; empty: all."""
    least: int = 0
    """Faults that are drawn at least, when the fault rate is above 0."""
    kill_switch: int = 12
    """Per cent of runs in which the operator throws the kill switch."""
    guards: bool = False
    """Spot: holdings are guarded as a whole by the position manager, instead of being sold lot by lot."""
    look_every: float = 0.0
    """Seconds between rounds of reads; 0: none, and nothing may be read at rest."""


SCENARIOS: dict[str, Scenario] = {
    "mixed": Scenario(words="anything"),
    "ladder": Scenario(words="DCA ladders with every kind of stop", ladder=100),
    "hedge": Scenario(words="hedge mode, both legs of a symbol", hedge=True),
    "stops": Scenario(words="no ladder, every kind of stop", ladder=0, kill_switch=0),
    "network": Scenario(
        words="what a network does",
        kinds=(
            "answer_lost",
            "request_lost",
            "events_lost",
            "events_late",
            "events_twice",
            "events_reordered",
            "answer_late",
            "cut",
            "half_open",
            "silent",
            "unplugged",
        ),
        least=2,
    ),
    "venue": Scenario(
        words="what the venue does",
        kinds=(
            "text_503",
            "backend_timeout",
            "protection_mode",
            "throttled",
            "banned",
            "visibility_lag",
            "stuck_triggering",
            "child_rejected",
            "partial_fills",
            "adl",
            "liquidation",
            "halt",
            "filters_changed",
            "keys_revoked",
            "listen_key_death",
            "local_clock",
            "query_miss",
        ),
        least=2,
    ),
    "rounds": Scenario(
        words="events are lost or never come, and only rounds of reads can tell",
        kinds=DEAFENING,
        least=2,
        look_every=30.0,
    ),
    "crash": Scenario(
        words="the process dies at boundaries", kinds=("crash", "disk_full", "disk_error"), least=2
    ),
    CRASHES: Scenario(words="one death at each boundary of the enumerated list, seed by seed", kill_switch=5),
    "two_processes": Scenario(words="two processes for one account", kinds=("two_processes",), least=1),
    "kill_switch": Scenario(words="the operator throws the kill switch among faults", kill_switch=100),
    "spot": Scenario(product="spot", words="lots of spot, each sold once: anything"),
    "spot_network": Scenario(
        product="spot",
        words="spot, and what a network does",
        kinds=(
            "answer_lost",
            "request_lost",
            "answer_late",
            "cut_at_request",
            "events_lost",
            "events_late",
            "events_twice",
            "events_reordered",
            "cut",
            "cut_at_event",
            "half_open",
            "silent",
            "unplugged",
            "subscription_end",
        ),
        least=2,
    ),
    "spot_rounds": Scenario(
        product="spot",
        words="spot's events are lost or never come, and only rounds of reads can tell",
        kinds=DEAFENING,
        least=2,
        look_every=30.0,
    ),
    "spot_outage": Scenario(
        product="spot",
        words="spot's stream is away for minutes: polling by REST, and the safe stop after 15 minutes",
        minutes=(6, 34),
        kinds=("stream_away", "stream_away", "cut", "crash", "request_lost", "events_late", "throttled"),
        least=1,
    ),
    "spot_crash": Scenario(
        product="spot",
        words="the process that sells lots dies at boundaries",
        kinds=("crash", "crash", "restart", "disk_full", "disk_error", "two_processes"),
        least=2,
    ),
    SPOT_CRASHES: Scenario(
        product="spot", words="one death at each boundary of spot's enumerated list, seed by seed"
    ),
    "spot_guard": Scenario(
        product="spot",
        words="spot holdings, each under one order list of take-profit and stop: anything",
        guards=True,
    ),
    LIST_CRASHES: Scenario(
        product="spot",
        words="one death at each boundary of placing, cancelling and replacing an order list, seed by seed",
        guards=True,
    ),
    "scored": Scenario(product="scored", words="the trader that enters by score: anything"),
    "scored_network": Scenario(
        product="scored",
        words="the scored trader, and what a network does to orders and to market data",
        kinds=(
            "answer_lost",
            "request_lost",
            "answer_late",
            "events_lost",
            "events_late",
            "events_twice",
            "events_reordered",
            "cut",
            "half_open",
            "silent",
            "unplugged",
            "bars_lost",
            "bars_late",
            "marks_lost",
            "market_silent",
            "history_unreadable",
        ),
        least=4,
    ),
    "scored_crash": Scenario(
        product="scored",
        words="the scored trader's process dies around its entries and their fills",
        kinds=("crash", "crash_at_entry", "crash_at_entry", "restart", "disk_full", "disk_error"),
        least=4,
    ),
    "joint": Scenario(
        product="joint",
        words="USD-M and spot in one process",
        kinds=(
            "answer_lost",
            "request_lost",
            "answer_late",
            "text_503",
            "backend_timeout",
            "throttled",
            "events_late",
            "events_lost",
            "cut",
            "half_open",
            "unplugged",
            "visibility_lag",
            "partial_fills",
            "crash",
            "crash",
            "restart",
        ),
        least=1,
        kill_switch=0,
    ),
}


def scenario(name: str) -> Scenario:
    """Raises SimulationError that names the known ones."""
    found = SCENARIOS.get(name)
    if found is None:
        raise SimulationError(f"unknown scenario {name!r}; known: {', '.join(SCENARIOS)}")
    return found


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about a run that is neither an act nor a fault."""

    symbols: tuple[str, ...]
    hedge: bool
    policy: PositionPolicy
    limits: RiskLimits
    duration_ms: int
    gap_ms: int
    heat: int
    server: ServerSettings
    engine: EngineSettings
    sync_ms: float


def draw_setup(seed: int, name: str) -> Setup:
    """The world of a seed, without faults. Raises SimulationError."""
    what = scenario(name)
    dice = Random(f"{seed}/setup/{name}")
    hedge = what.hedge if what.hedge is not None else dice.randrange(3) == 0
    symbols = tuple(dice.sample(SYMBOLS, dice.choice(what.symbols)))
    return Setup(
        symbols=symbols,
        hedge=hedge,
        policy=_policy(dice, what, symbols),
        limits=_limits(dice),
        duration_ms=dice.randrange(60, 150) * 1000,
        gap_ms=dice.choice((900, 1500, 2500)) * len(symbols),
        heat=dice.choice((6, 10, 16, 25)),
        server=draw_server(dice),
        engine=draw_venue(dice),
        sync_ms=dice.choice((0.0, 0.5, 0.5, 5.0, 30.0)),
    )


def draw_server(dice: Random) -> ServerSettings:
    """How long the venue's answers and events take."""
    return ServerSettings(
        ack_latency_ms=dice.choice((1.0, 2.0, 8.0, 40.0)),
        event_latency_ms=dice.choice((1.0, 3.0, 8.0, 40.0)),
        jitter_ms=dice.choice((0.5, 2.0, 10.0)),
    )


def draw_venue(dice: Random) -> EngineSettings:
    """How the venue fills and triggers, and in which order it tells."""
    return EngineSettings(
        fill_model=dice.choice(("queue", "touch", "through")),
        child_fill_before_triggered=dice.randrange(2) == 0,
        account_update_last=dice.randrange(3) == 0,
        algo_reduce_only_needs_position=dice.randrange(2) == 0,
        trigger_latency_ns=dice.choice((0, 0, 50, 400)) * 1_000_000,
    )


def _policy(dice: Random, what: Scenario, symbols: tuple[str, ...]) -> PositionPolicy:
    kind = dice.choice(what.stop_kinds)
    distance = D(dice.choice(("0.008", "0.012", "0.03")))
    stop = StopPolicy(
        kind=kind,
        distance=distance,
        basis=dice.choice((Basis.AVERAGE, Basis.AVERAGE, Basis.ANCHOR)),
        working_type=dice.choice(tuple(WorkingType)),
        bridge=dice.randrange(4) > 0,
        trail_as=dice.choice((StopKind.CLOSE_POSITION, StopKind.FIXED_QTY)),
        sl_breached=dice.choice((SlBreached.CLOSE_MARKET, SlBreached.CLOSE_MARKET, SlBreached.RETRIGGER)),
    )
    return PositionPolicy(
        symbols=symbols,
        stop_loss=stop,
        take_profit=_take_profit(dice),
        break_even=(
            BreakEvenPolicy(trigger=D("0.0035"), offset=D("0.0002")) if dice.randrange(4) == 0 else None
        ),
        time_stop=TimeStopPolicy(after=dice.randrange(20, 90) * SECOND) if dice.randrange(8) == 0 else None,
        dca=_ladder(dice) if dice.randrange(100) < what.ladder else None,
    )


def _take_profit(dice: Random) -> TakeProfitPolicy:
    drawn = dice.randrange(6)
    if drawn == 0:
        return TakeProfitPolicy(enabled=False)
    levels: tuple[TakeProfitLevel, ...] = (TakeProfitLevel(distance=D("0.005")),)
    if drawn >= 4:
        levels = (
            TakeProfitLevel(distance=D("0.003"), share=D("0.4")),
            TakeProfitLevel(distance=D("0.006"), share=D("0.6")),
        )
    kind = TakeProfitKind.MARKET if dice.randrange(4) == 0 else TakeProfitKind.LIMIT
    return TakeProfitPolicy(kind=kind, levels=levels, repair_delay=dice.choice((0, 1, 1)) * SECOND)


def _ladder(dice: Random) -> DcaPolicy:
    return DcaPolicy(
        steps=dice.randrange(1, 4),
        first_deviation=D(dice.choice(("0.0012", "0.002"))),
        deviation_multiplier=D(dice.choice(("1", "1.4"))),
        first_size=D(dice.choice(("0.5", "1"))),
        size_unit=SizeUnit.BASE_FRACTION,
        size_multiplier=D(dice.choice(("1", "1.3"))),
        anchor=dice.choice(tuple(LadderAnchor)),
        max_resting=dice.choice((1, 1, 2)),
        cooldown=dice.choice((0, 0, 3)) * SECOND,
    )


def _limits(dice: Random) -> RiskLimits:
    if dice.randrange(3):
        return NO_LIMITS
    return RiskLimits(
        max_notional=D(dice.choice(("4000", "8000", "20000"))),
        max_open_positions=dice.choice((None, 2, 5)),
        max_leverage=dice.choice((None, 20, 50)),
    )
