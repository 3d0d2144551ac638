"""Evidence: everything that the account state can be told, as one closed union.

Four facts are never merged (exchange-state 1): an answer that a request was accepted (`AnswerReceived`),
an order row (`OrderReport`, `AlgoReport`), a trade (`FillNotice`, or a report with `execution` TRADE), a
position or balance (`AccountReport`, snapshots). Events are ledger bodies: a new field needs a default.
`at` is the venue's transaction time T in ns, `emitted_at` its event time E; local time is never in here.
"""

from decimal import Decimal
from enum import StrEnum

import msgspec

from backstay.core.contexts import Request
from backstay.core.instruments import Instrument
from backstay.core.scored import TraderEvent
from backstay.core.types import (
    ZERO,
    Action,
    AlgoStatus,
    ExecutionType,
    Mode,
    OrderStatus,
    OrderType,
    PositionMode,
    PositionSide,
    Product,
    Scope,
    Side,
    Subject,
    Surface,
    TimeInForce,
    TimeNs,
    WorkingType,
)


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", gc=False):
    """Base of all evidence; the tag is the class name. What is frozen forms no cycle, so gc is off."""


# --- what the venue says about orders -----------------------------------------------------------


class OrderReport(Event, frozen=True, tag="OrderReport"):
    """A regular order, from a push, a snapshot or a query; the newest advancing report is its row (O-3)."""

    symbol: str
    position_side: PositionSide
    order_id: int
    client_id: str
    side: Side
    kind: OrderType
    status: OrderStatus
    execution: ExecutionType
    quantity: Decimal
    filled: Decimal
    """Cumulative executed quantity, z."""
    at: TimeNs
    emitted_at: TimeNs = 0
    price: Decimal = ZERO
    avg_price: Decimal = ZERO
    trigger: Decimal = ZERO
    tif: TimeInForce = TimeInForce.GTC
    reduce_only: bool = False
    close_position: bool = False
    working_type: WorkingType = WorkingType.CONTRACT_PRICE
    last_qty: Decimal = ZERO
    last_price: Decimal = ZERO
    trade_id: int = 0
    commission: Decimal = ZERO
    commission_asset: str = ""
    realized_pnl: Decimal = ZERO
    maker: bool = False
    expiry_reason: str = ""
    modify_id: str = ""
    product: Product = Product.USDM
    list_id: int = 0
    """Spot: the order list that the order is a leg of; 0: none."""
    trailing_delta: int = 0
    """Spot: trailing distance in basis points; 0: it does not trail."""
    prevented: Decimal = ZERO
    """Spot: quantity that self-trade prevention took away (A)."""
    on_book: bool = True
    """Spot: False while a stop is not triggered, or a leg waits for its working leg."""
    label: int = 0
    """Spot: the number that the order was placed with (strategyId); a SELL of ours bears its lot."""


class AlgoReport(Event, frozen=True, tag="AlgoReport"):
    """A conditional order as the venue sees it; newest advancing report is the row (O-4)."""

    symbol: str
    position_side: PositionSide
    algo_id: int
    client_id: str
    side: Side
    kind: OrderType
    status: AlgoStatus
    quantity: Decimal
    """0 for close_position."""
    at: TimeNs
    emitted_at: TimeNs = 0
    trigger: Decimal = ZERO
    price: Decimal = ZERO
    child_order_id: int = 0
    """Id of the regular order that it became; 0 until triggered."""
    executed: Decimal = ZERO
    avg_price: Decimal = ZERO
    tif: TimeInForce = TimeInForce.GTC
    working_type: WorkingType = WorkingType.CONTRACT_PRICE
    close_position: bool = False
    reduce_only: bool = False
    price_protect: bool = False
    callback_rate: Decimal | None = None
    """Only snapshots and answers carry it; a push leaves it None."""
    activate_price: Decimal | None = None
    activated: bool = False
    failure: str = ""
    """Why the engine refused at trigger (`rm`)."""
    snapshot: bool = False
    product: Product = Product.USDM


class FillNotice(Event, frozen=True, kw_only=True, tag="FillNotice"):
    """TRADE_LITE: a trade happened; no position side, no status, no commission."""

    symbol: str
    order_id: int
    client_id: str
    side: Side
    last_qty: Decimal
    last_price: Decimal
    trade_id: int
    at: TimeNs
    emitted_at: TimeNs = 0
    maker: bool = False
    product: Product = Product.USDM


class TriggerRejected(Event, frozen=True, kw_only=True, tag="TriggerRejected"):
    """CONDITIONAL_ORDER_TRIGGER_REJECT, deprecated 2025-12-15 but still understood."""

    symbol: str
    order_id: int
    reason: str
    at: TimeNs
    product: Product = Product.USDM


