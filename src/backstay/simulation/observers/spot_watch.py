"""Spot as its observers see it: the venue's truth, what the process was told, and what its ledger tells."""

from collections.abc import Callable, Iterable, Iterator
from decimal import ROUND_DOWN, ROUND_UP, Decimal

import msgspec
from msgspec import Raw

from backstay.app.ledger_paths import SPOT_LEDGER
from backstay.core.account import fold
from backstay.core.contexts import Request
from backstay.core.events import FillsSnapshot, RequestSent, RequestsRegistered
from backstay.core.lots import Lot, changed
from backstay.core.state import AccountState
from backstay.core.types import MS, Action, PositionSide, Product, Scope
from backstay.ledger.disk import Disk
from backstay.ledger.reader import entries
from backstay.simulation.machine import Machine
from backstay.simulation.observers.base import Watch
from backstay.simulation.spot_scene import SpotFill, SpotScene
from backstay.simulation.spot_setup import BNB, SpotSetup

D = Decimal
RATE = D("0.001")
"""What the simulated account pays for either side, without discount."""
SPOT_PLACES = {"POST /api/v3/order": "regular", "POST /api/v3/orderList/oco": "list"}
SPOT_CANCELS = {
    "DELETE /api/v3/order": "regular",
    "DELETE /api/v3/openOrders": "regular",
    "DELETE /api/v3/orderList": "regular",
    "POST /api/v3/order/cancelReplace": "regular",
}
SPOT_AMENDS = {"PUT /api/v3/order/amend/keepPriority": "regular"}

type LotKey = tuple[str, int]
"""(symbol, trade id of the BUY)."""


class Offered(msgspec.Struct, frozen=True):
    """What the ledger says that an order of ours is for."""

    symbol: str
    lots: tuple[int, ...]
    hands_off: bool


