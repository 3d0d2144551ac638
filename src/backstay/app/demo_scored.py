"""The demo's scored symbol: a market of its own that trends, entered by score and left by its bracket.

Nobody trades it by hand. What each trade followed from is in the ledger: `ledger why` with the number that
the summary names tells it.
"""

from collections.abc import Callable
from decimal import Decimal

from backstay.app.market import history_minutes
from backstay.app.paper import with_history
from backstay.core.engine import Engine, Manager
from backstay.core.escalation import Escalation
from backstay.core.events import AccountReport, RequestSent
from backstay.core.records import Body
from backstay.core.scored import SignalScored
from backstay.core.types import SECOND, Action, Role, TimeNs
from backstay.runtime.owner import Owner
from backstay.signals.policy import BracketRule, Periods, ScorePolicy
from backstay.simulator.feeds.base import Feed, merged
from backstay.simulator.feeds.trending import TrendingFeed
from backstay.simulator.settings import EngineSettings
from backstay.strategies.scored.policy import (
    CoolDown,
    EntryKind,
    EntryPolicy,
    ScoredPolicy,
    SettingsPolicy,
    SizePolicy,
)
from backstay.strategies.scored.wanted import ScoredTrader

MINUTE = 60 * SECOND
SYMBOLS = ("BNBUSDT", "XRPUSDT", "LINKUSDT", "NEARUSDT", "DOTUSDT")
"""The first that the demo's market does not have already."""
SCORE = ScorePolicy(
    interval=MINUTE,
    higher=3 * MINUTE,
    gate=Decimal("0.3"),
    periods=Periods(
        ema_fast=5,
        ema_slow=13,
        higher_ema_fast=4,
        higher_ema_slow=9,
        atr=7,
        atr_slow=20,
        macd_fast=5,
        macd_slow=13,
        macd_signal=4,
        rsi=9,
        channel=10,
        efficiency=8,
        volume=15,
    ),
    bracket=BracketRule(stop=Decimal(2), targets=(Decimal("1.5"),)),
    valid_for=MINUTE,
)
"""Short enough for several trades within minutes."""


def policy(symbol: str) -> ScoredPolicy:
    """How the symbol is traded."""
    return ScoredPolicy(
        symbols=(symbol,),
        score=SCORE,
        entry=EntryPolicy(kind=EntryKind.MARKET, escalation=Escalation(max_slippage=Decimal("0.001"))),
        size=SizePolicy(max_notional=Decimal(2000)),
        settings=SettingsPolicy(leverage=5),
        cool_down=CoolDown(after_close=MINUTE, after_loss=2 * MINUTE),
    )


class ScoredStory:
    """What of the demo is about scores. Without a free symbol, or on a live market, there is none."""

    def __init__(self, feed: Feed, *, seed: int, live: bool, tell: Callable[[str], None]) -> None:
        free = [name for name in SYMBOLS if name not in feed.symbols]
        self.symbol = "" if live or not free else free[0]
        self.feed = feed
        if self.symbol:
            trend = TrendingFeed((self.symbol,), seed=seed, start_ns=feed.start_ns, leg_minutes=9)
            self.feed = merged([feed, trend])
        self.entries = 0
        self.closed = 0
        self.why_seq = 0
        """The record of the latest entry's request."""
        self.why = ""
        self._tell = tell
        self._held = Decimal(0)
        self._reason = ""

    @property
    def managers(self) -> tuple[Manager, ...]:
        if not self.symbol:
            return ()
        return (Manager(ScoredTrader(), policy(self.symbol), frozenset((self.symbol,))),)

    @property
    def engine_settings(self) -> EngineSettings:
        return with_history(history_minutes(Engine(self.managers)))

    def listen(self, owner: Owner) -> Callable[[int, TimeNs, Body], None]:
        """A reader of the ledger for one life of the guard."""

        def record(seq: int, _at: TimeNs, body: Body) -> None:
            if isinstance(body, SignalScored):
                if body.signal.kind.direction is not None:
                    self._reason = _told(body)
            elif isinstance(body, RequestSent) and body.action is Action.PLACE:
                if body.scope.symbol != self.symbol:
                    return
                ctx = owner.account.scopes[body.scope].contexts.get(body.ctx_id)
                if ctx is not None and ctx.role is Role.ENTRY:
                    self._entered(seq)
            elif isinstance(body, AccountReport):
                for row in body.positions:
                    if row.symbol == self.symbol:
                        self._moved(row.quantity)

        return record

    def _entered(self, seq: int) -> None:
        if not self.entries or not self._held:
            self.entries += 1
            self.why_seq, self.why = seq, self._reason
            self._tell(f"scored: {self.symbol} is entered, {self._reason}")

    def _moved(self, quantity: Decimal) -> None:
        if self._held and not quantity:
            self.closed += 1
            self._tell(f"scored: {self.symbol} is closed again")
        self._held = quantity


def _told(e: SignalScored) -> str:
    """The score in a sentence, and its strongest factor in another."""
    strongest = max(e.factors, key=lambda f: abs(f.contribution), default=None)
    return f"{e.signal.reason}; {strongest.sentence}" if strongest is not None else e.signal.reason
