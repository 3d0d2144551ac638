"""Shapes of USD-M private frames, as the decoder sees them (binance-usdm.md 4).

Fields carry the venue's own names and stand in the order of the wire, because the decoder guesses the next
key by it. Amounts stay text here: `numbers.NUMBERS` makes them exact, faster than the decoder would.
Fields that nothing reads are left out and skipped.
"""

from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Raw, Struct

from backstay.core.types import (
    AlgoStatus,
    ExecutionType,
    OrderStatus,
    OrderType,
    PositionSide,
    Side,
    TimeInForce,
    WorkingType,
)

# The ledger holds 64-bit integers: a larger number in a frame is damage, found here.
type Millis = Annotated[int, Meta(ge=0, le=9_000_000_000_000)]
type Id = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class Order(Struct, kw_only=True, gc=False):
    s: str
    c: str
    S: Side
    o: OrderType
    f: TimeInForce
    q: str
    p: str = "0"
    ap: str = "0"
    sp: str = "0"
    x: ExecutionType
    X: OrderStatus
    i: Id
    l: str = "0"  # noqa: E741 (the venue's name)
    z: str
    L: str = "0"
    n: str | None = None
    N: str | None = None
    t: Id = 0
    m: bool = False
    R: bool = False
    wt: WorkingType = WorkingType.CONTRACT_PRICE
    ps: PositionSide
    cp: bool = False
    rp: str = "0"
    er: str | int = "0"
    M: str | int = ""


class OrderUpdate(Struct, tag_field="e", tag="ORDER_TRADE_UPDATE", gc=False):
    E: Millis
    T: Millis
    o: Order


class TradeLite(Struct, tag_field="e", tag="TRADE_LITE", gc=False):
    E: Millis
    T: Millis
    s: str
    c: str
    S: Side
    L: str
    l: str  # noqa: E741 (the venue's name)
    t: Id
    i: Id
    m: bool = False


class MarginType(StrEnum):
    """The stream's spelling; REST writes other cases."""

    CROSS = "cross"
    CROSSED = "crossed"
    ISOLATED = "isolated"


class Balance(Struct, gc=False):
    a: str
    wb: str
    cw: str
    bc: str = "0"


class Position(Struct, gc=False):
    s: str
    pa: str
    ps: PositionSide
    ep: str
    bep: str | None = None
    up: str = "0"
    mt: MarginType = MarginType.CROSS
    iw: str = "0"


class Account(Struct, gc=False):
    m: str
    B: tuple[Balance, ...] = ()
    P: tuple[Position, ...] = ()


class AccountUpdate(Struct, tag_field="e", tag="ACCOUNT_UPDATE", gc=False):
    E: Millis
    T: Millis
    a: Account


class Algo(Struct, gc=False):
    caid: str
    aid: Id
    o: OrderType
    s: str
    S: Side
    ps: PositionSide
    f: TimeInForce
    q: str
    X: AlgoStatus
    ai: str | int | None = ""
    ap: str | None = None
    aq: str | None = None
    tp: str | None = None
    p: str | None = None
    wt: WorkingType = WorkingType.CONTRACT_PRICE
    cp: bool = False
    protect: bool = msgspec.field(default=False, name="pP")
    R: bool = False
    rm: str | None = None
    ia: bool = False


class AlgoUpdate(Struct, tag_field="e", tag="ALGO_UPDATE", gc=False):
    T: Millis
    E: Millis
    o: Algo


class Leverage(Struct, gc=False):
    s: str
    l: int  # noqa: E741 (the venue's name)


class AssetsMode(Struct, gc=False):
    j: bool


class ConfigUpdate(Struct, tag_field="e", tag="ACCOUNT_CONFIG_UPDATE", gc=False):
    E: Millis
    T: Millis
    ac: Leverage | None = None
    ai: AssetsMode | None = None


class Called(Struct, gc=False):
    s: str
    ps: PositionSide
    pa: str
    mt: str = "cross"
    iw: str | None = None
    mp: str | None = None
    up: str | None = None


class MarginCall(Struct, tag_field="e", tag="MARGIN_CALL", gc=False):
    E: Millis
    p: tuple[Called, ...] = ()


class TriggerReject(Struct, gc=False):
    s: str
    i: Id
    r: str = ""


class TriggerRejected(
    Struct, tag_field="e", tag="CONDITIONAL_ORDER_TRIGGER_REJECT", rename={"body": "or"}, gc=False
):
    E: Millis
    body: TriggerReject
    T: Millis | None = None


class KeyExpired(Struct, tag_field="e", tag="listenKeyExpired", gc=False):
    pass


class Strategy(Struct, tag_field="e", tag="STRATEGY_UPDATE", gc=False):
    pass


class Grid(Struct, tag_field="e", tag="GRID_UPDATE", gc=False):
    pass


class Wrapped(Struct, gc=False):
    data: Raw
    stream: str = ""


decode_frame: Final = msgspec.json.Decoder(
    OrderUpdate
    | TradeLite
    | AccountUpdate
    | AlgoUpdate
    | ConfigUpdate
    | MarginCall
    | TriggerRejected
    | KeyExpired
    | Strategy
    | Grid
).decode
unwrap: Final = msgspec.json.Decoder(Wrapped).decode
