"""What the operator configures for the position manager, and what is wrong with it.

Every percentage is a fraction as an exact decimal (5 % is 0.05), every duration integer nanoseconds.
A value that can never be right raises ValueError when the struct is made; `check` warns about values
that are right one by one but do not fit together.
"""

from decimal import Decimal
from enum import StrEnum

import msgspec

from backstay.core.money import cumulative_deviation
from backstay.core.types import SECOND, ZERO, Direction, TimeNs, WorkingType


def _fraction(where: str, value: Decimal | None, *, low: Decimal = ZERO, below: Decimal = Decimal(1)) -> None:
    """Raise unless low < value < below."""
    if value is not None and not low < value < below:
        raise ValueError(
            f"{where} is {value}; write a fraction between {low} and {below}, such as 0.05 for 5 %"
        )


class StopKind(StrEnum):
    CLOSE_POSITION = "close_position"
    FIXED_QTY = "fixed_qty"
    TRAILING = "trailing"
    TRAILING_LOCAL = "trailing_local"
    STOP_LIMIT = "stop_limit"


class Basis(StrEnum):
    """What a stop's distance is measured from (S-1)."""

    AVERAGE = "average"
    ANCHOR = "anchor"


class SlBreached(StrEnum):
    """What to do when the price has passed the stop before it could be placed (-2021)."""

    CLOSE_MARKET = "close_market"
    RETRIGGER = "retrigger"
    ALERT = "alert"


class StopPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    enabled: bool = True
    kind: StopKind = StopKind.CLOSE_POSITION
    distance: Decimal = Decimal("0.05")
    """From the basis, against the position."""
    price: Decimal | None = None
    """A fixed trigger instead of a distance."""
    basis: Basis = Basis.AVERAGE
    working_type: WorkingType = WorkingType.MARK_PRICE
    bridge: bool = True
    price_protect: bool = False
    limit_offset: Decimal = Decimal("0.005")
    """stop_limit: how far beyond the trigger the limit price lies."""
    callback_rate: Decimal | None = None
    """trailing kinds: distance behind the best price; left out: `distance`."""
    activation: Decimal | None = None
    """trailing kinds: favourable move from the basis that starts the trail; left out: at once."""
    trail_as: StopKind = StopKind.CLOSE_POSITION
    """trailing_local: the kind that rests at the venue, close_position or fixed_qty."""
    trail_step: Decimal = Decimal("0.001")
    """trailing_local: the least relative move of the trigger."""
    trail_resize_fraction: Decimal = Decimal("0.1")
    """trailing: size difference that is worth losing the venue's trail for."""
    sl_breached: SlBreached = SlBreached.CLOSE_MARKET
    retrigger_gap: Decimal = Decimal("0.001")
    """retrigger: distance of the new trigger to the mark price."""
    close_position_fallback: bool = True
    """A sized stop that a filter refuses becomes a close_position stop."""

    def __post_init__(self) -> None:
        for name in ("distance", "limit_offset", "callback_rate", "retrigger_gap"):
            _fraction(f"stop_loss.{name}", getattr(self, name))
        _fraction("stop_loss.activation", self.activation, below=Decimal(10))
        for name in ("trail_step", "trail_resize_fraction"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(
                    f"stop_loss.{name} is {getattr(self, name)}; write a fraction from 0 to below 1"
                )
        if self.price is not None and self.price <= 0:
            raise ValueError(f"stop_loss.price is {self.price}; leave it out or write a positive price")
        if self.trail_as not in (StopKind.CLOSE_POSITION, StopKind.FIXED_QTY):
            raise ValueError(f"stop_loss.trail_as is {self.trail_as}; write close_position or fixed_qty")
        trail = self.callback_rate or self.distance
        if self.kind is StopKind.TRAILING and not Decimal("0.001") <= trail <= Decimal("0.2"):
            raise ValueError(
                f"stop_loss.callback_rate is {trail}; the venue trails by 0.1 % to 20 %, "
                "write 0.001 to 0.2 or use trailing_local"
            )


class TakeProfitKind(StrEnum):
    LIMIT = "limit"
    MARKET = "market"
    """TAKE_PROFIT_MARKET on the algo surface."""


class Merge(StrEnum):
    """Where the quantity of a level goes that is too small to be placed."""

    FARTHER = "farther"
    NEARER = "nearer"
    NONE = "none"
    """Nowhere: the level is waived."""


class TakeProfitLevel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    distance: Decimal
    """Favourable move from the average."""
    share: Decimal = Decimal(1)
    """Part of the position."""

    def __post_init__(self) -> None:
        _fraction("take_profit.levels.distance", self.distance, below=Decimal(100))
        _fraction("take_profit.levels.share", self.share, below=Decimal("1.0000000001"))


class TakeProfitPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    enabled: bool = True
    kind: TakeProfitKind = TakeProfitKind.LIMIT
    levels: tuple[TakeProfitLevel, ...] = (TakeProfitLevel(distance=Decimal("0.015")),)
    """Nearest first."""
    merge: Merge = Merge.FARTHER
    working_type: WorkingType = WorkingType.MARK_PRICE
    price_protect: bool = False
    repair_delay: TimeNs = SECOND

    def __post_init__(self) -> None:
        total = sum((level.share for level in self.levels), ZERO)
        if total > 1:
            raise ValueError(f"take_profit.levels: the shares sum to {total}; they may not exceed 1 (100 %)")
        distances = [level.distance for level in self.levels]
        if distances != sorted(set(distances)):
            raise ValueError("take_profit.levels: write each distance once, the nearest first")


class BreakEvenSource(StrEnum):
    COMPUTED = "computed"
    EXCHANGE = "exchange"


class BreakEvenPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    trigger: Decimal
    """Favourable move from the average at which the stop goes to break-even (S-2)."""
    offset: Decimal = ZERO
    """Beyond break-even, on the profitable side."""
    be_source: BreakEvenSource = BreakEvenSource.COMPUTED

    def __post_init__(self) -> None:
        _fraction("break_even.trigger", self.trigger, below=Decimal(10))
        if not 0 <= self.offset < 1:
            raise ValueError(f"break_even.offset is {self.offset}; write a fraction from 0 to below 1")


class TimeStopPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    after: TimeNs
    """Age of the position at which it is closed at market."""

    def __post_init__(self) -> None:
        if self.after <= 0:
            raise ValueError(f"time_stop.after is {self.after} ns; write a positive duration such as 12h")


class SizeUnit(StrEnum):
    """What `first_size` counts."""

    QUANTITY = "quantity"
    QUOTE = "quote"
    BASE_FRACTION = "base_fraction"
    """Part of the position without its DCA fills."""


class LadderAnchor(StrEnum):
    FIRST_ENTRY = "first_entry"
    LAST_FILL = "last_fill"
    AVERAGE = "average"


STEPS_MAX = 100


class DcaPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    steps: int
    first_deviation: Decimal
    first_size: Decimal
    deviation_multiplier: Decimal = Decimal(1)
    size_multiplier: Decimal = Decimal(1)
    size_unit: SizeUnit = SizeUnit.QUANTITY
    anchor: LadderAnchor = LadderAnchor.FIRST_ENTRY
    max_total_qty: Decimal | None = None
    max_total_notional: Decimal | None = None
    max_resting: int = 1
    cooldown: TimeNs = 0
    step_done_fraction: Decimal = Decimal(1)
    raise_to_min: bool = False
    allow_exposure_with_waived: bool = False

    def __post_init__(self) -> None:
        _fraction("dca.first_deviation", self.first_deviation)
        if not 0 <= self.steps <= STEPS_MAX:
            raise ValueError(f"dca.steps is {self.steps}; write 0 to {STEPS_MAX}")
        if self.max_resting < 1:
            raise ValueError(f"dca.max_resting is {self.max_resting}; write 1 or more")
        if self.cooldown < 0:
            raise ValueError(f"dca.cooldown is {self.cooldown} ns; write 0 or more")
        if not 0 < self.step_done_fraction <= 1:
            raise ValueError(f"dca.step_done_fraction is {self.step_done_fraction}; write above 0 to 1")
        for name in (
            "first_size",
            "deviation_multiplier",
            "size_multiplier",
            "max_total_qty",
            "max_total_notional",
        ):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"dca.{name} is {value}; write a positive number")


