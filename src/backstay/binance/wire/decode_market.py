"""Market frames to small values: mark price, book ticker, partial depth, kline, aggregate trade.

Source: binance-usdm.md 6. Since 2026-06-30 the all-market arrays mix products; a frame that says `st` other
than 1 is not USD-M and is left out. Bare frames, arrays and ``{"stream","data"}`` wrappers are all read.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from backstay.binance.wire.errors import WireError, redact
from backstay.binance.wire.frames_usdm import Id, Millis
from backstay.binance.wire.numbers import NUMBERS, optional
from backstay.core.types import MS, ZERO, TimeNs


class MarkPrice(Struct, frozen=True, gc=False):
    symbol: str
    price: Decimal
    at: TimeNs
    index: Decimal = ZERO
    funding_rate: Decimal | None = None
    """Of the running period; None: the symbol has none, or the frame does not say."""


class BookTicker(Struct, frozen=True, gc=False):
    symbol: str
    bid: Decimal
    bid_qty: Decimal
    ask: Decimal
    ask_qty: Decimal
    at: TimeNs


class Kline(Struct, frozen=True, gc=False):
    """One bar; `closed` False means that it is still being made."""

    symbol: str
    interval: str
    open_at: TimeNs
    close_at: TimeNs
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    closed: bool
    at: TimeNs


class AggTrade(Struct, frozen=True, gc=False):
    symbol: str
    trade_id: int
    price: Decimal
    quantity: Decimal
    buyer_is_maker: bool
    at: TimeNs


class Depth(Struct, frozen=True, gc=False):
    """The best levels of a book, (price, quantity), best first."""

    symbol: str
    bids: tuple[tuple[Decimal, Decimal], ...]
    asks: tuple[tuple[Decimal, Decimal], ...]
    at: TimeNs


type MarketEvent = MarkPrice | BookTicker | Kline | AggTrade | Depth


class _Mark(Struct, tag_field="e", tag="markPriceUpdate", gc=False):
    E: Millis
    s: str
    p: str
    i: str | None = None
    r: str | None = None
    st: int = 1


class _Book(Struct, tag_field="e", tag="bookTicker", gc=False):
    E: Millis
    s: str
    b: str
    B: str
    a: str
    A: str
    T: Millis | None = None
    st: int = 1


class _Bar(Struct, gc=False):
    t: Millis
    T: Millis
    i: str
    o: str
    h: str
    l: str  # noqa: E741 (the venue's own name)
    c: str
    v: str
    x: bool


class _Kline(Struct, tag_field="e", tag="kline", gc=False):
    E: Millis
    s: str
    k: _Bar
    st: int = 1


class _Trade(Struct, tag_field="e", tag="aggTrade", gc=False):
    E: Millis
    s: str
    a: Id
    p: str
    q: str
    T: Millis
    m: bool
    st: int = 1


class _Depth(Struct, tag_field="e", tag="depthUpdate", gc=False):
    E: Millis
    s: str
    b: tuple[tuple[str, str], ...]
    a: tuple[tuple[str, str], ...]
    T: Millis | None = None
    st: int = 1


class _Envelope(Struct, gc=False):
    e: str = ""
    data: Raw | msgspec.UnsetType = msgspec.UNSET


_ONE: Final = msgspec.json.Decoder(_Mark | _Book | _Kline | _Trade | _Depth)
_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)
_EACH: Final = msgspec.json.Decoder(tuple[Raw, ...])
_TAGS: Final = frozenset({"markPriceUpdate", "bookTicker", "kline", "aggTrade", "depthUpdate"})
_USDM: Final = 1


def decode_market(frame: bytes) -> tuple[MarketEvent, ...]:
    """Read one market frame; empty for control answers, other streams and other products.

    Raises WireError when a stream that we know carries something unreadable.
    """
    try:
        return _read(frame, depth=0)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        text = redact(str(error).encode("utf-8", "replace"))
        raise WireError(f"{text} in {redact(frame, 120)}", "market frame") from None


def _read(frame: bytes | Raw, depth: int) -> tuple[MarketEvent, ...]:
    head = bytes(memoryview(frame)[:1])
    if head == b"[" and depth < 2:
        return tuple(event for item in _EACH.decode(frame) for event in _read(item, 2))
    if head != b"{":
        raise ValueError("neither an object nor an array")
    if bytes(memoryview(frame)[:4]) != b'{"e"':
        # Not an event at first sight: a wrapper, a control answer, or an event with its members moved.
        envelope = _ENVELOPE.decode(frame)
        if isinstance(envelope.data, Raw) and not envelope.e and depth == 0:
            return _read(envelope.data, 1)
        if envelope.e not in _TAGS:
            return ()
    try:
        wire = _ONE.decode(frame)
    except msgspec.ValidationError:
        if _ENVELOPE.decode(frame).e not in _TAGS:
            return ()
        raise
    return (_CONVERT[type(wire)](wire),) if wire.st == _USDM else ()


def _mark(wire: _Mark) -> MarkPrice:
    rate = NUMBERS[wire.r] if wire.r else None
    return MarkPrice(wire.s, NUMBERS[wire.p], wire.E * MS, optional(wire.i), rate)


def _book(wire: _Book) -> BookTicker:
    number = NUMBERS
    at = wire.E if wire.T is None else wire.T
    return BookTicker(wire.s, number[wire.b], number[wire.B], number[wire.a], number[wire.A], at * MS)


def _kline(wire: _Kline) -> Kline:
    number = NUMBERS
    bar = wire.k
    return Kline(
        wire.s,
        bar.i,
        bar.t * MS,
        bar.T * MS,
        number[bar.o],
        number[bar.h],
        number[bar.l],
        number[bar.c],
        number[bar.v],
        bar.x,
        wire.E * MS,
    )


def _trade(wire: _Trade) -> AggTrade:
    return AggTrade(wire.s, wire.a, NUMBERS[wire.p], NUMBERS[wire.q], wire.m, wire.T * MS)


def _depth(wire: _Depth) -> Depth:
    number = NUMBERS
    at = wire.E if wire.T is None else wire.T
    return Depth(
        wire.s,
        tuple((number[p], number[q]) for p, q in wire.b),
        tuple((number[p], number[q]) for p, q in wire.a),
        at * MS,
    )


_CONVERT: Final[dict[type[Any], Callable[[Any], MarketEvent]]] = {
    _Mark: _mark,
    _Book: _book,
    _Kline: _kline,
    _Trade: _trade,
    _Depth: _depth,
}
