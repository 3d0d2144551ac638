"""What a strategy and the planner may see of one scope: only trusted facts, joined and named.

Built by `backstay.core.engine` from the account state; nothing here reads a clock.
"""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from backstay.core.contexts import OrderContext
from backstay.core.instruments import Instrument
from backstay.core.lots import Lots
from backstay.core.scored import Book, Signal
from backstay.core.slots import MAIN_STOP, SlotKey
from backstay.core.types import ZERO, Direction, PositionMode, Scope, TimeNs


class StepProgress(msgspec.Struct, frozen=True, gc=False):
    """What became of one DCA step, counted from contexts and fills (D-6)."""

    ordered: Decimal
    """Quantity first ordered for the step."""
    filled: Decimal
    """Executed over all orders of the step."""
    open: bool
    """An order of the step is not terminal."""


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """What the venue refused for a slot while the position was as it is."""

    effect: str = ""
    """Of the latest request: "would_trigger", "filter", "close_position_exists" ...
    (`backstay.core.events.Effect`); empty: it was not refused."""
    trigger: Decimal | None = None
    """With which it was refused; None: it was no conditional order."""
    passed: bool = False
    """Take-profit: the market was beyond its trigger, whatever became of what was asked for instead."""


class SlotLife(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What became of a slot that may take several orders, one after another (ENTRY, EXIT)."""

    total: Decimal
    """What it was to execute when its first order was placed."""
    filled: Decimal
    """Executed over all of its orders."""
    since: TimeNs
    """Local time of its first order."""
    last_at: TimeNs
    """Local time of its latest order."""
    open: bool
    """An order of it is not terminal."""
    resting: Decimal | None = None
    """What its open LIMIT may still execute; None: none rests."""
    price: Decimal | None = None
    """At which it rests."""


class MarketView(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a strategy that opens positions knows besides the position."""

    signal: Signal | None = None
    """The newest score."""
    plan: Signal | None = None
    """The signal that the position, or the entry under way, follows (`ScopeState.entry_signal`)."""
    plan_is_old: bool = False
    """It came to an earlier process (`ScopeState.plan_is_old`)."""
    equity: Decimal | None = None
    """Wallet balance of the margin asset; None: not known."""
    book: Book | None = None
    """The latest recorded top of the book."""
    closed_at: TimeNs = 0
    """When the position was last closed; 0: never."""
    last_result: Decimal | None = None
    """What the last position realised; None: there was none."""
    foreign: bool = False
    """An order that is not ours rests in the scope."""


NO_MARKET = MarketView()


class LotsView(msgspec.Struct, frozen=True, kw_only=True):
    """The lots of a spot scope, for a strategy that sells each by itself."""

    lots: Lots
    selling: Mapping[int, OrderContext] = {}
    """Lot (trade id) -> its SELL that is under way or rests."""
    uncovered: Decimal = ZERO
    """How much of what the lots hold the account does not have; 0: all is covered, or not known yet."""
    refused: frozenset[int] = frozenset()
    """Lots whose SELL the venue refused, so that it may not be asked for again yet."""
    open_orders: int = 0
    """Resting orders of the symbol, whoever placed them."""
    halted: str = ""
    """Why nothing new may be placed; empty: it may."""


class PositionView(msgspec.Struct, frozen=True, kw_only=True, gc=False):
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
    refused: Mapping[SlotKey, Refusal] = {}
    """Of the slots of stop and take-profit; a bridge counts as the stop."""
    stop_retriggered: bool = False
    """A stop was asked for again after one was refused as breached; `stop_floor` is then its trigger."""
    exit_refused: bool = False
    """The venue refuses to close this position at market, until something about it changes."""
    exit_due: bool = False
    """It refused to close this very position at market, and may be asked again, now or before long."""
    external: bool = True
    """No entry order of ours opened this epoch: somebody traded by hand, or another program did."""
    entry: SlotLife | None = None
    """The entry slot of this life (flat: of the one about to begin); None: nothing was ordered."""
    exit: SlotLife | None = None
    """The exit slot of this life."""
    market: MarketView = NO_MARKET
    reviewed: bool = False
    """An operator has acknowledged this very position."""
    instrument: Instrument
    maker_fee: Decimal
    taker_fee: Decimal
    sellable: Decimal | None = None
    """Spot: how much of `quantity` may be sold, in whole steps; None: not spot."""
    lots: LotsView | None = None
    """Only for strategies that sell lots; the position is then what all lots and sales make together."""

    @property
    def stop_refused(self) -> str:
        """Effect of the refusal of the stop; empty: it was not refused."""
        refusal = self.refused.get(MAIN_STOP)
        return "" if refusal is None else refusal.effect

    @property
    def stop_refused_at(self) -> Decimal | None:
        """The trigger that it was refused with."""
        refusal = self.refused.get(MAIN_STOP)
        return None if refusal is None else refusal.trigger
