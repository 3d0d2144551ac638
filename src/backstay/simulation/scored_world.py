"""One run of the scored trader: scores of a streamed market, entries, brackets, and the owner's hand.

The machine, the processes and the way of a run are the world's (`world.py`); here are the market that is
scored, what is heard of it, and the operator who answers to what was done by hand.
"""

from collections.abc import Mapping

from backstay.app.paper import PaperExchange
from backstay.core.engine import Engine, Manager
from backstay.core.events import OperatorAction, OperatorCommand
from backstay.core.state import AccountState
from backstay.core.types import MS, PositionSide, Product, Scope
from backstay.simulation.acts import Act
from backstay.simulation.faults import Kind
from backstay.simulation.machine import Machine
from backstay.simulation.observers.scored_settings import SettingsUntouched
from backstay.simulation.observers.scored_watch import ScoredWatch
from backstay.simulation.process import Word
from backstay.simulation.scored_acts import ACK
from backstay.simulation.scored_market import LegsFeed
from backstay.simulation.scored_plans import KINDS
from backstay.simulation.scored_setup import ScoredSetup, draw_scored_setup
from backstay.simulation.world import World
from backstay.simulator.server.request_log import Entry
from backstay.strategies.scored.wanted import ScoredTrader

MARK = b'"markPriceUpdate"'
SYMBOL = b'"s":"'


class ScoredWorld(World):
    """Plays one case of the scored trader. Made inside the loop."""

    kinds: Mapping[str, Kind] = KINDS
    setup: ScoredSetup
    watch: ScoredWatch

    def set_stage(self) -> None:
        case, clock = self.case, self.clock
        setup = self.setup = draw_scored_setup(case.seed, case.scenario)
        self.watch = ScoredWatch(
            setup,
            self.start_ns // MS,
            lambda: clock.now_ns() // MS,
            price=self.price,
            account=self._account,
            flush=self._flush,
        )
        feed = LegsFeed(
            setup.symbols,
            seed=case.seed,
            start_ns=self.start_ns,
            duration_ms=setup.duration_ms,
            gap_ms=setup.gap_ms,
            heat=setup.heat,
        )
        self.exchange = PaperExchange(
            feed,
            start_ns=self.start_ns,
            seed=case.seed,
            time_ns=clock.now_ns,
            hedge=setup.hedge is not setup.other_mode,
            settings=setup.server,
            engine_settings=setup.engine,
        )

    def _account(self) -> AccountState | None:
        process = self.process
        if process is None or process.machine.dead or process.guard.journal.failure is not None:
            return None
        return process.guard.owner.account

    def _flush(self) -> None:
        if self.process is not None:
            self.process.guard.journal.durable_now()

    def engine(self) -> Engine:
        policy = self.setup.policy
        manager = Manager(ScoredTrader(), policy, frozenset(self.setup.symbols), frozenset(policy.sides))
        return Engine((manager,), self.setup.limits)

    # --- what is watched ----------------------------------------------------------------------------

    def _arrived(self, entry: Entry) -> None:
        super()._arrived(entry)
        for observer in self.observers:
            if isinstance(observer, SettingsUntouched):
                observer.setting(entry)

    def hear(self, machine: Machine, surface: str, data: bytes) -> None:
        if surface == "market":
            if MARK in data:
                begin = data.index(SYMBOL) + len(SYMBOL)
                self.watch.marked_ms[data[begin : data.index(b'"', begin)].decode()] = self.watch.now_ms()
            return
        super().hear(machine, surface, data)

    # --- people -------------------------------------------------------------------------------------

    def say_command(self, event: OperatorCommand) -> Word:
        word = super().say_command(event)
        said = word is Word.SAID
        if said and event.action is OperatorAction.PAUSE:
            self.watch.paused_ms = self.watch.paused_ms or self.watch.now_ms()
        elif said and event.action is OperatorAction.ACK:
            self.watch.acks.append(event.scope.symbol if event.scope is not None else "")
        elif event.action is OperatorAction.RESUME:
            self.watch.paused_ms = 0
        return word

    def act(self, act: Act) -> None:
        if act.do == ACK:
            self.review(act.symbol)
            return
        super().act(act)

    def review(self, symbol: str) -> None:
        """The operator looks at every leg of a symbol and acknowledges what was done there."""
        sides = (PositionSide.LONG, PositionSide.SHORT) if self.setup.hedge else (PositionSide.BOTH,)
        words = [self.command(OperatorAction.ACK, Scope(Product.USDM, symbol, side)) for side in sides]
        if all(word is Word.SAID for word in words):
            self.watch.acknowledged(symbol)

    def is_waiting(self) -> bool:
        """Besides what every product tries again: bars, and settings that nothing stands in the way of."""
        if self.process is None or super().is_waiting():
            return True
        guard = self.process.guard
        feed = guard.market.feed if guard.market is not None else None
        troubled = feed is not None and any(h.trouble for h in feed.desk.histories.values())
        return troubled or (guard.settling is not None and guard.settling.is_due)

    def acknowledge(self) -> None:
        """Besides what every operator answers to: nothing is entered any more, every hand is looked at."""
        super().acknowledge()
        if not self.watch.paused_ms:
            self.command(OperatorAction.PAUSE)
        for symbol in self.setup.symbols:
            keys = {key for key in self.watch.truth.legs if key[0] == symbol}
            if any(self.watch.in_review(key) for key in keys):
                self.review(symbol)
