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
    take_profit: Mapping[int, StepProgress] = {}
    """Level (from 0) -> progress of the take-profit levels, this epoch."""
    last_increase_at: TimeNs = 0
    """Venue time of the latest fill that increased the position; the opening when there is none."""
    stop_floor: Decimal | None
    """Tightest SL trigger of this (epoch, DCA step): the ratchet (S-3)."""
    best_price: Decimal | None
    """Most favourable recorded price since the latest (epoch, DCA step) began."""
    mark: Decimal | None
    """Latest recorded mark price; None when nothing needed one."""
    stop_refused: str
    """Effect with which the latest stop request of this position was refused ("would_trigger", "filter",
    "close_position_exists" ...); empty: it was not."""
    stop_retriggered: bool
    """A stop was asked for again after one was refused as breached; `stop_floor` is then its trigger."""
    take_profit_refused: str
    """As `stop_refused`, for any TP slot."""
    external: bool = True
    """No entry order of ours opened this epoch: somebody traded by hand, or another program did."""
    reviewed: bool = False
    """An operator has acknowledged this very position."""
    instrument: Instrument
    maker_fee: Decimal
    taker_fee: Decimal
