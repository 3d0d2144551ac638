"""Spot market frames to the values of `decode_market`.

Sources: binance-spot.md 8. A book ticker bears no type and no time: its `at` is 0, and whoever received it
knows when. A partial book does not even bear its symbol: that stands in the name of its stream, on a combined
connection. The last trade's price of a mini ticker is a `MarkPrice`: it is what spot's stops trigger on.
"""

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from backstay.binance.wire.decode_market import AggTrade, BookTicker, Depth, Kline, MarketEvent, MarkPrice
from backstay.binance.wire.errors import WireError, redact
from backstay.binance.wire.frames_spot import Stamp
from backstay.binance.wire.frames_usdm import Id
from backstay.binance.wire.numbers import NUMBERS
from backstay.binance.wire.spot_words import nanoseconds


class _Mini(Struct, tag_field="e", tag="24hrMiniTicker", gc=False):
    E: Stamp
    s: str
    c: str


class _Bar(Struct, gc=False):
    t: Stamp
    T: Stamp
    i: str
    o: str
    c: str
    h: str
    l: str  # noqa: E741 (the venue's own name)
    v: str
    x: bool


class _Kline(Struct, tag_field="e", tag="kline", gc=False):
    E: Stamp
    s: str
    k: _Bar


class _Trade(Struct, tag_field="e", tag="aggTrade", gc=False):
    E: Stamp
    s: str
    a: Id
    p: str
    q: str
    T: Stamp
    m: bool


class _Book(Struct, gc=False):
    u: Id
    s: str
    b: str
    B: str
    a: str
    A: str


class _Levels(Struct, rename="camel", gc=False):
    last_update_id: Id
    bids: tuple[tuple[str, str], ...]
    asks: tuple[tuple[str, str], ...]


class _Envelope(Struct, gc=False):
    e: str = ""
    stream: str = ""
    data: Raw | msgspec.UnsetType = msgspec.UNSET
    u: int = -1
    b: Raw | msgspec.UnsetType = msgspec.UNSET
    s: str = ""


_ONE: Final = msgspec.json.Decoder(_Mini | _Kline | _Trade)
_BOOK: Final = msgspec.json.Decoder(_Book)
_LEVELS: Final = msgspec.json.Decoder(_Levels)
_partial_book: Final = re.compile(r"([a-z0-9_]+)@depth(?:5|10|20)(?:@100ms)?").fullmatch
_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)
_EACH: Final = msgspec.json.Decoder(tuple[Raw, ...])
_TAGS: Final = frozenset({"24hrMiniTicker", "kline", "aggTrade"})


def decode_market_spot(frame: bytes) -> tuple[MarketEvent, ...]:
    """Read one market frame, bare or wrapped; empty for control answers and streams that nothing reads.

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
        envelope = _ENVELOPE.decode(frame)
        if isinstance(envelope.data, Raw) and not envelope.e and depth == 0:
            named = _partial_book(envelope.stream)
            return (_levels(named[1], envelope.data),) if named else _read(envelope.data, 1)
        if not envelope.e:
            # Depth updates have `e`, partial books no symbol: with both `u` and `s` it is a book ticker.
            return (_book(_BOOK.decode(frame)),) if envelope.u >= 0 and envelope.s else ()
        if envelope.e not in _TAGS:
            return ()
    try:
        wire = _ONE.decode(frame)
    except msgspec.ValidationError:
        if _ENVELOPE.decode(frame).e not in _TAGS:
            return ()
        raise
    return (_CONVERT[type(wire)](wire),)


def _mini(wire: _Mini) -> MarkPrice:
    return MarkPrice(wire.s, NUMBERS[wire.c], nanoseconds(wire.E))


def _book(wire: _Book) -> BookTicker:
    number = NUMBERS
    return BookTicker(wire.s, number[wire.b], number[wire.B], number[wire.a], number[wire.A], 0)


def _levels(symbol: str, data: Raw) -> Depth:
    wire, number = _LEVELS.decode(data), NUMBERS
    bids, asks = (tuple((number[p], number[q]) for p, q in side) for side in (wire.bids, wire.asks))
    return Depth(symbol.upper(), bids, asks, 0)


def _kline(wire: _Kline) -> Kline:
    number = NUMBERS
    bar = wire.k
    return Kline(
        wire.s,
        bar.i,
        nanoseconds(bar.t),
        nanoseconds(bar.T),
        number[bar.o],
        number[bar.h],
        number[bar.l],
        number[bar.c],
        number[bar.v],
        bar.x,
        nanoseconds(wire.E),
    )


def _trade(wire: _Trade) -> AggTrade:
    return AggTrade(wire.s, wire.a, NUMBERS[wire.p], NUMBERS[wire.q], wire.m, nanoseconds(wire.T))


_CONVERT: Final[dict[type[Any], Callable[[Any], MarketEvent]]] = {
    _Mini: _mini,
    _Kline: _kline,
    _Trade: _trade,
}
