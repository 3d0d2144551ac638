"""What the operator configures for the scored trader. Percentages are exact fractions, durations ns.

A value that can never be right raises ValueError when the struct is made; `check` warns about values that are
right one by one but do not fit together.
"""

from decimal import Decimal
from enum import StrEnum
from functools import lru_cache

import msgspec
from msgspec.structs import replace

from backstay.core.escalation import Escalation, Then
from backstay.core.scored import Signal
from backstay.core.types import SECOND, ZERO, Direction, TimeNs
from backstay.signals.policy import ScorePolicy
from backstay.strategies.position_manager.policy import (
    BreakEvenPolicy,
    OnExternal,
    OnManualCancel,
    PositionPolicy,
    StopPolicy,
    TakeProfitKind,
    TakeProfitLevel,
    TakeProfitPolicy,
    TimeStopPolicy,
)

MINUTE = 60 * SECOND


class EntryKind(StrEnum):
    LIMIT = "limit"
    """A limit order first, then as `escalation` says."""
    MARKET = "market"
    """At market at once, within the slippage limit."""


class EntryPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    kind: EntryKind = EntryKind.LIMIT
    """How an entry begins."""
    offset: Decimal = ZERO
    """How far on the cheaper side of the signal's price the limit order lies."""
    escalation: Escalation = Escalation()

    def __post_init__(self) -> None:
        if not 0 <= self.offset < 1:
            raise ValueError(f"entry.offset is {self.offset}; write a fraction from 0 to below 1")
        _ = self.rule  # what does not fit together is told here, not in the middle of trading

    @property
    def rule(self) -> Escalation:
        """The escalation that holds for this kind."""
        if self.kind is EntryKind.LIMIT:
            return self.escalation
        return replace(self.escalation, timeout=0, then=Then.MARKET)


class SizePolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How large an entry is: by what would be lost at its stop, fees included, then capped."""

    risk: Decimal = Decimal("0.005")
    """Loss at the stop, as a share of the wallet balance."""
    max_share: Decimal = Decimal(1)
    """Largest notional as a multiple of the wallet balance."""
    max_notional: Decimal | None = None
    """Largest notional in quote currency."""

    def __post_init__(self) -> None:
        if not 0 < self.risk <= Decimal("0.1"):
            raise ValueError(f"size.risk is {self.risk}; write a share above 0, at most 0.1 (10 %)")
        if self.max_share <= 0 or (self.max_notional is not None and self.max_notional <= 0):
            raise ValueError("size.max_share and size.max_notional are positive numbers")


class MarginType(StrEnum):
    CROSSED = "crossed"
    ISOLATED = "isolated"


class SettingsPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the account is to trade these symbols. It is set before the first entry, and only while nothing of
    it is open; what is left out stays as it is.
    """

    leverage: int | None = None
    """Leverage of each symbol."""
    margin_type: MarginType | None = None
    """Margin type of each symbol."""
    multi_assets: bool | None = None
    """Multi-assets mode, of the whole account."""
    switch_position_mode: bool = False
    """Switch the account to `account.position_mode` instead of refusing to start in another."""

    def __post_init__(self) -> None:
        if self.leverage is not None and not 1 <= self.leverage <= 150:
            raise ValueError(f"settings.leverage is {self.leverage}; write a whole number from 1 to 150")
        if self.multi_assets and self.margin_type is MarginType.ISOLATED:
            raise ValueError("settings: isolated margin does not exist in multi-assets mode; choose one")


class ExitPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ways out besides the bracket."""

    on_opposite: bool = False
    """Leave when a signal for the other direction comes."""
    after: TimeNs | None = None
    """Age of the position at which it is left; none: never."""
    escalation: Escalation | None = None
    """A limit order first; left out: at market at once."""

    def __post_init__(self) -> None:
        if self.after is not None and self.after <= 0:
            raise ValueError(f"exit.after is {self.after} ns; write a positive duration such as 12h")


class CoolDown(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long a symbol is left alone after a position of it was closed."""

    after_close: TimeNs = 15 * MINUTE
    """After any position."""
    after_loss: TimeNs = 60 * MINUTE
    """After one that lost."""

    def __post_init__(self) -> None:
        if self.after_close < 0 or self.after_loss < 0:
            raise ValueError("cool_down: after_close and after_loss are durations of 0 or more")


class ScoredPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, cache_hash=True):
    """One scored trader's settings; frozen, hashable, and JSON by msgspec."""

    symbols: tuple[str, ...]
    """What is traded; it must be named."""
    sides: tuple[Direction, ...] = (Direction.LONG, Direction.SHORT)
    score: ScorePolicy = ScorePolicy()
    entry: EntryPolicy = EntryPolicy()
    size: SizePolicy = SizePolicy()
    settings: SettingsPolicy = SettingsPolicy()
    exit: ExitPolicy = ExitPolicy()
    cool_down: CoolDown = CoolDown()
    stop_loss: StopPolicy = StopPolicy()
    """As the position manager's; the distance comes from the signal, this one holds without a signal."""
    take_profit: TakeProfitPolicy = TakeProfitPolicy(kind=TakeProfitKind.MARKET)
    """Likewise; the signal brings the levels."""
    break_even: BreakEvenPolicy | None = None
    on_external_position: OnExternal = OnExternal.REVIEW
    manual_cancel_policy: OnManualCancel = OnManualCancel.REPLACE

    def __post_init__(self) -> None:
        if not self.symbols:
            raise ValueError("symbols is empty; name the symbols to trade, such as [BTCUSDT]")
        if not self.sides:
            raise ValueError("sides is empty; write LONG, SHORT or both")

    def check(self) -> tuple[str, ...]:
        """Warnings, each with what to do; empty when everything fits together."""
        found = []
        if not self.stop_loss.enabled:
            found.append("stop_loss.enabled is false: entries are made and not protected")
        if not self.take_profit.enabled:
            found.append("take_profit.enabled is false: the targets of a signal are not placed")
        if self.stop_loss.price is not None:
            found.append(
                "stop_loss.price holds for every symbol and side: leave it out, signals bring a stop"
            )
        strangers = [o.symbol for o in self.score.overrides if o.symbol not in self.symbols]
        if strangers:
            found.append(f"score.overrides names {', '.join(strangers)}, which symbols does not")
        if self.score.valid_for > self.score.interval:
            found.append("score.valid_for is longer than score.interval: a signal outlives the next score")
        return tuple(found)


@lru_cache(maxsize=4096)
def bracket(policy: ScoredPolicy, plan: Signal | None) -> PositionPolicy:
    """The position manager's policy for a position that follows `plan`; None: it follows no signal.

    Pure; the cache only saves the copying.
    """
    stop, profit = policy.stop_loss, policy.take_profit
    if plan is not None:
        stop = replace(stop, distance=plan.stop_distance)
        levels = tuple(TakeProfitLevel(distance=t.distance, share=t.share) for t in plan.targets)
        profit = replace(profit, levels=levels)
    leaves = policy.exit
    at_market = leaves.after is not None and leaves.escalation is None
    return PositionPolicy(
        symbols=policy.symbols,
        sides=policy.sides,
        stop_loss=stop,
        take_profit=profit,
        break_even=policy.break_even,
        time_stop=TimeStopPolicy(after=leaves.after) if at_market and leaves.after is not None else None,
        on_external_position=policy.on_external_position,
        manual_cancel_policy=policy.manual_cancel_policy,
    )
