"""A tiny venue: the events that an account receives when orders are placed, filled, moved and triggered.

It has no matching engine and no margin: the test says what happens, the model says which reports follow and
keeps them consistent. One symbol, one-way or hedge mode. The reports of one match come in the venue's usual
order (TRADE_LITE, ACCOUNT_UPDATE, ORDER_TRADE_UPDATE); a test may permute them. Not the simulated exchange
that the product runs against: that one shares no code with the core, this one speaks the core's own words.
"""

from decimal import Decimal

import msgspec
from msgspec.structs import replace

from backstay.core import algo_orders, orders
from backstay.core.events import (
    AccountReport,
    AlgoReport,
    AlgosSnapshot,
    AnyEvent,
    FillNotice,
    OrderReport,
    OrdersSnapshot,
    PositionRow,
    PositionsSnapshot,
)
from backstay.core.types import (
    CONDITIONAL,
    MS,
    ZERO,
    AlgoStatus,
    ExecutionType,
    OrderStatus,
    OrderType,
    PositionMode,
    PositionSide,
    Side,
    TimeInForce,
    TimeNs,
    WorkingType,
)
from backstay.testing.builders import OPENED_AT


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """An order as a client words it."""

    client_id: str
    side: Side
    kind: OrderType = OrderType.LIMIT
    position_side: PositionSide = PositionSide.BOTH
    quantity: Decimal = ZERO
    price: Decimal = ZERO
    trigger: Decimal = ZERO
    reduce_only: bool = False
    close_position: bool = False
    working_type: WorkingType = WorkingType.CONTRACT_PRICE
    callback_rate: Decimal | None = None
    activate_price: Decimal | None = None


