"""Runs a fixture, either way: the same steps, the same expectations.

Both ways run on virtual time. Whatever a fixture says, no request may name an order that is not ours (I-19),
no id may be used twice (3.1), none may leave without its context (I-18): `desk` and `by_wire` look after it.
"""

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any, Protocol

from backstay.core.engine import Engine, Manager
from backstay.core.events import OperatorAction
from backstay.core.state import AccountState, ScopeState
from backstay.core.types import SECOND, Direction
from backstay.runtime.virtual_time import LoopClock, run_virtual
from backstay.strategies.position_manager.wanted import PositionManager

from tests.conformance.by_core import ByCore
from tests.conformance.by_wire import ByWire
from tests.conformance.case import VERBS, Case, Expect, Step, Words
from tests.conformance.desk import Asked, Desk
from tests.conformance.rows import SYMBOL, brief

START_NS = 1_790_000_000 * SECOND
SETTLE_MS = 300
"""Longer than a burst (section 13)."""
REST_MS = 1_300
"""Longer than every delay of the planner: who asks for nothing for so long, rests."""
ROUNDS_MAX = 40
POLL_MS = 50


class Way(Protocol):
    name: str
    distrusted: bool

    @property
    def account(self) -> AccountState: ...
    async def start(self) -> None: ...
    async def restart(self) -> None: ...
    def push(self, frame: bytes) -> None: ...
    def mark(self, price: str) -> None: ...
    def stream(self, state: str) -> None: ...
    def lease(self, state: str) -> None: ...
    def operator(self, action: OperatorAction) -> None: ...
    async def wait(self, ms: int) -> None: ...
    async def stop(self) -> None: ...


WAYS: dict[str, type[ByCore] | type[ByWire]] = {"core": ByCore, "wire": ByWire}


def run(case: Case, way: str) -> None:
    """Raises AssertionError that names the step and what was otherwise."""

    def main(clock: LoopClock) -> Any:
        desk = Desk(case, clock.now_ns)
        policy = case.policy
        manager = Manager(PositionManager(), policy, frozenset({SYMBOL}), frozenset(Direction))
        return Run(case, desk, WAYS[way](desk, Engine((manager,)), clock)).go()

    run_virtual(main, start_ns=START_NS)


