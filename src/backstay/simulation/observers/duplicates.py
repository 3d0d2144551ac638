"""No duplicate slot order: never the same id twice, never the same order twice, one order a slot.

What cannot be amended (a conditional order) is replaced by another one before it goes: two generations, for
a moment. Fills that follow one another within that moment may make it more.
"""

from typing import Any

from backstay.app.ledger_paths import LEDGER
from backstay.core.events import RequestsRegistered
from backstay.core.types import Action
from backstay.ledger.reader import chunks
from backstay.simulation.observers.base import Observer, Sent, leg_name
from backstay.simulation.scene import LegKey, Resting

STOPS_MAX = 7
"""Generations of the stop while fills follow one another, and the bridge."""
GENERATIONS_MAX = 6
MOMENT_MS = 3_000
"""More than two generations are gone after this, unless something is wrong."""


def shape(order: Resting) -> tuple[object, ...]:
    """What makes two orders the same order."""
    size = "all" if order.close_position else order.left
    return order.key, order.side, order.kind, order.price, order.trigger, size


class Duplicates(Observer):
    name = "duplicates"
    words = "no order twice: not by id, not by content, not by slot"

    def __init__(self, watch: Any) -> None:
        super().__init__(watch)
        self._live: dict[str, int] = {}
        self._changes: list[tuple[int, str, bool]] = []
        self._told: set[object] = set()

    def arrived(self, sent: Sent) -> None:
        if sent.action == "place" and sent.client_id in self.watch.sent:
            self.say(f"the id {sent.client_id} was sent a second time ({sent.endpoint})")

    def happened(self, frame: dict[str, Any], legs: set[LegKey]) -> None:
        for key in legs:
            ours = list(self.watch.truth.resting(key, ours=True))
            self._note(key, ours)
            leg = self.watch.truth.legs.get(key)
            if leg is not None and self.watch.now_ms() - leg.epoch_ms < MOMENT_MS:
                continue  # what is left of the life before may look the same
            # Two steps of a ladder may meet at one price; whether a step has two orders the slots tell.
            amount = self.watch.truth.amount(key)
            judged = (o for o in ours if o.closes(amount) and o.kind != "TRAILING_STOP_MARKET")
            shapes = [shape(o) for o in judged if o.status != "TRIGGERING"]
            for twin in {s for s in shapes if shapes.count(s) > 1} - self._told:
                self._told.add(twin)
                self.say(f"{leg_name(key)}: the same order rests twice: {twin[1:]}")
            stops = sum(1 for o in ours if o.is_stop and o.status == "NEW")
            if stops > STOPS_MAX and (key, stops) not in self._told:
                self._told.add((key, stops))
                self.say(f"{leg_name(key)}: {stops} stops of ours rest at the same time")

    def _note(self, key: LegKey, ours: list[Resting]) -> None:
        now = self.watch.now_ms()
        alive = {o.client_id for o in ours if o.status != "TRIGGERING"}
        for name in alive - self._live.keys():
            self._live[name] = now
            self._changes.append((now, name, True))
        gone = [n for n in self._live if n not in alive and self.watch.sent[n].key == key]
        for name in gone:
            del self._live[name]
            self._changes.append((now, name, False))

    def over(self, world: Any) -> None:
        """One order a slot, by the slots that the ledger names."""
        slots: dict[str, tuple[str, str]] = {}
        for chunk in chunks(self.watch.disk(), LEDGER):
            for record in chunk:
                body = record.body
                if isinstance(body, RequestsRegistered):
                    for r in body.requests:
                        if r.action is Action.PLACE and r.context is not None:
                            slots[r.ctx_id] = (str(r.scope), f"{r.key} of life {r.context.epoch}")
        standing: dict[tuple[str, str], set[str]] = {}
        crowded: dict[tuple[str, str], int] = {}
        for at, name, on in (*self._changes, (self.watch.now_ms(), "", False)):
            self._judge_crowds(standing, crowded, at)
            slot = slots.get(name)
            if slot is None:
                continue
            held = standing.setdefault(slot, set())
            held.add(name) if on else held.discard(name)
            algo = any(self.watch.sent[other].surface == "algo" for other in held)
            if len(held) > (GENERATIONS_MAX if algo else 1) and slot not in self._told:
                self._told.add(slot)
                self.say(f"{slot[0]}: {len(held)} orders rest in {slot[1]}: {', '.join(sorted(held))}", at)
            if len(held) <= 2:
                crowded.pop(slot, None)
            else:
                crowded.setdefault(slot, at)

    def _judge_crowds(
        self, standing: dict[tuple[str, str], set[str]], crowded: dict[tuple[str, str], int], at: int
    ) -> None:
        for slot, since in crowded.items():
            calm = not self.watch.in_trouble(since - MOMENT_MS, at)
            if at - since > MOMENT_MS and calm and slot not in self._told:
                self._told.add(slot)
                self.say(
                    f"{slot[0]}: {len(standing[slot])} orders rest in {slot[1]} for {at - since} ms", since
                )
