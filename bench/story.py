"""A realistic account history as evidence: lives of positions, round robin over many symbols.

One life is what the product records about one entry that fills, is protected and ends by its take-profit: 24
records of nine kinds, in the venue's usual order. Ids and times grow, so nothing is a duplicate of anything.
"""

from collections.abc import Iterator
from decimal import Decimal

from backstay.core.contexts import OrderContext, Phase, Premise, Request
from backstay.core.decisions import Act, Converged, Intent, Wait
from backstay.core.events import (
    AccountModeSnapshot,
    AccountReport,
    AlgoReport,
    AnswerClass,
    AnswerReceived,
    BalanceRow,
    BalancesSnapshot,
    Certainty,
    FillNotice,
    InstrumentsSnapshot,
    OrderReport,
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
from backstay.core.records import Body, Decided
from backstay.core.slots import Slot, SlotKey, surface_of
from backstay.core.types import (
    MS,
    ZERO,
    Action,
    AlgoStatus,
    Direction,
    ExecutionType,
    Family,
    Mode,
    OrderStatus,
    OrderType,
    PositionMode,
    PositionSide,
    Product,
    Role,
    Scope,
    Side,
    Subject,
    TimeInForce,
    TimeNs,
    WorkingType,
)
from backstay.testing.builders import instrument

T0: TimeNs = 1_767_225_600_000_000_000
SIZE, PRICE = Decimal("0.015"), Decimal("64250.1")
FEE, GAIN = Decimal("0.19275030"), Decimal("14.4570")
ENTRY = Slot(key=SlotKey(Role.ENTRY), side=Side.BUY, kind=OrderType.LIMIT, price=PRICE, quantity=SIZE)
STOP = Slot(
    key=SlotKey(Role.SL),
    side=Side.SELL,
    kind=OrderType.STOP_MARKET,
    trigger=Decimal("63607.6"),
    close_position=True,
)
PROFIT = Slot(
    key=SlotKey(Role.TP),
    side=Side.SELL,
    kind=OrderType.LIMIT,
    price=Decimal("65213.9"),
    quantity=SIZE,
    reduce_only=True,
)


def scope(i: int) -> Scope:
    return Scope(Product.USDM, f"B{i:03d}USDT", PositionSide.BOTH)


def beginning(scopes: int) -> list[Body]:
    """A run, a stream, and a hydrated account without positions."""
    symbols = tuple(instrument(f"B{i:03d}USDT") for i in range(scopes))
    return [
        RunStarted(
            account="bench",
            mode=Mode.TESTNET,
            environment="bench",
            position_mode=PositionMode.ONE_WAY,
            id_prefix="bs-",
            writer=1,
            armed=True,
            managers="[]",
            limits="{}",
            version="bench",
        ),
        StreamChanged(state=StreamState.CONNECTED),
        RecoveryStarted(),
        AccountModeSnapshot(position_mode=PositionMode.ONE_WAY, received_at=T0),
        InstrumentsSnapshot(instruments=symbols, received_at=T0),
        PositionsSnapshot(rows=(), requested_at=T0, received_at=T0),
        BalancesSnapshot(
            rows=(BalanceRow("USDT", Decimal(100_000), Decimal(100_000), available=Decimal(99_000)),),
            requested_at=T0,
            received_at=T0,
        ),
        RecoveryEnded(subjects=tuple(Subject)),
    ]


class Life:
    """One position from its entry to its end. `at` is venue time and local time in one."""

    def __init__(self, key: Scope, number: int, epoch: int, at: TimeNs) -> None:
        self.key, self.number, self.epoch, self.at = key, number, epoch, at
        self.names = {
            slot.key.role: f"bs-{role}{number:025d}"
            for role, slot in zip("esp", (ENTRY, STOP, PROFIT), strict=True)
        }

    def records(self) -> Iterator[Body]:
        yield from self.enter()
        yield from self.fill()
        yield from self.end()

    def enter(self) -> Iterator[Body]:
        yield self.decided(Family.EXPOSURE, ENTRY)
        yield RequestsRegistered(
            requests=(self.request(STOP, Phase.PRE_ARMED), self.request(PROFIT, Phase.PRE_ARMED)),
            pre_armed=True,
        )
        yield RequestsRegistered(requests=(self.request(ENTRY),))
        yield self.sent(ENTRY)
        yield self.answered(ENTRY)
        yield self.order(ENTRY, OrderStatus.NEW, ExecutionType.NEW)
        yield Decided(self.key, Converged())

    def fill(self) -> Iterator[Body]:
        self.at += 1000 * MS
        yield self.notice(ENTRY)
        yield self.account(SIZE, PRICE)
        yield self.decided(Family.PROTECT, STOP, PROFIT)
        yield self.sent(STOP, self.request(STOP))
        yield self.sent(PROFIT, self.request(PROFIT))
        yield self.order(ENTRY, OrderStatus.FILLED, ExecutionType.TRADE)
        yield Decided(self.key, Wait("confirmation place:SL/0"))
        yield self.answered(STOP)
        yield self.answered(PROFIT)
        yield self.algo(AlgoStatus.NEW)
        yield self.order(PROFIT, OrderStatus.NEW, ExecutionType.NEW)
        yield Decided(self.key, Converged())

    def end(self) -> Iterator[Body]:
        self.at += 5000 * MS
        yield self.notice(PROFIT)
        yield self.account(ZERO, ZERO)
        yield self.order(PROFIT, OrderStatus.FILLED, ExecutionType.TRADE)
        yield self.algo(AlgoStatus.EXPIRED)
        yield Decided(self.key, Converged())

    # --- the parts ----------------------------------------------------------------------------------

    def request(self, slot: Slot, phase: Phase = Phase.REGISTERED) -> Request:
        name = self.names[slot.key.role]
        context = OrderContext(
            ctx_id=name,
            scope=self.key,
            direction=Direction.LONG,
            slot=slot,
            epoch=self.epoch,
            generation=self.number,
            premise=Premise(self.epoch, ZERO),
            created_at=self.at,
            phase=phase,
            parent="" if slot is ENTRY else self.names[Role.ENTRY],
        )
        return Request(ctx_id=name, action=Action.PLACE, scope=self.key, key=slot.key, context=context)

    def decided(self, family: Family, *slots: Slot) -> Decided:
        intents = tuple(
            Intent(
                action=Action.PLACE,
                key=s.key,
                premise=Premise(self.epoch, ZERO),
                slot=s,
                surface=surface_of(self.key.product, s.kind),
            )
            for s in slots
        )
        return Decided(self.key, Act(family, intents, "bench"))

    def sent(self, slot: Slot, request: Request | None = None) -> RequestSent:
        return RequestSent(
            scope=self.key,
            ctx_id=self.names[slot.key.role],
            action=Action.PLACE,
            recv_window_ms=3000,
            venue_time=self.at,
            request=request,
        )

    def answered(self, slot: Slot) -> AnswerReceived:
        return AnswerReceived(
            scope=self.key,
            ctx_id=self.names[slot.key.role],
            action=Action.PLACE,
            certainty=Certainty.EXECUTED,
            answer=AnswerClass.ACCEPTED,
            order_id=self.order_id(slot),
            at=self.at,
        )

    def order_id(self, slot: Slot) -> int:
        return 8_000_000_000 + 3 * self.number + (0 if slot is ENTRY else 1 if slot is STOP else 2)

    def order(self, slot: Slot, status: OrderStatus, execution: ExecutionType) -> OrderReport:
        full = status is OrderStatus.FILLED
        return OrderReport(
            symbol=self.key.symbol,
            position_side=PositionSide.BOTH,
            order_id=self.order_id(slot),
            client_id=self.names[slot.key.role],
            side=slot.side,
            kind=slot.kind,
            status=status,
            execution=execution,
            quantity=SIZE,
            filled=SIZE if full else ZERO,
            at=self.at,
            emitted_at=self.at + MS,
            price=slot.price or ZERO,
            avg_price=(slot.price or ZERO) if full else ZERO,
            reduce_only=slot.reduce_only,
            last_qty=SIZE if full else ZERO,
            last_price=(slot.price or ZERO) if full else ZERO,
            trade_id=self.order_id(slot) if full else 0,
            commission=FEE if full else ZERO,
            commission_asset="USDT" if full else "",
            realized_pnl=GAIN if full and slot is PROFIT else ZERO,
        )

    def algo(self, status: AlgoStatus) -> AlgoReport:
        return AlgoReport(
            symbol=self.key.symbol,
            position_side=PositionSide.BOTH,
            algo_id=self.order_id(STOP),
            client_id=self.names[Role.SL],
            side=Side.SELL,
            kind=OrderType.STOP_MARKET,
            status=status,
            quantity=ZERO,
            at=self.at,
            emitted_at=self.at + MS,
            trigger=STOP.trigger or ZERO,
            working_type=WorkingType.MARK_PRICE,
            close_position=True,
            reduce_only=True,
            tif=TimeInForce.GTE_GTC,
        )

    def notice(self, slot: Slot) -> FillNotice:
        return FillNotice(
            symbol=self.key.symbol,
            order_id=self.order_id(slot),
            client_id=self.names[slot.key.role],
            side=slot.side,
            last_qty=SIZE,
            last_price=slot.price or ZERO,
            trade_id=self.order_id(slot),
            at=self.at,
            emitted_at=self.at + MS,
        )

    def account(self, quantity: Decimal, entry: Decimal) -> AccountReport:
        row = PositionRow(
            symbol=self.key.symbol,
            position_side=PositionSide.BOTH,
            quantity=quantity,
            entry_price=entry,
            break_even=entry,
            unrealized=FEE if quantity else ZERO,
        )
        wallet = Decimal(100_000) - self.number * Decimal("0.01")
        return AccountReport(
            reason="ORDER",
            at=self.at,
            emitted_at=self.at + MS,
            positions=(row,),
            balances=(BalanceRow("USDT", wallet, wallet),),
        )


def foreign(key: Scope, number: int, status: OrderStatus, at: TimeNs) -> OrderReport:
    """An order of somebody else, resting or cancelled."""
    return OrderReport(
        symbol=key.symbol,
        position_side=PositionSide.BOTH,
        order_id=9_000_000_000 + number,
        client_id=f"web_{number:025d}",
        side=Side.BUY,
        kind=OrderType.LIMIT,
        status=status,
        execution=ExecutionType.NEW if status is OrderStatus.NEW else ExecutionType.CANCELED,
        quantity=SIZE,
        filled=ZERO,
        at=at,
        emitted_at=at + MS,
        price=PRICE - number % 1000,
    )


def history(scopes: int, lives: int) -> Iterator[tuple[TimeNs, Body]]:
    """(local time, record) of `lives` lives, one symbol after the other."""
    for body in beginning(scopes):
        yield T0, body
    for number in range(1, lives + 1):
        life = Life(scope(number % scopes), number, 1 + (number - 1) // scopes, T0 + number * 10_000 * MS)
        for body in life.records():
            yield life.at, body
