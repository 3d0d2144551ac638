"""Naked time is bounded, and always alarmed.

A position without a stop for its full size: for at most five seconds where nothing was wrong, and for at most
`BOUND_MS` after the last fault. No cancel of ours takes the only stop away. When a process knows of a
position with no stop at all for that long, its readers must have been told.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from backstay.simulation.observers.base import Observer, Sent, leg_name
from backstay.simulation.scene import LegKey
from backstay.strategies.position_manager.policy import StopKind

CALM_MS = 5_000
BOUND_MS = 130_000
"""Absence of an accepted conditional order takes a minute to prove, with backoffs around it."""
ALARM_MS = 5_000
ALARM_SLACK_MS = 2_500
REPEATED_MS = 60_000
"""A process that missed a close goes on with the window that it knows, and repeats its alarm this often."""


class Window(msgspec.Struct):
    key: LegKey
    from_ms: int
    until_ms: int = 0


class Naked(Observer):
    name = "naked"
    words = "time without a stop is bounded, and alarmed"
    product = "usdm"

    def __init__(self, watch: Any) -> None:
        super().__init__(watch)
        self._open: dict[LegKey, int] = {}
        self._known: dict[LegKey, tuple[int, int]] = {}
        self.windows: list[Window] = []
        self.known: list[tuple[LegKey, int, int, int]] = []
        """(leg, process, from, until): a running process had been told of a naked position."""
        self.lengths: list[int] = []

    def _wanted(self, key: LegKey) -> bool:
        return self.watch.managed(key) and self.watch.setup.policy.stop_loss.enabled

    def _legs(self, legs: set[LegKey]) -> Iterable[LegKey]:
        """Those of them that are watched."""
        return (key for key in legs if self._wanted(key))

    def _bare(self, scene: Any, key: LegKey) -> bool:
        """No stop at all stands for its position."""
        return bool(scene.bare(key))

    def _covered(self, scene: Any, key: LegKey) -> bool:
        """Stops stand for all of it."""
        return bool(scene.covered(key))

    def arrived(self, sent: Sent) -> None:
        """The only stop of a position is not cancelled by us, unless the policy gives up the bridge."""
        watch, stop = self.watch, self.watch.setup.policy.stop_loss
        if sent.action != "cancel" or sent.surface != "algo" or not self._wanted(sent.key):
            return
        kind = stop.trail_as if stop.kind is StopKind.TRAILING_LOCAL else stop.kind
        unbridged = not stop.bridge or kind is not StopKind.CLOSE_POSITION
        target = next((o for o in watch.told.algos.values() if o.client_id == sent.client_id), None)
        if target is None or not target.is_stop or (unbridged and target.close_position) or sent.held_up:
            return
        for scene in (watch.told, watch.truth):
            amount = scene.amount(sent.key)
            others = [o for o in scene.resting(sent.key) if o.client_id != sent.client_id]
            if not target.covers(amount) or any(o.covers(amount, scene.tolerance) for o in others):
                return
            if any(o.is_stop and o.status == "TRIGGERING" and o.closes(amount) for o in others):
                return  # it closes the position right now; nobody could know of it when the cancel left
        self.say(
            f"{leg_name(sent.key)}: {sent.client_id} is cancelled, and no other stop covers the position"
        )

    def happened(self, frame: dict[str, Any], legs: set[LegKey]) -> None:
        now, truth = self.watch.now_ms(), self.watch.truth
        for key in self._legs(legs):
            if not self._bare(truth, key):
                self._forget(key, now)
            if self._covered(truth, key):
                since = self._open.pop(key, None)
                if since is not None:
                    self._close(Window(key, since, now))
            elif key not in self._open:
                self._open[key] = now

    def heard(self, legs: set[LegKey]) -> None:
        now, told, machine = self.watch.now_ms(), self.watch.told, self.watch.machine
        if machine is None:
            return
        for key in self._legs(legs):
            if not self._bare(told, key):
                self._forget(key, now)
            elif key in self._open and key not in self._known:
                self._known[key] = (machine.number, now)

    def died(self, machine: Any) -> None:
        for key, (number, _) in list(self._known.items()):
            if number == machine.number:
                self._forget(key, self.watch.now_ms())

    def _forget(self, key: LegKey, now: int) -> None:
        known = self._known.pop(key, None)
        if known is not None:
            self.known.append((key, known[0], known[1], now))

    def _close(self, window: Window) -> None:
        self.windows.append(window)
        length = window.until_ms - window.from_ms
        self.lengths.append(length)
        watch = self.watch
        healed = watch.faults_over_ms
        if length > CALM_MS and not self._excused(window.from_ms, window.until_ms):
            self.say(
                f"{leg_name(window.key)} stood without a stop for {length} ms in calm times", window.from_ms
            )
        elif healed and window.until_ms - max(window.from_ms, healed) > BOUND_MS:
            self.say(
                f"{leg_name(window.key)} stood without a stop for {length} ms, long after the last fault"
            )

    def _excused(self, from_ms: int, until_ms: int) -> bool:
        """A fault, or the aftermath of one, lies within or shortly before the window."""
        if self.watch.machine is None or not self.watch.ready_ms or from_ms < self.watch.ready_ms:
            return True
        return self.watch.in_trouble(from_ms - BOUND_MS, until_ms)

    def over(self, world: Any) -> None:
        now = self.watch.now_ms()
        for key, since in list(self._open.items()):
            self._forget(key, now)
            self._close(Window(key, since, now))
        alarms = self.watch.alarms
        clock_moved = any(f.kind == "local_clock" for f in world.case.faults)
        for key, _, since, until in self.known:
            if until - since <= ALARM_MS + ALARM_SLACK_MS or clock_moved:
                continue
            due = since + ALARM_MS + ALARM_SLACK_MS
            told = alarms.get(f"{self.product}:{key[0]}:{key[1]}", ())
            if not any(since - REPEATED_MS <= at <= max(due, until) for at in told):
                self.say(
                    f"{leg_name(key)} was known to be without a stop for {until - since} ms: no alarm", since
                )
