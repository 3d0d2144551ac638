"""What a strategy and the planner may see of one scope: only trusted facts, joined and named.

Built by `backstay.core.engine` from the account state; nothing here reads a clock.
"""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from backstay.core.instruments import Instrument
from backstay.core.types import Direction, PositionMode, Scope, TimeNs


class StepProgress(msgspec.Struct, frozen=True, gc=False):
    """What became of one DCA step, counted from contexts and fills (D-6)."""

    ordered: Decimal
    """Quantity first ordered for the step."""
    filled: Decimal
    """Executed over all orders of the step."""
    open: bool
    """An order of the step is not terminal."""


class PositionView(msgspec.Struct, frozen=True, kw_only=True):
    """The facts that a strategy's desired slots follow from."""

    scope: Scope
    position_mode: PositionMode
    direction: Direction | None
    """None: flat."""
    quantity: Decimal
    """Absolute size in base units."""
    average: Decimal
    """Entry price as the venue states it."""
    venue_break_even: Decimal
    """0 when the venue states none."""
    epoch: int
    opened_at: TimeNs
    """Venue time at which the scope left flat in this epoch."""
    anchor: Decimal
    """First entry price of this epoch."""
    last_fill_price: Decimal
    """Price of the latest fill that increased the position; the anchor when there is none."""
    dca: Mapping[int, StepProgress]
    """Step number (from 1) -> progress, this epoch."""
    stop_floor: Decimal | None
    """Tightest SL trigger of this (epoch, DCA step): the ratchet (S-3)."""
    best_price: Decimal | None
    """Most favourable recorded price since the latest (epoch, DCA step) began."""
    mark: Decimal | None
    """Latest recorded mark price; None when nothing needed one."""
    stop_refused: str
    """Effect of the refusal that blocks the SL slot now ("would_trigger", "filter", "min_notional",
    "close_position_exists" ...); empty: none."""
    stop_retriggered: bool
    """The one nearest-legal-trigger attempt of `sl_breached: retrigger` was made."""
    take_profit_refused: str
    """As `stop_refused`, for any TP slot."""
    instrument: Instrument
    maker_fee: Decimal
    taker_fee: Decimal
