"""The account state: immutable values that `backstay.core.account` folds evidence into.

Dictionaries inside these values are never changed in place; a fold copies what it changes. Custom
counters, metrics and anything that an ignored event would move do not belong here (I-2).
"""

from decimal import Decimal

import msgspec

from backstay.core.contexts import OrderContext
from backstay.core.events import AlgoReport, BalanceRow, OrderReport, RunStarted
from backstay.core.instruments import Instrument
from backstay.core.lots import Lots
from backstay.core.scored import Book, Signal
from backstay.core.sharing import Sharing
from backstay.core.slots import SlotKey
from backstay.core.types import (
    ZERO,
    Action,
    Direction,
    PositionMode,
    Scope,
    TimeNs,
    Trust,
)

# Looked up once: an event asks for a direction several times.
LONG, SHORT, TRUSTED = Direction.LONG, Direction.SHORT, Trust.TRUSTED


class Position(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The position row of a scope, with the watermark of its evidence (O-5)."""

    quantity: Decimal
    """Signed."""
    entry_price: Decimal
    break_even: Decimal = ZERO
    isolated: bool = False
    at: TimeNs = 0
    emitted_at: TimeNs = 0
    read: bool = False
    """A read told or confirmed the row: `at` is when it was asked for, which its answer may lag behind."""
    proven_at: TimeNs = 0
    """read: stream evidence up to here is certainly in the row; what is later and differs contradicts it."""
    siblings: tuple[tuple[Decimal, Decimal], ...] = ()
    """(quantity, entry) already seen at this very watermark: one match reports several rows with one T."""

    @property
    def direction(self) -> Direction | None:
        quantity = self.quantity
        if not quantity:
            return None
        return SHORT if quantity.is_signed() else LONG


FLAT = Position(quantity=ZERO, entry_price=ZERO)


class Pending(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A mutation was registered or sent; says what will settle it (4.4) and until when."""

    ctx_id: str
    action: Action
    key: SlotKey
    epoch: int
    opened_at: TimeNs
    deadline: TimeNs = 0
    """Local time at which it expires; 0: not sent yet."""
    price: Decimal | None = None
    quantity: Decimal | None = None
    """amend: the values that confirm it."""
    expired: bool = False
    unknown: bool = False
    """amend, cancel: the outcome is unknown; the target's row decides once the window is over (8.2)."""
    recv_window_ms: int = 0


class Block(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A deterministic rejection forbids a slot, or all exposure of the scope, for a while (I-28, I-29)."""

    key: SlotKey | None
    """None: the whole EXPOSURE family."""
    effect: str
    since: TimeNs
    until: TimeNs
    """0: until its release condition (a changed position, balance, request or an operator's ack)."""
    count: int = 1
    position: Decimal = ZERO
    """Signed quantity when it arose; a change releases it."""
    fingerprint: str = ""
    """The refused request; another request is not blocked."""
    by_lot: bool = False
    """Of a lot's SELL: its premise is what that lot holds (`position`), not the whole position."""
    crowded: Decimal = ZERO
    """What was to be reduced when other orders of the closing side had left no room for it; 0: they had."""


class ScopeState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Everything known about one scope."""

    scope: Scope

    # What evidence changes most comes first: `replace` looks for each of its fields from the top.
    contexts: dict[str, OrderContext] = {}
    pendings: dict[str, Pending] = {}
    """By custom id: an order has at most one mutation under way."""
    burst_since: TimeNs = 0
    burst_last: TimeNs = 0
    orders: dict[int, OrderReport] = {}
    manual_cancels: tuple[TimeNs, ...] = ()
    """When somebody else cancelled a protective order of ours (R-10)."""
    blocks: tuple[Block, ...] = ()
    traded_at: TimeNs = 0
    """Latest venue time of an order's report that carried a trade; 0: not known."""
    generation: int = 0
    """Counts contexts ever registered in this scope."""
    stop_floor: Decimal | None = None
    algos: dict[int, AlgoReport] = {}
    naked_since: TimeNs = 0
    """Local time since when ARMED stops have not covered the whole position; 0: covered or flat."""
    fill_at: TimeNs = 0
    """Venue time of the latest fill; unmatched while later than the position's watermark (O-7)."""
    fill_seen_at: TimeNs = 0
    """Local time at which the oldest unmatched fill was seen; 0: matched."""
    position: Position = FLAT

    trust: Trust = Trust.UNHYDRATED
    reasons: tuple[str, ...] = ()
    """Why the scope is not trusted; empty when it is."""
    handling: tuple[str, ...] = ()
    """The reasons that the running recovery took over."""
    trust_epoch: int = 0
    attempts: int = 0
    """Recoveries in a row that did not end in trust, for whatever reason: they set the backoff."""
    failures: int = 0
    """Recoveries in a row that could not read; too many call for a human."""
    retry_at: TimeNs = 0
    epoch: int = 0
    opened_at: TimeNs = 0
    anchor: Decimal = ZERO
    last_fill_price: Decimal = ZERO
    last_increase_at: TimeNs = 0
    """Venue time of the latest fill that increased the position."""
    orders_read_at: TimeNs = 0
    algos_read_at: TimeNs = 0
    """Venue time at which the latest read of that whole surface was requested: absence needs both (I-8)."""
    best_price: Decimal | None = None
    last_mark: Decimal | None = None
    """Latest recorded mark price of this life."""
    flatten_since: TimeNs = 0
    flatten_reason: str = ""
    reviewed: int = 0
    """Epoch that an operator has acknowledged (`on_external_position: review`)."""
    strangers: tuple[int, ...] = ()
    """Numbers of open orders of others that an operator has acknowledged."""
    lots: Lots | None = None
    """Spot: what was bought, trade by trade."""

    signal: Signal | None = None
    """The newest score of the symbol."""
    entry_signal: Signal | None = None
    """The signal that the position, or the entry under way, follows; kept until both are over."""
    entry_since: TimeNs = 0
    """Local time at which `entry_signal` came."""
    plan_is_old: bool = False
    """It came to an earlier process: what the market has done since then, nobody has watched."""
    book: Book | None = None
    """The latest recorded top of the order book (see `BookSeen`)."""
    closed_at: TimeNs = 0
    """Venue time at which the position was last closed; 0: never."""
    realized: Decimal = ZERO
    """What the venue reported as realised in the life `epoch`, in quote currency, without fees."""
    results: tuple[tuple[TimeNs, Decimal], ...] = ()
    """(closed at, realised) of earlier lives, the latest few."""

    @property
    def trusted(self) -> bool:
        return self.trust is TRUSTED

    @property
    def matched(self) -> bool:
        return self.fill_at <= self.position.at and (self.lots is None or not self.lots.short)

    @property
    def direction(self) -> Direction | None:
        return self.position.direction


class Gate(msgspec.Struct, frozen=True, omit_defaults=True):
    """An account-wide closed door, why, since when, and until when (0: until released)."""

    reason: str
    since: TimeNs
    until: TimeNs = 0


class AccountState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The fold of all evidence for one account key."""

    run: RunStarted | None = None
    scopes: dict[Scope, ScopeState] = {}
    instruments: dict[str, Instrument] = {}
    balances: dict[str, BalanceRow] = {}
    balances_at: TimeNs = 0
    balances_told: dict[str, TimeNs] = {}
    """Spot: assets of which the stream has told lately, and when they changed: a read may lag behind it."""
    margin_free: bool = False
    """Nothing has been refused for lack of margin since balances last changed: no scope is blocked for it."""
    position_mode: PositionMode | None = None
    """What the venue says; None: not read yet."""
    multi_assets: bool = False
    can_trade: bool = True
    results: tuple[tuple[int, Decimal], ...] = ()
    """(hour of venue time, what the wallets gained or lost in it without transfers), the latest last."""
    leverages: dict[str, int] = {}
    settings: dict[str, str] = {}
    """`leverage BTCUSDT` -> what became of setting it in this run."""
    maker_fee: Decimal | None = None
    taker_fee: Decimal | None = None
    gates: dict[str, Gate] = {}
    marks: dict[str, Decimal] = {}
    """Recorded mark prices only (see `PriceReached`)."""
    connected: bool = False
    hydrated: bool = False
    """The account was hydrated at least once in this run."""
    hydrating: bool = False
    """The whole account is being read: a scope that the read introduces takes part in that recovery."""
    gap: str = ""
    """The stream was lost, or a read of the whole account failed, and it has not been read since (R-11)."""
    connected_at: TimeNs = 0
    """Local time at which the stream came up: what was sent before was heard nowhere, and proves nothing."""
    deaf_strikes: int = 0
    """Mutations in a row whose effect only a read could show; a new connection has not been heard yet and
    starts with one (4.1.2).
    """


class _Packed(msgspec.Struct, frozen=True):
    account: AccountState
    scopes: tuple[ScopeState, ...]


class _Unpacked(msgspec.Struct, frozen=True):
    account: AccountState
    scopes: tuple[msgspec.Raw, ...]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Unpacked)
_scope_decoder = msgspec.msgpack.Decoder(ScopeState)


def pack(account: AccountState) -> bytes:
    """The whole state as MessagePack: the same evidence in the same order gives the same bytes.

    Unpacking it is most of a restart that is not the ledger's tail, and takes two thirds of the time of JSON.
    """
    scopes = tuple(account.scopes[key] for key in sorted(account.scopes))
    return _encoder.encode(_Packed(msgspec.structs.replace(account, scopes={}), scopes))


def unpack(data: bytes) -> AccountState:
    """Inverse of `pack`. Raises msgspec.ValidationError on damage."""
    packed = _decoder.decode(data)
    sharing = Sharing()
    scopes: dict[Scope, ScopeState] = {}
    # One by one: what one was decoded with too much is free again before the next one needs it.
    for raw in packed.scopes:
        s = _scope_decoder.decode(raw)
        sharing.contexts(s.scope, s.contexts)
        sharing.orders(s.scope, s.orders, s.contexts)
        if s.lots is not None:
            sharing.lots(s.lots)
        scopes[s.scope] = s
    return msgspec.structs.replace(packed.account, scopes=scopes)
