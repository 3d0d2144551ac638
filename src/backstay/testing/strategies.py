"""Hypothesis strategies over the vocabulary of core and of the position manager.

Every generated value is legal: an instrument that the venue could list, a position that could be held, a
policy that passes its own validation. Needs the `hypothesis` package.
"""

from decimal import Decimal

from hypothesis import strategies as st

from backstay.core.instruments import Instrument
from backstay.core.money import round_down
from backstay.core.slots import Slot
from backstay.core.types import CONDITIONAL, Direction, OrderType, PositionMode, Role, Side
from backstay.core.view import PositionView
from backstay.strategies.position_manager.policy import (
    Basis,
    BreakEvenPolicy,
    DcaPolicy,
    LadderAnchor,
    Merge,
    PositionPolicy,
    SizeUnit,
    SlBreached,
    StopKind,
    StopPolicy,
    TakeProfitKind,
    TakeProfitLevel,
    TakeProfitPolicy,
)
from backstay.testing import builders

TICKS = tuple(map(Decimal, ("0.1", "0.01", "0.0001", "0.00000010", "0.05", "0.25", "0.5", "1", "2.5", "10")))
STEPS = tuple(map(Decimal, ("0.001", "0.1", "1", "10", "0.005", "0.25", "1000")))
REFUSALS = (
    "",
    "would_trigger",
    "filter",
    "min_notional",
    "close_position_exists",
    "price_band",
    "max_orders",
)

directions = st.sampled_from(Direction)
modes = st.sampled_from(PositionMode)


def decimals(low: str, high: str, places: int = 6) -> st.SearchStrategy[Decimal]:
    """Exact decimals in [low, high] with at most `places` decimals."""
    unit = Decimal(1).scaleb(-places)
    first, last = int(Decimal(low) / unit), int(Decimal(high) / unit)
    return st.integers(first, last).map(lambda n: n * unit)


def fractions(low: str = "0.001", high: str = "0.3") -> st.SearchStrategy[Decimal]:
    return decimals(low, high, 4)


@st.composite
def instruments(draw: st.DrawFn) -> Instrument:
    """A symbol whose grid need not be a power of ten."""
    tick, step = draw(st.sampled_from(TICKS)), draw(st.sampled_from(STEPS))
    return builders.instrument(
        tick=tick,
        min_price=tick,
        max_price=tick * draw(st.integers(10**6, 10**9)),
        step=step,
        min_qty=step * draw(st.integers(1, 5)),
        max_qty=step * draw(st.integers(10**4, 10**7)),
        market_step=step,
        market_min_qty=step,
        market_max_qty=step * draw(st.integers(10**3, 10**6)),
        min_notional=draw(st.sampled_from((Decimal(0), Decimal(5), Decimal(100)))),
        percent_up=draw(st.sampled_from((Decimal(0), Decimal("1.05"), Decimal("1.15")))),
        percent_down=draw(st.sampled_from((Decimal(0), Decimal("0.95"), Decimal("0.85")))),
    )


@st.composite
def prices(draw: st.DrawFn, rules: Instrument) -> Decimal:
    """A price around a few thousand ticks, not necessarily on the grid."""
    return draw(st.integers(2_000, 900_000)) * rules.tick + draw(fractions("0", "0.9999")) * rules.tick


@st.composite
def slots(draw: st.DrawFn, rules: Instrument) -> Slot:
    """Any slot a strategy might want, off the grid, of any kind; it may be unplaceable."""
    kind = draw(st.sampled_from([k for k in OrderType if k is not OrderType.LIQUIDATION]))
    price = draw(prices(rules))
    closing = kind is OrderType.STOP_MARKET and draw(st.booleans())
    trails = kind is OrderType.TRAILING_STOP_MARKET
    return builders.slot(
        draw(st.sampled_from(Role)),
        kind,
        draw(st.sampled_from(Side)),
        price=price if kind in (OrderType.LIMIT, OrderType.STOP, OrderType.TAKE_PROFIT) else None,
        trigger=draw(prices(rules)) if kind in CONDITIONAL and not trails else None,
        quantity=None if closing else draw(decimals("0", "100000")) * rules.step,
        close_position=closing,
        reduce_only=not closing and draw(st.booleans()),
        callback_rate=draw(decimals("0.1", "20", 1)) if trails else None,
        activate_price=draw(st.none() | prices(rules)) if trails else None,
    )


