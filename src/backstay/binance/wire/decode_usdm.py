"""USD-M private frames to events, in one pass over the bytes and without ever raising.

Sources: binance-usdm.md 4 (user data stream), exchange-state 10 (routing). Venue times are
milliseconds, events carry nanoseconds. What cannot be read or routed becomes `Unidentified`, which
costs trust; a known event without meaning for us, or a harmless unknown one, becomes `Ignored`.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from backstay.binance.wire import frames_usdm as frames
from backstay.binance.wire.errors import redact
from backstay.binance.wire.numbers import NUMBERS, exact_id, optional
from backstay.core.events import (
    AccountReport,
    AlgoReport,
    AnyEvent,
    BalanceRow,
    ConfigReport,
    FillNotice,
    Ignored,
    MarginCall,
    OrderReport,
    PositionRow,
    StreamChanged,
    StreamState,
    TriggerRejected,
    Unidentified,
)
from backstay.core.types import MS, ZERO

_WRAPPER: Final = b'{"stream"'


def decode_private(frame: bytes, id_prefix: str = "") -> AnyEvent:
    """Read one frame of the private stream, bare or wrapped as ``{"stream":..,"data":..}``.

    Never raises: unreadable frames come back as `Unidentified`, with redacted and truncated text. An
    event of an unknown type is `Unidentified` only when it names an id that begins with `id_prefix`.
    Answers to our own control frames (``{"result":..,"id":..}``) are `Ignored` of kind ``control``.
    """
    try:
        if frame.startswith(_WRAPPER):
            frame = bytes(frames.unwrap(frame).data)
        wire = frames.decode_frame(frame)
        return _CONVERT[type(wire)](wire)
    except Exception as error:  # noqa: BLE001 (total by contract: no frame may end the stream)
        return _unread(frame, id_prefix, error)


# --- conversions ----------------------------------------------------------------------------------------
# The two hot ones pass their arguments by position: by keyword, 28 of them take longer than all the rest.
# Tests compare every field by name, so a field that moved cannot go unnoticed.


def _order(wire: frames.OrderUpdate) -> OrderReport:
    row = wire.o
    number = NUMBERS
    charged = row.n
    reason = row.er
    return OrderReport(
        row.s,
        row.ps,
        row.i,
        row.c,
        row.S,
        row.o,
        row.X,
        row.x,
        number[row.q],
        number[row.z],
        wire.T * MS,
        wire.E * MS,
        number[row.p],
        number[row.ap],
        number[row.sp],
        row.f,
        row.R,
        row.cp,
        row.wt,
        number[row.l],
        number[row.L],
        row.t,
        # The sign of a commission is undocumented for futures; what we were charged is its size.
        number[charged.lstrip("-")] if charged else ZERO,
        row.N or "",
        number[row.rp],
        row.m,
        "" if reason == "0" else str(reason or ""),
        str(row.M),
    )


def _algo(wire: frames.AlgoUpdate) -> AlgoReport:
    row = wire.o
    return AlgoReport(
        row.s,
        row.ps,
        row.aid,
        row.caid,
        row.S,
        row.o,
        row.X,
        NUMBERS[row.q],
        wire.T * MS,
        wire.E * MS,
        optional(row.tp),
        optional(row.p),
        exact_id(row.ai),
        optional(row.aq),
        optional(row.ap),
        row.f,
        row.wt,
        row.cp,
        row.R,
        row.protect,
        activated=row.ia,
        failure=row.rm or "",
    )


def _fill(wire: frames.TradeLite) -> FillNotice:
    return FillNotice(
        symbol=wire.s,
        order_id=wire.i,
        client_id=wire.c,
        side=wire.S,
        last_qty=NUMBERS[wire.l],
        last_price=NUMBERS[wire.L],
        trade_id=wire.t,
        at=wire.T * MS,
        emitted_at=wire.E * MS,
        maker=wire.m,
    )


def _account(wire: frames.AccountUpdate) -> AccountReport:
    number = NUMBERS
    body = wire.a
    return AccountReport(
        reason=body.m,
        at=wire.T * MS,
        emitted_at=wire.E * MS,
        positions=tuple(
            [
                PositionRow(
                    symbol=row.s,
                    position_side=row.ps,
                    quantity=number[row.pa],
                    entry_price=number[row.ep],
                    break_even=optional(row.bep),
                    unrealized=number[row.up],
                    isolated=row.mt is frames.MarginType.ISOLATED,
                    isolated_wallet=number[row.iw],
                )
                for row in body.P
            ]
        ),
        balances=tuple([BalanceRow(row.a, number[row.wb], number[row.cw], number[row.bc]) for row in body.B]),
    )


def _config(wire: frames.ConfigUpdate) -> ConfigReport:
    if wire.ac is None and wire.ai is None:
        raise ValueError("ACCOUNT_CONFIG_UPDATE has neither ac nor ai")
    return ConfigReport(
        at=wire.T * MS,
        symbol=wire.ac.s if wire.ac else "",
        leverage=wire.ac.l if wire.ac else 0,
        multi_assets=wire.ai.j if wire.ai else None,
    )


def _margin_call(wire: frames.MarginCall) -> MarginCall:
    """The frame states no entry price: it stays zero, so such a row is advice and never a position."""
    return MarginCall(
        at=wire.E * MS,
        positions=tuple(
            PositionRow(
                symbol=row.s,
                position_side=row.ps,
                quantity=NUMBERS[row.pa],
                entry_price=ZERO,
                unrealized=optional(row.up),
                isolated=row.mt.lower() == "isolated",
                isolated_wallet=optional(row.iw),
                mark_price=optional(row.mp),
            )
            for row in wire.p
        ),
    )


def _trigger_rejected(wire: frames.TriggerRejected) -> TriggerRejected:
    at = wire.E if wire.T is None else wire.T
    return TriggerRejected(symbol=wire.body.s, order_id=wire.body.i, reason=wire.body.r, at=at * MS)


def _key_expired(_: frames.KeyExpired) -> StreamChanged:
    return StreamChanged(state=StreamState.EXPIRED, detail="listenKeyExpired")


_CONVERT: Final[dict[type[Any], Callable[[Any], AnyEvent]]] = {
    frames.OrderUpdate: _order,
    frames.TradeLite: _fill,
    frames.AccountUpdate: _account,
    frames.AlgoUpdate: _algo,
    frames.ConfigUpdate: _config,
    frames.MarginCall: _margin_call,
    frames.TriggerRejected: _trigger_rejected,
    frames.KeyExpired: _key_expired,
    frames.Strategy: lambda _: Ignored(kind="STRATEGY_UPDATE"),
    frames.Grid: lambda _: Ignored(kind="GRID_UPDATE"),
}

# --- what could not be read -----------------------------------------------------------------------------

_KNOWN: Final = frozenset(str(shape.__struct_config__.tag) for shape in _CONVERT)


def _unread(frame: bytes, id_prefix: str, error: Exception, *, unwrapped: bool = False) -> AnyEvent:
    """Say about a frame that did not decode as much as can be said."""
    try:
        loose = msgspec.json.decode(frame)
        if not isinstance(loose, dict):
            return Unidentified(kind="untyped", detail=_detail(frame, error))
        kind = loose.get("e")
        inner = loose.get("data")
        if kind is None and isinstance(inner, dict) and not unwrapped:
            return _reread(msgspec.json.encode(inner), id_prefix)
        if kind is None and ("result" in loose or "error" in loose):
            return Ignored(kind="control")
        if not isinstance(kind, str):
            return Unidentified(kind="untyped", detail=_detail(frame, error))
        ours = bool(id_prefix) and f'"{id_prefix}'.encode() in frame
        if kind in _KNOWN or ours:
            return Unidentified(kind=_short(kind), detail=_detail(frame, error), symbol=_symbol(loose))
        return Ignored(kind=_short(kind))
    except Exception as second:  # noqa: BLE001 (total by contract: no frame may end the stream)
        return Unidentified(kind="malformed", detail=_detail(frame, second))


def _reread(inner: bytes, id_prefix: str) -> AnyEvent:
    """A wrapper whose members stand in another order, or with spaces between."""
    try:
        wire = frames.decode_frame(inner)
        return _CONVERT[type(wire)](wire)
    except Exception as error:  # noqa: BLE001 (total by contract: no frame may end the stream)
        return _unread(inner, id_prefix, error, unwrapped=True)


def _short(kind: str) -> str:
    return redact(kind.encode("utf-8", "replace"), 48)


def _detail(frame: bytes, error: Exception) -> str:
    return redact(str(error).encode("utf-8", "replace")[:200] + b" in " + frame)


def _symbol(loose: dict[str, Any]) -> str:
    for place in (loose.get("o"), loose.get("or"), loose):
        if isinstance(place, dict) and isinstance(symbol := place.get("s"), str):
            return redact(symbol.encode("utf-8", "replace"), 32)
    return ""