class Run:
    def __init__(self, case: Case, desk: Desk, way: Way) -> None:
        self.case, self.desk, self.way = case, desk, way
        self._seen = 0
        """How many requests the last look has taken note of."""
        self._pushed: list[bytes] = []
        self._frames = False
        """The last step was a frame: the next one may be of the same instant."""

    async def go(self) -> None:
        given = self.case.given
        if given.position is not None:
            self.desk.frame({"e": "ACCOUNT_UPDATE", "a": {"P": [given.position]}})
        await self.way.start()
        try:
            await self.way.wait(SETTLE_MS)
            if given.orders == "resting":
                await self._rest()
                self._seen = len(self.desk.asked)
            began, self.way.distrusted, self.desk.reads_made = len(self.desk.asked), False, 0
            for number, step in enumerate(self.case.steps, 1):
                await self._checked(f"step {number}{f' ({step.note})' if step.note else ''}", step)
            self._frames = False
            await self.way.wait(SETTLE_MS)
            self._look("at the end", self.case.expect)
            self._forbidden(self.desk.asked[began:])
        finally:
            await self.way.stop()

    async def _checked(self, where: str, step: Step) -> None:
        try:
            await self._step(step)
        except AssertionError as error:
            raise AssertionError(f"{self.case.id} by the {self.way.name}, {where}: {error}") from None

    # --- steps ----------------------------------------------------------------------------------

    async def _step(self, step: Step) -> None:
        frames, self._frames = self._frames, bool(step.frame or step.unheard or step.again)
        if step.expect is not None:
            self._look("", step.expect)
            return
        if not (frames and self._frames):
            await self.way.wait(10)
        if step.frame is not None:
            self._pushed.append(self.desk.frame(step.frame, step.of))
            self.way.push(self._pushed[-1])
        elif step.again:
            self.way.push(self._pushed[-step.again])
        elif step.unheard is not None:
            self.desk.frame(step.unheard, step.of)
        elif step.answer is not None:
            refused = None if step.answer == "accepted" else step.answer
            self.desk.answer(self.desk.unanswered(step.to), refused)
        elif step.confirm:
            self._confirm([self.desk.unanswered(name) for name in step.confirm])
        elif step.rest:
            await self._rest()
        elif step.until_asked:
            await self._until_asked(step.until_asked, step.within_ms)
        elif step.reads is not None:
            self.desk.reads = step.reads
        elif step.mark:
            self.way.mark(step.mark)
        elif step.stream is not None:
            self.way.stream(step.stream)
        elif step.restart:
            await self.way.restart()
        elif step.lease is not None:
            self.way.lease(step.lease)
        elif step.operator is not None:
            self.way.operator(step.operator)
        await self.way.wait(step.wait_ms)

    async def _until_asked(self, name: str, within_ms: int) -> None:
        for _ in range(0, within_ms, POLL_MS):
            if any(a.reply is not None and a.order.is_called(name) for a in self.desk.asked):
                return
            await self.way.wait(POLL_MS)
        self.desk.unanswered(name)

    def _confirm(self, asked: Iterable[Asked]) -> None:
        for one in asked:
            self.desk.answer(one, None)
            self.way.push(self.desk.done(one))

    async def _rest(self) -> None:
        for _ in range(ROUNDS_MAX):
            await self.way.wait(SETTLE_MS)
            waiting = [a for a in self.desk.asked if a.reply is not None]
            if not waiting:
                await self.way.wait(REST_MS)
                waiting = [a for a in self.desk.asked if a.reply is not None]
            if not waiting:
                return
            self._confirm(waiting)
        raise AssertionError(f"no rest; asked: {[a.brief() for a in self.desk.asked[-5:]]}")

    # --- expectations ---------------------------------------------------------------------------

    def _scope(self) -> ScopeState:
        """The scope of a fixture; in hedge mode the first one, which is that of its position."""
        scopes = self.way.account.scopes.values()
        return max(scopes, key=lambda s: (s.scope.symbol == SYMBOL, bool(s.position.quantity or s.epoch)))

    def _look(self, where: str, expect: Expect) -> None:
        if expect.asked is not None:
            new = self.desk.asked[self._seen :]
            self._seen = len(self.desk.asked)
            same = len(new) == len(expect.asked)
            if not same or not all(matches(a.says(), w) for a, w in zip(new, expect.asked, strict=True)):
                self._otherwise(where, "asked", [a.brief() for a in new], expect.asked)
        if expect.resting is not None:
            resting = self.desk.resting()
            same = resting.keys() == expect.resting.keys()
            if not same or not all(matches(resting[n], w) for n, w in expect.resting.items()):
                self._otherwise(where, "resting", {n: brief(p) for n, p in resting.items()}, expect.resting)
        s = self._scope()
        facts = {
            "trust": s.trust,
            "reasons": s.reasons,
            "blocks": tuple(sorted(b.effect for b in s.blocks)),
            "gates": tuple(sorted(self.way.account.gates)),
            "pending": tuple(sorted(str(p.key) for p in s.pendings.values())),
        }
        for name, fact in facts.items():
            wanted = getattr(expect, name)
            if wanted is not None and wanted != fact:
                self._otherwise(where, name, fact, wanted)

    def _otherwise(self, where: str, what: str, found: Any, wanted: Any) -> None:
        s = self._scope()
        now = f"({s.trust} {s.reasons}, position {s.position.quantity})"
        raise AssertionError(f"{where} {what} is\n  {found}\nand was to be\n  {wanted}\n  {now}".strip())

    def _forbidden(self, asked: list[Asked]) -> None:
        for forbidden in self.case.forbid:
            if forbidden == "reads":
                assert not self.desk.reads_made, f"{self.case.id}: forbidden reads: {self.desk.reads_made}"
            elif forbidden == "distrust":
                assert not self.way.distrusted, f"{self.case.id}: trust was lost, which is forbidden"
            else:
                found = [a.brief() for a in asked if matches(a.says(), forbidden)]
                assert not found, f"{self.case.id}: forbidden, and asked for all the same: {found}"


def matches(said: Words, wanted: Words) -> bool:
    """Everything wanted is said; numbers by value. An order is matched by its slot, or as its nth."""
    for name, value in wanted.items():
        told = said.get(name)
        if name in VERBS and told is not None and "@" not in str(value):
            told = str(told).partition("@")[0]
        if not _same(told, value):
            return False
    return True


def _same(told: Any, wanted: Any) -> bool:
    if isinstance(wanted, bool):
        return str(told or False).lower() == str(wanted).lower()
    try:
        return Decimal(str(told)) == Decimal(str(wanted))
    except InvalidOperation:
        return str(told) == str(wanted)