class ListLeg(msgspec.Struct, frozen=True, array_like=True):
    """One order of an order list."""

    order_id: int
    client_id: str


class ListReport(Event, frozen=True, kw_only=True, tag="ListReport"):
    """Spot: an order list changed (listStatus); what became of its orders their own reports say."""

    symbol: str
    list_id: int
    client_id: str
    """listClientOrderId."""
    contingency: str
    """OCO or OTO."""
    change: str
    """listStatusType: RESPONSE, EXEC_STARTED, UPDATED, ALL_DONE."""
    status: str
    """listOrderStatus: EXECUTING, ALL_DONE, REJECT."""
    at: TimeNs
    emitted_at: TimeNs = 0
    legs: tuple[ListLeg, ...] = ()
    reject_reason: str = ""
    product: Product = Product.SPOT


# --- what the venue says about the account ------------------------------------------------------


class PositionRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One position of the venue; `quantity` is signed in one-way and in hedge mode."""

    symbol: str
    position_side: PositionSide
    quantity: Decimal
    entry_price: Decimal
    break_even: Decimal = ZERO
    """The venue's break-even price; 0 when it states none."""
    unrealized: Decimal = ZERO
    isolated: bool = False
    isolated_wallet: Decimal = ZERO
    liquidation_price: Decimal = ZERO
    mark_price: Decimal = ZERO
    updated_at: TimeNs = 0
    """Snapshots only: when the venue last changed the row."""


