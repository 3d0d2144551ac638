"""Spot's user data to events, in one pass over the bytes and without ever raising.

Sources: binance-spot.md 7 (events), exchange-state 10 (routing). `c` of a cancelled order is the id of the
cancel, and its own stands in `C`; an amended order is called by its new id from then on. Balances come as
deltas: what is not named has not changed.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import msgspec

from backstay.binance.wire import frames_spot as frames
from backstay.binance.wire.errors import redact
from backstay.binance.wire.numbers import NUMBERS, optional
from backstay.binance.wire.spot_words import (
    EXECUTIONS,
    SpotExecution,
    kind_of,
    nanoseconds,
    tif_of,
)
from backstay.core.events import (
    AccountReport,
    AnyEvent,
    BalanceRow,
    Ignored,
    ListLeg,
    ListReport,
    OrderReport,
    StreamChanged,
    StreamState,
    Unidentified,
)
from backstay.core.types import ZERO, PositionSide, Product, WorkingType

SHUTDOWN: Final = "serverShutdown"
"""Detail of the StreamChanged that asks for a new connection while this one still delivers."""
_SPOT: Final = Product.SPOT
_CANCEL: Final = SpotExecution.CANCELED


def decode_spot(frame: bytes, id_prefix: str = "") -> AnyEvent:
    """Read one frame of a subscribed WebSocket API connection.

    Never raises: unreadable frames come back as `Unidentified`, with redacted and truncated text. An event
    of an unknown type is `Unidentified` only when it names an id that begins with `id_prefix`. Answers to
    requests (``{"id":..,"status":..}``) are `Ignored` of kind ``control``.
    """
    try:
        wire = frames.decode_frame(frame).event
        return _CONVERT[type(wire)](wire)
    except Exception as error:  # noqa: BLE001 (total by contract: no frame may end the stream)
        return _unread(frame, id_prefix, error)


# --- conversions ----------------------------------------------------------------------------------------


def _execution(wire: frames.Execution) -> OrderReport:
    number = NUMBERS
    done, spent = number[wire.z], number[wire.Z]
    charged = wire.n
    execution = wire.x
    return OrderReport(
        wire.s,
        PositionSide.BOTH,
        wire.i,
        wire.C if execution is _CANCEL and wire.C else wire.c,
        wire.S,
        kind_of(wire.o, wire.d),
        wire.X,
        EXECUTIONS[execution],
        number[wire.q],
        done,
        nanoseconds(wire.T),
        nanoseconds(wire.E),
        number[wire.p],
        spent / done if done else ZERO,
        number[wire.P],
        tif_of(wire.o, wire.f),
        False,
        False,
        WorkingType.CONTRACT_PRICE,
        number[wire.l],
        number[wire.L],
        max(wire.t, 0),
        number[charged] if charged else ZERO,
        wire.N or "",
        ZERO,
        wire.m,
        _reason(wire),
        "",
        _SPOT,
        max(wire.g, 0),
        wire.d,
        optional(wire.A),
        wire.w,
        wire.j,
    )


def _reason(wire: frames.Execution) -> str:
    if wire.expiry != "NONE":
        return wire.expiry
    return wire.r if wire.r != "NONE" else ""


def _position(wire: frames.Position) -> AccountReport:
    return AccountReport(
        reason="outboundAccountPosition",
        at=nanoseconds(wire.u),
        emitted_at=nanoseconds(wire.E),
        balances=tuple([_balance(row.a, NUMBERS[row.f], NUMBERS[row.l]) for row in wire.B]),
        product=_SPOT,
    )


def _balance(asset: str, free: Decimal, locked: Decimal) -> BalanceRow:
    return BalanceRow(asset, free + locked, free, available=free)


def _moved(wire: frames.BalanceUpdate | frames.ExternalLock) -> Ignored:
    """A signed change, told for people: the balance itself follows as outboundAccountPosition."""
    return Ignored(kind=f"{type(wire).__struct_config__.tag} {wire.a} {NUMBERS[wire.d]}"[:64], product=_SPOT)


def _list(wire: frames.ListStatus) -> ListReport:
    return ListReport(
        symbol=wire.s,
        list_id=wire.g,
        client_id=wire.C,
        contingency=wire.c,
        change=wire.l,
        status=wire.L,
        at=nanoseconds(wire.T),
        emitted_at=nanoseconds(wire.E),
        legs=tuple([ListLeg(leg.i, leg.c) for leg in wire.O]),
        reject_reason=wire.r if wire.r != "NONE" else "",
    )


def _ended(_: frames.Terminated) -> StreamChanged:
    return StreamChanged(state=StreamState.EXPIRED, detail="eventStreamTerminated", product=_SPOT)


def _shutdown(_: frames.Shutdown) -> StreamChanged:
    return StreamChanged(state=StreamState.OVERLAP, detail=SHUTDOWN, product=_SPOT)


_CONVERT: Final[dict[type[Any], Callable[[Any], AnyEvent]]] = {
    frames.Execution: _execution,
    frames.Position: _position,
    frames.BalanceUpdate: _moved,
    frames.ExternalLock: _moved,
    frames.ListStatus: _list,
    frames.Terminated: _ended,
    frames.Shutdown: _shutdown,
}

# --- what could not be read -----------------------------------------------------------------------------

_KNOWN: Final = frozenset(str(shape.__struct_config__.tag) for shape in _CONVERT)


def _unread(frame: bytes, id_prefix: str, error: Exception) -> AnyEvent:
    """Say about a frame that did not decode as much as can be said."""
    try:
        loose = msgspec.json.decode(frame)
        if not isinstance(loose, dict):
            return _nameless("untyped", frame, error)
        inner = loose.get("event")
        if "status" in loose and not isinstance(inner, dict):
            return Ignored(kind="control", product=_SPOT)
        kind = inner.get("e") if isinstance(inner, dict) else None
        if not isinstance(kind, str) or not isinstance(inner, dict):
            return _nameless("untyped", frame, error)
        ours = bool(id_prefix) and f'"{id_prefix}'.encode() in frame
        if kind in _KNOWN or ours:
            symbol = inner.get("s")
            return Unidentified(
                kind=_short(kind),
                detail=_detail(frame, error),
                symbol=redact(symbol.encode("utf-8", "replace"), 32) if isinstance(symbol, str) else "",
                product=_SPOT,
            )
        return Ignored(kind=_short(kind), product=_SPOT)
    except Exception as second:  # noqa: BLE001 (total by contract: no frame may end the stream)
        return _nameless("malformed", frame, second)


def _nameless(kind: str, frame: bytes, error: Exception) -> Unidentified:
    return Unidentified(kind=kind, detail=_detail(frame, error), product=_SPOT)


def _short(kind: str) -> str:
    return redact(kind.encode("utf-8", "replace"), 48)


def _detail(frame: bytes, error: Exception) -> str:
    return redact(str(error).encode("utf-8", "replace")[:200] + b" in " + frame)
