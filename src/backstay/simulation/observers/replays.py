"""The ledger is sound, and folding it again gives the same state and the same decisions.

On the way through it the trust of each scope is seen as it was when a request left: none may leave an
untrusted scope, except a blind stop (X-3) and what flattens.
"""

from typing import Any

from backstay.app.ledger_paths import LEDGER
from backstay.core.account import fold
from backstay.core.engine import decide
from backstay.core.events import AnyEvent, RequestSent
from backstay.core.records import Decided
from backstay.core.state import AccountState, pack
from backstay.core.types import Action, Role, TimeNs
from backstay.ledger.reader import entries
from backstay.ledger.replay import replay
from backstay.ledger.verify import verify
from backstay.simulation.observers.base import Observer


class Replays(Observer):
    name = "replays"
    words = "the ledger verifies, and its replay gives the same state and decisions"

    ledger = LEDGER

    def over(self, world: Any) -> None:
        process = world.process
        if process is None or process.machine.dead or process.guard.journal.failure is not None:
            return
        process.guard.journal.durable_now()
        disk = self.watch.disk()
        checked = verify(disk, self.ledger)
        if not checked.ok:
            self.say(f"the ledger does not verify: {checked.detail}")
            return
        engine = world.engine()
        state, outcome = replay(
            entries(disk, self.ledger),
            initial=AccountState(),
            fold=self._fold,
            pack=pack,
            decide=lambda account, key, now: Decided.of(decide(account, key, engine, now)),
        )
        if outcome.mismatch is not None:
            m = outcome.mismatch
            self.say(f"record {m.seq} is decided differently: {m.recorded} / {m.recomputed}")
        if pack(state) != pack(process.guard.owner.account):
            self.say("the replayed state differs from the living one")

    def _fold(self, account: AccountState, event: AnyEvent, at: TimeNs) -> AccountState:
        if isinstance(event, RequestSent):
            self._judge(account, event, at)
        return fold(account, event, at)

    def _judge(self, account: AccountState, event: RequestSent, at: TimeNs) -> None:
        s = account.scopes[event.scope]
        if s.trusted or s.flatten_since or "kill_switch" in account.gates:
            return
        ctx = s.contexts.get(event.ctx_id)
        blind = (
            event.action is Action.PLACE
            and ctx is not None
            and ctx.role is Role.SL
            and ctx.slot.close_position
            and s.naked_since
        )
        if not blind:
            self.say(
                f"{event.scope}: {event.action} {event.ctx_id} left while the scope was {s.trust} "
                f"({', '.join(s.reasons or s.handling)})",
                at // 1_000_000,
            )
