"""The `risk:` section: limits on exposure, each off unless it is written."""

from typing import Annotated

from pydantic import Field

from backstay.app.sections import Amount, Duration, Section, Share
from backstay.core.limits import CorrelationGroup
from backstay.core.risk import RiskLimits
from backstay.core.types import SECOND


class GroupSettings(Section):
    name: str = Field(min_length=1, description="what to call it in a refusal")
    symbols: tuple[str, ...] = Field(min_length=2, description="the symbols that count together")
    max_positions: Annotated[int, Field(ge=1)] | None = Field(default=None, description="open at once")
    max_notional: Amount | None = Field(default=None, description="worst case of all of them")


class RiskSettings(Section):
    max_open_positions: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="no new position beyond this many"
    )
    max_notional: Amount | None = Field(
        default=None,
        description="worst case over all positions and resting exposure orders, in quote currency",
    )
    max_leverage: Annotated[int, Field(ge=1, le=150)] | None = Field(
        default=None, description="no exposure in a symbol whose leverage is set higher"
    )
    daily_loss_limit: Share | None = Field(
        default=None,
        description="share of the wallets that a day may cost, realised and open; then nothing is added",
    )
    daily_loss_hour: int = Field(default=0, ge=0, le=23, description="hour, UTC, at which that day begins")
    max_symbol_notional: Amount | None = Field(default=None, description="as `max_notional`, of one symbol")
    loss_streak: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="no exposure for `loss_pause` after so many lost positions in a row"
    )
    loss_pause: Duration = Field(default=3600 * SECOND, description="duration, see `loss_streak`")
    min_liquidation_distance: Share | None = Field(
        default=None, description="least estimated distance to liquidation, as a share of price"
    )
    max_spread: Share | None = Field(default=None, description="no exposure in a wider spread")
    max_slippage: Share | None = Field(
        default=None, description="no exposure order that the book would fill at a worse price"
    )
    max_orders_per_minute: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="exposure orders in any minute, over the whole account"
    )
    groups: tuple[GroupSettings, ...] = Field(
        default=(),
        description="symbols that count together: `{name, symbols, max_positions, max_notional}`",
    )

    pause_on_review: bool = Field(
        default=False,
        description="no exposure anywhere while any symbol waits for a manual review; protection goes on",
    )

    def limits(self) -> RiskLimits:
        return RiskLimits(
            max_symbol_notional=self.max_symbol_notional,
            loss_streak=self.loss_streak,
            loss_pause=self.loss_pause,
            min_liquidation_distance=self.min_liquidation_distance,
            max_spread=self.max_spread,
            max_slippage=self.max_slippage,
            max_orders_per_minute=self.max_orders_per_minute,
            groups=tuple(CorrelationGroup(**g.model_dump()) for g in self.groups),
            max_open_positions=self.max_open_positions,
            max_notional=self.max_notional,
            max_leverage=self.max_leverage,
            daily_loss_limit=self.daily_loss_limit,
            daily_loss_hour=self.daily_loss_hour,
            pause_on_review=self.pause_on_review,
        )
