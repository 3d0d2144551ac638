"""No request loop: mutations are bounded by evidence, and no refusal is provoked again and again."""

from collections import deque
from typing import Any

from backstay.simulation.machine import Machine
from backstay.simulation.observers.base import Observer, Sent, leg_name
from backstay.simulation.scene import LegKey

WINDOW_MS = 10_000
FREE = 14
"""Mutations of a leg within the window that need no evidence: a stop, its bridge, take-profits, the ladder,
their cancels, and one retry of each."""
PER_EVENT = 3
READS_MAX = 200
"""Reads of state within the window."""
REPEATS_MAX = 3
TRANSIENT = frozenset({0, -1000, -1001, -1003, -1006, -1007, -1008, -1015, -1021, -2015, -1002, -2013, -2011})
"""Answers that are no deterministic refusal of the request's content."""


class Loops(Observer):
    name = "loops"
    words = "requests are bounded by evidence; a refusal is not provoked again and again"
    free = FREE
    moving = frozenset({"ACCOUNT_UPDATE"})
    """Events after which a refused request may be worth another try."""

    def __init__(self, watch: Any) -> None:
        super().__init__(watch)
        self._recent: dict[LegKey, deque[int]] = {}
        self._evidence: dict[LegKey, deque[int]] = {}
        self._reads: deque[int] = deque()
        self._told: set[object] = set()
        self._positions: dict[LegKey, int] = {}
        self._asked: list[tuple[Sent, tuple[int, int]]] = []
        """With the premise: how often the position has moved, and the operator has acknowledged."""

    def arrived(self, sent: Sent) -> None:
        now, key = sent.at_ms, sent.key
        self._asked.append((sent, (self._positions.get(key, 0), self._acks(key[0]))))
        recent = self._recent.setdefault(key, deque())
        recent.append(now)
        evidence = self._evidence.setdefault(key, deque())
        for queue in (recent, evidence):
            while queue and queue[0] < now - WINDOW_MS:
                queue.popleft()
        if len(recent) > self.free + PER_EVENT * len(evidence) and key not in self._told:
            self._told.add(key)
            self.say(f"{leg_name(key)}: {len(recent)} mutations in 10 s on {len(evidence)} events")

    def requested(self, machine: Machine, endpoint: str) -> None:
        if not endpoint.startswith("GET") or endpoint.endswith("/time"):
            return
        now = self.watch.now_ms()
        reads = self._reads
        reads.append(now)
        while reads[0] < now - WINDOW_MS:
            reads.popleft()
        if len(reads) > READS_MAX * len(self.watch.setup.symbols) and "reads" not in self._told:
            self._told.add("reads")
            self.say(f"{len(reads)} reads in 10 s, the last was {endpoint}")

    def happened(self, frame: dict[str, Any], legs: set[LegKey]) -> None:
        now = self.watch.now_ms()
        for key in legs:
            self._evidence.setdefault(key, deque()).append(now)
            if frame["e"] in self.moving:
                self._positions[key] = self._positions.get(key, 0) + 1

    def _acks(self, symbol: str) -> int:
        """What an operator has acknowledged is evidence too: what was refused is tried anew."""
        return sum(acked in {"", symbol} for acked in self.watch.acks)

    def over(self, world: Any) -> None:
        """I-29: by content, code and premise, how often the same was refused."""
        seen: dict[tuple[object, ...], int] = {}
        for sent, premise in self._asked:
            code = sent.entry.code
            if code in TRANSIENT or (sent.entry.fault and not sent.entry.executed):
                continue
            if self.watch.in_trouble(sent.at_ms - WINDOW_MS, sent.at_ms) and not sent.entry.fault:
                continue  # the process may not have been told of the refusal
            skip = {"timestamp", "signature", "newClientOrderId", "clientAlgoId", "apiKey", "recvWindow"}
            if sent.action != "place":
                skip -= {"newClientOrderId", "clientAlgoId"}
            content = tuple(sorted((k, v) for k, v in sent.params.items() if k not in skip))
            what = (sent.machine.number, sent.endpoint, content, code, premise)
            seen[what] = seen.get(what, 0) + 1
            allowed = self.allowed(sent)
            if seen[what] == allowed + 1:
                self.say(
                    f"{sent.endpoint} {content} was refused with {code} more than {allowed} times",
                    sent.at_ms,
                )

    def allowed(self, sent: Sent) -> int:
        """How often this content may be refused on one premise."""
        return REPEATS_MAX
