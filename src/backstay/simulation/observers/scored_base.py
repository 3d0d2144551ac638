"""What the observers of the scored trader share, and the promises of every product as they read there."""

from typing import Any, cast

from backstay.core.types import MS
from backstay.simulation.machine import Machine
from backstay.simulation.observers.base import Observer, Sent, Watch
from backstay.simulation.observers.loops import Loops
from backstay.simulation.observers.naked import Naked
from backstay.simulation.observers.quiet import Quiet
from backstay.simulation.observers.scored_watch import ScoredWatch
from backstay.simulation.scene import LegKey


class ScoredObserver(Observer):
    """Sees the scored trader's watch."""

    watch: ScoredWatch

    def __init__(self, watch: Watch) -> None:
        super().__init__(watch)
        self.watch = cast("ScoredWatch", watch)


class ScoredLoops(Loops):
    """An acknowledgement releases what waits for a human: what was refused until then is tried anew."""

    watch: ScoredWatch

    def acks(self, sent: Sent) -> int:
        scopes = [scope for at_ms, scope in self.watch.acks if at_ms <= sent.at_ms]
        return sum(scope is None or scope.symbol == sent.key[0] for scope in scopes)


class ScoredNaked(Naked):
    """A position that somebody else opened is not guarded before its owner has acknowledged it."""

    watch: ScoredWatch

    def _wanted(self, key: LegKey) -> bool:
        return super()._wanted(key) and not self.watch.by_hand(key)

    def happened(self, frame: dict[str, Any], legs: set[LegKey]) -> None:
        for key in legs:
            if not self._wanted(key):
                self._open.pop(key, None)
                self._known.pop(key, None)
        super().happened(frame, legs)


SETTINGS_READS = (
    "GET /fapi/v1/accountConfig",
    "GET /fapi/v1/symbolConfig",
    "GET /fapi/v1/commissionRate",
    "GET /fapi/v1/leverageBracket",
)


class ScoredQuiet(Quiet):
    """Bars go on closing: a position may be left on a signal for the other direction, or by its age. A
    setting that waits for the end of what is open is looked at again.
    """

    watch: ScoredWatch
    _since_ms = 0

    def begin_quiet(self) -> None:
        super().begin_quiet()
        self._since_ms = self.watch.now_ms()

    def arrived(self, sent: Sent) -> None:
        last = self.watch.truth.lives.get(sent.key, ())[-1:]
        held = any(not life.closed_ms or life.closed_ms >= self._since_ms for life in last)
        rule = self.watch.setup.policy.exit
        aged = rule.after is not None and any(
            self.watch.now_ms() >= life.opened_ms + rule.after // MS for life in last
        )
        leaves = held and (rule.on_opposite or aged)
        if not leaves or self.watch.enters(sent):
            super().arrived(sent)

    def requested(self, machine: Machine, endpoint: str) -> None:
        truth = self.watch.truth
        opened = any(leg.amount for leg in truth.legs.values()) or truth.orders or truth.algos
        if not (opened and endpoint in SETTINGS_READS):
            super().requested(machine, endpoint)
