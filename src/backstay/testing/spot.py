"""A spot account, planner and tiny venue in one thread: buys by hand, SELLs by lot, one step at a time.

Numbers may be text. `SpotScene.buy` and `sell` are trades by the account's owner; requests of ours wait in
`waiting` until the test lets them rest (`confirm`), fill (`fill`), be cancelled by the owner
(`cancel_by_hand`) or be refused (`refuse`). Prices move by `price`. No runtime, ledger or sockets.
"""

from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from backstay.core.account import fold
from backstay.core.contexts import OrderContext, Request
from backstay.core.decisions import Act, Decision, Intent, Plan, Wait
from backstay.core.engine import Engine, Manager, decide, lots_view
from backstay.core.events import (
    AccountModeSnapshot,
    AccountReport,
    AnyEvent,
    BalanceRow,
    BalancesSnapshot,
    Effect,
    FillRow,
    FillsSnapshot,
    InstrumentsSnapshot,
    OrderQueried,
    OrderReport,
    OrdersSnapshot,
    PriceReached,
    RecoveryEnded,
    RecoveryStarted,
    RequestSent,
    RequestsRegistered,
    StreamChanged,
    StreamState,
    TimePassed,
)
from backstay.core.instruments import Instrument
from backstay.core.lots import NONE, Lot, Lots, every
from backstay.core.state import AccountState, ScopeState
from backstay.core.types import (
    MS,
    ZERO,
    Action,
    Direction,
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
from backstay.core.wanted import AnyStrategy
from backstay.strategies.swing.policy import SwingPolicy
from backstay.strategies.swing.states import LotState, lot_state
from backstay.strategies.swing.wanted import Swing
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


class SpotScene:
    """One spot account with one symbol under a strategy that sells lots. `now` is local and venue time."""

    def __init__(
        self,
        policy: Any = None,
        *,
        strategy: AnyStrategy | None = None,
        by_lot: bool = True,
        fee: Number = "0.001",
        fee_asset: str = BASE,
        balances: dict[str, Number] | None = None,
        **filters: Any,
    ) -> None:
        self.rules = spot_instrument(**filters)
        self.fee, self.fee_asset = dec(fee), fee_asset
        self.key = Scope(Product.SPOT, self.rules.symbol, PositionSide.BOTH)
        self.now: TimeNs = OPENED_AT
        self.balances = {k: dec(v) for k, v in (balances or {QUOTE: 100000, "BNB": 10}).items()}
        self.policy = policy if policy is not None else SwingPolicy(symbols=(self.rules.symbol,))
        manager = Manager(
            strategy=strategy or Swing(),
            policy=self.policy,
            symbols=frozenset({self.rules.symbol}),
            directions=frozenset({Direction.LONG}),
            product=Product.SPOT,
            by_lot=by_lot,
        )
        self.engine = Engine((manager,))
        self.account = AccountState()
        self.events: list[AnyEvent] = []
        """Every private event that the venue told, in order; what is `deaf` to is told by nobody."""
        self.trades: list[FillRow] = []
        """Every trade of the account, as a read would tell it."""
        self.rows: dict[int, OrderReport] = {}
        """Every order of the account, as the venue sees it."""
        self.requests: list[Request] = []
        self.waiting: list[Request] = []
        self.deaf = False
        """True: what happens at the venue is not heard here."""
        self._ids = self._orders = 0
        self._trade_id = 1000
        self.fold(*start_up(self.rules, self.fee, self.balances, self.now))
        self.tick(300)

    # --- what is known ----------------------------------------------------------------------------

    @property
    def state(self) -> ScopeState:
        return self.account.scopes[self.key]

    @property
    def lots(self) -> Lots:
        s = self.account.scopes.get(self.key)
        return NONE if s is None or s.lots is None else s.lots

    def open_lots(self) -> list[Lot]:
        return sorted(every(self.lots), key=lambda lot: lot.trade_id)

    def statuses(self) -> list[LotState]:
        """Where the open lots stand, by age."""
        view = self.view()
        return [lot_state(view, lot, self.policy) for lot in self.open_lots()]

    def view(self) -> Any:
        return lots_view(self.account, self.state, PositionMode.ONE_WAY, self.rules, self.now)

    def sells(self) -> list[tuple[str, str]]:
        """(quantity, price) of our SELLs that rest at the venue, cheapest first."""
        ours = {r.ctx_id for r in self.requests}
        rows = [r for r in self.rows.values() if r.client_id in ours and r.side is Side.SELL]
        return [
            (str(r.quantity), str(r.price))
            for r in sorted(rows, key=lambda r: (r.price, r.quantity))
            if r.status in (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)
        ]

    # --- evidence and time ------------------------------------------------------------------------

    def fold(self, *events: AnyEvent) -> None:
        for event in events:
            self.account = fold(self.account, event, self.now)

    def tell(self, *events: AnyEvent) -> None:
        """Private events, heard unless the scene is deaf."""
        self.events.extend(events)
        if not self.deaf:
            self.fold(*events)

    def tick(self, milliseconds: int) -> None:
        self.now += milliseconds * MS
        if self.key in self.account.scopes:
            self.fold(TimePassed(scope=self.key))

    def want(self, policy: Any) -> None:
        """From now on this policy is in force."""
        self.policy = policy
        manager = self.engine.managers[0]
        self.engine = Engine((Manager(manager.strategy, policy, *_rest_of(manager)),))

    def price(self, price: Number) -> None:
        """The market trades here: recorded where the strategy asked for it."""
        if any(w.crossed(dec(price)) for w in self.plan().watches):
            self.fold(
                PriceReached(symbol=self.key.symbol, price=dec(price), at=self.now, product=Product.SPOT)
            )

    # --- the owner --------------------------------------------------------------------------------

    def buy(self, *parts: tuple[Number, Number]) -> int:
        """The owner buys by hand, in these (quantity, price) fills of one order. Returns the order's id."""
        return self._by_hand(Side.BUY, parts)

    def sell(self, *parts: tuple[Number, Number]) -> int:
        return self._by_hand(Side.SELL, parts)

    def _by_hand(self, side: Side, parts: tuple[tuple[Number, Number], ...]) -> int:
        total = sum((dec(q) for q, _ in parts), ZERO)
        row = self._new(side, HAND, total, dec(parts[-1][1]))
        for quantity, price in parts:
            row = self._trade(row, dec(quantity), dec(price))
        return row.order_id

    def cancel_by_hand(self, request: Request) -> None:
        """The owner cancels an order of ours on the web page."""
        self._ended(self._row(request), OrderStatus.CANCELED)

    # --- passes -----------------------------------------------------------------------------------

    def plan(self) -> Plan:
        return decide(self.account, self.key, self.engine, self.now)

    def step(self) -> Decision:
        """One pass; what is approved is registered and sent, the venue has yet to see it."""
        plan = self.plan()
        asked = [self._request(x.intent) for x in plan.approved]
        if asked:
            self.fold(RequestsRegistered(requests=tuple(asked)))
        for request in asked:
            self.fold(
                RequestSent(
                    scope=self.key,
                    ctx_id=request.ctx_id,
                    action=request.action,
                    recv_window_ms=3000,
                    venue_time=self.now,
                )
            )
            self.requests.append(request)
            self.waiting.append(request)
        return plan.decision

    def rest(self) -> Decision:
        """Pass after pass, everything confirmed at once, until there is nothing to do."""
        for _ in range(60):
            decision = self.step()
            if isinstance(decision, Wait) and decision.reason == "burst":
                self.tick(300)
                continue
            if not isinstance(decision, Act):
                return decision
            self.confirm()
        raise AssertionError(f"no rest; last: {decision}")

    def confirm(self) -> None:
        """The venue takes everything that waits."""
        waiting, self.waiting = self.waiting, []
        for request in waiting:
            if request.action is Action.CANCEL:
                self._ended(self._row(request), OrderStatus.CANCELED)
                continue
            ctx = request.context
            if ctx is None:
                continue
            slot = ctx.slot
            row = self._new(slot.side, ctx.ctx_id, slot.quantity or ZERO, slot.price or ZERO, slot.kind)
            if slot.kind is OrderType.MARKET:
                self._trade(row, row.quantity, self.lots.price or ZERO)

    def refuse(self, effect: Effect) -> None:
        """The venue refuses everything that waits."""
        waiting, self.waiting = self.waiting, []
        self.fold(*(evidence.refused(request, effect) for request in waiting))

    def fill(self, request: Request, quantity: Number | None = None) -> None:
        """The market reaches an order of ours: all of it, or `quantity`."""
        row = self._row(request)
        self._trade(row, dec(quantity) if quantity is not None else row.quantity - row.filled, row.price)

    def recover(self, *, first: bool = False) -> None:
        """The scope (`first`: the account after a restart) reads what it needs and is trusted again."""
        self.deaf = False
        if first:
            self.fold(evidence.run(armed=False), evidence.run())
            self.fold(StreamChanged(state=StreamState.CONNECTED, product=Product.SPOT))
        self.fold(RecoveryStarted(scopes=() if first else (self.key,)))
        open_rows = tuple(r for r in self.rows.values() if r.status.value in ("NEW", "PARTIALLY_FILLED"))
        self.fold(
            OrdersSnapshot(
                rows=tuple(_read(r) for r in open_rows),
                requested_at=self.now,
                received_at=self.now,
                product=Product.SPOT,
            ),
            self.balances_read(),
            self.fills_read(self.lots.read_to + 1),
        )
        for ctx in list(self.state.contexts.values()):
            row = next((r for r in self.rows.values() if r.client_id == ctx.ctx_id), None)
            if row is not None and not ctx.is_terminal and not ctx.is_resting:
                self.fold(
                    OrderQueried(
                        symbol=self.key.symbol,
                        ctx_id=ctx.ctx_id,
                        surface=ctx.surface,
                        requested_at=self.now,
                        received_at=self.now,
                        order=_read(row),
                        product=Product.SPOT,
                    )
                )
        subjects = evidence.EVERYTHING
        self.fold(RecoveryEnded(subjects=subjects, scopes=() if first else (self.key,)))
        self.tick(300)

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

    # --- the venue --------------------------------------------------------------------------------

    def _row(self, request: Request) -> OrderReport:
        return next(r for r in self.rows.values() if r.client_id == request.ctx_id)

    def _new(
        self, side: Side, client_id: str, quantity: Decimal, price: Decimal, kind: OrderType = OrderType.LIMIT
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
            at=self._moment(),
            price=price,
            tif=TimeInForce.GTC,
            product=Product.SPOT,
        )
        self.rows[row.order_id] = row
        self.tell(row)
        return row

    def _trade(self, row: OrderReport, quantity: Decimal, price: Decimal) -> OrderReport:
        self._trade_id += 1
        filled = row.filled + quantity
        at = self._moment()
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

    def _ended(self, row: OrderReport, status: OrderStatus) -> None:
        ended = replace(
            row,
            status=status,
            execution=ExecutionType(status.value),
            at=self._moment(),
            last_qty=ZERO,
            trade_id=0,
        )
        self.rows[row.order_id] = ended
        self.tell(ended)

    def _move(self, asset: str, change: Decimal) -> None:
        self.balances[asset] = self.balances.get(asset, ZERO) + change

    def _moment(self) -> TimeNs:
        self.now += MS
        return self.now

    def _request(self, intent: Intent) -> Request:
        if intent.action is not Action.PLACE or intent.slot is None:
            return Request(ctx_id=intent.target, action=intent.action, scope=self.key, key=intent.key)
        self._ids += 1
        s = self.state
        ctx = OrderContext(
            ctx_id=f"bks{self._ids}",
            scope=self.key,
            direction=Direction.LONG,
            slot=intent.slot,
            epoch=s.epoch if s.position.quantity else s.epoch + 1,
            generation=intent.generation,
            premise=intent.premise,
            created_at=self.now,
        )
        return Request(ctx_id=ctx.ctx_id, action=intent.action, scope=self.key, key=intent.key, context=ctx)


def _read(row: OrderReport) -> OrderReport:
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


def _rest_of(manager: Manager) -> tuple[Any, ...]:
    return manager.symbols, manager.directions, manager.product, manager.by_lot
