"""Instruments, views, slots and policies with sensible defaults, for tests of rules and strategies.

Numbers may be given as text or int; they become exact decimals. The defaults are the worked example of the
DCA ladder: a LONG of 0.010 BTC at 60000, tick 0.1, step 0.001.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from backstay.core.events import Effect
from backstay.core.instruments import Instrument
from backstay.core.slots import MAIN_STOP, Slot, SlotKey
from backstay.core.types import (
    ZERO,
    Direction,
    OrderType,
    PositionMode,
    PositionSide,
    Product,
    Role,
    Scope,
    Side,
    TimeNs,
)
from backstay.core.view import PositionView, Refusal, StepProgress
from backstay.strategies.position_manager.policy import (
    DcaPolicy,
    PositionPolicy,
    StopPolicy,
    TakeProfitLevel,
    TakeProfitPolicy,
)

type Number = Decimal | str | int

OPENED_AT: TimeNs = 1_767_225_600_000_000_000
"""2026-01-01 00:00 UTC."""

FILTERS: Mapping[str, Decimal] = {
    "tick": Decimal("0.1"),
    "min_price": Decimal("556.8"),
    "max_price": Decimal(4529764),
    "step": Decimal("0.001"),
    "min_qty": Decimal("0.001"),
    "max_qty": Decimal(1000),
    "market_step": Decimal("0.001"),
    "market_min_qty": Decimal("0.001"),
    "market_max_qty": Decimal(120),
    "min_notional": Decimal(100),
    "percent_up": Decimal("1.05"),
    "percent_down": Decimal("0.95"),
}


def dec(value: Number) -> Decimal:
    """An exact decimal. Refuses a float: its digits are not what was written."""
    if isinstance(value, float):
        raise TypeError(f"{value!r} is a float; write it as text")
    return value if isinstance(value, Decimal) else Decimal(value)


def instrument(symbol: str = "BTCUSDT", *, status: str = "TRADING", **filters: Number) -> Instrument:
    """A symbol with BTCUSDT's rules, changed by `filters` (fields of `Instrument`)."""
    rules: dict[str, Any] = {**FILTERS, **{name: dec(value) for name, value in filters.items()}}
    return Instrument(
        product=Product.USDM,
        symbol=symbol,
        base=symbol.removesuffix("USDT"),
        quote="USDT",
        margin_asset="USDT",
        status=status,
        **rules,
    )


def progress(ordered: Number, filled: Number = 0, *, open: bool = True) -> StepProgress:  # noqa: A002 - the field's name
    return StepProgress(dec(ordered), dec(filled), open)


def view(
    direction: Direction | None = Direction.LONG,
    quantity: Number = "0.010",
    average: Number = 60000,
    *,
    mode: PositionMode = PositionMode.ONE_WAY,
    rules: Instrument | None = None,
    **facts: Any,
) -> PositionView:
    """A position as a strategy sees it; `facts` are further fields of `PositionView`, prices as text.

    `anchor` is the average and `last_fill_price` the anchor unless they are given; `refusals` makes
    `refused`.
    """
    rules = rules or instrument()
    prices = ("anchor", "last_fill_price", "stop_floor", "best_price", "mark", "venue_break_even")
    fees = ("maker_fee", "taker_fee")
    facts = {k: dec(v) if k in (*prices, *fees) and v is not None else v for k, v in facts.items()}
    facts.setdefault("anchor", dec(average))
    facts.setdefault("last_fill_price", facts["anchor"])
    side = PositionSide.BOTH
    if mode is PositionMode.HEDGE and direction is not None:
        side = PositionSide(direction.value)
    defaults: dict[str, Any] = {
        "venue_break_even": ZERO,
        "epoch": 1,
        "opened_at": OPENED_AT,
        "dca": {},
        "stop_floor": None,
        "best_price": None,
        "mark": None,
        "maker_fee": Decimal("0.0002"),
        "taker_fee": Decimal("0.0005"),
    }
    return PositionView(
        scope=Scope(rules.product, rules.symbol, side),
        position_mode=mode,
        direction=direction,
        quantity=dec(quantity) if direction is not None else ZERO,
        average=dec(average) if direction is not None else ZERO,
        instrument=rules,
        **{**defaults, **facts},
    )


def refusals(stop: str = "", *levels: str, at: Number | None = None) -> Mapping[SlotKey, Refusal]:
    """What the venue refused, by effect (empty: nothing): the stop, `at` its trigger, and each TP level."""
    passed = Effect.WOULD_TRIGGER
    found = {
        SlotKey(Role.TP, step): Refusal(effect, passed=effect == passed)
        for step, effect in enumerate(levels)
        if effect
    }
    if stop:
        found[MAIN_STOP] = Refusal(stop, None if at is None else dec(at))
    return found


def slot(
    role: Role = Role.TP,
    kind: OrderType = OrderType.LIMIT,
    side: Side = Side.SELL,
    *,
    step: int = 0,
    **fields: Any,
) -> Slot:
    """A slot; prices and quantities among `fields` may be text."""
    numbers = ("price", "trigger", "quantity", "callback_rate", "activate_price", "tolerance")
    fields = {k: dec(v) if k in numbers and v is not None else v for k, v in fields.items()}
    return Slot(key=SlotKey(role, step), side=side, kind=kind, **fields)


def stop(**fields: Any) -> StopPolicy:
    """A stop policy; fractions and prices may be text."""
    return StopPolicy(**_decimals(fields))


def take_profit(*levels: tuple[Number, Number], **fields: Any) -> TakeProfitPolicy:
    """A take-profit policy with (distance, share) levels; none given: the default level."""
    if levels:
        fields["levels"] = tuple(TakeProfitLevel(distance=dec(d), share=dec(s)) for d, s in levels)
    return TakeProfitPolicy(**fields)


def dca(**fields: Any) -> DcaPolicy:
    """The ladder of the worked example, changed by `fields`."""
    example = {
        "steps": 3,
        "first_deviation": "0.01",
        "deviation_multiplier": "1.5",
        "first_size": "0.010",
        "size_multiplier": "1.5",
    }
    return DcaPolicy(**_decimals({**example, **fields}))


def policy(**parts: Any) -> PositionPolicy:
    """A position manager's policy: SL 5 % close_position, TP 1.5 %, no ladder unless given."""
    return PositionPolicy(**parts)


def _decimals(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Texts that read as a number become decimals; enum members, which are texts too, do not."""
    return {
        name: Decimal(value) if type(value) is str and value[:1] in "0123456789" else value
        for name, value in fields.items()
    }
