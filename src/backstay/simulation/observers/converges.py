"""After the faults the world converges (I-31): every open position has its stop where the policy wants it and
its take-profits, nothing of ours is surplus, and a process that starts afresh finds nothing to do.

The expectation is computed here from the venue's position and the policy alone. Where history decides (a
ratchet, taken levels, steps done) it is a range; the fresh process then says the rest.
"""

from decimal import ROUND_DOWN, ROUND_UP, Decimal
from typing import Any

from backstay.core.types import MS
from backstay.simulation.acts import STEPS
from backstay.simulation.market import TICKS
from backstay.simulation.observers.base import Observer, leg_name
from backstay.simulation.scene import Leg, LegKey, Resting
from backstay.strategies.position_manager.policy import Basis, SlBreached, StopKind, TakeProfitKind

D = Decimal
TIME_STOP_SLACK_MS = 30_000
"""Restarts and refusals put the close off."""
MIN_NOTIONAL = {"BTCUSDT": D(100), "ETHUSDT": D(20), "SOLUSDT": D(5)}


class Converges(Observer):
    name = "converges"
    words = "after the faults every position has its stop and its plan, and nothing is surplus"

    def complaints(self) -> list[str]:
        """What is not as it should be now."""
        if self.watch.flattening_ms:
            return []
        found: list[str] = []
        truth = self.watch.truth
        keys = set(truth.legs) | {o.key for o in (*truth.orders.values(), *truth.algos.values())}
        for key in sorted(keys):
            if self.watch.managed(key):
                found.extend(f"{leg_name(key)}: {text}" for text in self._leg(key))
        return found

    def over(self, world: Any) -> None:
        for text in self.complaints():
            self.say(text)

    def _leg(self, key: LegKey) -> list[str]:
        truth = self.watch.truth
        leg = truth.legs.get(key, Leg())
        ours = [o for o in truth.resting(key, ours=True) if o.status != "TRIGGERING"]
        if not leg.amount:
            return [f"flat, and {o.kind} {o.client_id} rests" for o in ours]
        if self._time_stop_due(key, leg):
            return [f"holds {leg.amount}, and its time stop has not closed it"]
        stops = [o for o in ours if o.is_stop]
        found = self._stop(key, leg, stops)
        takes = [o for o in ours if not o.is_stop and o.closes(leg.amount)]
        return found + self._takes(key, leg, takes)

    def _time_stop_due(self, key: LegKey, leg: Leg) -> bool:
        """A time stop is to close it, now or soon; one that an order by hand has hindered was tried.

        It runs from when the process was told of the position: in a ban that can be a minute late.
        """
        rule = self.watch.setup.policy.time_stop
        if rule is None:
            return False
        told_ms = self.watch.told.legs.get(key, leg).epoch_ms
        tried_ms = max(leg.epoch_ms, told_ms) + rule.after // MS + TIME_STOP_SLACK_MS
        return self.watch.now_ms() < tried_ms or not self.watch.hindered(key)

    def _tick(self, key: LegKey) -> Decimal:
        return TICKS[key[0]] * (10 if key[0] in self.watch.filters_changed else 1)

    def _stop(self, key: LegKey, leg: Leg, stops: list[Resting]) -> list[str]:
        policy = self.watch.setup.policy.stop_loss
        covering = [o for o in stops if o.covers(leg.amount, self.watch.truth.tolerance)]
        if not covering:
            external = [o for o in self.watch.truth.resting(key, ours=False) if o.covers(leg.amount)]
            return [] if external and external[0].close_position else ["no stop covers the position"]
        if len(stops) > 1:
            return [f"{len(stops)} stops rest: {', '.join(o.client_id for o in stops)}"]
        stop = covering[0]
        if policy.kind is StopKind.TRAILING or stop.kind == "TRAILING_STOP_MARKET":
            return []
        if not stop.close_position and stop.total != abs(leg.amount):
            return [f"the stop is for {stop.total}, the position is {leg.amount}"]
        return self._trigger(key, leg, stop)

    def _trigger(self, key: LegKey, leg: Leg, stop: Resting) -> list[str]:
        """Not looser than the policy; tighter only by a ratchet, break-even or a trail."""
        policy = self.watch.setup.policy
        retriggers = policy.stop_loss.sl_breached is SlBreached.RETRIGGER
        if policy.stop_loss.basis is Basis.ANCHOR or retriggers:
            return []  # history decides: the first entry, or a breach that was answered with a looser stop
        if self._neither_stop_nor_close(key, leg):
            return []  # so it does here: what the venue still took stands
        tick, long = self._tick(key), leg.amount > 0
        rate = 1 - policy.stop_loss.distance if long else 1 + policy.stop_loss.distance
        exact = leg.entry * rate / tick
        wanted = exact.to_integral_value(ROUND_UP if long else ROUND_DOWN) * tick
        slack = tick * 2
        looser = stop.trigger < wanted - slack if long else stop.trigger > wanted + slack
        return [f"the stop at {stop.trigger} is looser than {wanted}"] if looser else []

    def _neither_stop_nor_close(self, key: LegKey, leg: Leg) -> bool:
        """This position was beyond its stop (-2021), and its close refused for orders by hand (-2022)."""
        asked = (s for s in self.watch.all_sent if s.key == key and s.at_ms >= leg.changed_ms)
        return {-2021, -2022} <= {s.entry.code for s in asked}

    def _takes(self, key: LegKey, leg: Leg, takes: list[Resting]) -> list[str]:
        rule = self.watch.setup.policy.take_profit
        size = abs(leg.amount)
        total = sum((o.left for o in takes), D(0))
        if not rule.enabled:
            return ["a take-profit rests that no policy wants"] if takes else []
        if total > size:
            return [f"take-profits of {total} rest against a position of {size}"]
        if rule.kind is not TakeProfitKind.LIMIT or len(rule.levels) != 1:
            return [] if len(takes) <= len(rule.levels) else [f"{len(takes)} take-profits rest"]
        if self.watch.hindered(key):
            return []
        if size < STEPS[key[0]] or size * leg.entry < MIN_NOTIONAL[key[0]] * D("1.02"):
            return []
        if total != size:
            return [f"take-profits of {total} rest for a position of {size}"]
        return []
