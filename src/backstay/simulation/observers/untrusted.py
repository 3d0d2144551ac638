"""No mutation while untrusted, as the wire shows it: after the private stream of a process ended, nothing is
placed, amended or cancelled before positions and both kinds of orders have been read anew.

The operator's flattening has its own rule: it may close on the last known position.
"""

from backstay.core.types import SECOND
from backstay.simulation.machine import Machine
from backstay.simulation.observers.base import Observer, Sent, leg_name

READS = frozenset({"positionRisk", "openOrders", "openAlgoOrders"})
FLATTEN_MS = 2_000 * SECOND // SECOND


class Untrusted(Observer):
    name = "untrusted"
    words = "nothing is changed between the loss of the stream and a complete read"

    def __init__(self, watch: object) -> None:
        super().__init__(watch)  # type: ignore[arg-type]  # the base class knows its type
        self._missing: dict[int, set[str]] = {}
        self._lost_ms: dict[int, int] = {}

    def lost(self, machine: Machine, surface: str) -> None:
        if surface == "private":
            self._missing[machine.number] = set(READS)
            self._lost_ms[machine.number] = self.watch.now_ms()

    def opened(self, machine: Machine, surface: str) -> None:
        missing = self._missing.get(machine.number)
        if missing is not None:
            missing.discard(surface.rpartition("/")[2])

    def arrived(self, sent: Sent) -> None:
        number = sent.machine.number
        first = number not in self._missing and not sent.machine.dead
        if (
            first
            and self.watch.machine is sent.machine
            and not self.watch.told.legs
            and not self.watch.ready_ms
        ):
            return  # the start's own hydration is judged by `replays`
        if self._missing.get(number) and not self._flattens(sent):
            gone = ", ".join(sorted(self._missing[number]))
            since = self.watch.now_ms() - self._lost_ms[number]
            self.say(
                f"{leg_name(sent.key)}: {sent.endpoint} {sent.client_id} left {since} ms after the stream "
                f"was lost, and {gone} had not been read"
            )

    def _flattens(self, sent: Sent) -> bool:
        closing = self.watch.closing.get(sent.key, 0) or self.watch.flattening_ms
        return bool(closing) and (sent.action == "cancel" or not sent.opens(self.watch.told.amount(sent.key)))