class LedgerStory:
    """What the ledger tells, folded once when the run is over: every lot there ever was, and every order."""

    def __init__(self, disk: Disk, ledger: str = SPOT_LEDGER) -> None:
        self.lots: dict[LotKey, Lot] = {}
        self.orders: dict[str, Offered] = {}
        self.followed: dict[str, int] = {}
        """Since when (venue, ms) trades of a symbol are followed."""
        account = AccountState()
        for chunk in entries(disk, ledger):
            for entry in chunk:
                if type(entry.body) is Raw:
                    continue
                before = account
                account = fold(account, entry.body, entry.at)
                if isinstance(entry.body, FillsSnapshot):
                    self.followed.setdefault(entry.body.symbol, entry.body.requested_at // MS)
                elif isinstance(entry.body, RequestsRegistered):
                    self._orders(entry.body.requests)
                elif isinstance(entry.body, RequestSent) and entry.body.request is not None:
                    self._orders((entry.body.request,))  # it stood by: only now it says what it sells
                self._lots(before, account)

    def _orders(self, requests: Iterable[Request]) -> None:
        for r in requests:
            if r.action is Action.PLACE and r.context is not None:
                slot = r.context.slot
                self.orders[r.ctx_id] = Offered(r.scope.symbol, slot.lots, slot.hands_off)

    def label(self, name: str, lot: int) -> None:
        """What an order of ours told the venue that it sells. Where the ledger lost the record of its being
        sent, this is all there is; where it has one, both must say the same (`one_sale`).
        """
        order = self.orders.get(name)
        if order is not None and order.lots and order.lots[0] < 0:
            self.orders[name] = msgspec.structs.replace(order, lots=(lot,))

    def _lots(self, before: AccountState, after: AccountState) -> None:
        for key, s in after.scopes.items():
            was = before.scopes.get(key)
            if s is was or key.product is not Product.SPOT:
                continue
            for lot in changed(was.lots if was is not None else None, s.lots):
                self.lots[key.symbol, lot.trade_id] = lot


class SpotWatch(Watch):
    """The world of spot as observers see it."""

    setup: SpotSetup  # type: ignore[assignment]  # another product's setup and scenes, the same roles
    truth: SpotScene  # type: ignore[assignment]  # another product's scene, as above
    told: SpotScene  # type: ignore[assignment]  # another product's scene, as above

    def __init__(
        self,
        setup: SpotSetup,
        start_ms: int,
        now_ms: Callable[[], int],
        *,
        price: Callable[[str], Decimal],
        account: Callable[[], AccountState | None],
        flush: Callable[[], None],
    ) -> None:
        self._flush = flush
        self.price = price
        """The last price of a market."""
        self.account = account
        """The running process's state; None: none is ready."""
        super().__init__(setup, start_ms, now_ms)  # type: ignore[arg-type]  # another product's setup, as above
        self.close_asked: dict[LotKey, int] = {}
        """Lots that the operator asked to close or to forget, since when (ms)."""
        self.away_ms: dict[int, int] = {}
        """By process, since when its user data stream has been away."""
        self.paused = False
        self.acks_ms: list[int] = []
        """When the operator acknowledged: what was refused until then is tried again, once."""
        self.followed: dict[str, int] = {}
        """Since when (venue, ms) the trades of a guarded symbol have been followed."""
        self._story: LedgerStory | None = None

    def new_scene(self) -> SpotScene:  # type: ignore[override]  # another product's scene, as above
        return SpotScene(self.sent.__contains__, lambda: self.price(BNB))

    def stream_lost(self, machine: Machine) -> None:
        super().stream_lost(machine)
        trades = {f"myTrades {symbol}" for symbol in self.setup.symbols}
        self.unread[machine.number] = {"account", "openOrders", *trades}

    def spot_read(self, machine: Machine, what: str, symbol: str) -> None:
        """The process has read this since its stream came back."""
        self.unread.get(machine.number, set()).discard(f"{what} {symbol}".rstrip())

    def story(self) -> LedgerStory | None:
        """The ledger's; None where no process is left whose ledger is whole."""
        if self._story is None and self.account() is not None:
            self._flush()
            self._story = LedgerStory(self.disk())
            for sent in self.all_sent:
                if sent.action == "place" and "strategyId" in sent.params:
                    self._story.label(sent.client_id, int(sent.params["strategyId"]))
        return self._story

    # --- the rules, computed here once more ---------------------------------------------------------

    def base(self, symbol: str) -> str:
        return self.setup.specs[symbol].base

    def tick(self, symbol: str) -> Decimal:
        return self.setup.specs[symbol].tick * (10 if symbol in self.filters_changed else 1)

    def whole(self, symbol: str, amount: Decimal) -> Decimal:
        """Down to the step."""
        step = self.setup.specs[symbol].step
        return (amount / step).to_integral_value(ROUND_DOWN) * step

    def target(self, fill: SpotFill) -> Decimal:
        """What a lot is to be sold at: its cost, its commission and the profit, and the sale's commission."""
        policy, base = self.setup.policies[fill.symbol], self.base(fill.symbol)
        cost = fill.price * fill.quantity
        # BNB counts by the undiscounted rate, which is never too little.
        fee = cost * RATE if fill.fee_asset == "BNB" != base else fill.fee_in_quote(base)
        needed = (cost * (1 + policy.profit) + fee) / (fill.quantity * (1 - RATE))
        tick = self.tick(fill.symbol)
        return (needed / tick).to_integral_value(ROUND_UP) * tick

    def lots_bought(self) -> Iterator[SpotFill]:
        """The BUY trades that are lots: of managed symbols, since they are followed."""
        story = self.story()
        for fill in self.truth.fills.values():
            since = story.followed.get(fill.symbol) if story is not None else None
            if fill.buys and since is not None and fill.at_ms >= since:
                yield fill

    def scope(self, symbol: str) -> Scope:
        return Scope(Product.SPOT, symbol, PositionSide.BOTH)
