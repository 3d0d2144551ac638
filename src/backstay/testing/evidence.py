"""Builders of evidence: reports, notices, snapshots and answers with sensible defaults.

Numbers may be text or int; times are milliseconds after `builders.OPENED_AT` and become ns since the epoch.
The defaults describe a BTCUSDT account in one-way mode.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from backstay.core.account import fold
from backstay.core.contexts import OrderContext, Premise, Request
from backstay.core.events import (
    AccountModeSnapshot,
    AccountReport,
    AlgoReport,
    AlgosSnapshot,
    AnswerClass,
    AnswerReceived,
    AnyEvent,
    BalanceRow,
    BalancesSnapshot,
    Certainty,
    Effect,
    FillNotice,
    InstrumentsSnapshot,
    OrderQueried,
    OrderReport,
    OrdersSnapshot,
    PositionRow,
    PositionsSnapshot,
    RecoveryEnded,
    RecoveryStarted,
    RequestSent,
    RequestsRegistered,
    RunStarted,
    StreamChanged,
    StreamState,
)
from backstay.core.instruments import Instrument
from backstay.core.slots import Slot
from backstay.core.state import AccountState, ScopeState
from backstay.core.types import (
    MS,
    ZERO,
    Action,
    AlgoStatus,
    Direction,
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
    TimeNs,
    WorkingType,
)
from backstay.testing.builders import OPENED_AT, Number, dec, instrument

SYMBOL = "BTCUSDT"
EVERYTHING = (
    Subject.POSITIONS,
    Subject.REGULAR_ORDERS,
    Subject.ALGO_ORDERS,
    Subject.BALANCES,
    Subject.FILTERS,
    Subject.ACCOUNT_MODE,
)
_NUMBERS = frozenset(
    {
        "quantity",
        "filled",
        "price",
        "avg_price",
        "trigger",
        "last_qty",
        "last_price",
        "executed",
        "callback_rate",
    }
)
_EXECUTION = {
    OrderStatus.NEW: ExecutionType.NEW,
    OrderStatus.PARTIALLY_FILLED: ExecutionType.TRADE,
    OrderStatus.FILLED: ExecutionType.TRADE,
    OrderStatus.CANCELED: ExecutionType.CANCELED,
    OrderStatus.EXPIRED: ExecutionType.EXPIRED,
    OrderStatus.EXPIRED_IN_MATCH: ExecutionType.EXPIRED,
    OrderStatus.REJECTED: ExecutionType.REJECTED,
    OrderStatus.NEW_ADL: ExecutionType.CALCULATED,
    OrderStatus.NEW_INSURANCE: ExecutionType.CALCULATED,
}


def ms(n: float) -> TimeNs:
    """`n` milliseconds after `OPENED_AT`."""
    return OPENED_AT + int(n * MS)


def scope(side: PositionSide = PositionSide.BOTH, symbol: str = SYMBOL) -> Scope:
    return Scope(Product.USDM, symbol, side)


def _exact(fields: dict[str, Any]) -> dict[str, Any]:
    return {k: dec(v) if k in _NUMBERS and v is not None else v for k, v in fields.items()}


# --- what the venue says ------------------------------------------------------------------------


def order(
    status: OrderStatus = OrderStatus.NEW,
    *,
    order_id: int = 1,
    client_id: str = "o1",
    at: float = 0,
    **fields: Any,
) -> OrderReport:
    """A report of a SELL LIMIT of 0.010 at 60900; `execution` follows from the status unless given."""
    fields.setdefault("execution", _EXECUTION[status])
    fields.setdefault("side", Side.SELL)
    fields.setdefault("kind", OrderType.LIMIT)
    fields.setdefault("quantity", "0.010")
    fields.setdefault("price", 60900)
    fields.setdefault("filled", fields["quantity"] if status is OrderStatus.FILLED else 0)
    fields.setdefault("position_side", PositionSide.BOTH)
    fields.setdefault("symbol", SYMBOL)
    return OrderReport(order_id=order_id, client_id=client_id, status=status, at=ms(at), **_exact(fields))


def algo(
    status: AlgoStatus = AlgoStatus.NEW,
    *,
    algo_id: int = 1,
    client_id: str = "a1",
    at: float = 0,
    **fields: Any,
) -> AlgoReport:
    """A report of a close-position SELL STOP_MARKET at 57000; a `quantity` makes it a sized one."""
    fields.setdefault("side", Side.SELL)
    fields.setdefault("kind", OrderType.STOP_MARKET)
    fields.setdefault("quantity", 0)
    fields.setdefault("close_position", dec(fields["quantity"]) == ZERO)
    fields.setdefault("trigger", 57000)
    fields.setdefault("working_type", WorkingType.MARK_PRICE)
    fields.setdefault("position_side", PositionSide.BOTH)
    fields.setdefault("symbol", SYMBOL)
    return AlgoReport(algo_id=algo_id, client_id=client_id, status=status, at=ms(at), **_exact(fields))


def trade_lite(order_id: int, client_id: str, side: Side, quantity: Number, at: float) -> FillNotice:
    return FillNotice(
        symbol=SYMBOL,
        order_id=order_id,
        client_id=client_id,
        side=side,
        last_qty=dec(quantity),
        last_price=Decimal(60000),
        trade_id=int(at),
        at=ms(at),
    )


def position_row(
    quantity: Number,
    entry: Number = 60000,
    side: PositionSide = PositionSide.BOTH,
    symbol: str = SYMBOL,
    updated: float | None = None,
) -> PositionRow:
    size = dec(quantity)
    return PositionRow(
        symbol=symbol,
        position_side=side,
        quantity=size,
        entry_price=dec(entry) if size else ZERO,
        updated_at=0 if updated is None else ms(updated),
    )


def position(
    quantity: Number,
    entry: Number = 60000,
    *,
    at: float,
    side: PositionSide = PositionSide.BOTH,
    reason: str = "ORDER",
) -> AccountReport:
    """ACCOUNT_UPDATE with one signed position row."""
    row = position_row(quantity, entry, side)
    return AccountReport(reason=reason, at=ms(at), emitted_at=ms(at), positions=(row,))


def wallet(amount: Number, *, at: float, reason: str = "DEPOSIT") -> AccountReport:
    row = BalanceRow("USDT", dec(amount), dec(amount))
    return AccountReport(reason=reason, at=ms(at), emitted_at=ms(at), balances=(row,))


# --- what is read -------------------------------------------------------------------------------


def orders_read(*rows: OrderReport, at: float, symbols: tuple[str, ...] = (SYMBOL,)) -> OrdersSnapshot:
    return OrdersSnapshot(rows=rows, requested_at=ms(at), received_at=ms(at), symbols=symbols)


def algos_read(*rows: AlgoReport, at: float, symbols: tuple[str, ...] = (SYMBOL,)) -> AlgosSnapshot:
    return AlgosSnapshot(rows=rows, requested_at=ms(at), received_at=ms(at), symbols=symbols)


def positions_read(*rows: PositionRow, at: float, symbols: tuple[str, ...] = (SYMBOL,)) -> PositionsSnapshot:
    return PositionsSnapshot(rows=rows, requested_at=ms(at), received_at=ms(at), symbols=symbols)


def balances_read(amount: Number = 10_000, *, at: float) -> BalancesSnapshot:
    row = BalanceRow("USDT", dec(amount), dec(amount), available=dec(amount))
    return BalancesSnapshot(rows=(row,), requested_at=ms(at), received_at=ms(at))


def not_found(ctx_id: str, *, at: float, surface: Surface = Surface.REGULAR) -> OrderQueried:
    """The venue does not know this custom id on this surface."""
    return OrderQueried(
        symbol=SYMBOL, ctx_id=ctx_id, surface=surface, requested_at=ms(at), received_at=ms(at)
    )


def found(row: OrderReport | AlgoReport, *, at: float) -> OrderQueried:
    regular = isinstance(row, OrderReport)
    return OrderQueried(
        symbol=row.symbol,
        ctx_id=row.client_id,
        surface=Surface.REGULAR if regular else Surface.ALGO,
        requested_at=ms(at),
        received_at=ms(at),
        order=row if isinstance(row, OrderReport) else None,
        algo=row if isinstance(row, AlgoReport) else None,
    )


# --- what we do ---------------------------------------------------------------------------------


def context(
    slot: Slot,
    ctx_id: str = "o1",
    *,
    key: Scope | None = None,
    direction: Direction = Direction.LONG,
    epoch: int = 1,
    generation: int = 1,
    position: Number = "0.010",
    at: float = 0,
) -> OrderContext:
    """The durable record of an order that fills `slot`."""
    return OrderContext(
        ctx_id=ctx_id,
        scope=key or scope(),
        direction=direction,
        slot=slot,
        epoch=epoch,
        generation=generation,
        premise=Premise(epoch, dec(position)),
        created_at=ms(at),
        writer=1,
    )


def request(ctx: OrderContext, action: Action = Action.PLACE, **fields: Any) -> Request:
    """A place of the context, or an amend or cancel of its order."""
    return Request(
        ctx_id=ctx.ctx_id,
        action=action,
        scope=ctx.scope,
        key=ctx.key,
        context=ctx if action is Action.PLACE else None,
        **_exact(fields),
    )


def registered(*requests: Request) -> RequestsRegistered:
    return RequestsRegistered(requests=requests)


def sent(asked: Request, *, at: float, window_ms: int = 3000) -> RequestSent:
    return RequestSent(
        scope=asked.scope,
        ctx_id=asked.ctx_id,
        action=asked.action,
        recv_window_ms=window_ms,
        venue_time=ms(at),
    )


def accepted(asked: Request, order_id: int = 1) -> AnswerReceived:
    return AnswerReceived(
        scope=asked.scope,
        ctx_id=asked.ctx_id,
        action=asked.action,
        certainty=Certainty.EXECUTED,
        answer=AnswerClass.ACCEPTED,
        order_id=order_id,
    )


def refused(
    asked: Request, effect: Effect, *, answer: AnswerClass = AnswerClass.REJECT, **fields: Any
) -> AnswerReceived:
    return AnswerReceived(
        scope=asked.scope,
        ctx_id=asked.ctx_id,
        action=asked.action,
        certainty=Certainty.NOT_EXECUTED,
        answer=answer,
        effect=effect,
        **fields,
    )


def unanswered(asked: Request) -> AnswerReceived:
    """Nobody knows what became of the request."""
    return AnswerReceived(
        scope=asked.scope,
        ctx_id=asked.ctx_id,
        action=asked.action,
        certainty=Certainty.UNKNOWN,
        answer=AnswerClass.UNKNOWN,
        effect=Effect.UNKNOWN_OUTCOME,
    )


# --- whole accounts -----------------------------------------------------------------------------


def run(
    mode: Mode = Mode.PAPER, position_mode: PositionMode = PositionMode.ONE_WAY, *, armed: bool = True
) -> RunStarted:
    return RunStarted(
        account="test",
        mode=mode,
        environment="paper",
        position_mode=position_mode,
        id_prefix="bks",
        writer=1,
        armed=armed,
        managers="[]",
        limits="{}",
        version="0",
    )


def start_up(
    *rows: PositionRow,
    position_mode: PositionMode = PositionMode.ONE_WAY,
    mode: Mode = Mode.PAPER,
    at: float = 0,
    rules: Iterable[Instrument] = (),
) -> list[AnyEvent]:
    """The events of a start: run, stream, one complete hydration."""
    return [
        run(mode, position_mode),
        StreamChanged(state=StreamState.CONNECTED),
        RecoveryStarted(),
        AccountModeSnapshot(position_mode=position_mode, received_at=ms(at)),
        InstrumentsSnapshot(instruments=tuple(rules) or (instrument(),), received_at=ms(at)),
        positions_read(*rows, at=at, symbols=()),
        orders_read(at=at, symbols=()),
        algos_read(at=at, symbols=()),
        balances_read(at=at),
        RecoveryEnded(subjects=EVERYTHING),
    ]


def folded(account: AccountState, events: Iterable[AnyEvent], *, at: float = 0) -> AccountState:
    """The account after `events`, all taken in at one local time."""
    for event in events:
        account = fold(account, event, ms(at))
    return account


def hydrated(
    *rows: PositionRow, position_mode: PositionMode = PositionMode.ONE_WAY, at: float = 0
) -> AccountState:
    """A connected, trusted account with these positions and no orders."""
    return folded(AccountState(), start_up(*rows, position_mode=position_mode, at=at), at=at)


def state(account: AccountState, key: Scope | None = None) -> ScopeState:
    return account.scopes[key or scope()]
