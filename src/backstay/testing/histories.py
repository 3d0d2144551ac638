"""Hypothesis strategies of venue-legal event histories, and the orders in which a burst may arrive.

A history is a list of bursts; a burst is what one thing that happened makes the venue report. Every history
is consistent: cumulative fills grow, positions are the sum of trades, ids are unique, an ended order stays
ended. Needs the `hypothesis` package.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from hypothesis import strategies as st

from backstay.core import algo_orders, orders
from backstay.core.events import AnyEvent
from backstay.core.types import Direction, OrderType, PositionMode, PositionSide, Side
from backstay.testing.venue_model import Ask, Refusal, VenueModel

type Burst = list[AnyEvent]

PRICES = tuple(map(Decimal, ("57000.0", "59400.0", "60000.0", "60900.0", "61200.5")))
SIZES = tuple(map(Decimal, ("0.002", "0.005", "0.010")))
DEEDS = ("limit", "stop", "closer", "fill", "part", "cancel", "amend", "expire", "trigger", "hand")


@st.composite
def histories(
    draw: st.DrawFn, mode: PositionMode | None = None, max_deeds: int = 12, names: Sequence[str] = ()
) -> list[Burst]:
    """What happened to one symbol; orders take their custom ids from `names` first."""
    how = mode if mode is not None else draw(st.sampled_from(PositionMode))
    venue = VenueModel(how)
    left = list(names)
    bursts = []
    for n in range(draw(st.integers(1, max_deeds))):
        deed = draw(st.sampled_from(DEEDS))
        side = draw(_sides(how))
        name = left.pop(0) if left and deed in {"limit", "stop", "closer"} else f"x{n}"
        try:
            burst = _happen(draw, venue, deed, name, side)
        except Refusal:
            continue
        if burst:
            bursts.append(burst)
    return bursts


def _sides(mode: PositionMode) -> st.SearchStrategy[PositionSide]:
    if mode is PositionMode.ONE_WAY:
        return st.just(PositionSide.BOTH)
    return st.sampled_from((PositionSide.LONG, PositionSide.SHORT))


def _happen(draw: st.DrawFn, venue: VenueModel, deed: str, name: str, side: PositionSide) -> Burst:
    price, size = draw(st.sampled_from(PRICES)), draw(st.sampled_from(SIZES))
    if deed == "limit":
        order_side = draw(st.sampled_from(Side))
        if side is not PositionSide.BOTH:
            order_side = _legal(venue, side, order_side, size)
        return venue.place(
            Ask(client_id=name, side=order_side, position_side=side, quantity=size, price=price)
        )
    if deed in {"stop", "closer"}:
        return _conditional(venue, deed, name, side, price, size)
    if deed == "hand":
        order_side = draw(st.sampled_from(Side))
        if side is not PositionSide.BOTH:
            order_side = _legal(venue, side, order_side, size)
        return venue.trade_by_hand(order_side, size, price, side)
    return _change(draw, venue, deed, price, size)


def _legal(venue: VenueModel, side: PositionSide, wish: Side, size: Decimal) -> Side:
    """In hedge mode a side is closed only as far as it is open."""
    opening = Direction(side.value).opening
    resting = sum((r.quantity - r.filled for r in venue.open_orders() if r.position_side is side), Decimal(0))
    enough = abs(venue.held(side)) - resting >= size
    return wish if wish is opening or enough else opening


def _conditional(
    venue: VenueModel, deed: str, name: str, side: PositionSide, price: Decimal, size: Decimal
) -> Burst:
    held = venue.held(side)
    if not held:
        return []
    closing = Side.SELL if held > 0 else Side.BUY
    return venue.place(
        Ask(
            client_id=name,
            side=closing,
            kind=OrderType.STOP_MARKET,
            position_side=side,
            quantity=Decimal(0) if deed == "closer" else min(size, abs(held)),
            trigger=price,
            close_position=deed == "closer",
            reduce_only=deed == "stop" and side is PositionSide.BOTH,
        )
    )


def _change(draw: st.DrawFn, venue: VenueModel, deed: str, price: Decimal, size: Decimal) -> Burst:
    regular = sorted(r.client_id for r in venue.open_orders() if r.kind is OrderType.LIMIT)
    algos = sorted(r.client_id for r in venue.open_algos())
    if deed == "trigger":
        able = [a for a in algos if venue.held(venue.algos[a].position_side)]
        return venue.trigger(draw(st.sampled_from(able))) if able else []
    if deed in {"cancel", "expire"} and (regular or algos):
        name = draw(st.sampled_from([*regular, *algos]))
        return venue.cancel(name) if deed == "cancel" else venue.expire(name)
    if not regular:
        return []
    name = draw(st.sampled_from(regular))
    if deed == "amend":
        return venue.amend(name, price, size)
    if deed in {"fill", "part"}:
        return venue.fill(name, None if deed == "fill" else Decimal("0.001"))
    return []


def arrivals(burst: Sequence[AnyEvent]) -> Iterator[tuple[AnyEvent, ...]]:
    """Every order in which a burst may be delivered: types in any order, each type in its own (O-6)."""
    kinds = list(dict.fromkeys(type(e) for e in burst))
    queues = [tuple(e for e in burst if type(e) is kind) for kind in kinds]

    def merged(taken: tuple[int, ...]) -> Iterator[tuple[AnyEvent, ...]]:
        if all(n == len(q) for n, q in zip(taken, queues, strict=True)):
            yield ()
            return
        for i, queue in enumerate(queues):
            if taken[i] < len(queue):
                after = (*taken[:i], taken[i] + 1, *taken[i + 1 :])
                for rest in merged(after):
                    yield (queue[taken[i]], *rest)

    return merged((0,) * len(queues))


def ended(venue: VenueModel) -> set[str]:
    """Custom ids whose order is over on every surface."""
    names = set(venue.orders) | set(venue.algos)
    return {
        n
        for n in names
        if not (n in venue.orders and orders.is_open(venue.orders[n]))
        and not (n in venue.algos and algo_orders.is_open(venue.algos[n]))
    }
