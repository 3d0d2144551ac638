"""After the faults each holding has its stop and its take-profit where the policy wants them, and a symbol
without a holding has no order of ours.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from backstay.core.state import AccountState
from backstay.simulation.observers.spot_guarded import STOPS, Guarded
from backstay.simulation.spot_scene import SpotOrder


class SpotConverges(Guarded):
    name = "converges"
    words = "after the faults every position has its stop and its plan, and nothing is surplus"

    def complaints(self) -> list[str]:
        """What is not as it should be now."""
        account = self.watch.account()
        if account is None:
            return ["no process is ready"]
        return [f"{x}: {text}" for x in self.watch.setup.guards for text in self._symbol(account, x)]

    def over(self, world: Any) -> None:
        for text in self.complaints()[:5]:
            self.say(text)

    def _symbol(self, account: AccountState, symbol: str) -> Iterator[str]:
        truth = self.watch.truth
        held, average = self.holding(truth, symbol)
        s = account.scopes.get(self.watch.scope(symbol))
        if s is None:
            if held:
                yield f"{held} are held, and the process knows nothing of it"
            return
        if not s.trusted:
            yield f"{s.trust} at rest ({', '.join(s.reasons)})"
        if s.position.quantity != held:
            yield f"{held} are held, and the process knows of {s.position.quantity}"
        ours, needed = self.exits(truth, symbol), self.needed(truth, symbol)
        if not held:
            yield from (f"nothing is held, and {o.kind} {o.client_id} rests" for o in ours)
        elif needed:
            yield from self._stop(symbol, ours, needed, average)
            yield from self._target(symbol, ours, needed, average)

    def _stop(self, symbol: str, ours: list[SpotOrder], needed: Decimal, average: Decimal) -> Iterator[str]:
        size = self.stop_size(self.watch.truth, symbol)
        if size != needed:
            yield f"a stop of {needed} is wanted at {average} bought, there is one of {size}"

    def _target(self, symbol: str, ours: list[SpotOrder], needed: Decimal, average: Decimal) -> Iterator[str]:
        """Its price follows from the average; whether a moved stop is right, a fresh process says."""
        policy = self.policy(symbol)
        rests = [o for o in ours if o.kind not in STOPS]
        levels = policy.take_profit.levels
        if not rests and len(ours) == 1 and levels and ours[0].trigger >= average * (1 + levels[0].distance):
            return  # a stop that has passed the take-profit stands alone
        if policy.take_profit.enabled and len(rests) != 1:
            yield f"{len(rests)} take-profits of {needed} rest"
        if not policy.take_profit.enabled and rests:
            yield f"a take-profit {rests[0].client_id} rests, and none is wanted"