@st.composite
def views(draw: st.DrawFn) -> PositionView:
    """A non-flat position with whatever else a view may say."""
    rules = draw(instruments())
    average = draw(prices(rules))
    maybe_price = st.none() | prices(rules)
    floor = draw(maybe_price)
    steps = draw(st.integers(0, 3))
    done = {
        k: builders.progress(rules.step * 50, rules.step * draw(st.sampled_from((0, 20, 50))), open=False)
        for k in range(1, steps + 1)
    }
    return builders.view(
        draw(directions),
        rules.step * draw(st.integers(1, 10**5)),
        average,
        mode=draw(modes),
        rules=rules,
        dca=done,
        anchor=draw(prices(rules)),
        last_fill_price=draw(prices(rules)),
        stop_floor=None if floor is None else round_down(floor, rules.tick),
        best_price=draw(maybe_price),
        mark=draw(maybe_price),
        refused=builders.refusals(
            draw(st.sampled_from(REFUSALS)), *draw(st.lists(st.sampled_from(REFUSALS), max_size=5))
        ),
        stop_retriggered=draw(st.booleans()),
        exit_refused=draw(st.booleans()),
        exit_due=draw(st.booleans()),
    )


@st.composite
def take_profits(draw: st.DrawFn) -> TakeProfitPolicy:
    distances = sorted(draw(st.sets(fractions(), min_size=1, max_size=5)))
    parts = draw(st.lists(st.integers(1, 10), min_size=len(distances), max_size=len(distances)))
    total = sum(parts) + draw(st.sampled_from((0, 0, 3)))
    shares = [round_down(Decimal(p) / total, Decimal("0.01")) for p in parts]
    if total == sum(parts):
        shares[-1] = 1 - sum(shares[:-1], Decimal(0))
    levels = [TakeProfitLevel(distance=d, share=s) for d, s in zip(distances, shares, strict=True) if s]
    return TakeProfitPolicy(
        levels=tuple(levels),
        kind=draw(st.sampled_from(TakeProfitKind)),
        merge=draw(st.sampled_from(Merge)),
    )


break_evens = st.builds(BreakEvenPolicy, trigger=fractions(), offset=fractions("0", "0.01"))


@st.composite
def policies(draw: st.DrawFn) -> PositionPolicy:
    """Any valid position policy."""
    kind = draw(st.sampled_from(StopKind))
    stop = StopPolicy(
        kind=kind,
        distance=draw(fractions("0.001", "0.2")),
        basis=draw(st.sampled_from(Basis)),
        activation=draw(st.none() | fractions()),
        callback_rate=draw(st.none() | fractions("0.001", "0.2")),
        trail_step=draw(fractions("0", "0.01")),
        sl_breached=draw(st.sampled_from(SlBreached)),
    )
    ladder = DcaPolicy(
        steps=draw(st.integers(0, 5)),
        first_deviation=draw(fractions()),
        deviation_multiplier=draw(decimals("0.5", "2", 2)),
        first_size=draw(decimals("0.001", "500", 3)),
        size_multiplier=draw(decimals("0.5", "2", 2)),
        size_unit=draw(st.sampled_from(SizeUnit)),
        anchor=draw(st.sampled_from(LadderAnchor)),
        max_resting=draw(st.integers(1, 3)),
        raise_to_min=draw(st.booleans()),
    )
    return PositionPolicy(
        stop_loss=stop,
        take_profit=draw(take_profits()),
        break_even=draw(st.none() | break_evens),
        dca=draw(st.none() | st.just(ladder)),
    )