class Refusal(Exception):
    """The venue does not take the request; `code` is its error code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code} {message}")
        self.code = code


class VenueModel:
    """Orders and positions of one symbol of one account. Every change returns its events."""

    def __init__(
        self, mode: PositionMode = PositionMode.ONE_WAY, symbol: str = "BTCUSDT", at: TimeNs = OPENED_AT
    ) -> None:
        self.mode = mode
        self.symbol = symbol
        self.now = at
        self.orders: dict[str, OrderReport] = {}
        """By custom id, the latest report of every regular order, ended ones included."""
        self.algos: dict[str, AlgoReport] = {}
        self.positions: dict[PositionSide, tuple[Decimal, Decimal]] = {}
        """(signed quantity, entry price) per venue side."""
        self._moved_at: dict[PositionSide, TimeNs] = {}
        self._ids = 1000

    def tick(self, milliseconds: int = 1) -> None:
        self.now += milliseconds * MS

    # --- orders ---------------------------------------------------------------------------------

    def place(self, ask: Ask) -> list[AnyEvent]:
        """NEW on the surface of the order's kind. Raises Refusal for what -4130 and -4116 forbid."""
        self.tick()
        if ask.client_id in self._open_ids():
            raise Refusal(-4116, "ClientOrderId is duplicated.")
        if ask.kind in CONDITIONAL:
            if ask.close_position and self._closer(ask) is not None:
                raise Refusal(-4130, "An open stop order with closePosition in the direction is existing.")
            return [self._arm(ask)]
        row = OrderReport(
            symbol=self.symbol,
            position_side=ask.position_side,
            order_id=self._next(),
            client_id=ask.client_id,
            side=ask.side,
            kind=ask.kind,
            status=OrderStatus.NEW,
            execution=ExecutionType.NEW,
            quantity=ask.quantity,
            filled=ZERO,
            at=self.now,
            emitted_at=self.now,
            price=ask.price,
            reduce_only=ask.reduce_only,
        )
        self.orders[ask.client_id] = row
        return [row]

    def _arm(self, ask: Ask) -> AlgoReport:
        closing = ask.close_position
        row = AlgoReport(
            symbol=self.symbol,
            position_side=ask.position_side,
            algo_id=self._next(),
            client_id=ask.client_id,
            side=ask.side,
            kind=ask.kind,
            status=AlgoStatus.NEW,
            quantity=ZERO if closing else ask.quantity,
            at=self.now,
            emitted_at=self.now,
            trigger=ask.trigger,
            price=ask.price,
            tif=TimeInForce.GTE_GTC if closing else TimeInForce.GTC,
            working_type=ask.working_type,
            close_position=closing,
            reduce_only=ask.reduce_only or closing,
        )
        self.algos[ask.client_id] = row
        return row

    def _closer(self, ask: Ask) -> AlgoReport | None:
        for row in self.algos.values():
            same = row.close_position and row.side is ask.side and row.position_side is ask.position_side
            if same and row.kind is ask.kind and algo_orders.is_open(row):
                return row
        return None

    def cancel(self, client_id: str) -> list[AnyEvent]:
        """CANCELED. Raises Refusal when the order is not open (-2011)."""
        self.tick()
        if client_id in self.algos and algo_orders.is_open(self.algos[client_id]):
            return [self._algo(client_id, AlgoStatus.CANCELED)]
        return [self._end(client_id, OrderStatus.CANCELED, ExecutionType.CANCELED)]

    def expire(self, client_id: str) -> list[AnyEvent]:
        """EXPIRED on the order's own surface."""
        self.tick()
        if client_id in self.algos and algo_orders.is_open(self.algos[client_id]):
            return [self._algo(client_id, AlgoStatus.EXPIRED)]
        return [self._end(client_id, OrderStatus.EXPIRED, ExecutionType.EXPIRED)]

    def amend(self, client_id: str, price: Decimal, quantity: Decimal) -> list[AnyEvent]:
        """AMENDMENT; CANCELED when the new total is not above what is filled (R-23)."""
        self.tick()
        row = self._open_order(client_id)
        if (row.price, row.quantity) == (price, quantity):
            raise Refusal(-5027, "No need to modify the order.")
        if quantity <= row.filled:
            return [self._end(client_id, OrderStatus.CANCELED, ExecutionType.CANCELED)]
        after = replace(
            row,
            price=price,
            quantity=quantity,
            execution=ExecutionType.AMENDMENT,
            at=self.now,
            emitted_at=self.now,
            last_qty=ZERO,
            last_price=ZERO,
            trade_id=0,
        )
        self.orders[client_id] = after
        return [after]

    # --- fills ----------------------------------------------------------------------------------

    def fill(
        self, client_id: str, quantity: Decimal | None = None, price: Decimal | None = None
    ) -> list[AnyEvent]:
        """One match: three reports with one transaction time, and what a closed position ends."""
        self.tick()
        row = self._open_order(client_id)
        left = row.quantity - row.filled
        size = left if quantity is None else min(quantity, left)
        at_price = price if price is not None else row.price
        done = row.filled + size == row.quantity
        trade = self._next()
        after = replace(
            row,
            filled=row.filled + size,
            avg_price=at_price,
            status=OrderStatus.FILLED if done else OrderStatus.PARTIALLY_FILLED,
            execution=ExecutionType.TRADE,
            at=self.now,
            emitted_at=self.now,
            last_qty=size,
            last_price=at_price,
            trade_id=trade,
        )
        self.orders[client_id] = after
        notice = FillNotice(
            symbol=self.symbol,
            order_id=row.order_id,
            client_id=client_id,
            side=row.side,
            last_qty=size,
            last_price=at_price,
            trade_id=trade,
            at=self.now,
            emitted_at=self.now,
        )
        moved = self._move(row.position_side, row.side, size, at_price, "ORDER")
        return [notice, moved, after, *self._after_close(row.position_side)]

    def _move(
        self, side: PositionSide, order_side: Side, size: Decimal, price: Decimal, reason: str
    ) -> AccountReport:
        held, entry = self.positions.get(side, (ZERO, ZERO))
        signed = size if order_side is Side.BUY else -size
        total = held + signed
        if not total:
            entry = ZERO
        elif held * signed >= 0:
            entry = (abs(held) * entry + size * price) / abs(total)
        elif held * total < 0:
            entry = price
        self.positions[side] = (total, entry)
        self._moved_at[side] = self.now
        return AccountReport(
            reason=reason, at=self.now, emitted_at=self.now, positions=(self._position_row(side),)
        )

    def _after_close(self, side: PositionSide) -> list[AnyEvent]:
        """The venue expires close-position stops of a side that went flat (GTE_GTC)."""
        if self.positions[side][0]:
            return []
        gone = [
            r
            for r in self.algos.values()
            if r.close_position and r.position_side is side and r.status is AlgoStatus.NEW
        ]
        return [self._algo(r.client_id, AlgoStatus.EXPIRED) for r in gone]

    def trade_by_hand(
        self, side: Side, quantity: Decimal, price: Decimal, position_side: PositionSide = PositionSide.BOTH
    ) -> list[AnyEvent]:
        """A market order of somebody else."""
        name = f"web_{self._next()}"
        ask = Ask(
            client_id=name,
            side=side,
            kind=OrderType.MARKET,
            quantity=quantity,
            price=price,
            position_side=position_side,
        )
        placed = self.place(ask)
        return [*placed, *self.fill(name)]

    # --- conditional orders ---------------------------------------------------------------------

    def trigger(self, client_id: str, price: Decimal | None = None) -> list[AnyEvent]:
        """TRIGGERING, the child's life under the same custom id, TRIGGERED, FINISHED (4.3)."""
        self.tick()
        row = self.algos[client_id]
        events: list[AnyEvent] = [self._algo(client_id, AlgoStatus.TRIGGERING)]
        held = abs(self.positions.get(row.position_side, (ZERO, ZERO))[0])
        size = held if row.close_position else min(row.quantity, held)
        at_price = price if price is not None else row.trigger
        self.tick()
        child = OrderReport(
            symbol=self.symbol,
            position_side=row.position_side,
            order_id=self._next(),
            client_id=client_id,
            side=row.side,
            kind=OrderType.MARKET,
            status=OrderStatus.NEW,
            execution=ExecutionType.NEW,
            quantity=size,
            filled=ZERO,
            at=self.now,
            emitted_at=self.now,
            price=at_price,
            reduce_only=row.reduce_only,
        )
        self.orders[client_id] = child
        events.append(child)
        if size:
            events.extend(self.fill(client_id, price=at_price))
        self.algos[client_id] = replace(self.algos[client_id], child_order_id=child.order_id, executed=size)
        events.append(self._algo(client_id, AlgoStatus.TRIGGERED))
        events.append(self._algo(client_id, AlgoStatus.FINISHED))
        return events

    def _algo(self, client_id: str, status: AlgoStatus) -> AlgoReport:
        row = replace(self.algos[client_id], status=status, at=self.now, emitted_at=self.now)
        self.algos[client_id] = row
        return row

    # --- reads ----------------------------------------------------------------------------------

    def reads(self) -> list[AnyEvent]:
        """Snapshots of the symbol as the venue would answer now."""
        self.tick()
        sides = [side for side, (held, _) in self.positions.items() if held]
        rows = [
            replace(r, execution=ExecutionType.SNAPSHOT, last_qty=ZERO, last_price=ZERO, trade_id=0)
            for r in self.open_orders()
        ]
        algos = [replace(r, snapshot=True) for r in self.open_algos()]
        at, symbols = self.now, (self.symbol,)
        positions = tuple(self._position_row(side) for side in sides)
        return [
            PositionsSnapshot(rows=positions, requested_at=at, received_at=at, symbols=symbols),
            OrdersSnapshot(rows=tuple(rows), requested_at=at, received_at=at, symbols=symbols),
            AlgosSnapshot(rows=tuple(algos), requested_at=at, received_at=at, symbols=symbols),
        ]

    def open_orders(self) -> list[OrderReport]:
        return [r for r in self.orders.values() if orders.is_open(r)]

    def open_algos(self) -> list[AlgoReport]:
        return [r for r in self.algos.values() if algo_orders.is_open(r)]

    def held(self, side: PositionSide = PositionSide.BOTH) -> Decimal:
        """Signed quantity."""
        return self.positions.get(side, (ZERO, ZERO))[0]

    # --- small parts ----------------------------------------------------------------------------

    def _position_row(self, side: PositionSide) -> PositionRow:
        quantity, entry = self.positions[side]
        return PositionRow(
            symbol=self.symbol,
            position_side=side,
            quantity=quantity,
            entry_price=entry,
            updated_at=self._moved_at[side],
        )

    def _next(self) -> int:
        self._ids += 1
        return self._ids

    def _open_ids(self) -> set[str]:
        return {r.client_id for r in self.open_orders()} | {r.client_id for r in self.open_algos()}

    def _open_order(self, client_id: str) -> OrderReport:
        row = self.orders.get(client_id)
        if row is None or not orders.is_open(row):
            raise Refusal(-2011, "Unknown order sent.")
        return row

    def _end(self, client_id: str, status: OrderStatus, execution: ExecutionType) -> OrderReport:
        row = replace(
            self._open_order(client_id),
            status=status,
            execution=execution,
            at=self.now,
            emitted_at=self.now,
            last_qty=ZERO,
            last_price=ZERO,
            trade_id=0,
        )
        self.orders[client_id] = row
        return row
