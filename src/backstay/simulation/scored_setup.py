"""What a run of the scored trader is made of, drawn from its seed: symbols, policy, limits, venue."""

from decimal import Decimal
from random import Random

from msgspec.structs import replace

from backstay.core.escalation import Escalation, Then
from backstay.core.risk import RiskLimits
from backstay.core.types import SECOND
from backstay.signals.line import needed_bars
from backstay.signals.policy import BracketRule, Periods, ScorePolicy
from backstay.simulation.setup import SYMBOLS, Setup, draw_server, draw_venue, scenario
from backstay.strategies.position_manager.policy import BreakEvenPolicy, StopKind, StopPolicy
from backstay.strategies.scored.policy import (
    CoolDown,
    EntryKind,
    EntryPolicy,
    ExitPolicy,
    MarginType,
    ScoredPolicy,
    SettingsPolicy,
    SizePolicy,
)

D = Decimal
MINUTE = 60 * SECOND
HIGHER = 3 * MINUTE
PERIODS = Periods(
    ema_fast=3,
    ema_slow=6,
    higher_ema_fast=2,
    higher_ema_slow=3,
    slope=2,
    rsi=3,
    macd_fast=2,
    macd_slow=4,
    macd_signal=2,
    channel=4,
    atr=2,
    atr_slow=3,
    efficiency=4,
    volume=6,
)
"""Short enough for several entries within minutes."""


class ScoredSetup(Setup, frozen=True, kw_only=True):
    """Everything about such a run that is neither an act nor a fault."""

    policy: ScoredPolicy  # type: ignore[assignment]  # another strategy's policy, its stop read by the same names
    other_mode: bool
    """The account begins in the other position mode; the trader is to switch it."""

    def words(self) -> tuple[str, ...]:
        """What it is, for the head of a story."""
        policy, mode = self.policy, "hedge" if self.hedge else "one-way"
        entry = f"entries by {policy.entry.kind} at a gate of {policy.score.gate}"
        left = f"left after {policy.exit.after // SECOND} s" if policy.exit.after is not None else ""
        opposite = "left on an opposite signal" if policy.exit.on_opposite else ""
        ways = ", ".join(x for x in (entry, left, opposite) if x)
        return f"scored, {mode} mode, {', '.join(self.symbols)}", ways


def draw_scored_setup(seed: int, name: str) -> ScoredSetup:
    """The world of a seed, without faults. Raises SimulationError."""
    scenario(name)
    dice = Random(f"{seed}/setup/{name}")
    symbols = tuple(dice.sample(SYMBOLS, dice.choice((1, 2, 2, 3))))
    settings = _settings(dice)
    policy = _policy(dice, symbols, settings)
    return ScoredSetup(
        symbols=symbols,
        hedge=dice.randrange(4) == 0,
        policy=policy,
        limits=_limits(dice, symbols),
        duration_ms=dice.randrange(300, 480) * 1000,
        gap_ms=dice.choice((2_000, 3_000)),
        heat=dice.choice((8, 12, 18)),
        server=draw_server(dice),
        engine=replace(draw_venue(dice), history_minutes=needed_bars(policy.score) + 2 * HIGHER // MINUTE),
        sync_ms=dice.choice((0.0, 0.5, 0.5, 5.0, 30.0)),
        other_mode=settings.switch_position_mode and dice.randrange(2) == 0,
    )


def _settings(dice: Random) -> SettingsPolicy:
    return SettingsPolicy(
        leverage=dice.choice((None, 5, 10, 20)),
        margin_type=dice.choice((None, None, MarginType.CROSSED, MarginType.ISOLATED)),
        multi_assets=dice.choice((None, None, False)),
        switch_position_mode=dice.randrange(3) == 0,
    )


def _policy(dice: Random, symbols: tuple[str, ...], settings: SettingsPolicy) -> ScoredPolicy:
    return ScoredPolicy(
        symbols=symbols,
        score=ScorePolicy(
            interval=MINUTE,
            higher=HIGHER,
            gate=D(dice.choice(("0.1", "0.2", "0.3"))),
            periods=PERIODS,
            bracket=BracketRule(
                stop=D(dice.choice(("1", "1.5"))),
                targets=dice.choice(((D(1),), (D("1.5"),), (D(1), D(2)))),
            ),
            valid_for=dice.choice((30, 60)) * SECOND,
        ),
        entry=_entry(dice),
        size=SizePolicy(max_notional=D(dice.choice(("600", "2000", "5000")))),
        settings=settings,
        exit=_exit(dice),
        cool_down=CoolDown(
            after_close=dice.choice((0, 10, 30)) * SECOND, after_loss=dice.choice((0, 30, 70)) * SECOND
        ),
        stop_loss=StopPolicy(
            kind=dice.choice((StopKind.CLOSE_POSITION, StopKind.CLOSE_POSITION, StopKind.FIXED_QTY))
        ),
        break_even=(
            BreakEvenPolicy(trigger=D("0.002"), offset=D("0.0002")) if dice.randrange(4) == 0 else None
        ),
    )


def _entry(dice: Random) -> EntryPolicy:
    share = D(dice.choice(("0.3", "0.8"))) if dice.randrange(5) == 0 else None
    if dice.randrange(2):
        rule = Escalation(timeout=0, max_slippage=D("0.002"), give_up=40 * SECOND)
        return EntryPolicy(kind=EntryKind.MARKET, escalation=rule)
    rule = Escalation(
        timeout=dice.choice((5, 15)) * SECOND,
        then=dice.choice(tuple(Then)),
        max_slippage=D("0.003"),
        depth_share=share,
        give_up=40 * SECOND,
    )
    return EntryPolicy(kind=EntryKind.LIMIT, offset=D(dice.choice(("0", "0", "0.0003"))), escalation=rule)


def _exit(dice: Random) -> ExitPolicy:
    patient = Escalation(timeout=6 * SECOND, then=Then.IOC, max_slippage=D("0.004"), give_up=40 * SECOND)
    return ExitPolicy(
        on_opposite=dice.randrange(2) == 0,
        after=dice.choice((None, None, 45 * SECOND, 100 * SECOND)),
        escalation=patient if dice.randrange(3) == 0 else None,
    )


def _limits(dice: Random, symbols: tuple[str, ...]) -> RiskLimits:
    if dice.randrange(3) == 0:
        return RiskLimits()
    return RiskLimits(
        max_open_positions=dice.choice((None, None, 1, 2)),
        max_notional=dice.choice((None, D(2500), D(6000))),
        max_symbol_notional=dice.choice((None, None, D(3000))),
        daily_loss_limit=dice.choice((None, D("0.00008"), D("0.0002"))),
        loss_streak=dice.choice((None, None, 2)),
        loss_pause=90 * SECOND,
        max_orders_per_minute=dice.choice((None, None, 6)),
        max_spread=dice.choice((None, None, None, D("0.001"))),
        pause_on_review=dice.randrange(4) == 0,
    )
