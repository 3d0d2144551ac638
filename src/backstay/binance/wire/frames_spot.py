"""Shapes of spot's user data, as the decoder sees them (binance-spot.md 7).

Every frame wraps its event as ``{"subscriptionId": .., "event": {..}}``. Fields carry the venue's own names
and stand in the order of the wire; what nothing reads is left out. Amounts stay text until `numbers`.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from backstay.binance.wire.frames_usdm import Id
from backstay.binance.wire.spot_words import SpotExecution, SpotType
from backstay.core.types import OrderStatus, Side, TimeInForce

# Milliseconds or microseconds, as the connection asked for; the ledger holds nanoseconds in 64 bits.
type Stamp = Annotated[int, Meta(ge=0, le=9_000_000_000_000_000)]
type IdOrNone = Annotated[int, Meta(ge=-1, le=2**63 - 1)]


class Execution(Struct, tag_field="e", tag="executionReport", kw_only=True, gc=False):
    E: Stamp
    s: str
    c: str
    S: Side
    o: SpotType
    f: TimeInForce
    q: str
    p: str = "0"
    P: str = "0"
    g: IdOrNone = -1
    C: str = ""
    x: SpotExecution
    X: OrderStatus
    r: str = "NONE"
    i: Id
    l: str = "0"  # noqa: E741 (the venue's name)
    z: str
    L: str = "0"
    n: str | None = None
    N: str | None = None
    T: Stamp
    t: IdOrNone = -1
    w: bool = True
    m: bool = False
    Z: str = "0"
    d: int = 0
    j: int = 0
    A: str | None = None
    expiry: str = msgspec.field(default="NONE", name="eR")


class Balance(Struct, gc=False):
    a: str
    f: str
    l: str  # noqa: E741 (the venue's name)


class Position(Struct, tag_field="e", tag="outboundAccountPosition", gc=False):
    E: Stamp
    u: Stamp
    B: tuple[Balance, ...] = ()


class BalanceUpdate(Struct, tag_field="e", tag="balanceUpdate", gc=False):
    E: Stamp
    a: str
    d: str
    T: Stamp


class ExternalLock(Struct, tag_field="e", tag="externalLockUpdate", gc=False):
    E: Stamp
    a: str
    d: str
    T: Stamp


class Leg(Struct, gc=False):
    s: str
    i: Id
    c: str


class ListStatus(Struct, tag_field="e", tag="listStatus", kw_only=True, gc=False):
    E: Stamp
    s: str
    g: Id
    c: str
    l: str  # noqa: E741 (the venue's name)
    L: str
    r: str = "NONE"
    C: str
    T: Stamp
    O: tuple[Leg, ...] = ()  # noqa: E741 (the venue's name)


class Terminated(Struct, tag_field="e", tag="eventStreamTerminated", gc=False):
    pass


class Shutdown(Struct, tag_field="e", tag="serverShutdown", gc=False):
    pass


class Wrapped(Struct, gc=False):
    event: Execution | Position | BalanceUpdate | ExternalLock | ListStatus | Terminated | Shutdown


decode_frame: Final = msgspec.json.Decoder(Wrapped).decode
