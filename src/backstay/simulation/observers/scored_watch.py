"""The scored trader's world as its observers see it: lives of positions, what was heard, what the ledger
tells.
"""

from collections.abc import Callable
from decimal import Decimal

import msgspec

from backstay.app.ledger_paths import LEDGER
from backstay.core.account import fold
from backstay.core.decisions import Act
from backstay.core.events import RequestSent, RequestsRegistered, RunStarted
from backstay.core.records import Decided, Noted, Record
from backstay.core.scored import Signal, SignalScored
from backstay.core.state import AccountState
from backstay.core.types import Action, Role, Scope
from backstay.ledger.audit.book import Book
from backstay.ledger.audit.trade import Trade
from backstay.ledger.disk import Disk
from backstay.ledger.reader import chunks
from backstay.simulation.observers.base import Sent, Watch
from backstay.simulation.scene import LegKey
from backstay.simulation.scored_scene import ScoredScene
from backstay.simulation.scored_setup import ScoredSetup


class Entered(msgspec.Struct, kw_only=True):
    """What the ledger says of one order that was to enter a position."""

    ctx_id: str
    symbol: str
    side: str
    plan: Signal | None
    """The signal that the scope followed when the order was written down."""
    registered: int
    """Number of the record."""
    approved: int = 0
    """That of the decision which approved the order; 0: none did."""
    sent: int = 0


class ScoredStory:
    """What the ledger tells, read once when the run is over: scores, entries, trades, milestones."""

    def __init__(self, disk: Disk) -> None:
        self.scores: list[tuple[int, SignalScored]] = []
        self.entries: dict[str, Entered] = {}
        self.opened: list[str] = []
        self.closed: list[str] = []
        """Names of positions whose beginning or end was noted."""
        self.trades: dict[str, list[Trade]] = {}
        """Rows of trades.csv by their id."""
        self.began_ms = 0
        book, account = Book(), AccountState()
        approved: dict[str, int] = {}
        for chunk in chunks(disk, LEDGER):
            for record in chunk:
                account = self._take(record, book, account, approved)
        for trade in (*book.sealed, *book.unsealed(account)):
            self.trades.setdefault(trade.id, []).append(trade)

    def _take(
        self, record: Record, book: Book, account: AccountState, approved: dict[str, int]
    ) -> AccountState:
        body = record.body
        if isinstance(body, Decided):
            intents = body.decision.intents if isinstance(body.decision, Act) else ()
            refused = [r.intent for r in body.refused]
            if any(i.key.role is Role.ENTRY and i.slot is not None and i not in refused for i in intents):
                approved[str(body.scope)] = record.seq
            return account
        if isinstance(body, Noted):
            if body.what == "position_opened":
                self.opened.append(str(body.detail["position"]))
            elif body.what == "position_closed":
                self.closed.append(str(body.detail["position"]))
            return account
        before, account = account, fold(account, body, record.at)
        book.feed(record, before, account)
        if isinstance(body, RunStarted):
            self.began_ms = self.began_ms or record.at // 1_000_000
        elif isinstance(body, SignalScored):
            self.scores.append((record.seq, body))
        elif isinstance(body, RequestsRegistered):
            for r in body.requests:
                if r.action is Action.PLACE and r.key.role is Role.ENTRY and r.context is not None:
                    s = account.scopes[r.scope]
                    self.entries[r.ctx_id] = Entered(
                        ctx_id=r.ctx_id,
                        symbol=r.scope.symbol,
                        side=r.context.slot.side.value,
                        plan=s.entry_signal,
                        registered=record.seq,
                        approved=approved.get(str(r.scope), 0),
                    )
        elif isinstance(body, RequestSent) and body.ctx_id in self.entries:
            self.entries[body.ctx_id].sent = record.seq
        return account


class ScoredWatch(Watch):
    """The world of the scored trader as observers see it."""

    setup: ScoredSetup
    truth: ScoredScene
    told: ScoredScene

    def __init__(
        self,
        setup: ScoredSetup,
        start_ms: int,
        now_ms: Callable[[], int],
        *,
        price: Callable[[str], Decimal],
        account: Callable[[], AccountState | None],
        flush: Callable[[], None],
    ) -> None:
        super().__init__(setup, start_ms, now_ms)
        self._account = account
        self._flush = flush
        self.price = price
        """The last price of a market."""
        self.paused_ms = 0
        """Since when the operator has paused entries; 0: he has not."""
        self.acks: list[tuple[int, Scope | None]] = []
        """When the operator acknowledged, and what; None: everything."""
        self.marked_ms: dict[str, int] = {}
        """When the running process was told a mark price of a symbol."""
        self.acked_ms: dict[LegKey, int] = {}
        """When the operator acknowledged a position that the process knew."""
        self.acked_orders: set[int] = set()
        """Orders of somebody else that were there then."""
        self._story: ScoredStory | None = None

    def new_scene(self) -> ScoredScene:
        return ScoredScene(self.sent.__contains__)

    def enters(self, sent: Sent) -> bool:
        """A request that may begin or enlarge a position, by what it says itself."""
        if sent.action != "place" or sent.surface != "regular" or sent.params.get("reduceOnly") == "true":
            return False
        side = sent.params.get("positionSide", "BOTH")
        buys = sent.params.get("side") == "BUY"
        return side == "BOTH" or buys == (side == "LONG")

    def by_hand(self, key: LegKey) -> bool:
        """The position of a leg was opened by somebody else, and the operator has not looked at it since."""
        life = self.truth.life(key)
        if life is None:
            return self.truth.amount(key) != 0
        return not life.ours and self.acked_ms.get(key, 0) < life.opened_ms

    def strange(self, key: LegKey, scene: ScoredScene) -> bool:
        """An order of somebody else rests there that the operator has not seen."""
        return any(o.venue_id not in self.acked_orders for o in scene.resting(key, ours=False))

    def in_review(self, key: LegKey) -> bool:
        """A person has to look at this leg first."""
        return self.by_hand(key) or self.strange(key, self.truth)

    def acknowledged(self, symbol: str) -> None:
        """The operator has looked at a symbol, as far as the process had been told of it, or had read it."""
        for key in self.truth.legs:
            life, known = self.truth.life(key), self.told.life(key)
            if key[0] != symbol or life is None:
                continue
            told = known is not None and life.opened_ms == known.opened_ms
            if told or life.opened_ms < self.ready_ms:
                self.acked_ms[key] = self.now_ms()
        for order in (*self.truth.orders.values(), *self.truth.algos.values()):
            if order.symbol == symbol and not self.truth.owns(order.client_id):
                self.acked_orders.add(order.venue_id)

    def story(self) -> ScoredStory | None:
        """The ledger's; None where no process is left whose ledger is whole."""
        if self._story is None and self._account() is not None:
            self._flush()
            self._story = ScoredStory(self.disk())
        return self._story
