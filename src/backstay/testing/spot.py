"""A spot account in miniature: one symbol, its trades and balances, and what the venue tells of them.

Numbers may be text; they become exact decimals. `spot_scene` puts the planner beside it.
"""

from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from backstay.core.events import (
    AccountModeSnapshot,
    AccountReport,
    AnyEvent,
    BalanceRow,
    BalancesSnapshot,
    FillRow,
    FillsSnapshot,
    InstrumentsSnapshot,
    OrderReport,
    OrdersSnapshot,
    RecoveryEnded,
    RecoveryStarted,
    StreamChanged,
    StreamState,
)
from backstay.core.instruments import Instrument
from backstay.core.types import (
    MS,
    ZERO,
    ExecutionType,
    OrderStatus,
    OrderType,
    PositionMode,
    PositionSide,
    Product,
    Scope,
    Side,
    TimeInForce,
    TimeNs,
)
from backstay.testing import evidence
from backstay.testing.builders import OPENED_AT, Number, dec

BASE, QUOTE = "TRUMP", "USDC"
KEY = Scope(Product.SPOT, BASE + QUOTE, PositionSide.BOTH)
HAND = "web_1"

FILTERS = {
    "tick": "0.0001",
    "min_price": "0.0001",
    "max_price": "100000",
    "step": "0.01",
    "min_qty": "0.01",
    "max_qty": "900000",
    "market_step": "0.01",
    "market_min_qty": "0.01",
    "market_max_qty": "100000",
    "min_notional": "1",
    "percent_up": "0",
    "percent_down": "0",
}


def spot_instrument(
    base: str = BASE, quote: str = QUOTE, *, max_orders: int = 200, **filters: Number
) -> Instrument:
    """A spot symbol: tick 0.0001, step 0.01, at least 1 USDC; changed by `filters`."""
    numbers: dict[str, Any] = {name: dec(value) for name, value in {**FILTERS, **filters}.items()}
    return Instrument(
        product=Product.SPOT,
        symbol=base + quote,
        base=base,
        quote=quote,
        margin_asset="",
        status="TRADING",
        max_orders=max_orders,
        **numbers,
    )


def start_up(rules: Instrument, fee: Number, balances: dict[str, Decimal], at: TimeNs) -> list[AnyEvent]:
    """The events of a start: run, stream, one complete hydration."""
    product = Product.SPOT
    return [
        evidence.run(),
        StreamChanged(state=StreamState.CONNECTED, product=product),
        RecoveryStarted(),
        AccountModeSnapshot(
            position_mode=PositionMode.ONE_WAY,
            received_at=at,
            maker_fee=dec(fee),
            taker_fee=dec(fee),
            product=product,
        ),
        InstrumentsSnapshot(instruments=(rules,), received_at=at, product=product),
        OrdersSnapshot(rows=(), requested_at=at, received_at=at, product=product),
        BalancesSnapshot(
            rows=tuple(BalanceRow(k, v, v, available=v) for k, v in balances.items()),
            requested_at=at,
            received_at=at,
            product=product,
        ),
        FillsSnapshot(symbol=rules.symbol, rows=(), requested_at=at, received_at=at, product=product),
        RecoveryEnded(subjects=evidence.EVERYTHING),
    ]


