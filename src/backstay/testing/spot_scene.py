"""A spot account, planner and tiny venue in one thread: buys by hand, SELLs by lot, one step at a time.

Numbers may be text. `SpotScene.buy` and `sell` are trades by the account's owner; requests of ours wait in
`waiting` until the test lets them rest (`confirm`), fill (`fill`), be cancelled by the owner
(`cancel_by_hand`) or be refused (`refuse`). Prices move by `price`. No runtime, ledger or sockets.
"""

from typing import Any

from msgspec.structs import replace

from backstay.core.account import fold
from backstay.core.contexts import OrderContext, Request
from backstay.core.decisions import Act, Decision, Intent, Plan, Wait
from backstay.core.engine import Engine, Manager, decide
from backstay.core.events import (
    AnyEvent,
    Effect,
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
from backstay.core.lots import NONE, Lot, Lots, every
from backstay.core.lots_view import lots_view
from backstay.core.orders import is_open
from backstay.core.slots import Slot
from backstay.core.state import AccountState, ScopeState
from backstay.core.types import (
    MS,
    ZERO,
    Action,
    Direction,
    OrderStatus,
    OrderType,
    PositionMode,
    Product,
    Side,
)
from backstay.core.wanted import AnyStrategy
from backstay.strategies.swing.policy import SwingPolicy
from backstay.strategies.swing.states import LotState, lot_state
from backstay.strategies.swing.wanted import Swing
from backstay.testing import evidence
from backstay.testing.builders import Number, dec
from backstay.testing.spot import BASE, QUOTE, SpotVenue, read_row, spot_instrument, start_up


class SpotScene(SpotVenue):
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
        held = {k: dec(v) for k, v in (balances or {QUOTE: 100000, "BNB": 10}).items()}
        super().__init__(spot_instrument(**filters), dec(fee), fee_asset, held)
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
        self.requests: list[Request] = []
        self.waiting: list[Request] = []
        self._ids = 0
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

    def hear(self, *events: AnyEvent) -> None:
        self.fold(*events)

    def fold(self, *events: AnyEvent) -> None:
        for event in events:
            self.account = fold(self.account, event, self.now)

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

    def cancel_by_hand(self, request: Request) -> None:
        """The owner cancels an order of ours on the web page; of a list, all of it."""
        self._end_list(request, OrderStatus.CANCELED)

    # --- passes -----------------------------------------------------------------------------------

    def plan(self) -> Plan:
        return decide(self.account, self.key, self.engine, self.now)

    def step(self) -> Decision:
        """One pass; what is approved is registered and sent, the venue has yet to see it."""
        plan = self.plan()
        asked = [request for x in plan.approved for request in self._requests(x.intent)]
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
                self._end_list(request, OrderStatus.CANCELED)
                continue
            ctx = request.context
            if ctx is None:
                continue
            slot = ctx.slot
            row = self.place(
                slot.side, ctx.ctx_id, slot.quantity or ZERO, slot.price or ZERO, slot.kind, slot.trigger
            )
            if slot.kind is OrderType.MARKET:
                self.trade(row, row.quantity, self.lots.price or ZERO)

    def refuse(self, effect: Effect) -> None:
        """The venue refuses everything that waits."""
        waiting, self.waiting = self.waiting, []
        self.fold(*(evidence.refused(request, effect) for request in waiting))

    def fill(self, request: Request, quantity: Number | None = None) -> None:
        """The market reaches an order of ours: all of it, or `quantity`. Its list's other leg expires."""
        row = self._row(request)
        for other in self._legs(request):
            self.end(other, OrderStatus.EXPIRED)
        self.trade(row, dec(quantity) if quantity is not None else row.quantity - row.filled, row.price)

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
                rows=tuple(read_row(r) for r in open_rows),
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
                        order=read_row(row),
                        product=Product.SPOT,
                    )
                )
        subjects = evidence.EVERYTHING
        self.fold(RecoveryEnded(subjects=subjects, scopes=() if first else (self.key,)))
        self.tick(300)

    # --- the venue --------------------------------------------------------------------------------

    def _row(self, request: Request) -> OrderReport:
        return next(r for r in self.rows.values() if r.client_id == request.ctx_id)

    def _legs(self, request: Request) -> list[OrderReport]:
        """The open rows of the other legs of the order's list."""
        ctx = self.state.contexts.get(request.ctx_id)
        if ctx is None or not ctx.group:
            return []
        names = {c.ctx_id for c in self.state.contexts.values() if c.group == ctx.group} - {ctx.ctx_id}
        return [r for r in self.rows.values() if r.client_id in names and is_open(r)]

    def _end_list(self, request: Request, status: OrderStatus) -> None:
        for row in (*self._legs(request), self._row(request)):
            self.end(row, status)

    def _requests(self, intent: Intent) -> list[Request]:
        """One, or one for each leg of a list."""
        if intent.action is not Action.PLACE or intent.slot is None:
            return [Request(ctx_id=intent.target, action=intent.action, scope=self.key, key=intent.key)]
        first = self._placed(intent, intent.slot, intent.generation)
        leg = intent.slot.leg
        if leg is None:
            return [first]
        other = self._placed(intent, leg, intent.generation + 1)
        return [
            replace(r, context=replace(r.context, group=first.ctx_id)) if r.context is not None else r
            for r in (first, other)
        ]

    def _placed(self, intent: Intent, slot: Slot, generation: int) -> Request:
        self._ids += 1
        s = self.state
        ctx = OrderContext(
            ctx_id=f"bks{self._ids}",
            scope=self.key,
            direction=Direction.LONG,
            slot=slot,
            epoch=s.epoch if s.position.quantity else s.epoch + 1,
            generation=generation,
            premise=intent.premise,
            created_at=self.now,
        )
        return Request(ctx_id=ctx.ctx_id, action=intent.action, scope=self.key, key=slot.key, context=ctx)


def _rest_of(manager: Manager) -> tuple[Any, ...]:
    return manager.symbols, manager.directions, manager.product, manager.by_lot