class OnExternal(StrEnum):
    """What to do with a position that this program did not open."""

    MANAGE = "manage"
    REVIEW = "review"
    IGNORE = "ignore"


class OnManualCancel(StrEnum):
    """What to do when somebody cancels a protective order of ours (R-10)."""

    REPLACE = "replace"
    PAUSE = "pause"


class PositionPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, cache_hash=True):
    """One manager's settings; frozen, hashable, and JSON by msgspec."""

    symbols: tuple[str, ...] = ()
    """Empty: every symbol with an open position."""
    sides: tuple[Direction, ...] = (Direction.LONG, Direction.SHORT)
    stop_loss: StopPolicy = StopPolicy()
    take_profit: TakeProfitPolicy = TakeProfitPolicy()
    break_even: BreakEvenPolicy | None = None
    time_stop: TimeStopPolicy | None = None
    dca: DcaPolicy | None = None
    on_external_position: OnExternal = OnExternal.MANAGE
    manual_cancel_policy: OnManualCancel = OnManualCancel.REPLACE
    accept_external_sl: bool = False
    """A close_position stop of somebody else counts as our stop-loss (-4130)."""

    def check(self) -> tuple[str, ...]:
        """Warnings, each with what to do; empty when everything fits together."""
        return (*_check_stop(self), *_check_break_even(self), *_check_ladder(self))


def _check_stop(policy: PositionPolicy) -> list[str]:
    stop, found = policy.stop_loss, list[str]()
    if not stop.enabled:
        found.append("stop_loss.enabled is false: positions are not protected")
    if stop.price is not None and len(policy.sides) > 1:
        found.append(
            "stop_loss.price is one price for LONG and SHORT: name one side, or use stop_loss.distance"
        )
    if stop.kind is StopKind.TRAILING and stop.activation is not None:
        found.append(
            "stop_loss.activation with kind trailing: until the price reaches it the venue holds no stop; "
            "use kind trailing_local, which keeps stop_loss.distance until then"
        )
    if not policy.take_profit.enabled or not policy.take_profit.levels:
        found.append("take_profit has no level: profits are not taken")
    return found


def _check_break_even(policy: PositionPolicy) -> list[str]:
    rule, found = policy.break_even, list[str]()
    if rule is None:
        return found
    if policy.stop_loss.kind is StopKind.TRAILING:
        found.append("break_even has no effect on a stop of kind trailing: use trailing_local")
    if rule.trigger <= rule.offset:
        found.append(
            f"break_even.trigger {rule.trigger} is not beyond its offset {rule.offset}: "
            "the stop would be breached at once"
        )
    levels = policy.take_profit.levels if policy.take_profit.enabled else ()
    if levels and rule.trigger >= levels[-1].distance:
        found.append("break_even.trigger lies at or beyond the last take-profit: it will not be reached")
    return found


def _check_ladder(policy: PositionPolicy) -> list[str]:
    """D-4 and S-1 as far as they can be told without a position: distances from the first entry."""
    dca, stop, found = policy.dca, policy.stop_loss, list[str]()
    if dca is None or not dca.steps:
        return found
    if not stop.enabled:
        found.append(
            "dca without a stop-loss: the position grows against the market and nothing limits the loss"
        )
    d, m = dca.first_deviation, dca.deviation_multiplier
    depths = [cumulative_deviation(d, m, k) for k in range(1, dca.steps + 1)]
    if stop.enabled and stop.price is None:
        hidden = [k for k, depth in enumerate(depths, 1) if depth >= stop.distance]
        if hidden and stop.basis is Basis.ANCHOR:
            found.append(
                f"stop_loss.basis anchor at {stop.distance} does not lie beyond the last DCA step "
                f"at {depths[-1]}: step {hidden[0]} and later can never fill"
            )
        elif hidden:
            found.append(
                f"dca step {hidden[0]} at {depths[hidden[0] - 1]} lies at or beyond stop_loss.distance "
                f"{stop.distance}: it stays suspended unless earlier steps move the average and the stop"
            )
    if depths[-1] >= 1 and Direction.LONG in policy.sides:
        found.append(f"dca step {dca.steps} lies {depths[-1]} below the anchor: a LONG can never reach it")
    return found