class BalanceRow(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    asset: str
    wallet: Decimal
    cross_wallet: Decimal
    change: Decimal = ZERO
    available: Decimal | None = None
    """Only snapshots state it."""


class AccountReport(Event, frozen=True, kw_only=True, tag="AccountReport"):
    """ACCOUNT_UPDATE: only what changed; absence from it proves nothing."""

    reason: str
    at: TimeNs
    emitted_at: TimeNs = 0
    positions: tuple[PositionRow, ...] = ()
    balances: tuple[BalanceRow, ...] = ()
    product: Product = Product.USDM


class ConfigReport(Event, frozen=True, kw_only=True, tag="ConfigReport"):
    """ACCOUNT_CONFIG_UPDATE: leverage of a symbol, or the multi-assets mode."""

    at: TimeNs
    symbol: str = ""
    leverage: int = 0
    multi_assets: bool | None = None
    product: Product = Product.USDM


class MarginCall(Event, frozen=True, kw_only=True, tag="MarginCall"):
    at: TimeNs
    positions: tuple[PositionRow, ...] = ()
    product: Product = Product.USDM


class StreamState(StrEnum):
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    EXPIRED = "expired"
    """The listen key died: nothing more will come on this key."""
    DEAF = "deaf"
    OVERLAP = "overlap"
    """A planned reconnect took over without a gap: no trust is lost."""


class StreamChanged(Event, frozen=True, kw_only=True, tag="StreamChanged"):
    """The private stream changed state. Everything but OVERLAP and a first CONNECTED costs trust."""

    state: StreamState
    detail: str = ""
    product: Product = Product.USDM


class Unidentified(Event, frozen=True, kw_only=True, tag="Unidentified"):
    """A private event that could not be read or routed; `detail` is redacted text for diagnosis."""

    kind: str
    detail: str
    symbol: str = ""
    product: Product = Product.USDM


class Ignored(Event, frozen=True, kw_only=True, tag="Ignored"):
    """A known event without meaning for us (STRATEGY_UPDATE, GRID_UPDATE), or a harmless unknown one."""

    kind: str
    product: Product = Product.USDM


# --- what was read ------------------------------------------------------------------------------
# A snapshot replaces everything inside its coverage and nothing outside (I-7). `symbols` empty: all.
# `requested_at` is venue time when the read was sent, `received_at` when its answer arrived (O-9).


class OrdersSnapshot(Event, frozen=True, kw_only=True, tag="OrdersSnapshot"):
    rows: tuple[OrderReport, ...]
    requested_at: TimeNs
    received_at: TimeNs
    symbols: tuple[str, ...] = ()
    product: Product = Product.USDM


class AlgosSnapshot(Event, frozen=True, kw_only=True, tag="AlgosSnapshot"):
    rows: tuple[AlgoReport, ...]
    requested_at: TimeNs
    received_at: TimeNs
    symbols: tuple[str, ...] = ()
    product: Product = Product.USDM


class PositionsSnapshot(Event, frozen=True, kw_only=True, tag="PositionsSnapshot"):
    rows: tuple[PositionRow, ...]
    requested_at: TimeNs
    received_at: TimeNs
    symbols: tuple[str, ...] = ()
    product: Product = Product.USDM


class BalancesSnapshot(Event, frozen=True, kw_only=True, tag="BalancesSnapshot"):
    rows: tuple[BalanceRow, ...]
    requested_at: TimeNs
    received_at: TimeNs
    product: Product = Product.USDM
    updated_at: TimeNs = 0
    """Spot: the last change of the account that is in it; 0: not stated."""


class FillRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One trade of ours from userTrades."""

    symbol: str
    position_side: PositionSide
    order_id: int
    trade_id: int
    side: Side
    price: Decimal
    quantity: Decimal
    at: TimeNs
    commission: Decimal = ZERO
    commission_asset: str = ""
    realized_pnl: Decimal = ZERO
    maker: bool = False


class FillsSnapshot(Event, frozen=True, kw_only=True, tag="FillsSnapshot"):
    symbol: str
    rows: tuple[FillRow, ...]
    requested_at: TimeNs
    received_at: TimeNs
    product: Product = Product.USDM
    from_id: int = 0
    """The read began at this trade id; 0: at a time."""
    complete: bool = True
    """False: the venue no longer serves all that was asked for."""


class InstrumentsSnapshot(Event, frozen=True, kw_only=True, tag="InstrumentsSnapshot"):
    instruments: tuple[Instrument, ...]
    received_at: TimeNs
    product: Product = Product.USDM


class LeverageRow(msgspec.Struct, frozen=True, array_like=True):
    symbol: str
    leverage: int
    isolated: bool


class AccountModeSnapshot(Event, frozen=True, kw_only=True, tag="AccountModeSnapshot"):
    """Position mode, multi-assets mode, permission to trade, leverage per symbol."""

    position_mode: PositionMode
    received_at: TimeNs
    multi_assets: bool = False
    can_trade: bool = True
    leverages: tuple[LeverageRow, ...] = ()
    maker_fee: Decimal | None = None
    taker_fee: Decimal | None = None
    product: Product = Product.USDM


class OrderQueried(Event, frozen=True, kw_only=True, tag="OrderQueried"):
    """The answer to "what became of this custom id?" on one surface. No row: not found there."""

    symbol: str
    ctx_id: str
    surface: Surface
    requested_at: TimeNs
    received_at: TimeNs
    order: OrderReport | None = None
    algo: AlgoReport | None = None
    product: Product = Product.USDM


# --- what we did --------------------------------------------------------------------------------


class RequestsRegistered(Event, frozen=True, kw_only=True, tag="RequestsRegistered"):
    """Contexts and pending actions written before the requests are sent (T-1, step 1)."""

    requests: tuple[Request, ...]
    pre_armed: bool = False


class RequestSent(Event, frozen=True, kw_only=True, tag="RequestSent"):
    """Bytes were handed to the transport. For a pre-armed context it brings the actual request."""

    scope: Scope
    ctx_id: str
    action: Action
    recv_window_ms: int
    venue_time: TimeNs = 0
    """The request's `timestamp`, in ns: with recv_window_ms it bounds when it can be accepted (8.2)."""
    request: Request | None = None


class RequestDropped(Event, frozen=True, kw_only=True, tag="RequestDropped"):
    """A registered request was not sent after all: stale premise, lost gate, nothing written."""

    scope: Scope
    ctx_id: str
    action: Action
    reason: str


class Certainty(StrEnum):
    EXECUTED = "executed"
    NOT_EXECUTED = "not_executed"
    UNKNOWN = "unknown"


class AnswerClass(StrEnum):
    """What an answer means for us (exchange-state 8.1, binance.md section 7)."""

    ACCEPTED = "ACCEPTED"
    REJECT = "REJECT"
    NOOP = "NOOP"
    RETRY = "RETRY"
    UNKNOWN = "UNKNOWN"
    STALE = "STALE"
    RISK = "RISK"
    CONFIG = "CONFIG"
    CLOCK = "CLOCK"
    LIMIT = "LIMIT"
    HALT = "HALT"


class Effect(StrEnum):
    """Which rule of 8.1 a refusal falls under; what it allows stands in `core.rejections`."""

    NONE = "none"
    SAME_ORDER = "same_order"
    GONE = "gone"
    MARGIN = "margin"
    POSITION_LIMIT = "position_limit"
    FILTER = "filter"
    MIN_NOTIONAL = "min_notional"
    WRONG_SURFACE = "wrong_surface"
    WOULD_TRIGGER = "would_trigger"
    LIST_PRICES = "list_prices"
    REDUCE_ONLY = "reduce_only"
    NO_POSITION = "no_position"
    CLOSE_POSITION_EXISTS = "close_position_exists"
    DUPLICATE_ID = "duplicate_id"
    MAX_ORDERS = "max_orders"
    POSITION_SIDE = "position_side"
    TIME_IN_FORCE = "time_in_force"
    NOT_AMENDABLE = "not_amendable"
    AMEND_IN_FLIGHT = "amend_in_flight"
    PRICE_BAND = "price_band"
    SYMBOL_CLOSED = "symbol_closed"
    REDUCE_ONLY_REGIME = "reduce_only_regime"
    LIQUIDATION = "liquidation"
    TRIGGERING = "triggering"
    CLOCK = "clock"
    THROTTLED = "throttled"
    RATE_LIMITED = "rate_limited"
    BANNED = "banned"
    KEYS = "keys"
    UNKNOWN_OUTCOME = "unknown_outcome"
    NOT_SENT = "not_sent"
    UNCLASSIFIED = "unclassified"


class AnswerReceived(Event, frozen=True, kw_only=True, tag="AnswerReceived"):
    """The venue's answer to a mutation, classified; or the fact that none came."""

    scope: Scope
    ctx_id: str
    action: Action
    certainty: Certainty
    answer: AnswerClass
    effect: Effect = Effect.NONE
    code: int = 0
    message: str = ""
    order_id: int = 0
    """Exchange id on the surface of the request, when the answer carries one."""
    retry_after_ms: int = 0
    at: TimeNs = 0


class TimePassed(Event, frozen=True, kw_only=True, tag="TimePassed"):
    """A timer: deadlines of this scope that lie before now have passed."""

    scope: Scope


class PriceReached(Event, frozen=True, kw_only=True, tag="PriceReached"):
    """The mark price crossed a watch of the strategy (or a stop's trigger); nothing else is recorded."""

    symbol: str
    price: Decimal
    at: TimeNs
    product: Product = Product.USDM


class RecoveryStarted(Event, frozen=True, kw_only=True, tag="RecoveryStarted"):
    """Reads begin; `scopes` empty means the whole account."""

    scopes: tuple[Scope, ...] = ()


class RecoveryEnded(Event, frozen=True, kw_only=True, tag="RecoveryEnded"):
    """Snapshots are applied and buffered events replayed (or `failure` says why not)."""

    subjects: tuple[Subject, ...]
    scopes: tuple[Scope, ...] = ()
    failure: str = ""


class TrustLost(Event, frozen=True, kw_only=True, tag="TrustLost"):
    """A reason outside the fold's sight costs trust (clock offset, operator, owner lost ...)."""

    reason: str
    scopes: tuple[Scope, ...] = ()


# --- what the operator and the program say ------------------------------------------------------


class OperatorAction(StrEnum):
    PAUSE = "pause"
    RESUME = "resume"
    ACK = "ack"
    KILL = "kill"
    CLOSE = "close"
    FORGET = "forget"


class OperatorCommand(Event, frozen=True, kw_only=True, tag="OperatorCommand"):
    """An operator's word, audited like a fill. `scope` None: the whole account."""

    action: OperatorAction
    who: str
    scope: Scope | None = None
    reason: str = ""
    cancel_foreign: bool = False
    lot: int = 0
    """Spot: CLOSE or FORGET this one lot (trade id of its BUY); 0: the whole scope."""
    price: Decimal | None = None
    """CLOSE of a lot: the limit asked for; None: at market."""


class GateChanged(Event, frozen=True, kw_only=True, tag="GateChanged"):
    """An account-wide gate rose or fell (rate_limited, venue_halt, mode_not_armed ...)."""

    gate: str
    active: bool
    reason: str = ""
    until: TimeNs = 0


class RunStarted(Event, frozen=True, kw_only=True, tag="RunStarted"):
    """A process took ownership, before which nothing was sent for `quiet_ms`; its configuration is JSON."""

    account: str
    mode: Mode
    environment: str
    position_mode: PositionMode
    id_prefix: str
    writer: int
    armed: bool
    """Both locks of the mode are open: the mode may send, and sending was enabled."""
    managers: str
    limits: str
    version: str
    quiet_ms: int = 0


class RunStopped(Event, frozen=True, kw_only=True, tag="RunStopped"):
    reason: str


type AnyEvent = (
    OrderReport
    | AlgoReport
    | FillNotice
    | TriggerRejected
    | ListReport
    | AccountReport
    | ConfigReport
    | MarginCall
    | StreamChanged
    | Unidentified
    | Ignored
    | OrdersSnapshot
    | AlgosSnapshot
    | PositionsSnapshot
    | BalancesSnapshot
    | FillsSnapshot
    | InstrumentsSnapshot
    | AccountModeSnapshot
    | OrderQueried
    | RequestsRegistered
    | RequestSent
    | RequestDropped
    | AnswerReceived
    | TimePassed
    | PriceReached
    | RecoveryStarted
    | RecoveryEnded
    | TrustLost
    | OperatorCommand
    | GateChanged
    | RunStarted
    | RunStopped
    | TraderEvent
)