class SpotVenue:
    """A tiny spot venue with one symbol and one account, and the evidence that it tells.

    Commissions are taken in `fee_asset`: the base asset of a BUY, the quote asset of a SELL, or a third one.
    """

    def __init__(self, rules: Instrument, fee: Decimal, fee_asset: str, balances: dict[str, Decimal]) -> None:
        self.rules, self.fee, self.fee_asset = rules, fee, fee_asset
        self.key = Scope(Product.SPOT, rules.symbol, PositionSide.BOTH)
        self.now: TimeNs = OPENED_AT
        self.balances = balances
        self.events: list[AnyEvent] = []
        """Every private event, in order, heard or not."""
        self.trades: list[FillRow] = []
        """Every trade of the account, as a read would tell it."""
        self.rows: dict[int, OrderReport] = {}
        """Every order of the account, as the venue sees it."""
        self.deaf = False
        """True: what happens at the venue is not heard."""
        self._orders = 0
        self._trade_id = 1000

    def hear(self, *events: AnyEvent) -> None:
        """What a listener does with events that reach it."""

    def tell(self, *events: AnyEvent) -> None:
        """Private events, heard unless the scene is deaf."""
        self.events.extend(events)
        if not self.deaf:
            self.hear(*events)

    def buy(self, *parts: tuple[Number, Number]) -> int:
        """The owner buys by hand, in these (quantity, price) fills of one order. Returns the order's id."""
        return self._by_hand(Side.BUY, parts)

    def sell(self, *parts: tuple[Number, Number]) -> int:
        return self._by_hand(Side.SELL, parts)

    def _by_hand(self, side: Side, parts: tuple[tuple[Number, Number], ...]) -> int:
        total = sum((dec(q) for q, _ in parts), ZERO)
        row = self.place(side, HAND, total, dec(parts[-1][1]))
        for quantity, price in parts:
            row = self.trade(row, dec(quantity), dec(price))
        return row.order_id

    def fills_read(self, from_id: int = 0) -> FillsSnapshot:
        """What a read of the trades from this id tells."""
        return FillsSnapshot(
            symbol=self.key.symbol,
            rows=tuple(t for t in self.trades if t.trade_id >= from_id),
            requested_at=self.now,
            received_at=self.now,
            from_id=from_id,
            product=Product.SPOT,
        )

    def balances_read(self) -> BalancesSnapshot:
        return BalancesSnapshot(
            rows=tuple(BalanceRow(k, v, v, available=v) for k, v in self.balances.items()),
            requested_at=self.now,
            received_at=self.now,
            product=Product.SPOT,
        )

    def place(
        self,
        side: Side,
        client_id: str,
        quantity: Decimal,
        price: Decimal,
        kind: OrderType = OrderType.LIMIT,
        trigger: Decimal | None = None,
    ) -> OrderReport:
        self._orders += 1
        row = OrderReport(
            symbol=self.key.symbol,
            position_side=PositionSide.BOTH,
            order_id=self._orders,
            client_id=client_id,
            side=side,
            kind=kind,
            status=OrderStatus.NEW,
            execution=ExecutionType.NEW,
            quantity=quantity,
            filled=ZERO,
            at=self.moment(),
            price=price,
            trigger=trigger or ZERO,
            tif=TimeInForce.GTC,
            on_book=trigger is None,
            product=Product.SPOT,
        )
        self.rows[row.order_id] = row
        self.tell(row)
        return row

    def trade(self, row: OrderReport, quantity: Decimal, price: Decimal) -> OrderReport:
        self._trade_id += 1
        filled = row.filled + quantity
        at = self.moment()
        fee, asset = self._commission(row.side, quantity, price)
        report = replace(
            row,
            status=OrderStatus.FILLED if filled == row.quantity else OrderStatus.PARTIALLY_FILLED,
            execution=ExecutionType.TRADE,
            filled=filled,
            at=at,
            last_qty=quantity,
            last_price=price,
            trade_id=self._trade_id,
            commission=fee,
            commission_asset=asset if fee else "",
        )
        self.rows[row.order_id] = report
        self.trades.append(
            FillRow(
                symbol=row.symbol,
                position_side=PositionSide.BOTH,
                order_id=row.order_id,
                trade_id=self._trade_id,
                side=row.side,
                price=price,
                quantity=quantity,
                at=at,
                commission=fee,
                commission_asset=asset if fee else "",
            )
        )
        base, quote = self.rules.base, self.rules.quote
        sign = 1 if row.side is Side.BUY else -1
        self._move(base, sign * quantity)
        self._move(quote, -sign * quantity * price)
        self._move(asset, -fee)
        rows = tuple(BalanceRow(a, self.balances[a], self.balances[a]) for a in (base, quote))
        self.tell(report, AccountReport(reason="TRADE", at=at, balances=rows, product=Product.SPOT))
        return report

    def _commission(self, side: Side, quantity: Decimal, price: Decimal) -> tuple[Decimal, str]:
        """On a BUY in the base, on a SELL in the quote asset, unless the scene names a third one."""
        if self.fee_asset not in (self.rules.base, self.rules.quote):
            return quantity * price * self.fee / 600, self.fee_asset
        if side is Side.SELL or self.fee_asset == self.rules.quote:
            return quantity * price * self.fee, self.rules.quote
        return quantity * self.fee, self.rules.base

    def end(self, row: OrderReport, status: OrderStatus) -> None:
        ended = replace(
            row,
            status=status,
            execution=ExecutionType(status.value),
            at=self.moment(),
            last_qty=ZERO,
            trade_id=0,
        )
        self.rows[row.order_id] = ended
        self.tell(ended)

    def _move(self, asset: str, change: Decimal) -> None:
        self.balances[asset] = self.balances.get(asset, ZERO) + change

    def moment(self) -> TimeNs:
        self.now += MS
        return self.now


def read_row(row: OrderReport) -> OrderReport:
    """A row as a read tells it: without the last trade."""
    return replace(
        row,
        execution=ExecutionType.SNAPSHOT,
        last_qty=ZERO,
        last_price=ZERO,
        trade_id=0,
        commission=ZERO,
        commission_asset="",
    )
