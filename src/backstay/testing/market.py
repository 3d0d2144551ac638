"""Signals and order books with sensible defaults, for tests of strategies that open positions.

Times are milliseconds after `builders.OPENED_AT`; prices and quantities may be text.
"""

from decimal import Decimal
from typing import Any

from backstay.core.scored import Book, BookSeen, Level, Signal, SignalKind, SignalScored, Target
from backstay.core.types import MS, SECOND, TimeNs
from backstay.testing.builders import OPENED_AT, Number, dec

VALID_FOR = 300 * SECOND


def signal(
    kind: SignalKind = SignalKind.LONG,
    *,
    at: float = 0,
    score: Number | None = None,
    price: Number = 60000,
    stop: Number = "0.01",
    targets: tuple[tuple[Number, Number], ...] = (("0.015", 1),),
    **fields: Any,
) -> Signal:
    """A signal of the bar that closed `at`: stop 1 % and target 1.5 % away, valid for five minutes."""
    moment: TimeNs = OPENED_AT + int(at * MS)
    sizes = {SignalKind.LONG: "0.5", SignalKind.SHORT: "-0.5", SignalKind.NONE: "0.1"}
    return Signal(
        kind=kind,
        score=dec(sizes[kind] if score is None else score),
        at=moment,
        valid_until=fields.pop("valid_until", moment + VALID_FOR),
        price=dec(price),
        stop_distance=dec(stop),
        targets=tuple(Target(dec(distance), dec(share)) for distance, share in targets),
        reason=fields.pop("reason", f"{kind} for a test"),
    )


def scored(made: Signal, symbol: str = "BTCUSDT") -> SignalScored:
    """The event of a signal, without an explanation."""
    return SignalScored(symbol=symbol, signal=made, gate=Decimal("0.35"), factors=())


def book(bid: Number, ask: Number, size: Number = 1, *, at: float = 0, symbol: str = "BTCUSDT") -> BookSeen:
    """A book with one level on each side."""
    top = Book(
        at=OPENED_AT + int(at * MS),
        bids=(Level(dec(bid), dec(size)),),
        asks=(Level(dec(ask), dec(size)),),
    )
    return BookSeen(symbol=symbol, book=top)
