"""Which rules fire: counting, chance and time windows of a `FaultPlan`, with dice from the seed."""

import random
from collections.abc import Callable

import msgspec

from backstay.simulator.server.faults import (
    FRAME,
    REQUEST,
    STATE,
    WORLD,
    Effect,
    FaultPlan,
    Match,
    Rule,
    targets,
)
from backstay.simulator.server.settings import MS


class Subject(msgspec.Struct, frozen=True):
    """The message that rules look at: a request, a frame or a new connection."""

    surface: str
    endpoint: str = ""
    method: str = ""
    event: str = ""
    status: str = ""
    stream: str = ""
    symbol: str = ""
    account: str = ""
    client_id: str = ""


class Change(msgspec.Struct, frozen=True):
    """A timed effect: it happens now (`on`), or a state of it is over (not `on`)."""

    rule: Rule
    on: bool


class _Live(msgspec.Struct):
    rule: Rule
    where: frozenset[str]
    installed: int
    seen: int = 0
    fired: int = 0
    stage: int = 0


class Injector:
    """The installed rules and their counters. Deterministic: same seed, same messages, same faults."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._live: list[_Live] = []
        self._timed: list[_Live] = []

    def install(self, plan: FaultPlan, now: int) -> None:
        for rule in plan.rules:
            live = _Live(rule, targets(rule), now)
            timed = STATE in live.where or live.where == {WORLD}
            (self._timed if timed else self._live).append(live)

    def clear(self) -> list[Change]:
        """Forget all rules; returns the ends of the states that hold."""
        ends = [Change(t.rule, on=False) for t in self._timed if STATE in t.where and t.stage == 1]
        self._live.clear()
        self._timed.clear()
        return ends

    def request(self, subject: Subject, now: int) -> list[Effect]:
        return self._fire(REQUEST, subject, now) if self._live else []

    def frame(self, subject: Subject, now: int) -> list[Effect]:
        return self._fire(FRAME, subject, now) if self._live else []

    def connection(self, subject: Subject, now: int) -> list[Effect]:
        return self._fire("connect", subject, now) if self._live else []

    def due(self, now: int) -> list[Change]:
        """Timed rules whose moment has come since the last call, in rule order."""
        changes = []
        for live in self._timed:
            begin, end = self._window(live)
            if live.stage == 0 and now >= begin:
                live.stage = 1
                live.fired += 1
                changes.append(Change(live.rule, on=True))
            if live.stage == 1 and STATE in live.where and end is not None and now >= end:
                live.stage = 2
                changes.append(Change(live.rule, on=False))
        return changes

    def next_at(self) -> int | None:
        if not self._timed:
            return None
        moments = []
        for live in self._timed:
            begin, end = self._window(live)
            if live.stage == 0:
                moments.append(begin)
            elif live.stage == 1 and STATE in live.where and end is not None:
                moments.append(end)
        return min(moments, default=None)

    def report(self) -> list[dict[str, object]]:
        """Every rule with how often it matched and fired."""
        return [
            {
                "name": live.rule.name,
                "effect": live.rule.effect.kind,
                "args": live.rule.effect.args,
                "seen": live.seen,
                "fired": live.fired,
            }
            for live in [*self._live, *self._timed]
        ]

    def _fire(self, kind: str, subject: Subject, now: int) -> list[Effect]:
        effects = []
        for live in self._live:
            if kind in live.where and self._matches(live, subject, now):
                live.fired += 1
                effects.append(live.rule.effect)
        return effects

    def _matches(self, live: _Live, subject: Subject, now: int) -> bool:
        match = live.rule.match
        if not _describes(match, subject):
            return False
        begin, end = self._window(live)
        if now < begin or (end is not None and now >= end):
            return False
        live.seen += 1
        if match.times is not None and live.fired >= match.times:
            return False
        if match.nth and live.seen not in match.nth:
            return False
        if match.every is not None and live.seen % match.every:
            return False
        return match.probability >= 1.0 or self._rng.random() < match.probability

    @staticmethod
    def _window(live: _Live) -> tuple[int, int | None]:
        match = live.rule.match
        begin = match.at_ms if match.at_ms is not None else match.from_ms or 0.0
        end = None if match.until_ms is None else live.installed + int(match.until_ms * MS)
        return live.installed + int(begin * MS), end


_EQUAL: tuple[tuple[Callable[[Match], str | None], Callable[[Subject], str]], ...] = (
    (lambda m: m.surface, lambda s: s.surface),
    (lambda m: m.endpoint, lambda s: s.endpoint),
    (lambda m: m.method, lambda s: s.method),
    (lambda m: m.event, lambda s: s.event),
    (lambda m: m.status, lambda s: s.status),
    (lambda m: m.stream, lambda s: s.stream),
    (lambda m: m.symbol, lambda s: s.symbol),
    (lambda m: m.account, lambda s: s.account),
)


def _describes(match: Match, subject: Subject) -> bool:
    for wanted, actual in _EQUAL:
        value = wanted(match)
        if value is not None and value != actual(subject):
            return False
    return match.client_id is None or subject.client_id.startswith(match.client_id)
